"""What a body becomes before it runs: made once, never an old one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def shouting(shell: Any) -> Any:
    """Give a switch for an input transformer of the user's that makes every `quiet` a `LOUD`."""
    seen: list[str] = []
    on: list[bool] = []

    def louder(lines: list[str]) -> list[str]:
        seen.append("".join(lines))
        return [line.replace("quiet", "LOUD") if on else line for line in lines]

    shell.input_transformers_cleanup.append(louder)
    yield seen, on
    shell.input_transformers_cleanup.remove(louder)


def test_a_body_is_transformed_once(shell: Any, shouting: Any) -> None:
    """With its cell, as every cell is."""
    seen, _ = shouting
    shell.run_cell("%%e2ebench -q\nvalue = 3")

    assert sum("value = 3\n" in each for each in seen) == 1
    assert shell.user_ns["value"] == 3


def test_what_was_not_run_is_not_kept(shell: Any, shouting: Any, capsys: Any) -> None:
    """A cell that a wrong option stopped leaves nothing: the next one is made by today's transformers."""
    _, on = shouting
    shell.run_cell("%%e2ebench --nonsense\nword = 'quiet'")
    on.append(True)
    shell.run_cell("get_ipython().run_cell_magic('e2ebench', '', \"word = 'qui\" + \"et'\")")

    assert "there is no option --nonsense" in capsys.readouterr().err
    assert shell.user_ns["word"] == "LOUD"


def test_the_same_cell_twice_is_made_twice(shell: Any, shouting: Any) -> None:
    """What served once serves no more."""
    _, on = shouting
    words = []
    for _ in range(2):
        shell.run_cell("%%e2ebench -q\nword = 'quiet'")
        words.append(shell.user_ns["word"])
        on.append(True)

    assert words == ["quiet", "LOUD"]


@pytest.mark.parametrize("line", ["%%e2ebench -q", "%e2e stage train -q"])
@pytest.mark.parametrize(
    ("cell", "seen"),
    [("twice", "2\n2\n"), ("pwd", "OUT"), ("/len 'abc'", "3"), (",len abc", "3"), ("pwd\n1", "NameError")],
)
def test_a_line_that_ipython_knows_alone(shell: Any, capsys: Any, line: str, cell: str, seen: str) -> None:
    """A macro, a magic without its sign, a call without brackets: in a cell of one line, as without ours."""
    shell.run_cell("%%e2ebench -q\nimport os")
    shell.run_cell("get_ipython().define_macro('twice', 'print(2)\\n' * 2)")
    capsys.readouterr()
    shell.run_cell(f"{line}\n{cell}")

    out = capsys.readouterr().out
    assert (str(Path.cwd()) if seen == "OUT" else seen) in out


@pytest.mark.parametrize("above", ["# what it does", "#@title Load\n\n# more"])
def test_a_comment_may_stand_above_our_line(shell: Any, above: str) -> None:
    """Colab's title is one; IPython itself then takes the line for a line magic that there isn't."""
    shell.run_cell(f"{above}\n%%e2ebench titled -q\nvalue = 3")
    shell.run_cell(f"{above}\n%%e2esweep swept k=1,2 -q\nk")
    shell.run_cell("import e2e_magic\nstages = list(e2e_magic.results()['stage'])")

    assert shell.user_ns["stages"] == ["titled", "swept", "swept"]
    assert shell.user_ns["value"] == 3
