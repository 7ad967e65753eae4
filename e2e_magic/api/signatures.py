"""A function that takes the options of the table shows them: in its signature and in its docstring."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from e2e_magic.measuring.options import Option

_T = TypeVar("_T", bound=Callable[..., Any])
_WIDTH = 100
_MARK = "    {options}\n"


def taking(options: Iterable[Option]) -> Callable[[_T], _T]:
    """Give a callable that takes ``**options`` the signature and the docstring of these.

    Its own docstring says with a line ``{options}`` where they belong. ``**options`` itself is not shown;
    keywords of another name, which take more than options, are.
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
