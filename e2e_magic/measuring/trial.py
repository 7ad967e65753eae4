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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from e2e_magic.measuring.collectors.base import Classes
from e2e_magic.measuring.events import EventLog
from e2e_magic.measuring.instruments import Instruments
from e2e_magic.measuring.plan import Plan, Step
from e2e_magic.measuring.reported import Reported
from e2e_magic.measuring.reported.options import add_latency, evaluate
from e2e_magic.measuring.sampler import Sampler, Samples, sampler
from e2e_magic.record import Code, Reason, Record, State, Value
from e2e_magic.text import error_text


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
        self._options = options or {}
        self._identity_of = identity
        self._keep = keep
        self._warn = warn or warn_user
        self._clock = clock
        self._handed_over: dict[str, object] = {}
        # An estimate follows from CPU time: asked for, it needs that one too.
        always = ("wall_time",) if plan.estimate_power is None else ("wall_time", "cpu")
        wanted = plan.metrics
        self._instruments = Instruments(
            {n: cls for n, cls in classes.items() if wanted is None or n in wanted or n in always},
            interval=plan.interval,
            asked=wanted or (),
            estimated=plan.estimate_power is not None,
            warn=self._say,
            clock=clock,
            sampling=sampling,
        )
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
        self.events.open()
        try:
            # Wall time, which stands first in the registry, is entered last and left first, so that
            # no other collector's cost is inside it; CPU time comes next.
            self._instruments.start()
            self.events.start()  # after the wall time's start, so that no epoch is later than its end
        except BaseException:  # an interrupt here: the body will not run, so nothing may stay open
            self.events.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        around = self._instruments
        around.stop(kind, error, trace)
        events = self.events.close()
        if self.step.warmup and error is None:
            around.raise_held()
            return
        if self.step.warmup:
            self.identity = self._identity_of()
        readings = self._read()
        ended = around.held if error is None else error
        reported = self._reported(failed=error is not None, ended_early=ended is not None)
        for problem in (*self.events.problems.values(), *reported.problems.values()):
            self._say(problem)
        problems = {**reported.problems, **self.events.problems}
        missing = {
            **around.missing,
            **reported.missing,
            **{name: Reason(Code.NAMED, text) for name, text in problems.items()},
        }
        wall_ns = int(float(readings.get("wall_time_s", 0.0)) * 1e9)
        readings["overhead_s"] = max(self._clock() - self._began - wall_ns, 0) * 1e-9
        state = _state(ended)
        self.record = Record(
            run=self.identity.run,
            stage=self.plan.stage,
            trial=self.identity.trial,
            repeat=self.step.repeat,
            state=state,
            started_at=self.started_at,
            error=None if ended is None or state == "complete" else error_text(ended),
            sweep=self.identity.sweep,
            params=self.identity.params,
            readings=readings,
            series=around.samples.series,
            events=events,
            reported=reported.values,
            missing={name: reason for name, reason in missing.items() if name not in readings},
            source=self.identity.source,
            host=platform.node(),
            concurrent=self.identity.concurrent,
        )
        held = around.held or reported.interrupt
        try:
            if self._keep is not None:
                self._keep(self.record)
        except (KeyboardInterrupt, SystemExit) as interrupt:
            held = held or interrupt
        # What ends more than this cell ends it already; an interrupt wins over the error of the code.
        if held is not None and (error is None or isinstance(error, (Exception, GeneratorExit))):
            raise held.with_traceback(None)

    def peek(self) -> tuple[float, Samples]:
        """Return the seconds since the start and the samples so far, for a live view."""
        seconds = (self._clock() - self._began) * 1e-9
        return seconds, self._instruments.peek()

    def _read(self) -> dict[str, Value]:
        """Return the numbers of the collectors and those of the sampling."""
        readings, samples = self._instruments.read(), self._instruments.samples
        if self.plan.estimate_power is not None and {"cpu_time_s", "wall_time_s"} <= readings.keys():
            measured = readings.get("energy_source")
            readings["energy_source"] = f"{measured}+estimate" if measured else "estimate"
        if samples.samples:
            readings["samples"] = samples.samples
            readings["missed_samples"] = samples.missed
        return readings

    def _reported(self, *, failed: bool, ended_early: bool) -> Reported:
        """Evaluate the line's options on the code's value and check all that was handed over."""
        given: dict[str, object] = dict(self._handed_over)
        if self.plan.target_accuracy is not None:
            given["target_accuracy"] = self.plan.target_accuracy
        if self.events.entries and not ("entries" in given or _has_entries(self.value)):
            given["entries"] = self.events.entries
        # After a failure the line's expressions would tell of an earlier execution: of the model before it.
        reported = evaluate(self.value, {} if failed else self._options, given)
        if failed:
            for name in self._options.keys() - given.keys() - {"latency"}:
                reported.missing[name] = Reason(
                    "", "the code did not come to its end, so it was not evaluated"
                )
        if (call := self._options.get("latency")) is not None and ended_early:
            reported.missing["latency"] = Reason(
                "", "the code did not come to its end, so no calls were timed"
            )
        elif call is not None:
            last = self.step.repeat == self.plan.repeat
            alone = not self.identity.concurrent
            add_latency(reported, call, self.value, self.plan, last=last, energy=alone)
        if self.plan.estimate_power is not None:
            idle_w, full_w = self.plan.estimate_power
            reported.values["estimate_power"] = {"idle_w": idle_w, "full_w": full_w, "cores": os.cpu_count()}
        reported.values.update(self.identity.settings)
        return reported

    def _say(self, text: str) -> None:
        self._warn(f"{self.plan.stage}: {text}")


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
