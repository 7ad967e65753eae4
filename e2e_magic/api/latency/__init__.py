"""``latency``: single calls of a model, timed as a server's clients would feel them.

Input: a function, its inputs and a scenario. Output: a `Latencies` with a row per batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any, cast

from e2e_magic.api.latency.batches import batches_of, entries_of
from e2e_magic.api.latency.bench import MOST_ARRIVALS, Bench
from e2e_magic.api.latency.latencies import Latencies
from e2e_magic.api.latency.streams import Streams
from e2e_magic.measuring.checks import PlanError
from e2e_magic.measuring.kinds import SECONDS, Flag, Whole, above_zero, choice, index_of
from e2e_magic.measuring.latency import Call, Clock, check_call
from e2e_magic.measuring.reported.arrays import describe

BATCH_SIZES = (1, 8, 32)
SCENARIOS = ("single_stream", "offline", "server")

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
    seed: int | None = None,
    tokens: bool | Callable[[Any], int] = False,
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
        For ``server``: calls per second that arrive. With `p99_bound`: the highest rate tried.
    p99_bound : float, optional
        For ``server``: seconds. Finds the highest rate that keeps p99 under it, to within 5 %, by
        bisection from what fits into `duration` up to what the call serves one after another. A rate holds
        if that is so with a confidence of 99 %; the one found has to hold again with other arrivals. It
        takes up to some fifteen times `duration` per batch size.
    seed : int, optional
        Of the arrivals; a fresh one for each batch size when left out. It is kept in the row.
    tokens : bool or callable
        Whether `call` yields tokens, as a generator, an async one or an iterator that it returns: then the
        time to the first token, the time per output token, the gaps and tokens per second are measured too.
        Each item that comes counts as a token, or as many as a function of it says (``len`` for chunks of
        them). Lists of prompts are handed over one at a time, where no `batch_size` is given. Async streams
        overlap in ``server`` and in ``offline`` (64 at a time).
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
    The scenarios follow MLPerf Inference (Reddi et al., ISCA 2020, https://arxiv.org/abs/1911.02549), in one
    process and one thread, without its rules on accuracy. A percentile needs the calls of its early
    stopping, 64 for a p90 and 662 for a p99; the result says whether its full counts, 24,576 and 270,336,
    were met too. For ``server``, arrivals of a tenth of `duration` fill the queue and are not counted.
    Each latency includes one reading of the clock: an empty function shows 0.1 to 0.2 µs. Energy is the
    machine's, between the first call and the last, waiting included. An exception of `call` comes
    through with what was measured as its note and, as a `Latencies`, in its attribute ``e2e_latency``.

    Examples
    --------
    >>> import e2e_magic as e2e
    >>> latencies = e2e.latency(sum, [1, 2, 3, 4], batch_size=[1, 2], duration=0.01)
    >>> latencies.frame["batch_size"].tolist()
    [1, 2]
    """
    __tracebackhide__ = True
    streaming = _streaming(call, tokens, clock or Clock())
    if streaming is None:
        check_call("call", call, "a function of one batch", "batch")
    entries = entries_of(inputs)
    default = [1] if streaming else [size for size in BATCH_SIZES if size <= entries]
    sizes = _sizes(default if batch_size is None else batch_size, entries)
    seconds = SECONDS.check("duration", duration)
    warmup_calls = Whole().check("warmup", warmup)
    choice(*SCENARIOS).check("scenario", scenario)
    calls_per_s = None if rate is None else above_zero("calls per second").check("rate", rate)
    bound_s = None if p99_bound is None else SECONDS.check("p99_bound", p99_bound)
    _check_server(scenario, calls_per_s, bound_s, seconds)
    bench = Bench(
        streaming or call,
        scenario,
        seconds,
        warmup_calls,
        calls_per_s,
        bound_s,
        None if seed is None else Whole().check("seed", seed),
        clock or Clock(),
    )
    # Cut before anything runs: the inputs may refuse.
    batches = {size: batches_of(inputs, size) for size in sizes}
    if streaming and batch_size is None and isinstance(inputs, list | tuple):
        batches = {1: [prompt for (prompt,) in batches[1]]}
    with streaming or nullcontext():
        for size, of_size in batches.items():
            bench.measure(size, of_size)
    return bench.latencies


def _streaming(call: object, tokens: object, clock: Clock) -> Streams | None:
    if not callable(tokens):
        if not Flag().check("tokens", tokens):
            return None
        tokens = None
    if not callable(call):
        raise PlanError(f"call: expected a function that yields tokens, got {describe(call)}")
    return Streams(call, cast("Callable[[Any], int] | None", tokens), clock)


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
    one = isinstance(value, str) or hasattr(value, "__index__") or not isinstance(value, Iterable)
    given = [index_of(size) for size in ([value] if one else cast("Iterable[Any]", value))]
    if None in given and not isinstance(value, bool):
        raise PlanError(f"batch_size: {wanted}, got {describe(value)}")
    sizes = [size for size in given if size is not None]
    if not sizes or min(sizes) < 1:
        raise PlanError(f"batch_size: {wanted}, got {value!r}")
    if max(sizes) > entries:
        raise PlanError(
            f"batch_size: expected up to {entries}, the entries in inputs, got {max(sizes)}; "
            "hand over more inputs or smaller batches"
        )
    return list(dict.fromkeys(sizes))
