"""A real kernel and its store: beside the notebook, killed at any moment, closed when it is unloaded."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.storage import Store

TRIALS = """%load_ext e2e_magic
import json, pathlib
for n in range(50):
    get_ipython().run_cell_magic("e2ebench", "train -q -i 0.01", f"x = {n}")
    with open("reported", "a") as file:
        file.write(f"{n + 1}\\n")
"""


@pytest.fixture
def beside(fresh_kernel: Any) -> Any:
    """Give a kernel that keeps its trials in the default store of its directory."""
    assert fresh_kernel.execute("import os; os.environ.pop('E2E_MAGIC_STORE'); os.getcwd()").status == "ok"
    return fresh_kernel


def test_trials_are_kept_beside_the_notebook(beside: Any, tmp_path: Path) -> None:
    """The file appears with the first trial, knows the notebook's name, and is closed by unloading."""
    name = "__session__ = '/home/somebody/secret/lesson 1.ipynb'"
    assert beside.execute(f"%load_ext e2e_magic\n{name}").status == "ok"
    assert not (tmp_path / "e2ebench.db").exists()
    value = beside.execute(
        "%%e2ebench train -q\nos.makedirs('below', exist_ok=True); os.chdir('below')\n6 * 7"
    )
    shown = beside.execute("%e2e store")
    files = beside.execute("%unload_ext e2e_magic\nimport json; print(json.dumps(os.listdir('..')))")

    assert value.texts() == ["42"]
    assert value.stderr == ""
    assert shown.texts() == [f"trials are kept in {tmp_path / 'e2ebench.db'}: 1 run, 1 trial"]
    assert sorted(json.loads(files.stdout)) == ["below", "e2ebench.db"]
    with Store(str(tmp_path / "e2ebench.db")) as store:
        assert [run.environment.notebook for run in store.runs()] == ["lesson 1.ipynb"]
        assert [r.stage for r in store.records()] == ["train"]


def test_a_directory_left_before_loading_changes_nothing(beside: Any, tmp_path: Path) -> None:
    """Notebooks often begin with a step up to the project's root; their file stays beside them."""
    beside.execute("os.makedirs('root'); os.chdir('root')\n%load_ext e2e_magic")
    beside.execute("%%e2ebench train -q\n1")

    assert (tmp_path / "e2ebench.db").exists()
    assert list((tmp_path / "root").iterdir()) == []


def test_a_killed_kernel_has_all_that_it_reported(beside: Any, tmp_path: Path) -> None:
    """SIGKILL somewhere in 50 trials: what was reported finished is in the file."""
    reported = tmp_path / "reported"
    beside.client.execute(TRIALS)
    while not reported.exists() or reported.read_text().count("\n") < 17:
        time.sleep(0.002)
    os.kill(beside.pid, signal.SIGKILL)
    beside.manager.provisioner.process.wait(60)

    told = {int(line) for line in reported.read_text().split("\n")[:-1]}
    with Store(str(tmp_path / "e2ebench.db")) as store:
        kept = {r.trial for r in store.records()}
    assert len(told) >= 17
    assert told <= kept


def test_deleting_where_nobody_answers_says_how(beside: Any) -> None:
    """A front end without a keyboard: the error names the option."""
    beside.execute("%load_ext e2e_magic\n%e2e run one\n%e2ebench -q 1\n%e2e run two")

    refused = beside.execute("%e2e runs --delete one")
    done = beside.execute("%e2e runs --delete one --yes")

    assert refused.ename == "UsageError"
    assert "nobody can answer here; to delete run one (" in str(refused.evalue)
    assert done.status == "ok"
    assert done.texts()[0].endswith(" with 1 trial is deleted")


def test_a_store_that_fails_is_one_line_and_no_error(beside: Any, tmp_path: Path) -> None:
    """The cell's value comes as ever; once the folder is there, all trials are in it."""
    beside.execute(
        f"%load_ext e2e_magic\nos.environ['E2E_MAGIC_STORE'] = {str(tmp_path / 'absent' / 'x.db')!r}"
    )

    replies = [beside.execute("%%e2ebench train -q\n6 * 7") for _ in range(3)]
    (tmp_path / "absent").mkdir()
    last = beside.execute("%%e2ebench train -q\n6 * 7")

    assert [reply.texts() for reply in [*replies, last]] == [["42"]] * 4
    assert [reply.stderr.count("\n") for reply in [*replies, last]] == [1, 0, 0, 0]
    assert replies[0].stderr == (
        f"e2e_magic: the store {tmp_path / 'absent' / 'x.db'} can't be opened: "
        "the file can't be opened or made there; check that the folder exists and may be written, "
        "or name a file elsewhere with %e2e store PATH. "
        "Meanwhile trials are kept in memory; they are written as soon as it works\n"
    )
    with Store(str(tmp_path / "absent" / "x.db")) as store:
        assert len(store.records()) == 4


def test_a_store_that_fails_in_a_repeat_is_said(beside: Any, tmp_path: Path) -> None:
    """The output of all repeats but the last is thrown away; the one warning is not, nor the last output."""
    beside.execute(
        f"%load_ext e2e_magic\nos.environ['E2E_MAGIC_STORE'] = {str(tmp_path / 'absent' / 'x.db')!r}"
    )

    reply = beside.execute(
        "%%e2ebench train -q -r 3 -w 1\nimport sys\nprint('out'); print('err', file=sys.stderr)"
    )

    assert reply.stdout == "out\n"
    assert reply.stderr.count("Meanwhile trials are kept in memory") == 1
    assert reply.stderr.splitlines()[-1] == "err"
    assert reply.stderr.count("\n") == 2
