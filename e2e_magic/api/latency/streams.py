"""Calls that yield tokens: when the first one came, how fast the others followed."""

from __future__ import annotations

import asyncio
import inspect
from array import array
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from itertools import pairwise
from threading import Thread
from types import TracebackType
from typing import Any, Self

from e2e_magic.derived.latency import PERCENTILES, calls_percentiles
from e2e_magic.measuring.checks import PlanError
from e2e_magic.measuring.collectors import cuda_work
from e2e_magic.measuring.latency import Call, Clock, Timings, hands_work_on
from e2e_magic.measuring.reported.arrays import describe

# Of the time from the arrival to the first token, of the mean time between the tokens of a call, of the time
# between any two.
KINDS = ("first_token", "per_token", "inter_token")
UNITS = {f"{kind}_p{q}_s": "s" for kind in KINDS for q in PERCENTILES} | {
    "tokens_per_s": "tokens/s",
    "energy_per_token_j": "J",
}


class Streams:
    """A call whose result is consumed to its end, and when its tokens came.

    Parameters
    ----------
    call : callable
        Returns an iterator, an async iterator, or something to await that gives one of them.
    count : callable or None
        How many tokens a chunk holds; one, where it is None.
    clock : Clock

    Notes
    -----
    Async streams run on an event loop of their own, in a thread of its own where one runs here already, as in
    a notebook.
    """

    def __init__(self, call: Call, count: Callable[[Any], int] | None, clock: Clock) -> None:
        self._call, self._count, self._clock = call, count, clock
        self._loop: _Loop | None = None
        self.clear()

    def clear(self) -> None:
        """Forget all streams so far."""
        self._waits = hands_work_on()
        self._tails_ns, self._tokens, self._ends = array("q"), array("q"), array("q")
        self._per_token_ns, self._gaps_ns = array("d"), array("d")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None:
            self._loop.close()

    @property
    def is_async(self) -> bool:
        """Whether the streams are async, as far as the function or a first call has shown."""
        call = self._call
        return self._loop is not None or inspect.isasyncgenfunction(call) or inspect.iscoroutinefunction(call)

    def __call__(self, batch: Any) -> None:
        """Consume one stream."""
        __tracebackhide__ = True
        chunks = self._call(batch)
        came = Came(self._count, self._clock, waits=self._waits)
        if isinstance(chunks, Iterable) and not isinstance(chunks, str | bytes):
            for chunk in chunks:
                came.add(chunk)
        elif isinstance(chunks, AsyncIterable) or inspect.isawaitable(chunks):
            self.run(_consume(chunks, came))
        else:
            raise PlanError(
                "call: expected a function that yields tokens, a generator or an async one, got one that "
                f"returns {describe(chunks)}"
            )
        self.keep(came, self._clock.now())

    async def consume(self, batch: Any) -> Came:
        """Consume one async stream beside others."""
        __tracebackhide__ = True
        came = Came(self._count, self._clock, waits=self._waits)
        await _consume(self._call(batch), came)
        return came

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine of streams to its end."""
        __tracebackhide__ = True
        if self._loop is None:
            self._loop = _Loop()
        self._loop.run(work)

    def keep(self, came: Came, ended_ns: int) -> None:
        """Take a stream that came to its end."""
        stamps, counts = came.stamps_ns, came.counts
        total = sum(counts)
        self._tokens.append(total)
        self._tails_ns.append(ended_ns - stamps[0] if stamps else -1)
        rest = total - counts[0] if counts else 0
        self._per_token_ns.append((stamps[-1] - stamps[0]) / rest if rest else -1.0)
        self._gaps_ns.extend(
            (after - before) / number
            for (before, after), number in zip(pairwise(stamps), counts[1:], strict=True)
            if number
        )
        self._ends.append(len(self._gaps_ns))

    def summary(self, timings: Timings, joules: float | None) -> tuple[dict[str, float], dict[str, str]]:
        """Return the numbers of the calls that were timed, by column, and the reasons for those missing.

        Parameters
        ----------
        timings : Timings
            Of the same calls.
        joules : float or None
            What all of them took, those that only filled the queue too.
        """
        calls, elapsed_s = timings.calls, timings.elapsed_ns * 1e-9
        skipped = min(timings.filling, len(self._tokens))
        tokens = sum(self._tokens[skipped : skipped + calls])
        values: dict[str, float] = {"tokens": float(tokens)}
        missing: dict[str, str] = {}
        if not calls or not elapsed_s:
            return values, missing
        values["tokens_per_s"] = tokens / elapsed_s
        if joules is not None and (of_all := sum(self._tokens)):
            values["energy_per_token_j"] = joules / of_all
        gaps_ns = self._gaps_ns[self._ends[skipped - 1] if skipped else 0 :]
        per_token_ns = [each for each in self._per_token_ns[skipped : skipped + calls] if each >= 0]
        several: dict[str, list[float]] = {"per_token": per_token_ns, "inter_token": list(gaps_ns)}
        if timings.single and not timings.unserved:
            tails_ns = self._tails_ns[skipped : skipped + calls]
            several["first_token"] = [
                lap - tail for lap, tail in zip(timings.laps_ns[:calls], tails_ns, strict=True) if tail >= 0
            ]
        for kind in KINDS:
            of_kind = several.get(kind)
            if of_kind:
                seconds = sorted(each * 1e-9 for each in of_kind)
                percentiles, absent = calls_percentiles(seconds, len(seconds), elapsed_s, "duration")
                if kind == "inter_token":
                    absent = {name: why.replace(" calls", " gaps", 1) for name, why in absent.items()}
            else:
                why = "offline counts what goes through; first tokens are timed by single_stream and server"
                if of_kind is not None:
                    why = "no call yielded several tokens" if tokens else "no call yielded a token"
                elif timings.unserved:
                    why = "not all calls were served"
                percentiles, absent = {}, {f"p{q}_s": why for q in PERCENTILES}
            values |= {f"{kind}_{name}": value for name, value in percentiles.items()}
            missing |= {f"{kind}_{name}": why for name, why in absent.items()}
        return values, missing


class Came:
    """When the chunks of one stream came, and how many tokens each held."""

    def __init__(self, count: Callable[[Any], int] | None, clock: Clock, *, waits: bool) -> None:
        self.stamps_ns: list[int] = []
        self.counts: list[int] = []
        self._count, self._now, self._waits = count, clock.now, waits

    def add(self, chunk: Any) -> None:
        """Take a chunk that has come; work that a GPU still has with it is waited for."""
        if self._waits:
            cuda_work.synchronise()
        self.stamps_ns.append(self._now())
        self.counts.append(1 if self._count is None else int(self._count(chunk)))


async def _consume(chunks: Any, came: Came) -> None:
    __tracebackhide__ = True
    if inspect.isawaitable(chunks):
        chunks = await chunks
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            came.add(chunk)
    else:
        for chunk in chunks:
            came.add(chunk)


class _Loop:
    """An event loop for coroutines that this thread waits for."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread: Thread | None = None
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self._thread = Thread(target=self._loop.run_forever, name="e2e_magic streams", daemon=True)
        self._thread.start()

    def run(self, work: Any) -> None:
        """Run a coroutine to its end."""
        __tracebackhide__ = True
        if self._thread is None:
            self._loop.run_until_complete(work)
            return
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop and its thread."""
        if self._thread is None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        else:
            asyncio.run_coroutine_threadsafe(self._loop.shutdown_asyncgens(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()
