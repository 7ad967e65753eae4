"""``%e2e results`` and its like: each returns a DataFrame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.subcommands.line import Line, add_selection, say


def frame(name: str) -> Callable[[Line], Any]:
    """Return what shows one of the session's frames."""

    def show(line: Line) -> Any:
        parser = Parser(f"%e2e {name}", f"Return {name} as a DataFrame.")
        # The options are the same for all frames: a machine has one `metrics`.
        add_selection(parser, *(("run",) if name == "pipeline" else ()))
        from e2e_magic.views.frames import TidyFrame

        table = line.session.frame(name, line.selection(parser.read(line.words)))
        if name == "pipeline" and len(table):
            _show_pipeline(table)
        if name == "metrics":  # a long table is cut in its middle
            say(table.attrs["summary"])
        return TidyFrame.of(table)

    return show


def _show_pipeline(stages: Any) -> None:
    """Show the bottleneck in words and the chart; the frame itself is the value of the line."""
    from e2e_magic.jupyter.pictures import show_chart
    from e2e_magic.views import charts

    show_chart(charts.pipeline(stages), stages.attrs.get("summary", ""))
