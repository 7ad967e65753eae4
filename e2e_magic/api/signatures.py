"""The options of the table in the signature and docstring of functions that take them, and in their calls."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from e2e_magic.measuring.checks import PlanError
from e2e_magic.measuring.options import Option
from e2e_magic.measuring.reported.arrays import WrongValueError
from e2e_magic.measuring.reported.quantities import read_curve

_T = TypeVar("_T", bound=Callable[..., Any])
_WIDTH = 100
_MARK = "    {options}\n"


def taking(options: Iterable[Option]) -> Callable[[_T], _T]:
    """Return a decorator that writes options into a callable's signature and docstring.

    The callable takes ``**options``, which its signature leaves out; keywords of another name stay. A line
    ``{options}`` of its docstring marks the place of their paragraphs.
    """
    entries = list(options)

    def show(function: _T) -> _T:
        target: Any = function
        own = list(inspect.signature(target).parameters.values())
        several = [p for p in own if p.kind is p.VAR_KEYWORD and p.name != "options"]
        named = [p for p in own if p.kind is not p.VAR_KEYWORD]
        added = [
            inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default)
            for option in entries
        ]
        target.__signature__ = inspect.Signature([*named, *added, *several])
        if target.__doc__:  # not with python -OO
            target.__doc__ = target.__doc__.replace(_MARK, "".join(map(_described, entries)))
        return function

    return show


def _described(option: Option) -> str:
    """Return an option's paragraph of a numpy docstring."""
    text = f"{option.help[0].upper()}{option.help[1:]}. {option.details}".strip()
    lines = textwrap.wrap(text, _WIDTH)
    return textwrap.indent(
        f"{option.name} : {option.typed}\n{textwrap.indent(chr(10).join(lines), '    ')}\n", "    "
    )


def divided(
    function: object, given: Mapping[str, Any], options: Mapping[str, Option], besides: Collection[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide keyword arguments into the values of options and those that a function takes itself.

    Parameters
    ----------
    function : object
    given : mapping
    options : mapping of str to Option
    besides : collection of str
        Arguments of the function's that are given otherwise.

    Returns
    -------
    options, arguments : dict
        A name that both have is the function's if it can't be called without, or if the option doesn't take
        such values.

    Raises
    ------
    PlanError
        If the option doesn't take a single value that may be meant for the function: says what to write.
    """
    takes, needs, anything = _arguments(function)
    mine: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in given.items():
        option = options.get(name)
        if option is None or (name in needs and name not in besides):
            others[name] = value
        elif name in besides or (name not in takes and not anything) or _fits(option, value):
            mine[name] = value
        elif hasattr(value, "__iter__") and not isinstance(value, str):
            others[name] = value
        elif name in takes:
            raise PlanError(
                f"{name}: as an option it can't be {value!r}; for the argument {name} of "
                f'{getattr(function, "__name__", "the function")}() write parameters={{"{name}": {value!r}}}'
            )
        else:
            mine[name] = value
    return mine, others


def _arguments(function: object) -> tuple[set[str], set[str], bool]:
    """Return the names of arguments, those without a default, and whether any others are taken."""
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):  # no function, or one written in C
        return set(), set(), False
    takes = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    needs = {name for name, p in takes.items() if p.default is p.empty}
    return set(takes), needs, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _fits(option: Option, value: object) -> bool:
    """Return whether an option takes a value; what a function of the result gives is not checked."""
    try:
        option.checked(value)
        if option.name in ("loss", "accuracy") and value is not None and not callable(value):
            read_curve(value)
    except (PlanError, WrongValueError):
        return False
    return True
