"""A trial while its measurements are gathered: each is a row of its own in the suite's database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from e2e_magic.integrations.umlaut import values
from e2e_magic.record import Reason, Record

# Called with a row that can't be read, and the reason.
Unread = Callable[["Row", str], None]
# Where the running maximum that the suite kept is all that there is.
RUNNING_MAXIMUM = "the suite kept its running maximum per epoch only, so the last value is the best one"
SAMPLED_PEAK = "sampled by the suite: a shorter peak may have been higher"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of ``measurement``, whichever generation wrote it.

    Attributes
    ----------
    id : object
        Its number in the database.
    uuid : str
        The run that it belongs to.
    type, description, method : str
        Empty where the database says nothing.
    value : object
        As SQLite gives it: bytes, text or a number.
    unit : str
    time : datetime or None
        When it was logged, after what it measured; None where that can't be read.
    """

    id: object
    uuid: str
    type: str
    description: str
    method: str
    value: object
    unit: str
    time: datetime | None


@dataclass(slots=True)
class Draft:
    """One execution, as far as it has been read."""

    stage: str
    logged: datetime | None = None
    sweep: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    repeat: int | None = None
    types: set[str] = field(default_factory=set)
    readings: dict[str, Any] = field(default_factory=dict)
    series: dict[str, tuple[list[datetime], list[float]]] = field(default_factory=dict)
    reported: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add_series(self, name: str, times: Sequence[datetime], readings: Sequence[float]) -> None:
        """Keep a sampled curve, and the number that the results frame has of it."""
        self.series[name] = (list(times), list(readings))
        mean = sum(readings) / len(readings)
        if name == "rss_mib":
            self.readings["peak_rss_mib"] = max(readings)
            self.missing["peak_rss_mib"] = SAMPLED_PEAK
        elif name == "cpu_percent_now":
            self.readings["cpu_percent"] = mean
        elif name == "gpu_percent_now":
            self.readings["gpu_percent"] = mean
        elif name == "gpu_memory_mib":
            self.readings["gpu_peak_memory_mib"] = max(readings)

    def set_matrix(self, rows: list[list[float]], labels: list[str] | None) -> None:
        """Keep a confusion matrix, rows true."""
        self.reported["confusion"] = rows
        if labels is None:
            self.missing["classes"] = f"not as many labels as classes: they are 0 to {len(rows) - 1} here"
        else:
            self.reported["classes"] = labels

    def set_entries(self, entries: int) -> None:
        """Keep how many entries were handled, unless the logged rates contradict it."""
        wall, rate = self.readings.get("wall_time_s"), self.readings.get("throughput_per_s")
        if wall and rate and abs(rate * wall - entries) > 0.05 * entries:
            self.missing["entries"] = (
                f"latency was logged for {entries} entries, throughput for about {rate * wall:.0f}"
            )
            return
        self.reported["entries"] = entries

    @property
    def start(self) -> datetime | None:
        """The start: the first sample, else the time of logging minus the wall time."""
        sampled = [min(times) for times, _ in self.series.values()]
        ran = self._ran_from()
        starts = [*sampled, *([ran] if ran is not None else [])]
        return min(starts) if starts else self.logged

    def _ran_from(self) -> datetime | None:
        wall = self.readings.get("wall_time_s")
        if self.logged is None or wall is None:
            return None
        try:
            return self.logged - timedelta(seconds=float(wall))
        except OverflowError:
            return None

    @property
    def span(self) -> tuple[float, float] | None:
        """The execution's begin and end as POSIX times; None where its wall time wasn't logged."""
        start = self._ran_from()
        return None if start is None or self.logged is None else (start.timestamp(), self.logged.timestamp())

    def record(self, run: str, trial: int, repeat: int, begun: datetime) -> Record:
        """Return the finished trial; `begun` is the run's start, for one without its own."""
        start = self.start or begun
        return Record(
            run=run,
            stage=self.stage,
            trial=trial,
            repeat=self.repeat or repeat,
            state="complete",
            started_at=start,
            sweep=self.sweep,
            params=dict(self.params),
            readings=dict(self.readings),
            series={name: values.curve(times, read, start) for name, (times, read) in self.series.items()},
            reported=dict(self.reported),
            missing={name: Reason("", text) for name, text in self.missing.items()},
        )
