"""Rewrite our own magic calls before IPython compiles the cell that holds them.

IPython turns ``%%e2ebench ..`` into ``get_ipython().run_cell_magic('e2ebench', line, body)``. Three
bodies need more than a call: one that awaits at its top level (the call must be awaited, so that the
kernel runs it on its own loop), one with a syntax error (shown as IPython shows it, without a stack),
and an empty one (which IPython would refuse before we see it).
"""

from __future__ import annotations

import ast
import sys
import weakref
from types import CodeType
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell

if TYPE_CHECKING:
    from collections.abc import Callable

MAGICS = ("e2ebench", "e2esweep")
_CALLS = tuple(f"get_ipython().run_{kind}_magic({name!r}," for kind in ("cell", "line") for name in MAGICS)


class Transformed:
    """The one body that was transformed while its cell was, for the magic that is about to run it.

    It serves once, and only until the next cell is transformed: a user's own input transformers may say
    something else by then.
    """

    def __init__(self) -> None:
        self._body: tuple[weakref.ref[InteractiveShell], str, str] | None = None

    def clear(self) -> None:
        """Forget it."""
        self._body = None

    def put(self, shell: InteractiveShell, body: str, source: str) -> None:
        """Keep what the shell made of a body."""
        self._body = weakref.ref(shell), body, source

    def take(self, shell: InteractiveShell, body: str) -> str:
        """Return what the shell makes of a body, transforming it where that isn't known."""
        known, self._body = self._body, None
        if known is not None and known[0]() is shell and known[1] == body:
            return known[2]
        return str(shell.transform_cell(body))


transformed = Transformed()


def make_transformer(shell: InteractiveShell) -> Callable[[list[str]], list[str]]:
    """Return the function for ``shell.input_transformers_post``."""

    def rewrite_measured_lines(lines: list[str]) -> list[str]:
        transformed.clear()
        if not any(line.lstrip().startswith(_CALLS) for line in lines):
            return lines
        if running_in(shell):
            return lines  # inside another magic, which compiles without await; ours says so then
        return [part for line in lines for part in _rewrite(shell, line)]

    # IPython asks a transformer that may raise SyntaxError to say so; ours never does.
    return rewrite_measured_lines


def _rewrite(shell: InteractiveShell, line: str) -> list[str]:
    stripped = line.lstrip()
    if not stripped.startswith(_CALLS):
        return [line]
    indent = line[: len(line) - len(stripped)]
    try:
        call = ast.parse(stripped.strip(), mode="eval").body
    except SyntaxError:
        return [line]
    if not isinstance(call, ast.Call):
        return [line]
    texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    if len(texts) == 2:  # the line form: whether its statement awaits is seen in the whole line
        statement = str(texts[1])
        return [f"{indent}await {stripped}"] if "await" in statement and _awaits(statement) else [line]
    name, options, body = (str(text) for text in texts)
    if not body.strip():
        return [f"{indent}get_ipython().run_cell_magic({name!r}, {options!r}, {body + chr(10)!r})\n"]
    source = body
    try:
        source = shell.transform_cell(body)
        waits = _is_async(ast.parse(source), shell.compile.flags)
        transformed.put(shell, body, source)
    except SyntaxError:  # a stray `return` too: IPython itself shall meet it
        return source.splitlines(keepends=True)
    return [f"{indent}await {stripped}"] if waits else [line]


def _awaits(statement: str) -> bool:
    """Tell whether a line's statement, behind its options, awaits: a word of its own, outside a def."""
    for n, char in enumerate(statement):
        if char.isspace() or n == 0:
            try:
                if _is_async(ast.parse(statement[n:].strip())):
                    return True
            except SyntaxError:
                continue
    return False


def _is_async(tree: ast.Module, flags: int = 0) -> bool:
    """Tell whether code awaits at its top level; what can't be compiled is a `SyntaxError`."""
    code: CodeType = compile(
        tree, "<cell>", "exec", flags=flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    return bool(code.co_flags & 0x80)  # inspect.CO_COROUTINE


def running_in(shell: InteractiveShell) -> bool:
    """Tell whether the shell is in the middle of running a cell, seen from the calling code."""
    run_code = type(shell).run_code.__code__
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is run_code:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
