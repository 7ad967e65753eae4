from __future__ import annotations

import io
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from tqdm import tqdm

from e2e_magic.jupyter.sweep_output import BarProgress
from e2e_magic.sweeping.schedule import Progress

WIDTH = 60


def small_terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what both streams write to, as wide as a small terminal; pytest has streams of its own."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setattr(sys, "stderr", written)
    return written


def sweep(total: int = 12, done: int = 3, stage: str = "train") -> Any:
    """Give what a bar asks of a sweep."""
    plan = SimpleNamespace(plan=SimpleNamespace(stage=stage))
    return SimpleNamespace(progress=Progress(total=total, done=done), plan=plan)


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows: a carriage return goes back to the line's beginning."""
    lines = []
    for line in written.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines


def test_the_bar_makes_room_for_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A print and a warning stand on lines of their own, and the bar below them."""
    terminal = small_terminal(monkeypatch)
    with BarProgress(sweep()) as progress:
        progress.update()
        print("first")
        progress.update()
        sys.stderr.write("second\n")
        progress.update()
        shown = screen(terminal.getvalue())

    assert shown[:2] == ["first", "second"]
    assert shown[2].startswith("train [#####               ] 3 of 12 trials done")
    assert screen(terminal.getvalue()) == ["first", "second", ""]
    assert sys.stdout is sys.stderr is terminal


def test_the_bar_waits_for_the_end_of_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't drawn over a line that is being written."""
    terminal = small_terminal(monkeypatch)
    with BarProgress(sweep()) as progress:
        print("half", end="")
        progress.update()
        print(" and half")

    assert screen(terminal.getvalue()) == ["half and half", ""]


def test_the_bar_is_no_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken line could not be taken back, and each update would leave one more."""
    terminal = small_terminal(monkeypatch)
    with BarProgress(sweep()) as progress:
        progress.update()

        # A blank before the ellipsis is cut too.
        assert max(map(len, screen(terminal.getvalue()))) in (WIDTH - 2, WIDTH - 1)


def test_the_bar_leaves_no_thread_and_knows_no_other_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar of the user's own is drawn as without it; braces in a stage's name are braces."""
    terminal = small_terminal(monkeypatch)
    before = threading.active_count()
    monkeypatch.setattr(tqdm, "monitor_interval", 0)  # theirs would start its monitor
    with BarProgress(sweep(stage="{train}")) as progress:
        progress.update()
        with tqdm(range(3), file=io.StringIO()) as theirs:
            place = theirs.pos
        drawn = screen(terminal.getvalue())[-1]

    assert place == 0
    assert drawn.startswith("{train} [#####")
    assert threading.active_count() <= before + 1  # its own ticker


def test_the_streams_are_given_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the sweep, the streams are the shell's again."""
    terminal = small_terminal(monkeypatch)
    with pytest.raises(ValueError, match="no"), BarProgress(sweep()):
        raise ValueError("no")

    assert sys.stdout is terminal
