"""Stores on any file system: which keep a log, where a file lies if its folder can't be written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.measuring import environment
from e2e_magic.record import Run
from e2e_magic.storage import Store, folders
from e2e_magic.storage.errors import explained
from e2e_magic.storage.local_file import LocalFile
from e2e_magic.storage.writer import Writer
from tests.storage.test_faults import PATIENT, kernel, whole
from tests.store_contract import START, record

RUN = Run("ab12cd", "first", START)
# Type of the mount, and whether a write-ahead log is kept there.
KINDS = {
    "ext4": True, "xfs": True, "btrfs": True, "tmpfs": True, "overlay": True, "zfs": True,
    "nfs": False, "nfs4": False, "lustre": False, "gpfs": False, "cifs": False, "smb3": False, "9p": False,
    "fuse": False, "fuse.sshfs": False, "fuse.gcsfuse": False, "fuseblk": False, "virtiofs": False,
    "beegfs": False, "ceph": False, "afs": False, "vboxsf": False,
}  # fmt: skip


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that lets a folder seem to be a mount of a type, and returns it."""

    def pretended(kind: str) -> Path:
        point = tmp_path / "a mount é"
        point.mkdir(exist_ok=True)
        table = tmp_path / "mountinfo"
        written = str(point).replace(" ", "\\040")
        table.write_text(
            "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
            f"23 22 0:50 / {written} rw shared:1 - tmpfs hidden rw\n"
            f"24 22 0:51 / {written} rw,relatime shared:1 master:2 - {kind} server:/home rw\n"
        )
        monkeypatch.setattr(folders, "MOUNTS", table)
        return point

    return pretended


def journal(path: Path) -> str:
    """Return how a file is written."""
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


@pytest.mark.parametrize(("kind", "takes"), KINDS.items())
def test_a_log_is_kept_where_the_file_system_allows_it(
    mounted: Callable[[str], Path], kind: str, takes: bool
) -> None:
    """Either way of writing opens the file so; a folder deep below the mount counts to it."""
    deep = mounted(kind) / "a" / "b"
    deep.mkdir(parents=True)

    assert folders.takes_log(deep / "x.db") is takes
    LocalFile(deep / "plain.db").close()
    Store(str(deep / "alchemy.db")).close()

    wanted = "wal" if takes else "delete"
    assert [journal(deep / "plain.db"), journal(deep / "alchemy.db")] == [wanted, wanted]


def test_a_link_counts_to_where_it_leads(mounted: Callable[[str], Path], tmp_path: Path) -> None:
    """A home's link to a scratch disk."""
    (tmp_path / "link").symlink_to(mounted("lustre"))

    assert not folders.takes_log(tmp_path / "link" / "x.db")
    assert folders.takes_log(tmp_path / "x.db")


def test_a_file_with_a_log_is_opened_as_it_is(mounted: Callable[[str], Path]) -> None:
    """It was copied there, or another program holds it open: nothing of it is changed."""
    path = mounted("ext4") / "x.db"
    with Store(str(path)) as store:
        store.append(record(1))
    mounted("nfs4")
    LocalFile(path).append([record(2)])

    with Store(str(path)) as store:
        assert [one.trial for one in store.records()] == [1, 2]
    assert journal(path) == "wal"


def test_what_is_not_linux_keeps_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No table of mounts, or one that can't be understood: as on a local disk."""
    monkeypatch.setattr(folders, "MOUNTS", tmp_path / "nowhere")
    assert folders.takes_log(tmp_path / "x.db")
    (tmp_path / "odd").write_text("a - b\n\n - \n1 2 3\n")
    monkeypatch.setattr(folders, "MOUNTS", tmp_path / "odd")
    assert folders.takes_log(tmp_path / "x.db")


@pytest.fixture
def fuse(need: Any, tmp_path: Path) -> Iterator[Path]:
    """Mount a folder over FUSE."""
    if not Path("/dev/fuse").exists():
        pytest.skip("this machine's kernel has no FUSE")
    need(shutil.which("bindfs"), "bindfs (apt-get install bindfs)")
    (tmp_path / "behind").mkdir()
    point = tmp_path / "mount"
    point.mkdir()
    done = subprocess.run(["bindfs", str(tmp_path / "behind"), str(point)], check=False, capture_output=True)
    need(done.returncode == 0, "the right to mount over FUSE")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


def test_eight_kernels_write_to_one_file_over_fuse(fuse: Path) -> None:
    """A real mount, where no log is kept: they wait for each other and lose nothing."""
    path = fuse / "team.db"
    processes = [kernel(path, 25, f"stage {n}", before=PATIENT) for n in range(8)]
    heard = [process.communicate(timeout=200) for process in processes]

    assert [error for _, error in heard if "e2ebench" in error or "Warning" in error] == []
    assert (journal(path), whole(path)) == ("delete", True)
    with Store(str(path)) as store:
        assert sorted(sum(states.values()) for states in store.counts().values()) == [25] * 8
    assert [p.name for p in fuse.iterdir()] == ["team.db"]


def test_eight_kernels_write_to_one_file_with_a_rollback_journal(tmp_path: Path) -> None:
    """As on a network's file system: what a table of mounts says is given to each kernel."""
    table = tmp_path / "mountinfo"
    (tmp_path / "shared").mkdir()
    table.write_text(f"1 0 0:1 / {tmp_path / 'shared'} rw - nfs4 server:/home rw\n")
    before = (
        "import pathlib, e2e_magic.storage.folders as f\nf.MOUNTS = pathlib.Path(__import__('sys').argv[3])"
    )
    path = tmp_path / "shared" / "team.db"
    processes = [kernel(path, 25, f"stage {n}", table, before=PATIENT + before) for n in range(8)]
    heard = [process.communicate(timeout=200) for process in processes]

    assert [error for _, error in heard if "e2ebench" in error or "Warning" in error] == []
    assert (journal(path), whole(path)) == ("delete", True)
    with Store(str(path)) as store:
        assert sorted(sum(states.values()) for states in store.counts().values()) == [25] * 8


def test_locks_that_do_not_hold_are_an_error_with_its_mend() -> None:
    """SQLite's own words for it, from the driver."""
    error = explained("/net/x.db", "written", sqlite3.OperationalError("locking protocol"))

    assert str(error) == (
        "the store /net/x.db can't be written: its file system doesn't hold the locks that SQLite needs; "
        "name a file on a disk of this machine, or a database server with %e2e store PATH"
    )


def _kept(folder: Path | None, state: Path) -> str:
    """Keep two trials from a folder; return what is said, where they are and what `%e2e store` says."""
    os.environ.pop("E2E_MAGIC_STORE", None)
    os.environ["XDG_STATE_HOME"] = str(state)
    if folder is not None:
        os.chdir(folder)
    writer, heard = Writer(lambda _: RUN), []
    for n in (1, 2):
        writer.keep([record(n)], heard.append)
    described = writer.described()
    writer.close()
    return "|".join([*heard, described])


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """Make a folder that other users may enter."""
    made = Path(tempfile.mkdtemp(prefix="e2e-folders-"))
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


def test_a_folder_that_can_not_be_written(shared_folder: Path, as_nobody: Callable[[Any], str]) -> None:
    """The user's state folder takes the trials, which is said once and by `%e2e store`."""
    notebooks, state = shared_folder / "notebooks", shared_folder / "state"
    notebooks.mkdir(mode=0o555)
    state.mkdir()
    state.chmod(0o777)

    heard = as_nobody(lambda: _kept(notebooks, state))

    path = state / "e2e_magic" / "e2ebench.db"
    assert heard == (
        f"{notebooks} can't be written: trials are kept in {path}; %e2e store PATH keeps them elsewhere"
        f"|trials are kept in {path}: 1 run, 2 trials ({notebooks} can't be written)"
    )
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_no_home_and_no_folder_that_can_be_written(
    shared_folder: Path, as_nobody: Callable[[Any], str]
) -> None:
    """Then it is a folder of the user's own among the temporary ones."""
    notebooks, temporary = shared_folder / "notebooks", shared_folder / "tmp"
    notebooks.mkdir(mode=0o555)
    temporary.mkdir()
    temporary.chmod(0o1777)

    def homeless() -> str:
        tempfile.tempdir = str(temporary)
        os.environ["HOME"] = "/proc/nowhere"
        return _kept(notebooks, Path("/proc/nowhere"))

    heard = as_nobody(homeless)

    path = temporary / f"e2e_magic-{65534 if os.geteuid() == 0 else os.geteuid()}" / "e2ebench.db"
    assert f"trials are kept in {path}: 1 run, 2 trials" in heard


@pytest.mark.parametrize("below", ["", "below"])
def test_a_folder_that_can_not_be_entered(
    shared_folder: Path, as_nobody: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    """A home that is another user's, as in a container with a user of its own; the notebook lies in it."""
    closed, state = shared_folder / "closed", shared_folder / "state"
    (closed / "below").mkdir(parents=True)
    state.mkdir()
    state.chmod(0o777)
    monkeypatch.chdir(closed / below)
    closed.chmod(0)

    def homeless() -> str:
        os.environ["XDG_STATE_HOME"] = os.environ["HOME"] = str(closed)
        tempfile.tempdir = str(state)
        return f"{folders.killed_folder()}|{environment.capture().git_commit}|{_kept(None, closed)}"

    heard = as_nobody(homeless)
    closed.chmod(0o700)

    own = state / f"e2e_magic-{65534 if os.geteuid() == 0 else os.geteuid()}"
    assert heard == (
        f"{own / 'killed'}|None|{closed / below} can't be written: trials are kept in {own / 'e2ebench.db'}; "
        "%e2e store PATH keeps them elsewhere"
        f"|trials are kept in {own / 'e2ebench.db'}: 1 run, 2 trials ({closed / below} can't be written)"
    )


def test_a_store_in_a_folder_that_can_not_be_entered(
    shared_folder: Path, as_nobody: Callable[[Any], str]
) -> None:
    """To write to it or to read it: a sentence, not the system's words."""
    closed = shared_folder / "closed"
    closed.mkdir(mode=0)

    for create in (True, False):
        assert as_nobody(lambda create=create: Store(str(closed / "team.db"), create=create)) == (
            f"StoreError: the store {closed / 'team.db'} can't be opened: the file can't be opened or made "
            "there; check that the folder exists and may be written, or name a file elsewhere with "
            "%e2e store PATH"
        )
    closed.chmod(0o700)


def test_a_temporary_folder_of_another_user_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, need: Any
) -> None:
    """It could be read, or replaced, by whoever made it."""
    need(os.geteuid() == 0, "root, to give a folder away")
    monkeypatch.setattr(folders.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/proc/nowhere")
    (tmp_path / "e2e_magic-0").mkdir()
    os.chown(tmp_path / "e2e_magic-0", 65534, 65534)

    assert folders.state_folder() is None


AWKWARD = """
import warnings
import e2e_magic as e2e
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    with e2e.measure("train") as trial:
        e2e.log(loss=0.5)
print(trial.records[-1].state, len(e2e.results()))
print(*[str(w.message) for w in heard], sep="\\n")
"""


def _awkward(before: str, tmp_path: Path, **environment: str) -> list[str]:
    """Run a measured block in a process whose surroundings are odd; return the lines that it prints."""
    folder = tmp_path / "gone"
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("E2E_MAGIC_STORE", "HOME")}
    done = subprocess.run(
        [sys.executable, "-c", before + AWKWARD],
        check=False, capture_output=True, text=True, cwd=folder, timeout=60,
        env={**kept, "XDG_STATE_HOME": str(tmp_path / "state"), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("when", ["before the package is imported", "after it"])
def test_a_working_directory_that_is_gone(tmp_path: Path, when: str) -> None:
    """The cell runs, and its trial lies in the state folder."""
    first = "import e2e_magic as e2e\ne2e.results()\n" if when == "after it" else ""

    lines = _awkward(f"import os\n{first}os.rmdir(os.getcwd())\n", tmp_path)

    path = tmp_path / "state" / "e2e_magic" / "e2ebench.db"
    why = f"the folder {tmp_path / 'gone'} is gone" if first else "the working directory is gone"
    assert lines[0].split() == ["complete", "1"]
    assert lines[1:] == [f"{why}: trials are kept in {path}; %e2e store PATH keeps them elsewhere"]
    with Store(str(path)) as store:
        assert len(store.records()) == 1


def test_no_home(tmp_path: Path) -> None:
    """Nothing of the measured block's way needs one."""
    assert [line.split() for line in _awkward("", tmp_path) if line] == [["complete", "1"]]


def test_a_relative_path_without_a_working_directory_is_an_error(as_nobody: Callable[[Any], str]) -> None:
    """The store that was asked for by a word can't be found: the sentence says so, no traceback of ours."""

    def opened() -> None:
        os.chdir(tempfile.mkdtemp(prefix="e2e-gone-"))
        Path.cwd().rmdir()
        Store("team.db")

    assert as_nobody(opened) == (
        "StoreError: the store team.db can't be opened: the working directory is gone; give its whole path"
    )
