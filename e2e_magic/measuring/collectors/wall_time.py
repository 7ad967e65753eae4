"""Wall time: how long the code took by the clock on the wall."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import ClassVar, Self

from e2e_magic.measuring.collectors import cuda_work
from e2e_magic.measuring.collectors.base import Collector
from e2e_magic.record import Metric, Reason, Value


class WallTime(Collector):
    """Seconds between the edges of the code, on a clock that never steps.

    A trial enters it last and leaves it first, so that no other collector's cost is inside.

    Parameters
    ----------
    clock : callable
        Gives nanoseconds.
    """

    name: ClassVar[str] = "wall_time"
    source: str = "time.perf_counter_ns"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("wall_time_s", "s", "time", "lower", "time by the clock, from start to end of the code"),
    )

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock = clock
        self._start = 0
        self._elapsed: int | None = None

    def __enter__(self) -> Self:
        cuda_work.synchronise()  # what was handed to a GPU before is not this code's
        self._start = self._clock()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            cuda_work.synchronise()  # and what this code handed to it is
        finally:  # an interrupt may end the wait
            self._elapsed = self._clock() - self._start

    def readings(self) -> Mapping[str, Value]:
        return {} if self._elapsed is None else {"wall_time_s": self._elapsed / 1e9}

    def missing(self) -> Mapping[str, Reason]:
        if self._elapsed is not None:
            return {}
        return {"wall_time_s": Reason("", "the code did not reach its end")}
