"""Tracebacks show the user's frames: neither ours nor the magic's call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from types import TracebackType
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.running import overriding
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.expression import Expression

_MACHINERY = (Cell.run.__code__, Cell.run_async.__code__, Expression.evaluate.__code__)

# Where our functions stand around the shell's own: seen where the shell itself fails, as at a broken __str__.
_AROUND = (__name__, "e2e_magic.jupyter.hooks")

# The module whose functions are called at each line of a cell, not imported just to name it.
_COUNTING = "e2e_magic.measuring.lines.counting"


def showing_errors(
    shell: InteractiveShell, before: Callable[[BaseException], AbstractContextManager[None] | None]
) -> AbstractContextManager[None]:
    """Call `before` ahead of the shell's display of a cell's error, and enter its context for that time."""
    theirs, show_custom = shell.__dict__.get("showtraceback"), shell.CustomTB
    ending = type(shell).run_code.__code__, type(shell).run_ast_nodes.__code__

    def showtraceback(*args: Any, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        if error is None or sys._getframe(1).f_code not in ending:  # the code itself shows one
            show(*args, **kwargs)
        else:
            with before(error) or nullcontext():
                show(*args, **kwargs)

    def show(*args: Any, **kwargs: Any) -> None:
        (theirs or partial(type(shell).showtraceback, shell))(*args, **kwargs)

    def custom(kind: Any, error: BaseException, trace: Any, *args: Any, **kwargs: Any) -> Any:
        with before(error) or nullcontext():
            return show_custom(kind, error, error.__traceback__ or trace, *args, **kwargs)

    return overriding(shell, showtraceback=showtraceback, CustomTB=custom)


def show_users_frames(shell: InteractiveShell, error: BaseException | None) -> None:
    """Take our frames out of an error's traceback, and the magic's call with them, before it is shown.

    The first frame stays: it is IPython's own, which whoever shows the traceback leaves out.
    """
    first = error.__traceback__ if error is not None else None
    if error is None or first is None:
        return
    if (counting := _to_the_counting(first)) is not None:
        error.__traceback__ = first = counting
    elif (shells := _without_ours_around(first)) is not None:
        error.__traceback__ = shells
    below = _below(first)
    if below is not None:
        error.__traceback__ = TracebackType(below, first.tb_frame, first.tb_lasti, first.tb_lineno)
    # An interrupt while calls were timed, between two of them; a worker's error, whose lines are shown above.
    elif _of_a_worker(first) or (isinstance(error, KeyboardInterrupt) and _is_ours(first)):
        only_the_error(shell, error)


def only_the_error(shell: InteractiveShell, error: BaseException) -> None:
    """Make an error that came between two executions show its own words: no frame of it is the user's."""
    words = shell.InteractiveTB.get_exception_only(type(error), error)
    with suppress(AttributeError, TypeError):
        error._render_traceback_ = lambda: words  # type: ignore[attr-defined]


def traceback_of(shell: InteractiveShell, error: BaseException) -> list[str]:
    """Return the lines of an error's traceback as a cell shows them: the user's frames only."""
    below = _below(error.__traceback__)
    text: list[str] = shell.InteractiveTB.structured_traceback(
        type(error), error, below or error.__traceback__, tb_offset=0 if below else None
    )
    return text


def _to_the_counting(trace: TracebackType) -> TracebackType | None:
    """Return a traceback up to the line whose counting an interrupt fell into; None where it didn't."""
    frames = [trace]
    while (below := frames[-1].tb_next) is not None:
        if below.tb_frame.f_globals.get("__name__") == _COUNTING:
            return _of(frames)
        frames.append(below)
    return None


def _without_ours_around(first: TracebackType) -> TracebackType | None:
    """Return a traceback without our functions around the shell's own; None where there are none."""
    frames: list[TracebackType] = []
    number = 0
    trace: TracebackType | None = first
    while trace is not None:
        number += 1
        if trace.tb_frame.f_globals.get("__name__") not in _AROUND:
            frames.append(trace)
        trace = trace.tb_next
    return None if len(frames) == number else _of(frames)


def _of(frames: list[TracebackType]) -> TracebackType | None:
    """Return a traceback of these frames alone."""
    trace: TracebackType | None = None
    for one in reversed(frames):
        trace = TracebackType(trace, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return trace


def _below(trace: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback below the code of ours that ran the user's; None where none did."""
    while trace is not None and trace.tb_frame.f_code not in _MACHINERY:
        trace = trace.tb_next
    while trace is not None and trace.tb_frame.f_code in _MACHINERY:
        trace = trace.tb_next
    return trace


def _is_ours(trace: TracebackType | None) -> bool:
    """Return whether an error passed through code of this package."""
    while trace is not None and not str(trace.tb_frame.f_globals.get("__name__")).startswith("e2e_magic."):
        trace = trace.tb_next
    return trace is not None


def _of_a_worker(trace: TracebackType | None) -> bool:
    """Return whether an error ended a sweep that ran elsewhere: none of its frames is here."""
    stopping = sys.modules.get("e2e_magic.sweeping.stopping")  # not imported just to check
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if stopping is None or trace is None:
        return False
    return trace.tb_frame.f_code is stopping.Stopping.raise_failure.__code__
