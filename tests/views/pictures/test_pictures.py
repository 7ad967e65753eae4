"""Pictures: numbers in the right place, words for who can't see them, nothing foreign imported."""

from __future__ import annotations

import base64
import math
import re
import subprocess
import sys
from array import array
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.record import Events, Record, Series
from e2e_magic.text import distinct
from e2e_magic.views.pictures import svg
from e2e_magic.views.pictures.matrix import confusion
from e2e_magic.views.pictures.panel import COLUMNS, WIDTH_PX, Curve, Panel, draw, thin
from e2e_magic.views.pictures.strip import MOST_DOTS, strip
from e2e_magic.views.pictures.svg import BLUE, Picture, Scale, text_px, tick_texts, ticks
from e2e_magic.views.pictures.trial import pictures

FINITE = st.floats(-1e9, 1e9)


def elements(picture: Picture | None, tag: str) -> list[ET.Element]:
    """Return the elements of a picture by their tag: it must be well-formed XML."""
    assert picture is not None
    root = ET.fromstring(picture.svg())
    return list(root.iter(f"{{http://www.w3.org/2000/svg}}{tag}"))


def texts(picture: Picture | None) -> list[str]:
    """Return the words that stand in a picture."""
    return [element.text or "" for element in elements(picture, "text")]


def points(picture: Picture | None) -> list[tuple[float, float]]:
    """Return the points of the first line."""
    path = elements(picture, "polyline")[-1].get("points") or ""
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in path.split())]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, WCAG 2.1."""
    light = []
    for colour in (one, other):
        shares = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(light) / min(light)


def record(repeat: int = 1, **parts: Any) -> Record:
    """Return a finished trial."""
    return Record("r", "train", repeat, repeat, "complete", datetime.now(UTC), **parts)


@given(st.text(st.characters(codec=None)))
def test_any_text_leaves_the_picture_well_formed(words: str) -> None:
    """XML takes no control characters: a stage that holds one would cost the whole picture."""
    picture = Picture(10, 10, svg.text(0, 0, words), words)

    assert len(texts(picture)) == 1
    assert ET.fromstring(picture.svg())[0].tag.endswith("title")


@given(FINITE, st.floats(1e-6, 1e9), st.integers(2, 8))
def test_ticks_are_round_inside_and_few(low: float, span: float, most: int) -> None:
    """Ticks lie inside the range, in equal steps, two at least and hardly more than asked for."""
    high = low + span
    places = ticks(low, high, most)
    slack = 1e-6 * max(abs(low), abs(high), span)

    assert 2 <= len(places) <= 2 * most + 3
    assert all(low - slack <= place <= high + slack for place in places)
    steps = [b - a for a, b in pairwise(places)]
    assert max(steps) - min(steps) <= slack


def test_ticks_of_nothing() -> None:
    """A range without width has its one place, one without numbers none."""
    assert ticks(3, 3) == [3]
    assert ticks(math.nan, 1) == []


def test_tick_texts_tell_ticks_apart() -> None:
    """As many decimals as the step needs, thousands apart, no minus before 0."""
    assert tick_texts([0.0, 2.5, 5.0]) == ["0.0", "2.5", "5.0"]
    assert tick_texts([0.0, 500.0, 1000.0]) == ["0", "500", "1,000"]
    assert tick_texts([-0.0, 0.25]) == ["0.00", "0.25"]


@given(FINITE, FINITE, FINITE)
def test_a_scale_is_linear(low: float, high: float, value: float) -> None:
    """The ends go to the ends; a range without width puts everything in the middle."""
    scale = Scale(low, high, 10, 110)
    if low == high:
        assert scale(value) == 60
    elif abs(high - low) > 1e-3:
        assert scale(low) == pytest.approx(10)
        assert scale(high) == pytest.approx(110)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=2000))
def test_thinning_keeps_the_extremes(values: list[float]) -> None:
    """The smallest and the largest value stay, in their order, and few points are left."""
    kept = thin(range(len(values)), values)
    good = [value for value in values if math.isfinite(value)]

    assert [x for x, _ in kept] == sorted(x for x, _ in kept)
    assert len(kept) <= 2 * COLUMNS + 2
    if good:
        assert min(y for _, y in kept) == min(good)
        assert max(y for _, y in kept) == max(good)


def test_a_curve_goes_from_its_first_point_to_its_last() -> None:
    """Larger is higher up and later is further right, and both ends are inside the picture."""
    picture = draw(Panel("memory", "MiB", [Curve("RSS", [0, 1, 2], [10, 30, 20])]))
    placed = points(picture)

    assert picture is not None
    assert [x for x, _ in placed] == sorted(x for x, _ in placed)
    assert placed[1][1] < placed[2][1] < placed[0][1]
    assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in placed)
    assert {"memory (MiB)", "time (s)"} <= set(texts(picture))


def test_a_panel_says_what_it_shows() -> None:
    """The alternative text holds smallest, largest and last value, and where the target was reached."""
    panel = Panel(
        "accuracy",
        "",
        [Curve("training", [1, 2, 3], [0.5, 0.95, 0.9])],
        x_label="epoch",
        x_unit="",
        target=0.9,
        reached=(2, 0.95),
    )
    picture = draw(panel)

    assert picture is not None
    assert picture.alt == (
        "accuracy: smallest 0.5, largest 0.95, last 0.9, over epoch 1 to 3; "
        "target 0.9 first reached at epoch 2"
    )
    assert any(line.get("stroke-dasharray") for line in elements(picture, "line"))
    assert svg.RED in {dot.get("fill") for dot in elements(picture, "circle")}


def test_a_target_out_of_reach_is_in_sight_and_said() -> None:
    """The target's line lies inside the picture also where no value comes near it."""
    picture = draw(Panel("accuracy", "", [Curve("a", [1, 2], [0.1, 0.2])], target=0.99, x_unit=""))
    [dashed] = [line for line in elements(picture, "line") if line.get("stroke-dasharray")]

    assert picture is not None
    assert picture.alt.endswith("target 0.99 not reached")
    assert 0 < float(dashed.get("y1") or -1) < picture.height


def test_several_curves_are_named() -> None:
    """Two curves have names and colours of their own."""
    curves = [Curve("RSS", [0, 1], [1, 2]), Curve("with children", [0, 1], [2, 3], svg.RED)]
    picture = draw(Panel("memory", "MiB", curves))

    assert {"RSS", "with children"} <= set(texts(picture))
    assert {line.get("stroke") for line in elements(picture, "polyline")} == {svg.BLUE, svg.RED}


def test_a_panel_without_a_number_is_no_picture() -> None:
    """Nothing measured, nothing drawn."""
    assert draw(Panel("CPU", "%", [Curve("CPU", [0, 1], [math.nan, math.nan])])) is None


def test_an_image_holds_its_svg_and_its_words() -> None:
    """The data URI decodes to the picture; what a user wrote is escaped in it and in the alt text."""
    picture = strip('<b>"x"', "s", [1, 2, 3])
    assert picture is not None
    page = picture.html()
    data = re.search(r"base64,([^\"]+)", page)

    assert data is not None
    assert base64.b64decode(data[1]).decode() == picture.svg()
    assert 'alt="&lt;b&gt;&quot;x&quot; of 3: smallest 1 s, largest 3 s"' in page
    assert '<b>"x" (s)' in texts(picture)


def test_a_matrix_bears_its_counts() -> None:
    """Counts and shares of the row stand in the cells; the words name the worst confusion."""
    picture = confusion([[90, 10], [1, 99]], ["cat", "dog"])

    assert {"90", "90 %", "10", "10 %", "99", "cat", "dog", "true", "predicted"} <= set(texts(picture))
    assert picture is not None
    assert picture.alt == (
        "confusion matrix of 2 classes: 189 of 200 are right; most often wrong: cat taken for dog, 10 times"
    )


def tints(picture: Picture | None) -> list[float]:
    """Return how much of the colour each tinted cell holds, row by row."""
    return [
        float(cell.get("fill-opacity") or 1) for cell in elements(picture, "rect") if cell.get("fill") == BLUE
    ]


def test_few_of_many_is_near_white() -> None:
    """1 of 100 is hardly tinted, the largest count is solid, and the ground is white on any page."""
    picture = confusion([[99, 1], [0, 100]])

    assert tints(picture)[1] <= 0.05
    assert tints(picture)[0] > 0.9
    assert len(tints(picture)) == 3  # a 0 has no tint
    assert elements(picture, "rect")[0].get("fill") == "#FFFFFF"


@pytest.mark.parametrize("share", [0.01, 0.1, 0.4, 0.6, 0.89, 0.91, 1.0])
def test_numbers_are_read_on_any_tint(share: float) -> None:
    """A number has a contrast of 4.5 : 1 at least to the tint that it stands on."""
    picture = confusion([[1000, 1000 * share], [0, 1]])
    tint = tints(picture)[1]
    blue = [int(BLUE[n : n + 2], 16) for n in (1, 3, 5)]
    ground = "#" + "".join(f"{round(255 + tint * (part - 255)):02X}" for part in blue)
    number = next(t for t in elements(picture, "text") if t.text == f"{1000 * share:,.0f}")

    assert contrast(number.get("fill") or "", ground) >= 4.5


def test_a_legend_stands_beside_its_lines() -> None:
    """Each name begins where its line ends, whatever the letters' width, and none covers another."""
    t_s = array("d", range(1, 10))
    series = {"rss_mib": Series(t_s, t_s), "tree_rss_mib": Series(t_s, array("d", [2 * t for t in t_s]))}
    picture = pictures([record(1, series=series)])[0]
    names = [text for text in elements(picture, "text") if text.text in ("RSS", "with children")]
    lines = [line for line in elements(picture, "line") if line.get("stroke-width") == "2"]
    ends = {float(line.get("x2") or 0) for line in lines}

    assert [float(name.get("x") or 0) - 5 for name in names] == pytest.approx(sorted(ends, reverse=True))
    assert text_px("with children") == pytest.approx(78, abs=8)


def test_two_pictures_fill_a_card_and_a_wide_one_has_a_row_of_its_own() -> None:
    """A curve grows with its column, a matrix never above its own size; words take the page's text colour."""

    def css(picture: Picture | None) -> dict[str, str]:
        assert picture is not None
        style = picture.html().split('style="')[1].split('"')[0]
        return dict(item.split(":", 1) for item in style.split(";"))

    curve, wide, small = (
        css(draw(Panel("loss", "", [Curve("", [0.0, 1.0, 2.0], [1.0, 2.0, 3.0])]))),
        css(confusion([[1.0] * 12] * 12)),
        css(confusion([[1.0] * 2] * 2)),
    )

    assert 680 < 2 * WIDTH_PX + 8 < 696
    assert float(curve["max-width"].removesuffix("px")) > WIDTH_PX
    assert wide["grid-column"] == "1/-1"
    assert "grid-column" not in curve
    assert float(small["max-width"].removesuffix("px")) < WIDTH_PX
    for style in (curve, wide, small):
        assert style["filter"] == "drop-shadow(0 0 0 currentColor)"


def test_a_large_matrix_has_colours_only_and_a_huge_one_is_no_picture() -> None:
    """30 classes have no numbers in their cells; 61 are a chart's work; none has no picture."""
    picture = confusion([[1.0] * 30] * 30)

    assert texts(picture) == ["confusion matrix: rows true, columns predicted", "predicted", "true"]
    assert confusion([[1.0] * 61] * 61) is None
    assert confusion([]) is None


@given(st.lists(st.text(max_size=30), unique=True, max_size=6), st.integers(4, 20))
def test_shortened_names_are_short(names: list[str], longest: int) -> None:
    """No name is longer than asked for, and there are as many as before."""
    cut = distinct(names, longest)

    assert len(cut) == len(names)
    assert all(len(name) <= longest for name in cut)


def test_names_that_end_differently_stay_different() -> None:
    """Names with a common beginning are told apart by their ends, and the other way round."""
    assert distinct(["a very long class name one", "a very long class name two"], 14) == [
        "a very…ame one",
        "a very…ame two",
    ]
    assert len(set(distinct([f"{'x' * 20}{n}{'y' * 3}" for n in range(9)], 10))) == 9


def test_a_strip_has_a_dot_a_value() -> None:
    """Repeats are dots in their order along the axis, in the unit that fits, with named marks."""
    picture = strip("wall time", "s", [0.001, 0.003, 0.002], {"median": 0.002})
    places = [float(dot.get("cx") or 0) for dot in elements(picture, "circle")]

    assert places == sorted(places)
    assert places[1] == pytest.approx((places[0] + places[2]) / 2, abs=0.2)
    assert "wall time (ms)" in texts(picture)
    assert picture is not None
    assert picture.alt == "wall time of 3: smallest 1 ms, largest 3 ms, median 2 ms"


def test_a_long_strip_is_bars_that_keep_the_tail() -> None:
    """Hundreds of values are drawn as counts, and one far out is in sight."""
    picture = strip("single calls", "s", [1e-3] * MOST_DOTS * 3 + [9e-3])
    boxes = elements(picture, "rect")

    assert not elements(picture, "circle")
    assert len(boxes) == 2
    assert float(boxes[1].get("height") or 0) >= 1.5
    assert strip("x", "s", [1, 2]) is None


def test_a_trial_has_the_pictures_that_it_needs() -> None:
    """Samples, epochs, matrix, repeats: each where there is something to see, none of one or two points."""
    events = Events(
        array("d", [1, 2, 3]),
        array("d", [1, 2, 3]),
        {
            "loss": array("d", [3, 2, 1]),
            "accuracy": array("d", [0.7, 0.9, 0.95]),
            "val_accuracy": array("d", [0.6, 0.8, 0.91]),
        },
    )
    long = record(
        4,
        readings={"wall_time_s": 1.0},
        series={
            "cpu_percent_now": Series.of([0, 1, 2], [1, 50, 2]),
            "rss_mib": Series.of([0, 1, 2], [100, 150, 120]),
            "tree_rss_mib": Series.of([0, 1, 2], [100, 150, 120]),
            "read_mib_now": Series.of([0, 1, 2], [0, 0, 0]),
        },
        events=events,
        reported={"confusion": [[1, 0], [0, 1]], "classes": ["a", "b"], "target_accuracy": 0.9},
    )
    repeats = [record(n, readings={"wall_time_s": float(n)}) for n in (1, 2, 3)]
    starts = [picture.alt.split(":")[0].split(",")[0] for picture in pictures([*repeats, long])]

    assert starts == [
        "CPU", "memory", "loss", "accuracy", "wall time of the repeats of 4", "confusion matrix of 2 classes",
    ]  # fmt: skip
    # The validation is judged, where there is one.
    assert "target 0.9 first reached at epoch 3" in pictures([long])[3].alt
    assert pictures([record(series={"cpu_percent_now": Series.of([0, 1], [1, 2])})]) == []


def test_pictures_import_the_standard_library_only() -> None:
    """Drawing brings nothing but Python's own modules and ours."""
    script = (
        "import sys, e2e_magic.views.pictures.trial\n"
        "from e2e_magic.views.pictures.strip import strip\n"
        "strip('t', 's', [1.0, 2.0, 3.0]).html()\n"
        "print(*sorted({n.partition('.')[0] for n in sys.modules} - {*sys.stdlib_module_names}))"
    )
    answer = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:0]={sys.path!r}\n{script}"],
                            capture_output=True, text=True, check=True, timeout=60)  # fmt: skip

    assert set(answer.stdout.split()) - {"__main__", "_sitebuiltins"} == {"e2e_magic"}


def test_every_gauge_has_a_place() -> None:
    """Estimates, GPUs one by one, and the gauges of other packages are drawn, as in the chart of samples."""
    curve = Series.of([0, 1, 2], [10, 20, 30])
    names = ("cpu_percent_now", "gpu_percent_now", "gpu_0_percent_now", "gpu_1_percent_now", "disk_mib")
    last = record(
        series=dict.fromkeys(names, curve),
        reported={"estimate_power": {"idle_w": 10.0, "full_w": 50.0, "cores": 1}},
    )
    alts = [picture.alt for picture in pictures([last])]

    assert [alt.split(":")[0].split(",")[0] for alt in alts] == ["CPU", "power", "GPU use", "disk"]
    assert "power: smallest 14 W, largest 22 W, last 22 W" in alts[1]
    assert "GPU use, GPU 1: smallest 10 %" in alts[2]
    assert "disk: smallest 10 MiB" in alts[3]


def test_percentiles_and_the_median_are_marked() -> None:
    """The strips of repeats and of single calls say where their middle and their tail are."""
    laps = [n / 1000 for n in range(1, 1001)]
    repeats = [record(n, readings={"wall_time_s": float(n)}) for n in (1, 2, 3)]
    last = record(
        4,
        readings={"wall_time_s": 4.0},
        reported={"latency": {"calls": 1000, "elapsed_s": 500.5, "mean_s": 0.5005, "laps_s": laps}},
    )
    walls, calls = pictures([*repeats, last])

    assert walls.alt.endswith("largest 4 s, median 2.5 s")
    assert calls.alt.endswith(", p50 500 ms, p99 990 ms")
    assert {"p50", "p99"} <= set(texts(calls))
