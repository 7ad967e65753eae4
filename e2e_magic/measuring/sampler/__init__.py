"""Curves of a trial, sampled from another process: the kernel's side.

In come probes and an interval; out go series of samples.

A thread in the kernel gets 1 sample of 228 while one C call holds the GIL; another process gets nearly
all. So one small process, started with the first recording, samples all gauges of all recordings. It is
no child of the kernel, sleeps while nothing is recorded, and ends with the kernel. This side has no thread.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from e2e_magic.measuring.collectors.base import Probe
from e2e_magic.measuring.sampler.link import Link, SamplerLost
from e2e_magic.record import Reason, Series

__all__ = ["Recording", "Sampler", "SamplerLost", "Samples", "close_sampler", "sampler"]

SHORTEST_S = 0.001


@dataclass(frozen=True, slots=True)
class Samples:
    """What was sampled.

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
        Metric to why its curve ends early or is empty; it has no total then.
    """

    series: dict[str, Series]
    totals: dict[str, float]
    samples: int
    missed: int
    lost: dict[str, Reason] = field(default_factory=dict)


class Recording:
    """Sampling that goes on; made by `Sampler.start`."""

    def __init__(self, link: Link, number: int) -> None:
        self._link = link
        self._number = number
        self._open = True
        self._stopping: int | None = None

    def end(self) -> None:
        """Ask for the end without waiting for it: `stop` then has the answer sooner."""
        if self._link.owner == os.getpid() and self._stopping is None:
            self._stopping = self._link.send("stop", self._number)

    def peek(self) -> Samples:
        """Return what was sampled so far. May be called from another thread than `stop`.

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
        )

    def __del__(self) -> None:
        # Forgotten, not stopped: the process is told with the next message. Nothing is sent from here, as
        # this may run in the middle of anything.
        if getattr(self, "_open", False) and self._link.owner == os.getpid():
            self._link.abandoned.append(self._number)


class Sampler:
    """Starts recordings in a process of its own, and that process when there is none."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._link: Link | None = None
        self._lock = threading.RLock()

    @property
    def pid(self) -> int | None:
        """The sampler process's id; None while there is none."""
        return self._link.pid if self._link is not None and not self._link.lost else None

    def launch(self) -> None:
        """Start the process, without waiting for it: the first recording then finds it ready."""
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
        origin_ns: int | Callable[[], int] = time.perf_counter_ns,
    ) -> Recording:
        """Start sampling.

        Parameters
        ----------
        probes : sequence of Probe
            What to read, each for another metric.
        interval : float
            Seconds between samples, at least 0.001.
        origin_ns : int or callable
            The instant on `time.perf_counter_ns` that curves count from; a callable is asked once the
            process has started, which takes tens of milliseconds.

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
        metrics = [probe.metric for probe in probes]
        twice = sorted({metric for metric in metrics if metrics.count(metric) > 1})
        if twice:
            raise ValueError(f"each probe needs its own metric, but {twice[0]!r} has two: leave one out")
        plain = tuple(
            (p.metric, p.kind, p.path, float(p.scale), float(p.wrap), tuple(p.args), float(p.step_s))
            for p in probes
        )
        self._check_owner()
        try:
            return self._started(plain, round(interval * 1e9), origin_ns)
        except SamplerLost:
            if self._link is not None and not self._link.lost:
                raise
            # It was killed since the last recording: that costs this one nothing.
            return self._started(plain, round(interval * 1e9), origin_ns)

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
        self, plain: tuple[tuple[Any, ...], ...], interval_ns: int, origin_ns: int | Callable[[], int]
    ) -> Recording:
        self.launch()
        link = self._link
        if link is None:
            raise SamplerLost("the sampler was closed while a recording was started: start it again")
        link.ready()
        origin = origin_ns() if callable(origin_ns) else origin_ns
        return Recording(link, link.send("start", interval_ns, link.their_ns(origin), plain))

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
    global _mine  # noqa: PLW0603 - one per process, that is what it is about
    if _mine is None:
        _mine = Sampler()
    return _mine


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


def _numbers(data: bytes) -> array[float]:
    numbers = array("d")
    numbers.frombytes(data)
    return numbers
