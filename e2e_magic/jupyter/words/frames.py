"""``%e2e results`` and its like: each returns a DataFrame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.words.line import Line, say


def frame(name: str) -> Callable[[Line], Any]:
    """Return what shows one of the session's frames."""

    def show(line: Line) -> Any:
        parser = Parser(f"%e2e {name}", f"Return {name} as a DataFrame.")
        parser.add_argument("--run", metavar="RUN", help="only this run, by name or id")
        if name != "pipeline":
            parser.add_argument("--stage", metavar="STAGE", help="only this stage")
            add_store_options(parser)
        from e2e_magic.views.frames import TidyFrame

        chosen = vars(parser.read(line.words))
        # Any of the options reads the whole store. They are the same for all: a machine has one `metrics`.
        found = line.session.asked(name, **chosen)
        if name == "pipeline" and len(found):
            _show_pipeline(found)
        if name == "metrics":  # a long table is cut in its middle
            say(found.attrs["summary"])
        return TidyFrame.of(found)

    return show


def add_store_options(parser: Parser) -> None:
    """Add the options that read the whole store."""
    parser.add_argument("--all", action="store_true", help="all that the store holds")
    parser.add_argument("--since", metavar="WHEN", help="2026-08-01, 2026-08-01T09:30, 7d, 24h or 30m ago")


def _show_pipeline(found: Any) -> None:
    """Show the bottleneck in words and the chart; the frame itself is the value of the line."""
    from e2e_magic.jupyter.pictures import show_chart
    from e2e_magic.views import charts

    show_chart(charts.pipeline(found), found.attrs.get("summary", ""))
