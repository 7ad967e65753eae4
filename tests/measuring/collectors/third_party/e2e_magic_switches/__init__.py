"""Context switches: how often the code waited, and how often another process took its place."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import ClassVar, Self

from e2e_magic import Collector, Metric, Unavailable

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


class Switches(Collector):
    """Count the context switches of the process between the two edges."""

    name: ClassVar[str] = "switches"
    source: str = "getrusage ru_nvcsw and ru_nivcsw"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("switches_waited", "", "cpu", "lower", "context switches because the code waited"),
        Metric("switches_forced", "", "cpu", "lower", "context switches because others wanted the core"),
    )

    def __init__(self) -> None:
        if resource is None:
            raise Unavailable("this system has no getrusage", "measure on Linux or macOS")
        self._start = (0, 0)
        self._end: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        self._start = _switches()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self._end = _switches()

    def readings(self) -> Mapping[str, float]:
        if self._end is None:
            return {}
        waited, forced = (end - start for start, end in zip(self._start, self._end, strict=True))
        return {"switches_waited": waited, "switches_forced": forced}

    def missing(self) -> Mapping[str, str]:
        if self._end is not None:
            return {}
        return {metric.name: "the code did not reach its end" for metric in self.metrics}


def _switches() -> tuple[int, int]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nvcsw, usage.ru_nivcsw
