"""Timing of single calls, one after another, by a loop with next to no overhead."""

from __future__ import annotations

import inspect
import itertools
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from e2e_magic.measuring import clocks
from e2e_magic.measuring.checks import PlanError
from e2e_magic.measuring.collectors import cuda_work
from e2e_magic.measuring.energy_span import EnergySpan
from e2e_magic.measuring.reported.arrays import describe

Call = Callable[[Any], object]

# Latencies are written into preallocated room; when it is full, more is added between two calls.
_ROOM = 65_536
# The most latencies that a trial keeps: all of them, or as many of evenly spaced rank. With one more
# than 1,000 the p50, p90, p95, p99 and p99.9 of all calls are among them.
KEPT = 1_001
# The most calls that are timed for one trial: 8 MiB while they run.
MOST_CALLS = 16 * _ROOM
WARMUP_CALLS = 10


class Clock:
    """A clock in nanoseconds that can wait for an instant; tests pass one of their own."""

    # Sleeping wakes up late, by some 0.06 ms on Linux: the last bit is spent polling the clock.
    LATE_NS = 300_000

    now: Callable[[], int] = staticmethod(clocks.perf_counter_ns)

    def wait(self, until_ns: int) -> None:
        """Wait until an instant of this clock."""
        while (left := until_ns - self.now()) > 0:
            if left > self.LATE_NS:
                time.sleep((left - self.LATE_NS) * 1e-9)


def _room() -> array[int]:
    return array("q", bytes(8 * _ROOM))


@dataclass(slots=True)
class Timings:
    """The durations of single calls, also when one of them failed.

    Attributes
    ----------
    calls : int
        Calls that completed.
    elapsed_ns : int
        Time from the start of the first call to the end of the last one.
    laps_ns : array of int
        The first `calls` are their latencies, unless `single` is False.
    single : bool
        Whether single calls were timed.
    unserved : int
        Calls that had arrived or were due to arrive, and were dropped.
    filling : int
        Calls before the first that is counted, which filled the queue.
    waiting : int
        The number of those still to be served at the start: they are part of the throughput.
    """

    calls: int = 0
    elapsed_ns: int = 0
    laps_ns: array[int] = field(default_factory=_room)
    single: bool = True
    unserved: int = 0
    filling: int = 0
    waiting: int = 0


def single_stream(
    call: Call,
    batches: Iterator[Any],
    duration_ns: int,
    clock: Clock,
    timings: Timings,
    *,
    most: int = sys.maxsize,
) -> None:
    """Call one after another until the duration is over, at least once; time each call.

    `most` ends it early: it is checked whenever the room for latencies is full.
    """
    __tracebackhide__ = True
    now, laps, n, room = clock.now, timings.laps_ns, 0, len(timings.laps_ns)
    start = done = now()
    end = start + duration_ns
    try:
        while True:
            batch = next(batches)
            began = now()
            call(batch)
            done = now()
            laps[n] = done - began
            n += 1
            if done >= end:
                break
            if n == room:
                if n >= most:
                    break
                laps.frombytes(bytes(8 * _ROOM))
                room += _ROOM
    finally:
        timings.calls, timings.elapsed_ns = n, done - start


def warm_up(call: Call, batches: Iterator[Any], calls: int, duration_ns: int, clock: Clock) -> Call:
    """Call `calls` times without timing, or until the duration is over; return the call to time.

    The latter also waits for work that a framework only hands to a GPU. This is decided afterwards, as
    a framework may start to use its GPU with the first call.
    """
    __tracebackhide__ = True
    end = clock.now() + duration_ns
    for _ in range(calls):
        call(next(batches))
        if clock.now() >= end:
            break
    return _waited_for(call) if hands_work_on() else call


def hands_work_on() -> bool:
    """Return whether a framework is in use whose calls return before its GPU is done."""
    torch = sys.modules.get("torch")
    return (
        (torch is not None and torch.cuda.is_initialized()) or "jax" in sys.modules or "cupy" in sys.modules
    )


def _waited_for(call: Call) -> Call:
    def waited_for(batch: Any) -> None:
        __tracebackhide__ = True
        call(batch)
        cuda_work.synchronise()

    return waited_for


def check_call(name: str, call: object, wanted: str, given: str) -> None:
    """Raise `PlanError` unless `call` is a function whose work is done when it returns.

    Parameters
    ----------
    name, wanted : str
        The parameter's name, and a description of what it takes.
    call : object
    given : str
        The argument list of the example in the error, ``batch`` or empty.
    """
    if not callable(call):
        method = next((m for m in ("predict", "forward") if callable(getattr(call, m, None))), None)
        hint = f": hand over its method {method}" if method else ""
        raise PlanError(f"{name}: expected {wanted}, got {describe(call)}{hint}")
    body = call if inspect.isroutine(call) else getattr(call, "__call__", call)  # noqa: B004
    if inspect.iscoroutinefunction(body) or inspect.isgeneratorfunction(body):
        kind = "a generator" if inspect.isgeneratorfunction(body) else "an async"
        way = f"list(f({given}))" if inspect.isgeneratorfunction(body) else f"asyncio.run(f({given}))"
        head = f"lambda {given}:" if given else "lambda:"
        raise PlanError(
            f"{name}: expected a function that is done when it returns, got {kind} function, which only "
            f"begins: hand over {head} {way}"
        )


def time_calls(
    call: Call, value: object, duration_s: float, *, energy: bool, clock: Clock
) -> tuple[dict[str, Any], BaseException | None]:
    """Time ``call(value)`` again and again, after up to 10 calls of warm-up that take a tenth as long.

    Parameters
    ----------
    call : callable
    value : object
        Its argument, each time the same.
    duration_s : float
        A call that has begun is finished, so there is at least one. Ends early after `MOST_CALLS`.
    energy : bool
        Whether to read the machine's energy meanwhile.
    clock : Clock

    Returns
    -------
    latency : dict
        Plain data: ``calls``, ``elapsed_s``, ``mean_s``, ``laps_s`` (the latencies in seconds, ascending,
        at most `KEPT` of them) and, where it was measured, ``energy_j``; empty where no call
        completed.
    error : BaseException or None
        The exception of a call; the caller reports it, and re-raises an interrupt.
    """
    duration_ns = round(duration_s * 1e9)
    timings, span, error = Timings(), EnergySpan(), None
    try:
        values = itertools.repeat(value)
        waiting = warm_up(call, values, WARMUP_CALLS, duration_ns // 10, clock)
        with span if energy else nullcontext():
            single_stream(waiting, values, duration_ns, clock, timings, most=MOST_CALLS)
    except BaseException as raised:  # noqa: BLE001 - the caller reports it, and re-raises an interrupt
        error = raised
    if not timings.calls:
        return {}, error
    latency = _plain(timings)
    if error is None and span.total_j is not None:
        latency["energy_j"] = span.total_j
    return latency, error


def _plain(timings: Timings) -> dict[str, Any]:
    laps_ns = sorted(timings.laps_ns[: timings.calls])
    mean_s = sum(laps_ns) / len(laps_ns) * 1e-9
    if (last := len(laps_ns) - 1) >= KEPT:
        laps_ns = [laps_ns[round(n * last / (KEPT - 1))] for n in range(KEPT)]
    return {
        "calls": timings.calls,
        "elapsed_s": timings.elapsed_ns * 1e-9,
        "mean_s": mean_s,
        "laps_s": [lap_ns * 1e-9 for lap_ns in laps_ns],
    }
