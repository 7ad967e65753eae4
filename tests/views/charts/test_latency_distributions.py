"""The distribution of single calls."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from e2e_magic.views.charts.latency_distributions import EMPTY, latency_distribution


def _frame(calls: int, *trials: int, slow: float = 0.5) -> pd.DataFrame:
    laps = np.linspace(1e-3, 2e-3, calls)
    laps[-1] = slow
    parts = [
        pd.DataFrame(
            {"run": "a", "stage": "infer", "trial": trial, "calls": calls,
             "share": np.linspace(0, 1, calls), "latency_s": laps}
        )
        for trial in trials
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_the_tail_is_drawn_out() -> None:
    """90 and 99 % are one apart, latencies are in ms, and the p99 is marked and said."""
    ax = latency_distribution(_frame(1001, 1))
    line, marks = ax.lines

    assert marks.get_xdata() == pytest.approx([np.log10(2), 1, np.log10(20), 2])
    assert marks.get_ydata() == pytest.approx([1.5, 1.9, 1.95, 1.99])
    assert line.get_ydata()[-1] == pytest.approx(500)
    assert ax.get_title("left") == "p50 1.5 ms   p99 1.99 ms"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "50", "90", "99", "99.9"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("share of calls that took less (%)", "latency (ms)")
    assert ax.get_yscale() == "log"


def test_no_mark_from_too_few_calls() -> None:
    """Two hundred calls have a p95 and no p99, as on the card; one call has none of them."""
    assert latency_distribution(_frame(200, 1)).get_title("left") == "p50 1.5 ms   p95 1.95 ms"
    assert latency_distribution(_frame(1, 1)).get_title("left") == "too few calls for p50"


def test_several_trials_are_named() -> None:
    """A legend tells them apart; nine and more are counted."""
    names = [text.get_text() for text in latency_distribution(_frame(30, 1, 2)).get_legend().get_texts()]
    many = [text.get_text() for text in latency_distribution(_frame(30, *range(10))).get_legend().get_texts()]

    assert names == ["trial 1", "trial 2"]
    assert many[-1] == "and 2 more"


def test_nothing_to_draw_is_said() -> None:
    """With what to write on the line."""
    ax = latency_distribution(pd.DataFrame({"share": [], "latency_s": [], "calls": []}))

    assert ax.texts[0].get_text().replace("\n", " ") == EMPTY
