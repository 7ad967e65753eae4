"""Run the trials of a cell or a statement in the user's namespace: sync, async, repeated."""

from __future__ import annotations

import ast
import asyncio
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import StringIO
from types import CodeType, FrameType, TracebackType
from typing import Any, TextIO

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher, DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput

from e2e_magic.jupyter.transform import transformed
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.expression import Expression
from e2e_magic.sweeping.sweep import Sweep

_CO_COROUTINE = 0x80
Spaces = tuple[dict[str, Any], dict[str, Any]]


class _Publisher(CapturingDisplayPublisher):
    """Collects what is displayed. A message that arrives meanwhile sets a parent: nothing to do."""

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Ignore the parent message; what is captured is published later, by the real publisher."""


class _Held(StringIO):
    """Collects what goes to the error stream, and knows the stream behind it, for what can't wait."""

    def __init__(self, behind: TextIO) -> None:
        super().__init__()
        self.behind = behind


@contextmanager
def held_back(shell: InteractiveShell) -> Iterator[None]:
    """Throw away what is printed and displayed, unless the code fails: then it is shown after all."""
    __tracebackhide__ = True
    streams = sys.stdout, sys.stderr
    publisher: DisplayPublisher = shell.display_pub
    collecting = _Publisher(parent=shell)
    out, err = StringIO(), _Held(sys.stderr)
    sys.stdout, sys.stderr = out, err
    shell.display_pub = collecting
    failed = True
    try:
        yield
        failed = False
    finally:
        shell.display_pub = publisher
        sys.stdout, sys.stderr = streams
        if failed:
            sys.stdout.write(out.getvalue())
            sys.stderr.write(err.getvalue())
            for output in collecting.outputs:
                RichOutput(**{key: output.get(key) for key in _PUBLISHED}).display()


_PUBLISHED = ("data", "metadata", "transient", "update")


def compile_body(shell: InteractiveShell, body: str) -> Cell:
    """Compile a cell's body as IPython itself does: its magics, its AST transformers, its names."""
    source = transformed.take(shell, body)
    filename = shell.compile.cache(source, cell_number(shell), raw_code=body)
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename=filename))

    def compiler(node: Any, name: str, mode: str) -> CodeType:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if shell.autoawait else 0
        with shell.compile.extra_flags(flags):
            code: CodeType = shell.compile(node, name, mode)
            return code

    return Cell(tree, filename, compiler, shell.ast_node_interactivity)


async def awaited(shell: InteractiveShell, work: Coroutine[Any, Any, Any]) -> Any:
    """Await a cell's code so that Ctrl-C reaches it in a terminal too.

    There an interrupt ends the loop and leaves the waiting cell suspended for ever: it would have no
    row. So it is turned into a cancellation of the waiting task, and that into ``KeyboardInterrupt``.
    A kernel does its own.
    """
    __tracebackhide__ = True
    if hasattr(shell, "kernel") or threading.current_thread() is not threading.main_thread():
        return await work
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if task is None or asyncio.current_task(loop) is not None:  # the code computes
            signal.default_int_handler(number, frame)
        interrupted = True
        loop.call_soon_threadsafe(task.cancel)  # the code waits

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        return await work
    except asyncio.CancelledError:
        if not interrupted or task is None:
            raise
        task.uncancel()
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)


def cell_number(shell: InteractiveShell) -> int:
    """Return N of the cell ``In [N]`` that runs now: the count goes up as soon as a cell starts."""
    return max(int(shell.execution_count) - 1, 1)


@contextmanager
def users_traceback(shell: InteractiveShell) -> Iterator[None]:
    """Make an error that passes show the user's frames only: neither ours nor the magic's call.

    IPython asks an exception for its own ``_render_traceback_`` before it makes the text.
    """
    __tracebackhide__ = True
    try:
        yield
    except BaseException as error:
        with suppress(AttributeError, TypeError):  # an exception class may be frozen
            error._render_traceback_ = partial(_render, shell, error)  # type: ignore[attr-defined]
        raise


def traceback_of(shell: InteractiveShell, error: BaseException) -> list[str]:
    """Return the lines of an error's traceback as a cell shows them: the user's frames only."""
    return _render(shell, error)


def _render(shell: InteractiveShell, error: BaseException) -> list[str]:
    trace = error.__traceback__
    below = trace
    while below is not None and below.tb_frame.f_code not in _MACHINERY:
        below = below.tb_next
    while below is not None and below.tb_frame.f_code in _MACHINERY:
        below = below.tb_next
    # An interrupt while calls were timed, between two of them; a worker's error, whose lines are said above.
    if below is None and (isinstance(error, KeyboardInterrupt) or _of_a_worker(trace)):
        words: list[str] = shell.InteractiveTB.get_exception_only(type(error), error)
        return words
    text: list[str] = shell.InteractiveTB.structured_traceback(
        type(error), error, below or trace, tb_offset=0 if below else None
    )
    return text


def _of_a_worker(trace: TracebackType | None) -> bool:
    """Tell whether an error ended a sweep that ran elsewhere: none of its frames is here."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code is Sweep.raise_failure.__code__


def silenced(body: str) -> bool:
    """Tell whether the last expression ends with ``;``, as IPython does."""
    if ";" not in body:
        return False
    try:
        return bool(DisplayHook.semicolon_at_end_of_expression(body))
    except Exception:  # noqa: BLE001 - the tokenizer stumbles over magics, which mean no `;`
        return body.rstrip().endswith(";")


def check_awaited(is_async: bool, magic: str) -> None:
    """Raise `UsageError` where a cell needs await but the magic above it can't wait for it."""
    if is_async and not _caller_awaits():
        raise UsageError(
            f"{magic}: the code awaits at its top level, but the magic or call around it runs it without "
            f"waiting. Put {magic} on the first line of the cell and the other magic below it"
        )


def _caller_awaits() -> bool:
    """Tell whether the code that called our magic was compiled with a top-level await."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "<module>":
            return bool(frame.f_code.co_flags & _CO_COROUTINE)
    return False


def say_aside(sentence: str) -> None:
    """Tell the user in one line on the error stream, without the place in our code that said it.

    Also from a repeat whose output is thrown away: a store that fails warns once, whenever that is.
    """
    stream: TextIO = sys.stderr
    while isinstance(stream, _Held):
        stream = stream.behind
    stream.write(f"e2e_magic: {sentence}\n")


_MACHINERY = (Cell.run.__code__, Cell.run_async.__code__, Expression.evaluate.__code__)


def spaces_of(shell: InteractiveShell) -> Spaces:
    """Return the globals and locals in which the code runs: the user's.

    A line inside a function of the notebook sees that function's variables, as ``%timeit`` does; what it
    assigns is gone afterwards.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not type(shell).run_line_magic.__code__:
        frame = frame.f_back
    caller = frame.f_back if frame is not None else None
    if caller is None or caller.f_globals is not shell.user_global_ns or caller.f_locals is shell.user_ns:
        return shell.user_global_ns, shell.user_ns
    inside = {**caller.f_globals, **caller.f_locals}
    return inside, inside
