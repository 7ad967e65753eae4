"""``%e2e holders`` and the card's line on what a cell kept, in a real shell."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.error import StdinNotImplementedError, UsageError

import e2e_magic as e2e

MIB = 2**17  # floats


def fill(shell: Any) -> None:
    """Make names, outputs and a traceback that hold memory of known sizes; pytest clears an earlier one."""
    for cell in (
        "import numpy as np, sys",
        f"%%e2ebench prepare -q\nX = np.ones(8 * {MIB}); part = X[:9]\n_own = np.ones({MIB})",
        f"np.ones(4 * {MIB})",
        "_",
        f"def fail():\n    data = np.ones(6 * {MIB})\n    raise ValueError(X)\nfail()",
        f"%%e2ebench train -q\nnp.ones(2 * {MIB}); Y = [X, np.ones(3 * {MIB})]",
    ):
        shell.run_cell(cell, store_history=True)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the sentences."""
    from e2e_magic.jupyter.subcommands import holders

    words: list[str] = []
    monkeypatch.setattr(holders, "say", words.append)
    return words


def test_the_users_names_and_what_the_shell_remembers(shell: Any, said: list[str]) -> None:
    """Largest first, with the cell and the stage that made each; nothing of the shell's own."""
    fill(shell)
    found = shell.run_line_magic("e2e", "holders")

    rows = found.set_index("name")
    assert rows["held_mib"].round(1).to_dict() == {
        "X": 8.0, "fail() in the last traceback": 6.0, "Out[3]": 4.0, "Y": 3.0, "_own": 1.0,
        "part": 0.0, "fail": 0.0, "Out[4]": 0.0,
    }  # fmt: skip
    assert found["held_mib"].is_monotonic_decreasing
    assert rows["where"].value_counts().to_dict() == {"name": 5, "history": 2, "traceback": 1}
    assert rows.loc[["X", "Y", "Out[3]", "fail"], "cell"].tolist() == [2, 6, 3, 5]
    assert rows.loc[["X", "part", "Y"], "stage"].tolist() == ["prepare", "prepare", "train"]
    assert rows.loc[["part", "Y", "Out[4]"], "shared_with"].tolist() == ["X", "X", "Out[3]"]
    assert found.attrs["units"] == {"held_mib": "MiB"}
    assert said[0].startswith(
        "names hold 12 MiB, Out and _ 4 MiB, the last traceback 6 MiB; this process has "
    )
    assert said[0].endswith("; %e2e holders --free offers to drop what only the history holds")
    pd.testing.assert_frame_equal(e2e.holders(), pd.DataFrame(found))
    assert "8 rows x" in repr(found)


def test_filters_are_those_of_what_was_made(shell: Any, said: list[str]) -> None:
    """By the run and stage of the cell; a stage that nobody measured is an error as anywhere."""
    del said
    fill(shell)
    run = shell.run_line_magic("e2e", "runs")["run"].item()

    assert {*shell.run_line_magic("e2e", "holders --stage prepare")["name"]} == {"X", "part", "_own"}
    assert len(e2e.holders(run=run)) == 4
    assert len(shell.run_line_magic("e2e", "holders --since 1h --all")) == 7  # the traceback has no cell
    for line, sentence in (
        ("--stage nope", "stage: there is no stage 'nope'; measured are prepare, train"),
        ("--limit 0", "limit: expected seconds above 0, such as 2, got 0"),
        ("--yes", "holders: --yes answers the question of --free; say both"),
    ):
        with pytest.raises(UsageError) as caught:
            shell.run_line_magic("e2e", f"holders {line}")
        assert str(caught.value) == sentence


LISTED = "fail() in the last traceback 6 MiB, Out[3] 4 MiB"


def test_free_drops_what_only_the_history_holds(
    shell: Any, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a question, under all its names; where nobody can answer it says what it would drop."""
    asked: list[str] = []
    answers: list[Any] = [StdinNotImplementedError(), "n", "y"]

    def ask(question: str) -> str:
        asked.append(question)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr(builtins, "input", ask)
    fill(shell)
    space = shell.user_ns
    output = weakref.ref(space["Out"][3])
    for _ in range(3):
        shell.run_line_magic("e2e", "holders --free")

    assert asked == [f"Drop {LISTED}? [y/N] "] * 3
    assert said[:2] == [
        f"only the history holds {LISTED}; nobody can answer here, so nothing is dropped: add --yes",
        f"{LISTED}: all stays",
    ]
    assert said[2].startswith(f"dropped: {LISTED}; this process had ")
    assert output() is None
    assert space["Out"] == {}
    assert {*e2e.holders()["name"]} == {"X", "part", "_own", "Y", "fail"}
    shell.run_cell("3 + 4", store_history=True)
    assert (space["_"], space["Out"]) == (7, {7: 7})
    shell.run_line_magic("e2e", "holders --free --yes")
    assert said[3] == "the history alone holds nothing worth dropping: names or open figures hold the memory"


def test_a_cell_that_kept_much_says_who(tmp_path: Path) -> None:
    """Its names, its value, and what has none; a cell that kept less says nothing.

    In a process of its own: of this one's memory earlier tests may give back some meanwhile.
    """
    cells = (
        "import numpy as np",
        f"%%e2ebench little\na = np.ones(10 * {MIB})",
        f"%%e2ebench much\nX = np.ones(64 * {MIB}); view = a[:]\n"
        f"np.hidden = np.ones(50 * {MIB})\nnp.ones(40 * {MIB})",
    )
    script = (
        "import json\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance(colors='nocolor')\nshell.run_line_magic('load_ext', 'e2e_magic')\n"
        f"for cell in {cells!r}:\n    shell.run_cell(cell, store_history=True).raise_error()\n"
        "import e2e_magic as e2e\n"
        "print(json.dumps(e2e.session.current().records[-1].reported['kept']))"
    )
    here = os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=here, capture_output=True, check=True, text=True
    )
    lines = done.stdout.splitlines()
    [card] = [line.strip() for line in lines if " kept: " in line]

    assert card.startswith("+15")
    assert "MiB kept: X 64, Out[3] 40, " in card
    assert card.endswith(" unnamed")
    assert json.loads(lines[-1])["unnamed_mib"] == pytest.approx(50, abs=4)


def test_an_object_that_can_not_be_looked_at_costs_the_line_only(
    shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row, the value and the cell are as ever; an interrupt of the look keeps the row too.

    It keeps far more than what is looked at from: this process may give back some of its own meanwhile.
    """
    from e2e_magic.jupyter import remembered

    def fail(error: BaseException) -> Any:
        def look(*_: Any, **__: Any) -> Any:
            raise error

        return look

    cell = f"%%e2ebench keep -q\nimport numpy as np\nX = np.ones(400 * {MIB})\n1"
    monkeypatch.setattr(remembered, "kept", fail(TypeError("odd")))
    assert shell.run_cell(cell).result == 1
    assert (
        capsys.readouterr().err
        == "e2e_magic: keep: it can't be told who holds what it kept (TypeError: odd)\n"
    )
    monkeypatch.setattr(remembered, "kept", fail(KeyboardInterrupt()))
    shell.run_cell(f"{cell}\nY = np.ones(400 * {MIB})")
    assert e2e.results()["state"].tolist() == ["complete", "complete"]
