"""The counting of lines, the same for both ways in which Python reports them.

The time between two reports is that of the line which ran. What a report itself takes after it has read the
clock belongs to no line; what Python takes to call it does, and is taken off afterwards (see `cost`).
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from types import CodeType
from typing import NamedTuple

from e2e_magic.measuring import clocks
from e2e_magic.measuring.lines.memory import HELD_NS, Looks
from e2e_magic.measuring.lines.sources import Table

NEVER = 1 << 62


class Reports(NamedTuple):
    """What is called while the code runs.

    Attributes
    ----------
    line : callable
        ``(code, number)``: a line begins.
    enter : callable
        ``(code, ..)``: a function, class or comprehension is called.
    resume : callable
        ``(code, number)``: a generator or coroutine goes on in this line.
    leave : callable
        ``(code, ..)``: it returns, yields, waits or fails.
    begin, end : callable
        The code begins, within a line where `inside` is true; it ends.
    """

    line: Callable[[CodeType, int], None]
    enter: Callable[..., None]
    resume: Callable[[CodeType, int], None]
    leave: Callable[..., None]
    begin: Callable[[bool], None]
    end: Callable[[], None]


class Count:
    """What was counted.

    Attributes
    ----------
    spent : list of int
        By slot, nanoseconds.
    hits : list of int
        By slot, how often the line ran.
    others : list of int
        By slot, what was reported beside its hits: calls of functions, their ends and resumptions.
    elapsed_ns : int
        From the beginning to the end.
    foreign : int
        Reports from other threads, which are not counted.
    """

    def __init__(self, slots: int) -> None:
        self.spent = [0] * slots
        self.hits = [0] * slots
        self.others = [0] * slots
        self.elapsed_ns = 0
        self.foreign = 0

    @property
    def reports(self) -> int:
        """How many reports there were, at least 1."""
        return max(1, sum(self.hits) + sum(self.others))

    @property
    def seen_ns(self) -> int:
        """The time within reports, which counts in no line."""
        return self.elapsed_ns - sum(self.spent)


def counting(
    table: Table, looks: Looks | None, clock: Callable[[], int] = clocks.perf_counter_ns
) -> tuple[Reports, Count]:
    """Return the functions that count, and what they count into.

    Parameters
    ----------
    table : Table
    looks : Looks or None
        Reads memory now and then; None for time and hits alone.
    clock : callable
        Nanoseconds.
    """
    # A closure: attributes of an object would cost half as much again.
    count = Count(len(table.lines))
    spent, hits, others = count.spent, count.hits, count.others
    slots, roots, heads, within = table.slots, table.roots, table.heads, table.within
    thread = get_ident()
    callers: list[int] = []
    fresh: list[int] = []
    current, last, began = 0, 0, 0
    due = NEVER
    inside = entered = False

    def line(code: CodeType, number: int) -> None:
        nonlocal current, last, due, entered
        now = clock()
        if get_ident() != thread:
            count.foreign += 1
            return
        spent[current] += now - last
        if now >= due and looks is not None:
            due = looks.look(current, callers, fresh)
            spent[current] += looks.held_ns
            now = clock()
        slot = slots[id(code)][number]
        # Back to the first line of a statement from a later one: the same execution goes on. So does a loop
        # on one line, of which Python 3.11 reports each turn.
        if entered or (slot != current and heads[current] != slot):
            if not hits[slot]:
                fresh.append(slot)
            hits[slot] += 1
            head = heads[slot]
            if head >= 0 and head != current and heads[current] != head:  # it began with a later line
                hits[head] += 1
        else:
            others[slot] += 1
        current = slot
        entered = False
        last = clock()
        if last - now > HELD_NS:
            spent[current] += last - now

    def enter(code: CodeType, *_: object) -> None:
        nonlocal last, inside, entered
        now = clock()
        if get_ident() != thread:
            return
        spent[current] += now - last
        others[current] += 1
        entered = id(code) not in within
        if not callers and not inside and id(code) in roots:
            inside = True
        else:
            callers.append(current)
        last = clock()
        if last - now > HELD_NS:
            spent[current] += last - now

    def resume(code: CodeType, number: int) -> None:
        nonlocal current, last, inside
        now = clock()
        if get_ident() != thread:
            return
        spent[current] += now - last
        if not callers and not inside and id(code) in roots:
            inside = True
        else:
            callers.append(current)
        current = slots[id(code)].get(number, current)
        others[current] += 1
        last = clock()
        if last - now > HELD_NS:
            spent[current] += last - now

    def leave(*_: object) -> None:
        nonlocal current, last, inside, due
        now = clock()
        if get_ident() != thread:
            return
        spent[current] += now - last
        if now >= due and looks is not None:
            due = looks.look(current, callers, fresh)
            spent[current] += looks.held_ns
            now = clock()
        if callers:
            current = callers.pop()
        else:  # what follows, up to the next part of the code, is its last line's: the shell, or a wait
            inside = False
        others[current] += 1
        last = clock()
        if last - now > HELD_NS:
            spent[current] += last - now

    def begin(within: bool) -> None:
        nonlocal last, began, due, inside, entered
        inside, entered = within, True
        due = NEVER if looks is None else looks.begin()
        began = last = clock()

    def end() -> None:
        nonlocal last
        if inside:
            now = clock()
            spent[current] += now - last
            if looks is not None:
                looks.look(current, callers, fresh)
            last = clock()
        elif looks is not None:
            looks.look(current, callers, fresh)
        count.elapsed_ns = last - began

    return Reports(line, enter, resume, leave, begin, end), count
