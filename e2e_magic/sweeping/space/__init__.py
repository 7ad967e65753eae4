"""A parameter space: named axes, their combinations, and a text form that can be parsed again.

Input: names with values or distributions. Output: combinations, in the order that a search walks them.

Grid search walks every combination; random and tpe search draw from each axis.
"""

from __future__ import annotations

import keyword
import math
import random
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from e2e_magic.sweeping.space.axes import (
    Axis,
    Distribution,
    SpaceError,
    choice,
    loguniform,
    plain,
    randint,
    scalar,
    uniform,
)

__all__ = [
    "HELPERS",
    "Axis",
    "Distribution",
    "Space",
    "SpaceError",
    "choice",
    "loguniform",
    "randint",
    "uniform",
]

# An axis of more values than this is a mistake (an endless generator, the data instead of a parameter).
MOST_VALUES = 100_000


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
            if not name.isidentifier() or keyword.iskeyword(name):
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
        combination: dict[str, Any] = {}
        for axis, place in zip(self.axes, reversed(places), strict=True):
            combination |= axis.at(place)
        return combination

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
            combination: dict[str, Any] = {}
            for axis in self.axes:
                combination |= axis.draw(source)
            yield combination

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
                evaluated = evaluate(values.strip(), helpers)
            except SpaceError as error:
                raise SpaceError(f"{names.strip()}: {error}") from None
            except SyntaxError as error:
                raise SpaceError(
                    f"{names.strip()}: {values.strip()!r} is no Python expression ({error.msg})"
                ) from None
            except Exception as error:  # noqa: BLE001 - the user's expression may fail in any way
                raise SpaceError(
                    f"{names.strip()}: {values.strip()!r} could not be evaluated "
                    f"({type(error).__name__}: {error})"
                ) from None
            axes.append(_axis(names, evaluated))
        return cls(tuple(axes))

    def words(self) -> tuple[str, ...]:
        """Return a word per axis, as `parse` reads them."""
        return tuple(str(axis) for axis in self.axes)

    def __str__(self) -> str:
        return " ".join(self.words())


def _axis(names: str, values: Any) -> Axis:
    # As Python reads names: the micro sign and the Greek letter are one.
    parts = unicodedata.normalize("NFKC", names).strip().strip("()").split(",")
    listed = tuple(part.strip() for part in parts if part.strip())
    label = names.strip()
    if isinstance(values, Distribution):
        if len(listed) > 1:
            raise SpaceError(f"{label}: zipped parameters need lists, got {values!r}; give each its own")
        return Axis(listed, distribution=values)
    if callable(values) and values in HELPERS.values():
        raise SpaceError(f"{label}: expected values, got the function itself; call it, {values.__name__}(..)")
    listed_values = _listed_values(label, values)
    if not listed_values:
        raise SpaceError(f"{label}: expected at least one value, got {values!r}")
    if len(listed) > 1:
        listed_values = tuple(_row(label, listed, row) for row in listed_values)
    return Axis(listed or ("",), listed_values)


def _row(label: str, names: tuple[str, ...], row: Any) -> tuple[Any, ...]:
    if (
        isinstance(row, str)
        or not isinstance(row, Iterable)
        or len(cells := tuple(map(scalar, row))) != len(names)
    ):
        raise SpaceError(
            f"{label}: expected {len(names)} values at a time, got {row!r}; "
            f"write {label}=zip([..], [..]) with a list per name"
        )
    return cells


def _listed_values(label: str, values: Any) -> tuple[Any, ...]:
    values = plain(values)
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        return (values,)
    if isinstance(values, set | frozenset):
        try:
            values = sorted(values)
        except TypeError:  # of several kinds: their text has an order
            values = sorted(values, key=repr)
    listed = tuple(scalar(value) for value in islice(values, MOST_VALUES + 1))
    if len(listed) > MOST_VALUES:
        raise SpaceError(
            f"{label}: these are more than {MOST_VALUES:,} values; give fewer, "
            "or a distribution such as uniform(0, 1) with --search random"
        )
    return listed


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
