"""Trials in time: what is compared block by block, and what is said of the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from e2e_magic.api.by_parameter import beside
from e2e_magic.record import Record
from e2e_magic.sweeping.order import arranged
from e2e_magic.views.comparison import Comparison
from e2e_magic.views.frames.interleaving import IN_BLOCKS, IN_TURN

START = datetime(2026, 8, 1, tzinfo=UTC)


def swept(order: str, repeats: int = 10, ratio: float = 1.0, drift: float = 0.5) -> list[Record]:
    """Return trials of old and new in an order, on a machine that gets slower by a share of `drift`."""
    rng = np.random.default_rng(1)
    places = list(arranged(order, 2, repeats, 1))
    repeat = [0, 0]
    made = []
    for n, place in enumerate(places):
        repeat[place] += 1
        wall = (1 + drift * n / len(places)) * (ratio if place else 1.0) * float(np.exp(0.01 * rng.normal()))
        made.append(
            Record(
                "r1", "infer", n + 1, repeat[place], "complete", START + timedelta(seconds=n), sweep="s",
                params={"model": "new" if place else "old"}, readings={"wall_time_s": wall},
            )
        )  # fmt: skip
    return made


def only(made: Comparison) -> dict[str, Any]:
    """Return the one row of a comparison."""
    [row] = made.frame.to_dict("records")
    return row


@pytest.mark.parametrize(
    ("order", "verdict", "said"),
    [
        ("balanced", "no difference seen", [IN_BLOCKS]),
        ("sequential", "slower", [IN_TURN]),
        ("shuffle", "no difference seen", []),
    ],
)
def test_a_drift_is_on_both_sides_of_a_block(order: str, verdict: str, said: list[str]) -> None:
    """The same cell twice on a machine that gets slower."""
    made = beside(swept(order), "model")

    assert (only(made)["baseline"], only(made)["run"]) == ("old", "new") or order == "shuffle"
    assert only(made)["verdict"] == verdict
    assert made.order == said
    assert ("exact Wilcoxon" in only(made)["test"]) == (order == "balanced")
    assert all(sentence in repr(made) for sentence in said)


def test_the_ratio_is_not_that_of_the_medians_which_drifted() -> None:
    """20 % slower on a machine that got three times slower meanwhile: word, amount and interval agree."""
    records = swept("balanced", 20, 1.2, 2.0)
    made = beside(records[:-1], "model")  # one block has lost a side

    assert only(made)["n"] == 19
    assert only(made)["ratio_low"] < 1.2 < only(made)["ratio_high"]
    assert only(made)["ratio_high"] - only(made)["ratio_low"] < 0.1
    assert f"new: infer {only(made)['ratio']:.3g}x slower" in repr(made)
    small = beside(swept("balanced", 20, 1.02, 2.0), "model", least="5%")
    assert only(small)["verdict"] == "no difference that matters"


def test_blocks_that_ran_side_by_side_are_none() -> None:
    """A block that begins before the one before it has all begun shares no drift of its own."""
    records = swept("balanced")
    at = [START + timedelta(seconds=n) for n in np.random.default_rng(0).permutation(len(records)).tolist()]

    assert beside([replace(r, started_at=t) for r, t in zip(records, at, strict=True)], "model").order == []


@pytest.mark.parametrize(("apart", "verdict"), [(0.0, "slower"), (0.3, "can't tell")])
def test_waiting_withdraws_a_verdict_of_blocks_only_where_it_differs(apart: float, verdict: str) -> None:
    """Both sides of a block waited for a core alike: their ratio is not what waiting made it."""
    records = []
    for record in swept("balanced", 10, 1.5):
        share = 0.4 + apart * (record.params["model"] == "new")
        wall = float(record.readings["wall_time_s"])
        records.append(replace(record, readings={"wall_time_s": wall, "waited_s": share * wall}))

    assert only(beside(records, "model", metric="wall_time_s"))["verdict"] == verdict


def test_the_drift_is_drawn_in_the_order_of_the_trials() -> None:
    """A line per side, each with its colour and shape, over 1 to the number of trials."""
    made = beside(swept("balanced"), "model")
    ax = made.plot("drift")
    lines = [line for line in ax.lines if len(line.get_xdata()) == 10]

    assert sorted(x for line in lines for x in line.get_xdata()) == list(range(1, 21))
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["old", "new"]
    assert ax.get_xlabel() == "order of measurement"
    assert made.html().count("<img") == 2
    assert beside(swept("sequential"), "model").html().count("<img") == 1
