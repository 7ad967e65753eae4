"""What is seen of real code that has a fault, and of code that has not; the numbers: `test_findings`."""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.derived.findings import findings
from e2e_magic.measuring.evidence import Evidence
from e2e_magic.measuring.evidence.threads import NAMES
from e2e_magic.measuring.sampler import evidence
from e2e_magic.session import Session

LINUX = sys.platform == "linux"
pytestmark = pytest.mark.skipif(not LINUX, reason="reads /proc")
# A machine that others use keeps a core from anybody: said as that, it is true as well.
BUSY = {"waiting for a core"}


def spin(seconds: float) -> None:
    """Use this much CPU in this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))


def together(work: Callable[[], object], threads: int) -> None:
    """Do some work in as many threads, all of which are there before one begins."""
    all_there = threading.Barrier(threads)
    started = [threading.Thread(target=lambda: (all_there.wait(), work())) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


@pytest.fixture
def said(session: Session) -> Callable[..., set[str]]:
    """Give a function that measures some work and returns the rules that speak."""

    def measure(work: Callable[[], object], **options: Any) -> set[str]:
        with e2e.measure("work", **options):
            work()
        return {each.rule for each in findings(session.records[-1:])}

    return measure


def test_a_serial_loop(said: Any) -> None:
    """One core is busy; half a core, and a wait as long, are not accused of it."""

    def half() -> None:
        for _ in range(8):
            spin(0.07)
            time.sleep(0.07)

    assert said(lambda: spin(1.05)) & ({"one core"} | BUSY)
    assert not said(half) & {"one core", "interpreter lock"}


def test_threads_that_fight_for_the_interpreter_lock(said: Any) -> None:
    """Python in threads takes turns; hashing, which releases the lock for long, does not."""
    data = bytes(10_000_000)

    def hash_for(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            hashlib.sha256(data)

    assert said(lambda: together(lambda: spin(0.15), 3)) & ({"interpreter lock"} | BUSY)
    assert "interpreter lock" not in said(lambda: spin(0.3))
    crowd = 4 * len(os.sched_getaffinity(0))
    found = said(lambda: together(lambda: hash_for(0.1), crowd))
    assert "more threads than cores" in found
    assert "interpreter lock" not in found
    assert "more threads than cores" not in said(lambda: hash_for(0.3))


def test_waiting_for_nothing_that_computes(said: Any) -> None:
    """A sleep and a slow loader wait, each said as what it is; work of the same length does not."""

    def batches(pause: float) -> Iterator[list[int]]:
        for _ in range(10):
            time.sleep(pause)
            yield [1]

    def train(load_s: float, step_s: float) -> None:
        for _ in e2e.track(batches(load_s)):
            time.sleep(step_s)

    assert "waiting" in said(lambda: time.sleep(0.3))
    assert "waiting" not in said(lambda: spin(0.3))
    assert "waiting for the loader" in said(lambda: train(0.03, 0.005))
    assert "waiting for the loader" not in said(lambda: train(0.002, 0.04))


def test_a_loop_that_keeps_what_its_epochs_make(said: Any) -> None:
    """Eight epochs of 12 MiB each, kept or let go."""

    def epochs(keep: bool) -> None:
        kept: list[bytearray] = []
        for _ in range(8):
            made = bytearray(os.urandom(2**20) * 12)
            time.sleep(0.04)
            e2e.log(loss=1.0)
            if keep:
                kept.append(made)

    assert "memory grows" in said(lambda: epochs(keep=True), interval=0.005)
    assert "memory grows" not in said(lambda: epochs(keep=False), interval=0.005)


@pytest.fixture
def slow_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the name of a package that takes long to import, with a module within and one that fails."""
    home = tmp_path / "slow_package"
    home.mkdir()
    (home / "__init__.py").write_text("import gc, time; time.sleep(0.2); gc.collect(); from . import inner")
    (home / "inner.py").write_text("import time; time.sleep(0.1)")
    (home / "broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    yield "slow_package"
    for name in [name for name in sys.modules if name.startswith("slow_package")]:
        del sys.modules[name]


def test_imports_are_timed_by_package_and_nothing_of_ours_stays(
    slow_package: str, session: Session, said: Any
) -> None:
    """Once for what is nested, too; found, but not imported, is no import; a second import is none."""
    specs: list[Any] = []

    def use() -> None:
        specs.append(importlib.util.find_spec("wave"))
        importlib.import_module(slow_package)

    assert "import" in said(use)
    imports = session.records[-1].reported["evidence"]["imports"]
    assert next(iter(imports)) == slow_package
    assert 0.3 <= imports[slow_package] <= session.records[-1].readings["wall_time_s"]
    assert "collections" not in session.records[-1].reported["evidence"]  # the package's own
    assert "import" not in said(lambda: (use(), time.sleep(0.3)))
    loaded = sys.modules[slow_package]
    assert [type(each) for each in (*specs, loaded.__spec__)] == [importlib.machinery.ModuleSpec] * 3
    assert isinstance(loaded, ModuleType)
    assert loaded.__loader__ is loaded.__spec__.loader
    assert not [each for each in sys.meta_path if type(each).__module__.startswith("e2e_magic")]
    assert not [each for each in gc.callbacks if "e2e_magic" in str(each)]


def test_the_traceback_of_an_import_that_fails_has_no_frame_of_ours(slow_package: str) -> None:
    """The same frames as without measuring."""

    def frames() -> list[str]:
        try:
            importlib.import_module(f"{slow_package}.broken")
        except ZeroDivisionError as error:
            trace, found = error.__traceback__, []
            while trace is not None:
                found.append(trace.tb_frame.f_code.co_filename)
                trace = trace.tb_next
            return found
        return []

    plain = frames()
    with Evidence():
        measured = frames()

    assert measured == plain


def test_threads_of_python_are_counted_and_start_as_ever() -> None:
    """Within one another too; afterwards `threading` is as it was, or as another tool left it."""
    before = dict(vars(threading))
    with Evidence() as outer:
        together(lambda: None, 2)
        with Evidence() as inner:
            together(lambda: None, 3)

    assert [each.kept(1.0, {}, {})["started_threads"] for each in (outer, inner)] == [5, 3]
    assert dict(vars(threading)) == before


def test_a_tool_that_wraps_the_start_of_threads_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its wrapper goes on working, in later cells too."""
    name = next(name for name in NAMES if hasattr(threading, name))
    real, calls = vars(threading)[name], list[int]()
    with Evidence():
        ours = vars(threading)[name]
        monkeypatch.setattr(threading, name, lambda *args, **more: (calls.append(1), ours(*args, **more))[1])
    with Evidence() as later:
        together(lambda: None, 2)
    together(lambda: None, 1)

    assert later.kept(1.0, {}, {})["started_threads"] == 2
    assert len(calls) == 3
    monkeypatch.undo()  # the tool takes its wrapper off, and leaves what it found
    with Evidence():
        pass
    assert vars(threading)[name] is real


def test_code_that_empties_the_lists_of_hooks_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may clear `gc.callbacks`, and set another `sys.meta_path`."""
    with Evidence() as measured:
        gc.callbacks.clear()
        monkeypatch.setattr(sys, "meta_path", list(sys.meta_path[1:]))

    assert measured.kept(1.0, {}, {})["cores"] >= 1


def test_collections_are_counted(session: Session, said: Any) -> None:
    """Of dicts that stay, again and again; code that makes none has none."""

    def collect() -> None:
        kept = [{n: n} for n in range(200_000)]
        end = time.perf_counter() + 0.3
        while time.perf_counter() < end:
            gc.collect()
        del kept

    assert "garbage collection" in said(collect)
    assert session.records[-1].reported["evidence"]["collections"] >= 1
    assert "garbage collection" not in said(lambda: spin(0.3))


def test_the_pools_of_threads_are_named_only_where_too_many_ran() -> None:
    """By threadpoolctl, where the user's libraries brought it."""
    pytest.importorskip("threadpoolctl")
    pytest.importorskip("numpy")
    measured = Evidence()
    crowd = {"looked_s": 1.0, "ran_s": 2.0, "ready_s": 1e4}

    assert "openblas" in measured.kept(1.0, crowd, {})["pools"]
    assert "pools" not in measured.kept(1.0, {**crowd, "ran_s": 0.5, "ready_s": 0.0}, {})


def test_short_code_keeps_no_evidence(session: Session) -> None:
    """Nor do curves that nobody wants start a sampler for it."""
    with e2e.measure("short"):
        pass

    assert "evidence" not in session.records[-1].reported
    assert "evidence" not in e2e.results().columns


def test_pressure_and_swap_are_read_or_missing(tmp_path: Path) -> None:
    """As the kernel writes them."""
    (tmp_path / "io").write_text("some avg10=1.79 avg60=4.84 avg300=2.28 total=11619001\nfull total=7\n")
    (tmp_path / "status").write_text("Name:\tpython\nVmSwap:\t    2048 kB\nThreads:\t1\n")

    assert evidence.io_stall_s(str(tmp_path / "io")) == 11.619001
    assert evidence.swapped_mib(str(tmp_path)) == 2
    assert evidence.io_stall_s(str(tmp_path / "none")) is None
    assert evidence.swapped_mib(str(tmp_path / "none")) is None


_IN_A_GROUP = """
import os, sys, time
controller, name, value, work = sys.argv[1:]
folder = f"/sys/fs/cgroup/{controller}/e2e-magic-test-{os.getpid()}"
home = f"/sys/fs/cgroup/{controller}/cgroup.procs"
import e2e_magic as e2e
from e2e_magic.derived.findings import findings
from e2e_magic.session import current
def rules(work):
    with e2e.measure("work"):
        exec(work)
    return ",".join(each.rule for each in findings(current().records[-1:]))
try:
    os.mkdir(folder)
except OSError as error:
    sys.exit(f"no group: {error}")
try:
    without = rules(work)
    value = value.replace("RSS", str(int(current().records[-1].readings["peak_rss_mib"] / 0.93 * 2**20)))
    open(f"{folder}/{name}", "w").write(value)
    open(f"{folder}/cgroup.procs", "w").write(str(os.getpid()))
    print(without, rules(work), sep="|")
finally:
    open(home, "w").write(str(os.getpid()))
    os.rmdir(folder)
"""
# Of so tight a limit that no busy machine gives it less: 2 ms in 100.
_SPIN = "end = time.process_time() + 0.03\nwhile time.process_time() < end: pass"
_READ = """
path = f"/var/tmp/e2e-magic-{os.getpid()}"
with open(path, "wb") as file:
    file.write(bytes(2**20))
    file.flush()
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
with open(path, "rb", buffering=0) as file:
    os.unlink(path)
    while file.read(2**16): pass
"""


@pytest.mark.parametrize(
    ("controller", "name", "value", "work", "rule"),
    [
        ("cpu", "cpu.cfs_quota_us", "2000", _SPIN, "CPU limit"),
        ("memory", "memory.limit_in_bytes", "RSS", "time.sleep(0.25)", "close to the memory limit"),
        ("blkio", "blkio.throttle.read_bps_device", "DISK 1000000", _READ, "waiting for a disk"),
    ],
)
def test_limits_that_a_control_group_sets(
    need: Any, controller: str, name: str, value: str, work: str, rule: str
) -> None:
    """The same code within a limit and without: only within it the rule speaks."""
    device = Path("/var/tmp").stat().st_dev
    value = value.replace("DISK", f"{os.major(device)}:{os.minor(device)}")
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_GROUP, controller, name, value, work],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "no group:" in done.stderr and os.environ.get("CI") == "true":
        pytest.skip("a container of CI makes no control groups")
    need("no group:" not in done.stderr, f"a {controller} control group of version 1 that it can make")

    without, within = done.stdout.strip().split("|")
    assert rule not in without.split(","), done
    assert rule in within.split(","), done
