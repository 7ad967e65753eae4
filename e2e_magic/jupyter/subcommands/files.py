"""``%e2e export``, ``import`` and ``report``: what goes to files, and what comes from them."""

from __future__ import annotations

from typing import Any

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.subcommands.line import Line, add_selection, say
from e2e_magic.views import FRAMES


def export(line: Line) -> None:
    """Write one frame or its chart to a file, or log everything to MLflow."""
    parser = Parser(
        "%e2e export",
        "Write a frame (csv, json, parquet, xlsx, md, tex) or its chart (png, svg, pdf) by suffix; "
        "the word mlflow logs everything to the tracking URI that MLflow is set to.",
    )
    parser.add_argument("path", metavar="PATH|mlflow")
    parser.add_argument("--frame", default="results", metavar="NAME", help=", ".join(FRAMES))
    add_selection(parser)
    chosen = parser.read(line.words)
    written = line.session.export(chosen.path, chosen.frame, line.selection(chosen))
    from e2e_magic.views import exporting

    say(exporting.sentence(chosen.frame, written))


def import_(line: Line) -> Any:
    """Import a database of UMLAUT or e2ebench; return the frame of what could not be read, or None."""
    parser = Parser("%e2e import", "Read a database of the UMLAUT (e2ebench) suite into this session.")
    parser.add_argument("path", metavar="PATH", help="the SQLite file; it is not changed")
    chosen = parser.read(line.words)
    from e2e_magic.integrations import umlaut
    from e2e_magic.views.frames import TidyFrame

    imported = umlaut.read(chosen.path)
    new = line.session.adopt(imported.runs, imported.records)
    say(imported.sentence(len(new), "here"))
    return TidyFrame.of(imported.unread) if len(imported.unread) else None


def report(line: Line) -> None:
    """Write a report of the runs."""
    parser = Parser("%e2e report", "Write one self-contained page: environment, pipeline, cards, sweeps.")
    parser.add_argument("path", metavar="PATH", help="ends with .html")
    add_selection(parser, "run", "all", "since")
    chosen = parser.read(line.words)
    from e2e_magic.views import report as html_report

    runs, records = line.session.runs_and_records(line.selection(chosen))
    say(f"report written to {html_report.write(chosen.path, runs, records)}")
