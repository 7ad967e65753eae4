"""The same code against itself: what is counted, and that it is said."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import e2e_magic as e2e
from e2e_magic.derived.same_against_same import REPEATS, SameAgainstSame, drift_of, judged
from e2e_magic.session import Session
from e2e_magic.sweeping.order import blocks
from e2e_magic.views.trust_card import Trust

PAIRS = 60
TRUST = Trust(
    {"wall_time_s": SameAgainstSame(60, 20, 2, 0.042), "cpu_time_s": SameAgainstSame(60, 3, 3, 0.02)},
    seconds=20.0,
    trials=1200,
    trial_s=0.01,
    drift=0.08,
    empty_cell_s=5e-7,
    empty_cell_cost_s=4e-4,
    clock_step_s=4e-8,
    cpu_clock_step_s=1e-6,
    load=3.2,
    cores=2,
    waited=0.31,
)


def trials(spread: float, drift: float = 0.0) -> tuple[list[float], list[int]]:
    """Return times of the same code on a machine that drifts within each pair, and their sides in blocks."""
    rng = np.random.default_rng(5)
    within = np.tile(np.linspace(0, drift, 2 * REPEATS), PAIRS)
    times = np.exp(spread * rng.normal(size=PAIRS * 2 * REPEATS) + within)
    return times.tolist(), [side for n in range(PAIRS) for block in blocks(2, REPEATS, n) for side in block]


def test_a_drift_makes_differences_one_after_the_other_only() -> None:
    """The same trials serve both ways."""
    quiet, drifting = (judged(*trials(0.02, drift), "wall_time_s") for drift in (0.0, 0.2))

    assert quiet.pairs == drifting.pairs == PAIRS
    assert max(quiet.in_turn, quiet.in_blocks, drifting.in_blocks) <= 6
    assert drifting.in_turn >= 50
    assert drift_of([1.0] * 8 + [1.5] * 8) == 0.5
    assert math.isnan(drift_of([1.0] * 7))


def test_waiting_is_no_false_verdict() -> None:
    """As compare withdraws it."""
    values, sides = trials(0.02, 0.2)

    assert judged(values, sides, "wall_time_s", [0.5] * len(values)).in_turn == 0


@pytest.mark.parametrize("spread", [0.01, 0.05])
def test_the_smallest_difference_is_what_eight_of_ten_comparisons_see(spread: float) -> None:
    """One side multiplied by it is called different in 80 % of the pairs, by half of it in far fewer."""
    values, sides = trials(spread)
    smallest = judged(values, sides, "wall_time_s").smallest

    def seen(factor: float) -> float:
        slower = [value * (factor if side else 1.0) for value, side in zip(values, sides, strict=True)]
        return judged(slower, sides, "wall_time_s").in_blocks / PAIRS

    assert 0.65 <= seen(1 + smallest) <= 0.95
    assert seen(1 + smallest / 2) < 0.6
    assert smallest < 3 * spread


def test_few_pairs_say_no_smallest_difference() -> None:
    """And that it took too short."""
    values, sides = trials(0.02)
    short = judged(values[:50], sides[:40], "cpu_time_s")

    assert short.pairs == 2
    assert math.isnan(short.smallest)
    assert replace(TRUST, judged={"cpu_time_s": short}).verdict == (
        "too short to tell: 2 pairs, 5 are needed; give it more seconds, as in %e2e trust 60"
    )


def test_it_is_a_text_a_card_and_a_frame() -> None:
    """What is false, what can be seen, what a cell costs, the clocks, the load, and what follows."""
    assert repr(TRUST).splitlines() == [
        "trust: the same code against itself: 60 pairs of 10 and 10 repeats of 10 ms, in 20 s",
        "  metric     false one after the other  false in blocks      smallest seen",
        "  wall time  20 of 60 (23 to 46 %)      2 of 60 (1 to 11 %)  4.2 %",
        "  CPU time   3 of 60 (2 to 14 %)        3 of 60 (2 to 14 %)  2 %",
        "  false: pairs called different, and the 95 % interval of their share; smallest: the difference "
        "that 8 of 10 comparisons in blocks see",
        "  an empty cell reads 500 ns, and measuring it costs 400 µs",
        "  the clock steps by 40 ns, that of CPU time by 1 µs",
        "  load 3.2 on 2 cores; trials waited 31 % of their time for one",
        "  the machine got 8 % slower meanwhile",
        "  measured one after the other, differences in wall time can't be trusted here; measure in blocks: "
        "e2e.ab(f, g), or --order balanced and %e2e compare --by",
    ]
    page = TRUST._repr_html_()
    assert all(text in page for text in ("20 of 60", "4.2 %", "can&#x27;t be trusted here", "load 3.2"))
    frame = TRUST.frame
    assert frame["order"].tolist() == ["sequential", "balanced"] * 2
    assert frame["false_verdicts"].tolist() == [20, 2, 3, 3]
    assert frame.loc[1, "smallest_difference"] == 0.042
    noisy = replace(TRUST, judged={"cpu_time_s": SameAgainstSame(60, 20, 20, 0.1)})
    assert noisy.verdict.startswith("in CPU time this machine makes differences of nothing even in blocks")
    calm = replace(TRUST, judged={"cpu_time_s": SameAgainstSame(60, 2, 2, 0.1)}, load=None, drift=0.0)
    assert calm.verdict.startswith("no more false verdicts than chance gives")
    assert "load" not in repr(calm)


def test_it_is_measured_and_leaves_no_row(session: Session, shell: Any) -> None:
    """The line's value is the card; nothing of it is among the results."""
    found = shell.run_line_magic("e2e", "trust 1.5")

    assert re.match(r"trust: the same code against itself: \d+ pairs? of 10 and 10 repeats of ", repr(found))
    assert found.trials > 0
    assert found.judged.keys() <= {"wall_time_s", "cpu_time_s", "peak_rss_mib"}
    assert 0 < found.clock_step_s < 1e-3
    assert 0 < found.empty_cell_s < found.trial_s
    assert session.records == []


@pytest.mark.parametrize("seconds", [0, 0.5, -1, float("nan"), "20", None])
def test_a_wrong_time_is_said(seconds: Any) -> None:
    """Before anything runs."""
    with pytest.raises(e2e.PlanError, match=rf"^seconds: expected seconds, at least 1, got {seconds!r}$"):
        e2e.trust(seconds)
