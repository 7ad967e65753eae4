from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived.pipeline import PipelineSummary, amdahl, summary


def test_the_bottleneck_in_words() -> None:
    """The longest stage, its share, and what twice its speed would gain (Amdahl)."""
    found = summary({"prepare": 1.0, "train": 8.0, "infer": 1.0})

    assert found.shares == {"prepare": 0.1, "train": 0.8, "infer": 0.1}
    assert found.bottleneck == "train"
    assert found.speedup_if_doubled == pytest.approx(10 / 6)
    assert found.sentence == (
        "train is the bottleneck: 8 s of 10 s (80 %). Twice as fast, it would make the whole "
        "1.67 times as fast (4 s less)"
    )


def test_one_stage_is_no_bottleneck() -> None:
    """There is nothing to compare it with; a stage without a time has no share."""
    found = summary({"train": 2.0, "infer": math.nan})

    assert found.sentence == "train is the only stage so far: 2 s"
    assert found.shares["train"] == 1.0
    assert math.isnan(found.shares["infer"])


@pytest.mark.parametrize("stages", [{}, {"train": math.nan}])
def test_without_times(stages: dict[str, float]) -> None:
    """Nothing measured has no bottleneck."""
    found = summary(stages)

    assert isinstance(found, PipelineSummary)
    assert (found.bottleneck, found.sentence) == (None, "no stage has been measured yet")
    assert all(math.isnan(share) for share in found.shares.values())


@given(st.dictionaries(st.text(max_size=5), st.floats(1e-6, 1e6), min_size=1, max_size=6))
def test_amdahl_is_what_halving_the_stage_gives(stages: dict[str, float]) -> None:
    """The gain is that of the pipeline with half the bottleneck's time; shares add up to the whole."""
    found = summary(stages)
    assert found.bottleneck is not None
    halved = {**stages, found.bottleneck: stages[found.bottleneck] / 2}

    assert sum(found.shares.values()) == pytest.approx(1)
    assert stages[found.bottleneck] == max(stages.values())
    assert found.speedup_if_doubled == pytest.approx(sum(stages.values()) / sum(halved.values()))


def test_the_limits_of_amdahls_law() -> None:
    """The whole made faster is all of the factor, none of it nothing."""
    assert amdahl(1.0, 2.0) == 2.0
    assert amdahl(0.0, 2.0) == 1.0
