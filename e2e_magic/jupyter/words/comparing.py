"""``%e2e compare``: runs side by side, and a guard for CI."""

from __future__ import annotations

from typing import Any

from e2e_magic.analysing import compare as compared
from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.words.line import Line
from e2e_magic.plan import PlanError, split_names


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
    parser.add_argument("--all", action="store_true", help="also the runs in the store")
    parser.add_argument("--panel", action="store_true", help="choose with the mouse")
    chosen = parser.read(line.words)
    if chosen.panel and chosen.fail_over is not None:
        raise PlanError("compare: --panel shows, --fail-over guards: take one of them")
    wanted: dict[str, Any] = {
        "stage": chosen.stage,
        "metric": split_names(chosen.metric) if chosen.metric else None,
        "baseline": chosen.baseline,
        "all": chosen.all,
    }
    if chosen.panel:
        from e2e_magic.jupyter.compare_panel import show

        return show(line.shell, tuple(chosen.runs), **wanted)
    return compared(*chosen.runs, **wanted, fail_over=chosen.fail_over)
