"""Lines reported by ``sys.settrace`` (Python 3.11): of functions, and of code that awaits or runs already.

Lines are those of the watched code alone, but Python is slower in all code meanwhile: see `rewriting`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from e2e_magic.measuring.lines.counting import Reports
from e2e_magic.measuring.lines.sources import Table

SLOWER = "Python 3.11 ran all code slower while these were counted, a library's too; Python 3.12 doesn't"
_WAITS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
Trace = Callable[[FrameType, str, Any], Any]


class Tracing:
    """The reports of a table's code, from `start` to `stop`.

    Attributes
    ----------
    note : str
        What is to be said of it.

    Parameters
    ----------
    table : Table
    reports : Reports
    frame : FrameType or None
        A frame that runs watched code already.
    """

    note = SLOWER

    def __init__(self, table: Table, reports: Reports, frame: FrameType | None = None) -> None:
        self._call, self._local = _traces(table, reports)
        self._frame = frame

    def start(self) -> None:
        if self._frame is not None:
            self._frame.f_trace = self._local
        sys.settrace(self._call)

    def stop(self) -> str:
        """Undo `start`; return what went wrong meanwhile, in words."""
        if self._frame is not None and self._frame.f_trace is self._local:
            self._frame.f_trace = None
        if sys.gettrace() is not self._call:
            return "a debugger took over the trace in the code: lines are counted up to then"
        sys.settrace(None)
        return ""


def _traces(table: Table, reports: Reports) -> tuple[Trace, Trace]:
    slots = table.slots
    line, enter, resume, leave = reports[:4]

    def local(frame: FrameType, event: str, _value: Any) -> Any:
        if event == "line":
            line(frame.f_code, frame.f_lineno)
        elif event == "return":
            leave()
        return local

    def call(frame: FrameType, _event: str, _value: Any) -> Any:
        code = frame.f_code
        if id(code) not in slots:
            return None
        if code.co_flags & _WAITS and frame.f_lineno != code.co_firstlineno:
            resume(code, frame.f_lineno)
        else:
            enter(code)
        return local

    return call, local
