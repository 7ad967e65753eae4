"""Code with calls put in where its lines begin, for Python 3.11, which has no other cheap way.

While ``sys.settrace`` is on, Python 3.11 looks up the line of each instruction of all code, a library's too:
that costs a training a sixth of its time. A call put in costs nothing anywhere else. It is done to
the code of a cell alone: that runs once, and nobody looks into it; a function's is read by compilers (numba,
torch) and sent to other processes.
"""

from __future__ import annotations

import dis
import inspect
import opcode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from types import CodeType
from typing import Any, NamedTuple

from e2e_magic.measuring.lines.counting import Reports
from e2e_magic.measuring.lines.sources import Table

# Instructions: two bytes each, then room for what the interpreter learns.
_ROOM: Sequence[int] = getattr(opcode, "_inline_cache_entries", ())
_WIDE = dis.opmap["EXTENDED_ARG"]
# Between these and the next instruction nothing may be called: the first hands over names to the call.
_BOUND = ("KW_NAMES", "PRECALL")
# The most that a call of ours has on the stack: its mark, the function and two arguments.
_STACK = 4
# Functions, and cells that await.
_OTHERWISE = inspect.CO_OPTIMIZED | inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
Position = tuple[int | None, int | None, int | None, int | None]


@dataclass(slots=True)
class _Instruction:
    name: str
    argument: int
    position: Position
    at: int
    target: int = -1


class Calls(NamedTuple):
    """What is called: before a line, with its number; when the code begins; before it returns."""

    line: Callable[[CodeType, int], object]
    enter: Callable[[CodeType], object]
    leave: Callable[[CodeType], object]


def rewritten(code: CodeType, calls: Calls, numbers: Sequence[int]) -> CodeType:
    """Return code that does the same, and calls where these lines begin.

    Parameters
    ----------
    code : CodeType
        Of a cell or module; Python 3.11's.
    calls : Calls
    numbers : sequence of int
    """
    instructions = list(_instructions(code))
    regions = list(_regions(code))
    constants = [*code.co_consts, *calls, code, *numbers]
    first = len(code.co_consts)
    place = {number: first + len(calls) + 1 + n for n, number in enumerate(numbers)}
    starts = _starts(instructions, regions)
    body: list[_Instruction] = []
    moved: dict[int, int] = {}
    for n, one in enumerate(instructions):
        moved[one.at] = len(body)
        line = one.position[0]
        if n and instructions[n - 1].name == "RESUME":
            body += _call(one, first + 1, first + len(calls))
        if one.at in starts and line in place:
            body += _call(one, first, first + len(calls), place[line])
        if one.name == "RETURN_VALUE":
            body += _call(one, first + 2, first + len(calls))
        body.append(one)
    moved[_end(code)] = len(body)
    for one in body:
        if one.target >= 0:
            one.target = moved[one.target]
    units, where = _assembled(body)
    return code.replace(
        co_code=units,
        co_consts=tuple(constants),
        co_stacksize=code.co_stacksize + _STACK,
        co_linetable=_positions_table(body, where, code.co_firstlineno),
        co_exceptiontable=_regions_table([region.moved(moved, where) for region in regions]),
    )


class _Region(NamedTuple):
    """Instructions whose errors go on elsewhere; by where they stand, from `start` to before `end`."""

    start: int
    end: int
    target: int
    depth: int
    keeps_place: bool

    def moved(self, moved: dict[int, int], where: Sequence[int]) -> _Region:
        start, end, target = (where[moved[at]] for at in (self.start, self.end, self.target))
        return self._replace(start=start, end=end, target=target)


def _end(code: CodeType) -> int:
    return len(code.co_code) // 2


def _instructions(code: CodeType) -> Iterator[_Instruction]:
    units, positions = code.co_code, list(code.co_positions())
    argument, at, began = 0, 0, 0
    while at < len(units) // 2:
        kind = units[2 * at]
        argument = argument << 8 | units[2 * at + 1]
        if kind == _WIDE:
            at += 1
            continue
        after = at + 1 + _ROOM[kind]
        one = _Instruction(dis.opname[kind], argument, positions[at], began)
        if kind in dis.hasjrel:
            one.target = after - argument if "BACKWARD" in one.name else after + argument
        yield one
        argument, at, began = 0, after, after


def _regions(code: CodeType) -> Iterator[_Region]:
    read: Any = dis
    for start, end, target, depth, keeps_place in read._parse_exception_table(code):
        yield _Region(start // 2, end // 2, target // 2, depth, keeps_place)


def _starts(instructions: Sequence[_Instruction], regions: Sequence[_Region]) -> set[int]:
    """Return where lines begin: after another one's instruction, by a jump from one, or for an error."""
    lines = {one.at: one.position[0] for one in instructions}
    found = {instructions[0].at, *(region.target for region in regions)}
    found |= {now.at for before, now in pairwise(instructions) if now.position[0] != before.position[0]}
    found |= {one.target for one in instructions if one.target >= 0 and lines[one.target] != one.position[0]}
    return found - {now.at for before, now in pairwise(instructions) if before.name in _BOUND}


def _call(before: _Instruction, function: int, *arguments: int) -> list[_Instruction]:
    """Return a call of constants, by their numbers, that stands where an instruction does."""
    steps = [
        ("PUSH_NULL", 0),
        *(("LOAD_CONST", constant) for constant in (function, *arguments)),
        ("PRECALL", len(arguments)),
        ("CALL", len(arguments)),
        ("POP_TOP", 0),
    ]
    return [_Instruction(name, argument, before.position, -1) for name, argument in steps]


def _assembled(body: Sequence[_Instruction]) -> tuple[bytes, list[int]]:
    """Return the bytes, and where each instruction stands in them; one more for the end."""
    widths = [0] * len(body)
    while True:  # a wider jump makes others longer, so they are only ever made wider
        where = [0]
        for one, width in zip(body, widths, strict=True):
            where.append(where[-1] + width + 1 + _ROOM[dis.opmap[one.name]])
        arguments = [
            one.argument if one.target < 0 else abs(where[one.target] - where[n + 1])
            for n, one in enumerate(body)
        ]
        wider = [max(pair) for pair in zip(widths, map(_width, arguments), strict=True)]
        if wider == widths:
            break
        widths = wider
    units = bytearray()
    for one, argument, width in zip(body, arguments, widths, strict=True):
        for n in range(width, 0, -1):
            units += bytes((_WIDE, argument >> 8 * n & 255))
        kind = dis.opmap[one.name]
        units += bytes((kind, argument & 255)) + bytes(2 * _ROOM[kind])
    return bytes(units), where


def _width(argument: int) -> int:
    """Return how many instructions an argument needs before its own."""
    return max(0, (argument.bit_length() - 1) // 8)


def _positions_table(body: Sequence[_Instruction], where: Sequence[int], first: int) -> bytes:
    """Return the places of instructions in the source, as CPython's ``Objects/locations.md`` has it."""
    table = bytearray()
    line = first
    spans = ((one.position, where[n + 1] - where[n]) for n, one in enumerate(body))
    for position, group in groupby(spans, key=lambda span: span[0]):
        left = sum(length for _, length in group)
        while left:
            units = min(left, 8)
            left -= units
            begins, ends, column, last = position
            if begins is None:
                table.append(0x80 | 15 << 3 | units - 1)
            elif ends is None or column is None or last is None:
                table.append(0x80 | 13 << 3 | units - 1)
                table += _signed(begins - line)
                line = begins
            else:
                table.append(0x80 | 14 << 3 | units - 1)
                table += _signed(begins - line) + _low_first(ends - begins)
                table += _low_first(column + 1) + _low_first(last + 1)
                line = begins
    return bytes(table)


def _signed(number: int) -> bytes:
    return _low_first(-number << 1 | 1 if number < 0 else number << 1)


def _low_first(number: int) -> bytes:
    digits = bytearray()
    while number >= 64:
        digits.append(64 | number & 63)
        number >>= 6
    digits.append(number)
    return bytes(digits)


def _regions_table(regions: Sequence[_Region]) -> bytes:
    """Return the regions, as CPython's ``Objects/exception_handling_notes.txt`` has it."""
    table = bytearray()
    for start, end, target, depth, keeps_place in regions:
        entry = bytearray()
        for number in (start, end - start, target, depth << 1 | keeps_place):
            entry += _high_first(number)
        entry[0] |= 128
        table += entry
    return bytes(table)


def _high_first(number: int) -> bytes:
    digits = [number & 63]
    while number := number >> 6:
        digits.insert(0, 64 | number & 63)
    return bytes(digits)


class Rewriting:
    """The reports of a cell's code: what is to be run `instead` of it, from `start` on.

    Parameters
    ----------
    table : Table
    reports : Reports
    frame : object
        That of a block, which is not needed here.

    Attributes
    ----------
    instead : dict of int to CodeType
        By the id of a code object of the cell.
    """

    def __init__(self, table: Table, reports: Reports, frame: object = None) -> None:  # noqa: ARG002 - see above
        self._table = table
        self._calls = Calls(reports.line, reports.enter, reports.leave)
        self.instead: dict[int, CodeType] = {}

    @staticmethod
    def suits(table: Table, frame: object) -> bool:
        """Return whether no code but a cell's own is to be watched, and that is yet to run."""
        return frame is None and all(
            id(code) in table.roots and not code.co_flags & _OTHERWISE for code in table.codes
        )

    def start(self) -> None:
        for code in self._table.codes:
            self.instead[id(code)] = rewritten(code, self._calls, sorted(self._table.slots[id(code)]))

    def stop(self) -> str:
        """Undo `start`; nothing can have gone wrong meanwhile."""
        self.instead = {}
        return ""
