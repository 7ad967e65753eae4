"""Rules on memory: near its limit, swapped out, growing with each epoch."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise
from statistics import median

from e2e_magic.derived.findings.finding import Finding, Trial
from e2e_magic.record import Series
from e2e_magic.text import percent, quantity

# The curve that a rule reads.
CURVES = ("rss_mib",)
# Of the limit: the next copy of anything large does not fit.
LEAST_OF_LIMIT = 0.9
# Swapped out, MiB, and pages read back, 1/s: what lies in swap and isn't touched costs nothing.
LEAST_SWAPPED_MIB = 32.0
LEAST_FAULTS_PER_S = 50.0
# Epochs: the first two fill caches and pools, and of the rest four are the least that shows a line.
FILLING, LEAST_GROWING = 2, 4
# Growth an epoch, MiB, and in all: allocators take memory in steps of a MiB and more by themselves.
LEAST_STEP_MIB, LEAST_GROWTH_MIB = 0.5, 20.0
# Of the epochs after the first two: so many grew; and the later half grew at least so much of what the
# earlier did, for a cache that fills up grows less and less.
LEAST_STEADY, LEAST_LATER = 0.8, 0.5


def near_the_limit(trial: Trial) -> Finding | None:
    """Say that the peak came close to what the process may use: its control group's limit, or the machine's.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst, ``memory.max``: beyond it the kernel is killed.
    """
    limit = trial.fact("memory_limit_mib")
    peaks = [trial.reading(name) for name in ("peak_rss_mib", "peak_tree_pss_mib")]
    peak = max((each for each in peaks if not math.isnan(each)), default=math.nan)
    share = peak / limit
    if not share >= LEAST_OF_LIMIT:
        return None
    return Finding(
        "close to the memory limit",
        f"the peak of {quantity(peak, 'MiB')} is {percent(share)} of the {quantity(limit, 'MiB')} that it "
        "may use: a little more, and the kernel is killed",
        "smaller batches or chunks, float32 for float64, del of what is done with",
        min(share, 1.0),
        {"peak_mib": peak, "memory_limit_mib": limit},
    )


def swapping(trial: Trial) -> Finding | None:
    """Say that memory of the process lies on disk and is read back from there.

    Source: ``proc_pid_status(5)``, VmSwap; ``getrusage(2)``, major faults.
    """
    swapped, faults = trial.fact("swapped_mib"), trial.fact("major_faults")
    if not (swapped >= LEAST_SWAPPED_MIB and faults / trial.wall_s >= LEAST_FAULTS_PER_S):
        return None
    return Finding(
        "swapping",
        f"{quantity(swapped, 'MiB')} of its memory were swapped out, and {faults:,.0f} pages came back from "
        "disk one by one",
        "hold less at a time, or close what else fills the memory",
        1.0,
        {"swapped_mib": swapped, "major_faults": faults},
    )


def growing(trial: Trial) -> Finding | None:
    """Say that memory grew by about the same amount in each epoch: something keeps what epochs make.

    Source: PyTorch, Frequently Asked Questions ("Don't accumulate history across your training loop"). The
    sizes at the ends of epochs are read off the sampled curve.
    """
    curve = trial.record.series.get(CURVES[0])
    ends = sorted(t for t in trial.record.events.t_s if not math.isnan(t))
    if not curve or len(ends) < FILLING + LEAST_GROWING or len(curve) < len(ends):
        return None
    sizes = [_at(curve, t) for t in ends[FILLING - 1 :]]
    steps = [after - before for before, after in pairwise(sizes)]
    half = len(steps) // 2
    typical, growth = median(steps), sizes[-1] - sizes[0]
    if not (
        typical >= LEAST_STEP_MIB
        and growth >= LEAST_GROWTH_MIB
        and sum(step > 0 for step in steps) >= LEAST_STEADY * len(steps)
        and median(steps[-half:]) >= LEAST_LATER * median(steps[:half])
    ):
        return None
    return Finding(
        "memory grows",
        f"memory grew by about {quantity(growth / len(steps), 'MiB')} in each of {len(steps)} epochs: "
        "something keeps what an epoch makes",
        "keep numbers, not tensors or graphs (loss.item(), .detach()), and clear lists and histories",
        min(growth / max(sizes[-1], 1.0), 1.0) / 2,
        {"growth_mib": growth, "mib_per_epoch": growth / len(steps), "epochs": len(steps)},
    )


def _at(curve: Series, t_s: float) -> float:
    """Return a curve's last value up to a time; the next one may be of the next epoch."""
    return curve.value[max(bisect_right(curve.t_s, t_s) - 1, 0)]
