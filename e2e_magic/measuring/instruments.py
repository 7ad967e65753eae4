"""The collectors around one piece of code, with the sampler beside them: created, entered, left and read.

A collector that fails costs its own numbers, with one warning. An interrupt while they stop or are read is
held, so that the others are still left and read; the caller raises it when the row is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from e2e_magic.measuring import clocks
from e2e_magic.measuring.collectors.base import Classes, Collector, Probe, Unavailable, refuse, refused
from e2e_magic.measuring.collectors.wall_time import WallTime
from e2e_magic.measuring.sampler import Recording, Sampler, SamplerLost, Samples, sampler
from e2e_magic.record import Code, Metric, Reason, Value
from e2e_magic.text import error_text

_NO_SAMPLES = Samples({}, {}, 0, 0)


class Instruments:
    """One measurement: `start`, the code, `stop`, `read`.

    Parameters
    ----------
    classes : mapping of str to collector class or Unavailable
        The collectors to use; the first is entered last and left first.
    interval : float or None
        Seconds between samples; None where no curves are wanted.
    asked : collection of str
        Those that the user named; the reason of one that can't measure mentions it.
    estimated : bool
        Whether an estimate stands in for energy, so that no reason advises the user to ask for one.
    warn : callable
        Takes a sentence for the user.
    clock : callable
        Nanoseconds; curves count from its value at the start.
    sampling : callable
        Returns the sampler.

    Attributes
    ----------
    entered : list of Collector
        The collectors that measure, in the order of entering.
    missing : dict of str to Reason
        By metric or collector, the reason why it has no number.
    samples : Samples
        The sampled curves; empty until `stop`.
    held : BaseException or None
        The first interrupt that came meanwhile.
    """

    def __init__(
        self,
        classes: Classes,
        *,
        interval: float | None = None,
        asked: Collection[str] = (),
        estimated: bool = False,
        warn: Callable[[str], object] = lambda _: None,
        clock: Callable[[], int] = clocks.perf_counter_ns,
        sampling: Callable[[], Sampler] = sampler,
    ) -> None:
        self._classes = classes
        self._interval = interval
        self._asked = asked
        self._estimated = estimated
        self._warn = warn
        self._clock = clock
        self._sampling = sampling
        self._collectors: list[Collector] = []
        self.entered: list[Collector] = []
        self._broken: set[int] = set()  # by id: a collector need not be hashable
        self._recording: Recording | None = None
        self._boxed: Recording | None = None  # the one that holds the black box
        self.missing: dict[str, Reason] = {}
        self.samples = _NO_SAMPLES
        self.held: BaseException | None = None

    def start(self, box: tuple[str, str] | None = None) -> None:
        """Create the collectors, start sampling and enter them; after an interrupt nothing stays open.

        `box` is the trial's black box, which is open until `kept`.
        """
        try:
            probes = self._make()
            # Evidence alone is no reason for a sampler: the user wants no curves.
            if self._interval is not None and any(probe.kind != "evidence" for probe in probes):
                self._start_sampling(probes, self._interval, box)
            for collector in reversed(self._collectors):
                self._guard(collector, "start", self._enter, collector)
                self.raise_held()
        except BaseException:
            self.stop()
            self.kept()
            raise

    def kept(self) -> None:
        """Take the black box back: the row is kept, or there is none."""
        boxed, self._boxed = self._boxed, None
        if boxed is not None:
            with suppress(SamplerLost, OSError):
                boxed.kept()

    def stop(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Leave the collectors, in the order opposite to that of entering, and end the sampling."""
        for n, collector in enumerate(reversed(self.entered)):
            self._guard(collector, "stop", collector.__exit__, kind, error, trace)
            if n == 1:  # right after wall time and CPU time: the sampler answers while the others stop
                self._ask_sampler_to_end()
        try:
            self.samples = self._stop_sampling()
        except BaseException as interrupt:  # noqa: BLE001 - raised again when the row is kept
            self._hold("samples", "the sampling was stopped", interrupt)

    def read(self) -> dict[str, Value]:
        """Return the numbers of every collector; the sources of energy are joined by ``+``."""
        readings: dict[str, Value] = {}
        sources: list[str] = []
        for collector in reversed(self.entered):
            read = dict(self._guard(collector, "read", collector.readings) or {})
            samples = self.samples
            read |= self._guard(collector, "read", collector.sampled, samples.series, samples.totals) or {}
            lacking = self._guard(collector, "read", collector.missing) or {}
            self.missing.update((name, Reason.of(reason)) for name, reason in lacking.items())
            if source := read.get("energy_source"):
                sources.append(str(source))
            readings.update(read)
        if sources:
            readings["energy_source"] = "+".join(sources)
        return readings

    @property
    def wall_time(self) -> WallTime | None:
        """The wall-time collector, which is entered last; None where there is none."""
        last = self.entered[-1] if self.entered else None
        return last if isinstance(last, WallTime) else None

    @property
    def metrics(self) -> dict[str, Metric]:
        """The declared metrics of the collectors that measure, by name."""
        return {metric.name: metric for collector in self.entered for metric in collector.metrics}

    def peek(self) -> Samples:
        """Return the samples taken so far."""
        with suppress(SamplerLost, OSError):
            if self._recording is not None:
                return self._recording.peek()
        return _NO_SAMPLES

    def raise_held(self) -> None:
        """Raise the interrupt that was held, if there is one."""
        if self.held is not None:
            raise self.held.with_traceback(None)

    def _make(self) -> list[Probe]:
        probes: list[Probe] = []
        for name, cls in self._classes.items():
            if isinstance(cls, Unavailable):
                self.missing[name] = self._brief(name, cls.reason)
                continue
            if (earlier := refused(name)) is not None:
                self.missing[name] = self._brief(name, earlier.reason)
                continue
            try:
                collector = cls()
                self._collectors.append(collector)
                probes += collector.probes()
            except Unavailable as error:
                refuse(name, error)
                self.missing[name] = self._brief(name, error.reason)
            except Exception as error:  # noqa: BLE001 - it costs the collector its own numbers only
                self._failed(name, "start", error)
        return probes

    def _brief(self, name: str, reason: Reason) -> Reason:
        """Return the reason why a collector can't measure, in one line, without a remedy already applied."""
        if name in self._asked and not reason.remedy:
            return reason._replace(text=f"{reason.text}, though it was asked for")
        if self._estimated and reason.code == Code.NO_ENERGY_COUNTER:
            return reason._replace(remedy="")
        return reason.brief

    def _enter(self, collector: Collector) -> None:
        collector.__enter__()
        self.entered.append(collector)

    def _start_sampling(self, probes: Sequence[Probe], interval: float, box: tuple[str, str] | None) -> None:
        try:
            more: dict[str, Any] = {} if box is None else {"box": box}
            self._recording = self._sampling().start(probes, interval, origin_ns=self._clock, **more)
            self._boxed = None if box is None else self._recording
        except (SamplerLost, OSError) as error:
            reason = Reason("", f"the sampler could not be started ({error})")
            self.missing["samples"] = reason
            self._warn(f"{reason}; curves are missing, counters are kept")

    def _ask_sampler_to_end(self) -> None:
        try:
            if self._recording is not None:
                self._recording.end()
        except (SamplerLost, OSError):
            pass  # `stop` meets it again and reports it
        except BaseException as interrupt:  # noqa: BLE001 - raised again when the row is kept
            self._hold("samples", "the sampling was stopped", interrupt)

    def _stop_sampling(self) -> Samples:
        recording, self._recording = self._recording, None
        if recording is None:
            return _NO_SAMPLES
        try:
            samples = recording.stop()
        except (SamplerLost, OSError) as error:
            self.missing["samples"] = Reason("", str(error))
            self._warn(f"{error}; this trial's curves are lost, its counters are kept")
            return _NO_SAMPLES
        self.missing.update(samples.lost)
        return samples

    def _guard(self, collector: Collector, when: str, call: Callable[..., Any], *args: Any) -> Any:
        """Call a collector's method; return None if it fails, is interrupted or has failed before."""
        if id(collector) in self._broken:  # it is not called any more: one warning is enough
            return None
        try:
            return call(*args)
        except Exception as error:  # noqa: BLE001 - it costs the collector its own numbers only
            self._broken.add(id(collector))
            self._failed(collector.name, when, error)
        except BaseException as interrupt:  # noqa: BLE001 - raised again when the row is kept
            self._hold(collector.name, f"the collector {collector.name} was at its {when}", interrupt)
        return None

    def _failed(self, name: str, when: str, error: Exception) -> None:
        text = f"the collector {name} failed at {when} ({error_text(error)})"
        self.missing[name] = Reason("", text)
        self._warn(f"{text}; all other numbers are kept. Leave it out with --metrics")

    def _hold(self, name: str, while_: str, interrupt: BaseException) -> None:
        self.missing[name] = Reason("", f"interrupted while {while_} ({error_text(interrupt)})")
        if self.held is None:
            self.held = interrupt
