"""The points that nothing beats."""

from __future__ import annotations

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived.pareto import unbeaten

Better = Literal["lower", "higher"]
NUMBER = st.integers(0, 6) | st.just(math.nan)
POINTS = st.integers(2, 4).flatmap(
    lambda size: st.tuples(
        st.lists(st.tuples(*[NUMBER] * size), max_size=12),
        st.tuples(*[st.sampled_from(["lower", "higher"])] * size),
    )
)


@given(POINTS)
def test_a_point_is_unbeaten_if_no_other_beats_it(
    drawn: tuple[list[tuple[float, ...]], tuple[Better, ...]],
) -> None:
    """Compared with every other point, one by one: as good in all and better in one beats."""
    points, better = drawn
    signs = [1 if one == "lower" else -1 for one in better]
    signed = [tuple(sign * value for sign, value in zip(signs, point, strict=True)) for point in points]

    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return all(a <= b for a, b in zip(one, other, strict=True)) and one != other

    expected = [
        all(math.isfinite(v) for v in point) and not any(beats(other, point) for other in signed)
        for point in signed
    ]
    columns = [[point[n] for point in points] for n in range(len(better))]

    assert expected == unbeaten(columns, better)


def test_equal_points_are_unbeaten_together() -> None:
    """Two settings with the same cost and gain are both worth knowing."""
    assert unbeaten([[1, 1, 2], [5, 5, 5]], ["lower", "higher"]) == [True, True, False]
    assert unbeaten([[], [], []], ["lower"] * 3) == []


def test_lengths_must_agree() -> None:
    """Said in words."""
    with pytest.raises(ValueError, match=r"^unbeaten: expected metrics of one length, got 1, 2$"):
        unbeaten([[1], [1, 2]], ["lower", "higher"])
