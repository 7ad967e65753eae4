"""``trust``: the same code measured against itself on this machine, before anything is believed of it."""

from __future__ import annotations

import math
import os
import secrets
import time
from typing import Any

from e2e_magic.derived.same_against_same import REPEATS, drift_of, judged
from e2e_magic.measuring import clocks, usable
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.kinds import Real
from e2e_magic.measuring.plan import Plan, Step
from e2e_magic.measuring.trial import Trial
from e2e_magic.record import Record
from e2e_magic.sweeping.order import blocks
from e2e_magic.views.trust_card import Trust

_SECONDS = Real(wanted="seconds, at least 1", allows=lambda seconds: 1 <= seconds < math.inf)
_METRICS = ("wall_time_s", "cpu_time_s", "peak_rss_mib")
# How much CPU time the code that is measured takes, s.
_TRIAL_S = 0.01
_EMPTY = 20
_PLAN: dict[str, Any] = {"metrics": "cpu,memory"}


def trust(seconds: float = 20.0) -> Trust:
    """Measure the same code against itself (A/A): how far this machine's verdicts can be trusted now.

    Nothing of it is kept among the results. Let the machine be as it is when you measure.

    Parameters
    ----------
    seconds : float
        How long, at least 1. Each pair of ten repeats takes about 0.3 s on a quiet machine.

    Returns
    -------
    Trust
        With a card and a text: false verdicts measured one after the other and in blocks, the smallest
        difference that ten repeats in blocks show, what an empty cell reads and costs, the clocks' steps, the
        load. Figures in ``.frame`` and its attributes.

    Raises
    ------
    PlanError
        For a time that is none, or too short.

    Notes
    -----
    A piece of pure Python of about 10 ms stands for your code: longer code has other noise. See
    `e2e_magic.derived.same_against_same.judged` for what is counted.
    """
    length = _SECONDS.check("seconds", seconds)
    began = time.perf_counter()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    empty = [_trial(0) for _ in range(_EMPTY)]
    number = _number()
    _trial(number)  # warm-up
    records: list[Record] = []
    while time.perf_counter() - began < length:
        records.append(_trial(number))
    took = time.perf_counter() - began
    walls = _values(records, "wall_time_s")
    waited = [wait / wall for wait, wall in zip(_values(records, "waited_s"), walls, strict=True)]
    known = sorted(share for share in waited if share == share)
    sides: list[int] = []
    while len(sides) < len(records):
        sides += [place for block in blocks(2, REPEATS, secrets.randbits(32)) for place in block]
    found = {name: _values(records, name) for name in _METRICS}
    return Trust(
        judged={
            name: judged(values, sides, name, waited)
            for name, values in found.items()
            if any(value == value for value in values)
        },
        seconds=took,
        trials=len(records),
        trial_s=_middle(walls),
        drift=drift_of(walls),
        empty_cell_s=_middle(_values(empty, "wall_time_s")),
        empty_cell_cost_s=_middle(_values(empty, "overhead_s")),
        clock_step_s=_step(clocks.perf_counter_ns),
        cpu_clock_step_s=_step(time.process_time_ns),
        load=load,
        cores=usable.cores(),
        waited=_middle(known) if known else math.nan,
    )


def _trial(number: int) -> Record:
    """Measure the code once, as a cell is, without keeping it in the session."""
    kept: list[Record] = []
    with Trial(
        Plan.of("trust", _PLAN), Step(1, warmup=False), classes=registered(), keep=kept.append
    ) as trial:
        trial.value = _work(number) if number else None
    return kept[0]


def _work(number: int) -> int:
    return sum(n * n for n in range(number))


def _number() -> int:
    """Return how much work takes `_TRIAL_S` of CPU time."""
    number = 10_000
    for _ in range(3):
        start = time.process_time_ns()
        _work(number)
        took = max((time.process_time_ns() - start) * 1e-9, 1e-6)
        number = max(1000, round(number * _TRIAL_S / took))
    return number


def _values(records: list[Record], name: str) -> list[float]:
    values = (record.readings.get(name) for record in records)
    return [float(value) if isinstance(value, int | float) else math.nan for value in values]


def _middle(values: list[float]) -> float:
    import numpy as np

    return float(np.median(values)) if values else math.nan


def _step(clock: Any) -> float:
    """Return the smallest step that a clock of nanoseconds makes between two readings, s."""
    least = math.inf
    for _ in range(2000):
        first = second = clock()
        while second == first:
            second = clock()
        least = min(least, second - first)
    return float(least) * 1e-9
