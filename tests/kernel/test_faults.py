"""What goes wrong for real: processes are killed, collectors fail, disks are full, cells are hostile."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

# A killed kernel's sampler must be gone within this (design: 100 ms; the rest is for a busy machine).
GONE_WITHIN_S = 1.0
# What 200 measured cells may add to the kernel's memory: their rows, IPython's own history of them.
GROWTH_MIB = 6.0

linux_only = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


@pytest.fixture(autouse=True)
def _loaded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Load the extension into the test's kernel; give the shared kernel its directory and limits back."""
    for name in ("kernel", "fresh_kernel"):
        if name in request.fixturenames:
            running = request.getfixturevalue(name)
            assert running.execute("%load_ext e2e_magic\nimport os; _home = os.getcwd()").status == "ok"
    yield
    if "kernel" in request.fixturenames:
        request.getfixturevalue("kernel").execute("os.chdir(_home)")


def rows(kernel: Any, stage: str) -> list[dict[str, Any]]:
    """Return the rows of a stage as plain data; what is missing is None."""
    reply = kernel.execute(
        f"import e2e_magic as _e\nprint(_e.results(stage={stage!r}).to_json(orient='records'))"
    )
    assert reply.status == "ok", reply.evalue
    return list(json.loads(reply.stdout.splitlines()[-1]))


def value(kernel: Any, expression: str) -> Any:
    """Return what an expression in the kernel is, by way of JSON."""
    reply = kernel.execute(f"import json as _j\nprint(_j.dumps({expression}))")
    assert reply.status == "ok", reply.evalue
    return json.loads(reply.stdout.splitlines()[-1])


def sampler_pid(kernel: Any) -> int:
    """Return the pid of the kernel's sampler, which must live."""
    pid = value(kernel, "__import__('importlib').import_module('e2e_magic.measuring.sampler').sampler().pid")
    assert isinstance(pid, int), "this kernel has no sampler"
    assert alive(pid)
    return pid


def alive(pid: int) -> bool:
    """Tell whether a process runs; where nobody reaps orphans, a zombie is as good as gone."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], object], within_s: float, what: str) -> None:
    """Wait until a condition holds, and fail with what was expected when it takes too long."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.005)


def samplers_of(kernel_pid: int) -> list[int]:
    """Return every live sampler process that was started for a kernel, by its command line."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info["cmdline"] or []
        script = next((n for n, word in enumerate(words) if word.endswith("sampler/__main__.py")), None)
        if script is not None and words[script + 1 : script + 2] == [str(kernel_pid)]:
            found.append(process.info["pid"])
    return found


def while_running(kernel: Any, folder: Path, code: str, act: Callable[[], object]) -> Any:
    """Run a cell that waits in its middle; `act` happens then, and the cell goes on after it."""
    started, go = folder / "started", folder / "go"
    for mark in (started, go):
        mark.unlink(missing_ok=True)
    waits = (
        f"import pathlib as _p, time as _t\n_p.Path({str(started)!r}).touch()\n"
        f"while not _p.Path({str(go)!r}).exists():\n    _t.sleep(0.01)\n"
    )

    def outside() -> None:
        try:
            wait_until(started.exists, 20, "the cell has started")
            act()
        finally:
            go.touch()

    with ThreadPoolExecutor(1) as pool:
        acted = pool.submit(outside)
        reply = kernel.execute(code.replace("WAIT\n", waits))
        acted.result()
    return reply


def test_a_killed_sampler_costs_curves_only(kernel: Any, tmp_path: Path) -> None:
    """Counters, value and variables stay, one line says what is lost, the next cell samples again."""
    kernel.execute("%e2ebench -s before -q pass")
    killed = sampler_pid(kernel)

    def kill() -> None:
        time.sleep(0.1)  # some samples are under way
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: not alive(killed), 2, "the sampler is dead")

    reply = while_running(
        kernel, tmp_path, "%%e2ebench loses -q -m cpu,memory,io -i 0.01\nWAIT\nkept = 21\nkept * 2", kill
    )
    kernel.execute("%%e2ebench recovers -q -i 0.01\nimport time; time.sleep(0.2)")
    [lost], [next_one] = rows(kernel, "loses"), rows(kernel, "recovers")

    assert reply.status == "ok"
    assert reply.texts() == ["42"]
    warned = reply.stderr.splitlines()
    assert len(warned) == 1
    assert warned[0].startswith("e2e_magic: loses: the sampler")
    assert warned[0].endswith("; this trial's curves are lost, its counters are kept")
    assert lost["state"] == "complete"
    assert lost["wall_time_s"] > 0.1
    assert lost["cpu_time_s"] >= 0
    assert lost["peak_rss_mib"] > 10
    assert lost["write_mib"] >= 0
    assert lost["samples"] is None
    assert next_one["samples"] >= 2
    assert sampler_pid(kernel) != killed


def test_a_killed_sampler_leaves_no_peak_of_the_children(kernel: Any, tmp_path: Path) -> None:
    """A peak that is only known from samples is missing without them: a child's memory is not guessed."""
    kernel.execute("%e2ebench -s before -q pass")
    killed = sampler_pid(kernel)
    while_running(
        kernel, tmp_path, "%%e2ebench loses-tree -q\nWAIT\npass", lambda: os.kill(killed, signal.SIGKILL)
    )

    assert rows(kernel, "loses-tree")[-1]["peak_tree_rss_mib"] is None


def test_a_killed_sampler_between_cells_costs_nothing(kernel: Any) -> None:
    """Nobody hears of a sampler that dies while nothing is measured."""
    kernel.execute("%e2ebench -s before -q pass")
    killed = sampler_pid(kernel)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not alive(killed), 2, "the sampler is dead")
    reply = kernel.execute("%%e2ebench unaware -q -i 0.01\nimport time; time.sleep(0.1)")

    assert reply.stderr == ""
    assert rows(kernel, "unaware")[-1]["samples"] >= 2


@pytest.mark.parametrize("when", ["idle", "in a measured cell", "with a forked child"])
def test_a_killed_kernel_leaves_no_sampler(fresh_kernel: Any, tmp_path: Path, when: str) -> None:
    """SIGKILL gives the kernel no chance to clean up; its sampler ends by itself all the same."""
    fresh_kernel.execute("%%e2ebench first -q\npass")
    orphan = None
    if when == "with a forked child":
        fresh_kernel.execute(
            "%%e2ebench forks -q\nimport os, time\n_child = os.fork()\n"
            "if _child == 0:\n    time.sleep(60)\n    os._exit(0)"
        )
        orphan = value(fresh_kernel, "_child")
    pid = sampler_pid(fresh_kernel)
    try:
        if when == "in a measured cell":
            mark = tmp_path / "running"
            fresh_kernel.client.execute(
                "%%e2ebench long -i 0.01\nimport pathlib, time\n"
                f"pathlib.Path({str(mark)!r}).touch()\ntime.sleep(60)"
            )
            wait_until(mark.exists, 20, "the cell has started")
        os.kill(fresh_kernel.pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), GONE_WITHIN_S, "the sampler is gone after the kernel's death")

        assert samplers_of(fresh_kernel.pid) == []
        assert orphan is None or alive(orphan), "the child that holds the kernel's sockets ended too early"
    finally:
        if orphan is not None:
            os.kill(orphan, signal.SIGKILL)


def test_a_kernel_that_is_shut_down_leaves_nothing(fresh_kernel: Any, tmp_path: Path) -> None:
    """No process, no file: neither the sampler nor anything in the notebook's folder."""
    fresh_kernel.execute("%%e2ebench one -q -i 0.01\nimport time; time.sleep(0.2)")
    pid, kernel_pid = sampler_pid(fresh_kernel), fresh_kernel.pid
    fresh_kernel.manager.shutdown_kernel(now=False)

    wait_until(lambda: not alive(pid), GONE_WITHIN_S, "the sampler is gone after the shutdown")
    assert not alive(kernel_pid)
    assert samplers_of(kernel_pid) == []
    assert list(tmp_path.iterdir()) == []


FAULTY = """
from e2e_magic.measuring.collectors import base as _base
from e2e_magic.record import Metric as _Metric

class _Faulty(_base.Collector):
    name = "faulty"
    source = "nowhere"
    metrics = (_Metric("faulty_x", "s", "time"),)
    fails_at = ()

    def __init__(self):
        self._at("made")

    def _at(self, when):
        if when in self.fails_at:
            raise OSError(f"no {when} today")

    def probes(self):
        self._at("probes")
        return ()

    def __enter__(self):
        self._at("start")
        return self

    def __exit__(self, *_):
        self._at("stop")

    def readings(self):
        self._at("read")
        return {"faulty_x": 1.0}

    def sampled(self, series, totals):
        self._at("sampled")
        return {}

    def missing(self):
        self._at("missing")
        return {}

_base.registered()
_base._classes["faulty"] = _Faulty
"""


@pytest.mark.parametrize(
    ("fails_at", "said"),
    [
        ("made", "start"),
        ("probes", "start"),
        ("start", "start"),
        ("stop", "stop"),
        ("read", "read"),
        ("sampled", "read"),
        ("missing", "read"),
        ("stop read sampled missing", "stop"),
    ],
)
@pytest.mark.parametrize("ends", ["value", "error"])
def test_a_failing_collector_costs_its_own_numbers(kernel: Any, fails_at: str, said: str, ends: str) -> None:
    """The user's value or exception comes through; one line names the collector and what to do."""
    stage = f"faulty-{fails_at.replace(' ', '-')}-{ends}"
    kernel.execute(f"{FAULTY}\n_Faulty.fails_at = {fails_at.split()!r}")
    body = "left = 6\nleft * 7" if ends == "value" else "left = 6\n1 / 0"
    reply = kernel.execute(f"%%e2ebench {stage} -q\n{body}")
    left = value(kernel, "left")
    [row] = rows(kernel, stage)
    kernel.execute("_base._classes.pop('faulty')")

    assert reply.stderr == (
        f"e2e_magic: {stage}: the collector faulty failed at {said} "
        f"(OSError: no {fails_at.split(maxsplit=1)[0]} today); "
        "all other numbers are kept. Leave it out with --metrics\n"
    )
    assert left == 6
    if ends == "value":
        assert (reply.status, reply.texts()) == ("ok", ["42"])
    else:
        assert (reply.status, reply.ename) == ("error", "ZeroDivisionError")
        assert not [line for line in reply.traceback if "e2e_magic" in line]
    assert row["state"] == ("complete" if ends == "value" else "failed")
    assert row["wall_time_s"] > 0
    assert row["cpu_time_s"] is not None
    assert row["peak_rss_mib"] > 10


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users as Unix knows them")
def test_an_export_into_a_foreign_folder_says_so(kernel: Any, tmp_path: Path) -> None:
    """A folder that may not be written is a sentence, and nothing is left in it."""
    kernel.execute("%e2ebench -s before -q pass")
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)
    target = folder / "rows.csv"
    # Root may write anywhere: it becomes nobody for the moment. Folders above must let nobody pass.
    for above in [*list(tmp_path.parents)[: len(tmp_path.parents) - 2], tmp_path]:
        if above.owner() == tmp_path.owner():
            above.chmod(above.stat().st_mode | 0o111)
    reply = kernel.execute(
        "_user = os.geteuid()\nif _user == 0: os.seteuid(65534)\n"
        f"try:\n    get_ipython().run_line_magic('e2e', 'export {target}')\n"
        "finally:\n    if _user == 0: os.seteuid(0)"
    )

    assert (reply.status, reply.ename) == ("error", "UsageError")
    assert reply.evalue == (
        f"could not write {target}: writing to {folder} is not allowed; choose a folder that is yours"
    )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet", "xlsx", "md", "tex"])
def test_an_export_onto_a_full_disk_keeps_the_old_file(kernel: Any, tmp_path: Path, suffix: str) -> None:
    """Where the space ends (a limit on file size stands for it) there is the old file, and no half one."""
    kernel.execute("%e2ebench -s before -q pass")
    target = tmp_path / f"rows.{suffix}"
    target.write_text("old")
    reply = kernel.execute(
        f"get_ipython().run_line_magic('e2e', 'export {tmp_path / 'probe'}.{suffix}')\n"
        "import resource as _r\n_limits = _r.getrlimit(_r.RLIMIT_FSIZE)\n"
        "_r.setrlimit(_r.RLIMIT_FSIZE, (64, _limits[1]))\n"
        f"try:\n    get_ipython().run_line_magic('e2e', 'export {target}')\n"
        "finally:\n    _r.setrlimit(_r.RLIMIT_FSIZE, _limits)"
    )

    assert (reply.status, reply.ename) == ("error", "UsageError")
    assert reply.evalue == (
        f"could not write {target}: the disk is full, or a limit on file size is reached; "
        "free some space or choose another folder"
    )
    assert target.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"probe.{suffix}", target.name]


COUNTED = """
import gc as _gc, os as _os, psutil as _ps
def _count():
    _gc.collect()
    me = _ps.Process()
    links = []
    for fd in _os.listdir("/proc/self/fd"):
        try:
            links.append(_os.readlink(f"/proc/self/fd/{fd}").rstrip("0123456789]"))
        except FileNotFoundError:  # the listing's own
            pass
    # IPython's history thread opens its journal, and the profile's folder, when it saves, whatever the cell.
    fds = sorted(link for link in links if "history.sqlite" not in link and "profile_" not in link)
    return {"threads": me.num_threads(), "fds": fds, "children": len(me.children(recursive=True)),
            "rss": me.memory_info().rss / 2**20}
"""


@linux_only
def test_two_hundred_measured_cells_leave_no_trace(fresh_kernel: Any) -> None:
    """Threads, file descriptors and children stay as many; memory grows by the rows only."""
    fresh_kernel.execute(COUNTED)
    for _ in range(30):  # until caches of IPython, zmq and malloc are filled
        fresh_kernel.execute("%%e2ebench many\nx = 1\nx")
    pid = sampler_pid(fresh_kernel)
    before, sampler_before = value(fresh_kernel, "_count()"), psutil.Process(pid)
    counts = sampler_before.num_threads(), sampler_before.num_fds()
    sampler_rss = sampler_before.memory_info().rss
    for _ in range(200):
        reply = fresh_kernel.execute("%%e2ebench many\nx = 1\nx")
        assert reply.status == "ok"
        assert reply.stderr == ""
    after = value(fresh_kernel, "_count()")

    assert len(rows(fresh_kernel, "many")) == 230
    assert {**after, "rss": 0} == {**before, "rss": 0}
    assert after["rss"] - before["rss"] < GROWTH_MIB
    assert sampler_pid(fresh_kernel) == pid
    assert samplers_of(fresh_kernel.pid) == [pid]
    assert (sampler_before.num_threads(), sampler_before.num_fds()) == counts
    assert sampler_before.memory_info().rss - sampler_rss < 2**20


def test_two_kernels_measure_at_once(kernel: Any, fresh_kernel: Any, tmp_path: Path) -> None:
    """Each kernel has a sampler of its own, and its rows hold its own memory."""

    def measure(running: Any, mine: str, theirs: str, mib: int) -> Any:
        return running.execute(
            f"%%e2ebench both -q -i 0.01\nimport pathlib, time\nblock = b'x' * {mib << 20}\n"
            f"pathlib.Path({str(tmp_path)!r}, {mine!r}).touch()\n"
            f"while not pathlib.Path({str(tmp_path)!r}, {theirs!r}).exists():\n    time.sleep(0.01)\n"
            "time.sleep(0.2)\ndel block\n'met'"
        )

    with ThreadPoolExecutor(2) as pool:
        small = pool.submit(measure, kernel, "a", "b", 1)
        large = pool.submit(measure, fresh_kernel, "b", "a", 200)
        replies = [small.result(), large.result()]
    [one], [two] = rows(kernel, "both"), rows(fresh_kernel, "both")

    assert [reply.texts() for reply in replies] == [["'met'"], ["'met'"]]
    assert [reply.stderr for reply in replies] == ["", ""]
    assert sampler_pid(kernel) != sampler_pid(fresh_kernel)
    assert min(one["samples"], two["samples"]) >= 10
    assert two["peak_rss_mib"] - two["rss_start_mib"] == pytest.approx(200, abs=20)
    assert one["peak_rss_mib"] - one["rss_start_mib"] < 50


BURN = (
    "import time as _t\ndef burn(s=0.2):\n    end = _t.thread_time() + s\n"
    "    while _t.thread_time() < end: pass\n"
)


@pytest.mark.parametrize(
    "body",
    [
        "import os\npid = os.fork()\nif pid == 0:\n    burn()\n    os._exit(7)\n"
        "os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])",
        "import multiprocessing as mp\nwith mp.get_context('fork').Pool(2) as pool:\n"
        "    pool.map(burn, [0.1, 0.1])\n    pool.close()\n    pool.join()\n7",
    ],
    ids=["os.fork", "pool"],
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_cell_that_forks_is_measured_with_its_children(kernel: Any, body: str) -> None:
    """What ended children used is counted, and the kernel goes on with the same sampler."""
    kernel.execute(f"{BURN}\n%e2ebench -s before -q pass")
    pid = sampler_pid(kernel)
    reply = kernel.execute(f"%%e2ebench forking -q -i 0.01\n{body}")
    row = rows(kernel, "forking")[-1]

    assert reply.texts() == ["7"]
    assert reply.stderr == ""
    assert row["state"] == "complete"
    assert 0.19 < row["cpu_time_s"] < 1.0
    assert row["peak_tree_rss_mib"] >= 10
    assert row["samples"] >= 2
    assert sampler_pid(kernel) == pid


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_may_end_inside_the_measured_cell(kernel: Any) -> None:
    """A child that leaves by an exception of its own writes no row and stops no recording of its parent."""
    kernel.execute("%e2ebench -s before -q pass")
    reply = kernel.execute(
        "%%e2ebench forked-exit -q -i 0.01\nimport os, sys, time\npid = os.fork()\nif pid == 0:\n"
        "    from e2e_magic.measuring.sampler import close_sampler\n    close_sampler()\n    os._exit(0)\n"
        "os.waitpid(pid, 0)\ntime.sleep(0.1)\n'parent'"
    )

    assert reply.texts() == ["'parent'"]
    assert reply.stderr == ""
    assert rows(kernel, "forked-exit")[-1]["samples"] >= 2


def test_a_cell_with_64_threads_is_measured(kernel: Any) -> None:
    """Time of all threads counts, none of them is left, and the sampler is the same."""
    kernel.execute(f"{BURN}\n%e2ebench -s before -q pass\nimport threading")
    before = value(kernel, "threading.active_count()")
    reply = kernel.execute(
        "%%e2ebench threads -q -i 0.01\nimport threading\n"
        "ts = [threading.Thread(target=burn, args=(0.005,)) for _ in range(64)]\n"
        "[t.start() for t in ts]\n[t.join() for t in ts]\nlen(ts)"
    )
    row = rows(kernel, "threads")[-1]

    assert reply.texts() == ["64"]
    assert reply.stderr == ""
    assert 0.32 <= row["cpu_time_s"] < 2
    assert row["samples"] >= 2
    assert value(kernel, "threading.active_count()") == before


def test_a_cell_that_changes_the_directory(fresh_kernel: Any, tmp_path: Path) -> None:
    """The directory stays changed; the first sampler starts from there, also when it is deleted meanwhile."""
    there = tmp_path / "there"
    there.mkdir()
    reply = fresh_kernel.execute(f"%%e2ebench moves -q\nimport os\nos.chdir({str(there)!r})\nos.getcwd()")
    exported = fresh_kernel.execute("%e2e export rows.csv")
    gone = tmp_path / "gone"
    gone.mkdir()
    fresh_kernel.execute(f"os.chdir({str(gone)!r})\nos.rmdir({str(gone)!r})\n%reload_ext e2e_magic")
    nowhere = fresh_kernel.execute("%%e2ebench nowhere -q -i 0.01\nimport time; time.sleep(0.1)\n'fine'")
    fresh_kernel.execute(f"os.chdir({str(tmp_path)!r})")

    assert reply.texts() == [repr(str(there))]
    assert exported.texts() == [f"results written to {there / 'rows.csv'}"]
    assert (there / "rows.csv").read_text().startswith("run,stage,")
    assert nowhere.texts() == ["'fine'"]
    assert nowhere.stderr == ""
    assert rows(fresh_kernel, "nowhere")[-1]["samples"] >= 2


HOOKS = (
    "[len(get_ipython().events.callbacks[n]) for n in sorted(get_ipython().events.callbacks)] + "
    "[len(get_ipython().input_transformers_post), len(get_ipython().input_transformers_cleanup), "
    "len(get_ipython().ast_transformers)]"
)


def test_reloading_ten_times_leaves_one_of_everything(fresh_kernel: Any) -> None:
    """One rewriting of lines, one set of hooks, no old sampler, automatic measuring off, rows kept."""
    once = value(fresh_kernel, HOOKS)
    pids = []
    for n in range(10):
        fresh_kernel.execute("%e2e auto on")
        assert fresh_kernel.execute(f"%%e2ebench again -q\n{n}").texts() == [str(n)]
        pids.append(sampler_pid(fresh_kernel))
        assert fresh_kernel.execute("%reload_ext e2e_magic").status == "ok"
        assert samplers_of(fresh_kernel.pid) == []
    reloaded = value(fresh_kernel, HOOKS)
    kept = rows(fresh_kernel, "again")
    fresh_kernel.execute("unmeasured = 1")

    assert reloaded == once
    assert len(set(pids)) == 10
    assert not [pid for pid in pids if alive(pid)]
    assert [row["trial"] for row in kept] == list(range(1, 11))
    assert fresh_kernel.execute("%e2e results --stage 'unmeasured = 1'").ename == "UsageError"
    assert value(fresh_kernel, "sorted(map(int, _e.results()['stage'].value_counts()))") == [
        10,
        10,
    ]  # and the pids'
    fresh_kernel.execute("%unload_ext e2e_magic")
    assert fresh_kernel.execute("%%e2ebench after\n1").status == "error"


def test_unloading_takes_everything_out(fresh_kernel: Any) -> None:
    """After `%unload_ext` the shell has the hooks, magics and threads that it had before loading."""
    fresh_kernel.execute("%unload_ext e2e_magic")
    before = value(fresh_kernel, HOOKS)
    fresh_kernel.execute("%load_ext e2e_magic\n")
    fresh_kernel.execute("%e2e auto on")
    fresh_kernel.execute("%%e2ebench some\n1")
    pid = sampler_pid(fresh_kernel)
    fresh_kernel.execute("%unload_ext e2e_magic")

    assert not alive(pid)
    assert value(fresh_kernel, HOOKS) == before
    assert (
        value(fresh_kernel, "sorted({'e2e', 'e2ebench'} & set(get_ipython().magics_manager.magics['cell']))")
        == []
    )
    assert (
        value(fresh_kernel, "[t.name for t in __import__('threading').enumerate() if 'e2e' in t.name]") == []
    )


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import asyncio\nfor _ in range(3000):\n    await asyncio.sleep(0.02)",
    ],
)
def test_an_interrupt_leaves_a_row(kernel: Any, tmp_path: Path, code: str) -> None:
    """The stop button stops a measured cell as any other; what was sampled until then is kept."""
    kernel.execute("%e2ebench -s before -q pass")
    pid = sampler_pid(kernel)
    known = len(rows(kernel, "stopped")) if "stopped" in value(kernel, "list(_e.results()['stage'])") else 0

    def stop() -> None:
        time.sleep(0.4)
        kernel.manager.interrupt_kernel()

    mark = tmp_path / "started"
    with ThreadPoolExecutor(1) as pool:
        acted = pool.submit(lambda: (wait_until(mark.exists, 20, "the cell has started"), stop()))
        reply = kernel.execute(
            f"%%e2ebench stopped -q -i 0.01\nimport pathlib; pathlib.Path({str(mark)!r}).touch()\n{code}"
        )
        acted.result()
    found = rows(kernel, "stopped")
    kernel.execute("%%e2ebench goes-on -q -i 0.01\nimport time; time.sleep(0.2)")

    assert reply.status == "error"
    assert reply.ename in ("KeyboardInterrupt", "CancelledError")
    assert not [line for line in reply.traceback if "e2e_magic/" in line]
    assert len(found) == known + 1
    assert found[-1]["state"] == "interrupted"
    assert 0.3 < found[-1]["wall_time_s"] < 20
    assert found[-1]["samples"] >= 2
    assert sampler_pid(kernel) == pid
    assert rows(kernel, "goes-on")[-1]["samples"] >= 2


def test_an_interrupt_ends_all_repeats(kernel: Any, tmp_path: Path) -> None:
    """The repeats that are done stay, the running one is interrupted, the others never start."""
    mark = tmp_path / "third"
    with ThreadPoolExecutor(1) as pool:
        acted = pool.submit(
            lambda: (wait_until(mark.exists, 20, "the third repeat"), kernel.manager.interrupt_kernel())
        )
        kernel.execute("count = 0")
        reply = kernel.execute(
            "%%e2ebench stopped-repeats -r 5\nimport pathlib, time\ncount += 1\n"
            f"if count == 3:\n    pathlib.Path({str(mark)!r}).touch()\n    time.sleep(60)"
        )
        acted.result()

    assert reply.ename == "KeyboardInterrupt"
    assert [row["state"] for row in rows(kernel, "stopped-repeats")] == [
        "complete",
        "complete",
        "interrupted",
    ]
    assert value(kernel, "count") == 3


def test_run_all_stops_at_a_failing_measured_cell(kernel: Any) -> None:
    """Cells that wait behind it are aborted, as a notebook's Run All has it."""
    sent = [
        kernel.client.execute(code, stop_on_error=True)
        for code in ("%%e2ebench stops -q\n1 / 0", "later = 1", "%%e2ebench never -q\nlater = 2")
    ]
    replies = {}
    while len(replies) < len(sent):
        message = kernel.client.get_shell_msg(timeout=20)
        replies[message["parent_header"]["msg_id"]] = message["content"]["status"]

    assert [replies[number] for number in sent] == ["error", "aborted", "aborted"]
    # What was aborted was never run; the kernel takes cells again after a moment.
    wait_until(lambda: kernel.execute("1").status == "ok", 20, "the kernel takes cells again")
    assert value(kernel, "['never' in list(_e.results()['stage']) if '_e' in globals() else False]") == [
        False
    ]
    assert value(kernel, "'later' in globals()") is False


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("%%e2ebench fails -q\n1 / 0", "ZeroDivisionError"),
        ("%%e2ebench fails --repeat=none\nran = True", "UsageError"),
        (
            "%%e2ebench fails\nimport asyncio\nawait asyncio.sleep(0)\nraise LookupError('gone')",
            "LookupError",
        ),
    ],
)
def test_nbclient_fails_at_a_failing_measured_cell(tmp_path: Path, cell: str, name: str) -> None:
    """A notebook that is executed unattended stops at the cell and says why; later cells are not run."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    cells = ["%load_ext e2e_magic", cell, "never = 1"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    client = NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    with pytest.raises(CellExecutionError) as caught:
        client.execute()

    assert caught.value.ename == name
    said = next(o for o in reversed(notebook.cells[1].outputs) if o.output_type != "display_data")
    if name == "UsageError":  # IPython says those in a line, without a traceback
        assert (said.output_type, said.name) == ("stream", "stderr")
        assert said.text.startswith("UsageError: %%e2ebench: argument -r/--repeat: ")
    else:
        assert (said.output_type, said.ename) == ("error", name)
    assert notebook.cells[2].execution_count is None


def test_an_interrupt_of_timed_calls_leaves_the_row(kernel: Any, tmp_path: Path) -> None:
    """The cell was done: its row is complete; the stop button ends the timing and shows none of our lines."""
    mark = tmp_path / "calling"
    kernel.execute(f"import pathlib, time\ndef call(): pathlib.Path({str(mark)!r}).touch(); time.sleep(0.01)")
    with ThreadPoolExecutor(1) as pool:
        acted = pool.submit(
            lambda: (wait_until(mark.exists, 20, "the first call"), kernel.manager.interrupt_kernel())
        )
        reply = kernel.execute("%%e2ebench calling -q --latency call() --latency-duration 60\npass")
        acted.result()

    assert reply.ename == "KeyboardInterrupt"
    assert not [line for line in reply.traceback if "e2e_magic/" in line]
    assert rows(kernel, "calling")[-1]["state"] == "complete"


def test_overhead_is_all_that_a_first_cell_makes_one_wait_for(fresh_kernel: Any) -> None:
    """First imports, the run's start, the card and the store: little of the wait is nobody's."""
    fresh_kernel.execute("%load_ext e2e_magic\nimport time\nbegan = [0.0]")
    fresh_kernel.execute(
        "get_ipython().events.register('pre_run_cell', lambda info: began.append(time.perf_counter()))"
    )
    fresh_kernel.execute("%%e2ebench first -o measured\ntime.sleep(0.05)")
    fresh_kernel.execute("ended = began[-1]")
    reply = fresh_kernel.execute(
        "read = measured.records[-1].readings\n"
        "print(began[-3] and read['wall_time_s'] + read['overhead_s'] + read['display_s'], began[-2] - "
        "began[-3])"
    )
    known, waited = map(float, reply.stdout.split())

    assert 0.8 * waited < known <= waited
