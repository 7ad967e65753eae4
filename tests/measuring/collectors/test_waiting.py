"""Waiting for a core: of threads that stay, that begin, that end, and where nobody counts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.collectors.cpu import Cpu
from e2e_magic.measuring.collectors.waiting import NOT_COUNTED, Waited, waited_s
from e2e_magic.record import Code, Reason

COUNTED = any(Waited.now().ran.values())
MS = 1_000_000


def busy(seconds: float) -> None:
    """Use this much CPU in this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def edge(**threads: tuple[int, int]) -> Waited:
    """Make an edge of threads' milliseconds on a core and waiting for one."""
    return Waited(
        {name: on * MS for name, (on, _) in threads.items()}, {n: w * MS for n, (_, w) in threads.items()}
    )


def test_threads_that_stay_and_begin_are_added() -> None:
    """What a thread waited before does not count; one that began in between counts whole."""
    start = edge(main=(100, 40), pool=(10, 10))
    end = edge(main=(200, 45), pool=(10, 10), new=(50, 7))

    assert waited_s(start, end, 0.15) == pytest.approx(0.012)


def test_another_thread_under_an_old_number_counts_whole() -> None:
    """Its counts are lower than those of the thread before it."""
    assert waited_s(edge(main=(100, 40), t=(90, 90)), edge(main=(200, 40), t=(10, 3)), 0.11) == pytest.approx(
        0.003
    )


def test_threads_that_ended_and_had_worked_make_it_missing() -> None:
    """Their count is gone with them, and nobody can say what it was."""
    reason = waited_s(edge(main=(100, 0), gone=(10, 0)), edge(main=(200, 9)), 0.3)

    assert reason == Reason(
        Code.NO_WAITS,
        "threads that ended meanwhile took 67 % of the CPU time, and how long they waited for a core is not "
        "kept",
    )


def test_a_thread_that_ended_and_had_done_little_costs_nothing() -> None:
    """Below a twentieth of the CPU time, or the step of the scheduler's clock, it is a trifle."""
    assert waited_s(edge(main=(100, 0), gone=(10, 0)), edge(main=(1100, 9)), 1.04) == pytest.approx(0.009)
    assert waited_s(edge(main=(100, 0), gone=(10, 0)), edge(main=(101, 9)), 0.02) == pytest.approx(0.009)


@pytest.mark.parametrize("start", [Waited({}, {}), edge(main=(0, 0))])
def test_a_system_that_does_not_count_says_so(start: Waited) -> None:
    """Without the file, and with one that is always 0, there is a reason and no 0."""
    assert waited_s(start, start, 1.0) is NOT_COUNTED
    assert str(NOT_COUNTED) == "this system does not count how long threads wait for a core"


def test_without_proc_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector keeps its other numbers, and `%e2e metrics` has the reason."""
    monkeypatch.setattr(proc, "LINUX", False)
    with Cpu() as collector:
        pass

    assert "cpu_time_s" in collector.readings()
    assert "waited_s" not in collector.readings()
    assert collector.missing() == collector.absent() == {"waited_s": NOT_COUNTED}


@pytest.mark.skipif(not COUNTED, reason="this system keeps no schedstat")
def test_as_many_threads_as_before_are_not_taken_for_the_same() -> None:
    """One ended and another began between two looks: the second look has the new one."""

    def waiting() -> tuple[threading.Thread, threading.Event]:
        go = threading.Event()
        thread = threading.Thread(target=go.wait)
        thread.start()
        return thread, go

    first, go = waiting()
    before = Waited.now()
    go.set()
    first.join()
    second, go = waiting()
    after = Waited.now()
    go.set()
    second.join()

    assert str(first.native_id) in before.ran
    assert str(second.native_id) in after.ran
    assert str(first.native_id) not in after.ran


@pytest.mark.skipif(not COUNTED, reason="this system keeps no schedstat")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs one core for two")
def test_two_that_share_a_core_wait_for_each_other() -> None:
    """Wall time is CPU time and waiting, for a thread that does nothing else."""
    code = (
        "import os, time\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "print(flush=True)\n"
        "end = time.monotonic() + 20\n"
        "while time.monotonic() < end: pass\n"
    )
    cores = os.sched_getaffinity(0)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        os.sched_setaffinity(0, {min(cores)})
        try:
            began = time.perf_counter()
            with Cpu() as collector:
                busy(0.3)
            wall_s = time.perf_counter() - began
        finally:
            os.sched_setaffinity(0, cores)
            other.kill()

    waited = float(collector.readings()["waited_s"])
    assert waited > 0.1
    assert waited + 0.3 == pytest.approx(wall_s, rel=0.1)


@pytest.mark.skipif(not COUNTED, reason="this system keeps no schedstat")
def test_a_pool_that_ends_within_the_code_is_named() -> None:
    """Threads that worked and ended took their waiting along."""
    with Cpu() as collector:
        threads = [threading.Thread(target=busy, args=(0.1,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert "waited_s" not in collector.readings()
    assert "threads that ended meanwhile took" in str(collector.missing()["waited_s"])


@pytest.mark.skipif(not proc.LINUX, reason="needs /proc")
def test_sleep_is_no_waiting_for_a_core(tmp_path: Path) -> None:
    """Who sleeps is not ready; a folder that isn't there gives nothing."""
    assert Waited.now(str(tmp_path)) == Waited({}, {})
    with Cpu() as collector:
        time.sleep(1)

    assert float(collector.readings().get("waited_s", 0.0)) < 0.9
