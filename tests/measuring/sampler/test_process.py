"""The sampler process itself: real processes, killed, stopped, forked and left alone."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import e2e_magic.measuring.sampler
from e2e_magic.measuring.collectors.base import Probe
from e2e_magic.measuring.sampler import Sampler, SamplerLost, Samples, sampler
from e2e_magic.measuring.sampler.descendants import started_at
from e2e_magic.measuring.sampler.launch import MODE_VARIABLE
from e2e_magic.record import sentences

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc of Linux")

RSS = (Probe("rss_mib", "rss"),)
ALL = tuple(Probe(kind, kind) for kind in ("rss", "tree_rss", "cpu", "io_read", "io_write"))
ROOT = str(Path(e2e_magic.measuring.sampler.__file__).parents[3])

# A kernel of its own, that records and says who samples it.
KERNEL = """
import os, signal, subprocess, sys, time
from e2e_magic.measuring.collectors.base import Probe
from e2e_magic.measuring.sampler import SamplerLost, sampler
recording = sampler().start((Probe("rss_mib", "rss"),), 0.01)
print(sampler().pid, flush=True)
"""


@pytest.fixture(params=["proc", "portable"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of reading: Linux's own, and psutil's as on macOS and Windows."""
    if request.param == "portable":
        monkeypatch.setenv(MODE_VARIABLE, "portable")
    return str(request.param)


@pytest.fixture
def mine() -> Iterator[Sampler]:
    """Give this test a sampler of its own."""
    one = Sampler()
    yield one
    one.close()


@contextlib.contextmanager
def kernel(program: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a program that records; yields it and its sampler's process id."""
    with subprocess.Popen(
        [sys.executable, "-c", KERNEL + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        try:
            yield process, int(first)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def shown_s(samples: Samples) -> float:
    """Return the CPU time that a curve shows: each share is of the time since the last one."""
    shares = samples.series["cpu"]
    since = [samples.series["rss"].t_s[0], *shares.t_s]
    return sum(v / 100 * (t - s) for v, t, s in zip(shares.value, shares.t_s, since, strict=False))


def alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Wait until it is true, or too late."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def pid_of(one: Sampler) -> int:
    """Return the id of the process that must be there."""
    assert one.pid is not None
    return one.pid


def end(pid: int, number: int = signal.SIGKILL) -> None:
    """Kill and wait until it is gone."""
    os.kill(pid, number)
    assert within(10, lambda: not alive(pid))


def files(pid: int) -> list[str]:
    """Return what the sampler holds open, once it has closed what it read: it does so after its answer."""
    found: list[str] = []

    def closed() -> bool:
        try:
            found[:] = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
        except FileNotFoundError:  # it closes one just now
            return False
        return not any(name.startswith("/proc/") for name in found)

    assert within(10, closed), found
    return found


def test_all_kinds_are_sampled(mode: str, mine: Sampler) -> None:
    """Each kind gives a curve on the kernel's clock with plausible values."""
    before, used_before = time.perf_counter(), time.process_time()
    recording = mine.start(ALL, 0.01)
    recording.peek()  # it has begun
    began = time.process_time()
    while time.process_time() < began + 0.8:
        pass
    samples = recording.stop()
    seconds, used_s = time.perf_counter() - before, time.process_time() - used_before

    assert samples.lost == {}
    assert {probe.metric for probe in ALL} == set(samples.series)
    assert all(0 <= t <= seconds for curve in samples.series.values() for t in curve.t_s)
    assert samples.samples == len(samples.series["rss"])
    assert 2 <= samples.samples + samples.missed <= seconds / 0.01 + 2
    own = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    assert own == pytest.approx(samples.series["rss"].value[-1], rel=0.1)
    assert all(tree >= 0.99 * own for tree in samples.series["tree_rss"].value), mode
    assert 0.6 < shown_s(samples) < used_s + 0.05, mode
    assert all(value >= 0 for kind in ("io_read", "io_write") for value in samples.series[kind].value)


def test_io_is_counted_from_the_start(mode: str, mine: Sampler, tmp_path: Path) -> None:
    """What was written before isn't in it; what was written during is, to the byte and a few more."""
    path = tmp_path / "data"
    path.write_bytes(bytes(3 * 2**20))
    recording = mine.start((Probe("w", "io_write"),), 10.0)
    recording.peek()  # it has begun
    path.write_bytes(bytes(2 * 2**20))
    written = recording.stop().series["w"].value

    assert pytest.approx(written[0], abs=0.01) == 0.0
    assert pytest.approx(written[-1], abs=0.01) == 2.0, mode


def test_children_are_in_the_tree(mode: str, mine: Sampler) -> None:
    """A child's memory and CPU time are in the curves; the sampler's own are not."""
    recording = mine.start(ALL, 0.02)
    recording.peek()  # it has begun
    used_s = sum(os.times()[:4])
    program = (
        "x = bytearray(80 * 2**20)\nimport time\nwhile time.process_time() < 0.6: pass\n"
        "print(flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        looks = recording.peek().samples
        assert within(10, lambda: recording.peek().samples > looks + 1)
        child.communicate("\n")
    used_s = sum(os.times()[:4]) - used_s
    samples = recording.stop()
    more = max(samples.series["tree_rss"].value) - max(samples.series["rss"].value)

    assert 80 < more < 130, mode
    assert 0.3 < shown_s(samples) < used_s + 0.1, mode  # but what it used before the first look at it
    assert max(samples.series["cpu"].value) <= 100 * (os.cpu_count() or 1) + 1e-6
    assert samples.series["tree_rss"].value[0] - samples.series["rss"].value[0] < 5


def test_a_thousand_a_second(mine: Sampler) -> None:
    """At 1 kHz the instants are taken or counted as missed."""
    mine.start(RSS, 0.1).stop()  # the process is there
    recording = mine.start(RSS, 0.001)
    recording.peek()  # it has begun
    start = time.perf_counter()
    time.sleep(0.5)
    samples = recording.stop()
    due = (time.perf_counter() - start) / 0.001

    assert samples.samples > 0
    # Some were due before the look that says that it has begun.
    assert 0.8 * due < samples.samples + samples.missed < due + 1000


def test_recordings_nest(mine: Sampler) -> None:
    """An inner recording with its own interval and origin leaves the outer one alone."""
    outer = mine.start(RSS, 0.02)
    time.sleep(0.1)
    inner = mine.start((Probe("rss_mib", "rss"), Probe("cpu", "cpu")), 0.005)
    time.sleep(0.1)
    inside = inner.stop()
    time.sleep(0.1)
    outside = outer.stop()

    assert max(outside.series["rss_mib"].t_s) >= max(inside.series["rss_mib"].t_s) + 0.2
    assert {"rss_mib"} == set(outside.series)
    assert {"rss_mib", "cpu"} == set(inside.series)
    assert inside.samples + inside.missed > 10


def test_origin_moves_the_curve(mine: Sampler) -> None:
    """Times count from the given origin."""
    origin = time.perf_counter_ns() - 5_000_000_000
    samples = mine.start(RSS, 0.1, origin_ns=origin).stop()

    assert all(5 <= t < 10 for t in samples.series["rss_mib"].t_s)


def test_the_start_of_the_process_is_not_in_the_curve() -> None:
    """Asked for the origin once the process answers, the first curve begins where code can begin."""
    made = Sampler()
    asked: list[tuple[int | None, int]] = []

    def origin() -> int:
        asked.append((made.pid, time.perf_counter_ns()))
        return asked[-1][1]

    try:
        samples = made.start(RSS, 0.01, origin_ns=origin).stop()
    finally:
        made.close()

    [(pid, began_ns)] = asked
    assert pid is not None
    # Ten milliseconds and more went by until it answered; none of them is in the curve.
    assert 0 <= samples.series["rss_mib"].t_s[-1] <= (time.perf_counter_ns() - began_ns) / 1e9


def test_peek_from_another_thread(mine: Sampler) -> None:
    """A look from a thread sees what there is and disturbs nothing."""
    recording = mine.start(RSS, 0.005)
    seen: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(recording.peek().samples)

    thread = threading.Thread(target=look)
    thread.start()
    time.sleep(0.2)
    done.set()
    thread.join()

    assert sorted(seen) == seen
    assert 0 < seen[-1] <= recording.stop().samples


def test_a_vanished_file_is_reported(mine: Sampler, tmp_path: Path) -> None:
    """Over the wire too: the metric ends with a reason, the others go on."""
    path = tmp_path / "energy_uj"
    path.write_text("1000\n")
    recording = mine.start((Probe("power_w", "counter", str(path), 1e-6, 5000.0), *RSS), 0.01)
    recording.peek()
    path.unlink()
    time.sleep(0.05)
    samples = recording.stop()

    assert {"power_w": f"{path} can't be read: No such file or directory"} == sentences(samples.lost)
    assert samples.totals == {}
    assert len(samples.series["rss_mib"]) == samples.samples


def test_killed_in_the_middle(mine: Sampler) -> None:
    """Stop says what happened at once, and the next recording has a new process."""
    recording = mine.start(RSS, 0.01)
    pid = pid_of(mine)
    end(pid)
    with pytest.raises(SamplerLost) as caught:
        recording.stop()

    assert (
        f"the sampler process ({pid}) has ended: the curves of this trial are missing; "
        "start the cell again: the next measured cell starts a new one"
    ) == str(caught.value)
    assert None is mine.pid
    assert mine.start(RSS, 0.01).stop().samples >= 2
    assert pid != mine.pid


def test_killed_between_recordings(mine: Sampler) -> None:
    """A process that died while idle is replaced unnoticed."""
    mine.start(RSS, 0.01).stop()
    pid = pid_of(mine)
    end(pid)

    assert mine.start(RSS, 0.01).stop().samples >= 2
    assert pid != mine.pid


def test_a_hung_process_is_given_up(monkeypatch: pytest.MonkeyPatch, mine: Sampler) -> None:
    """A stopped sampler costs one trial's curves: it is ended, and the next recording works."""
    recording = mine.start(RSS, 0.01)
    pid = pid_of(mine)
    os.kill(pid, signal.SIGSTOP)
    with monkeypatch.context() as patched:
        patched.setattr("e2e_magic.measuring.sampler.link.PATIENCE_S", 0.3)
        with pytest.raises(SamplerLost, match=rf"\({pid}\) did not answer within 0.3 s: "):
            recording.stop()

    assert within(10, lambda: not alive(pid))
    assert mine.start(RSS, 0.01).stop().samples >= 2


def test_a_hung_process_does_not_block_its_close(monkeypatch: pytest.MonkeyPatch, mine: Sampler) -> None:
    """Closing a stopped sampler waits no longer than its patience, and ends it."""
    monkeypatch.setattr("e2e_magic.measuring.sampler.link.PATIENCE_S", 0.3)
    mine.start(RSS, 0.01).stop()
    pid = pid_of(mine)
    os.kill(pid, signal.SIGSTOP)
    mine.close()

    assert within(5, lambda: not alive(pid))


def test_close_leaves_nothing(mode: str, mine: Sampler) -> None:
    """After close there is no process, thread or descriptor of it, and it can start again."""
    before, threads = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    mine.start(RSS, 0.01).stop()
    pid = pid_of(mine)
    mine.close()

    assert not alive(pid), mode
    assert (before, threads) == (len(list(Path("/proc/self/fd").iterdir())), threading.active_count())
    assert mine.start(RSS, 0.01).stop().samples >= 2


def test_descriptors_do_not_grow(mine: Sampler) -> None:
    """Neither side has more of them after 200 recordings."""
    mine.start(ALL, 0.1).stop()
    pid = pid_of(mine)
    before = len(list(Path("/proc/self/fd").iterdir())), len(files(pid))
    for _ in range(200):
        mine.start(ALL, 0.1).stop()

    assert before == (len(list(Path("/proc/self/fd").iterdir())), len(files(pid)))


def test_a_forgotten_recording_ends(mine: Sampler) -> None:
    """A recording that nobody holds any more is closed with the next message."""
    mine.start(ALL, 0.1).stop()
    pid = pid_of(mine)
    before = files(pid)
    mine.start(ALL, 0.1)  # dropped at once
    mine.start(RSS, 0.1).stop()

    assert before == files(pid)


def test_the_process_is_detached_and_small(mine: Sampler) -> None:
    """Its own session, cwd /, nothing open but its socket, its pipe and its own, under 12 MiB, no child."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        mine.start(RSS, 0.01).stop()
        pid = pid_of(mine)
        held = files(pid)
        user = str(Path(f"/proc/self/fd/{write}").readlink())
    finally:
        os.close(read)
        os.close(write)
    status = Path(f"/proc/{pid}/status").read_text()

    assert user not in held
    own = r"socket:|pipe:|anon_inode:\[?pidfd"
    assert {"/dev/null"} == {file for file in held if not re.match(own, file)}
    assert os.getsid(pid) != os.getsid(0)
    assert str(Path(f"/proc/{pid}/cwd").readlink()) == "/"
    assert int(re.findall(r"PPid:\s+(\d+)", status)[0]) != os.getpid()
    assert int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) < 12 * 1024


def test_idle_costs_nothing(mine: Sampler) -> None:
    """While nothing is recorded the process is not woken once."""
    mine.start(RSS, 0.01).stop()
    path = Path(f"/proc/{mine.pid}/status")

    def is_still() -> bool:
        counts = []
        for _ in range(2):
            counts.append(re.findall(r"ctxt_switches:\s+(\d+)", path.read_text()))
            time.sleep(0.3)
        return counts[0] == counts[1]

    assert within(10, is_still)  # once it has put away what it recorded


def test_a_killed_kernel_takes_it_along_although_a_worker_lives() -> None:
    """SIGKILL to the kernel ends the sampler, also while a fork holds the socket."""
    program = "worker = os.fork()\nif not worker: time.sleep(60)\nprint(worker, flush=True)\ntime.sleep(60)"
    with kernel(program) as (process, pid):
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.kill()
        process.wait()

        assert within(10, lambda: not alive(pid))  # tests/benchmarks says how soon
        assert alive(worker)


def test_it_notices_a_killed_kernel_without_pidfd() -> None:
    """Where the system has no pidfd it looks by itself, also while somebody holds the socket."""
    start = "import os; del os.pidfd_open\n"
    script = Path(e2e_magic.measuring.sampler.__file__).with_name("__main__.py")
    launcher = (
        f"import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            start + launcher,
            str(script),
            str(victim.pid),
            started_at(victim.pid),
            "proc",
        ],
        stdin=theirs.fileno(),
    )
    theirs.close()
    assert select.select([ours], [], [], 10)[0]
    assert b"ready" in ours.recv(100)
    victim.kill()
    victim.wait()

    assert child.wait(timeout=10) == 0
    ours.close()


@pytest.mark.parametrize("way", ["sys.exit()", "os._exit(3)", "os.abort()", "1/0"])
def test_it_ends_with_the_kernel_however_it_ends(way: str) -> None:
    """Normal ends, crashes and hard exits take the sampler along."""
    with kernel(way) as (process, pid):
        process.wait()

        assert within(10, lambda: not alive(pid))


def test_waiting_for_all_children_ends() -> None:
    """A user's loop over os.wait() meets no child of ours, at no time."""
    program = "while True:\n    print('child', os.wait(), flush=True)"
    with kernel(program) as (process, _):
        assert process.stdout is not None
        out = process.stdout.read()

    assert out.splitlines()[-1] == "ChildProcessError: [Errno 10] No child processes"
    assert "child" not in [line.split()[0] for line in out.splitlines() if line]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_for_the_kernel_do_not_end_it(number: int) -> None:
    """What a terminal or Jupyter sends to the kernel's group, and to the sampler itself, is not for it."""
    program = (
        "for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(n, lambda *_: None)\n"
        f"os.killpg(0, {number:d})\nos.kill(sampler().pid, {number:d})\n"
        "before = recording.peek().samples\n"
        "while recording.peek().samples < before + 3: time.sleep(0.01)\n"
        "print(recording.stop().samples - before, flush=True)"
    )
    with kernel(program) as (process, _):
        assert process.stdout is not None
        out = process.stdout.read()

    assert int(out) > 2, out


def test_a_fork_gets_its_own(mode: str) -> None:
    """A forked child starts its own sampler, can't use the parent's, and the parent's goes on."""
    one = sampler()
    recording = one.start(RSS, 0.01)
    pid = pid_of(one)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        said = b"nothing"
        try:
            try:
                recording.stop()
            except SamplerLost as error:
                said = str(error).encode()
            own = sampler()
            count = own.start(RSS, 0.01).stop().samples
            differs = own.pid != pid
            own.close()
            one.close()
            said += f"|{differs}|{count >= 2}".encode()
        finally:
            os.write(write, said)
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    told = os.read(read, 1000).decode().split("|")
    os.close(read)
    try:
        assert [
            f"this recording belongs to process {os.getpid()}, and this is its forked child {child}: "
            "measure in the process that started the recording",
            "True",
            "True",
        ] == told, mode
        assert recording.stop().samples >= 2
        assert pid == one.pid
    finally:
        one.close()


def test_an_interrupt_while_it_waits_keeps_the_process(mine: Sampler) -> None:
    """After Ctrl-C within stop the same process answers the next question, and not with the old answer."""
    first = mine.start(RSS, 0.01)
    pid = pid_of(mine)
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        first.stop()
    os.kill(pid, signal.SIGCONT)
    samples = mine.start((Probe("cpu", "cpu"),), 0.01).stop()

    assert {"cpu"} == set(samples.series)
    assert pid == mine.pid


def test_no_shell_no_matter(monkeypatch: pytest.MonkeyPatch, mine: Sampler) -> None:
    """Where there is no /bin/sh the process detaches itself."""
    monkeypatch.setattr("e2e_magic.measuring.sampler.launch._SHELL", "/nowhere/sh")

    assert mine.start(RSS, 0.01).stop().samples >= 2
    status = Path(f"/proc/{mine.pid}/status").read_text()
    assert int(re.findall(r"PPid:\s+(\d+)", status)[0]) != os.getpid()


def test_a_python_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch, mine: Sampler) -> None:
    """No executable, no sampler: the words say why, and nothing hangs."""
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(SamplerLost) as caught:
        mine.start(RSS, 0.01)

    assert str(caught.value) == (
        "the sampler process can't be started (this Python doesn't know its own executable (sys.executable "
        "is empty)): curves are missing; check that this Python can start programs"
    )


def test_a_python_that_ends_at_once_says_so(monkeypatch: pytest.MonkeyPatch, mine: Sampler) -> None:
    """A broken executable ends the wait: it is not the time-out that speaks."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SamplerLost, match=r"^the sampler process has ended: "):
        mine.start(RSS, 0.01)


@pytest.mark.parametrize("interval", [0.0, 0.0009, -1.0, float("nan"), float("inf")])
def test_an_impossible_interval_is_an_error(mine: Sampler, interval: float) -> None:
    """The error names the parameter, the value, what is allowed and what to try."""
    with pytest.raises(ValueError, match=r"^interval must be ") as caught:
        mine.start(RSS, interval)

    assert (
        f"interval must be a number of seconds of at least 0.001, got {interval!r}: "
        "try 0.1, or 0.01 for code of less than a second"
    ) == str(caught.value)


def test_two_probes_for_one_metric_are_an_error(mine: Sampler) -> None:
    """Curves are told apart by their metric."""
    with pytest.raises(
        ValueError, match=r"^each probe needs its own metric, but 'rss_mib' has two: leave one out$"
    ):
        mine.start((*RSS, *RSS), 0.1)


def test_a_stopped_recording_says_so(mine: Sampler) -> None:
    """A second stop is an error at once, and does no harm."""
    recording = mine.start(RSS, 0.1)
    recording.stop()
    with pytest.raises(SamplerLost, match=r"^this recording has been stopped already: start a new one$"):
        recording.stop()
