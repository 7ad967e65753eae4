"""The kinds of values that an option takes.

A kind reads a value from a word of a line, checks it and explains in a sentence why one is not allowed,
writes it back as a word, and lists the words that complete a half-typed one.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from e2e_magic.measuring.checks import PlanError, nearest
from e2e_magic.measuring.expression import Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Kind:
    """Text, taken unchanged; the base of all other kinds.

    Parameters
    ----------
    typed : str
        The type in the docstring of a function that takes such an option.

    Attributes
    ----------
    choices : tuple of str
        The words that are allowed, in the order to offer them; empty where there are too many.
    """

    typed: str = "str"

    @property
    def choices(self) -> tuple[str, ...]:
        return ()

    def read(self, word: str) -> Any:
        """Return the value of a word of a line; raise `ValueError` with a sentence if it has none."""
        return word

    def check(self, name: str, value: Any) -> Any:  # noqa: ARG002 - it is what other kinds name
        """Return the value of the option `name` as it is kept; raise `PlanError` if it is not allowed."""
        return value

    def write(self, value: Any) -> str:
        """Return the word that `read` turns into this value."""
        return str(value)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Flag(Kind):
    """On or off; on a line its name alone."""

    typed: str = "bool"

    def check(self, name: str, value: Any) -> bool:
        try:
            if value in (True, False):  # numpy's, 0 and 1 too
                return bool(value)
        except ValueError:  # an array is neither
            pass
        raise PlanError(f"{name}: expected True or False, got {value!r}")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Whole(Kind):
    """A whole number of at least `least`, of any type that can be an index; a bool does not count."""

    typed: str = "int"
    least: int = 0

    def read(self, word: str) -> int:
        try:
            return int(word)
        except ValueError:
            raise ValueError(f"expected a whole number, got {word!r}") from None

    def check(self, name: str, value: Any) -> int:
        number = index_of(value)
        if number is None or number < self.least:
            came = repr(value) if number is None else number
            raise PlanError(f"{name}: expected a whole number of at least {self.least}, got {came}")
        return number


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Count(Kind):
    """A whole number of at least 1, or the word ``auto``."""

    typed: str = 'int or "auto"'

    @property
    def choices(self) -> tuple[str, ...]:
        return ("auto",)

    def read(self, word: str) -> int | str:
        try:
            return word if word == "auto" else int(word)
        except ValueError:
            raise ValueError(f"expected a whole number or auto, got {word!r}") from None

    def check(self, name: str, value: Any) -> int | str:
        number = index_of(value)
        if isinstance(value, str) and value == "auto":
            return value
        if number is None or number < 1:
            came = repr(value) if number is None else number
            raise PlanError(f"{name}: expected a whole number of at least 1, or auto, got {came}")
        return number


def index_of(value: Any) -> int | None:
    """Return a whole number of any type as int; None for anything else, a bool too."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return None
    try:
        return int(value.__index__())
    except TypeError:  # an array of several, or of fractions
        return None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Real(Kind):
    """A number, of any type that can be a float; a bool or a text does not count.

    Parameters
    ----------
    wanted : str
        What is allowed, in words: ``seconds above 0``.
    allows : callable
        Whether a number is allowed; it has to refuse NaN too.
    """

    typed: str = "float"
    wanted: str = "a number"
    allows: Callable[[float], bool] = math.isfinite

    def read(self, word: str) -> float:
        try:
            return float(word)
        except ValueError:
            raise ValueError(f"expected a number, got {word!r}") from None

    def check(self, name: str, value: Any) -> float:
        number = math.nan
        if not isinstance(value, bool | str) and hasattr(value, "__float__"):
            number = float(value.__float__())
        if not self.allows(number):
            raise PlanError(f"{name}: expected {self.wanted}, got {value!r}")
        return number

    def write(self, value: float) -> str:
        return repr(value)


def above_zero(unit: str = "seconds") -> Real:
    """Return the kind of finite numbers above 0."""
    return Real(wanted=f"{unit} above 0", allows=lambda number: 0 < number < math.inf)


SECONDS = above_zero()
SHARE = Real(
    wanted="a number above 0 and up to 1 (up to 100 for percent)", allows=lambda share: 0 < share <= 100
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Names(Kind):
    """Several names, written as one text with commas or given as several texts."""

    typed: str = "str or sequence of str"

    @staticmethod
    def split(text: str) -> tuple[str, ...]:
        """Split a text at commas and spaces."""
        return tuple(part for part in re.split(r"[,\s]+", text) if part)

    def check(self, name: str, value: Any) -> tuple[str, ...]:
        parts: Any = (self.split(value) or None) if isinstance(value, str) else value
        if not isinstance(parts, Iterable) or not all(isinstance(part, str) for part in parts):
            raise PlanError(f"{name}: expected names such as cpu,memory, got {value!r}")
        return tuple(parts)

    def write(self, value: str | Collection[str]) -> str:
        return value if isinstance(value, str) else ",".join(value)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Functions(Kind):
    """On, or functions of which more is to be seen: their names, or in Python the functions themselves.

    The value is a tuple, empty for on; None for off.
    """

    typed: str = "bool, str, function or sequence of these"

    def read(self, word: str) -> tuple[str, ...]:
        names = Names.split(word)
        for name in names:
            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(
                    f"expected names of functions such as preprocess,my_module.load, got {word!r}; a stage "
                    "or a statement goes elsewhere, and --lines=NAME,.. tells where the names end"
                )
        return names

    def check(self, name: str, value: Any) -> tuple[Any, ...] | None:
        if isinstance(value, bool):
            return () if value else None
        parts = value if isinstance(value, list | tuple) else [value]
        found = [each for part in parts for each in (self._read(part) if isinstance(part, str) else [part])]
        if not all(isinstance(each, str) or callable(each) for each in found):
            raise PlanError(
                f"{name}: expected True, functions, or their names such as preprocess, got {value!r}"
            )
        return tuple(found)

    def _read(self, word: str) -> tuple[str, ...]:
        try:
            return self.read(word)
        except ValueError as error:
            raise PlanError(f"lines: {error}") from None

    def write(self, value: Collection[Any]) -> str:
        return ",".join(value)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Choice(Kind):
    """One of a few words."""

    typed: str = ""
    among: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[str, ...]:
        return self.among

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in self.among:
            near = nearest(value, self.among) if isinstance(value, str) else ""
            raise PlanError(f"{name}: expected one of {', '.join(self.among)}, got {value!r}{near}")
        return value


def choice(*among: str) -> Choice:
    """Return the kind of one of these words."""
    return Choice("{" + ", ".join(f'"{word}"' for word in among) + "}", among)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Text(Kind):
    """Any text but an empty one; `wanted` describes its meaning."""

    wanted: str = "a text"

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise PlanError(f"{name}: expected {self.wanted}, got {value!r}")
        return value


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Variable(Kind):
    """The name of a variable."""

    def read(self, word: str) -> str:
        if not word.isidentifier() or keyword.iskeyword(word):
            raise ValueError(f"{word!r} is no name for a variable")
        return word


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Watts(Kind):
    """The idle and the full power of a machine in W, written as ``12,65`` or given as two numbers.

    ``auto`` looks them up by the processor's model; where they come from is then the third part.
    """

    typed: str = "(float, float) or 'auto'"

    def check(self, name: str, value: Any) -> tuple[float, float] | tuple[float, float, str]:
        if value == "auto":
            from e2e_magic.measuring.rated_power import rated_power

            return rated_power()
        parts = value.split(",") if isinstance(value, str) else value
        source: list[str] = []
        try:
            if len(parts) == 3 and isinstance(parts[2], str) and not isinstance(value, str):
                *parts, text = parts
                source = [text]
            idle, full = map(float, parts)
        except (TypeError, ValueError):
            idle = full = math.nan
        if not 0 <= idle <= full < math.inf:
            raise PlanError(
                f"{name}: expected two numbers of watts IDLE_W,FULL_W with 0 <= idle <= full, "
                f"such as 12,65, or auto, got {value!r}"
            )
        return (idle, full, source[0]) if source else (idle, full)

    def write(self, value: str | tuple[float, ...]) -> str:
        return value if isinstance(value, str) else ",".join(map(str, value[:2]))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Memory(Kind):
    """A size with its unit, or a share of what this process may use."""

    typed: str = "str or int"

    def check(self, name: str, value: Any) -> str:
        from e2e_magic.measuring import memory_limit

        return memory_limit.checked(name, value)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Python(Kind):
    """A Python expression on a line; in Python an object, or a function of what the code returns.

    Parameters
    ----------
    checked : callable or None
        ``(name, value)`` raises `PlanError` for an object that is not allowed. The value of an
        expression is checked after the code has run.
    """

    typed: str = "object or callable"
    checked: Callable[[str, Any], None] | None = None

    def read(self, word: str) -> Expression:
        return Expression.of(word)

    def check(self, name: str, value: Any) -> Any:
        if self.checked is not None and not isinstance(value, Expression):
            self.checked(name, value)
        return value

    def write(self, value: Expression) -> str:
        return value.text
