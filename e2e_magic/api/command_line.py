"""``e2e-magic``: stores read, compared, reported and exported, and notebooks run, outside a notebook."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic.api.command_words import WRONG, Parser, as_json, judging, seconds, some, whole
from e2e_magic.measuring.plan import PlanError, split_names
from e2e_magic.session import Session
from e2e_magic.storage import Selection, StoreError
from e2e_magic.views import FRAMES

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.views.comparison import Comparison

FINE, FAILED, UNDECIDED, INTERRUPTED = 0, 1, 3, 130
_STATUS = (
    "exit status: 0 fine; 1 a cell failed, or a run is worse than its baseline; 2 wrong use, or it could not "
    "be done; 3 whether it is worse can't be told (compare, ab); 130 interrupted"
)
_STORE = "a path (SQLite) or a URL of SQLAlchemy, such as e2ebench.db or postgresql+psycopg://user@host/name"
# Variables are in no store, so no holders of memory.
_FRAMES = tuple(name for name in FRAMES if name != "holders")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit status.

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
        # The text without the line to type in a cell.
        text = error.text if isinstance(error, PlanError | StoreError) else str(error)
        return _complain(text, WRONG)


def _parser() -> Parser:
    parser = Parser(
        "e2e-magic",
        description="What each stage of a machine-learning pipeline costs and gains, from the command line.",
        epilog=_STATUS,
    )
    parser.add_argument("--version", action="version", version=f"e2e_magic {version('e2e-magic')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)

    def command(
        name: str, act: Callable[[argparse.Namespace], int], text: str, *, store: bool = True
    ) -> Parser:
        added: Parser = commands.add_parser(name, help=text, description=f"{text}.", epilog=_STATUS)
        added.set_defaults(act=act)
        if store:
            added.add_argument("store", metavar="STORE", help=_STORE)
        return added

    runs = command("runs", partial(_frame, "runs"), "list the runs of a store")
    runs.add_argument(
        "--since", metavar="TIME", help="only those with trials from then on: 2026-08-01, 7d, 3h"
    )
    as_json(runs)

    results = command("results", partial(_frame, "results"), "list the trials of a store, a row each")
    results.add_argument("--stage", metavar="STAGE", help="only this stage")
    some(results)
    as_json(results)

    metrics = command(
        "metrics", _metrics, "say what this machine can measure, and why not the rest", store=False
    )
    as_json(metrics)

    compare = command("compare", _compare, "compare runs, stage by stage: faster, slower, or can't tell")
    compare.add_argument("run", metavar="RUN", nargs="*", help="names or ids; all runs when left out")
    compare.add_argument("--baseline", metavar="RUN", help="compare with this run instead of the first")
    judging(compare)

    beside = command(
        "ab", _ab, "execute notebooks in rounds, each in a kernel of its own, and compare them", store=False
    )
    beside.add_argument(
        "notebook", metavar="NOTEBOOK", nargs="+", help="two or more; the first is compared with"
    )
    beside.add_argument(
        "--rounds", metavar="N", type=whole, default=10, help="runs of each, in balanced order (10)"
    )
    beside.add_argument(
        "--store", metavar="URL", help=f"where trials are kept (e2ebench.db beside them): {_STORE}"
    )
    beside.add_argument("--kernel", metavar="NAME", help="the kernel (each notebook's own)")
    beside.add_argument("--timeout", metavar="SECONDS", type=seconds, help="per cell (none)")
    judging(beside)

    report = command("report", _report, "write one self-contained page: environment, pipeline, cards, sweeps")
    report.add_argument("path", metavar="PATH", help="ends with .html")
    some(report)

    export = command("export", _export, "write a frame or its chart to a file, or log everything to MLflow")
    export.add_argument(
        "path",
        metavar="PATH|mlflow",
        help="csv, json, parquet, xlsx, md or tex for the frame, png, svg or pdf for its chart, by suffix; "
        "the word mlflow logs to the tracking URI that MLflow is set to (MLFLOW_TRACKING_URI)",
    )
    export.add_argument("--frame", default="results", metavar="NAME", help=f"{', '.join(_FRAMES)} (results)")
    export.add_argument("--stage", metavar="STAGE", help="only this stage")
    some(export)

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
    run.add_argument(
        "--repeat", metavar="N", type=whole, default=1, help="so often, each time in a fresh kernel (1)"
    )
    run.add_argument("--timeout", metavar="SECONDS", type=seconds, help="per cell (none)")
    return parser


def _selection(options: argparse.Namespace) -> Selection:
    """Return what the options select, of the whole store."""
    chosen = vars(options)
    return Selection.of(
        run=chosen.get("run"), stage=chosen.get("stage"), all=True, since=chosen.get("since")
    )  # fmt: skip


def _frame(name: str, options: argparse.Namespace) -> int:
    with Session.on(options.store) as session:
        return _show(name, session.frame(name, _selection(options)), options)


def _metrics(options: argparse.Namespace) -> int:
    return _show("metrics", Session().frame("metrics"), options)


def _show(name: str, frame: pd.DataFrame, options: argparse.Namespace) -> int:
    """Print a frame as a table, or as a document for other programs."""
    from e2e_magic.views import document

    _say(json.dumps(document.of_frame(name, frame)) if options.json else _table(frame))
    return FINE


def _compare(options: argparse.Namespace) -> int:
    from e2e_magic.api.analysing import compare_in
    from e2e_magic.views.comparison import share_of

    if options.fail_over is not None:
        share_of(options.fail_over)  # raises on a wrong value before anything is read
    with Session.on(options.store) as session:
        comparison = compare_in(
            session,
            options.run,
            stage=options.stage,
            metric=split_names(options.metric) if options.metric else None,
            baseline=options.baseline,
            least=options.least,
            everything=True,
        )
        return _judged(comparison, options)


def _ab(options: argparse.Namespace) -> int:
    from e2e_magic.api.notebook_rounds import NotebookRounds
    from e2e_magic.views.comparison import share_of

    for name in ("fail_over", "least"):
        if getattr(options, name) is not None:
            share_of(getattr(options, name), name)  # raises on a wrong value before anything runs
    rounds = NotebookRounds(
        [Path(path).expanduser().absolute() for path in options.notebook],
        rounds=options.rounds,
        store=options.store,
        kernel=options.kernel,
        timeout=options.timeout,
        say=partial(_complain, status=FINE),
    )
    done = rounds.execute()
    if done.problem:
        return _complain(done.problem, FAILED)
    metrics = split_names(options.metric) if options.metric else None
    comparison = done.compared(stage=options.stage, metric=metrics, least=options.least)
    return _judged(comparison, options)


def _judged(comparison: Comparison, options: argparse.Namespace) -> int:
    """Print a comparison, and what its guard finds worse; return the exit status."""
    from e2e_magic.views import document
    from e2e_magic.views.comparison import RegressionError, UndecidedError, share_of

    status = FINE
    parts: tuple[tuple[str, list[str]], ...] = ()
    guard: dict[str, Any] | None = None
    if options.fail_over is not None:
        try:
            comparison.check(options.fail_over, options.on_doubt)
        except RegressionError as worse:
            status = UNDECIDED if isinstance(worse, UndecidedError) else FAILED
            parts = worse.parts
        guard = {
            "fail_over": share_of(options.fail_over),
            "on_doubt": options.on_doubt,
            "answer": {FINE: "pass", FAILED: "fail", UNDECIDED: "can't tell"}[status],
            "details": [{"what": head, "where": details} for head, details in parts],
        }
    _say(json.dumps(document.of_comparison(comparison, guard)) if options.json else repr(comparison))
    for head, details in parts:
        _complain(f"compare: {head}{':' if details else ''}", status)
        for detail in details:
            sys.stderr.write(f"  {_one_line(detail)}\n")
    return status


def _report(options: argparse.Namespace) -> int:
    from e2e_magic.views import report as html_report

    with Session.on(options.store) as session:
        runs, records = session.runs_and_records(_selection(options))
        _say(f"report written to {html_report.write(options.path, runs, records)}")
    return FINE


def _export(options: argparse.Namespace) -> int:
    from e2e_magic.views import exporting

    if options.frame == "holders":
        raise PlanError("frame: a store holds no variables; %e2e holders shows those of a kernel, in it")
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
        repeat=options.repeat,
    )
    done: Executed = wanted.execute()
    for line in done.written:
        _say(line)
    for problem in done.problems:
        _complain(problem, FAILED)
    return FAILED if done.failed else FINE


def _table(frame: pd.DataFrame) -> str:
    """Return a frame as text: all rows, as wide as the terminal, reasons in full."""
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
    """Print an error to stderr in one line and return the status."""
    sys.stderr.write(f"e2e-magic: {_one_line(text)}\n")
    return status


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


if __name__ == "__main__":
    sys.exit(main())
