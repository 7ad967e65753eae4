"""The scenarios of async streams, which overlap as the requests of a server's clients do.

They stand for `scenarios.server` and `scenarios.offline`, and have their arguments.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from e2e_magic.api.latency.scenarios import PATIENCE
from e2e_magic.api.latency.streams import Came, Streams
from e2e_magic.measuring.latency import Clock, Timings

# So many streams are under way at most when all are sent at once.
MOST_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Ended:
    """A stream that came to its end: its place in the order of arrival, when it ended, its tokens."""

    place: int
    ended_ns: int
    came: Came


def server(
    streams: Streams,
    batches: Iterator[Any],
    duration_ns: int,
    clock: Clock,
    timings: Timings,
    *,
    due_ns: array[int],
) -> None:
    """Begin a stream whenever one is due, whatever others are under way."""
    __tracebackhide__ = True
    ended: list[_Ended] = []
    filling = bisect_left(due_ns, 0)
    start = clock.now() - min(due_ns[0], 0)

    async def one(place: int, batch: Any) -> None:
        __tracebackhide__ = True
        came = await streams.consume(batch)
        ended.append(_Ended(place, clock.now(), came))

    async def all_of_them() -> None:
        __tracebackhide__ = True
        give_up = start + PATIENCE * duration_ns
        async with asyncio.TaskGroup() as group:
            tasks = []
            for place, after in enumerate(due_ns):
                await asyncio.sleep(max(start + after - clock.now(), 0) * 1e-9)
                tasks.append(group.create_task(one(place, next(batches))))
            _, late = await asyncio.wait(tasks, timeout=max(give_up - clock.now(), 0) * 1e-9)
            for task in late:
                task.cancel()

    try:
        _run(streams, all_of_them())
    finally:
        ended.sort(key=lambda stream: stream.place)
        for stream in ended:
            streams.keep(stream.came, stream.ended_ns)
        counted = [stream for stream in ended if stream.place >= filling]
        timings.laps_ns = array("q", [s.ended_ns - start - due_ns[s.place] for s in counted])
        timings.calls, timings.filling = len(counted), len(ended) - len(counted)
        timings.waiting = sum(stream.ended_ns > start for stream in ended if stream.place < filling)
        timings.unserved = len(due_ns) - filling - len(counted)
        last = max((stream.ended_ns for stream in ended), default=start)
        timings.elapsed_ns = max(last - start, duration_ns)


def offline(
    streams: Streams, batches: Iterator[Any], duration_ns: int, clock: Clock, timings: Timings
) -> None:
    """Keep `MOST_AT_ONCE` streams under way until the duration is over; those are let finish."""
    __tracebackhide__ = True
    timings.single = False
    start = clock.now()

    async def client() -> None:
        __tracebackhide__ = True
        while True:
            came = await streams.consume(next(batches))
            streams.keep(came, clock.now())
            timings.calls += 1
            if clock.now() - start >= duration_ns:
                break

    async def all_of_them() -> None:
        __tracebackhide__ = True
        async with asyncio.TaskGroup() as group:
            for _ in range(MOST_AT_ONCE):
                group.create_task(client())

    try:
        _run(streams, all_of_them())
    finally:
        timings.elapsed_ns = clock.now() - start


def _run(streams: Streams, work: Any) -> None:
    """Run a coroutine; what a stream raised comes through as it is, not as a group."""
    __tracebackhide__ = True
    try:
        streams.run(work)
    except BaseExceptionGroup as group:
        error = group.exceptions[0]
    else:
        return
    raise error
