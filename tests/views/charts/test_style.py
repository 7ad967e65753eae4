"""Colours, words and numbers of charts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from e2e_magic.views.charts import style
from e2e_magic.views.charts.lines import finite, thin


def contrast(one: str, other: str) -> float:
    """WCAG 2.1 contrast ratio of two colours."""
    light = []
    for colour in (one, other):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        light.append(float(np.dot((0.2126, 0.7152, 0.0722), linear)) + 0.05)
    return max(light) / min(light)


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_readable_on_both_pages(page: str) -> None:
    """Data colours have a contrast of 3:1 and text one of 4:1, on a white and a dark page."""
    assert all(contrast(colour, page) >= 3 for colour in style.PALETTE)
    assert contrast(style.INK, page) >= 4


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("peak_rss_mib", "peak RSS (MiB)"),
        ("wall_time_s", "wall time (s)"),
        ("cpu_percent_now", "CPU (%)"),
        ("package_power_w", "package power (W)"),
        ("throughput_per_s", "throughput (entries/s)"),
        ("disk_queue_ms", "disk queue (ms)"),
        ("loss", "loss"),
        ("val_loss", "val loss"),
    ],
)
def test_label(metric: str, expected: str) -> None:
    """An axis is labelled in words with the unit."""
    assert expected == style.label(metric)


def test_declared_unit_wins() -> None:
    """A unit that the frame declares goes before the one that the name ends with."""
    assert style.unit_of("queue_s", {"queue_s": "reqs"}) == "reqs"


def test_ticks_are_written_out() -> None:
    """Ticks have no offset, no powers of ten, and their thousands apart."""
    ax = style.figure(400, 200).add_subplot()
    ax.set_ylim(1_000_000, 1_000_004)
    style.plain_ticks(ax.yaxis, 4)
    texts = ax.yaxis.get_major_formatter().format_ticks(ax.yaxis.get_majorticklocs())

    assert "1,000,001" in texts
    assert ax.yaxis.get_major_formatter().get_offset() == ""


@given(st.text())
def test_literal_is_one_line(text: str) -> None:
    """Any text becomes one line without control characters, as long as it was."""
    shown = style.literal(text)

    assert len(text) == len(shown)
    assert shown == shown.replace("\n", "").replace("\t", "").replace("\r", "")


lines = st.integers(1, 400).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 1e6), min_size=n, max_size=n).map(sorted),
        st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=n, max_size=n),
    )
)


@given(lines, st.integers(1, 20))
def test_thin_keeps_extremes(line: tuple[list[float], list[float]], bins: int) -> None:
    """A thinned line has the first, last, least and greatest point, in order, of the points given."""
    x, y = np.array(line[0]), np.array(line[1])
    thin_x, thin_y = thin(x, y, bins)

    assert set(zip(thin_x, np.nan_to_num(thin_y, nan=7e9), strict=True)) <= set(
        zip(x, np.nan_to_num(y, nan=7e9), strict=True)
    )
    assert (np.diff(thin_x) >= 0).all()
    assert (thin_x[0], thin_x[-1]) == (x[0], x[-1])
    if not np.isnan(y).all():
        assert (np.nanmin(thin_y), np.nanmax(thin_y)) == (np.nanmin(y), np.nanmax(y))
    if x[-1] > x[0]:
        assert len(thin_x) <= 4 * bins


def test_thin_keeps_a_spike_in_a_million() -> None:
    """Among a million points one that stands out is kept, at its place."""
    x, y = np.arange(1e6), np.zeros(10**6)
    y[123_456] = 1
    thin_x, thin_y = thin(x, y, 500)

    assert thin_x[thin_y == 1].tolist() == [123_456]
    assert len(thin_x) <= 2000


def test_finite() -> None:
    """What is no finite number becomes NaN."""
    assert np.array_equal([1, np.nan, np.nan, 2.5], finite([1, "x", float("inf"), "2.5"]), equal_nan=True)


def test_png_has_two_pixels_per_css_pixel() -> None:
    """A PNG is rendered for sharp displays and leaves the figure as it was."""
    figure = style.figure(300, 120)
    image = style.png(figure)

    assert (int.from_bytes(image[16:20]), int.from_bytes(image[20:24])) == (600, 240)
    assert style.size_px(figure) == (300, 120)
    assert figure.dpi == style.CSS_DPI
