from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.jupyter.magic_line import magic_line, quoted, split
from e2e_magic.jupyter.sweep_arguments import read

LINES = [
    "train lr=0.1,0.2",
    "train lr=geomspace(1e-4,1e-1,4) batch_size=16,32 layers=[(8,), (8, 8)]",
    '"my stage" lr=1 -m cpu,memory -r 3 -w 1 -i 0.5 --target accuracy --maximize --search tpe --trials 9',
    "train \"(lr, n)=zip([1, 2], [3, 4])\" --entries len(rows['my key']) --loss history.history['loss'][-1]",
    "train lr=1 --seed 0 --shuffle --budget 1.5 --fail-fast --engine local:2 --estimate-power 12,65",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_reads_as_the_options_that_it_was_made_from(line: str) -> None:
    """Reading the written line gives the same stage, parameters and options."""
    options = read(line)
    written = magic_line("%%e2esweep", options.stage, options.parameters, options)
    again = read(written.removeprefix("%%e2esweep "))

    assert vars(options) == vars(again)


def test_what_is_left_at_its_default_is_not_written() -> None:
    """The line is as short as it can be, and never has --panel."""
    options = read("train lr=1,2 --panel -r 2")
    options.repeat = 1

    assert magic_line("%%e2esweep", "train", ["lr=1,2"], options) == "%%e2esweep train lr=1,2"


@settings(deadline=None)
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1))
def test_a_quoted_word_is_one_word(word: str) -> None:
    """Whatever can be written as one word comes back as it was."""
    written = quoted(word)
    try:
        found = [part.text for part in split(written)]
    except Exception:  # noqa: BLE001 - a word of unbalanced brackets and both quotes has no form on a line
        found = []

    assert found in ([word], []) or written == word
