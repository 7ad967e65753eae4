"""CPU time: the process, children that ended, children that are still alive."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.collectors.cpu import Cpu
from e2e_magic.record import sentences
from tests.contracts import CollectorContract

BUSY = "import time\nwhile time.process_time() < {seconds}: pass\n"


class TestCpu(CollectorContract):
    collector = Cpu
    units = frozenset({"s", "%"})


def busy(seconds: float) -> None:
    """Use this much CPU in this thread, however much of the core others take."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def work_on_demand(
    orders: multiprocessing.queues.Queue[float], done: multiprocessing.queues.Queue[int]
) -> None:
    """Be busy for each order, and stay alive."""
    while (seconds := orders.get()) > 0:
        busy(seconds)
        done.put(1)


@pytest.fixture
def worker() -> Iterator[tuple[Any, Any, Any]]:
    """Give a worker that is busy on demand, its orders and what it has done; nothing of it stays."""
    context: Any = multiprocessing.get_context("fork" if proc.LINUX else "spawn")
    orders, done = context.Queue(), context.Queue()
    process = context.Process(target=work_on_demand, args=(orders, done))
    process.start()
    yield process, orders, done
    orders.put(0.0)
    process.join(30)
    for queue in (orders, done):
        queue.close()
        queue.join_thread()


def cpu_of(collector: Cpu) -> float:
    """Return the CPU time as a number."""
    return float(collector.readings()["cpu_time_s"])


def test_a_busy_process_is_counted() -> None:
    """0.3 s of computing are 0.3 s of CPU time."""
    with Cpu() as collector:
        busy(0.3)

    assert cpu_of(collector) == pytest.approx(0.3, rel=0.15)


def test_sleep_is_not_counted() -> None:
    """Waiting uses no CPU."""
    with Cpu() as collector:
        time.sleep(0.05)

    assert cpu_of(collector) < 0.02


def test_user_and_system_add_up() -> None:
    """CPU time is what the program's own code and the system took for it."""
    with Cpu() as collector:
        busy(0.02)
        for _ in range(2_000):
            os.stat(".")  # noqa: PTH116

    readings = {name: float(value) for name, value in collector.readings().items()}
    assert readings["cpu_time_s"] == pytest.approx(readings["cpu_user_s"] + readings["cpu_system_s"])


def test_threads_are_counted() -> None:
    """The time of all threads of the process is in it."""
    with Cpu() as collector:
        threads = [threading.Thread(target=busy, args=(0.1,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert cpu_of(collector) == pytest.approx(0.3, rel=0.2)


def test_a_child_that_ended_is_counted() -> None:
    """A program that the code started and waited for belongs to it."""
    with Cpu() as collector:
        subprocess.run([sys.executable, "-c", BUSY.format(seconds=0.3)], check=True)

    assert 0.29 < cpu_of(collector) < 0.6  # and what it takes to start Python


@pytest.mark.skipif(not proc.LINUX, reason="a child of a child is only seen while alive")
def test_a_grandchild_is_counted() -> None:
    """A program that a living child started and waited for is counted through that child."""
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY.format(seconds=0.2)!r}])"
    outer = f"{inner}; print('done', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        with Cpu() as collector:
            child.stdout.readline()
        child.stdin.close()

    assert 0.15 < cpu_of(collector) < 0.6


def test_a_worker_that_is_still_alive_is_counted_and_its_past_is_not(worker: tuple[Any, Any, Any]) -> None:
    """A pool's worker counts for what it did within the trial, although it lives on after it."""
    process, orders, done = worker
    orders.put(0.4)
    done.get(timeout=30)
    with Cpu() as collector:
        orders.put(0.2)
        done.get(timeout=30)

    assert process.is_alive()
    assert cpu_of(collector) == pytest.approx(0.2, abs=0.1)


def test_a_worker_that_ends_within_the_trial_brings_only_what_it_did_there(
    worker: tuple[Any, Any, Any],
) -> None:
    """The past of a worker that is waited for within the trial cancels out."""
    process, orders, done = worker
    orders.put(0.4)
    done.get(timeout=30)
    with Cpu() as collector:
        orders.put(0.2)
        done.get(timeout=30)
        orders.put(0.0)
        process.join(30)

    assert cpu_of(collector) == pytest.approx(0.2, abs=0.1)


@pytest.mark.skipif(not proc.LINUX, reason="needs the start times of /proc")
def test_a_grandchild_whose_parent_ends_keeps_its_past_out() -> None:
    """Of a worker that gets another parent within the trial, neither its past nor its present is lost."""
    worker = textwrap.dedent(
        """
        import sys, time
        for line in sys.stdin:
            end = time.process_time() + float(line)
            while time.process_time() < end:
                pass
            print(1, flush=True)
        """
    )
    starter = (
        f"import os, sys\nif os.fork() == 0:\n    exec({worker!r})\nelse:\n    import time; time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(b"0.5\n")
        parent.stdout.readline()
        with Cpu() as collector:
            parent.kill()
            parent.wait(30)
            parent.stdin.write(b"0.2\n")
            parent.stdout.readline()

    assert cpu_of(collector) == pytest.approx(0.2, abs=0.1)


@pytest.mark.skipif(not proc.LINUX, reason="needs the process groups of /proc")
@pytest.mark.parametrize(
    "way", ["a shell's background", "a double fork", "a daemon", "a shell of a session of its own"]
)
def test_an_orphan_is_counted_while_it_runs(way: str) -> None:
    """A job whose parent has ended is nobody's child; its CPU time is the code's all the same."""
    job = f"{BUSY.format(seconds=0.3)}\nprint(1, flush=True)\ntime.sleep(30)"
    if way in ("a double fork", "a daemon"):
        leave = "os.setsid()\nif os.fork(): os._exit(0)\n" if way == "a daemon" else ""
        script = f"import os, sys\nif os.fork(): os._exit(0)\n{leave}exec({job!r})"
        command = [sys.executable, "-c", script]
    else:
        command = ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, "-c", job]
    collector = Cpu()
    with collector:
        parent = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session="session" in way)
        assert parent.stdout is not None
        parent.stdout.readline()
        parent.wait(30)
    for orphan in proc.orphans(collector._lineage, ()):
        os.kill(orphan.pid, 9)
    parent.stdout.close()

    assert 0.25 < cpu_of(collector) < 5  # and what it takes to start Python


@pytest.mark.skipif(not proc.LINUX, reason="needs the process groups of /proc")
def test_what_another_process_of_the_group_starts_is_not_an_orphan() -> None:
    """A shell's ``a & b``, make or a test run has several such processes in one group."""
    other = (
        "import subprocess, sys\n"
        "for line in sys.stdin: subprocess.Popen(['sleep', '30']); print(1, flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", other], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as neighbour:
        assert neighbour.stdin is not None
        assert neighbour.stdout is not None
        since = proc.Lineage.now()
        neighbour.stdin.write(b"start\n")
        neighbour.stdout.readline()
        subprocess.run(["true"], check=True)
        started = set(proc.descendants()) - {neighbour.pid}
        # As the neighbour sees it: this process's child is none of the neighbour's living descendants.
        seen = proc.orphans(since, {neighbour.pid})
        for pid in started:
            os.kill(pid, 9)
        neighbour.kill()

    assert len(started) == 1
    assert seen == []


@pytest.mark.skipif(not proc.LINUX, reason="needs the process groups of /proc")
@pytest.mark.parametrize("another", ["an environment", "nothing"])
def test_another_programs_daemon_is_not_an_orphan(another: str) -> None:
    """What has left its group and doesn't have this process's environment is anybody's."""
    environment = {**os.environ, "PATH": "/elsewhere"} if another == "an environment" else {}
    since = proc.Lineage.now()
    command = ["/bin/sh", "-c", "/bin/sleep 30 > /dev/null & echo $!"]
    pid = int(subprocess.check_output(command, env=environment, start_new_session=True))
    seen = proc.orphans(since, ())
    os.kill(pid, 9)

    assert pid not in {orphan.pid for orphan in seen}


@pytest.mark.skipif(not proc.LINUX, reason="needs the process groups of /proc")
def test_processes_are_only_looked_through_where_a_child_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look costs milliseconds where there are many."""
    monkeypatch.setattr(proc, "_stat", lambda *_: pytest.fail("looked"))
    since = proc.Lineage.now()

    assert proc.orphans(since, ()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_the_end_in_a_forked_child_gives_no_number() -> None:
    """A child that the code forked and that leaves through the same end has nothing to say, and says so."""
    with Cpu() as collector:
        pid = os.fork()
        if pid == 0:
            collector.__exit__(None, None, None)
            words = set(sentences(collector.missing()).values())
            expected = {
                "the code came to its end in a forked child, whose times don't go on from the parent's"
            }
            os._exit(0 if words == expected and not collector.readings() else 1)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert "cpu_time_s" in collector.readings()


def test_without_proc_psutil_sees_living_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """On systems without /proc the living children come from psutil."""
    with subprocess.Popen([sys.executable, "-c", BUSY.format(seconds=60)]) as child:
        monkeypatch.setattr(proc, "LINUX", False)
        times = psutil.Process(child.pid).cpu_times
        with Cpu() as collector:
            before = times().user
            while times().user < before + 0.2:
                time.sleep(0.01)
        child.kill()

    assert "psutil for children" in collector.source
    assert cpu_of(collector) >= 0.19
