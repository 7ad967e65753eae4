"""A parameter space: named axes, their combinations, and a text form that gives the space back.

An axis is a list of values or a distribution. Grid search walks every combination; random and tpe search
draw from each axis. numpy is imported only when the line asks for it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from e2e_magic.plan import PlanError

Kind = Literal[
    "fixed", "geometric", "linear", "integers", "numbers", "choice", "uniform", "loguniform", "randint"
]
# An axis of more values than this is a mistake (an endless generator, the data instead of a parameter).
MOST_VALUES = 100_000
_RELATIVE = 1e-6


class SpaceError(PlanError):
    """A space that can't be: names the parameter, what came and what is allowed."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Where values are drawn from: made by `uniform`, `loguniform` and `randint`.

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
    low, high = _python(low), _python(high)
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
        pairs = zip(values, values[1:], strict=False)
        if ratio != 1 and all(math.isclose(b / a, ratio, rel_tol=_RELATIVE) for a, b in pairs):
            return "geometric"
    step = values[1] - values[0]
    tolerance = _RELATIVE * max(abs(value) for value in values)
    pairs = zip(values, values[1:], strict=False)
    if step and all(abs(b - a - step) <= tolerance for a, b in pairs):
        return "integers" if all(isinstance(value, int) for value in values) else "linear"
    return "numbers"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _extreme(values: Sequence[Any], which: Callable[[Sequence[Any]], float]) -> float | None:
    return which(values) if values and all(_is_number(value) for value in values) else None


@dataclass(frozen=True, slots=True)
class Space:
    """Axes and all their combinations; the last axis changes fastest.

    Examples
    --------
    >>> space = Space.of({"lr": [0.1, 0.01], "batch_size": (16, 32), "epochs": 5})
    >>> space.size
    4
    >>> next(space.grid())
    {'lr': 0.1, 'batch_size': 16, 'epochs': 5}
    >>> str(space)
    'lr=[0.1, 0.01] batch_size=[16, 32] epochs=[5]'
    """

    axes: tuple[Axis, ...] = ()

    def __post_init__(self) -> None:
        for n, name in enumerate(self.names):
            if not name.isidentifier():
                raise SpaceError(f"parameter: {name!r} is no name for a variable, such as lr or batch_size")
            if name in self.names[:n]:
                raise SpaceError(f"{name}: this parameter is given twice; give all its values at once")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all parameters, in order."""
        return tuple(name for axis in self.axes for name in axis.names)

    @property
    def size(self) -> int | None:
        """How many combinations there are; None where a parameter is drawn from a distribution."""
        counts = [axis.count for axis in self.axes]
        return None if None in counts else math.prod(count for count in counts if count is not None)

    def grid_size(self) -> int:
        """Return how many combinations a grid has.

        Raises
        ------
        SpaceError
            If a parameter is drawn from a distribution: it has no end.
        """
        for axis in self.axes:
            if axis.distribution:
                raise SpaceError(
                    f"{axis.name}: a grid needs a list of values, got {axis.distribution!r}; "
                    f"try --search random, or values such as {_listed(axis.distribution)}"
                )
        return math.prod(len(axis.values) for axis in self.axes)

    def grid(self) -> Iterator[dict[str, Any]]:
        """Yield every combination once, the last axis fastest."""
        for index in range(self.grid_size()):
            yield self.combination(index)

    def combination(self, index: int) -> dict[str, Any]:
        """Return the combination with this number, from 0, of the grid."""
        places = []
        for axis in reversed(self.axes):
            index, place = divmod(index, len(axis.values))
            places.append(place)
        found: dict[str, Any] = {}
        for axis, place in zip(self.axes, reversed(places), strict=True):
            found |= axis.at(place)
        return found

    def shuffled(self, seed: int) -> Iterator[dict[str, Any]]:
        """Yield every combination of the grid once, in an order that the seed decides."""
        size = self.grid_size()
        for index in random.Random(f"shuffle {seed}").sample(range(size), size):  # noqa: S311 - no secret
            yield self.combination(index)

    def drawn(self, seed: int) -> Iterator[dict[str, Any]]:
        """Yield random combinations: without end, or where all axes are lists each of them once."""
        if self.size is not None:
            yield from self.shuffled(seed)
            return
        source = random.Random(f"draw {seed}")  # noqa: S311 - no secret
        while True:
            found: dict[str, Any] = {}
            for axis in self.axes:
                found |= axis.draw(source)
            yield found

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Space:
        """Make a space of values by name; a name may be ``"lr, batch_size"`` for zipped ones.

        Parameters
        ----------
        parameters : mapping of str to values
            A list, tuple, range, array, generator or distribution; anything else, a text and a mapping
            too, is one fixed value.

        Raises
        ------
        SpaceError
            Names the parameter, what came and what is allowed.
        """
        return cls(tuple(_axis(names, values) for names, values in parameters.items()))

    @classmethod
    def parse(
        cls,
        words: str | Sequence[str],
        evaluate: Callable[[str, Mapping[str, Any]], Any] | None = None,
    ) -> Space:
        """Read ``NAME=VALUES`` words, as on the line of ``%%e2esweep``.

        Parameters
        ----------
        words : str or sequence of str
            One word per parameter, or a whole text of them.
        evaluate : callable, optional
            ``(expression, helpers) -> values``: evaluates Python where the helpers
            (`linspace`, `uniform` ..) come first. Python without the user's names, when left out.

        Raises
        ------
        SpaceError
            Names the parameter, what came and what is allowed.
        """
        evaluate = evaluate or _evaluate
        helpers = dict(HELPERS)
        axes = []
        for word in _split(words) if isinstance(words, str) else words:
            names, _, values = word.partition("=")
            if not names.strip() or not values.strip():
                raise SpaceError(f"parameters: expected NAME=VALUES such as lr=0.1,0.01, got {word!r}")
            try:
                found = evaluate(values.strip(), helpers)
            except SpaceError as error:
                raise SpaceError(f"{names.strip()}: {error}") from None
            except SyntaxError as error:
                raise SpaceError(
                    f"{names.strip()}: {values.strip()!r} is no Python expression ({error.msg})"
                ) from None
            except Exception as error:  # the user's expression may fail in any way
                raise SpaceError(
                    f"{names.strip()}: {values.strip()!r} could not be evaluated "
                    f"({type(error).__name__}: {error})"
                ) from None
            axes.append(_axis(names, found))
        return cls(tuple(axes))

    def words(self) -> tuple[str, ...]:
        """Return a word per axis, as `parse` reads them."""
        return tuple(str(axis) for axis in self.axes)

    def __str__(self) -> str:
        return " ".join(self.words())


def _axis(names: str, values: Any) -> Axis:
    listed = tuple(part.strip() for part in names.strip().strip("()").split(",") if part.strip())
    label = names.strip()
    if isinstance(values, Distribution):
        if len(listed) > 1:
            raise SpaceError(f"{label}: zipped parameters need lists, got {values!r}; give each its own")
        return Axis(listed, distribution=values)
    if callable(values) and values in HELPERS.values():
        raise SpaceError(f"{label}: expected values, got the function itself; call it, {values.__name__}(..)")
    found = _listed_values(label, values)
    if not found:
        raise SpaceError(f"{label}: expected at least one value, got {values!r}")
    if len(listed) > 1:
        found = tuple(_row(label, listed, row) for row in found)
    return Axis(listed or ("",), found)


def _row(label: str, names: tuple[str, ...], row: Any) -> tuple[Any, ...]:
    if isinstance(row, str) or not isinstance(row, Iterable) or len(cells := tuple(row)) != len(names):
        raise SpaceError(
            f"{label}: expected {len(names)} values at a time, got {row!r}; "
            f"write {label}=zip([..], [..]) with a list per name"
        )
    return cells


def _listed_values(label: str, values: Any) -> tuple[Any, ...]:
    values = _python(values)
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        return (values,)
    if isinstance(values, set | frozenset):
        try:
            values = sorted(values)
        except TypeError:  # of several kinds: their text has an order
            values = sorted(values, key=repr)
    found = tuple(_python(value) for value in islice(values, MOST_VALUES + 1))
    if len(found) > MOST_VALUES:
        raise SpaceError(
            f"{label}: these are more than {MOST_VALUES:,} values; give fewer, "
            "or a distribution such as uniform(0, 1) with --search random"
        )
    return found


def _python(value: Any) -> Any:
    """Turn numpy's scalars and arrays, pandas' columns too, into Python's numbers and lists."""
    if isinstance(value, str | bytes | int | float | bool | complex | list | tuple | dict | range):
        # numpy.float64 is a float: its text would be np.float64(0.1).
        return value.item() if hasattr(value, "dtype") else value
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "dtype") else value


def _listed(distribution: Distribution) -> str:
    low, high = distribution.low, distribution.high
    if distribution.how == "randint":
        return f"range({low}, {int(high) + 1})"
    return f"{'geomspace' if distribution.how == 'loguniform' else 'linspace'}({low!r}, {high!r}, 5)"


def _numpy(name: str) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        import numpy as np

        return getattr(np, name)(*args, **kwargs).tolist()

    function.__name__ = function.__qualname__ = name
    return function


# What VALUES may call, before the user's own names: `uniform` on the line is never random's or numpy's.
HELPERS: Mapping[str, Any] = {
    **{name: _numpy(name) for name in ("linspace", "logspace", "geomspace", "arange")},
    "uniform": uniform,
    "loguniform": loguniform,
    "randint": randint,
    "choice": choice,
}


def _evaluate(expression: str, helpers: Mapping[str, Any]) -> Any:
    # repr writes nan and inf so.
    return eval(expression, {"nan": math.nan, "inf": math.inf, **helpers})  # noqa: S307 - the user's own line


def _split(text: str) -> list[str]:
    """Split a text at spaces outside of quotes and brackets."""
    words: list[str] = []
    word, depth, quote, escaped = "", 0, "", False
    for char in text:
        if escaped:
            escaped = False
        elif quote:
            escaped = char == "\\"
            if char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char.isspace() and not depth:
            words += [word] if word else []
            word = ""
            continue
        word += char
    return [*words, word] if word else words
