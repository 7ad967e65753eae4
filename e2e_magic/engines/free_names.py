"""Which names a piece of code takes from outside: what a sweep must vary, what a worker must be sent."""

from __future__ import annotations

import ast
import dis
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

# Code that uses one of these may read any name: it is not possible to tell from its text.
OPAQUE = frozenset({"exec", "eval", "globals", "locals", "vars", "get_ipython", "__import__"})
_LOADS = frozenset(
    {"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_FROM_DICT_OR_DEREF", "DELETE_NAME"}
)


def code_reads(code: CodeType) -> set[str]:
    """Return the global names that compiled code reads, its nested functions and classes included."""
    found = {
        str(instruction.argval) for instruction in dis.get_instructions(code) if instruction.opname in _LOADS
    }
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= code_reads(constant)
    return found


def cell_reads(tree: ast.Module) -> set[str]:
    """Return the names that a cell takes from its namespace: read before the cell itself sets them.

    A name that a statement at the top sets in any case (an assignment, an import, a definition) is the
    cell's own from there on.
    """
    needed: set[str] = set()
    bound: set[str] = set()
    for statement in tree.body:
        code = compile(
            ast.Module([statement], []), "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        needed |= code_reads(code) - bound
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            needed |= {statement.target.id} - bound
        bound |= set(_bound(statement))
    return needed - {"__annotations__"}  # which an annotation reads


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement sets in any case."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            yield alias.asname or alias.name.split(".")[0]
    elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id
    elif isinstance(statement, ast.With | ast.AsyncWith):
        for item in statement.items:
            if isinstance(item.optional_vars, ast.Name):
                yield item.optional_vars.id
        for inner in statement.body:
            yield from _bound(inner)


def reachable(names: Iterable[str], namespace: Mapping[str, Any]) -> set[str]:
    """Return these names and all that the namespace's own functions and classes among them read."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [read for code in _codes(namespace.get(name), namespace) for read in code_reads(code)]
    return found


def _codes(value: Any, namespace: Mapping[str, Any]) -> Iterator[CodeType]:
    value = getattr(value, "__wrapped__", value)
    if isinstance(value, FunctionType):
        if value.__globals__ is namespace:
            yield value.__code__
    elif isinstance(value, type) and value.__module__ == namespace.get("__name__", "__main__"):
        for member in vars(value).values():
            yield from _codes(getattr(member, "__func__", member), namespace)
