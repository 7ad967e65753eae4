"""One recording in the sampler process: its readers, its curves, and when the next sample is due."""

from __future__ import annotations

import math

from .buckets import Buckets
from .evidence import KIND, Evidence
from .files import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from .files import Reader

# A counter of 2^32 steps of 61 µJ wraps after 16 minutes at 280 W, an old 16-bit one never sooner than this.
WATCH_NS = 10_000_000_000


class Recorder:
    """A recording of a set of probes at one interval.

    Parameters
    ----------
    specs : iterable of Spec
    readers : mapping of str to callable
        The factory of the reader, by kind of probe.
    interval_ns, origin_ns : int
        The time between samples; the instant from which curves count.
    now_ns : int
        The instant of the first sample.
    """

    def __init__(
        self,
        specs: Iterable[Spec],
        readers: Mapping[str, Callable[[Spec], Reader]],
        interval_ns: int,
        origin_ns: int,
        now_ns: int,
    ) -> None:
        self._interval_ns = interval_ns
        self._origin_ns = origin_ns
        self.samples = 0
        self.missed = 0
        self.lost: dict[str, str] = {}
        self._readers: dict[str, Reader] = {}
        self._curves: dict[str, Buckets] = {}
        self._evidence: Evidence | None = None
        for spec in specs:
            if spec.kind == KIND:  # no curve
                self._evidence = Evidence(spec.pid, now_ns)
                continue
            self._curves[spec.metric] = Buckets()
            make = readers.get(spec.kind)
            if make is None:
                self.lost[spec.metric] = f"the sampler has no reader of kind {spec.kind!r}"
                continue
            try:
                self._readers[spec.metric] = make(spec)
            except (OSError, ValueError, LookupError) as error:
                self.lost[spec.metric] = _reason(error)
        # Not at every sample anew: that would add up the clock's own error.
        self._due_ns = now_ns
        self._watch_ns = now_ns
        self.sample(now_ns)

    def next_ns(self) -> int:
        """Return the instant at which this recording is next due, ns."""
        next_ns = min(self._due_ns, self._watch_ns) if self._watched() else self._due_ns
        return next_ns if self._evidence is None else min(next_ns, self._evidence.next_ns)

    def wake(self, now_ns: int) -> None:
        """Take the samples and looks that are due."""
        if self._evidence is not None and now_ns >= self._evidence.next_ns:
            self._evidence.look(now_ns)
        if now_ns >= self._due_ns:
            self.sample(now_ns)
        elif self._watched() and now_ns >= self._watch_ns:
            self._watch_ns = now_ns + WATCH_NS
            for metric, reader in list(self._readers.items()):
                if reader.watched:
                    try:
                        reader.watch(now_ns)
                    except (OSError, ValueError, LookupError) as error:
                        self._lose(metric, error)

    def sample(self, now_ns: int, *, last: bool = False) -> None:
        """Sample every probe; due instants that passed before count as missed."""
        if now_ns >= self._due_ns:
            late = (now_ns - self._due_ns) // self._interval_ns
            self.missed += late
            self._due_ns += (late + 1) * self._interval_ns
        self._watch_ns = now_ns + WATCH_NS
        self.samples += 1
        if last and self._evidence is not None:
            self._evidence.end(now_ns)
        t_s = (now_ns - self._origin_ns) / 1e9
        for metric, reader in list(self._readers.items()):
            try:
                value = reader.read(now_ns, last=last)
            except (OSError, ValueError, LookupError) as error:
                self._lose(metric, error)
                continue
            if value is not None and math.isfinite(value):
                self._curves[metric].add(t_s, value)

    def state(self) -> dict[str, Any]:
        """Return the whole recording as plain data for the wire."""
        totals = {metric: reader.total() for metric, reader in self._readers.items()}
        return {
            "series": {
                metric: tuple(part.tobytes() for part in curve.points())
                for metric, curve in self._curves.items()
            },
            "totals": {metric: total for metric, total in totals.items() if total is not None},
            "lost": self.lost,
            "samples": self.samples,
            "missed": self.missed,
            "evidence": {} if self._evidence is None else self._evidence.numbers,
        }

    def close(self) -> None:
        """Close all files."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _watched(self) -> bool:
        return self._interval_ns > WATCH_NS and any(reader.watched for reader in self._readers.values())

    def _lose(self, metric: str, error: Exception) -> None:
        self.lost[metric] = _reason(error)
        reader = self._readers.pop(metric)
        reader.close()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename} can't be read: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return f"it can't be read: {error.strerror}"
    return str(error) or type(error).__name__
