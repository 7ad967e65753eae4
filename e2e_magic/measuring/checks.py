"""Checks of what a person hands over: each returns the value, or raises an error that says what is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any


class PlanError(ValueError):
    """A plan that can't be run: says the parameter, what came, what is allowed and what is near.

    Parameters
    ----------
    text : str
    in_cell : str
        Its end, where that is what to type in a cell: elsewhere it is left out or said otherwise.
    """

    def __init__(self, text: str, in_cell: str = "") -> None:
        super().__init__(text + in_cell)
        self.text = text
        self.in_cell = in_cell


def nearest(word: str, allowed: Collection[str]) -> str:
    """Return `` (did you mean X?)`` for the most similar allowed word, or an empty text."""
    import difflib

    folded = {name.casefold(): name for name in allowed}
    close = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.5)
    return f" (did you mean {folded[close[0]]}?)" if close else ""


def split_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated list, as in ``--metrics cpu,memory``."""
    return tuple(part for part in re.split(r"[,\s]+", text) if part)


def names(name: str, value: object) -> tuple[str, ...]:
    """Check a list of names, written as one text or as several."""
    parts: Any = (split_names(value) or None) if isinstance(value, str) else value
    if not isinstance(parts, Iterable) or not all(isinstance(part, str) for part in parts):
        raise PlanError(f"{name}: expected names such as cpu,memory, got {value!r}")
    return tuple(parts)


def whole(name: str, value: object, least: int) -> int:
    """Check a whole number, of any type that can be an index; a bool is none."""
    number = None if isinstance(value, bool) or not hasattr(value, "__index__") else int(value.__index__())
    if number is None or number < least:
        came = repr(value) if number is None else number
        raise PlanError(f"{name}: expected a whole number of at least {least}, got {came}")
    return number


def real(name: str, value: object, wanted: str, allows: Callable[[float], bool]) -> float:
    """Check a number, of any type that can be a float; a bool and a text are none.

    Parameters
    ----------
    name : str
        The parameter.
    value : object
    wanted : str
        What is allowed, in words: ``seconds above 0``.
    allows : callable
        Whether a number is allowed; NaN has to be refused too.
    """
    number = math.nan
    if not isinstance(value, bool | str) and hasattr(value, "__float__"):
        number = float(value.__float__())
    if not allows(number):
        raise PlanError(f"{name}: expected {wanted}, got {value!r}")
    return number


def above_zero(name: str, value: object, unit: str = "seconds") -> float:
    """Check a finite number above 0."""
    return real(name, value, f"{unit} above 0", lambda number: 0 < number < math.inf)


def watts(name: str, value: object) -> tuple[float, float]:
    """Check the idle and the full power of a machine in W, written as ``12,65`` or as two numbers."""
    parts = value.split(",") if isinstance(value, str) else value
    try:
        idle, full = (float(part) for part in parts)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        idle = full = math.nan
    if not 0 <= idle <= full < math.inf:
        raise PlanError(
            f"{name}: expected two numbers of watts IDLE_W,FULL_W with 0 <= idle <= full, "
            f"such as 12,65, got {value!r}"
        )
    return idle, full
