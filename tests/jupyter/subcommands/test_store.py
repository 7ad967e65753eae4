"""``%e2e store`` and ``%e2e runs`` as a person types them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import StdinNotImplementedError, UsageError

from e2e_magic.storage import Store


@pytest.fixture
def said(shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep the trials in a file, measure one in a run named first, and collect the words that are shown."""
    from e2e_magic.jupyter.subcommands import line, store

    words: list[str] = []
    for module in (line, store):
        monkeypatch.setattr(module, "say", words.append)
    shell.run_line_magic("e2e", f"store {tmp_path}/team.db")
    shell.run_line_magic("e2e", "run first")
    shell.run_cell_magic("e2ebench", "train -q", "1 + 1")
    shell.run_line_magic("e2e", "run second")
    shell.run_cell_magic("e2ebench", "train -q", "1 + 1")
    words.clear()
    return words


def test_store_says_where_it_is(shell: Any, said: list[str], tmp_path: Path) -> None:
    """And how much it holds; another one is set by its name."""
    shell.run_line_magic("e2e", "store")
    shell.run_line_magic("e2e", f"store '{tmp_path}/an other.db'")
    shell.run_line_magic("e2e", "store :memory:")

    assert said == [
        f"trials are kept in {tmp_path}/team.db: 2 runs, 2 trials",
        f"trials are kept in {tmp_path}/an other.db: 0 runs, 0 trials",
        "trials are kept in this kernel's memory only (:memory:); %e2e store PATH keeps them",
    ]


def test_what_is_wrong_with_a_store_is_a_usage_error(shell: Any, said: list[str], tmp_path: Path) -> None:
    """In one sentence; the store stays the one that it was."""
    (tmp_path / "bad.db").write_text("something else entirely")

    with pytest.raises(UsageError) as caught:
        shell.run_line_magic("e2e", f"store {tmp_path}/bad.db")

    assert str(caught.value) == (
        f"the store {tmp_path}/bad.db can't be opened: the file is not a SQLite database; "
        "it was left as it is; name another file with %e2e store PATH"
    )
    shell.run_line_magic("e2e", "store")
    assert said == [f"trials are kept in {tmp_path}/team.db: 2 runs, 2 trials"]


def test_frames_read_the_store(shell: Any, said: list[str], tmp_path: Path) -> None:
    """``--all``, ``--since`` and a run that another kernel measured."""
    from tests.store_contract import record

    with Store(str(tmp_path / "team.db")) as other:
        other.append(record(1, run="others"))

    assert len(shell.run_line_magic("e2e", "results")) == 2
    assert len(shell.run_line_magic("e2e", "results --all")) == 3
    assert len(shell.run_line_magic("e2e", "results --since 1h")) == 2
    assert len(shell.run_line_magic("e2e", "results --stage train")) == 2
    assert len(shell.run_line_magic("e2e", "results --stage train --all")) == 3
    assert said == []
    assert list(shell.run_line_magic("e2e", "samples --run others")["metric"]) == [
        "rss_mib", "rss_mib", "package_power_w",
    ]  # fmt: skip
    assert list(shell.run_line_magic("e2e", "runs --all")["run"]) == ["others", "first", "second"]
    with pytest.raises(UsageError, match=r"^since: expected a date or time such as 2026-08-01"):
        shell.run_line_magic("e2e", "results --since yesterday")
    there = f"run 'others' is not of this kernel: it is read from the store {tmp_path}/team.db"
    assert said == [there]


def test_a_run_is_renamed(shell: Any, said: list[str]) -> None:
    """Here and in the store."""
    run = shell.run_line_magic("e2e", "runs")["id"].iloc[0]

    shell.run_line_magic("e2e", "runs --rename first 'a baseline'")

    assert said == [f"run first is now named a baseline ({run})"]
    assert list(shell.run_line_magic("e2e", "runs --all")["run"]) == ["a baseline", "second"]


@pytest.mark.parametrize(("answer", "left"), [("y", 1), ("YES", 1), ("", 2), ("n", 2), ("first", 2)])
def test_deleting_asks(
    shell: Any, said: list[str], monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    """The question names the run, its time and how much goes; only a yes deletes."""
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    row = shell.run_line_magic("e2e", "runs").iloc[0]
    what = f"run first ({row['id']}, {row['started_at']:%Y-%m-%d %H:%M} UTC) with 1 trial"

    shell.run_line_magic("e2e", "runs --delete first")

    assert asked == [f"Delete {what} for good? [y/N] "]
    assert said == [f"{what} {'is deleted' if left == 1 else 'stays'}"]
    assert len(shell.run_line_magic("e2e", "runs --all")) == left
    assert len(shell.run_line_magic("e2e", "results")) == left


@pytest.mark.parametrize("error", [StdinNotImplementedError, EOFError])
def test_where_nobody_can_answer_it_says_how(
    shell: Any, said: list[str], monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Nbclient and papermill have no keyboard: ``--yes`` is the answer."""

    def unable(_: str) -> str:
        raise error

    monkeypatch.setattr("builtins.input", unable)
    row = shell.run_line_magic("e2e", "runs").iloc[0]

    with pytest.raises(UsageError) as caught:
        shell.run_line_magic("e2e", "runs --delete first")
    assert str(caught.value) == (
        "%e2e runs: nobody can answer here; to delete run first "
        f"({row['id']}, {row['started_at']:%Y-%m-%d %H:%M} UTC) with 1 trial, add --yes. "
        "See %e2e runs --help for all options"
    )

    shell.run_line_magic("e2e", "runs --delete first --yes")
    assert said[-1].endswith("is deleted")


def test_unloading_closes_the_store(shell: Any, said: list[str], tmp_path: Path) -> None:
    """No log beside the file, no open file; loading again goes on where it was."""
    shell.run_line_magic("unload_ext", "e2e_magic")

    assert [p.name for p in tmp_path.glob("team*")] == ["team.db"]
    opened = [os_path.readlink() for os_path in Path("/proc/self/fd").iterdir() if os_path.is_symlink()]
    assert not [path for path in opened if "team.db" in str(path)]
    shell.run_line_magic("load_ext", "e2e_magic")
    shell.run_line_magic("e2e", "store")
    assert said == [f"trials are kept in {tmp_path}/team.db: 2 runs, 2 trials"]
