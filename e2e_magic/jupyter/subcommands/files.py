"""``%e2e export``: what goes to files."""

from __future__ import annotations

from typing import Any

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.subcommands.line import Line, add_selection, say
from e2e_magic.session import FRAMES


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
    selection = line.selection(chosen)
    if chosen.path == "mlflow":
        from e2e_magic.views import exporting

        say(str(exporting.to_mlflow(*line.session.runs_and_records(selection))))
        return
    path = line.session.export(chosen.path, chosen.frame, selection)
    say(f"{chosen.frame} written to {path}")


def import_(line: Line) -> Any:
    """Take in a database of UMLAUT or e2ebench; its value is what could not be read, where there is any."""
    parser = Parser("%e2e import", "Read a database of the UMLAUT (e2ebench) suite into this session.")
    parser.add_argument("path", metavar="PATH", help="the SQLite file; it is not changed")
    chosen = parser.read(line.words)
    from e2e_magic.integrations import umlaut
    from e2e_magic.views.frames import TidyFrame

    found = umlaut.read(chosen.path)
    new = line.session.adopt(found.runs, found.records)
    say(f"{found.summary}{'' if len(new) == len(found.records) else already(len(found.records) - len(new))}")
    return TidyFrame.of(found.unread) if len(found.unread) else None


def already(known: int) -> str:
    """Say how many trials of a file were here before."""
    return f" ({known} of the trials {'was' if known == 1 else 'were'} here already)"


def report(line: Line) -> None:
    """Write a report of the runs."""
    parser = Parser("%e2e report", "Write one self-contained page: environment, pipeline, cards, sweeps.")
    parser.add_argument("path", metavar="PATH", help="ends with .html")
    add_selection(parser, "run", "all", "since")
    chosen = parser.read(line.words)
    from e2e_magic.views import report as html_report

    runs, records = line.session.runs_and_records(line.selection(chosen))
    say(f"report written to {html_report.write(chosen.path, runs, records)}")
