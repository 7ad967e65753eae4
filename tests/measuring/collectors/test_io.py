"""Bytes read and written: by the process, by children that ended and by living ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.collectors.cpu import Cpu
from e2e_magic.measuring.collectors.io import Io
from e2e_magic.measuring.collectors.memory import Memory
from e2e_magic.record import sentences
from tests.contracts import CollectorContract

linux = pytest.mark.skipif(not proc.LINUX, reason="/proc is Linux's")
MIB = 2**20


class TestIo(CollectorContract):
    collector = Io
    units = frozenset({"MiB"})


def moved(collector: Io) -> tuple[float, float]:
    """Return MiB read and written."""
    readings = collector.readings()
    return float(readings["read_mib"]), float(readings["write_mib"])


@linux
def test_nothing_is_counted_for_nothing() -> None:
    """The collector's own reading of /proc is taken off: a no-op reads and writes exactly 0."""
    with Io() as collector:
        pass

    assert moved(collector) == (0.0, 0.0)


@linux
def test_what_other_collectors_read_is_taken_off_too() -> None:
    """What collectors read and write between the edges is on the tally, also where trials nest."""
    with Io() as collector:
        for _ in range(50):
            with Memory(), Io(), Cpu():
                pass

    assert moved(collector) == (0.0, 0.0)


def test_a_written_file_is_counted_at_once_and_read_back_from_the_cache(tmp_path: Path) -> None:
    """20 MiB written are 20 MiB, although no disk has seen them yet, and so is reading them back."""
    file = tmp_path / "data"
    with Io() as writing:
        file.write_bytes(bytes(20 * MIB))
    with Io() as reading:
        file.read_bytes()
    with Io() as again:
        file.read_bytes()

    assert moved(writing) == pytest.approx((0, 20), abs=0.01)
    assert moved(reading) == pytest.approx((20, 0), abs=0.01)
    assert moved(again) == pytest.approx((20, 0), abs=0.01)


@linux
def test_a_child_that_ended_is_counted(tmp_path: Path) -> None:
    """What a program wrote that the code started and waited for belongs to it."""
    script = f"open({str(tmp_path / 'data')!r}, 'wb').write(bytes({20 * MIB}))"
    with Io() as collector:
        subprocess.run([sys.executable, "-c", script], check=True)

    assert moved(collector)[1] == pytest.approx(20, abs=0.1)
    assert moved(collector)[0] < 5  # a starting Python reads its library


@linux
@pytest.mark.parametrize("ends", [False, True], ids=["alive", "ended"])
def test_a_worker_counts_for_what_it_did_within_the_trial(tmp_path: Path, *, ends: bool) -> None:
    """A worker's bytes before the trial are not in it, whether it lives on or is waited for within it."""
    script = (
        "import sys\n"
        f"with open({str(tmp_path / 'data')!r}, 'wb') as file:\n"
        "    for line in sys.stdin:\n"
        f"        file.write(bytes(int(line) * {MIB})); file.flush(); print(1, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(b"30\n")
        worker.stdin.flush()
        worker.stdout.readline()
        with Io() as collector:
            worker.stdin.write(b"10\n")
            worker.stdin.flush()
            worker.stdout.readline()
            if ends:
                worker.stdin.close()
                worker.wait(30)

    assert moved(collector) == pytest.approx((0, 10), abs=0.1)


@linux
def test_a_grandchild_whose_parent_ends_keeps_its_past_out(tmp_path: Path) -> None:
    """Of a worker that gets another parent within the trial, neither its past nor its present is lost."""
    script = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        f"    with open({str(tmp_path / 'data')!r}, 'wb') as file:\n"
        "        for line in sys.stdin:\n"
        f"            file.write(bytes(int(line) * {MIB})); file.flush(); print(1, flush=True)\n"
        "else:\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(b"30\n")
        parent.stdout.readline()
        with Io() as collector:
            parent.kill()
            parent.wait(30)
            parent.stdin.write(b"10\n")
            parent.stdout.readline()

    assert moved(collector) == pytest.approx((0, 10), abs=0.1)


@linux
def test_the_end_in_a_forked_child_gives_no_number() -> None:
    """A child that the code forked and that leaves through the same end has nothing to say, and says so."""
    with Io() as collector:
        pid = os.fork()
        if pid == 0:
            collector.__exit__(None, None, None)
            words = set(sentences(collector.missing()).values())
            expected = {
                "the code came to its end in a forked child, whose counts don't go on from the parent's"
            }
            os._exit(0 if words == expected and not collector.readings() else 1)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert "read_mib" in collector.readings()


@linux
def test_a_kernel_without_accounting_is_unavailable_in_words(tmp_path: Path) -> None:
    """No io file: the reason names it, and the remedy says what to do."""
    with pytest.raises(Unavailable) as caught:
        Io(str(tmp_path))

    assert str(caught.value) == (
        f"{tmp_path}/io can't be read; "
        "use a kernel with CONFIG_TASK_IO_ACCOUNTING and a container that shows it"
    )


@linux
def test_counts_that_vanish_within_the_trial_are_an_error_with_a_sentence(tmp_path: Path) -> None:
    """A file that can't be read at the end costs the numbers; they are not taken for 0."""
    (tmp_path / "io").write_text("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\n")
    collector = Io(str(tmp_path)).__enter__()
    (tmp_path / "io").unlink()

    with pytest.raises(OSError, match=f"{tmp_path}/io can't be read any more"):
        collector.__exit__(None, None, None)
    assert collector.readings() == {}
    assert sentences(collector.missing()) == dict.fromkeys(
        ["read_mib", "write_mib"], "the end of the code could not be measured"
    )


def test_elsewhere_psutil_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows psutil's counters are used."""
    monkeypatch.setattr(proc, "LINUX", False)
    with Io() as collector:
        pass

    assert collector.source == "psutil io_counters: read and write calls"
    assert moved(collector) == (0.0, 0.0)


def test_macos_counts_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where psutil has no counters either, IO is unavailable with the reason."""
    monkeypatch.setattr(proc, "LINUX", False)
    monkeypatch.delattr(psutil.Process, "io_counters")

    with pytest.raises(Unavailable) as caught:
        Io()

    assert str(caught.value) == "this system counts no bytes per process (macOS doesn't)"
