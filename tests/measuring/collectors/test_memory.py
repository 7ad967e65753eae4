"""Memory: the exact peak, trials inside trials, children, and systems that keep no peak."""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import resource
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.measuring.collectors import memory, proc
from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.collectors.memory import Memory
from e2e_magic.record import Series, sentences
from tests.contracts import CollectorContract

linux = pytest.mark.skipif(not proc.LINUX, reason="the kernel's high-water mark is Linux's")
MIB = 2**20


class TestMemory(CollectorContract):
    collector = Memory
    units = frozenset({"MiB"})


class TestSampledMemory(CollectorContract):
    """The same where the kernel's mark can't be set back."""

    collector = Memory
    units = frozenset({"MiB"})

    @pytest.fixture(autouse=True)
    def _refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(folder: str) -> None:
            raise PermissionError(13, "Permission denied", f"{folder}/clear_refs")

        monkeypatch.setattr(memory, "_reset", refuse)


def touch(mib: int) -> mmap.mmap:
    """Take this much memory and write to each page; closing it gives it back to the system at once."""
    block = mmap.mmap(-1, mib * MIB)
    for start in range(0, mib * MIB, mmap.PAGESIZE):
        block[start] = 1
    return block


def reading(collector: Memory, name: str) -> float:
    """Return one number."""
    return float(collector.readings()[name])


def rise(collector: Memory) -> float:
    """Return by how much the peak lies above the start."""
    return reading(collector, "peak_rss_mib") - reading(collector, "rss_start_mib")


@linux
def test_memory_that_stays_is_in_peak_and_end() -> None:
    """200 MiB that are taken and kept raise peak and end by 200 MiB within 2 %."""
    with Memory() as collector:
        block = touch(200)

    end = reading(collector, "rss_end_mib") - reading(collector, "rss_start_mib")
    block.close()
    assert rise(collector) == pytest.approx(200, rel=0.02)
    assert end == pytest.approx(200, rel=0.02)


@linux
def test_a_peak_between_two_samples_is_exact() -> None:
    """1 GB held for 5 ms on a base of 200 MiB is in the peak within 1 %, and gone at the end."""
    base = touch(200)
    with Memory() as collector:
        block = touch(1000)
        time.sleep(0.005)
        block.close()
    base.close()

    end = reading(collector, "rss_end_mib") - reading(collector, "rss_start_mib")
    assert rise(collector) == pytest.approx(1000, rel=0.01)
    assert end == pytest.approx(0, abs=5)


@linux
def test_a_peak_before_the_trial_is_not_in_it() -> None:
    """The mark is set back: an earlier, higher peak doesn't show, though it is the process's highest."""
    touch(150).close()
    with Memory() as collector:
        touch(20).close()

    assert rise(collector) == pytest.approx(20, abs=5)


@linux
def test_a_trial_inside_a_trial_keeps_the_outer_peak() -> None:
    """The inner trial sets the mark back, but the outer one is told what it was."""
    with Memory() as outer:
        touch(120).close()
        with Memory() as inner:
            touch(30).close()

    assert rise(outer) == pytest.approx(120, abs=5)
    assert rise(inner) == pytest.approx(30, abs=5)


@linux
def test_a_peak_inside_the_inner_trial_is_in_both() -> None:
    """What the inner trial reaches, the outer one has reached too, also with another one after it."""
    with Memory() as outer:
        with Memory() as inner:
            touch(120).close()
        with Memory() as second:
            touch(30).close()

    assert rise(inner) == pytest.approx(120, abs=5)
    assert rise(second) == pytest.approx(30, abs=5)
    assert rise(outer) == pytest.approx(120, abs=5)


@linux
def test_overlapping_trials_each_have_their_own_peak() -> None:
    """Trials that begin and end in turn, as in threads: each has the peaks between its own edges."""
    first, second = Memory(), Memory()
    first.__enter__()
    touch(90).close()
    second.__enter__()
    touch(60).close()
    first.__exit__(None, None, None)
    touch(30).close()
    third = Memory()
    with third:
        pass
    second.__exit__(None, None, None)

    assert rise(first) == pytest.approx(90, abs=5)
    assert rise(second) == pytest.approx(60, abs=5)
    assert rise(third) == pytest.approx(0, abs=5)


@linux
@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["enter", "exit", "touch"]), st.integers(1, 24)), max_size=14)
)
def test_any_order_of_trials_gives_each_its_highest(steps: list[tuple[str, int]]) -> None:
    """However trials nest and overlap, each one's peak is the highest block taken between its edges."""
    opened: list[tuple[Memory, list[int]]] = []
    closed: list[tuple[Memory, list[int]]] = []
    for what, size in steps:
        if what == "enter":
            opened.append((Memory().__enter__(), [0]))
        elif what == "touch":
            touch(size).close()
            for _, sizes in opened:
                sizes.append(size)
        elif opened:
            trial = opened.pop(size % len(opened))
            trial[0].__exit__(None, None, None)
            closed.append(trial)
    for collector, sizes in opened:
        collector.__exit__(None, None, None)
        closed.append((collector, sizes))

    for collector, sizes in closed:
        assert rise(collector) == pytest.approx(max(sizes), abs=2)


@linux
def test_trials_in_many_threads_end_without_error() -> None:
    """The mark is shared under a lock: threads that measure at once all get numbers in order."""
    collectors: list[Memory] = []

    def measure() -> None:
        for _ in range(30):
            with Memory() as collector:
                touch(1).close()
            collectors.append(collector)

    threads = [threading.Thread(target=measure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(collectors) == 180
    for collector in collectors:
        assert reading(collector, "peak_rss_mib") >= reading(collector, "rss_end_mib")
        assert reading(collector, "peak_rss_mib") >= reading(collector, "rss_start_mib")


@linux
def test_an_abandoned_trial_is_forgotten() -> None:
    """A collector that was entered and never left is not kept alive by the register of open ones."""
    Memory().__enter__()

    with Memory() as collector:
        open_ones = list(memory._open._collectors)

    assert open_ones == [collector]


@linux
def test_a_forked_child_neither_counts_nor_disturbs() -> None:
    """A child of the code has its own mark: its own trial is right, and the parent's peak stays its own."""
    with Memory() as outer:
        touch(80).close()
        pid = os.fork()
        if pid == 0:
            with Memory() as inner:
                touch(40).close()
            outer.__exit__(None, None, None)
            words = set(sentences(outer.missing()).values())
            expected = {"the code came to its end in a forked child, whose memory isn't the parent's"}
            os._exit(0 if 35 < rise(inner) < 45 and words == expected and not outer.readings() else 1)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert rise(outer) == pytest.approx(80, abs=5)


@linux
def test_a_fork_while_another_thread_holds_the_lock_does_not_hang() -> None:
    """A child that is forked in the middle of another thread's start can still measure."""
    with Memory():
        pass
    with memory._open._lock:
        context = multiprocessing.get_context("fork")
        child = context.Process(target=TestMemory().measured)
        child.start()
        child.join(20)
        ended = child.exitcode
        child.kill()

    assert ended == 0


@linux
@pytest.mark.parametrize("edge", ["start", "end"])
def test_the_tree_counts_a_living_child_at_an_edge(edge: str) -> None:
    """Without any sample, a child that is alive at the start or at the end is in the peak with children."""
    block = f"block = mmap.mmap(-1, {100 * MIB}); block.write(bytes({100 * MIB}))"
    script = f"import mmap; {block}; print(1, flush=True); input()"
    collector = Memory()
    if edge == "end":
        collector.__enter__()
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        if edge == "end":
            collector.__exit__(None, None, None)
        else:
            collector.__enter__()
        child.communicate(b"\n")
    if edge == "start":
        collector.__exit__(None, None, None)

    followed = collector.sampled({"tree_rss_mib": Series.of([0.0], [0.0])}, {})
    tree = float(followed["peak_tree_rss_mib"]) - reading(collector, "peak_rss_mib")
    assert 100 <= tree <= 260


def test_the_peak_with_children_comes_from_the_samples() -> None:
    """The highest sample of the tree counts, and it is never below the process's own peak."""
    with Memory() as collector:
        pass
    own = reading(collector, "peak_rss_mib")

    high = collector.sampled({"tree_rss_mib": Series.of([0.0, 0.1, 0.2], [own, own + 500, own])}, {})
    low = collector.sampled({"tree_rss_mib": Series.of([0.0], [own / 2])}, {})

    assert high["peak_tree_rss_mib"] == own + 500
    assert low["peak_tree_rss_mib"] == own


@linux
def test_a_sample_does_not_raise_an_exact_peak() -> None:
    """The exact peak stays as it is: the sampler may have looked a moment before or after the code."""
    with Memory() as collector:
        pass

    followed = collector.sampled({"rss_mib": Series.of([0.0], [1e6])}, {})

    assert followed["peak_rss_mib"] == reading(collector, "peak_rss_mib")


@linux
def test_a_refused_reset_falls_back_to_samples_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that refuses the write costs exactness only, and the source names the reason."""

    def refuse(folder: str) -> None:
        raise PermissionError(13, "Permission denied", f"{folder}/clear_refs")

    monkeypatch.setattr(memory, "_reset", refuse)
    with Memory() as collector:
        pass

    peak = reading(collector, "peak_rss_mib")
    followed = collector.sampled({"rss_mib": Series.of([0.0, 0.1], [peak, peak + 70])}, {})
    assert followed["peak_rss_mib"] == peak + 70
    assert collector.source == (
        "/proc/self/status VmRSS; the peak is sampled, as this system doesn't let it be set back "
        "(Permission denied); children sampled"
    )


def fake_proc(folder: Path, rss_mib: int, mark_mib: int) -> str:
    """Write the /proc folder of a process on a system without clear_refs."""
    (folder / "status").write_text(
        f"Name:\tpython\nVmHWM:\t{mark_mib * 1024:8} kB\nVmRSS:\t{rss_mib * 1024:8} kB\n"
    )
    return str(folder)


@linux
def test_without_clear_refs_a_risen_lifetime_mark_is_the_peak(tmp_path: Path) -> None:
    """The mark of a lifetime that rose within the trial was reached within it."""
    with Memory(fake_proc(tmp_path, rss_mib=100, mark_mib=300)) as collector:
        fake_proc(tmp_path, rss_mib=120, mark_mib=350)

    assert "the peak is sampled" in collector.source
    assert reading(collector, "rss_start_mib") == 100
    assert reading(collector, "rss_end_mib") == 120
    assert reading(collector, "peak_rss_mib") == 350


@linux
def test_without_clear_refs_an_old_lifetime_mark_says_nothing(tmp_path: Path) -> None:
    """A mark that didn't rise belongs to an earlier cell: the peak is the highest of edges and samples."""
    with Memory(fake_proc(tmp_path, rss_mib=100, mark_mib=300)) as collector:
        fake_proc(tmp_path, rss_mib=120, mark_mib=300)

    assert reading(collector, "peak_rss_mib") == 120
    followed = collector.sampled({"rss_mib": Series.of([0.0, 0.1], [110, 180])}, {})
    assert followed == {"peak_rss_mib": 180}


@linux
def test_without_proc_it_is_unavailable_in_words(tmp_path: Path) -> None:
    """No /proc: the reason names the file, and the remedy says what to do."""
    with pytest.raises(Unavailable) as caught:
        Memory(str(tmp_path / "proc"))

    assert str(caught.value) == f"{tmp_path}/proc/status can't be read; mount /proc in this container"


def test_elsewhere_psutil_serves_and_the_source_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS and Windows psutil's numbers are used, and the source says that the peak is sampled."""
    monkeypatch.setattr(proc, "LINUX", False)
    with Memory() as collector:
        block = touch(50)
    block.close()

    assert collector.source == (
        "psutil memory_info; the peak is sampled, as this system doesn't let it be set back; children sampled"
    )
    assert reading(collector, "rss_end_mib") - reading(collector, "rss_start_mib") == pytest.approx(50, abs=5)
    assert reading(collector, "peak_rss_mib") <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + 1


@linux
def test_two_hundred_trials_leave_nothing_open() -> None:
    """The register of open collectors is empty after any number of trials, failed ones among them."""
    for number in range(200):
        with contextlib.suppress(ZeroDivisionError), Memory():
            1 // (number % 2)

    assert not memory._open._collectors


@linux
def test_a_child_of_numpy_threads_is_exact_too() -> None:
    """In a fresh process with threads that take memory in C, the peak is the array's size within 2 %."""
    pytest.importorskip("numpy")
    script = textwrap.dedent(
        """
        import threading
        import numpy as np
        from e2e_magic.measuring.collectors.memory import Memory
        def work():
            np.ones(100 * 2**17).sum()
        with Memory() as collector:
            threads = [threading.Thread(target=work) for _ in range(1)]
            [t.start() for t in threads]
            [t.join() for t in threads]
        r = collector.readings()
        print(r["peak_rss_mib"] - r["rss_start_mib"])
        """
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert float(answer.stdout) == pytest.approx(100, rel=0.02)
