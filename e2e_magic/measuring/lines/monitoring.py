"""Lines reported by ``sys.monitoring`` (Python 3.12 and newer): events of the watched code objects alone.

Only that an exception leaves a function, or enters a generator, is no event of a single code object: Python
reports these of all code, 0.1 µs each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.lines.counting import Reports
from e2e_magic.measuring.lines.sources import Table

# Those that Python reserves for nobody, then the one that is meant for profilers.
_IDS = (4, 3, 2)
_NAME = "e2e_magic"


class Monitoring:
    """The reports of a table's code, from `start` to `stop`.

    Parameters
    ----------
    table : Table
    reports : Reports
    frame : object
        That of a block, which is not needed here.

    Raises
    ------
    Unavailable
        If every id for tools is in use, or a debugger or coverage holds the trace.
    """

    def __init__(self, table: Table, reports: Reports, frame: object = None) -> None:  # noqa: ARG002 - see above
        self._table = table
        self._reports = reports
        self._tool = -1

    def start(self) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        for tool, what in ((monitoring.DEBUGGER_ID, "a debugger"), (monitoring.COVERAGE_ID, "coverage")):
            if name := monitoring.get_tool(tool):
                raise Unavailable(
                    f"{what} ({name}) watches this code already and is left alone", "stop it first"
                )
        free = [tool for tool in _IDS if monitoring.get_tool(tool) is None]
        if not free:
            used = ", ".join(str(monitoring.get_tool(tool)) for tool in _IDS)
            raise Unavailable(f"every tool id of sys.monitoring is in use ({used})", "stop one of them first")
        monitoring.use_tool_id(free[0], _NAME)
        self._tool = free[0]
        events = monitoring.events
        for event, callback in _callbacks(events, self._table, self._reports).items():
            monitoring.register_callback(self._tool, event, callback)
        own = events.LINE | events.PY_START | events.PY_RESUME | events.PY_RETURN | events.PY_YIELD
        for code in self._table.codes:
            monitoring.set_local_events(self._tool, code, own)
        monitoring.set_events(self._tool, events.PY_UNWIND | events.PY_THROW)

    def stop(self) -> str:
        """Undo `start`; return what went wrong meanwhile, in words."""
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        tool, self._tool = self._tool, -1
        if tool < 0:
            return ""
        if monitoring.get_tool(tool) != _NAME:
            return "another tool took over sys.monitoring in the code: lines are counted up to then"
        monitoring.set_events(tool, 0)
        for code in self._table.codes:
            monitoring.set_local_events(tool, code, 0)
        for event in _callbacks(monitoring.events, self._table, self._reports):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)
        return ""


def _callbacks(events: Any, table: Table, reports: Reports) -> dict[int, Callable[..., None]]:
    slots = table.slots
    places: dict[tuple[int, int], int] = {}

    def resume(code: CodeType, offset: int, _error: object = None) -> None:
        key = id(code), offset
        if key[0] in slots:
            if key not in places:
                places[key] = _line_at(code, offset)
            reports.resume(code, places[key])

    def unwind(code: CodeType, _offset: int, _error: object) -> None:
        if id(code) in slots:
            reports.leave(code)

    return {
        events.LINE: reports.line,
        events.PY_START: reports.enter,
        events.PY_RESUME: resume,
        events.PY_THROW: resume,
        events.PY_RETURN: reports.leave,
        events.PY_YIELD: reports.leave,
        events.PY_UNWIND: unwind,
    }


def _line_at(code: CodeType, offset: int) -> int:
    return next((line or 0 for start, end, line in code.co_lines() if start <= offset < end), 0)
