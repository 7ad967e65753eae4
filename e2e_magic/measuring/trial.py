"""Run one trial under its collectors and turn it into a record: the heart of the package.

``with Trial(...) as trial: trial.value = work()``. The user's value or exception is always
passed on; a collector that fails costs its own numbers, with one warning.
"""

from __future__ import annotations

import gc
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from e2e_magic.measuring import clocks
from e2e_magic.measuring.beside import Stay
from e2e_magic.measuring.collectors.base import Classes
from e2e_magic.measuring.collectors.wall_time import WallTime
from e2e_magic.measuring.ending import TrialEnd
from e2e_magic.measuring.events import EventLog
from e2e_magic.measuring.evidence import KEY as EVIDENCE
from e2e_magic.measuring.evidence import Evidence
from e2e_magic.measuring.identity import Identity
from e2e_magic.measuring.inner_loop import InnerLoop
from e2e_magic.measuring.instruments import Instruments
from e2e_magic.measuring.plan import Plan, Step
from e2e_magic.measuring.reported import Reported
from e2e_magic.measuring.reported.options import add_latency, evaluate
from e2e_magic.measuring.sampler import Sampler, Samples, sampler
from e2e_magic.record import Code, Reason, Record, State, Value
from e2e_magic.text import error_text

if TYPE_CHECKING:
    from e2e_magic.measuring.black_box import BlackBox
    from e2e_magic.measuring.lines.watch import Watch
    from e2e_magic.measuring.memory_limit import MemoryLimit


class MeasurementWarning(UserWarning):
    """Something could not be measured; the user's code and all other numbers are unharmed."""


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
    black_box : BlackBox, optional
        Where the sampler process writes the row if this one ends within the trial; nowhere when left out.
    clock, sampling : callable
        Returns nanoseconds; returns the sampler.
    began_ns : int, optional
        The instant on the clock since which the user has waited for this trial; its start when left out.
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
        black_box: BlackBox | None = None,
        clock: Callable[[], int] = clocks.perf_counter_ns,
        sampling: Callable[[], Sampler] = sampler,
        began_ns: int | None = None,
    ) -> None:
        self.plan = plan
        self.step = step
        self.value: Any = None
        self.record: Record | None = None
        self._options = options or {}
        self._identity_of = identity
        self._keep = keep
        self._warn = warn or warn_user
        self._black_box = black_box
        self._clock = clock
        self._began_ns = began_ns
        self._handed_over: dict[str, object] = {}
        # An estimate follows from CPU time: asked for, it needs that one too.
        always = ("wall_time",) if plan.estimate_power is None else ("wall_time", "cpu")
        wanted = plan.metrics
        self._evidence = Evidence()
        chosen = {n: cls for n, cls in classes.items() if wanted is None or n in wanted or n in always}
        self._instruments = Instruments(
            {
                **{n: chosen.pop(n) for n in ("wall_time", "cpu") if n in chosen},
                EVIDENCE: lambda: self._evidence,
                **chosen,
            },
            interval=plan.interval,
            asked=wanted or (),
            estimated=plan.estimate_power is not None,
            warn=self._say,
            clock=clock,
            sampling=sampling,
        )
        self.events = EventLog(clock)
        self._memory: MemoryLimit | None = None
        if plan.memory_limit is not None:
            from e2e_magic.measuring.memory_limit import MemoryLimit

            self._memory = MemoryLimit(plan.memory_limit)
        self._wall: WallTime | None = None
        self.loop = InnerLoop(plan.number, clock)
        self._lines: Watch | None = None

    def report(self, **values: object) -> None:
        """Report what the code reached, where there is no return value: the keys of the dict form."""
        self._handed_over.update(values)

    def begin_code(self) -> None:
        """Start the measured time now: what ran since the trial was entered does not belong to the code."""
        self._wall = self._instruments.wall_time
        if self._wall is not None:
            self.events.start(self._wall.begin())
        if self._lines is not None:
            self._lines.begin()

    def resume_code(self) -> None:
        """Continue the measured time after `pause_code`."""
        if self._wall is not None:
            self._wall.resume()

    def pause_code(self) -> None:
        """Mark a possible end of the code: what runs from now up to the exit does not belong to it."""
        if self._wall is not None:
            self._wall.pause()

    def watch(self, codes: Iterable[CodeType], namespace: Mapping[str, Any], **more: Any) -> None:
        """Count the lines of this code where the plan asks for it: see `lines.sources.Watched`."""
        if self.plan.lines is None or self.step.warmup:
            return
        from e2e_magic.measuring.lines.sources import Watched
        from e2e_magic.measuring.lines.watch import Watch

        self._lines = Watch(Watched(tuple(codes), namespace, **more), self.plan.lines, self._clock)
        self.loop.code = self._lines.code

    def drop(self) -> None:
        """Keep no record of this trial when it ends."""
        self._keep = None

    def __enter__(self) -> Self:
        self._began = self._clock()
        # A warm-up has no number, unless it fails and so becomes a row.
        self.identity = Identity() if self.step.warmup else self._identity_of()
        self.started_at = datetime.now(UTC)
        self._stay = Stay()
        self._stay.begin()
        self.events.open()
        try:
            if self._lines is not None:
                self._lines.start()
            # Wall time, which stands first in the registry, is entered last and left first, so that
            # no other collector's cost is inside it; CPU time comes next.
            box, known = self._black_box, self.identity.known
            text = box.text(self.plan.stage, self.step, known(), self.started_at) if box else None
            self._instruments.start(text)
            if self._memory is not None:
                self._memory.hold()
            self.events.start()  # after the wall time's start, so that no epoch is later than its end
            if self._lines is not None:
                self._lines.begin()
        except BaseException:  # an interrupt here: the body will not run, so nothing may stay open
            if self._lines is not None:
                self._lines.stop()
            self._lift()
            self.events.close()
            self._stay.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end(kind, error, trace)
        finally:
            self._instruments.kept()

    def _end(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lift()
        around, watch = self._instruments, self._lines
        if watch is not None:
            watch.end()
        around.stop(kind, error, trace)
        if watch is not None:
            watch.stop()
        self._stay.end()
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
        if watch is not None and watch.missing is not None:
            missing["lines"] = watch.missing
        wall_ns = int(float(readings.get("wall_time_s", 0.0)) * 1e9)
        evidence = self._evidence.kept(wall_ns / 1e9, around.samples.evidence, self.events.loop())
        if evidence:
            reported.values[EVIDENCE] = evidence
        readings = self.loop.per_execution(readings, self._instruments.metrics)
        readings["number"] = self.loop.executions
        if self.plan.number != 1:  # of a loop over short code it is a part of the time, or left out
            readings["gc"] = "on" if gc.isenabled() else "off"
        waited_from = self._began if self._began_ns is None else self._began_ns
        readings["overhead_s"] = max(self._clock() - waited_from - wall_ns, 0) * 1e-9
        state = _state(ended)
        self.record = Record(
            run=self.identity.run,
            stage=self.plan.stage,
            trial=self.identity.trial,
            repeat=self.step.repeat,
            state=state,
            started_at=self.started_at,
            error=None if ended is None or state == "complete" else self._error_text(ended),
            sweep=self.identity.sweep,
            params=self.identity.params,
            readings=readings,
            series=around.samples.series,
            events=events,
            reported=reported.values,
            missing={name: reason for name, reason in missing.items() if name not in readings},
            source=self.identity.source,
            host=platform.node(),
            concurrent=self._is_concurrent(),
            lines=None if watch is None else watch.lines(),
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
        """Return the readings of the collectors and those of the sampling."""
        readings, samples = self._instruments.read(), self._instruments.samples
        if self.plan.estimate_power is not None and {"cpu_time_s", "wall_time_s"} <= readings.keys():
            measured = readings.get("energy_source")
            readings["energy_source"] = f"{measured}+estimate" if measured else "estimate"
        if samples.samples:
            readings["samples"] = samples.samples
            readings["missed_samples"] = samples.missed
        return readings

    def _reported(self, *, failed: bool, ended_early: bool) -> Reported:
        """Evaluate the line's options on the code's value and check all reported values."""
        given: dict[str, object] = dict(self._handed_over)
        if self.plan.target_accuracy is not None:
            given["target_accuracy"] = self.plan.target_accuracy
        counted = self.events.entries and "entries" not in given
        if counted and not (isinstance(self.value, Mapping) and "num_entries" in self.value):
            given["entries"] = self.events.entries / self.loop.executions
        # After a failure the line's expressions would describe an earlier execution: the model before it.
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
            alone = not self._is_concurrent()
            add_latency(reported, call, self.value, self.plan, last=last, energy=alone)
        if self.plan.estimate_power is not None:
            asked = dict(zip(("idle_w", "full_w", "source"), self.plan.estimate_power, strict=False))
            reported.values["estimate_power"] = {**asked, "cores": os.cpu_count()}
        reported.values.update(self.identity.settings)
        return reported

    def _lift(self) -> None:
        if self._memory is not None:
            self._memory.lift()

    def _error_text(self, error: BaseException) -> str:
        return error_text(error) + ("" if self._memory is None else self._memory.about(error))

    def _is_concurrent(self) -> bool:
        """Return whether other trials ran at the same time, in this process or in another one."""
        return self.identity.concurrent or self._stay.concurrent

    def _say(self, text: str) -> None:
        self._warn(f"{self.plan.stage}: {text}")


def warn_user(text: str) -> None:
    """Issue the warning at the user's line that led here, not at one of the package."""
    level, frame = 1, sys._getframe()
    while (above := frame.f_back) is not None and frame.f_globals.get("__name__", "").startswith("e2e_magic"):
        level, frame = level + 1, above
    warnings.warn(text, MeasurementWarning, stacklevel=level)


def _state(error: BaseException | None) -> State:
    if error is None or isinstance(error, GeneratorExit):  # a consumer that has had enough
        return "complete"
    if isinstance(error, TrialEnd):
        return error.state
    # A cancelled task needs asyncio to exist; it is not imported for the question.
    cancelled = getattr(sys.modules.get("asyncio"), "CancelledError", KeyboardInterrupt)
    return "interrupted" if isinstance(error, (KeyboardInterrupt, cancelled)) else "failed"
