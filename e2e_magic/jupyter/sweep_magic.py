"""``%%e2esweep``: the cell over its space, in the foreground."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, aclosing, contextmanager
from functools import partial
from typing import Any

from IPython.core.error import UsageError
from IPython.display import display

from e2e_magic.api.sweeps import open_sweep
from e2e_magic.jupyter.frontend import NOBODY, shows_widgets
from e2e_magic.jupyter.notebook import MagicCell, Notebook
from e2e_magic.jupyter.running import (
    awaited,
    check_awaited,
    say_aside,
)
from e2e_magic.jupyter.sweep_arguments import read, sweep_parser
from e2e_magic.jupyter.sweep_job import prepared
from e2e_magic.jupyter.sweep_output import TrialOutput, progress_of
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record
from e2e_magic.storage import Selection
from e2e_magic.sweeping.endings import died
from e2e_magic.sweeping.engines import Engine, EngineLost
from e2e_magic.sweeping.engines.kernel import KernelEngine
from e2e_magic.sweeping.engines.shipping import ShippingError
from e2e_magic.sweeping.jobs import CellJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.views.sweep_result import SweepResult


def sweep_cell(notebook: Notebook, line: str, cell: str) -> Any:
    """Run a cell once per combination; return the result, or a coroutine that does where the cell awaits."""
    __tracebackhide__ = True
    options = read(line)
    if options.help:
        display({"text/plain": sweep_parser().format_help()}, raw=True)
        return None
    notebook.remember(options, cell)
    if options.panel and offered(notebook, options, cell):
        return None
    plan, job = prepared(notebook, options, cell)
    check_awaited(notebook.shell, job.is_async, "%%e2esweep")
    swept = _Swept(notebook, plan, job, options)
    return swept.run_async() if job.is_async else swept.run()


def offered(notebook: Notebook, options: argparse.Namespace, cell: str) -> bool:
    """Show the panel; return False where nobody sees widgets, so that the sweep runs at once."""
    if not shows_widgets(notebook.shell):
        say_aside(f"--panel: {NOBODY}, so the sweep runs at once")
        return False
    if options.parameters:  # an error in the line is raised as for any other
        plan, job = prepared(notebook, options, cell)
        try:
            open_sweep(notebook.session, plan, job)
        except PlanError as error:
            raise UsageError(str(error)) from None
    # ipywidgets is imported only where widgets are seen.
    from e2e_magic.jupyter.panel.panel import open_panel

    open_panel(notebook, MagicCell(options, cell))
    return True


class _Swept:
    """One sweep of a cell: its trials, their display, the result and variable that stay."""

    def __init__(
        self, notebook: Notebook, plan: SweepPlan, job: CellJob, options: argparse.Namespace
    ) -> None:
        self._shell = shell = notebook.shell
        self._session = session = notebook.session
        self._options = options
        self._output = TrialOutput(shell)
        try:
            self._sweep: Sweep = open_sweep(
                session,
                plan,
                job,
                on_record=self._on_record,
                on_output=self._output.show,
                warn=say_aside,
            )
        except PlanError as error:
            raise UsageError(str(error)) from None
        self._result = SweepResult(self._sweep, session.names())
        self._progress = progress_of(shell, self._sweep, quiet=options.quiet)

    def run(self) -> Any:
        """Run the sweep of a cell that doesn't await, or that awaits elsewhere."""
        __tracebackhide__ = True
        with self._showing_progress(), _errors_of_engines():
            for _ in self._sweep.run(self._engine()):
                pass
        return self._value()

    async def run_async(self) -> Any:
        """Run the sweep of a cell that awaits at its top level, on the loop that runs us."""
        __tracebackhide__ = True
        with self._showing_progress(), _errors_of_engines():
            async with aclosing(self._sweep.run_async(self._engine())) as records:
                async for _ in records:
                    pass
        return self._value()

    def _engine(self) -> Engine | None:
        """Return the kernel's engine with each trial's output under its name; None for any other."""
        if self._sweep.plan.where.kind != "kernel":
            return None
        return KernelEngine(
            self._sweep.job,
            classes=self._sweep.classes,
            warn=say_aside,
            around=self._output.of,
            wait=partial(awaited, self._shell),
        )

    def _value(self) -> Any:
        return None if self._options.quiet else self._result

    @contextmanager
    def _showing_progress(self) -> Iterator[None]:
        """Show the progress during the sweep, and the trials done so far when it ends early."""
        __tracebackhide__ = True
        with ExitStack() as stack:
            stack.enter_context(self._progress)
            try:
                yield
            except BaseException:
                self._leave()
                if self._sweep.records and not self._options.quiet:
                    self._progress.close()
                    display(self._result)
                raise
            self._leave()
            if self._sweep.ended:
                left = self._sweep.progress.left
                say_aside(f"{self._sweep.ended}: {left} of {self._sweep.progress.total} trials were not run")

    def _leave(self) -> None:
        self._result.set_names(self._session.names(Selection(everything=self._options.resume)))
        if self._options.out:
            self._shell.user_ns[self._options.out] = self._result

    def _on_record(self, turn: Turn, record: Record) -> None:
        if record.state == "failed" and not self._sweep.plan.fail_fast and record.error and not died(record):
            say_aside(f"{turn.label} failed: {record.error.splitlines()[0]}")


@contextmanager
def _errors_of_engines() -> Iterator[None]:
    """Raise what stands in the way of an engine as `UsageError` with its text, without our frames."""
    __tracebackhide__ = True
    try:
        yield
    except (PlanError, ShippingError, EngineLost) as error:
        raise UsageError(str(error)) from None
