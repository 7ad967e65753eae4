"""What a sweep runs once per combination: a cell in a namespace, or a function."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, partial
from types import CodeType
from typing import Any, Protocol

from e2e_magic.measuring.cell import Cell, codes_of
from e2e_magic.measuring.checks import PlanError, nearest
from e2e_magic.measuring.expression import Expression
from e2e_magic.measuring.inner_loop import InnerLoop
from e2e_magic.measuring.options import functions_of

_ABSENT = object()
# How alike an unknown argument must be to an option (0 to 1): most are meant for the function.
_NEAR = 0.8


class Job(Protocol):
    """A piece of work with parameters.

    Attributes
    ----------
    source : str
        Kept with every row; what ``--resume`` compares.
    is_async : bool
        Whether it must be awaited.
    options : mapping of str to callable
        Functions of its value, called after the measured time (``entries``, ``loss`` ..).
    """

    @property
    def source(self) -> str: ...

    @property
    def is_async(self) -> bool: ...

    @property
    def options(self) -> Mapping[str, Callable[[Any], object]]: ...

    @property
    def codes(self) -> tuple[CodeType, ...]:
        """Its code objects."""

    @property
    def names(self) -> Mapping[str, Any]:
        """What its code finds by name."""

    def around(self, params: Mapping[str, Any]) -> Any:
        """Return a context manager within which the parameters are in place."""

    def call(self, params: Mapping[str, Any], loop: InnerLoop) -> Any:
        """Do the work as often as a trial's loop says and return its value; a coroutine where it is async."""


@contextmanager
def lent(namespace: dict[str, Any], params: Mapping[str, Any]) -> Iterator[None]:
    """Put the parameters into a namespace, and restore what it held, whatever happens meanwhile."""
    before = {name: namespace.get(name, _ABSENT) for name in params}
    try:
        namespace.update(params)
        yield
    finally:
        for name, value in before.items():
            if value is _ABSENT:
                namespace.pop(name, None)
            else:
                namespace[name] = value


@dataclass(frozen=True)
class CellJob:
    """A cell: its parameters are variables while it runs.

    Parameters
    ----------
    cell : Cell
    source : str
        As the user typed it.
    python : str
        Plain Python of it, for workers.
    namespace : dict
        Where it runs.
    expressions : mapping of str to Expression
        The expressions of the line's options, evaluated in the namespace after the cell.
    """

    cell: Cell
    source: str
    python: str
    namespace: dict[str, Any]
    expressions: Mapping[str, Expression] = field(default_factory=dict)

    @property
    def is_async(self) -> bool:
        return self.cell.is_async

    @property
    def options(self) -> Mapping[str, Callable[[Any], object]]:
        return {name: partial(each.evaluate, (self.namespace,)) for name, each in self.expressions.items()}

    @property
    def codes(self) -> tuple[CodeType, ...]:
        return self.cell.codes

    @property
    def names(self) -> Mapping[str, Any]:
        return self.namespace

    def around(self, params: Mapping[str, Any]) -> Any:
        return lent(self.namespace, params)

    def call(self, params: Mapping[str, Any], loop: InnerLoop) -> Any:  # noqa: ARG002 - they are variables
        __tracebackhide__ = True
        run = loop.await_cell if self.cell.is_async else loop.run_cell
        return run(self.cell, (self.namespace, None))


@dataclass(frozen=True)
class FunctionJob:
    """A function: its parameters are keyword arguments.

    Parameters
    ----------
    function : callable
    expressions : mapping of str to object
        What it handled and gained: a value, or a function of what it returned.
    """

    function: Callable[..., Any]
    expressions: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def source(self) -> str:
        return source_of(self.function)

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @property
    def options(self) -> Mapping[str, Callable[[Any], object]]:
        return functions_of(self.expressions)

    @property
    def codes(self) -> tuple[CodeType, ...]:
        return codes_of(self.function)

    @property
    def names(self) -> Mapping[str, Any]:
        return getattr(inspect.unwrap(self.function), "__globals__", {})

    @contextmanager
    def around(self, params: Mapping[str, Any]) -> Iterator[None]:  # noqa: ARG002 - they are arguments
        yield

    def call(self, params: Mapping[str, Any], loop: InnerLoop) -> Any:
        __tracebackhide__ = True
        run = loop.await_call if self.is_async else loop.call
        return run(self.function, **params)


def source_of(function: Callable[..., Any]) -> str:
    """Return a function's source, else its qualified name."""
    try:
        return inspect.getsource(inspect.unwrap(function))
    except (OSError, TypeError):  # made by exec, a partial, a callable object, written in C
        inner = getattr(function, "func", function)
        return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def check_arguments(
    function: Callable[..., Any], names: Iterable[str], options: Collection[str] = ()
) -> None:
    """Raise `PlanError` unless the function can be called with these keyword arguments and no others.

    `options` are those of whoever calls it: one of them may be meant.
    """
    if not callable(function):
        raise PlanError(f"sweep: expected a function with the parameters as arguments, got {function!r}")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # written in C
        return
    takes = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    given = tuple(names)
    label = getattr(function, "__name__", type(function).__name__)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for name in given:
            meant = get_close_matches(name, options, 1, _NEAR)
            if name not in takes and meant and not nearest(name, takes):
                raise PlanError(
                    f"{name}: there is no such option (did you mean {meant[0]}?), and {label}() has no such "
                    f"argument; it takes {', '.join(takes) or 'none'}"
                )
            if name not in takes:
                raise PlanError(
                    f"{name}: {label}() has no such argument{nearest(name, takes)}; "
                    f"it takes {', '.join(takes) or 'none'}"
                )
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.kind not in variadic:
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise PlanError(f"{parameter.name}: {label}() takes it by position only; wrap it in a lambda")
            if parameter.name not in given:
                example = f"{parameter.name}=[..]"
                if parameter.name in options:  # which takes what is given under this name
                    example = f'parameters={{"{parameter.name}": [..]}}'
                raise PlanError(
                    f"{parameter.name}: {label}() needs this argument; "
                    f"give it a value, such as sweep({label}, {example})"
                )


def check_reads(names: Iterable[str], reads: set[str], sets: set[str]) -> None:
    """Raise `PlanError` for a parameter that a cell never reads.

    Parameters
    ----------
    names : iterable of str
        The parameters.
    reads : set of str
        What the cell takes from outside, what its functions take included.
    sets : set of str
        All names that stand in the cell.
    """
    for name in names:
        if name not in reads:
            if name in sets:
                raise PlanError(
                    f"{name}: the cell sets {name} itself before it reads it, so that each trial would be "
                    "the same; take that line out"
                )
            others = sorted(reads - set(dir(builtins)))
            raise PlanError(
                f"{name}: the cell never reads this parameter{nearest(name, others)}, so that each trial "
                "would be the same"
            )
