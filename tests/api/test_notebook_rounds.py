"""Notebooks against each other, in rounds: the run is the unit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.api.command_line import main
from e2e_magic.api.notebook_rounds import WHOLE, NotebookRounds, Rounds, _names, _of_round
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record
from e2e_magic.storage import Store
from e2e_magic.sweeping.order import blocks
from e2e_magic.views.frames.interleaving import IN_BLOCKS

START = datetime(2026, 8, 1, tzinfo=UTC)


def rounds(count: int, factor: float) -> Rounds:
    """Return rounds of two notebooks, the second slower; each run is slower than the one before it."""
    done = Rounds({"before": [], "after": []})
    number = 0
    for at, block in enumerate(blocks(2, count, 1), 1):
        for place in block:
            number += 1
            wall = [(0.1 + 0.01 * number) * (factor if place else 1.0) * (1 + n / 10) for n in range(3)]
            records = [
                Record(
                    f"r{number}", stage, n + 1, n + 1, "complete",
                    START + timedelta(minutes=number, seconds=n),
                    readings={"wall_time_s": seconds, "peak_rss_mib": 100.0},
                )
                for stage, some in (("cell-1", [1e-5]), ("train", wall))
                for n, seconds in enumerate(some)
            ]  # fmt: skip
            done.trials += _of_round(records, ("before", "after")[place], at, number)
    return done


def test_each_run_counts_once_and_is_compared_with_that_of_its_round() -> None:
    """Three trials in each of eight runs are eight values; the notebook is the sum of its cells."""
    made = rounds(8, 1.5).compared(metric="wall_time_s")
    whole = [record for record in rounds(8, 1.5).trials if record.stage == WHOLE]

    assert made.frame["stage"].tolist() == ["train", WHOLE]
    assert made.frame["n"].tolist() == made.frame["n_baseline"].tolist() == [8, 8]
    assert made.frame["verdict"].tolist() == ["slower", "slower"]
    assert all(abs(made.frame["ratio"] - 1.5) < 0.1)
    assert made.order == [IN_BLOCKS]
    assert made.notes == ("shorter than 1 ms and left out: cell-1; --stage compares one",)
    assert whole[0].readings == {"wall_time_s": pytest.approx(0.11 * 3.3 + 1e-5), "peak_rss_mib": 100.0}
    assert rounds(8, 1.5).compared(stage="cell-1").frame["stage"].unique().tolist() == ["cell-1"]


def test_four_rounds_see_what_is_apart_and_two_are_too_few() -> None:
    """Of nothing nothing is claimed, though each run is slower than the one before."""
    assert set(rounds(4, 3.0).compared(metric="wall_time_s").frame["verdict"]) == {"slower"}
    assert set(rounds(4, 1.0).compared(metric="wall_time_s").frame["verdict"]) == {"no difference seen"}
    assert set(rounds(2, 3.0).compared(metric="wall_time_s").frame["verdict"]) == {"too few repeats"}


def test_names_tell_notebooks_apart() -> None:
    """By their files, else by their folders, else by letters."""
    assert _names([Path("/x/a.ipynb"), Path("/x/b.ipynb")]) == ["a", "b"]
    assert _names([Path("/x/a.ipynb"), Path("/y/a.ipynb")]) == ["x/a", "y/a"]
    assert _names([Path("/x/a.ipynb"), Path("/x/a.ipynb")]) == ["a (a)", "a (b)"]


@pytest.fixture
def notebook(tmp_path: Path) -> Callable[..., Path]:
    """Give what writes a notebook."""
    import nbformat

    def write(name: str, *cells: str) -> Path:
        book = nbformat.v4.new_notebook()
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        book.cells = list(map(nbformat.v4.new_code_cell, cells))
        nbformat.write(book, tmp_path / name)
        return tmp_path / name

    return write


def test_two_notebooks_run_in_turn_each_in_a_kernel_of_its_own(
    notebook: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The order is balanced, the runs are kept, and a guard that can't tell has its own status."""
    paths = [
        notebook(name, f"%%e2ebench train\nassert 'seen' not in dir()\nseen = sum(range({n}))")
        for name, n in (("before.ipynb", 400_000), ("after.ipynb", 200_000))
    ]
    status = main(
        ["ab", *map(str, paths), "--rounds", "2", "--store", str(tmp_path / "kept.db"), "--fail-over", "10%"]
    )
    out, err = capsys.readouterr()
    with Store(str(tmp_path / "kept.db"), create=False) as store:
        runs = sorted(store.runs(), key=lambda run: run.started_at)

    assert status == 3
    assert out.startswith("compared with before:\n  after: too few repeats of ")
    assert "  train, all cells: too few repeats of wall_time_s" in out
    assert err.splitlines()[:4] == [
        "e2e-magic: round 1 of 2: before",
        "e2e-magic: round 1 of 2: after",
        "e2e-magic: round 2 of 2: after",
        "e2e-magic: round 2 of 2: before",
    ]
    assert [run.name for run in runs] == ["before", "after", "after", "before"]


def test_a_cell_that_fails_ends_it_with_status_1(
    notebook: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said in which round of which notebook; what was measured is kept."""
    paths = [str(notebook("before.ipynb", "1 / 0")), str(notebook("after.ipynb", "1"))]
    status = main(["ab", *paths, "--rounds", "3", "--store", str(tmp_path / "kept.db")])
    complaint = capsys.readouterr().err.splitlines()[-1]
    with Store(str(tmp_path / "kept.db"), create=False) as store:
        states = [record.state for record in store.records()]

    assert (status, states) == (1, ["failed"])
    assert complaint == (
        "e2e-magic: round 1 of 3: before.ipynb: cell 1 failed: ZeroDivisionError: division by zero"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["one.ipynb"], "ab: two notebooks are needed, such as before.ipynb after.ipynb, got 1"),
        (["one.ipynb", "none.ipynb"], "there is no notebook "),
        (["one.ipynb", "one.ipynb", "--fail-over", "x"], "fail_over: expected a share such as 10% or 0.1"),
    ],
)
def test_wrong_use_is_status_2_before_anything_runs(
    words: list[str], said: str, notebook: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line."""
    folder = notebook("one.ipynb", "1").parent
    status = main(["ab", *(str(folder / word) if word.endswith("ipynb") else word for word in words)])

    assert status == 2
    assert capsys.readouterr().err.startswith(f"e2e-magic: {said}")


def test_in_python_too(notebook: Callable[..., Path]) -> None:
    """The same sentence, as an error."""
    path: Any = notebook("one.ipynb", "1")
    with pytest.raises(PlanError, match=r"^ab: two notebooks are needed"):
        NotebookRounds([path], rounds=3)
