"""How much of a metric's spread over trials goes along with each parameter."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_TRIALS = 4
LEAST_FOR_BINS = 8
_MOST_BINS = 5
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Explained:
    """The share of a metric's spread that one parameter explains.

    Attributes
    ----------
    share, low, high : float
        Eta squared, 0 to 1, and its 95 % bootstrap interval; NaN where `reason` says why.
    chance : float
        What a parameter without any effect would explain on average with so many levels and trials.
    levels, trials : int
        Groups that were told apart, and trials with a value.
    binned : bool
        The groups are bins of equal count over a parameter of many values.
    reason : str
        Why there is no share; empty where there is one.
    """

    share: float
    low: float
    high: float
    chance: float
    levels: int
    trials: int
    binned: bool
    reason: str = ""


def explained(parameter: Sequence[Any], metric: Sequence[float], *, seed: int = 0) -> Explained:
    """Return the share of the metric's spread that the parameter explains.

    Parameters
    ----------
    parameter : sequence
        Its value in each trial: numbers or anything else. None and NaN leave the trial out.
    metric : sequence of float
        As long; what is not finite leaves the trial out.
    seed : int
        The same seed gives the same interval.

    Notes
    -----
    Eta squared is the sum of squares between the parameter's levels over the total one (Fisher,
    Statistical Methods for Research Workers, 1925). A parameter with about as many values as trials, as
    a random search leaves, is cut into up to 5 bins of equal count by rank. It says what goes along
    with what in these trials; it is no statement about causes, nor about values that were not tried.
    Without any effect eta squared is about (levels - 1) / (trials - 1), given as ``chance``. The
    interval resamples trials, bias-corrected (Efron, Better bootstrap confidence intervals, 1987); with
    fewer than about 20 trials it is rough.
    """
    import numpy as np

    values = np.asarray([float(value) for value in metric], dtype=float)
    keep = [n for n, value in enumerate(parameter) if not _absent(value) and math.isfinite(values[n])]
    cells, values = [parameter[n] for n in keep], values[keep]
    trials = len(keep)
    codes, levels, binned, reason = _levels(cells)
    if not reason and values.max() == values.min():
        reason = "the metric is the same in all trials"
    if reason:
        return Explained(math.nan, math.nan, math.nan, math.nan, levels, trials, binned, reason)
    values = (values - values.mean()) / max(float(np.abs(values - values.mean()).max()), 1e-300)
    share = float(_eta_squared(codes[None, :], values[None, :], levels)[0])
    picks = np.random.default_rng(seed).integers(0, trials, (_RESAMPLES, trials))
    drawn = _eta_squared(codes[picks], values[picks], levels)
    low, high = _bias_corrected(drawn[np.isfinite(drawn)], share)
    return Explained(share, low, high, (levels - 1) / (trials - 1), levels, trials, binned)


def _absent(value: Any) -> bool:
    return (
        value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ == "NAType"
    )


def _levels(cells: Sequence[Any]) -> tuple[NDArray[Any], int, bool, str]:
    """Return each trial's level, how many there are, whether they are bins, and what speaks against it."""
    import numpy as np

    trials = len(cells)
    numeric = all(isinstance(cell, int | float | np.number) and not isinstance(cell, bool) for cell in cells)
    # Lists and dicts are no keys: their text is.
    keys = [float(cell) if numeric else repr(cell) for cell in cells]
    names = {key: n for n, key in enumerate(sorted(set(keys), key=lambda key: (str(type(key)), key)))}
    codes = np.array([names[key] for key in keys], dtype=np.int64)
    levels = len(names)
    if levels < 2:
        return codes, levels, False, "only one value was tried" if levels else "no trial has both"
    if trials < LEAST_TRIALS:
        return codes, levels, False, f"too few trials: {trials}, at least {LEAST_TRIALS} are needed"
    if 2 * levels <= trials:
        return codes, levels, False, ""
    if not numeric or trials < LEAST_FOR_BINS:
        return codes, levels, False, "most values were tried once: add repeats, or more trials"
    bins = min(_MOST_BINS, max(2, trials // 5))
    # By rank, and equal values always together.
    ordered = np.sort(np.asarray(keys, dtype=float))
    edges = np.unique(ordered[[trials * n // bins for n in range(1, bins)]])
    codes = np.searchsorted(edges, np.asarray(keys, dtype=float), side="right")
    _, codes = np.unique(codes, return_inverse=True)
    return codes, int(codes.max()) + 1, True, ""


def _eta_squared(codes: NDArray[Any], values: NDArray[Any], levels: int) -> NDArray[Any]:
    """Return eta squared of each row; NaN where all its values are alike."""
    import numpy as np

    centred = values - values.mean(axis=1, keepdims=True)
    total = (centred**2).sum(axis=1)
    between = np.zeros(len(values))
    for level in range(levels):
        there = codes == level
        count = there.sum(axis=1)
        summed = np.where(there, centred, 0.0).sum(axis=1)
        between += np.where(count > 0, summed**2 / np.maximum(count, 1), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share: NDArray[Any] = np.where(total > 1e-24, np.clip(between / total, 0.0, 1.0), np.nan)
    return share


def _bias_corrected(drawn: NDArray[Any], share: float) -> tuple[float, float]:
    import numpy as np

    if len(drawn) < 2:
        return math.nan, math.nan
    normal = statistics.NormalDist()
    below = float(np.mean(drawn < share) + 0.5 * np.mean(drawn == share))
    # Of an effect near 0 nearly all resamples lie above it: no further than what 2,000 of them can tell.
    shift = normal.inv_cdf(min(max(below, 1 / len(drawn)), 1 - 1 / len(drawn)))
    ends = [normal.cdf(2 * shift + normal.inv_cdf(q)) for q in (0.025, 0.975)]
    low, high = np.quantile(drawn, ends)
    return min(float(low), share), max(float(high), share)
