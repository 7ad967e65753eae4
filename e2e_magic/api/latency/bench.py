"""The measurement of single calls over all batch sizes, under one scenario."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from e2e_magic.api.latency.latencies import Latencies, summary
from e2e_magic.api.latency.scenarios import arrivals, highest, offline, server
from e2e_magic.derived.statistics import needed
from e2e_magic.measuring.energy_span import EnergySpan
from e2e_magic.measuring.latency import Call, Clock, Timings, single_stream, warm_up
from e2e_magic.text import digits, quantity

MOST_ARRIVALS = 5_000_000
# So many calls are expected at the lowest rate that is tried for a p99 bound: Poisson arrivals then come
# to the 100 that a p99 needs, but for one time in thousands.
_ENOUGH = needed(99) + 40


class Bench:
    """One measurement over all batch sizes."""

    def __init__(
        self, call: Call, scenario: str, duration_s: float, warmup: int,
        rate: float | None, bound_s: float | None, seed: int, clock: Clock,
    ) -> None:  # fmt: skip
        self.latencies = Latencies(scenario)
        self._call, self._scenario, self._duration_s, self._warmup = call, scenario, duration_s, warmup
        self._rate, self._bound_s, self._seed, self._clock = rate, bound_s, seed, clock
        self._duration_ns = round(duration_s * 1e9)

    def measure(self, size: int, batches: list[Any]) -> None:
        """Measure one batch size and keep its row; the user's exception takes what there is with it."""
        __tracebackhide__ = True
        self._size = size
        self._batches = itertools.cycle(batches)
        self._timings = Timings()
        self._synchronous = self._call
        try:
            self._warm_up()
            if self._bound_s is not None:
                values, missing = self._search(self._bound_s)
            elif self._scenario == "server":
                values, missing = self._serve(self._rate or math.nan)
            else:
                run = offline if self._scenario == "offline" else single_stream
                values, missing = self._time(run)
        except BaseException as error:
            self._attach(error)
            raise
        self.latencies.keep(size, values, missing)

    def _warm_up(self) -> None:
        __tracebackhide__ = True
        self._synchronous = warm_up(self._call, self._batches, self._warmup, self._duration_ns, self._clock)

    def _time(self, run: Callable[..., None], **how: Any) -> tuple[dict[str, float], dict[str, str]]:
        __tracebackhide__ = True
        self._timings = Timings()
        span = EnergySpan()
        with span:
            run(self._synchronous, self._batches, self._duration_ns, self._clock, self._timings, **how)
        values, missing = summary(self._timings, self._size)
        total_j = span.total_j
        if total_j is None:
            missing["energy_per_entry_j"] = span.why
        elif self._timings.calls:
            values["energy_per_entry_j"] = total_j / (self._timings.calls * self._size)
            counted = " + ".join(part.removesuffix("_energy_j") for part in span.parts)
            self._add_note(f"energy counts {counted} of the whole machine, other programs included")
        return values, missing

    def _serve(self, rate: float) -> tuple[dict[str, float], dict[str, str]]:
        __tracebackhide__ = True
        due_ns = arrivals(rate, self._duration_s, self._seed)
        values, missing = self._time(server, due_ns=due_ns)
        return {**values, "rate_per_s": rate}, missing

    def _search(self, bound_s: float) -> tuple[dict[str, float], dict[str, str]]:
        __tracebackhide__ = True
        alone, _ = self._time(single_stream)
        capacity = alone["throughput_per_s"] / self._size
        low = _ENOUGH / self._duration_s
        top = min(capacity, self._rate or math.inf, MOST_ARRIVALS / self._duration_s)
        if top < low:
            why = (
                f"a p99 needs {needed(99)} calls, and up to {digits(top)} calls/s bring too few of them in "
                f"{quantity(self._duration_s, 's')}: raise duration to about {digits(2 * _ENOUGH / top)} s"
            )
            return {}, dict.fromkeys(("rate_per_s", "p99_s"), why)
        tried: dict[float, tuple[dict[str, float], dict[str, str]]] = {}

        def holds(rate: float) -> bool:
            __tracebackhide__ = True
            tried[rate] = self._serve(rate)
            return tried[rate][0].get("p99_s", math.inf) <= bound_s  # too many to serve: no p99

        best = highest(holds, low, top)
        if best is None:
            p99 = tried[low][0].get("p99_s")
            saw = "not all calls are served" if p99 is None else f"it is {quantity(p99, 's')}"
            why = f"already at {digits(low)} calls/s, the lowest rate tried, p99 is over the bound: {saw}"
            why += "; raise p99_bound, or duration to try lower rates"
            return {}, dict.fromkeys(("rate_per_s", "p99_s"), why)
        note = (
            f"batch {self._size}: {digits(best)} calls/s is the highest of {len(tried)} rates tried that "
            f"keep p99 within {quantity(bound_s, 's')}"
        )
        if best == top:
            what = "the given rate" if top == self._rate else "all that this call serves one after another"
            note += f"; it is {what}, higher ones were not tried"
        self._add_note(note)
        return tried[best]

    def _add_note(self, text: str) -> None:
        if text not in self.latencies.notes:
            self.latencies.notes.append(text)

    def _attach(self, error: BaseException) -> None:
        """Hang what was measured on the user's exception."""
        values, missing = summary(self._timings, self._size)
        if self._timings.calls and self._bound_s is None:  # a search's load is one of many tried
            values["rate_per_s"] = math.nan if self._rate is None else self._rate
            missing["energy_per_entry_j"] = "the calls were cut short"
            self.latencies.keep(self._size, values, missing)
        with suppress(Exception):  # a class of the user's may refuse; its own words come through all the same
            error.add_note(
                f"e2e.latency: {self._timings.calls:,} calls of batch size {self._size} had been timed "
                f"when {type(error).__name__} came up. What was measured until then:\n{self.latencies!r}"
            )
            error.e2e_latency = self.latencies  # type: ignore[attr-defined]
