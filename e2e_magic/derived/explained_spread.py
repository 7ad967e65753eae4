"""The share of a spread that one group of columns explains beyond others: size, interval, p-value."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

PERMUTATIONS = 999
_RESAMPLES = 499
# Of sums of squares and of shares: less is rounding.
_ROUNDING = 1e-12


def indicators(codes: NDArray[Any]) -> NDArray[Any]:
    """Return a column of 0 and 1 per level."""
    import numpy as np

    columns: NDArray[Any] = np.eye(int(codes.max()) + 1)[codes]
    return columns


def without_given(
    values: NDArray[Any], tested: NDArray[Any], given: Sequence[NDArray[Any]], seed: int
) -> tuple[float, float, float, float] | None:
    """Return the share of the values' spread that columns explain beyond the given ones.

    Parameters
    ----------
    values : array, shape (trials,)
    tested : array, shape (trials, columns)
    given : sequence of array, shape (trials, columns)
    seed : int

    Returns
    -------
    share, low, high, p_value : float
        As in `influence.influences`; None where the given columns leave nothing of the tested ones, or
        both together no trial to judge by, or no spread but that of rounding.
    """
    import numpy as np

    trials = len(values)
    values = values - values.mean()
    values = values / max(float(np.abs(values).max()), 1e-300)
    base = _basis(np.column_stack([np.ones(trials), *given]))
    extra = _basis(tested - base @ (base.T @ tested))
    df, left = extra.shape[1], trials - base.shape[1] - extra.shape[1]
    if not df or left < 1:
        return None
    total = float((values**2).sum())
    if not total:
        return None
    rest = values - base @ (base.T @ values)
    explained = extra @ (extra.T @ rest)
    noise = rest - explained
    share = _share((explained**2).sum(), (noise**2).sum(), total, df, left)
    orders, picks = _drawn(trials, seed)
    if float((rest**2).sum()) <= _ROUNDING * total:
        return 0.0, 0.0, 0.0, 1.0  # the given columns explain all of it

    def partial(residuals: NDArray[Any]) -> NDArray[Any]:
        """Return, of each row, the share of what the given columns leave that the tested ones explain."""
        by_extra = ((residuals @ extra) ** 2).sum(axis=1)
        left_over = (residuals**2).sum(axis=1) - ((residuals @ base) ** 2).sum(axis=1)
        shares: NDArray[Any] = by_extra / np.maximum(left_over, _ROUNDING * total)
        return shares

    least = partial(rest[None])[0] * (1 - 1e-9) - _ROUNDING  # a share that is 0 but for rounding is 0
    at_least = int((partial(rest[orders]) >= least).sum())
    p_value = (1 + at_least) / (1 + len(orders))

    spread = (noise - noise.mean()) * (trials / left) ** 0.5
    drawn = (values - noise) + spread[picks]
    drawn -= drawn.mean(axis=1, keepdims=True)
    by_extra = ((drawn @ extra) ** 2).sum(axis=1)
    of_noise = (drawn**2).sum(axis=1) - ((drawn @ base) ** 2).sum(axis=1) - by_extra
    of_all = (drawn**2).sum(axis=1)
    shares = _share(by_extra, of_noise, np.maximum(of_all, _ROUNDING * total), df, left)
    low, high = np.clip(np.quantile(shares, (0.025, 0.975)), 0, 1)
    share = min(max(float(share), 0.0), 1.0)
    return share, min(float(low), share), max(float(high), share), p_value


def _share(explained: Any, noise: Any, total: Any, df: int, left: int) -> Any:
    """Return epsilon squared."""
    return (explained - df * noise / left) / total


def _basis(columns: NDArray[Any]) -> NDArray[Any]:
    """Return orthonormal columns that span the same space."""
    import numpy as np

    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    kept: NDArray[Any] = left[:, sizes > 1e-9 * max(1.0, float(sizes.max(initial=0.0)))]
    return kept


@lru_cache(maxsize=2)
def _drawn(trials: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return orders of the trials, a row each, and resamples of them with replacement."""
    import numpy as np

    rng = np.random.default_rng((seed, trials))
    orders = rng.permuted(np.tile(np.arange(trials), (PERMUTATIONS, 1)), axis=1)
    return orders, rng.integers(0, trials, (_RESAMPLES, trials))
