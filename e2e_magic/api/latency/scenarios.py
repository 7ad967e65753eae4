"""The scenarios beside ``single_stream``: calls as fast as it goes, or as they arrive.

The three scenarios are those of Reddi et al., MLPerf Inference Benchmark, ISCA 2020, section 4
(https://arxiv.org/abs/1911.02549), within one process and one thread: SingleStream, Offline, Server.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from typing import Any

from e2e_magic.measuring.latency import Call, Clock, Timings

# A server that is given more calls than it serves never ends: it is stopped after so many durations.
PATIENCE = 2
# The search for the highest rate ends within this factor.
PRECISION = 1.05


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

    A latency counts from the time at which its call was due: waiting for others is in it. After
    `PATIENCE` durations the calls still to come are given up.
    """
    __tracebackhide__ = True
    now, wait, laps, n = clock.now, clock.wait, array("q", bytes(8 * len(due_ns))), 0
    timings.laps_ns = laps
    start = done = now()
    give_up = start + PATIENCE * duration_ns
    try:
        for after in due_ns:
            batch = next(batches)
            due = start + after
            if done < due:
                wait(due)
            call(batch)
            done = now()
            laps[n] = done - due
            n += 1
            if done >= give_up:
                break
        timings.unserved = len(due_ns) - n
        if done < start + duration_ns:  # the quiet after the last call belongs to the time served
            wait(start + duration_ns)
            done = now()
    finally:
        timings.calls, timings.elapsed_ns = n, done - start


def arrivals(rate: float, duration_s: float, seed: int) -> array[int]:
    """Return the times at which calls arrive within a duration: a Poisson process.

    Parameters
    ----------
    rate : float
        Calls per second, on average.
    duration_s : float
    seed : int
        The same seed gives the same process at every rate, only denser: two rates differ by the rate,
        not by their luck.

    Returns
    -------
    array of int
        Nanoseconds after the start, ascending; at least one.

    Notes
    -----
    The gaps of a Poisson process are exponential with the mean 1 / rate, as in MLPerf's load generator.
    """
    import numpy as np

    expected = rate * duration_s
    gaps = np.random.default_rng(seed)
    at = np.empty(0)
    while not len(at) or at[-1] < expected:  # almost always once: six standard deviations more than expected
        more = gaps.exponential(size=math.ceil(expected + 6 * math.sqrt(expected)) + 10)
        at = np.concatenate([at, (at[-1] if len(at) else 0.0) + np.cumsum(more)])
    within = max(1, int(np.searchsorted(at, expected)))
    return array("q", np.rint(at[:within] / rate * 1e9).astype(np.int64).tobytes())


def highest(holds: Callable[[float], bool], low: float, high: float) -> float | None:
    """Return the highest rate in [low, high] that holds, by bisection to within `PRECISION`.

    Parameters
    ----------
    holds : callable
        Tells whether a rate keeps the bound; what holds at one rate is taken to hold below it.
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
