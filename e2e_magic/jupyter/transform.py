"""Rewrite our own magics before IPython compiles the cell that holds them.

A cell under ``%%e2ebench ..`` becomes a plain cell whose first line says what is measured: IPython
transforms, compiles and runs it as ever (`hooks`). Its lines keep their numbers.

Where another magic runs the cell, ours is one more call in it. IPython then turns
``%%e2ebench ..`` into ``get_ipython().run_cell_magic('e2ebench', line, body)``. Three
bodies need more than a call: one that awaits at its top level (the call must be awaited, so that the
kernel runs it on its own loop), one with a syntax error (shown as IPython shows it, without a stack),
and an empty one (which IPython would refuse before we see it).
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from types import CodeType

from IPython.core.inputtransformer2 import cell_magic, classic_prompt, ipython_prompt, leading_indent
from IPython.core.interactiveshell import InteractiveShell

MAGICS = ("e2ebench", "e2esweep")
_CELL = re.compile(r"%%e2ebench(?: (.*))?$")
_LINES = tuple(f"%%{name}" for name in MAGICS)
_SAID = "#"  # a comment, or Colab's ``#@title``, may stand above our line
_STAGE = "get_ipython().run_line_magic('e2e', 'stage"
_CALLS = tuple(f"get_ipython().run_{kind}_magic({name!r}," for kind in ("cell", "line") for name in MAGICS)


class Transformed:
    """The one body that was transformed while its cell was, for the magic that is about to run it.

    It serves once, and only until the next cell is transformed: a user's own input transformers may say
    something else by then.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._body: tuple[str, str] | None = None

    def take(self, body: str) -> str:
        """Return the shell's transformation of a body, computed where it isn't kept."""
        body_and_text, self._body = self._body, None
        if body_and_text is not None and body_and_text[0] == body:
            return body_and_text[1]
        return str(self._shell.transform_cell(body))

    def rewrite(self, lines: list[str]) -> list[str]:
        """Rewrite the lines of a cell; it stands in ``shell.input_transformers_post``.

        IPython asks a transformer that may raise `SyntaxError` to say so; this one never does.
        """
        self._body = None
        words = self._shell.prefilter_manager
        if words is not None and len(lines) > 1 and lines[-2].startswith(_STAGE):
            # A cell of one line may be a word that IPython itself handles: a macro, ``cd ..``.
            with self._shell.builtin_trap:
                lines = [*lines[:-1], words.prefilter_lines(lines[-1].rstrip("\n")) + "\n"]
        if not any(line.lstrip().startswith(_CALLS) for line in lines):
            return lines
        if running_in(self._shell):
            return lines  # inside another magic, which compiles without await; ours raises the error then
        return [part for line in lines for part in self.rewritten(line)]

    def rewritten(self, line: str) -> list[str]:
        """Return the lines that stand for one; those that call no magic of ours stay."""
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
            source = self._shell.transform_cell(body)
            waits = _is_async(ast.parse(source), self._shell.compile.flags)
            # The body's own transformation has come through `rewrite` too: what is kept, is kept after it.
            self._body = body, source
        except SyntaxError:  # a stray `return` too: IPython itself reports it
            return source.splitlines(keepends=True)
        return [f"{indent}await {stripped}"] if waits else [line]


def make_plain(shell: InteractiveShell) -> Callable[[list[str]], list[str]]:
    """Return the function for ``shell.input_transformers_cleanup``, the last of them."""

    def plain_cell(lines: list[str]) -> list[str]:
        start = _first(lines, _SAID)
        if start is None or not lines[start].startswith(_LINES):
            return lines
        match = _CELL.match(lines[start].rstrip())
        if match is None or running_in(shell):
            return [*lines[:start], *cell_magic(lines[start:])]  # IPython's own step, below a comment too
        stage = f"stage {match[1] or ''}".rstrip()
        call = f"get_ipython().run_line_magic('e2e', {stage!r})\n"
        return [*lines[:start], call, *_cleaned(lines[start + 1 :])]

    # A terminal asks whether a cell is complete: one under a cell magic ends with an empty line.
    plain_cell.has_side_effects = True  # type: ignore[attr-defined]
    return plain_cell


def _cleaned(body: list[str]) -> list[str]:
    """Return a body as IPython makes it where it stands alone; empty lines keep the others' numbers."""
    start = _first(body)
    if start is None:
        return body
    rest = body[start:]
    for clean in (leading_indent, classic_prompt, ipython_prompt, cell_magic):
        rest = clean(rest)
    return body[:start] + rest


def _first(lines: list[str], mark: str = "\n") -> int | None:
    """Return the place of the first line with words, of which none begins with the mark."""
    return next((n for n, line in enumerate(lines) if line.strip() and not line.startswith(mark)), None)


def line_magic(node: ast.stmt) -> tuple[str, str]:
    """Return the name and the line of a line magic that is a statement; two empty texts for any other."""
    match node:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(attr="run_line_magic"),
                args=[ast.Constant(value=str(name)), ast.Constant(value=str(line))],
            )
        ):
            return name, line
    return "", ""


def stage_line(nodes: list[ast.stmt]) -> str | None:
    """Return the options of a cell whose first line is ``%e2e stage ..``; None for any other cell."""
    name, line = line_magic(nodes[0]) if nodes else ("", "")
    word, _, options = line.strip().partition(" ")
    return options if (name, word) == ("e2e", "stage") else None


def _awaits(statement: str) -> bool:
    """Return whether a line's statement, behind its options, awaits: a word of its own, outside a def."""
    for n, char in enumerate(statement):
        if char.isspace() or n == 0:
            try:
                if _is_async(ast.parse(statement[n:].strip())):
                    return True
            except SyntaxError:
                continue
    return False


def _is_async(tree: ast.Module, flags: int = 0) -> bool:
    """Return whether code awaits at its top level; raise `SyntaxError` where it can't be compiled."""
    code: CodeType = compile(
        tree, "<cell>", "exec", flags=flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    return bool(code.co_flags & 0x80)  # inspect.CO_COROUTINE


def running_in(shell: InteractiveShell) -> bool:
    """Return whether the shell is in the middle of running a cell, seen from the calling code."""
    run_code = type(shell).run_code.__code__
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is run_code:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
