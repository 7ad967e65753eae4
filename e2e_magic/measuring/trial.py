"""Run one trial under its collectors and turn it into a record: the heart of the package.

``with Trial(...) as trial: trial.value = work()``. The user's value or exception always comes
through; a collector that fails costs its own numbers, with one warning.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from e2e_magic.measuring.collectors.base import Collector, Probe, Unavailable, refuse, refused
from e2e_magic.measuring.events import EventLog
from e2e_magic.measuring.plan import Plan, Step
from e2e_magic.measuring.reported import Reported
from e2e_magic.measuring.reported.options import add_latency, error_text, evaluate
from e2e_magic.measuring.sampler import Recording, Sampler, SamplerLost, Samples, sampler
from e2e_magic.record import Code, Reason, Record, State, Value

Classes = Mapping[str, Callable[[], Collector] | Unavailable]


class MeasurementWarning(UserWarning):
    """Something could not be measured; the user's code and all other numbers are unharmed."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose trial it is: what a record says besides numbers."""

    run: str = ""
    trial: int = 1
    sweep: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    concurrent: bool = False
    # Plain data of the run for `Record.reported`: ``baseline_power``, ``carbon_g_per_kwh``.
    settings: Mapping[str, Any] = field(default_factory=dict)


class Trial:
    """One execution of a plan, as a context manager used once.

    Parameters
    ----------
    plan : Plan
    step : Step
        Which repeat or warm-up it is.
    classes : mapping of str to collector class or Unavailable
        The collectors to choose from (``collectors.base.registered()``).
    options : mapping of str to callable
        Functions of the code's value, called after the measurement (``entries``, ``loss`` ..).
    identity : callable
        Gives the `Identity` when the trial starts: trials are numbered in the order of starting.
    keep : callable
        Takes the finished record; not called for a warm-up, unless that fails.
    warn : callable, optional
        Takes a sentence for the user; a `MeasurementWarning` when left out.
    """

    def __init__(
        self,
        plan: Plan,
        step: Step,
        *,
        classes: Classes,
        options: Mapping[str, Callable[[Any], object]] | None = None,
        identity: Callable[[], Identity] = Identity,
        keep: Callable[[Record], None] | None = None,
        warn: Callable[[str], None] | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
        sampling: Callable[[], Sampler] = sampler,
    ) -> None:
        self.plan = plan
        self.step = step
        self.value: Any = None
        self.record: Record | None = None
        self._classes = classes
        self._options = options or {}
        self._identity_of = identity
        self._keep = keep
        self._warn = warn or warn_user
        self._clock = clock
        self._sampling = sampling
        self._collectors: list[Collector] = []
        self._entered: list[Collector] = []
        self._recording: Recording | None = None
        self._missing: dict[str, Reason] = {}
        self._broken: set[int] = set()  # by id: a collector need not be hashable
        self._handed_over: dict[str, object] = {}
        self.events = EventLog(clock)

    def report(self, **values: object) -> None:
        """Report what the code reached, where there is no return value: the keys of the dict form."""
        self._handed_over.update(values)

    def drop(self) -> None:
        """Keep no record of this trial when it ends."""
        self._keep = None

    def __enter__(self) -> Self:
        self._began = self._clock()
        # A warm-up has no number, unless it fails and so becomes a row.
        self.identity = Identity() if self.step.warmup else self._identity_of()
        self.started_at = datetime.now(UTC)
        probes = self._make_collectors()
        try:
            self._start_sampling(probes)
            self.events.open()
            # Wall time, which stands first in the registry, is entered last and left first, so that
            # no other collector's cost is inside it; CPU time comes next.
            for collector in reversed(self._collectors):
                self._guard(collector, "start", self._enter, collector)
            self.events.start()  # after the wall time's start, so that no epoch is later than its end
        except BaseException:  # an interrupt here: the body will not run, so nothing may stay open
            self.events.close()
            for collector in reversed(self._entered):
                self._guard(collector, "stop", collector.__exit__, None, None, None)
            self._stop_sampling()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for n, collector in enumerate(reversed(self._entered)):
            self._guard(collector, "stop", collector.__exit__, kind, error, trace)
            if n > 0:  # right after wall time and CPU time: the sampler answers while the others stop
                self._end_sampling()
        events = self.events.close()
        samples = self._stop_sampling()
        if self.step.warmup:
            if error is None:
                return
            self.identity = self._identity_of()
        readings = self._read(samples)
        reported = self._reported(failed=error is not None)
        for problem in (*self.events.problems.values(), *reported.problems.values()):
            self._warn(f"{self.plan.stage}: {problem}")
        problems = {**reported.problems, **self.events.problems}
        missing = {
            **self._missing,
            **samples.lost,
            **reported.missing,
            **{name: Reason(Code.NAMED, text) for name, text in problems.items()},
        }
        wall_ns = int(float(readings.get("wall_time_s", 0.0)) * 1e9)
        readings["overhead_s"] = max(self._clock() - self._began - wall_ns, 0) * 1e-9
        state = _state(error)
        self.record = Record(
            run=self.identity.run,
            stage=self.plan.stage,
            trial=self.identity.trial,
            repeat=self.step.repeat,
            state=state,
            started_at=self.started_at,
            error=None if error is None or state == "complete" else error_text(error),
            sweep=self.identity.sweep,
            params=self.identity.params,
            readings=readings,
            series=samples.series,
            events=events,
            reported=reported.values,
            missing={name: reason for name, reason in missing.items() if name not in readings},
            source=self.identity.source,
            host=platform.node(),
            concurrent=self.identity.concurrent,
        )
        if self._keep is not None:
            self._keep(self.record)
        if reported.interrupt is not None and error is None:
            raise reported.interrupt

    def peek(self) -> tuple[float, Samples]:
        """Return the seconds since the start and the samples so far, for a live view."""
        seconds = (self._clock() - self._began) * 1e-9
        try:
            return seconds, self._recording.peek() if self._recording else _NO_SAMPLES
        except (SamplerLost, OSError):
            return seconds, _NO_SAMPLES

    def _make_collectors(self) -> list[Probe]:
        """Make the collectors that the plan names, or all that can; wall time is always there."""
        probes: list[Probe] = []
        wanted = self.plan.metrics
        # An estimate follows from CPU time: asked for, it needs that one too.
        always = ("wall_time",) if self.plan.estimate_power is None else ("wall_time", "cpu")
        for name, cls in self._classes.items():
            if wanted is not None and name not in wanted and name not in always:
                continue
            if isinstance(cls, Unavailable):
                self._missing[name] = self._why(name, cls.reason)
                continue
            if (known := refused(name)) is not None:
                self._missing[name] = self._why(name, known.reason)
                continue
            try:
                collector = cls()
                self._collectors.append(collector)
                probes += collector.probes()
            except Unavailable as unavailable:
                refuse(name, unavailable)
                self._missing[name] = self._why(name, unavailable.reason)
            except Exception as error:  # another package's collector may fail in any way
                self._failed(name, "start", error)
        return probes

    def _why(self, name: str, reason: Reason) -> Reason:
        """Return in one line why there is no number, and what to do unless it is done."""
        if name in (self.plan.metrics or ()) and not reason.remedy:
            return replace(reason, text=f"{reason.text}, though it was asked for")
        if self.plan.estimate_power is not None and reason.code == Code.NO_ENERGY_COUNTER:
            return replace(reason, remedy="")
        return reason.brief

    def _enter(self, collector: Collector) -> None:
        collector.__enter__()
        self._entered.append(collector)

    def _start_sampling(self, probes: Sequence[Probe]) -> None:
        if not probes:
            return
        try:
            self._recording = self._sampling().start(probes, self.plan.interval, origin_ns=self._clock)
        except (SamplerLost, OSError) as error:
            reason = Reason("", f"the sampler could not be started ({error})")
            self._missing["samples"] = reason
            self._warn(f"{self.plan.stage}: {reason}; curves are missing, counters are kept")

    def _end_sampling(self) -> None:
        if self._recording is not None:
            with suppress(SamplerLost, OSError):  # `stop` meets it again and says it
                self._recording.end()

    def _stop_sampling(self) -> Samples:
        recording, self._recording = self._recording, None
        if recording is None:
            return _NO_SAMPLES
        try:
            return recording.stop()
        except (SamplerLost, OSError) as error:
            self._missing["samples"] = Reason("", str(error))
            self._warn(f"{self.plan.stage}: {error}; this trial's curves are lost, its counters are kept")
            return _NO_SAMPLES

    def _read(self, samples: Samples) -> dict[str, Value]:
        """Ask every collector for its numbers; the sources of energy are joined by ``+``."""
        readings: dict[str, Value] = {}
        sources: list[str] = []
        for collector in self._collectors:
            if collector in self._entered:
                found = dict(self._guard(collector, "read", collector.readings) or {})
                readings.update(found)
                followed = self._guard(collector, "read", collector.sampled, samples.series, samples.totals)
                readings.update(followed or {})
                lacking = self._guard(collector, "read", collector.missing) or {}
                self._missing.update((name, Reason.of(reason)) for name, reason in lacking.items())
                source = {**found, **(followed or {})}.get("energy_source")
                if source:
                    sources.append(str(source))
        if self.plan.estimate_power is not None and {"cpu_time_s", "wall_time_s"} <= readings.keys():
            sources.append("estimate")
        if sources:
            readings["energy_source"] = "+".join(sources)
        if samples.samples:
            readings["samples"] = samples.samples
            readings["missed_samples"] = samples.missed
        return readings

    def _reported(self, *, failed: bool) -> Reported:
        """Evaluate the line's options on the code's value and check all that was handed over."""
        given: dict[str, object] = dict(self._handed_over)
        if self.plan.target_accuracy is not None:
            given["target_accuracy"] = self.plan.target_accuracy
        if self.events.entries and not ("entries" in given or _has_entries(self.value)):
            given["entries"] = self.events.entries
        reported = evaluate(self.value, self._options, given)
        if (call := self._options.get("latency")) is not None and failed:
            reason = Reason("", "the code did not come to its end, so no calls were timed")
            reported.missing["latency"] = reason
        elif call is not None:
            last = self.step.repeat == self.plan.repeat
            alone = not self.identity.concurrent
            add_latency(reported, call, self.value, self.plan, last=last, energy=alone)
        if self.plan.estimate_power is not None:
            idle_w, full_w = self.plan.estimate_power
            reported.values["estimate_power"] = {"idle_w": idle_w, "full_w": full_w, "cores": os.cpu_count()}
        reported.values.update(self.identity.settings)
        return reported

    def _guard(self, collector: Collector, when: str, call: Callable[..., Any], *args: Any) -> Any:
        if id(collector) in self._broken:  # it is asked no more: one warning is enough
            return None
        try:
            return call(*args)
        except Exception as error:  # a collector that fails costs its own numbers only
            self._broken.add(id(collector))
            self._failed(collector.name, when, error)
            return None

    def _failed(self, name: str, when: str, error: Exception) -> None:
        why = f"the collector {name} failed at {when} ({error_text(error)})"
        self._missing[name] = Reason("", why)
        self._warn(f"{self.plan.stage}: {why}; all other numbers are kept. Leave it out with --metrics")


_NO_SAMPLES = Samples({}, {}, 0, 0)


def _has_entries(value: object) -> bool:
    return isinstance(value, Mapping) and "num_entries" in value


def warn_user(text: str) -> None:
    """Warn of the user's line that led here, not of one of ours."""
    level, frame = 1, sys._getframe()
    while (above := frame.f_back) is not None and frame.f_globals.get("__name__", "").startswith("e2e_magic"):
        level, frame = level + 1, above
    warnings.warn(text, MeasurementWarning, stacklevel=level)


def _state(error: BaseException | None) -> State:
    if error is None or isinstance(error, GeneratorExit):  # a consumer that has had enough
        return "complete"
    # A cancelled task needs asyncio to exist; it is not imported for the question.
    cancelled = getattr(sys.modules.get("asyncio"), "CancelledError", KeyboardInterrupt)
    return "interrupted" if isinstance(error, (KeyboardInterrupt, cancelled)) else "failed"
