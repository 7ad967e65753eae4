from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.sweeping.order import ORDERS, arranged, blocks


@given(order=st.sampled_from(ORDERS), count=st.integers(1, 7), repeats=st.integers(1, 9), seed=st.integers())
def test_every_order_has_each_combination_as_often_as_it_is_repeated(
    order: str, count: int, repeats: int, seed: int
) -> None:
    """And with one seed it is the same order."""
    places = list(arranged(order, count, repeats, seed))

    assert Counter(places) == dict.fromkeys(range(count), repeats)
    assert places == list(arranged(order, count, repeats, seed))


@given(count=st.integers(2, 7), repeats=st.integers(1, 9), seed=st.integers())
def test_blocks_have_each_order_as_often_as_its_mirror_image(count: int, repeats: int, seed: int) -> None:
    """So that over all blocks the places of each thing have one sum; the first block is as written."""
    made = blocks(count, repeats, seed)
    orders = Counter(map(tuple, made))
    unmatched = sum(max(0, n - orders[order[::-1]]) for order, n in orders.items())

    assert made[0] == list(range(count))
    assert all(sorted(block) == list(range(count)) for block in made)
    assert unmatched <= repeats % 2


def test_no_pattern_follows_from_the_block_before() -> None:
    """Either of two is first in about half of the blocks, whichever was first in the one before."""
    made = [blocks(2, 8, seed) for seed in range(200)]
    again = [one[0] == other[0] for each in made for one, other in pairwise(each)]

    assert 0.37 < sum(again) / len(again) < 0.5
