"""What a report of a line costs beyond what the counting itself sees, measured once per process."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any, NamedTuple

from e2e_magic.measuring import clocks
from e2e_magic.measuring.lines.counting import Count, Reports, counting
from e2e_magic.measuring.lines.sources import Table, Watched

_TURNS, _ROUNDS = 400, 7
_LOOP = "for n in range({turns}):\n    a = n\n    b = a\n    a = b\n"
Mechanism = Callable[[Table, Reports, Any], Any]


def mechanism(table: Table, frame: object = None) -> Mechanism:
    """Return the way in which this Python reports the lines of a table's code."""
    if sys.version_info >= (3, 12):
        from e2e_magic.measuring.lines.monitoring import Monitoring

        return Monitoring
    from e2e_magic.measuring.lines.rewriting import Rewriting

    if Rewriting.suits(table, frame):
        return Rewriting
    from e2e_magic.measuring.lines.tracing import Tracing

    return Tracing


class Cost(NamedTuple):
    """The time of one report, ns: what the counting sees of itself, what it doesn't; that of a short line."""

    seen: float
    unseen: float
    shortest: float


@cache
def cost(way: Mechanism) -> Cost:
    """Return what a report costs that comes this way, when nothing disturbs the machine.

    That is the quickest of seven rounds. A loop of four short lines is run with and without the
    counting, in turn.
    """
    code = compile(ast.parse(_LOOP.format(turns=_TURNS)), "<e2e_magic lines>", "exec", dont_inherit=True)
    plain_ns = float("inf")
    rounds = []
    for _ in range(_ROUNDS):
        began = clocks.perf_counter_ns()
        exec(code, {})  # noqa: S102 - our own four lines
        plain_ns = min(plain_ns, clocks.perf_counter_ns() - began)
        rounds.append(_counted(code, way))
    quickest = min(rounds, key=lambda count: count.elapsed_ns)
    unseen_ns = sum(quickest.spent) - plain_ns
    reports = quickest.reports
    return Cost(quickest.seen_ns / reports, max(0.0, unseen_ns / reports), plain_ns / reports)


def own_ns(count: Count, looks_ns: float, usual: Cost) -> list[float]:
    """Return by slot the time of a line, without what the reports of it took, ns.

    What the counting saw of itself tells how much slower all of it was than on a quiet machine. A line that
    ran is never shorter than the shortest that were tried.

    Parameters
    ----------
    count : Count
    looks_ns : float
        The time of looks at memory, which is in no report of a quiet round.
    usual : Cost
        What a report costs.
    """
    slower = max(1.0, (count.seen_ns - looks_ns) / count.reports / usual.seen)
    return [
        max(spent - (hits + others) * usual.unseen * slower, min(spent, hits * usual.shortest))
        for spent, hits, others in zip(count.spent, count.hits, count.others, strict=True)
    ]


def _counted(code: CodeType, way: Mechanism) -> Count:
    table = Table(Watched((code,)))
    reports, count = counting(table, None)
    reporting = way(table, reports, None)
    reporting.start()
    try:
        code = getattr(reporting, "instead", {}).get(id(code), code)
        reports.begin(False)
        exec(code, {})  # noqa: S102 - our own four lines
        reports.end()
    finally:
        reporting.stop()
    return count
