"""What a body becomes before it runs: made once, never an old one."""

from __future__ import annotations

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
    """The magic runs what was made of the body while its cell was transformed."""
    seen, _ = shouting
    shell.run_cell("%%e2ebench -q\nvalue = 3")

    assert seen.count("value = 3\n") == 1
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
