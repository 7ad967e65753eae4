"""``%e2e influence`` and ``%e2e pareto``: what the trials of sweeps say."""

from __future__ import annotations

from typing import Any

from e2e_magic.api import analysing
from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.words.frames import add_store_options
from e2e_magic.jupyter.words.line import Line, say
from e2e_magic.measuring.plan import split_names


def influence(line: Line) -> Any:
    """Show how a metric goes with the parameters; the value is the table of what each explains."""
    parser = Parser("%e2e influence", "Show what the parameters of a sweep explain of its metrics.")
    parser.add_argument("stage", metavar="STAGE", nargs="?")
    parser.add_argument("-x", metavar="LIST", help="only these parameters; epoch is the epoch")
    parser.add_argument("-y", metavar="METRIC", help="only this metric")
    parser.add_argument("--kind", metavar="KIND", help="line, heatmap, surface, parallel or curves")
    _add_where(parser)
    chosen = parser.read(line.words)
    where = {"stage": chosen.stage, "run": chosen.run, "all": chosen.all, "since": chosen.since}
    params = split_names(chosen.x) if chosen.x else None
    trials = line.session.frame("trials", **where)
    epochs = line.session.frame("epochs", **where)
    # The table is about trials: what only epochs have is for the chart.
    by_epoch = chosen.kind == "curves" or "epoch" in (params or ())
    known = [name for name in params or () if name != "epoch" or "param_epoch" in trials]
    found = analysing.influence(
        x=known or None,
        y=chosen.y if not by_epoch or chosen.y in trials else None,
        **where,
    )
    from e2e_magic.jupyter.pictures import show_chart
    from e2e_magic.views import charts
    from e2e_magic.views.frames import TidyFrame

    if not len(found):
        say(found.attrs["summary"])
    # Stages have parameters and targets of their own: a chart for each.
    for stage in dict.fromkeys(found["stage"].astype(object)):
        some, logged = (
            frame[(frame["stage"].astype(object) == stage).to_numpy(dtype=bool)] for frame in (trials, epochs)
        )
        targets = trials.attrs.get("targets", {})
        metric = targets.get(stage, trials.attrs.get("metric"))
        some.attrs = {**trials.attrs, "metric": metric}
        said = [text for text in found.attrs["summary"].splitlines() if text.startswith(f"{stage}, ")]
        wanted = [t for t in said if t.startswith(f"{stage}, spread of {chosen.y or metric}:")] or said[:1]
        chart = charts.influence(some, x=params, y=chosen.y, kind=chosen.kind, epochs=logged)
        show_chart(chart, "" if by_epoch else wanted[0])
    return TidyFrame.of(found)


def pareto(line: Line) -> Any:
    """Show cost against gain; the value is the table of settings, those that nothing beats first."""
    parser = Parser("%e2e pareto", "Show the settings of sweeps that nothing beats in two metrics.")
    parser.add_argument("x", metavar="X")
    parser.add_argument("y", metavar="Y")
    parser.add_argument("--stage", metavar="STAGE")
    _add_where(parser)
    chosen = parser.read(line.words)
    where = {"stage": chosen.stage, "run": chosen.run, "all": chosen.all, "since": chosen.since}
    found = analysing.pareto(chosen.x, chosen.y, **where)
    from e2e_magic.jupyter.pictures import show_chart
    from e2e_magic.views import charts
    from e2e_magic.views.frames import TidyFrame

    if not len(found):
        say(found.attrs["summary"])
    else:
        show_chart(charts.pareto(found, chosen.x, chosen.y), found.attrs["summary"])
    return TidyFrame.of(found)


def _add_where(parser: Parser) -> None:
    parser.add_argument("--run", metavar="RUN", help="only this run, by name or id")
    add_store_options(parser)
