"""Text of any origin, shown to a reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.text import legible, legible_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("train", "train"),
        ("größe 数 🙂", "größe 数 🙂"),
        ("a\x00\x1b[31mb", "a��[31mb"),
        ("two\nlines\tand\u2028more", "two lines and more"),
        ("\u202etrap", "�trap"),
        ("x" * 121, "x" * 119 + "…"),
    ],
)
def test_what_a_reader_sees(text: str, shown: str) -> None:
    """Letters of any script stay; what a terminal obeys, or turns text around, does not."""
    assert legible(text) == shown


@given(st.text(), st.integers(1, 50))
def test_it_is_one_printable_line_and_fits(text: str, longest: int) -> None:
    """Whatever comes."""
    shown = legible(text, longest)

    assert shown.isprintable()
    assert len(shown) <= longest


def test_lines_stay_lines() -> None:
    """A help text keeps its form, and ends where there is no more room."""
    assert legible_lines("one\n  two\x1b") == "one\n  two�"
    assert legible_lines("ab\ncd", 4) == "ab\n…"
