"""Readers against processes whose use is known."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from e2e_magic.measuring.sampler.descendants import Descendants, children, started_at
from e2e_magic.measuring.sampler.files import KeptFile, Spec
from e2e_magic.measuring.sampler.readers import Cpu, TreeRss

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc")

GRANDCHILD = "import time; time.sleep(60)"
CHILD = (
    f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {GRANDCHILD!r}]); time.sleep(60)"
)


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """Start a child with a child of its own."""
    with subprocess.Popen([sys.executable, "-c", CHILD]) as child:
        end = time.monotonic() + 10
        while not children(child.pid) and time.monotonic() < end:
            time.sleep(0.005)
        yield child
        for pid in children(child.pid):
            os.kill(pid, 9)
        child.kill()


@pytest.mark.parametrize("lists", [True, False], ids=["lists of children", "all processes"])
def test_descendants_have_their_parents(family: subprocess.Popen[bytes], lists: bool) -> None:
    """Children and grandchildren are found with and without the kernel's lists of children."""
    tree = Descendants(os.getpid())
    tree._lists = lists
    found = tree.parents()
    (grandchild,) = children(family.pid)

    assert os.getpid() == found[family.pid]
    assert family.pid == found[grandchild]


def test_a_dead_process_has_no_start_and_no_children(family: subprocess.Popen[bytes]) -> None:
    """A zombie counts as gone: its number is still taken, but it runs no more."""
    assert started_at(family.pid).isdigit()
    for pid in children(family.pid):
        os.kill(pid, 9)
    family.kill()
    os.waitid(os.P_PID, family.pid, os.WEXITED | os.WNOWAIT)

    assert started_at(family.pid) == ""
    assert children(family.pid) == []
    assert started_at(2**22 + 1) == ""


def test_a_child_in_its_parents_memory_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child just started with vfork shows its parent's memory, which isn't added again."""
    page = os.sysconf("SC_PAGE_SIZE") / 2**20
    reader = TreeRss(Spec("tree", "tree_rss", pid=os.getpid()))
    own = b"900 500 10 1 0 700 0\n"
    others = {"/proc/7/statm": own, "/proc/8/statm": b"300 100 10 1 0 200 0\n", "/proc/9/statm": b""}
    monkeypatch.setattr(reader._file.__class__, "at", lambda *_: own)
    monkeypatch.setattr(reader._tree.__class__, "parents", lambda _: {7: os.getpid(), 8: 7, 9: os.getpid()})
    monkeypatch.setattr("e2e_magic.measuring.sampler.readers.read_once", others.__getitem__)

    assert 600 * page == reader.read(0)
    reader.close()


class _Scripted:
    """CPU clocks and waited-for time of a family, by hand, in milliseconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clocks = {1: 0}
        self.parents: dict[int, int] = {}
        self.waited = 0
        monkeypatch.setattr("e2e_magic.measuring.sampler.readers.clock_gettime_ns", self._clock)
        monkeypatch.setattr("e2e_magic.measuring.sampler.readers.cpu_clock", lambda pid: pid)
        monkeypatch.setattr("e2e_magic.measuring.sampler.readers.KeptFile", lambda _: self)
        monkeypatch.setattr("e2e_magic.measuring.sampler.readers.os.cpu_count", lambda: 2)

    def _clock(self, pid: int) -> int:
        if pid not in self.clocks:
            raise OSError(22, "Invalid argument")
        return self.clocks[pid] * 1_000_000

    def data(self) -> bytes:
        ticks = self.waited * os.sysconf("SC_CLK_TCK") // 1000
        return b"1 (a) b) S" + b" 0" * 12 + f" {ticks} 0 0".encode()

    def close(self) -> None:
        pass


class _Tree:
    def __init__(self, script: _Scripted) -> None:
        self._script = script

    def parents(self) -> dict[int, int]:
        return dict(self._script.parents)


def _shares(monkeypatch: pytest.MonkeyPatch, steps: list[dict[str, object]]) -> list[float | None]:
    script = _Scripted(monkeypatch)
    spec = Spec("cpu", "cpu", pid=1, interval_ns=10**9, tree=_Tree(script))  # type: ignore[arg-type]
    reader = Cpu(spec)
    shares = [reader.read(0, last=True)]
    for second, step in enumerate(steps, 1):
        for name, value in step.items():
            setattr(script, name, value)
        shares.append(reader.read(second * 10**9, last=True))
    return shares[1:]


def test_cpu_of_the_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of CPU time in a second is 50 %."""
    assert _shares(monkeypatch, [{"clocks": {1: 500}}, {}, {"clocks": {1: 1500}}]) == [50, 0, 100]


def test_cpu_of_a_child_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a child used while it was seen doesn't come again when its parent waits for it."""
    steps: list[dict[str, object]] = [
        {"clocks": {1: 0, 5: 100}, "parents": {5: 1}},
        {"clocks": {1: 0, 5: 600}},
        {"clocks": {1: 0, 5: 1500}},
        {"clocks": {1: 0}, "parents": {}, "waited": 1700},
        {},
    ]

    assert [0, 50, 90, pytest.approx(20), 0] == _shares(monkeypatch, steps)


def test_cpu_of_a_child_that_is_waited_for_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two sources are read one after the other: the time may come one look after the clock went."""
    steps: list[dict[str, object]] = [
        {"clocks": {1: 0, 5: 0}, "parents": {5: 1}},
        {"clocks": {1: 0, 5: 800}},
        {"clocks": {1: 0}},
        {"waited": 900},
    ]

    assert [0, 80, 0, pytest.approx(10)] == _shares(monkeypatch, steps)


def test_cpu_of_a_child_that_nobody_waits_for_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later child's time isn't kept back for one that vanished without a wait."""
    steps: list[dict[str, object]] = [
        {"clocks": {1: 0, 5: 0}, "parents": {5: 1}},
        {"clocks": {1: 0, 5: 800}},
        {"clocks": {1: 0}, "parents": {}},
        {},
        {},
        {"waited": 700},
    ]

    assert _shares(monkeypatch, steps) == [0, 80, 0, 0, 0, 70]


def test_cpu_of_a_family_that_ends_together_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child hands its children's time up when it is waited for: both were in the curve already."""
    steps: list[dict[str, object]] = [
        {"clocks": {1: 0, 5: 0, 6: 0}, "parents": {5: 1, 6: 5}},
        {"clocks": {1: 0, 5: 300, 6: 600}},
        {"clocks": {1: 0}, "parents": {}, "waited": 900},
    ]

    assert _shares(monkeypatch, steps) == [0, 90, 0]


def test_cpu_of_a_short_child_comes_when_it_ends_and_never_above_all_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five seconds that arrive at once show as two busy cores until they are through."""
    assert _shares(monkeypatch, [{"waited": 5000}, {}, {}, {}]) == [200, 200, 100, 0]


def test_a_list_that_comes_in_pieces_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece ends where the next entry would pass its page: shorter than a page, and not the last."""
    pids = list(range(1_000_000, 1_001_000))
    pieces = iter([b"".join(b"%d " % pid for pid in some) for some in (pids[:511], pids[511:])])
    monkeypatch.setattr(os, "read", lambda *_: next(pieces, b""))
    monkeypatch.setattr(os, "listdir", lambda _: [str(os.getpid())])

    assert children("self") == pids


def test_readers_of_one_sample_share_a_file_and_its_content() -> None:
    """It is read once at an instant, and open until the last of them has closed it."""
    path = f"/proc/{os.getpid()}/statm"
    first, second = KeptFile.shared(path), KeptFile.shared(path)
    one = first.at(1)

    assert first is second
    assert second.at(1) is one
    assert second.at(2) is not one
    first.close()
    assert second.at(3)
    second.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        second.at(4)
    third = KeptFile.shared(path)
    assert third is not second
    third.close()
