"""Run the trials of a cell or a statement in the user's namespace: sync, async, repeated."""

from __future__ import annotations

import ast
import asyncio
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, TextIO

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher, DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput
from IPython.utils.text import DollarFormatter

from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.streams import KeptText, StandIn, standing_in

_CO_COROUTINE = 0x80
Spaces = tuple[dict[str, Any], dict[str, Any]]


class _Publisher(CapturingDisplayPublisher):
    """Collect what is displayed; once released, hand on further displays to the real publisher."""

    real: DisplayPublisher
    released = False

    def publish(self, *args: Any, **kwargs: Any) -> None:
        if self.released:
            self.real.publish(*args, **kwargs)
        else:
            super().publish(*args, **kwargs)

    def clear_output(self, *args: Any, **kwargs: Any) -> None:
        if self.released:
            self.real.clear_output(*args, **kwargs)
        else:
            super().clear_output(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "real":
            raise AttributeError(name)
        return getattr(self.real, name)


class _Held(StandIn):
    """A stream whose text may be thrown away; `through` writes to the real one, whatever is diverted."""

    through: Callable[[str], Any] | None = None


@contextmanager
def _diverted(held: _Held) -> Iterator[None]:
    """Hand to a stand-in what code that kept the real stream writes there: a handler of an earlier cell."""
    stream: Any = held.real
    held.through = getattr(stream, "write", None)
    own = getattr(stream, "__dict__", None)
    if own is None:  # an object without attributes of its own
        yield
        return
    before = own.get("write")
    stream.write = held.write
    try:
        yield
    finally:
        if own.get("write") == held.write:
            del stream.write
            if before is not None:
                stream.write = before


@contextmanager
def held_back(shell: InteractiveShell) -> Iterator[None]:
    """Discard what is printed, warned and drawn, unless the code fails: then show it after all."""
    __tracebackhide__ = True
    publisher: DisplayPublisher = shell.display_pub
    collecting = _Publisher(parent=shell)
    collecting.real = publisher
    out, err = KeptText(), KeptText()
    warned, figures = _warned(), _figures()
    shell.display_pub = collecting
    failed = True
    try:
        held = _Held(sys.stdout, out.write), _Held(sys.stderr, err.write)
        with standing_in(*held), _diverted(held[0]), _diverted(held[1]):
            yield
        failed = False
    finally:
        if shell.display_pub is collecting:
            shell.display_pub = publisher
        collecting.released = True
        if not failed:
            _forget_warnings(warned)
            _close_figures(figures)
        else:
            sys.stdout.write(out.text())
            sys.stderr.write(err.text())
            for output in collecting.outputs:
                RichOutput(**{key: output.get(key) for key in _PUBLISHED}).display()


def _registries() -> Iterator[tuple[dict[str, Any], str]]:
    """Yield (namespace, name) of each registry of warnings: the modules', and that of the filter ``once``."""
    for module in list(sys.modules.values()):
        if "__warningregistry__" in (space := getattr(module, "__dict__", {})):
            yield space, "__warningregistry__"
    yield vars(warnings), "onceregistry"


def _warned() -> dict[tuple[int, str], dict[Any, Any]]:
    return {(id(space), name): dict(space[name]) for space, name in _registries()}


def _forget_warnings(before: dict[tuple[int, str], dict[Any, Any]]) -> None:
    """Reset the registries to `before`, so that warnings issued since are issued again."""
    for space, name in _registries():
        space[name].clear()
        space[name].update(before.get((id(space), name), {}))


def _figures() -> set[int]:
    """Return the numbers of pyplot's figures."""
    managers = sys.modules.get("matplotlib._pylab_helpers")
    return set() if managers is None else set(managers.Gcf.figs)


def _close_figures(before: set[int]) -> None:
    """Close the figures that were created since, before anything shows them."""
    for number in _figures() - before:
        sys.modules["matplotlib._pylab_helpers"].Gcf.destroy(number)


_PUBLISHED = ("data", "metadata", "transient", "update")


def compile_body(shell: InteractiveShell, body: str, source: str) -> Cell:
    """Compile a body that the shell has transformed, as IPython does: its AST transformers, its names."""
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
    """Return N of the cell ``In [N]`` that runs now: its input is kept before it starts.

    The shell's own count goes up when a cell starts or when it ends, by the version of IPython.
    """
    history: Any = shell.history_manager
    return max(len(history.input_hist_parsed) - 1, 1)


def silenced(body: str) -> bool:
    """Return whether the last expression ends with ``;``, as IPython does."""
    if ";" not in body:
        return False
    try:
        return bool(DisplayHook.semicolon_at_end_of_expression(body))
    except Exception:  # noqa: BLE001 - the tokenizer stumbles over magics, which mean no `;`
        return body.rstrip().endswith(";")


def check_awaited(shell: InteractiveShell, is_async: bool, magic: str) -> None:
    """Raise `UsageError` where a cell needs await but the magic above it can't wait for it."""
    if is_async and not _caller_awaits(shell):
        raise UsageError(
            f"{magic}: the code awaits at its top level, but the magic or call around it runs it without "
            f"waiting. Put {magic} on the first line of the cell and the other magic below it"
        )


def _caller_awaits(shell: InteractiveShell) -> bool:
    """Return whether the user's code that called our magic was compiled with a top-level await."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals is not shell.user_global_ns:
        frame = frame.f_back
    return frame is not None and bool(frame.f_code.co_flags & _CO_COROUTINE)


def say_aside(sentence: str) -> None:
    """Write one line for the user on the error stream, without the place in our code that wrote it.

    This holds also in a repeat whose output is discarded: a store that fails warns once, whenever that is.
    """
    stream: TextIO = sys.stderr
    write: Callable[[str], Any] = stream.write
    while isinstance(stream, _Held) and stream.real is not None:
        write, stream = stream.through or stream.real.write, stream.real
    write(f"e2e_magic: {sentence}\n")


def expanded(shell: InteractiveShell, text: str) -> str:
    """Return a text with the user's variables in it, ``$name`` and ``{name}``, as IPython does."""
    try:
        return str(DollarFormatter().vformat(text, (), shell.user_ns))
    except Exception:  # noqa: BLE001 - what can't be expanded stays, as with any line magic
        return text


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


@contextmanager
def overriding(shell: Any, **attributes: Any) -> Iterator[None]:
    """Put functions over those of the shell or its publisher, and take away what still stands there then."""
    before = {name: shell.__dict__[name] for name in attributes if name in shell.__dict__}
    for name, value in attributes.items():
        setattr(shell, name, value)
    try:
        yield
    finally:
        for name, value in attributes.items():
            if shell.__dict__.get(name) == value:
                if name in before:
                    setattr(shell, name, before[name])
                else:
                    delattr(shell, name)
