"""What may hold memory for a user: names, what a shell remembers, the last traceback, open figures."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from e2e_magic.measuring.holders.making import Made
from e2e_magic.measuring.holders.walk import locals_of

Where = Literal["name", "history", "traceback", "figure"]


@dataclass(frozen=True, slots=True)
class Root:
    """Something that holds a value: it lives as long as a look at the memory takes."""

    name: str
    value: Any
    where: Where = "name"
    made: Made | None = None


@dataclass(frozen=True, slots=True)
class Roots:
    """All that may hold memory, and what belongs to nobody.

    Attributes
    ----------
    roots : list of Root
    bounds : list of object
        Where to stop: the shell, its namespace.
    """

    roots: list[Root]
    bounds: list[Any] = field(default_factory=list)


def of_process() -> Roots:
    """Return what holds memory in a script: the names of ``__main__``, a traceback, figures."""
    space = vars(sys.modules["__main__"])
    return Roots([*named(space), *of_traceback(), *of_figures()], [space])


def named(space: Mapping[str, Any], made: Mapping[str, Made] | None = None) -> Iterator[Root]:
    """Yield the names of a namespace, without modules, and without functions and classes of modules."""
    made = made or {}
    for name, value in list(space.items()):
        if name.startswith("__") and name.endswith("__"):
            continue
        cls = type(value)  # `isinstance` would ask a proxy for the class that it stands for
        if issubclass(cls, types.ModuleType):
            continue
        code = issubclass(cls, (type, types.FunctionType, types.BuiltinFunctionType))
        if code and value.__module__ != "__main__":
            continue
        yield Root(name, value, made=made.get(name))


def of_traceback() -> Iterator[Root]:
    """Yield the calls of the last traceback, and of the errors that led to it: their variables stay alive."""
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        trace = error.__traceback__
        while trace is not None:
            variables = locals_of(trace.tb_frame)
            if variables:
                name = f"{trace.tb_frame.f_code.co_name}() in the last traceback"
                yield Root(name, list(variables.values()), "traceback")
            trace = trace.tb_next
        error = error.__cause__ or error.__context__


def of_figures() -> Iterator[Root]:
    """Yield the figures that pyplot holds open."""
    managers = sys.modules.get("matplotlib._pylab_helpers")
    figures: Iterable[Any] = () if managers is None else list(managers.Gcf.figs.values())
    for manager in figures:
        yield Root(f"figure {manager.num}", manager.canvas.figure, "figure")
