"""Numbers for people."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.text import counted, digits, distinct, percent, quantity, shorten, signed, time_left


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "s", "0 s"),
        (1.2345, "s", "1.23 s"),
        (0.00123, "s", "1.23 ms"),
        (4.2e-6, "s", "4.2 µs"),
        (125.0, "s", "2.08 min"),
        (7200.0, "s", "2 h"),
        (312.4, "MiB", "312 MiB"),
        (2048.0, "MiB", "2 GiB"),
        (0.5, "MiB", "512 KiB"),
        (496 / 1024**2, "MiB", "496 B"),
        (98.04, "%", "98 %"),
        (12345.6, "entries/s", "12,346 entries/s"),
        (0.9999, "", "0.9999"),
        (99.96, "%", "99.96 %"),
        (0.9996, "s", "0.9996 s"),
        (math.nan, "s", "-"),
        (5400.0, "J", "5.4 kJ"),
        (-0.25, "MiB", "-256 KiB"),
    ],
)
def test_the_unit_fits_the_number(value: float, unit: str, text: str) -> None:
    """Three significant digits, in the unit that is easiest to read."""
    assert quantity(value, unit) == text


def test_differences_have_a_sign() -> None:
    """Growth and shrinking are told apart."""
    assert (signed(45, "MiB"), signed(-45, "MiB")) == ("+45 MiB", "-45 MiB")


@given(st.floats(1e-4, 1e12))
def test_digits_stay_within_half_a_percent(value: float) -> None:
    """What is read is what was measured, to three digits."""
    assert float(digits(value).replace(",", "")) == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.012345, "0.0123"),
        (1.0, "1"),
        (9.996, "10"),
        (123.4, "123"),
        (-0.5, "-0.5"),
        (999.7, "1,000"),
        (1234567.8, "1,234,568"),
        (0.0004, "0.0004"),
        (0.9994, "0.999"),
        (0.9996, "0.9996"),
        (-0.99996, "-0.99996"),
        (0.9999999, "0.999999"),
        (99.96, "99.96"),
        (99.999999, "99.9999"),
        (math.nan, "-"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
    ],
)
def test_three_digits_and_those_that_keep_from_perfection(value: float, text: str) -> None:
    """Three significant digits, no exponent, and more only where a score would be rounded to 1 or 100."""
    assert digits(value) == text


@given(st.floats(0, 1, exclude_min=True, exclude_max=True), st.sampled_from(["", "%", "J", "entries/s"]))
def test_a_share_is_never_rounded_to_nothing_or_all(share: float, unit: str) -> None:
    """What is more than 0 and less than 1 is not shown as 0 or 1, nor as 0 % or 100 %."""
    assert float(digits(share)) not in (0.0, 1.0)
    assert float(digits(-share)) not in (0.0, -1.0)
    assert quantity(share, unit).split()[0] not in ("0", "1")
    assert quantity(100 * share, "%") not in ("0 %", "100 %") or 100 * share in (0, 100)
    assert percent(share) not in ("0 %", "100 %")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.001, "<1 %"),
        (0.006, "1 %"),
        (0.62, "62 %"),
        (0.994, "99 %"),
        (0.9996, ">99 %"),
        (1, "100 %"),
    ],
)
def test_percent(share: float, text: str) -> None:
    """A small share is said to be small, not none; a large one is not all."""
    assert percent(share) == text


@given(st.text(max_size=40), st.integers(1, 20))
def test_what_is_cut_says_so(text: str, most: int) -> None:
    """A text that fits stays; of one that doesn't the beginning stays, before an ellipsis."""
    short = shorten(text, most)

    assert len(short) <= most
    assert short == text if len(text) <= most else short.endswith("…") and text.startswith(short[:-1])


@given(st.lists(st.text("ab…", max_size=12), max_size=20), st.integers(8, 10))
def test_different_names_stay_different(names: list[str], most: int) -> None:
    """However alike their beginnings, middles and ends are."""
    short = distinct(names, most)

    assert all(len(name) <= most for name in short)
    assert len(set(short)) == len(set(names))
    assert all(cut == name for cut, name in zip(short, names, strict=True) if len(name) <= most)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["cat", "a very long dog"], ["cat", "a very…"]),
        (["resnet50_lr1", "resnet50_lr2"], ["res…_lr1", "res…_lr2"]),
        (["resnet50_lr1_x_abcdefg", "resnet50_lr2_x_abcdefg"], ["resne… 1", "resne… 2"]),
    ],
)
def test_names_are_cut_where_it_tells_them_apart(names: list[str], short: list[str]) -> None:
    """At the end, else in the middle, else by number."""
    assert distinct(names, 8) == short


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1200, "1,200 rows")]
)
def test_a_number_agrees_with_its_noun(number: int, text: str) -> None:
    """One is one; none and several are several."""
    assert counted(number, "row") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-0.2, "0 s left"),
        (7.34, "7 s left"),
        (59.6, "1 min left"),
        (125.0, "2 min left"),
        (3569.0, "59 min left"),
        (3575.0, "1.0 h left"),
        (5400.0, "1.5 h left"),
    ],
)
def test_the_time_left_is_spoken(seconds: float, text: str) -> None:
    """An estimate has no more digits than it deserves."""
    assert time_left(seconds) == text
