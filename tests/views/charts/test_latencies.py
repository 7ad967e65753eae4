"""Latency against throughput."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from e2e_magic.views.charts.latencies import latency


def test_points_by_batch_size(latencies: pd.DataFrame) -> None:
    """Points stand at throughput and p50 in ms, in order of batch size, each named."""
    ax = latency(latencies.iloc[[2, 0, 1]])

    assert ax.lines[0].get_xdata().tolist() == [900, 2500, 3500]
    assert ax.lines[0].get_ydata() == pytest.approx([1, 3, 9])
    assert [text.get_text() for text in ax.texts] == ["batch 1", "batch 8", "batch 32"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("throughput (entries/s)", "latency (ms)")


def test_whisker_only_where_p99_is(latencies: pd.DataFrame) -> None:
    """Whiskers go from p50 to p99, and only where there were calls enough for a p99."""
    ax = latency(latencies)
    whiskers = [[round(y, 6) for _, y in segment] for segment in ax.collections[0].get_segments()]

    assert whiskers == [[1, 2], [3, 5]]
    assert ax.get_title("left") == "p50, whisker to p99; hollow: mean"


def test_mean_stands_in_hollow(latencies: pd.DataFrame) -> None:
    """Where there is no p50, the mean is drawn as a hollow point."""
    ax = latency(latencies)
    [hollow] = [line for line in ax.lines if line.get_markerfacecolor() == "none" and len(line.get_xdata())]

    assert hollow.get_xdata().tolist() == [3300]
    assert hollow.get_ydata() == pytest.approx([40])


def test_only_means(latencies: pd.DataFrame) -> None:
    """With means alone the chart says that they are means."""
    assert latency(latencies.assign(p50_s=np.nan, p99_s=np.nan)).get_title("left") == "mean"


def test_wide_span_is_logarithmic(latencies: pd.DataFrame) -> None:
    """A span of more than twentyfold gets a logarithmic axis with plain numbers on it."""
    ax = latency(latencies)
    texts = ax.yaxis.get_major_formatter().format_ticks(ax.yaxis.get_majorticklocs())

    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert {"1", "10"} <= set(texts)


def test_scenarios_are_named(latencies: pd.DataFrame) -> None:
    """Several scenarios have a legend with their names."""
    ax = latency(pd.concat([latencies, latencies.assign(scenario="_off$line$")]))

    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["single_stream", "_off$line$"]


def test_columns_may_be_missing() -> None:
    """Throughput and a mean are enough."""
    ax = latency(pd.DataFrame({"mean_s": [0.5], "throughput_per_s": [2.0]}))

    assert (ax.lines[0].get_xdata().tolist(), ax.lines[0].get_ydata().tolist()) == ([2.0], [500.0])


def test_nothing_to_place_is_said(latencies: pd.DataFrame) -> None:
    """Rows without throughput can't be placed: the chart says what is missing."""
    ax = latency(latencies.assign(throughput_per_s=np.nan))

    assert ax.texts[0].get_text() == "no latency:\nthroughput, p50 and mean are missing in every row"
