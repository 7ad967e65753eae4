"""The measurement of single calls over all batch sizes, under one scenario."""

from __future__ import annotations

import itertools
import math
import random
import secrets
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from e2e_magic.api.latency import overlapping
from e2e_magic.api.latency.latencies import Latencies, summary
from e2e_magic.api.latency.scenarios import PRECISION, arrivals, highest, offline, server
from e2e_magic.api.latency.streams import Streams
from e2e_magic.derived.percentiles import needed, stays_below
from e2e_magic.measuring.energy_span import EnergySpan
from e2e_magic.measuring.latency import Call, Clock, Timings, single_stream, warm_up
from e2e_magic.text import digits, quantity

MOST_ARRIVALS = 5_000_000
# The highest rate has to hold with this many other arrivals. With one, a true p99 over the bound passed
# in up to 13 of 100 simulated searches, with two in up to 2.
_CONFIRMATIONS = 2


class Bench:
    """One measurement over all batch sizes."""

    def __init__(
        self, call: Call, scenario: str, duration_s: float, warmup: int,
        rate: float | None, bound_s: float | None, seed: int | None, clock: Clock,
    ) -> None:  # fmt: skip
        self._streams = call if isinstance(call, Streams) else None
        self.latencies = Latencies(scenario, tokens=self._streams is not None)
        self._call, self._scenario, self._duration_s, self._warmup = call, scenario, duration_s, warmup
        self._rate, self._bound_s, self._given_seed, self._clock = rate, bound_s, seed, clock
        self._duration_ns = round(duration_s * 1e9)

    def measure(self, size: int, batches: list[Any]) -> None:
        """Measure one batch size and keep its row; the user's exception carries the rows so far."""
        __tracebackhide__ = True
        self._size = size
        self._batches = itertools.cycle(batches)
        self._timings = Timings()
        self._synchronous = self._call
        self._seed = secrets.randbits(32) if self._given_seed is None else self._given_seed
        try:
            self._warm_up()
            if self._bound_s is not None:
                values, missing = self._search(self._bound_s)
            elif self._scenario == "server":
                values, missing = self._serve(self._rate or math.nan, self._seed)
            else:
                flow = overlapping.offline if self._overlaps else offline
                run = flow if self._scenario == "offline" else single_stream
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
        if self._streams is not None:
            self._streams.clear()
        span = EnergySpan()
        with span:
            call = self._streams if self._overlaps and run is not single_stream else self._synchronous
            run(call, self._batches, self._duration_ns, self._clock, self._timings, **how)
        total_j = span.total_j
        values, missing = self._summary(total_j)
        if total_j is None:
            missing["energy_per_entry_j"] = span.why
            if self._streams is not None:
                missing["energy_per_token_j"] = span.why
        elif self._timings.calls:
            served = self._timings.calls + self._timings.filling
            values["energy_per_entry_j"] = total_j / (served * self._size)
            counted = " + ".join(part.removesuffix("_energy_j") for part in span.parts)
            self._add_note(f"energy counts {counted} of the whole machine, other programs included")
        return values, missing

    @property
    def _overlaps(self) -> bool:
        return self._streams is not None and self._streams.is_async

    def _summary(self, joules: float | None = None) -> tuple[dict[str, float], dict[str, str]]:
        values, missing = summary(self._timings, self._size)
        if self._streams is not None:
            of_tokens, absent = self._streams.summary(self._timings, joules)
            values, missing = values | of_tokens, missing | absent
        return values, missing

    def _serve(self, rate: float, seed: int) -> tuple[dict[str, float], dict[str, str]]:
        __tracebackhide__ = True
        due_ns = arrivals(rate, self._duration_s, seed)
        values, missing = self._time(overlapping.server if self._overlaps else server, due_ns=due_ns)
        arrived = len(due_ns) - bisect_left(due_ns, 0)
        return {**values, "rate_per_s": arrived / self._duration_s, "seed": self._seed}, missing

    def _search(self, bound_s: float) -> tuple[dict[str, float], dict[str, str]]:
        """Find the highest rate of which 99 % of the calls keep the bound.

        A rate holds if so few calls are over the bound that fewer than 1 % are, with a confidence of 99 %
        (MLPerf's early stopping). Each is tried with arrivals of its own, and the highest has to hold again:
        the luckiest of many would win otherwise.
        """
        __tracebackhide__ = True
        alone, _ = self._time(overlapping.offline if self._overlaps else single_stream)
        capacity = alone["throughput_per_s"] / self._size
        low = needed(99) / self._duration_s
        top = min(capacity, self._rate or math.inf, MOST_ARRIVALS / self._duration_s)
        if top < low:
            why = (
                f"a p99 needs {needed(99)} calls, and up to {digits(top)} calls/s bring too few of them in "
                f"{quantity(self._duration_s, 's')}: raise duration to about {digits(2 * needed(99) / top)} s"
            )
            return {}, dict.fromkeys(("rate_per_s", "p99_s"), why)
        seeds = random.Random(self._seed)  # noqa: S311 - of arrivals
        tried: set[float] = set()
        values: dict[str, float] = {}
        missing: dict[str, str] = {}

        def holds(rate: float) -> bool:
            nonlocal values, missing
            __tracebackhide__ = True
            tried.add(rate)
            values, missing = self._serve(rate, seeds.getrandbits(32))
            laps = self._timings.laps_ns[: self._timings.calls]
            over = self._timings.unserved + sum(lap > bound_s * 1e9 for lap in laps)
            return stays_below(over, len(laps) + self._timings.unserved, 0.01)

        best = highest(holds, low, top)
        while best is not None and not all(holds(best) for _ in range(_CONFIRMATIONS)):
            best = best / PRECISION if best / PRECISION >= low else None
        if best is None:
            p99 = values.get("p99_s")
            saw = "not all calls are served" if p99 is None else f"it is {quantity(p99, 's')}"
            why = (
                f"already at {digits(low)} calls/s, the lowest rate tried, it can't be told with a "
                f"confidence of 99 % that p99 keeps the bound: {saw}; raise p99_bound, or duration for more "
                "calls"
            )
            return {}, dict.fromkeys(("rate_per_s", "p99_s"), why)
        note = (
            f"batch {self._size}: {digits(best)} calls/s is the highest of {len(tried)} rates tried that "
            f"keep p99 within {quantity(bound_s, 's')}, with a confidence of 99 % and again with "
            f"{_CONFIRMATIONS} other arrivals"
        )
        if best == top:
            what = (
                "the given rate"
                if top == self._rate
                else f"all that this call serves {'at once' if self._overlaps else 'one after another'}"
            )
            note += f"; it is {what}, higher ones were not tried"
        self._add_note(note)
        return values, missing

    def _add_note(self, text: str) -> None:
        if text not in self.latencies.notes:
            self.latencies.notes.append(text)

    def _attach(self, error: BaseException) -> None:
        """Attach the numbers so far to the user's exception."""
        values, missing = self._summary()
        if self._timings.calls and self._bound_s is None:  # a search's load is one of many tried
            if self._rate is not None:
                values |= {"rate_per_s": self._rate, "seed": self._seed}
            missing["energy_per_entry_j"] = "the calls were cut short"
            self.latencies.keep(self._size, values, missing)
        with suppress(Exception):  # a class of the user's may refuse; its own words come through all the same
            error.add_note(
                f"e2e.latency: {self._timings.calls:,} calls of batch size {self._size} had been timed "
                f"when {type(error).__name__} came up. What was measured until then:\n{self.latencies!r}"
            )
            error.e2e_latency = self.latencies  # type: ignore[attr-defined]
