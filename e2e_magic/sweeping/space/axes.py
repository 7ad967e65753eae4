"""The axes of a parameter space: lists of values, or distributions to draw from."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from e2e_magic.measuring.plan import PlanError

Kind = Literal[
    "fixed", "geometric", "linear", "integers", "numbers", "choice", "uniform", "loguniform", "randint"
]
_RELATIVE = 1e-6


class SpaceError(PlanError):
    """An invalid space; the text names the parameter, what came and what is allowed."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution to draw values from, as `uniform`, `loguniform` and `randint` return it.

    Attributes
    ----------
    how : {"uniform", "loguniform", "randint"}
    low, high : float or int
        The bounds; `randint` includes both.
    """

    how: Literal["uniform", "loguniform", "randint"]
    low: float
    high: float

    def draw(self, source: random.Random) -> float:
        """Draw one value, within the bounds."""
        if self.how == "randint":
            return source.randint(int(self.low), int(self.high))
        if self.how == "uniform":
            value = source.uniform(self.low, self.high)
        else:
            value = math.exp(source.uniform(math.log(self.low), math.log(self.high)))
        return min(max(value, self.low), self.high)  # rounding may step over a bound

    def __repr__(self) -> str:
        return f"{self.how}({self.low!r}, {self.high!r})"


def uniform(low: float, high: float) -> Distribution:
    """Draw numbers between two bounds, all equally likely."""
    return Distribution("uniform", *_bounds("uniform", low, high))


def loguniform(low: float, high: float) -> Distribution:
    """Draw positive numbers whose logarithms are equally likely: for learning rates."""
    bounds = _bounds("loguniform", low, high)
    if bounds[0] <= 0:
        raise SpaceError(f"loguniform: expected bounds above 0, got {low!r} and {high!r}; or uniform(..)")
    return Distribution("loguniform", *bounds)


def randint(low: int, high: int) -> Distribution:
    """Draw whole numbers from low to high, both included."""
    bounds = _bounds("randint", low, high)
    if any(bound != int(bound) for bound in bounds):
        raise SpaceError(f"randint: expected whole numbers, got {low!r} and {high!r}; or uniform(..)")
    return Distribution("randint", int(low), int(high))


def choice(values: Iterable[Any]) -> tuple[Any, ...]:
    """Draw one of these values; a grid takes all of them."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise SpaceError(f'choice: expected a list such as choice(["relu", "tanh"]), got {values!r}')
    return tuple(values)


def _bounds(how: str, low: Any, high: Any) -> tuple[float, float]:
    low, high = plain(low), plain(high)
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
            raise SpaceError(f"{how}: expected two numbers, low and high, got {low!r} and {high!r}")
    if low > high:
        raise SpaceError(f"{how}: expected low up to high, got {low!r} and {high!r}: swap them")
    return low, high


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter with its values, or several that change together.

    Attributes
    ----------
    names : tuple of str
        One name; more for zipped parameters.
    values : tuple
        The values in order, a tuple of one value per name for zipped parameters; empty for a
        distribution.
    distribution : Distribution or None
    """

    names: tuple[str, ...]
    values: tuple[Any, ...] = ()
    distribution: Distribution | None = None

    @property
    def name(self) -> str:
        """The name, ``(lr, batch_size)`` for zipped ones."""
        return self.names[0] if len(self.names) == 1 else f"({', '.join(self.names)})"

    @property
    def count(self) -> int | None:
        """How many values there are; None for a distribution."""
        return None if self.distribution else len(self.values)

    @property
    def kind(self) -> Kind:
        """What the values are like, for the choice of a control or of a chart's scale.

        ``fixed`` (one value), ``geometric`` (a constant ratio), ``integers`` and ``linear`` (a constant
        step), ``numbers`` (any others), ``choice`` (not only numbers; zipped parameters too), or the
        distribution's name.
        """
        if self.distribution:
            return self.distribution.how
        return "fixed" if len(self.values) == 1 else _kind(self.values)

    @property
    def low(self) -> float | None:
        """The least value; None where there are not only numbers."""
        return self.distribution.low if self.distribution else _extreme(self.values, min)

    @property
    def high(self) -> float | None:
        """The greatest value; None where there are not only numbers."""
        return self.distribution.high if self.distribution else _extreme(self.values, max)

    def at(self, index: int) -> dict[str, Any]:
        """Return the parameters at one of the values."""
        value = self.values[index]
        return {self.names[0]: value} if len(self.names) == 1 else dict(zip(self.names, value, strict=True))

    def draw(self, source: random.Random) -> dict[str, Any]:
        """Draw one value of each of its parameters."""
        if self.distribution:
            return {self.names[0]: self.distribution.draw(source)}
        return self.at(source.randrange(len(self.values)))

    def __str__(self) -> str:
        if self.distribution:
            return f"{self.name}={self.distribution!r}"
        if len(self.names) > 1:
            columns = (f"[{', '.join(map(repr, column))}]" for column in zip(*self.values, strict=True))
            return f"{self.name}=zip({', '.join(columns)})"
        inner = ", ".join(map(repr, self.values))
        return f"{self.name}=[{inner}]"


def _kind(values: Sequence[Any]) -> Kind:
    if not all(_is_number(value) for value in values):
        return "choice"
    if len(values) > 2 and all(value > 0 for value in values):
        ratio = values[1] / values[0]
        pairs = pairwise(values)
        if ratio != 1 and all(math.isclose(b / a, ratio, rel_tol=_RELATIVE) for a, b in pairs):
            return "geometric"
    step = values[1] - values[0]
    tolerance = _RELATIVE * max(abs(value) for value in values)
    pairs = pairwise(values)
    if step and all(abs(b - a - step) <= tolerance for a, b in pairs):
        return "integers" if all(isinstance(value, int) for value in values) else "linear"
    return "numbers"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _extreme(values: Sequence[Any], which: Callable[[Sequence[Any]], float]) -> float | None:
    return which(values) if values and all(_is_number(value) for value in values) else None


def plain(value: Any) -> Any:
    """Turn numpy's scalars and arrays, pandas' columns too, into Python's numbers and lists."""
    # numpy.float64 is a float: its text would be np.float64(0.1).
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "dtype") else value


def scalar(value: Any) -> Any:
    """Turn a numpy scalar, a tensor of one number too, into Python's number; an array stays what it is."""
    return plain(value) if getattr(value, "shape", None) == () else value
