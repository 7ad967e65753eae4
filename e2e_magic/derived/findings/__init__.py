"""Why a stage is slow: rules over its trials.

Input: the repeats of one execution of a stage. Output: what stands out, with the numbers behind it and a next
step, the largest first; or that nothing does.

A rule is a pure function. It speaks only above its thresholds, which are named beside it with their reasons,
and only of what was measured: a comparison with NaN is False.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from e2e_magic.derived.findings import memory, overheads, processor, waiting
from e2e_magic.derived.findings.finding import LEAST_S, Finding, Trial
from e2e_magic.record import Record
from e2e_magic.text import quantity

__all__ = ["CURVES", "RULES", "WAITS_FOR_CORES", "Finding", "findings", "last_execution", "verdict"]

CURVES = memory.CURVES
# What each reads of one trial.
RULES: tuple[Callable[[Trial], Finding | None], ...] = (
    memory.near_the_limit,
    memory.swapping,
    memory.growing,
    processor.throttled,
    processor.crowded,
    processor.waiting_for_a_core,
    processor.interpreter_lock,
    processor.one_core,
    waiting.loader,
    waiting.nothing_computed,
    waiting.idle_gpu,
    overheads.importing,
    overheads.collecting,
)
# The rules that say how long threads waited for cores.
WAITS_FOR_CORES = frozenset((processor.WAITING, processor.CROWDED, processor.THROTTLED))
NOTHING = "nothing stands out"


def findings(repeats: Sequence[Record]) -> list[Finding]:
    """Return what stands out in an execution of a stage, the largest share of the time first.

    Parameters
    ----------
    repeats : sequence of Record
        In order; the last one is looked at, and the first one against the others.
    """
    if not repeats:
        return []
    found = [overheads.warm_up(repeats)]
    trial = Trial.of(repeats[-1])
    if trial.wall_s >= LEAST_S:
        found += [rule(trial) for rule in RULES]
    return sorted((each for each in found if each is not None), key=lambda each: -each.share)


def last_execution(records: Sequence[Record]) -> list[Record]:
    """Return the repeats of the last time that a stage ran, of its trials outside sweeps."""
    last = len(records) - 1
    while last > 0 and records[last].repeat > 1 and records[last - 1].repeat == records[last].repeat - 1:
        last -= 1
    return list(records[last:])


def verdict(repeats: Sequence[Record]) -> str:
    """Return what to say where no rule speaks."""
    wall_s = Trial.of(repeats[-1]).wall_s
    if wall_s >= LEAST_S:
        return NOTHING
    if wall_s < LEAST_S:
        return f"too short to tell ({quantity(wall_s, 's')}, and {quantity(LEAST_S, 's')} are needed)"
    return "its time was not measured"
