"""``e2e-magic``: stores read, compared, reported and exported, and notebooks run, outside a notebook."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from e2e_magic.measuring.plan import PlanError, nearest, split_names
from e2e_magic.session import Session
from e2e_magic.storage import Selection, StoreError
from e2e_magic.views import FRAMES

if TYPE_CHECKING:
    import pandas as pd

FINE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
_STATUS = (
    "exit status: 0 fine; 1 a cell failed, or a run is worse than its baseline; 2 wrong use, or it could not "
    "be done"
)
_STORE = "a path (SQLite) or a URL of SQLAlchemy, such as e2ebench.db or postgresql+psycopg://user@host/name"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with the nearest word."""

    def error(self, message: str) -> NoReturn:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and "invalid choice" in message:
                word = message.split("'")[1]
                words = ", ".join(action.choices)
                message = f"there is no command {word!r}{nearest(word, action.choices)}; there are {words}"
        self.exit(WRONG, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words say and return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The words behind ``e2e-magic``; those of this process when left out.
    """
    options = _parser().parse_args(argv)
    act: Callable[[argparse.Namespace], int] = options.act
    try:
        return act(options)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader, `head` say, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except (ValueError, OSError, ImportError, StoreError) as error:
        # Without what to type in a cell.
        text = error.text if isinstance(error, PlanError | StoreError) else str(error)
        return _complain(text, WRONG)


def _parser() -> _Parser:
    parser = _Parser(
        "e2e-magic",
        description="What each stage of a machine-learning pipeline costs and gains, from the command line.",
        epilog=_STATUS,
    )
    parser.add_argument("--version", action="version", version=f"e2e_magic {version('e2e-magic')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    def command(
        name: str, act: Callable[[argparse.Namespace], int], text: str, *, store: bool = True
    ) -> _Parser:
        added: _Parser = commands.add_parser(name, help=text, description=f"{text}.", epilog=_STATUS)
        added.set_defaults(act=act)
        if store:
            added.add_argument("store", metavar="STORE", help=_STORE)
        return added

    runs = command("runs", _runs, "list the runs of a store")
    runs.add_argument(
        "--since", metavar="TIME", help="only those with trials from then on: 2026-08-01, 7d, 3h"
    )

    compare = command("compare", _compare, "compare runs, stage by stage: faster, slower, or can't tell")
    compare.add_argument("run", metavar="RUN", nargs="*", help="names or ids; all runs when left out")
    compare.add_argument("--stage", metavar="STAGE", help="only this stage")
    compare.add_argument("--metric", metavar="LIST", help="only these metrics, comma-separated")
    compare.add_argument("--baseline", metavar="RUN", help="compare with this run instead of the first")
    compare.add_argument(
        "--fail-over", metavar="SHARE", help="exit with 1 if a metric is worse by more, such as 10%%"
    )

    report = command("report", _report, "write one self-contained page: environment, pipeline, cards, sweeps")
    report.add_argument("path", metavar="PATH", help="ends with .html")
    _some(report)

    export = command("export", _export, "write a frame or its chart to a file, or log everything to MLflow")
    export.add_argument(
        "path",
        metavar="PATH|mlflow",
        help="csv, json, parquet, xlsx, md or tex for the frame, png, svg or pdf for its chart, by suffix; "
        "the word mlflow logs to the tracking URI that MLflow is set to (MLFLOW_TRACKING_URI)",
    )
    export.add_argument("--frame", default="results", metavar="NAME", help=f"{', '.join(FRAMES)} (results)")
    export.add_argument("--stage", metavar="STAGE", help="only this stage")
    _some(export)

    taken = command("import", _import, "read a database of UMLAUT or e2ebench into a store")
    taken.add_argument("path", metavar="PATH", help="the suite's SQLite file; it is not changed")

    run = command("run", _run, "execute a notebook, measure each of its cells, write a report", store=False)
    run.add_argument("notebook", metavar="NOTEBOOK", help="a notebook (.ipynb); it is not changed")
    run.add_argument(
        "--store", metavar="URL", help=f"where trials are kept (e2ebench.db beside it): {_STORE}"
    )
    run.add_argument("--name", metavar="NAME", help="the run's name, for compare (a short id)")
    run.add_argument(
        "--report", metavar="PATH", help="where the report goes (NOTEBOOK-report.html beside it)"
    )
    run.add_argument("--out", metavar="NOTEBOOK", help="write the notebook with its outputs there")
    run.add_argument("--kernel", metavar="NAME", help="the kernel (the notebook's own)")
    run.add_argument("--timeout", metavar="SECONDS", type=_seconds, help="per cell (none)")
    return parser


def _some(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", metavar="RUN", help="only this run, by name or id")
    parser.add_argument("--since", metavar="TIME", help="only trials from then on: 2026-08-01, 7d, 3h")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text!r}")
    return seconds


def _selection(options: argparse.Namespace) -> Selection:
    """Return what the options select, of the whole store."""
    chosen = vars(options)
    return Selection.of(
        run=chosen.get("run"), stage=chosen.get("stage"), all=True, since=chosen.get("since")
    )  # fmt: skip


def _runs(options: argparse.Namespace) -> int:
    with Session.on(options.store) as session:
        _say(_table(session.frame("runs", _selection(options))))
    return FINE


def _compare(options: argparse.Namespace) -> int:
    from e2e_magic.api.analysing import compare_in
    from e2e_magic.views.comparison import RegressionError, share_of

    if options.fail_over is not None:
        share_of(options.fail_over)  # what is wrong with it is said before anything is read
    with Session.on(options.store) as session:
        comparison = compare_in(
            session,
            options.run,
            stage=options.stage,
            metric=split_names(options.metric) if options.metric else None,
            baseline=options.baseline,
            everything=True,
        )
        _say(repr(comparison))
    if options.fail_over is None:
        return FINE
    try:
        comparison.check(options.fail_over)
    except RegressionError as worse:
        return _complain(str(worse), FAILED)
    return FINE


def _report(options: argparse.Namespace) -> int:
    from e2e_magic.views import report as html_report

    with Session.on(options.store) as session:
        runs, records = session.runs_and_records(_selection(options))
        _say(f"report written to {html_report.write(options.path, runs, records)}")
    return FINE


def _export(options: argparse.Namespace) -> int:
    from e2e_magic.views import exporting

    with Session.on(options.store) as session:
        written = session.export(options.path, options.frame, _selection(options))
        _say(exporting.sentence(options.frame, written))
    return FINE


def _import(options: argparse.Namespace) -> int:
    from e2e_magic.integrations import umlaut
    from e2e_magic.storage import Store

    imported = umlaut.read(options.path)
    with Store(options.store) as store:
        new = store.append(imported.records, imported.runs)
    _say(imported.sentence(new, "in the store"))
    if len(imported.unread):
        _say(_table(imported.unread))
    return FINE


def _run(options: argparse.Namespace) -> int:
    from e2e_magic.api.notebook_runs import Executed, NotebookRun

    notebook = Path(options.notebook).expanduser().absolute()
    if not notebook.is_file():
        raise PlanError(f"there is no notebook {notebook}; check the path")
    report = Path(options.report).absolute() if options.report else None
    wanted = NotebookRun(
        notebook,
        report=report or notebook.with_name(f"{notebook.stem}-report.html"),
        out=Path(options.out).absolute() if options.out else None,
        store=options.store,
        name=options.name,
        kernel=options.kernel,
        timeout=options.timeout,
    )
    done: Executed = wanted.execute()
    for line in done.written:
        _say(line)
    for problem in done.problems:
        _complain(problem, FAILED)
    return FAILED if done.failed else FINE


def _table(frame: pd.DataFrame) -> str:
    """Return a frame as text: all of its rows, as wide as the terminal, nothing of a reason cut off."""
    import pandas as pd

    from e2e_magic.views.frames import TidyFrame

    wide = shutil.get_terminal_size((160, 24)).columns
    with pd.option_context("display.width", wide, "display.max_colwidth", None, "display.max_rows", None):
        return repr(TidyFrame.of(frame)).replace(": see .columns)", ")")  # there are none in a shell


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n".encode(sys.stdout.encoding or "utf-8", "backslashreplace").decode(
        sys.stdout.encoding or "utf-8"
    ))  # fmt: skip
    sys.stdout.flush()


def _complain(text: str, status: int) -> int:
    """Say what went wrong in one line and return the status."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    sys.stderr.write(f"e2e-magic: {line}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
