"""Run the trials of a cell or a statement in the user's namespace: sync, async, repeated."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher, DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import CapturedIO, RichOutput

from e2e_magic.cell import Cell

_CO_COROUTINE = 0x80


class _Publisher(CapturingDisplayPublisher):
    """Collects what is displayed. A message that arrives meanwhile sets a parent: nothing to do."""

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Ignore the parent message; what is captured is published later, by the real publisher."""


@contextmanager
def captured(shell: InteractiveShell) -> Iterator[CapturedIO]:
    """Collect prints and displayed objects instead of showing them."""
    from io import StringIO

    out, err = sys.stdout, sys.stderr
    publisher: DisplayPublisher = shell.display_pub
    collecting = _Publisher(parent=shell)
    sys.stdout, sys.stderr = StringIO(), StringIO()
    shell.display_pub = collecting
    held = CapturedIO(sys.stdout, sys.stderr, [])
    held._outputs = collecting.outputs
    try:
        yield held
    finally:
        shell.display_pub = publisher
        sys.stdout, sys.stderr = out, err


def replay(held: CapturedIO) -> None:
    """Show what was collected, in the streams it was meant for."""
    sys.stdout.write(held.stdout)
    sys.stderr.write(held.stderr)
    for output in held._outputs or ():
        RichOutput(**{key: output.get(key) for key in ("data", "metadata", "transient", "update")}).display()


def compile_body(shell: InteractiveShell, body: str) -> Cell:
    """Compile a cell's body as IPython itself does: its magics, its AST transformers, its names."""
    source = shell.transform_cell(body)
    filename = shell.compile.cache(source, shell.execution_count, raw_code=body)
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename=filename))

    def compiler(node: Any, name: str, mode: str) -> CodeType:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if shell.autoawait else 0
        with shell.compile.extra_flags(flags):
            code: CodeType = shell.compile(node, name, mode)
            return code

    return Cell(tree, filename, compiler, shell.ast_node_interactivity)


def silenced(body: str) -> bool:
    """Tell whether the last expression ends with ``;``, as IPython does."""
    try:
        return DisplayHook.semicolon_at_end_of_expression(body)
    except Exception:  # the tokenizer stumbles over magics and shell lines: those have no `;` to mean
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


class Evaluator:
    """Evaluates one EXPR of the line in the user's namespace, after the code."""

    def __init__(self, code: CodeType, shell: InteractiveShell) -> None:
        self._code = code
        self._shell = shell

    def __call__(self, value: object) -> object:
        __tracebackhide__ = True
        return eval(self._code, self._shell.user_global_ns, self._shell.user_ns)


def evaluators(
    shell: InteractiveShell, expressions: dict[str, CodeType]
) -> dict[str, Callable[[Any], object]]:
    """Return the EXPR options as functions of the code's value."""
    return {name: Evaluator(code, shell) for name, code in expressions.items()}
