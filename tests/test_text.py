"""Numbers for people."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.text import digits, quantity, signed


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
        (0.9999, "", "1"),
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
