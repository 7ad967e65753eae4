"""`--lines` where it is typed: cells, statements, sweeps; the frame, the store, the card."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.error import UsageError

from e2e_magic.session import Session, current
from e2e_magic.storage import WHOLE_STORE

CELL = "def f(n):\n    return n + 1\nfor n in range(3):\n    f(n)\n[f(n) for n in (1, 2)];"


def _counted(found: pd.DataFrame) -> dict[int, tuple[str, int]]:
    return {n: (s, h) for n, s, h in zip(found["line"], found["source"], found["hits"], strict=True)}


EXPECTED = {
    2: ("def f(n):", 1),
    3: ("    return n + 1", 5),
    4: ("for n in range(3):", 4),
    5: ("    f(n)", 3),
    6: ("[f(n) for n in (1, 2)];", 1),
}


def test_a_cell_behind_either_line_has_its_lines_as_they_were_typed(shell: Any, tmp_path: Path) -> None:
    """Their numbers are those of the notebook; what was stored is what was counted."""
    store = tmp_path / "kept.db"
    shell.run_cell(f"%e2e store {store}").raise_error()
    for line in ("%%e2ebench train --lines -q -o kept", "%e2e stage train --lines -q -o kept"):
        shell.run_cell(f"{line}\n{CELL}").raise_error()
        assert _counted(shell.user_ns["kept"].lines) == EXPECTED
    shell.run_cell("%%e2ebench plain -q\n1").raise_error()
    here = shell.run_line_magic("e2e", "lines")
    assert list(here["trial"].unique()) == [1, 2]

    other = Session()
    other.set_store(store)
    there = other.frame("lines", WHOLE_STORE)
    pd.testing.assert_frame_equal(pd.DataFrame(there), pd.DataFrame(here))
    assert there.attrs["units"] == {"wall_time_s": "s", "peak_rss_mib": "MiB", "rss_delta_mib": "MiB"}
    assert other.frame("samples", WHOLE_STORE)["metric"].isin(["lines"]).sum() == 0
    other.close()

    shell.run_line_magic("e2e", f"export {tmp_path / 'lines.csv'} --frame lines --stage train")
    assert pd.read_csv(tmp_path / "lines.csv")["hits"].sum() == 2 * sum(hits for _, hits in EXPECTED.values())

    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE e2e_curves SET data = x'00' WHERE place = -2 AND trial = 1")
    connection.close()
    with Session.on(str(store)) as reading:
        with pytest.warns(UserWarning, match="the lines of the trial in row 1"):
            rest = reading.frame("lines", WHOLE_STORE)
        assert rest["trial"].unique().tolist() == [2]


def test_a_statement_lists_the_functions_that_it_calls(shell: Any) -> None:
    """Its one line says little; names of others go behind an equals sign."""
    shell.run_cell("def f(n):\n    return g(n)\ndef g(n):\n    return n").raise_error()
    plain = shell.run_line_magic("e2ebench", "--lines f(3)")
    named = shell.run_line_magic("e2ebench", "--lines=g f(3)")

    assert plain.lines["source"].str.strip().tolist() == ["f(3)", "return g(n)"]
    assert named.lines["source"].str.strip().tolist() == ["f(3)", "return g(n)", "return n"]
    assert named.lines["function"].fillna("").tolist() == ["", "f", "g"]


def test_each_trial_of_a_sweep_has_its_lines(shell: Any) -> None:
    """The options of a cell hold for every trial."""
    shell.run_cell("%%e2esweep fit k=1,3 --lines -q\nfor n in range(k):\n    n").raise_error()
    found = shell.run_line_magic("e2e", "lines --stage fit")

    assert list(zip(found["trial"], found["line"], found["hits"], strict=True)) == [
        (1, 1, 2), (1, 2, 1), (2, 1, 4), (2, 2, 3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "train --lines nope",
            "lines: there is no function 'nope' yet",
        ),
        ("--lines train", "and a stage goes before --lines"),
        ("train --lines f(3)", "expected names of functions such as preprocess,my_module.load, got 'f(3)'"),
        (
            "train --lines --number auto",
            "lines: the lines of one execution are counted, and number is 'auto'",
        ),
    ],
)
def test_a_wrong_line_doesnt_run_the_cell(shell: Any, line: str, sentence: str) -> None:
    """It says what is wrong, in one or two lines."""
    with pytest.raises(UsageError) as caught:
        shell.run_cell_magic("e2ebench", line, "ran = 1")

    assert sentence in str(caught.value)
    assert "ran" not in shell.user_ns


def test_the_card_shows_the_hottest_lines_in_place_and_all_by_a_click(shell: Any) -> None:
    """As HTML, and as text in a terminal; nothing of it where lines were not asked for."""
    body = "\n".join(f"a{n} = sum(range({2_000_000 if n in (2, 5, 6, 9, 11) else 1}))" for n in range(12))
    shell.run_cell(f"%%e2ebench train --lines -q -o kept\n{body}\n'<b>' in 'x';").raise_error()
    shell.run_cell("%%e2ebench train -q -o plain\n1").raise_error()
    text, html = repr(shell.user_ns["kept"]), shell.user_ns["kept"]._repr_html_()

    shown = [line.rsplit("  ", 1)[1] for line in text.splitlines() if "= sum(" in line]
    assert shown == [f"a{n} = sum(range(2000000))" for n in (2, 5, 6, 9, 11)]
    assert "share" in text
    head, details = html.split('<details class="e2e-lines"')
    assert head.count("sum(range(2000000))</td>") == 5
    assert "sum(range(1))" not in head
    assert details.count("sum(range(2000000))</td>") == 5
    assert details.count("sum(range(1))</td>") == 7
    assert "all 13 lines" in details
    assert "&#x27;&lt;b&gt;&#x27; in" in details
    assert "<b>'" not in html
    assert "e2e-line" not in shell.user_ns["plain"]._repr_html_()
    assert current().records[-1].lines is None
