"""The guard of a comparison, for CI: it passes, fails, or can't tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from e2e_magic.derived.comparison import direction
from e2e_magic.derived.comparison_sentences import sentences
from e2e_magic.derived.failures import Failures, answer
from e2e_magic.derived.many_comparisons import Guarded, guarded
from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.text import digits, legible

if TYPE_CHECKING:
    from e2e_magic.views.comparison import Comparison

DOUBTS = ("pass", "fail")


class RegressionError(RuntimeError):
    """A run is worse than its baseline, or too few repeats can't tell: a guard in CI fails on it.

    It is no ``UsageError``, so that nbclient and papermill stop and give an exit status.

    Parameters
    ----------
    *parts : tuple of str and list of str
        What is wrong, and where, a sentence each.
    """

    def __init__(self, *parts: tuple[str, list[str]]) -> None:
        self.parts = parts
        text = ". And ".join(f"{head}: {'; '.join(details)}" if details else head for head, details in parts)
        super().__init__(f"compare: {text}")

    def _render_traceback_(self) -> list[str]:
        # IPython calls it: the reader needs the sentence, not our stack frames.
        return [f"{type(self).__name__}: {self}"]


class UndecidedError(RegressionError):
    """No metric is shown to be worse than the baseline, but not all are shown to be no worse."""


def check(comparison: Comparison, fail_over: float | str, on_doubt: str | None = None) -> None:
    """Raise unless no metric is worse than the baseline by a share; see `Comparison.check`."""
    share = share_of(fail_over)
    if on_doubt not in (None, *DOUBTS):
        raise PlanError(
            f"on_doubt: expected {' or '.join(DOUBTS)}, got {on_doubt!r}{nearest(str(on_doubt), DOUBTS)}"
        )
    if not len(comparison.frame):
        raise RegressionError((f"there is nothing to compare with {legible(comparison.baseline)}", []))
    named: list[Any] = list(comparison.frame.itertuples())
    directed = comparison.frame["better"].isin(("lower", "higher"))  # pandas 2 has pd.NA for none
    rows = zip(named, directed, comparison.frame.attrs["change"], strict=True)
    judged = [(row, guarded(row, low, high, share)) for row, has, (low, high) in rows if has]
    if not judged:
        names = ", ".join(dict.fromkeys(comparison.frame["metric"]))
        raise RegressionError((f"of {names} neither more nor less is worse: name another metric", []))
    # What the guard's own bound finds too much matters, whatever --least says.
    worse = [
        row._replace(verdict=direction(row.metric, larger=row.median > row.median_baseline))
        for row, verdict in judged
        if verdict.answer == "fail"
    ]
    few = [row for row, _ in judged if row.verdict in ("too few repeats", "can't tell")]
    unsure = [
        _doubt(row, verdict, share)
        for row, verdict in judged
        if verdict.answer == "can't tell" and row.verdict not in ("too few repeats", "can't tell")
    ]
    lost = _lost(comparison)
    bound = f"the baseline {legible(comparison.baseline)} by more than {100 * share:g} %"
    failed = [*sentences(worse), *(text for verdict, text in lost if verdict == "fail")]
    parts = [(f"worse than {bound}", failed)] if failed else []
    doubts = [*sentences(few), *unsure, *(text for verdict, text in lost if verdict == "can't tell")]
    if doubts and on_doubt != "pass":
        whether = f"it can't be told whether this is no worse than {legible(comparison.baseline)}"
        parts.append((whether, doubts))
    if parts:
        kind = RegressionError if failed or on_doubt == "fail" else UndecidedError
        raise kind(*parts)


def _lost(comparison: Comparison) -> list[tuple[str, str]]:
    """Return, per stage and run that lost trials, the answer whether that is worse, and a sentence on it."""
    failures: Mapping[tuple[str, str], Failures] = comparison.frame.attrs["failures"]
    stages = dict.fromkeys(comparison.frame["stage"].astype(object))
    return [
        (answer(before, after), f"{legible(str(stage))}: {after.sentence(legible(run))}")
        for stage in stages
        for run in comparison.runs
        if (after := failures[str(stage), run]).failed
        and (before := failures[str(stage), comparison.baseline]).trials
    ]


def _doubt(row: Any, verdict: Guarded, share: float) -> str:
    """Return what a guard can't decide about a metric, and how many repeats it would take."""
    low, high = (
        f"{digits(100 * end)} %" if math.isfinite(end) else "any number"
        for end in (verdict.low, verdict.high)
    )
    interval = (
        f"{legible(row.run)} may be worse by {low} to {high} in {row.metric}, the bound is {100 * share:g} %"
    )
    needed = f"about {verdict.repeats_needed} repeats on each side are needed"
    return f"{legible(row.stage)}: {interval}" + (f"; {needed}" if verdict.repeats_needed else "")


def share_of(fail_over: float | str, name: str = "fail_over") -> float:
    """Read ``0.1`` or ``"10%"`` as a share.

    Raises
    ------
    PlanError
        For anything else, also a bare ``10``, which may mean 10 % or ten times.
    """
    try:
        text = fail_over.strip() if isinstance(fail_over, str) else None
        percent = text is not None and text.endswith("%")
        share = float((text or "").rstrip("% ")) / 100 if percent else float(fail_over)
    except (TypeError, ValueError):
        share, percent = math.nan, False
    if not (math.isfinite(share) and share >= 0) or (share > 1 and not percent):
        raise PlanError(
            f"{name}: expected a share such as 10% or 0.1 (150% for more than all of it), got {fail_over!r}"
        )
    return share
