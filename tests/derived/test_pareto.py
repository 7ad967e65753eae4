"""The points that nothing beats."""

from __future__ import annotations

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived.pareto import unbeaten

Better = Literal["lower", "higher"]
POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6) | st.just(math.nan)), max_size=12)
DIRECTION = st.sampled_from(["lower", "higher"])


@given(POINTS, DIRECTION, DIRECTION)
def test_a_point_is_unbeaten_if_no_other_beats_it(
    points: list[tuple[float, float]], across: Better, up: Better
) -> None:
    """Compared with every other point, one by one: as good in both and better in one beats."""
    signs = [1 if one == "lower" else -1 for one in (across, up)]
    signed = [tuple(sign * value for sign, value in zip(signs, point, strict=True)) for point in points]

    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return one[0] <= other[0] and one[1] <= other[1] and one != other

    expected = [
        all(math.isfinite(v) for v in point) and not any(beats(other, point) for other in signed)
        for point in signed
    ]

    assert expected == unbeaten([x for x, _ in points], [y for _, y in points], across, up)


def test_equal_points_are_unbeaten_together() -> None:
    """Two settings with the same cost and gain are both worth knowing."""
    assert unbeaten([1, 1, 2], [5, 5, 5]) == [True, True, False]
    assert unbeaten([], []) == []


def test_lengths_must_agree() -> None:
    """Said in words."""
    with pytest.raises(ValueError, match=r"^unbeaten: expected as many x as y, got 1 and 2$"):
        unbeaten([1], [1, 2])
