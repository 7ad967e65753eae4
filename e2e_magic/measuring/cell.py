"""A cell: compiled once, run any number of times; each run returns its last value.

The cell is never pasted into other text: indenting would change triple-quoted strings and the line
numbers of tracebacks. The tree is split instead: all but a last expression is executed, the last
expression is evaluated.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from copy import copy
from types import CodeType
from typing import Any

_ONCE = (None,)
_Compile = Callable[[Any, str, str], CodeType]


def _compile(tree: Any, filename: str, mode: str) -> CodeType:
    code: CodeType = compile(tree, filename, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return code


class Cell:
    """Compiled code of one cell.

    Parameters
    ----------
    tree : ast.Module
        The parsed cell.
    filename : str
        The name that tracebacks show and under which ``linecache`` finds the source.
    compiler : callable, optional
        ``(tree, filename, mode) -> code``, with top-level await allowed. IPython's keeps the
        ``from __future__`` imports of earlier cells.
    interactivity : str
        IPython's ``ast_node_interactivity``: which nodes show their value.

    Attributes
    ----------
    is_async : bool
        Whether the cell awaits at its top level: then `run_async` must be used.
    """

    def __init__(
        self,
        tree: ast.Module,
        filename: str,
        compiler: _Compile = _compile,
        interactivity: str = "last_expr",
    ) -> None:
        body, last = _split(list(tree.body), interactivity)
        self._code: list[CodeType] = []
        if body:
            self._code.append(compiler(ast.Module(body, list(tree.type_ignores)), filename, "exec"))
        if isinstance(last, ast.Expression):
            self._code.append(compiler(last, filename, "eval"))
        elif last is not None:  # "all" and "last": the display hook shows the values itself
            self._code.append(compiler(last, filename, "single"))
        self.is_async = any(code.co_flags & inspect.CO_COROUTINE for code in self._code)

    @classmethod
    def of(cls, source: str, filename: str = "<cell>") -> Cell:
        """Compile plain Python source, outside IPython."""
        return cls(ast.parse(source, filename), filename)

    def replaced(self, instead: Callable[[CodeType], CodeType]) -> Cell:
        """Return a cell that runs other code in place of each of its own."""
        other = copy(self)
        other._code = [instead(code) for code in self._code]
        return other

    @property
    def codes(self) -> tuple[CodeType, ...]:
        """The code objects that the cell is run in."""
        return tuple(self._code)

    @property
    def parts(self) -> int:
        """The number of code objects that the cell is run in: statements, and a last value."""
        return len(self._code)

    def run(
        self,
        global_ns: dict[str, Any],
        local_ns: dict[str, Any] | None = None,
        turns: Iterable[object] = _ONCE,
    ) -> Any:
        """Run the cell, once a turn, and return the value of its last expression, or None."""
        # IPython's word for: what lies above this frame is machinery, show the user's lines only.
        __tracebackhide__ = "__ipython_bottom__"
        value = None
        for _ in turns:
            for code in self._code:
                value = eval(code, global_ns, local_ns)  # noqa: S307 - running the user's code is the job
        return value

    async def run_async(
        self,
        global_ns: dict[str, Any],
        local_ns: dict[str, Any] | None = None,
        turns: Iterable[object] = _ONCE,
    ) -> Any:
        """Run a cell with top-level await on the running event loop, once a turn."""
        __tracebackhide__ = "__ipython_bottom__"
        value = None
        for _ in turns:
            for code in self._code:
                value = eval(code, global_ns, local_ns)  # noqa: S307 - running the user's code is the job
                if code.co_flags & inspect.CO_COROUTINE:
                    value = await value
        return value


def codes_of(function: Callable[..., Any]) -> tuple[CodeType, ...]:
    """Return the code of a function, below decorators that say what they wrap; empty without one."""
    inner: Any = inspect.unwrap(function)
    code = getattr(getattr(inner, "__func__", inner), "__code__", None)
    return (code,) if isinstance(code, CodeType) else ()


def _split(
    body: list[ast.stmt], interactivity: str
) -> tuple[list[ast.stmt], ast.Expression | ast.Interactive | None]:
    if not body or interactivity == "none":
        return body, None
    last = body[-1]
    if interactivity == "all":
        return [], ast.Interactive(body)
    if interactivity == "last" and not isinstance(last, ast.Expr):
        return body[:-1], ast.Interactive([last])
    if interactivity == "last_expr_or_assign":
        name = _assigned(last)
        if name is not None:
            value = ast.copy_location(ast.Name(name, ast.Load()), last)
            return body, ast.Expression(value)
    if isinstance(last, ast.Expr):
        return body[:-1], ast.Expression(last.value)
    return body, None


def _assigned(node: ast.stmt) -> str | None:
    target: ast.expr | None = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        target = node.target
    return target.id if isinstance(target, ast.Name) else None
