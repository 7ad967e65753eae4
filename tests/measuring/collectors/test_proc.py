"""Reading /proc: descendants and whole files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.collectors.base import Unavailable

pytestmark = pytest.mark.skipif(not proc.LINUX, reason="/proc is Linux's")

WAIT = [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"]


def waiting() -> subprocess.Popen[bytes]:
    """Start a program that waits until its input is closed."""
    child = subprocess.Popen(WAIT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_a_process_without_children_has_no_descendants() -> None:
    """Nothing is found where nothing is."""
    assert not proc.has_children()
    assert proc.descendants() == {}


def test_asking_leaves_a_child_that_ended_to_its_parent() -> None:
    """A child that ended can still be waited for by the user's code, with its own exit status."""
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert proc.has_children()
        assert child.pid in proc.descendants()
        assert child.wait() == 7


def test_children_of_other_threads_are_found() -> None:
    """The kernel lists a child under the thread that started it: all threads are asked."""
    children: list[subprocess.Popen[bytes]] = []
    started, leave = threading.Event(), threading.Event()

    def start() -> None:
        children.append(waiting())
        started.set()
        leave.wait(30)

    thread = threading.Thread(target=start)
    thread.start()
    started.wait(30)
    found = proc.descendants()
    leave.set()
    thread.join()
    with children[0] as child:
        assert set(found) == {child.pid} == set(proc.descendants())


def test_a_known_process_counts_after_it_got_another_parent() -> None:
    """A grandchild whose parent ended is no descendant any more, but known ones are looked up again."""
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'])\n"
        "print(child.pid, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script + "sys.stdout.close(); sys.stdin.readline()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        grandchild = int(parent.stdout.readline())
        before = proc.descendants()
        parent.stdin.write(b"end\n")
        parent.stdin.flush()
        parent.wait(30)
        known = before[grandchild]
        reused = known._replace(started=known.started + 1)

        assert set(before) == {parent.pid, grandchild}
        assert grandchild not in proc.descendants()
        assert grandchild in proc.descendants([known])
        assert grandchild not in proc.descendants([reused])


def test_a_process_name_with_parentheses_and_blanks_is_read(tmp_path: Path) -> None:
    """The name in /proc/PID/stat may hold anything, so its fields are counted from the name's end."""
    link = tmp_path / "a) b ("
    link.symlink_to("/bin/sleep")
    with subprocess.Popen([str(link), "60"]) as child, subprocess.Popen(["sleep", "60"]) as plain:
        found = proc.descendants()
        child.kill()
        plain.kill()

    assert found[child.pid].user_s < 1.0
    # Both started within some seconds, in clock ticks since the boot.
    assert found[child.pid].started == pytest.approx(found[plain.pid].started, abs=1_000)


def test_a_file_longer_than_a_page_is_read_whole_and_tallied(tmp_path: Path) -> None:
    """A list of many children comes in pieces; all of them are read, and every byte is tallied."""
    content = b" ".join(b"%d" % number for number in range(60_000))
    file = tmp_path / "children"
    file.write_bytes(content)
    before = proc.tally.read_bytes

    assert proc.read(str(file)) == content
    assert proc.tally.read_bytes - before == len(content)


def test_without_psutil_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where psutil is needed and absent, the reason and the command are said."""
    monkeypatch.setitem(sys.modules, "psutil", None)

    with pytest.raises(Unavailable) as caught:
        proc.psutil()

    assert str(caught.value) == "psutil is not installed; pip install psutil"
