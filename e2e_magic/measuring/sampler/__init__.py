"""Curves of a trial, sampled from another process: the kernel's side.

Input: probes and an interval. Output: series of samples.

A thread in the kernel gets 1 sample of 228 while one C call holds the GIL; another process gets nearly
all. So one small process, started with the first recording, samples all gauges of all recordings. It is
no child of the kernel, sleeps while nothing is recorded, and ends with the kernel. This side has no thread.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import threading
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from e2e_magic.measuring import clocks
from e2e_magic.measuring.collectors.base import Probe
from e2e_magic.measuring.sampler.link import Link, SamplerLost
from e2e_magic.record import Reason, Series

__all__ = ["Recording", "Sampler", "SamplerLost", "Samples", "close_sampler", "launch_early", "sampler"]

SHORTEST_S = 0.001


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a recording.

    Attributes
    ----------
    series : dict of str to Series
        A curve per probe's metric, seconds since the origin. Long ones are thinned to at most 8,194
        points that keep every extreme.
    totals : dict of str to float
        The true increase of each ``counter`` from the first sample to the last, times its scale.
    samples : int
        Instants at which samples were taken, those at the start and the end included.
    missed : int
        Instants at which a sample was due and none was taken.
    lost : dict of str to Reason
        By metric, the reason why its curve ends early or is empty; it has no total then.
    evidence : dict of str to float
        What a probe of kind ``evidence`` saw by the end.
    """

    series: dict[str, Series]
    totals: dict[str, float]
    samples: int
    missed: int
    lost: dict[str, Reason] = field(default_factory=dict)
    evidence: dict[str, float] = field(default_factory=dict)


class Recording:
    """A recording in progress; created by `Sampler.start`."""

    def __init__(self, link: Link, number: int) -> None:
        self._link = link
        self._number = number
        self._open = True
        self._kept = False
        self._stopping: int | None = None

    def kept(self) -> None:
        """Take the black box back: the trial's row is kept, or there is none to keep."""
        if not self._kept and self._link.owner == os.getpid():
            self._kept = True
            self._link.kept(self._number)

    def end(self) -> None:
        """Request the end without waiting for it: `stop` then has the answer sooner."""
        if self._link.owner == os.getpid() and self._stopping is None:
            self._stopping = self._link.send("stop", self._number)

    def peek(self) -> Samples:
        """Return the samples taken so far. May be called from another thread than `stop`.

        Raises
        ------
        SamplerLost
            If the sampler process is gone.
        """
        return self._ask("peek")

    def stop(self) -> Samples:
        """Take a last sample, end the recording and return all of it.

        Raises
        ------
        SamplerLost
            If the sampler process is gone, or doesn't answer within 5 s.
        """
        samples = self._ask("stop")
        self._open = False
        return samples

    def _ask(self, verb: str) -> Samples:
        if self._link.owner != os.getpid():
            raise SamplerLost(
                f"this recording belongs to process {self._link.owner}, and this is its forked child "
                f"{os.getpid()}: measure in the process that started the recording"
            )
        if verb == "stop" and self._stopping is not None:
            number, self._stopping = self._stopping, None
        else:
            number = self._link.send(verb, self._number)
        answer: dict[str, Any] | None = self._link.take(number)
        if answer is None:
            raise SamplerLost("this recording has been stopped already: start a new one")
        return Samples(
            {metric: Series(_numbers(t), _numbers(v)) for metric, (t, v) in answer["series"].items()},
            answer["totals"],
            answer["samples"],
            answer["missed"],
            {metric: Reason("", text) for metric, text in answer["lost"].items()},
            answer["evidence"],
        )

    def __del__(self) -> None:
        # Forgotten, not stopped: the next message reports it to the process. Nothing is sent from here, as
        # this may run in the middle of anything.
        if getattr(self, "_open", False) and self._link.owner == os.getpid():
            self._link.abandoned.append(self._number)


class Sampler:
    """A starter of recordings in a separate process, which is started when there is none."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._link: Link | None = None
        self._lock = threading.RLock()

    @property
    def pid(self) -> int | None:
        """The sampler process's id; None while there is none."""
        return self._link.pid if self._link is not None and not self._link.lost else None

    def launch(self) -> None:
        """Start the process without waiting for it, so that it is ready for the first recording."""
        self._check_owner()
        with self._lock:
            if self._link is None or self._link.lost:
                self._link = Link()
                atexit.unregister(self.close)
                atexit.register(self.close)

    def start(
        self,
        probes: Sequence[Probe],
        interval: float,
        *,
        origin_ns: int | Callable[[], int] = clocks.perf_counter_ns,
        box: tuple[str, str] | None = None,
    ) -> Recording:
        """Start sampling.

        Parameters
        ----------
        probes : sequence of Probe
            What to read, each for another metric.
        interval : float
            Seconds between samples, at least 0.001.
        origin_ns : int or callable
            The instant on `time.perf_counter_ns` that curves count from; a callable is called once the
            process has started, which takes tens of milliseconds.
        box : pair of str, optional
            The black box (see `black_box`): where its row would go, and what is known of it. It is open until
            `Recording.kept`.

        Raises
        ------
        ValueError
            For an interval that is too short or two probes for one metric.
        SamplerLost
            If the process can't be started.
        """
        if not (math.isfinite(interval) and interval >= SHORTEST_S):
            raise ValueError(
                f"interval must be a number of seconds of at least {SHORTEST_S:g}, got {interval!r}: "
                "try 0.1, or 0.01 for code of less than a second"
            )
        plain = _plain(tuple(probes))
        self._check_owner()
        try:
            return self._started(plain, round(interval * 1e9), origin_ns, box)
        except SamplerLost:
            if self._link is not None and not self._link.lost:
                raise
            # It was killed since the last recording: that costs this one nothing.
            return self._started(plain, round(interval * 1e9), origin_ns, box)

    def tell_asked(self, what: str) -> None:
        """Tell the process, where there is one, that this one was asked to ``restart`` or ``shut down``."""
        link = self._link
        if link is not None and self._owner == os.getpid():
            with contextlib.suppress(SamplerLost):
                link.send("asked", what)

    def close(self) -> None:
        """End the process. The next recording starts another one."""
        atexit.unregister(self.close)
        if self._owner != os.getpid():
            return
        with self._lock:
            link, self._link = self._link, None
        if link is not None:
            link.close()

    def _started(
        self,
        plain: tuple[tuple[Any, ...], ...],
        interval_ns: int,
        origin_ns: int | Callable[[], int],
        box: tuple[str, str] | None,
    ) -> Recording:
        self.launch()
        link = self._link
        if link is None:
            raise SamplerLost("the sampler was closed while a recording was started: start it again")
        link.ready()
        origin = origin_ns() if callable(origin_ns) else origin_ns
        if box is None:
            return Recording(link, link.send("start", interval_ns, link.their_ns(origin), plain))
        place, trial = box
        if link.place != place:
            link.send("place", place)
            link.place = place
        return Recording(link, link.send("start", interval_ns, link.their_ns(origin), plain, trial))

    def _check_owner(self) -> None:
        if self._owner != os.getpid():
            raise SamplerLost(
                f"this sampler belongs to process {self._owner}, and this is its forked child {os.getpid()}: "
                "use e2e_magic.measuring.sampler.sampler(), which gives each process its own"
            )


_mine: Sampler | None = None
# A forked child keeps its parent's, untouched: dropping one would close the child's copy of the socket.
_inherited: list[Sampler] = []


def sampler() -> Sampler:
    """Return the sampler of this process; a forked child gets its own."""
    global _mine  # noqa: PLW0603 - there is one per process
    if _mine is None:
        _mine = Sampler()
    return _mine


def launch_early(metrics: Sequence[str] | None) -> None:
    """Start the process if there is none: it gets ready while this process prepares its first trial.

    Of named collectors it isn't known yet whether they have anything to sample.
    """
    if metrics is not None:
        return
    with contextlib.suppress(SamplerLost, OSError):  # the recording meets it again, and says it
        if (mine := sampler()).pid is None:
            mine.launch()


def close_sampler() -> None:
    """End this process's sampler process, if there is one."""
    if _mine is not None:
        _mine.close()


def _after_fork() -> None:
    global _mine  # noqa: PLW0603 - see sampler
    if _mine is not None:
        _inherited.append(_mine)
        _mine = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@lru_cache(maxsize=16)
def _plain(probes: tuple[Probe, ...]) -> tuple[tuple[Any, ...], ...]:
    """Return probes as they go over the wire; they are those of the trial before, mostly."""
    metrics = [probe.metric for probe in probes]
    twice = sorted({metric for metric in metrics if metrics.count(metric) > 1})
    if twice:
        raise ValueError(f"each probe needs its own metric, but {twice[0]!r} has two: leave one out")
    return tuple(
        (p.metric, p.kind, p.path, float(p.scale), float(p.wrap), tuple(p.args), float(p.step_s))
        for p in probes
    )


def _numbers(data: bytes) -> array[float]:
    numbers = array("d")
    numbers.frombytes(data)
    return numbers
