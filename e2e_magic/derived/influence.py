"""What parameters explain of a metric's spread over trials: each by itself, and each pair together."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from e2e_magic.derived.explained_spread import indicators, without_given

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_TRIALS = 4
LEAST_FOR_BINS = 8
# Of more parameters no pair is looked at: there would be hundreds.
MOST_IN_PAIRS = 8
_MOST_BINS = 10
_ONE_VALUE = "only one value was tried"


@dataclass(frozen=True, slots=True)
class Explained:
    """The share of a metric's spread that one parameter explains, or a pair beyond what both do alone.

    Attributes
    ----------
    params : tuple of str
        One name; of an interaction two.
    share, low, high : float
        Epsilon squared, 0 to 1, and its 95 % interval; NaN where `reason` says why.
    p_value : float
        How often chance alone explains as much, by permutation.
    levels, trials : int
        Distinct groups, and trials with a value.
    binned : bool
        The groups are bins of equal count over a parameter of many values.
    confounded : tuple of str
        Parameters that were changed together with this one: nothing tells them apart.
    reason : str
        Why there is no share; empty where there is one.
    """

    params: tuple[str, ...]
    share: float
    low: float
    high: float
    p_value: float
    levels: int
    trials: int
    binned: bool = False
    confounded: tuple[str, ...] = ()
    reason: str = ""


def influences(
    parameters: Mapping[str, Sequence[Any]],
    metric: Sequence[float],
    *,
    of: Collection[str] | None = None,
    seed: int = 0,
) -> list[Explained]:
    """Return the share of the metric's spread that each parameter explains, and each pair beyond both.

    Parameters
    ----------
    parameters : mapping of str to sequence
        Their values in each trial: numbers or anything else. None is a value as any other; NaN and pandas'
        NA leave the trial out of this parameter's share, as it lacks the parameter.
    metric : sequence of float
        As long; what is not finite leaves the trial out.
    of : collection of str, optional
        Only these parameters and pairs of them; the others are taken account of all the same.
    seed : int
        The same seed gives the same intervals and p-values.

    Returns
    -------
    list of Explained
        Each parameter, then each pair.

    Notes
    -----
    Epsilon squared (Kelley, An unbiased correlation ratio measure, PNAS 21, 1935) is eta squared without
    what chance explains: (SS - df * MSE) / SST, the adjusted R squared of a model of one parameter; below 0
    it counts as 0. MSE is what all parameters together leave over, and SS what a parameter explains beyond
    the others, so that a strong one doesn't hide a weak one. Of a balanced grid the shares are Sobol's
    indices of the first and, for pairs, of the second order.

    The p-value permutes what the other parameters leave over (Freedman and Lane, A nonstochastic
    interpretation of reported significance levels, Journal of Business & Economic Statistics 1, 1983; for
    one parameter this is the exact permutation test). The interval is a bootstrap of the residuals (Efron,
    1979); with fewer than about 20 trials it is rough.

    A parameter with about as many values as trials, as a random search leaves, is cut into up to 10 bins of
    equal count by rank, and more coarsely for a pair whose cells would have fewer than two trials. It says
    what goes along with what in these trials, not what causes it, nor anything of values that were not
    tried.
    """
    import numpy as np

    values = np.asarray([float(value) for value in metric], dtype=float)
    finite = np.isfinite(values)
    axes = {name: _Axis.of(cells, finite) for name, cells in parameters.items()}
    asked = [name for name in axes if of is None or name in of]
    found = [_alone(name, axes, values, seed) for name in asked]
    usable = [name for name in asked if not axes[name].reason]
    if len(usable) <= MOST_IN_PAIRS:
        pairs = (_together(a, b, axes, values, seed) for a, b in combinations(usable, 2))
        found += [pair for pair in pairs if pair is not None]
    return found


@dataclass(frozen=True, slots=True)
class _Axis:
    """A parameter: in which trials it has a value, their levels, and why it can't explain anything."""

    there: NDArray[Any]
    codes: NDArray[Any]  # of those trials
    coarse: NDArray[Any]  # likewise, for pairs of which most cells have one trial
    levels: int
    binned: bool
    reason: str

    @classmethod
    def of(cls, parameter: Sequence[Any], finite: NDArray[Any]) -> _Axis:
        import numpy as np

        there = finite & ~np.array([_absent(value) for value in parameter], dtype=bool)
        cells = [value for value, kept in zip(parameter, there, strict=True) if kept]
        codes, levels, binned, reason = _levels(cells)
        coarse = codes if reason else _coarse(cells, codes)
        return cls(there, codes, coarse, levels, binned, reason)

    def within(self, rows: NDArray[Any], *, coarse: bool = False) -> NDArray[Any]:
        """Return the levels in some of its trials, as numbers from 0."""
        import numpy as np

        codes = self.coarse if coarse else self.codes
        return np.unique(codes[rows[self.there]], return_inverse=True)[1]


def _alone(name: str, axes: Mapping[str, _Axis], values: NDArray[Any], seed: int) -> Explained:
    axis = axes[name]
    rows = axis.there
    trials, some = int(rows.sum()), values[rows]
    reason = axis.reason or ("the metric is the same in all trials" if some.max() == some.min() else "")
    if reason:
        nothing = (math.nan,) * 4
        return Explained((name,), *nothing, axis.levels, trials, axis.binned, (), reason)
    codes = axis.within(rows)
    others = _beside((name,), axes, rows)
    confounded = tuple(other for other, levels in others.items() if _determined(codes, levels))
    given = [levels for other, levels in others.items() if other not in confounded]
    effect = without_given(some, indicators(codes), [indicators(levels) for levels in given], seed)
    if effect is None:  # more levels than trials: by itself
        effect = without_given(some, indicators(codes), [], seed)
    if effect is None:
        text = "nothing tells its values apart from the other parameters': add trials"
        return Explained((name,), *(math.nan,) * 4, axis.levels, trials, axis.binned, confounded, text)
    return Explained((name,), *effect, axis.levels, trials, axis.binned, confounded)


def _together(a: str, b: str, axes: Mapping[str, _Axis], values: NDArray[Any], seed: int) -> Explained | None:
    """Return what a pair explains beyond both; None where one determines the other, or no trial has both."""
    rows = axes[a].there & axes[b].there
    some = values[rows]
    if not len(some) or some.max() == some.min():
        return None
    first, second = axes[a].within(rows), axes[b].within(rows)
    if min(first.max(), second.max()) < 1 or _determined(first, second):
        return None
    cells = _cells(first, second)
    if 2 * (cells.max() + 1) > len(some):
        cells = _cells(*(axes[name].within(rows, coarse=True) for name in (a, b)))
    given = [first, second, *_beside((a, b), axes, rows).values()]
    effect = without_given(some, indicators(cells), [indicators(levels) for levels in given], seed)
    binned = axes[a].binned or axes[b].binned
    levels, trials = int(cells.max()) + 1, len(some)
    if effect is None:
        text = "whether one depends on the other can't be told: add repeats"
        return Explained((a, b), *(math.nan,) * 4, levels, trials, binned, (), text)
    return Explained((a, b), *effect, levels, trials, binned)


def _beside(names: Collection[str], axes: Mapping[str, _Axis], rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the levels of the other parameters that all these trials have and that vary."""
    others = {
        name: axis.within(rows)
        for name, axis in axes.items()
        if name not in names and not axis.reason and bool(axis.there[rows].all())
    }
    return {name: levels for name, levels in others.items() if levels.max() > 0}


def _cells(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Return the levels of two parameters together, numbered from 0."""
    import numpy as np

    return np.unique(first * (int(second.max()) + 1) + second, return_inverse=True)[1]


def _determined(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Return whether the levels of one follow from those of the other."""
    return bool(_cells(first, second).max() == max(first.max(), second.max()))


def _absent(value: Any) -> bool:
    return (isinstance(value, float) and math.isnan(value)) or type(value).__name__ in ("NAType", "NaTType")


def _levels(cells: Sequence[Any]) -> tuple[NDArray[Any], int, bool, str]:
    """Return each trial's level, the number of levels, whether they are bins, and why there is no share."""
    import numpy as np

    trials = len(cells)
    numeric = _numeric(cells)
    # Lists and dicts can't be keys; their text can.
    keys = [float(cell) if numeric and cell is not None else repr(cell) for cell in cells]
    names = {key: n for n, key in enumerate(sorted(set(keys), key=lambda key: (str(type(key)), key)))}
    codes = np.array([names[key] for key in keys], dtype=np.int64)
    levels = len(names)
    if levels < 2:
        return codes, levels, False, _ONE_VALUE if levels else "no trial has both"
    if trials < LEAST_TRIALS:
        return codes, levels, False, f"too few trials: {trials}, at least {LEAST_TRIALS} are needed"
    if 2 * levels <= trials:
        return codes, levels, False, ""
    numbers = sum(cell is not None for cell in cells)
    if not numeric or numbers < LEAST_FOR_BINS:
        return codes, levels, False, "most values were tried once: add repeats, or more trials"
    codes = _bins(cells, min(_MOST_BINS, max(2, min(5, numbers // 5), numbers // 10)))
    return codes, int(codes.max()) + 1, True, ""


def _numeric(cells: Sequence[Any]) -> bool:
    import numpy as np

    return all(
        isinstance(cell, int | float | np.number) and not isinstance(cell, bool)
        for cell in cells
        if cell is not None
    )


def _bins(cells: Sequence[Any], bins: int) -> NDArray[Any]:
    """Cut numbers by rank into bins of about equal count; None has one of its own."""
    import numpy as np

    none = np.array([cell is None for cell in cells], dtype=bool)
    numbers = np.array([cell for cell in cells if cell is not None], dtype=float)
    ordered = np.sort(numbers)
    # Equal values always together.
    edges = np.unique(ordered[[len(numbers) * n // bins for n in range(1, bins)]])
    codes = np.full(len(cells), -1, dtype=np.int64)
    codes[~none] = np.searchsorted(edges, numbers, side="right")
    return np.unique(codes, return_inverse=True)[1]


def _coarse(cells: Sequence[Any], codes: NDArray[Any]) -> NDArray[Any]:
    """Return levels so few that a pair of such parameters has about four trials in each cell."""
    few = max(2, math.isqrt(len(cells) // 4))
    if codes.max() < few or not _numeric(cells) or all(cell is None for cell in cells):
        return codes
    return _bins(cells, few)
