"""Curves of any length in bounded memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.measuring.sampler.buckets import BUCKETS, Buckets

values = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=400)


@given(values, st.integers(1, 8).map(lambda n: 2 * n))
def test_extremes_and_ends_are_kept(curve: list[float], most: int) -> None:
    """However much is thinned, every point is a sample; extremes, first and last are there."""
    buckets = Buckets(most)
    for t, value in enumerate(curve):
        buckets.add(float(t), value)
    times, kept = buckets.points()

    assert list(times) == sorted(set(times))
    assert all(curve[int(t)] == value for t, value in zip(times, kept, strict=True))
    assert (min(curve), max(curve)) == (min(kept), max(kept))
    assert (0.0, len(curve) - 1.0, curve[0], curve[-1]) == (times[0], times[-1], kept[0], kept[-1])
    assert len(kept) <= 2 * most + 4


@given(values)
def test_a_short_curve_is_kept_as_it_is(curve: list[float]) -> None:
    """Below the bound nothing is thinned."""
    buckets = Buckets()
    for t, value in enumerate(curve):
        buckets.add(float(t), value)

    assert (list(map(float, range(len(curve)))), curve) == tuple(map(list, buckets.points()))


def test_a_spike_is_kept_after_an_hour_in_bounded_memory() -> None:
    """An hour at 100 Hz keeps a spike of one sample with its time, in less than half a MiB."""
    buckets = Buckets()
    tracemalloc.start()
    for i in range(360_000):
        buckets.add(i / 100, 900.0 if i == 123_457 else 100.0 + i % 7)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    times, kept = buckets.points()

    assert kept[times.index(1234.57)] == 900.0
    assert len(kept) <= 2 * BUCKETS + 2
    assert size < 2**19


def test_no_samples_no_points() -> None:
    """An empty curve has no first and no last point."""
    assert tuple(map(list, Buckets().points())) == ([], [])


@pytest.mark.parametrize("most", [0, 1, 7])
def test_pairs_need_an_even_number(most: int) -> None:
    """Buckets are merged in pairs."""
    with pytest.raises(ValueError, match=f"^most must be an even number from 2, got {most}$"):
        Buckets(most)
