"""Which names a piece of code takes from outside: what a sweep must vary, what a worker must be sent."""

from __future__ import annotations

import ast
import dis
import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

# Code that uses one of these may read any name: it is not possible to tell from its text.
OPAQUE = frozenset({"exec", "eval", "globals", "locals", "vars", "get_ipython", "__import__"})
_LOADS = frozenset(
    {"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_FROM_DICT_OR_DEREF", "DELETE_NAME"}
)

# Where decorators, methods, partials, properties keep the function that they are about.
_WITHIN = ("__wrapped__", "__func__", "func", "fget")
# Of a list or dict so many values are looked at for functions, and in all of one variable so many.
_LOOKED_AT, _MOST_LOOKED_AT = 100, 10_000


def code_reads(code: CodeType) -> set[str]:
    """Return the global names that compiled code reads, its nested functions and classes included."""
    names = {
        str(instruction.argval) for instruction in dis.get_instructions(code) if instruction.opname in _LOADS
    }
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= code_reads(constant)
    return names


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
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [
                read for code in codes_of(namespace.get(name), namespace) for read in code_reads(code)
            ]
    return reached


def codes_of(value: Any, namespace: Mapping[str, Any]) -> Iterator[CodeType]:
    """Yield the code of the namespace's own functions and classes that a value is, wraps or holds."""
    waiting: list[Any] = [value]
    seen: dict[int, Any] = {}  # which keeps them, so that no other gets the same id
    while waiting and len(seen) < _MOST_LOOKED_AT:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, FunctionType):
            if value.__globals__ is namespace:
                yield value.__code__
            waiting += _closed(value)
        elif isinstance(value, type):
            if _own(value, namespace):
                waiting += [*vars(value).values(), *value.__bases__]
        elif isinstance(value, list | tuple | set | frozenset):
            waiting += list(value)[:_LOOKED_AT]
        elif isinstance(value, dict):
            waiting += list(value.values())[:_LOOKED_AT]
        elif _own(type(value), namespace):
            waiting += [type(value), *getattr(value, "__dict__", {}).values()]
        waiting += [inner for name in _WITHIN if (inner := _inside(value, name)) is not None]


def _own(kind: type, namespace: Mapping[str, Any]) -> bool:
    return bool(kind.__module__ == namespace.get("__name__", "__main__"))


def _closed(function: FunctionType) -> list[Any]:
    """Return what a function closes over: what a decorator wraps, for one."""
    contents = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # empty: not set yet
            contents.append(cell.cell_contents)
    return contents


def _inside(value: Any, name: str) -> Any:
    """Return the function in a method, partial, property or decorated one; looks, but calls nothing."""
    try:
        attribute = inspect.getattr_static(value, name)
    except AttributeError:
        return None
    return (
        getattr(value, name)
        if isinstance(attribute, MemberDescriptorType | GetSetDescriptorType)
        else attribute
    )
