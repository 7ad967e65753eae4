"""The inner loop for short code: many executions between one pair of edges, and its own cost."""

from __future__ import annotations

import ast
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from itertools import repeat
from operator import length_hint
from types import CodeType
from typing import Any, Literal

from e2e_magic.measuring import clocks
from e2e_magic.measuring.cell import Cell
from e2e_magic.record import Metric, Value

Spaces = tuple[dict[str, Any], dict[str, Any] | None]
Number = int | Literal["auto"]
# With "auto" code is executed until it has taken this long, s; `timeit` takes the same.
ENOUGH_S = 0.2
# Below this time a trial's edges are a good part of what it measures, s.
SHORT_S = 0.001
_CALIBRATE = 1000


class InnerLoop:
    """The executions of one trial.

    Parameters
    ----------
    number : int or "auto"
        The number of executions; with ``"auto"`` 1, 2, 4 .. more, until all of them took `ENOUGH_S`.
    clock : callable
        Nanoseconds.

    Attributes
    ----------
    code : callable or None
        Takes code of a cell and returns what is run for it, where its lines are counted.
    """

    def __init__(self, number: Number, clock: Callable[[], int] = clocks.perf_counter_ns) -> None:
        self._number = number
        self._clock = clock
        self.code: Callable[[CodeType], CodeType] | None = None
        self._done = 0
        self._turns: Iterator[None] = iter(())
        self._length = 0
        self._cell: Cell | None = None
        self._spaces: Spaces = ({}, None)

    @property
    def executions(self) -> int:
        """The number of executions begun, an interrupted one included; 1 if the loop was not used."""
        return max(1, self._done + self._length - length_hint(self._turns))

    def run_cell(self, cell: Cell, spaces: Spaces) -> Any:
        """Execute a cell and return its last value."""
        __tracebackhide__ = True
        if self._number == 1:
            return (cell if self.code is None else cell.replaced(self.code)).run(*spaces)
        self._cell, self._spaces = cell, spaces
        value = None
        for turns in self._rounds():
            value = cell.run(*spaces, turns=turns)
        return value

    async def await_cell(
        self,
        cell: Cell,
        spaces: Spaces,
        awaited: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]] | None = None,
    ) -> Any:
        """Execute a cell that awaits; `awaited` wraps each awaitable."""
        __tracebackhide__ = True
        self._cell, self._spaces = cell, spaces
        value = None
        for turns in self._rounds():
            work = cell.run_async(*spaces, turns=turns)
            value = await (work if awaited is None else awaited(work))
        return value

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function in the loop and return its last value."""
        __tracebackhide__ = True
        if self._number == 1:
            return function(*args, **kwargs)
        value = None
        for turns in self._rounds():
            for _ in turns:
                value = function(*args, **kwargs)
        return value

    async def await_call(self, function: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
        """Await a coroutine function's calls."""
        __tracebackhide__ = True
        value = None
        for turns in self._rounds():
            for _ in turns:
                value = await function(*args, **kwargs)
        return value

    def per_execution(self, readings: Mapping[str, Value], metrics: Mapping[str, Metric]) -> dict[str, Value]:
        """Return the readings of all executions as those of one, the empty loop's time taken off.

        Times, energy and bytes are divided; memory and non-numbers are those of the whole trial.
        """
        executions = self.executions
        shared = dict(readings)
        if executions == 1:
            return shared
        empty_s = executions * _empty_ns(self._cell, self._spaces) / 1e9
        for name, value in readings.items():
            metric = metrics.get(name)
            if metric is None or isinstance(value, str):
                continue
            if metric.unit in ("s", "J") or metric.group == "io":
                loop_s = empty_s if name in ("wall_time_s", "cpu_time_s", "cpu_user_s") else 0.0
                shared[name] = max(float(value) - loop_s, 0.0) / executions
        return shared

    def _rounds(self) -> Iterator[Iterator[None]]:
        """Yield the executions in rounds, each an iterator to exhaust."""
        if self._number != "auto":
            yield self._round(self._number)
            return
        end_ns = self._clock() + int(ENOUGH_S * 1e9)
        length = 1
        while True:
            yield self._round(length)
            if self._clock() >= end_ns:
                return
            length = max(1, self._done + self._length)  # as many again

    def _round(self, length: int) -> Iterator[None]:
        self._done += self._length
        self._length = length
        self._turns = repeat(None, length)
        return self._turns


def _empty_ns(cell: Cell | None, spaces: Spaces) -> float:
    """Return the time of one turn of the loop for code that does nothing, ns: the quickest of five rounds.

    Parameters
    ----------
    cell : Cell or None
        The code, of which an empty one has as many parts; None for a function, whose call is its own.
    spaces : globals and locals
        Where it runs: how fast an empty piece of code is depends on them.
    """
    empty = None
    if cell is not None:
        empty = Cell(ast.parse("pass" if cell.parts < 2 else "pass\nNone"), "<empty>")
    quickest = math.inf
    for _ in range(5):
        turns = repeat(None, _CALIBRATE)
        began = clocks.perf_counter_ns()
        if empty is not None:
            empty.run(*spaces, turns=turns)
        else:
            for _ in turns:
                pass
        quickest = min(quickest, (clocks.perf_counter_ns() - began) / _CALIBRATE)
    return quickest
