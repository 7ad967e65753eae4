"""``%e2e results`` and its like: each returns a DataFrame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.subcommands.line import Line, add_selection, say

LEAST_POINTS = 3


def frame(name: str) -> Callable[[Line], Any]:
    """Return the subcommand of one of the session's frames."""

    def show(line: Line) -> Any:
        parser = Parser(f"%e2e {name}", f"Return {name} as a DataFrame.")
        # The options are the same for all frames: a machine has one `metrics`.
        add_selection(parser, *(("run",) if name == "pipeline" else ()))
        chosen = parser.read(line.words)
        from e2e_magic.views.frames import TidyFrame

        table = line.session.frame(name, line.selection(chosen))
        if name == "pipeline" and len(table):
            _show_pipeline(table)
        if name == "samples" and len(table):
            _show_samples(table)
        if name == "metrics":  # what can't be measured, and why, in full
            say(table.attrs["summary"])
        return TidyFrame.of(table, every=name == "metrics")

    return show


def _show_pipeline(stages: Any) -> None:
    """Show the bottleneck in words and the chart; the frame itself is the value of the line."""
    from e2e_magic.jupyter.pictures import show_chart
    from e2e_magic.views import charts

    show_chart(charts.pipeline(stages), stages.attrs.get("summary", ""))


def _show_samples(samples: Any) -> None:
    """Show the last trial with curves, not a point or two; the frame itself is the value of the line."""
    from e2e_magic.jupyter.pictures import show_chart
    from e2e_magic.text import legible
    from e2e_magic.views import charts

    keys = ["run", "stage", "trial"]
    times = samples.groupby(keys, observed=True, sort=False)["t_s"].nunique()
    drawn = times[times >= LEAST_POINTS] if (times >= LEAST_POINTS).any() else times
    rows, last = samples, drawn.index[-1]
    for name, value in zip(keys, last, strict=True):
        rows = rows[(rows[name] == value).to_numpy(dtype=bool)]
    show_chart(charts.timeline(rows), f"{legible(str(last[1]))}, trial {last[2]}: its samples")
