"""``latency``: single calls of a model, timed as a server's clients would feel them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from operator import index
from typing import Any

from e2e_magic.api.serving import loads
from e2e_magic.api.serving.outcome import Latencies, summary
from e2e_magic.api.serving.slices import batches_of, entries_of
from e2e_magic.derived.statistics import needed
from e2e_magic.measuring import calls
from e2e_magic.measuring.arraylikes import describe
from e2e_magic.measuring.calls import Call, Clock, Load
from e2e_magic.measuring.joules import Joules
from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.text import digits, quantity

BATCH_SIZES = (1, 8, 32)
SCENARIOS = ("single_stream", "offline", "server")
MOST_ARRIVALS = 5_000_000
# So many calls are expected at the lowest rate that is tried for a p99 bound: Poisson arrivals then come
# to the 100 that a p99 needs, but for one time in thousands.
_ENOUGH = needed(99) + 40

__all__ = ["Latencies", "latency"]


def latency(
    call: Call,
    inputs: Any,
    *,
    batch_size: int | Iterable[int] | None = None,
    duration: float = 2.0,
    warmup: int = 10,
    scenario: str = "single_stream",
    rate: float | None = None,
    p99_bound: float | None = None,
    seed: int = 0,
    clock: Clock | None = None,
) -> Latencies:
    """Time single calls: p50, p90, p95, p99, mean, throughput and energy per entry, per batch size.

    Parameters
    ----------
    call : callable
        Takes one batch: ``model.predict``. What it returns is thrown away. Work that it leaves to a GPU
        by torch, jax or cupy is waited for and counted.
    inputs : array, tensor, frame or list; or a dict or tuple of arrays
        Entries along the first axis. Batches are slices of them, cut beforehand, at most 1,024, handed
        over again and again in order; a batch of one entry is a slice of length 1.
    batch_size : int or sequence of int, optional
        Entries per call; when left out 1, 8 and 32, as far as the inputs have as many.
    duration : float
        Seconds of calls per batch size; a call that has begun is let finish.
    warmup : int
        Calls thrown away first, per batch size; no more once they took as long as `duration`.
    scenario : {"single_stream", "offline", "server"}
        ``single_stream``: one call after another, each timed. ``offline``: as fast as it goes, only the
        throughput is measured. ``server``: calls arrive at random times (a Poisson process), wait for
        those before them, and their latency counts from their arrival.
    rate : float, optional
        For ``server``: calls per second that arrive on average. With `p99_bound`: the highest rate tried.
    p99_bound : float, optional
        For ``server``: seconds. Finds the highest rate that keeps p99 under it, to within 5 %, by
        bisection from what fits into `duration` up to what the call serves one after another; it takes
        up to some ten times `duration` per batch size.
    seed : int
        Of the arrivals.
    clock : Clock, optional
        For tests: ``now()`` in nanoseconds and ``wait(until_ns)``.

    Returns
    -------
    Latencies
        With ``.frame``, ``.plot()``, ``.missing``, ``.notes``; a table in a notebook and in a terminal.

    Raises
    ------
    PlanError
        A `ValueError`: names the parameter, what came and what is allowed.

    Notes
    -----
    The scenarios follow MLPerf Inference (Reddi et al., ISCA 2020, https://arxiv.org/abs/1911.02549),
    in one process and one thread, without its rules on accuracy and on how many calls are enough
    (24,576 for a p90 and 270,336 for a p99; here a percentile needs one call beyond it: p99 needs 100).
    Each latency includes one reading of the clock: an empty function shows 0.1 to 0.2 µs. Energy is the
    machine's, between the first call and the last, waiting included. An exception of `call` comes
    through with what was measured as its note and, as a `Latencies`, in its attribute ``e2e_latency``.

    Examples
    --------
    >>> import e2e_magic as e2e
    >>> found = e2e.latency(sum, [1, 2, 3, 4], batch_size=[1, 2], duration=0.01)
    >>> found.frame["batch_size"].tolist()
    [1, 2]
    """
    __tracebackhide__ = True
    calls.check("call", call, "a function of one batch", "batch")
    entries = entries_of(inputs)
    usual = [size for size in BATCH_SIZES if size <= entries]
    sizes = _sizes(usual if batch_size is None else batch_size, entries)
    seconds = _positive("duration", duration, "seconds")
    warm = _whole("warmup", warmup)
    if scenario not in SCENARIOS:
        near = nearest(scenario, SCENARIOS) if isinstance(scenario, str) else ""
        raise PlanError(f"scenario: expected one of {', '.join(SCENARIOS)}, got {scenario!r}{near}")
    per_s = None if rate is None else _positive("rate", rate, "calls per second")
    bound = None if p99_bound is None else _positive("p99_bound", p99_bound, "seconds")
    _check_server(scenario, per_s, bound, seconds)
    bench = _Bench(call, scenario, seconds, warm, per_s, bound, _whole("seed", seed), clock or Clock())
    cut = {size: batches_of(inputs, size) for size in sizes}  # before anything runs: the inputs may refuse
    for size, batches in cut.items():
        bench.measure(size, batches)
    return bench.found


class _Bench:
    """One measurement over all batch sizes."""

    def __init__(
        self, call: Call, scenario: str, duration_s: float, warmup: int,
        rate: float | None, bound_s: float | None, seed: int, clock: Clock,
    ) -> None:  # fmt: skip
        self.found = Latencies(scenario)
        self._call, self._scenario, self._duration_s, self._warmup = call, scenario, duration_s, warmup
        self._rate, self._bound_s, self._seed, self._clock = rate, bound_s, seed, clock
        self._duration_ns = round(duration_s * 1e9)

    def measure(self, size: int, batches: list[Any]) -> None:
        """Measure one batch size and keep its row; the user's exception takes what there is with it."""
        __tracebackhide__ = True
        self._size = size
        self._batches = itertools.cycle(batches)
        self._load = Load()
        self._timed = self._call
        try:
            self._warm_up()
            if self._bound_s is not None:
                values, missing = self._search(self._bound_s)
            elif self._scenario == "server":
                values, missing = self._serve(self._rate or math.nan)
            else:
                manner = loads.offline if self._scenario == "offline" else loads.single_stream
                values, missing = self._under_load(manner)
        except BaseException as error:
            self._leave(error)
            raise
        self.found.keep(size, values, missing)

    def _warm_up(self) -> None:
        __tracebackhide__ = True
        self._timed = calls.warm_up(self._call, self._batches, self._warmup, self._duration_ns, self._clock)

    def _under_load(self, manner: Callable[..., None], **how: Any) -> tuple[dict[str, float], dict[str, str]]:
        __tracebackhide__ = True
        self._load = Load()
        joules = Joules()
        with joules:
            manner(self._timed, self._batches, self._duration_ns, self._clock, self._load, **how)
        values, missing = summary(self._load, self._size)
        total_j = joules.total_j
        if total_j is None:
            missing["energy_per_entry_j"] = joules.why
        elif self._load.calls:
            values["energy_per_entry_j"] = total_j / (self._load.calls * self._size)
            counted = " + ".join(part.removesuffix("_energy_j") for part in joules.parts)
            self._note(f"energy counts {counted} of the whole machine, other programs included")
        return values, missing

    def _serve(self, rate: float) -> tuple[dict[str, float], dict[str, str]]:
        __tracebackhide__ = True
        due_ns = loads.arrivals(rate, self._duration_s, self._seed)
        values, missing = self._under_load(loads.server, due_ns=due_ns)
        return {**values, "rate_per_s": rate}, missing

    def _search(self, bound_s: float) -> tuple[dict[str, float], dict[str, str]]:
        __tracebackhide__ = True
        alone, _ = self._under_load(loads.single_stream)
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

        best = loads.highest(holds, low, top)
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
        self._note(note)
        return tried[best]

    def _note(self, text: str) -> None:
        if text not in self.found.notes:
            self.found.notes.append(text)

    def _leave(self, error: BaseException) -> None:
        """Hang what was measured on the user's exception."""
        values, missing = summary(self._load, self._size)
        if self._load.calls and self._bound_s is None:  # a search's load is one of many tried
            values["rate_per_s"] = math.nan if self._rate is None else self._rate
            missing["energy_per_entry_j"] = "the calls were cut short"
            self.found.keep(self._size, values, missing)
        with suppress(Exception):  # a class of the user's may refuse; its own words come through all the same
            error.add_note(
                f"e2e.latency: {self._load.calls:,} calls of batch size {self._size} had been timed "
                f"when {type(error).__name__} came up. What was measured until then:\n{self.found!r}"
            )
            error.e2e_latency = self.found  # type: ignore[attr-defined]


def _check_server(scenario: str, rate: float | None, bound_s: float | None, duration_s: float) -> None:
    if scenario != "server":
        for name, value in (("rate", rate), ("p99_bound", bound_s)):
            if value is not None:
                raise PlanError(
                    f"{name}: belongs to scenario 'server', got {value:g} with scenario {scenario!r}; "
                    "leave it out or say scenario='server'"
                )
    elif rate is None and bound_s is None:
        raise PlanError(
            "rate: scenario 'server' needs the calls per second that arrive, rate=100, or p99_bound=0.05 "
            "to find the highest rate that keeps p99 under so many seconds; got neither"
        )
    elif rate is not None and bound_s is None and rate * duration_s > MOST_ARRIVALS:
        raise PlanError(
            f"rate: expected up to {MOST_ARRIVALS:,} calls in all, got {rate:,g} calls per second for "
            f"{duration_s:g} s; lower rate or duration"
        )


def _sizes(value: object, entries: int) -> list[int]:
    wanted = "expected a whole number of entries per call or several, each at least 1"
    try:
        given = [index(value)] if hasattr(value, "__index__") else [index(size) for size in value]  # type: ignore[attr-defined]
    except TypeError:
        raise PlanError(f"batch_size: {wanted}, got {describe(value)}") from None
    if isinstance(value, bool) or not given or min(given) < 1:
        raise PlanError(f"batch_size: {wanted}, got {value!r}")
    if max(given) > entries:
        raise PlanError(
            f"batch_size: expected up to {entries}, the entries in inputs, got {max(given)}; "
            "hand over more inputs or smaller batches"
        )
    return list(dict.fromkeys(given))


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or index(value) < 0:
        raise PlanError(f"{name}: expected a whole number of at least 0, got {value!r}")
    return index(value)


def _positive(name: str, value: object, unit: str) -> float:
    number = math.nan if isinstance(value, bool | str) or not hasattr(value, "__float__") else float(value)
    if not 0 < number < math.inf:
        raise PlanError(f"{name}: expected {unit} above 0, got {value!r}")
    return number
