"""``%e2e influence`` and ``%e2e pareto``: what the trials of sweeps say."""

from __future__ import annotations

from typing import Any

from e2e_magic import analysing
from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.words.line import Line, say
from e2e_magic.plan import split_names


def influence(line: Line) -> Any:
    """Show how a metric goes with the parameters; the value is the table of what each explains."""
    parser = Parser("%e2e influence", "Show what the parameters of a sweep explain of its metrics.")
    parser.add_argument("stage", metavar="STAGE", nargs="?")
    parser.add_argument("-x", metavar="LIST", help="only these parameters")
    parser.add_argument("-y", metavar="METRIC", help="only this metric")
    parser.add_argument("--kind", metavar="KIND", help="line, heatmap, surface or parallel")
    chosen = parser.read(line.words)
    params = split_names(chosen.x) if chosen.x else None
    found = analysing.influence(stage=chosen.stage, x=params, y=chosen.y)
    if not len(found):
        say(found.attrs["summary"])
    from e2e_magic import charts
    from e2e_magic.frames import TidyFrame
    from e2e_magic.jupyter.pictures import show_chart

    trials = line.session.frame("trials", stage=chosen.stage)
    metric = chosen.y or (str(found["metric"].iloc[0]) if len(found) else None)
    # Stages have parameters of their own: a chart for each.
    for stage in dict.fromkeys(trials["stage"].astype(object)):
        some = trials[(trials["stage"].astype(object) == stage).to_numpy(dtype=bool)]
        some.attrs = dict(trials.attrs)
        said = [text for text in found.attrs["summary"].splitlines() if text.startswith(f"{stage}, ")]
        wanted = [text for text in said if text.startswith(f"{stage}, spread of {metric}:")]
        if wanted:
            chart = charts.influence(some, x=params, y=metric, kind=chosen.kind)
            show_chart(chart, wanted[0])
    return TidyFrame.of(found)


def pareto(line: Line) -> Any:
    """Show cost against gain; the value is the table of settings, those that nothing beats first."""
    parser = Parser("%e2e pareto", "Show the settings of sweeps that nothing beats in two metrics.")
    parser.add_argument("x", metavar="X")
    parser.add_argument("y", metavar="Y")
    parser.add_argument("--stage", metavar="STAGE")
    chosen = parser.read(line.words)
    found = analysing.pareto(chosen.x, chosen.y, stage=chosen.stage)
    from e2e_magic import charts
    from e2e_magic.frames import TidyFrame
    from e2e_magic.jupyter.pictures import show_chart

    if not len(found):
        say(found.attrs["summary"])
    else:
        show_chart(charts.pareto(found, chosen.x, chosen.y), found.attrs["summary"])
    return TidyFrame.of(found)
