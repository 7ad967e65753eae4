"""The scenarios beside ``single_stream``: calls as fast as it goes, or as they arrive.

The three scenarios are those of Reddi et al., MLPerf Inference Benchmark, ISCA 2020, section 4
(https://arxiv.org/abs/1911.02549), within one process and one thread: SingleStream, Offline, Server.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any

from e2e_magic.measuring.latency import Call, Clock, Timings

# A server that is given more calls than it serves never ends: it is stopped after so many durations.
PATIENCE = 2
# The search for the highest rate ends within this factor.
PRECISION = 1.05
# Arrivals for this share of the duration come before it: a queue that starts empty would flatter.
FILLING = 0.1


def offline(call: Call, batches: Iterator[Any], duration_ns: int, clock: Clock, timings: Timings) -> None:
    """Call as fast as it goes for about the duration: the clock is read once in many calls."""
    __tracebackhide__ = True
    timings.single = False
    calls = 0
    volley = 1  # calls between two looks at the clock
    start = clock.now()
    try:
        while True:
            for _ in range(volley):
                call(next(batches))
                calls += 1
            spent = clock.now() - start
            if spent >= duration_ns:
                break
            # Twice as many as before, but no more than fit into the time that is left.
            fit = calls * (duration_ns - spent) // spent if spent else 2 * volley
            volley = max(1, min(2 * volley, fit))
    finally:
        timings.calls, timings.elapsed_ns = calls, clock.now() - start


def server(
    call: Call,
    batches: Iterator[Any],
    duration_ns: int,
    clock: Clock,
    timings: Timings,
    *,
    due_ns: array[int],
) -> None:
    """Call at the given times after the start, or as soon after them as the calls before are done.

    A latency counts from the time at which its call was due: waiting for others is in it. Calls that are due
    before 0 fill the queue and are not counted. After `PATIENCE` durations the calls still to come are given
    up.
    """
    __tracebackhide__ = True
    filling = bisect_left(due_ns, 0)
    now, wait, laps, n = clock.now, clock.wait, array("q", bytes(8 * (len(due_ns) - filling))), -filling
    timings.laps_ns = laps
    start = now() - min(due_ns[0], 0)
    done = start
    give_up = start + PATIENCE * duration_ns
    try:
        for after in due_ns:
            batch = next(batches)
            due = start + after
            if done < due:
                wait(due)
            call(batch)
            done = now()
            if n >= 0:
                laps[n] = done - due
            elif done > start:
                timings.waiting += 1
            n += 1
            if done >= give_up:
                break
        timings.unserved = len(due_ns) - filling - n
        if done < start + duration_ns:  # the quiet after the last call belongs to the time served
            wait(start + duration_ns)
            done = now()
    finally:
        timings.calls, timings.elapsed_ns, timings.filling = max(n, 0), max(done - start, 0), filling


def arrivals(rate: float, duration_s: float, seed: int) -> array[int]:
    """Return the times at which calls arrive: a Poisson process of which the count is given.

    Parameters
    ----------
    rate : float
        Calls per second: as many arrive within the duration, to the nearest whole call, at least one.
    duration_s : float
    seed : int

    Returns
    -------
    array of int
        Nanoseconds after the start, ascending; those below 0, a `FILLING` of the duration, fill the queue.

    Notes
    -----
    Given their count, the arrivals of a Poisson process are independent and uniform (Ross, Stochastic
    Processes, 1996, theorem 2.3.1): what differs between seeds is when calls come, not how many.
    """
    import numpy as np

    draw = np.random.default_rng(seed)
    count = max(1, round(rate * duration_s))
    before = np.sort(draw.uniform(-FILLING * duration_s, 0, round(FILLING * count)))
    within = np.sort(draw.uniform(0, duration_s, count))
    return array("q", np.rint(np.concatenate([before, within]) * 1e9).astype(np.int64).tobytes())


def highest(holds: Callable[[float], bool], low: float, high: float) -> float | None:
    """Return the highest rate in [low, high] that holds, by bisection to within `PRECISION`.

    Parameters
    ----------
    holds : callable
        Returns whether a rate keeps the bound; what holds at one rate is taken to hold below it.
    low, high : float
        Calls per second, above 0.

    Returns
    -------
    float or None
        A rate that was tried and held; None where `low` doesn't.
    """
    if holds(high):
        return high
    if not holds(low):
        return None
    while high / low > PRECISION:
        middle = math.sqrt(low * high)
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
