"""What a panel says: how many trials there are, and what is wrong."""

from __future__ import annotations

from IPython.core.error import UsageError

from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.plan import SweepPlan


def counted(plan: SweepPlan) -> str:
    """Say how many trials there are, and what makes them so many."""
    said = f"{plan.total:,} trial{'s' if plan.total != 1 else ''}"
    if plan.search != "grid":
        return f"{said}: {plan.described()}"
    factors = [f"{len(axis.values):,}" for axis in plan.space.axes]
    if plan.plan.repeat > 1:
        factors.append(f"{plan.plan.repeat:,} repeats")
    return f"{said}: {' x '.join(factors)}" if len(factors) > 1 else said


def in_words(error: BaseException) -> str:
    """Say an error in words, without a traceback; what is said of the engine's option, of the switch."""
    if not isinstance(error, UsageError | ValueError | ImportError):
        return f"{type(error).__name__}: {error}"
    text = str(error)
    if isinstance(error, PlanError) and error.in_cell:
        text = f"{error.text}let the trials run in this kernel"
    return text.removeprefix("engine: ")
