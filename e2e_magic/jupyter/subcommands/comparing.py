"""``%e2e compare``: runs side by side, and a guard for CI; ``%e2e curves``: what they logged, overlaid."""

from __future__ import annotations

from typing import Any

from e2e_magic.api import analysing, overlaid_curves
from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.subcommands.line import Line, say
from e2e_magic.measuring.plan import PlanError, split_names
from e2e_magic.text import counted

# What the trials of the curves say in numbers.
_NUMBERS = (
    "run", "stage", "trial", "epochs", "loss", "best_loss", "accuracy", "best_accuracy", "epochs_to_accuracy",
    "time_to_accuracy_s",
)  # fmt: skip


def compare(line: Line) -> Any:
    """Return the comparison of runs; with ``--fail-over`` raise where one is worse."""
    parser = Parser(
        "%e2e compare", "Compare runs: per stage and metric the ratio, how sure it is, and words."
    )
    parser.add_argument("runs", metavar="RUN", nargs="*", help="names or ids; the first is the reference")
    parser.add_argument("--stage", metavar="STAGE", help="only this stage")
    parser.add_argument("--metric", metavar="LIST", help="only these metrics, comma-separated")
    parser.add_argument("--baseline", metavar="NAME", help="the run to compare with")
    parser.add_argument("--fail-over", metavar="SHARE", help="raise where worse by more, such as 10%%")
    parser.add_argument("--on-doubt", metavar="DO", help="pass or fail where the guard can't tell")
    parser.add_argument("--least", metavar="SHARE", help="the smallest difference that matters, such as 5%%")
    parser.add_argument(
        "--by", metavar="PARAM", help="compare a parameter's values over the trials of sweeps"
    )
    parser.add_argument("--all", action="store_true", help="also the runs in the store")
    parser.add_argument("--panel", action="store_true", help="choose with the mouse")
    chosen = parser.read(line.words)
    if chosen.panel and chosen.fail_over is not None:
        raise PlanError("compare: --panel shows, --fail-over guards: take one of them")
    if chosen.panel and chosen.by is not None:
        raise PlanError("compare: --panel is about runs, --by about a parameter: take one of them")
    wanted: dict[str, Any] = {
        "stage": chosen.stage,
        "metric": split_names(chosen.metric) if chosen.metric else None,
        "baseline": chosen.baseline,
        "everything": chosen.all,
    }
    if chosen.panel:
        from e2e_magic.jupyter.compare_panel.panel import show

        return show(line.shell, line.session, chosen.runs, **wanted)
    guard = {"fail_over": chosen.fail_over, "on_doubt": chosen.on_doubt, "least": chosen.least}
    guard["by"] = chosen.by
    return analysing.compare_in(line.session, chosen.runs, **wanted, **guard)


def curves(line: Line) -> Any:
    """Draw the curves of runs over each other; return a row of final numbers per trial."""
    parser = Parser("%e2e curves", "Draw loss and accuracy of several runs over each other.")
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", help="names or ids; all of this kernel when left out"
    )
    parser.add_argument("-y", metavar="LIST", help="loss, accuracy or anything that was logged")
    parser.add_argument("-x", metavar="X", default="epoch", help="epoch, or t_s for seconds")
    parser.add_argument("--stage", metavar="STAGE", help="only this stage")
    parser.add_argument("--target", metavar="VALUE", type=float, help="draw a line; say where it is reached")
    parser.add_argument("--all", action="store_true", help="also the runs in the store")
    chosen = parser.read(line.words)
    records, labels = overlaid_curves.logged(
        line.session, chosen.runs, stage=chosen.stage, everything=chosen.all
    )
    names = split_names(chosen.y) if chosen.y else None
    panels = overlaid_curves.draw_curves(records, labels, y=names, x=chosen.x, target=chosen.target)
    from e2e_magic.jupyter.pictures import show_chart
    from e2e_magic.views import frames

    table = frames.results(records, labels)[list(_NUMBERS)]
    if records:
        trials, runs = counted(len(table), "trial"), counted(table["run"].nunique(), "run")
        show_chart(panels, f"{trials} of {runs}, each from its start")
    else:
        say("no curves yet: call e2e.log(loss=.., accuracy=..) once per epoch in a measured cell")
    return frames.TidyFrame.of(table)
