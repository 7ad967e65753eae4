"""``%e2e influence`` and ``%e2e pareto``: what the trials of sweeps say."""

from __future__ import annotations

from typing import Any

from e2e_magic.derived import CURVES
from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.subcommands.line import Line, add_selection, say
from e2e_magic.measuring.plan import split_names


def influence(line: Line) -> Any:
    """Draw a metric against the parameters; return the share of its spread that each explains."""
    parser = Parser("%e2e influence", "Show what the parameters of a sweep explain of its metrics.")
    parser.add_argument("stage", metavar="STAGE", nargs="?")
    parser.add_argument("-x", metavar="LIST", help="only these parameters; epoch is the epoch")
    parser.add_argument("-y", metavar="METRIC", help="only this metric")
    parser.add_argument("--kind", metavar="KIND", help="line, heatmap, surface, parallel or curves")
    add_selection(parser, "run", "all", "since")
    chosen = parser.read(line.words)
    from e2e_magic.jupyter.pictures import show_chart
    from e2e_magic.views import charts, frames

    selection = line.selection(chosen)
    records = line.session.select(selection, series=CURVES)
    names = line.session.names(selection)
    trials, epochs = frames.trials(records, names), frames.epochs(records, names)
    params = split_names(chosen.x) if chosen.x else None
    # The table is about trials: what only epochs have is for the chart.
    by_epoch = chosen.kind == "curves" or "epoch" in (params or ())
    columns = [name for name in params or () if name != "epoch" or "param_epoch" in trials]
    explained = frames.influence(
        trials, x=columns or None, y=chosen.y if not by_epoch or chosen.y in trials else None
    )
    if not len(explained):
        say(explained.attrs["summary"])
    # Stages have parameters and targets of their own: a chart for each.
    for stage in dict.fromkeys(explained["stage"].astype(object)):
        some, logged = (
            frame[(frame["stage"].astype(object) == stage).to_numpy(dtype=bool)] for frame in (trials, epochs)
        )
        targets = trials.attrs.get("targets", {})
        metric = targets.get(stage, trials.attrs.get("metric"))
        some.attrs = {**trials.attrs, "metric": metric}
        by_metric = explained.attrs["sentences"][stage]
        sentence = by_metric.get(chosen.y or metric) or next(iter(by_metric.values()))
        chart = charts.influence(some, x=params, y=chosen.y, kind=chosen.kind, epochs=logged)
        show_chart(chart, "" if by_epoch else sentence)
    return frames.TidyFrame.of(explained)


def pareto(line: Line) -> Any:
    """Draw two to four metrics against each other; return the settings, those that nothing beats first."""
    parser = Parser("%e2e pareto", "Show the settings of sweeps that nothing beats in two to four metrics.")
    parser.add_argument("x", metavar="X")
    parser.add_argument("y", metavar="Y")
    parser.add_argument("more", metavar="Z", nargs="*", default=[], help="a third and a fourth metric")
    add_selection(parser)
    chosen = parser.read(line.words)
    from e2e_magic.jupyter.pictures import show_chart
    from e2e_magic.views import charts, frames

    trials = line.session.frame("trials", line.selection(chosen))
    metrics = [chosen.x, chosen.y, *chosen.more]
    settings = frames.pareto(trials, *metrics)
    if not len(settings):
        say(settings.attrs["summary"])
    else:
        show_chart(charts.pareto(settings, *metrics), settings.attrs["summary"])
    return frames.TidyFrame.of(settings)
