"""A notebook executed from top to bottom with every cell measured, for CI: its report, what failed."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from e2e_magic.measuring.plan import PlanError

# What is executed beside the cells takes seconds, more than a cell may be given; a kernel that doesn't answer
# must not hold CI for ever.
ASIDE_TIMEOUT_S = 300
_SUFFIXES = (".html", ".htm")
_LOAD = "get_ipython().run_line_magic('load_ext', 'e2e_magic')"
_AUTO = "get_ipython().run_line_magic('e2e', 'auto on')"


@dataclass(slots=True)
class Executed:
    """The outcome of executing a notebook.

    Attributes
    ----------
    failed : bool
        Whether a cell failed, or the kernel ended.
    died : bool
        Whether the kernel ended.
    written : list of str
        What was written, a sentence each.
    problems : list of str
        What went wrong, a sentence each.
    """

    failed: bool = False
    died: bool = False
    written: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class NotebookRun:
    """Execute a notebook in a kernel of its own, beside the notebook, as a person would.

    Parameters
    ----------
    notebook : Path
        It is not changed.
    report : Path
        Where the report goes.
    out : Path, optional
        Where the notebook goes with its outputs; without what was added to measure it.
    store : str, optional
        Where trials are kept; as the kernel decides when left out.
    name : str, optional
        The run's name, for `compare`; a short id when left out.
    kernel : str, optional
        The kernel's name; the notebook's own when left out.
    timeout : float, optional
        Seconds per cell; no limit when left out.
    repeat : int
        How often, each time in a fresh kernel: the trials are kept as repeats in one run.

    Raises
    ------
    PlanError
        If the file is no notebook, or a path can't be used.
    ImportError
        If nbclient is not installed.
    """

    def __init__(
        self,
        notebook: Path,
        *,
        report: Path,
        out: Path | None = None,
        store: str | None = None,
        name: str | None = None,
        kernel: str | None = None,
        timeout: float | None = None,
        repeat: int = 1,
    ) -> None:
        self.notebook = notebook
        self.report = report
        self.out = out
        self.store = store if store is None or _is_url(store) else os.path.abspath(store)  # noqa: PTH100
        self.name = name
        self.kernel = kernel
        self.timeout = timeout
        self.repeat = repeat
        for path in (report, *([out] if out is not None else [])):
            if not path.parent.is_dir():
                raise PlanError(
                    f"the folder {path.parent} does not exist; create it first, or choose another"
                )
        if report.suffix.lower() not in _SUFFIXES:
            raise PlanError(f"--report: expected a name that ends with .html, got {report.name!r}")
        if name is not None and not name.strip():
            raise PlanError(f"--name: expected a name, such as baseline, got {name!r}")
        if out is not None and out == notebook:
            raise PlanError(f"--out: {out.name} is the notebook itself; choose another name")

    def execute(self) -> Executed:
        """Execute it and write what was asked for, also where a cell failed."""
        done = Executed()
        if self.repeat > 1:
            self._repeated(done)
        else:
            self._once(done, self.store, reports=True)
        return done

    def measure(self) -> Executed:
        """Execute it once; nothing is reported."""
        done = Executed()
        self._once(done, self.store, reports=False)
        return done

    def _repeated(self, done: Executed) -> None:
        """Execute it in one kernel after the other, up to a failure, and gather what they measured."""
        from e2e_magic.api.gathering import gathered
        from e2e_magic.storage import Store
        from e2e_magic.views import report as html_report

        address = self._address()
        if address == ":memory:":
            raise PlanError(
                "--repeat: the repeats are gathered in a store, and E2E_MAGIC_STORE names none (:memory:); "
                "name one with --store, such as e2ebench.db"
            )
        with tempfile.TemporaryDirectory() as folder:
            parts = [Path(folder) / f"{n}.db" for n in range(1, self.repeat + 1)]
            for number, part in enumerate(parts, 1):
                done.written.clear()
                self._once(done, str(part), reports=False)
                if done.failed:
                    done.problems[-1] = f"repeat {number} of {self.repeat}: {done.problems[-1]}"
                    break
            runs, records = gathered(part for part in parts if part.exists())
        with Store(address) as store:
            store.append(records, runs)
        html_report.write(self.report, runs, records)
        done.written.insert(0, f"report written to {self.report}")

    def _address(self) -> str:
        """Return the store as its kernel finds it, which begins in the notebook's folder."""
        from e2e_magic.storage.place import DEFAULT, ENVIRONMENT, placed

        named = os.environ.get(ENVIRONMENT, "").strip() or DEFAULT
        return self.store or placed(self.notebook.parent, named)

    def _once(self, done: Executed, store: str | None, *, reports: bool) -> None:
        nbclient, nbformat = _packages()
        book = _read(nbformat, self.notebook)
        began = datetime.now(UTC)
        options = {"kernel_name": self.kernel} if self.kernel else {}
        client = nbclient.NotebookClient(
            book,
            interrupt_on_timeout=True,  # the kernel must be free again for its report
            resources={"metadata": {"path": str(self.notebook.parent)}},
            **options,
        )
        errors = nbclient.exceptions
        try:
            # The kernel's own output belongs to no cell: it is reported where the kernel ended.
            # As Jupyter's server tells its kernels the notebook's name.
            variables = {**os.environ, "JPY_SESSION_NAME": str(self.notebook)}
            with tempfile.TemporaryFile() as aside, client.setup_kernel(stderr=aside, env=variables):
                self._prepare(client, errors, store)
                self._cells(client, book, errors, done)
                if done.died:
                    done.problems[-1] += _end_of(aside)
                if reports:
                    self._report(client, errors, done, began)
        except _no_kernel() as error:
            name = getattr(error, "name", "")
            raise PlanError(
                f"the kernel {name!r} of {self.notebook.name} is not installed; choose another with "
                "--kernel, such as python3"
            ) from error
        if self.out is not None:
            _write(nbformat, book, self.out)
            done.written.append(f"notebook written to {self.out}")

    def _prepare(self, client: Any, errors: Any, store: str | None) -> None:
        """Load the extension, set the store, name the run and measure every cell from now on."""
        keep = "" if store is None else f"__import__('e2e_magic').store({store!r}) and None"
        named = "" if self.name is None else f"__import__('e2e_magic').run({self.name!r}) and None"
        try:
            _aside(client, "\n".join(line for line in (_LOAD, keep, named, _AUTO) if line))
        except errors.CellExecutionError as error:
            raise PlanError(
                f"e2e_magic could not be started in the kernel of {self.notebook.name}: {_last_line(error)}"
            ) from error

    def _cells(self, client: Any, book: Any, errors: Any, done: Executed) -> None:
        """Execute the cells up to the first that fails; the time limit is theirs alone."""
        client.timeout = None if self.timeout is None else max(1, round(self.timeout))
        code = 0
        for index, cell in enumerate(book.cells):
            code += cell.cell_type == "code"
            began = time.monotonic()
            try:
                client.execute_cell(cell, index)
            except errors.CellExecutionError as error:
                done.failed = True
                late = self.timeout is not None and time.monotonic() - began >= self.timeout
                why = f"took longer than {self.timeout:g} s (--timeout)" if late else "failed"
                done.problems.append(f"cell {code} {why}: {_last_line(error)}")
                return
            except errors.DeadKernelError:
                done.failed = done.died = True
                done.problems.append(f"the kernel ended in cell {code}")
                return

    def _report(self, client: Any, errors: Any, done: Executed, began: datetime) -> None:
        """Write the report from the kernel that measured; from the store where that kernel has ended."""
        code = f"__import__('e2e_magic').report({str(self.report)!r}) and None"
        try:
            if done.died:
                self._report_from_store(began)
            else:
                _aside(client, code)
        except (errors.CellExecutionError, errors.DeadKernelError, ValueError, OSError) as error:
            done.problems.append(f"there is no report: {_last_line(error)}")
            return
        done.written.append(f"report written to {self.report}")

    def _report_from_store(self, began: datetime) -> None:
        from e2e_magic.session import Session
        from e2e_magic.storage import Selection
        from e2e_magic.views import report as html_report

        with Session.on(self._address()) as session:
            chosen = session.runs_and_records(Selection(since=began, everything=True))
            html_report.write(self.report, *chosen)


def _is_url(store: str) -> bool:
    return "://" in store or store == ":memory:"


def _packages() -> tuple[Any, Any]:
    try:
        import nbclient
        import nbformat
    except ImportError as error:
        raise ImportError(f'running a notebook needs {error.name}: pip install "e2e-magic[lab]"') from error
    return nbclient, nbformat


def _no_kernel() -> type[Exception]:
    from jupyter_client.kernelspec import NoSuchKernel

    return NoSuchKernel


def _read(nbformat: Any, path: Path) -> Any:
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # noqa: BLE001 - nbformat raises what JSON, its schema and its converters raise
        raise PlanError(f"{path.name} is no notebook that can be read ({_last_line(error)})") from error


def _write(nbformat: Any, book: Any, path: Path) -> None:
    from e2e_magic.views.writers.atomic import WriteError, replaced, why

    try:
        with replaced(path) as handle:
            handle.write(nbformat.writes(book).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise WriteError(f"could not write {path}: {why(error, path)}", error.errno) from error


def _aside(client: Any, code: str) -> None:
    """Execute code in the kernel without leaving a cell, a number or an output in the notebook."""
    import nbformat

    cell = nbformat.v4.new_code_cell(code)  # type: ignore[no-untyped-call]
    client.nb.cells.insert(0, cell)
    timeout, client.timeout = client.timeout, ASIDE_TIMEOUT_S
    try:
        client.execute_cell(cell, 0, store_history=False)
    finally:
        client.timeout = timeout
        del client.nb.cells[0]


def _end_of(log: IO[bytes]) -> str:
    """Return the last line of a kernel's own output as part of a sentence; empty where there is none."""
    log.seek(0)
    lines = [line for line in log.read()[-10_000:].decode("utf-8", "replace").splitlines() if line.strip()]
    return f"; it said: {lines[-1].strip()[:300]}" if lines else ""


def _last_line(error: Exception) -> str:
    """Return ``TypeName: message``, which a failed cell's traceback ends with."""
    named = getattr(error, "ename", None)
    if named:
        lines = str(getattr(error, "evalue", "")).strip().splitlines()
        return f"{named}: {lines[0]}" if lines else str(named)
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
