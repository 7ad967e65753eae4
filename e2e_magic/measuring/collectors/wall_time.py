"""Wall time: the elapsed time of the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Self

from e2e_magic.measuring import clocks
from e2e_magic.measuring.collectors import cuda_work
from e2e_magic.measuring.collectors.base import Collector
from e2e_magic.record import Metric, Reason, Value


class WallTime(Collector):
    """Seconds between the edges of the code, on a clock that never steps.

    A trial enters it last and leaves it first, so that no other collector's cost is inside.

    Parameters
    ----------
    clock : callable
        Returns nanoseconds.
    """

    name: ClassVar[str] = "wall_time"
    source: str = "time.perf_counter_ns"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("wall_time_s", "s", "time", "lower", "time by the clock, from start to end of the code"),
    )

    def __init__(self, clock: Callable[[], int] = clocks.perf_counter_ns) -> None:
        self._clock = clock
        self._start = 0
        self._elapsed: int | None = None
        self._paused: int | None = None

    def __enter__(self) -> Self:
        cuda_work.synchronise()  # what was handed to a GPU before is not this code's
        self._start = self._clock()
        return self

    def begin(self) -> int:
        """Count from now on, and return this instant: what ran between the edge and the code is left out."""
        self._start = self._clock()
        return self._start

    def resume(self) -> None:
        """Continue after `pause`."""
        self._paused = None

    def pause(self) -> None:
        """Mark a possible end of the code; what follows up to the edge does not belong to it."""
        self._paused = self._clock()

    def __exit__(self, *error: object) -> None:
        if self._paused is not None and not cuda_work.in_use():
            self._elapsed = self._paused - self._start
            return
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
