"""A trial that its process did not outlive has a row: killed, crashed, out of memory, restarted."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
# As the script's process does it itself.
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
BEGIN = """
import ctypes, os, signal, sys, time
import e2e_magic as e2e
from e2e_magic.measuring.sampler import sampler
def sampled():  # the sampler gives its core away after each look; the first may have begun before
    def looks():
        with open(f"/proc/{sampler().pid}/status") as status:
            [line] = [line for line in status if line.startswith("voluntary_ctxt_switches")]
        return int(line.split()[1])
    first = looks()
    while looks() < first + 4:
        time.sleep(0.02)
with e2e.measure("before"):
    pass
print(sampler().pid, flush=True)
"""


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep trials in a file, and what waits in a folder of the test's own."""
    monkeypatch.setenv("E2E_MAGIC_STORE", str(tmp_path / "store.db"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return the trials of the store, but the one that is before each test's."""
    with closing(sqlite3.connect(folder / "store.db")) as store:
        store.row_factory = sqlite3.Row
        found = store.execute("SELECT * FROM e2e_trials WHERE stage != 'before' ORDER BY number").fetchall()
        return [dict(row) for row in found]


def readings(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row's readings, as the package reads them."""
    from e2e_magic.storage.packing import Layouts

    return Layouts().readings([row["measures"]], [row["numbers"]], [{}])[0]


def wait_for(pid: int) -> None:
    """Wait until a sampler process has ended, and with it what it became to put rows into the store."""
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(timeout=60)


def run(folder: Path, code: str, *, before: Any = None) -> int:
    """Run a script to its end, and its sampler's; return its status."""
    script = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=before,
    )
    wait_for(int(script.stdout.split()[0]))
    return script.returncode


def measured(stage: str, body: str) -> str:
    """Return a measured block."""
    begin = "kept = bytearray(40 << 20)\n    time.sleep(0.25)\n    sampled()"
    return f"with e2e.measure({stage!r}):\n    {begin}\n    {body}\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(
            KILL,
            "the process was ended by SIGKILL; no process of {scope} was killed for memory; "
            "a restart ends a kernel like this, too",
            id="killed",
        ),
        pytest.param("os._exit(3)", "the process exited with status 3", id="exit"),
        pytest.param("ctypes.string_at(0)", "the process was ended by SIGSEGV", id="segfault"),
    ],
)
def test_the_trial_in_which_a_process_ended_has_a_row(tmp_path: Path, body: str, said: str) -> None:
    """Its curves up to then, its peak, and of the end what was seen."""
    from e2e_magic.measuring.sampler.control_groups import MemoryGroups

    run(tmp_path, measured("train", body))

    (row,) = rows(tmp_path)
    scope = "its control group" if MemoryGroups().folders else "this machine"
    assert (row["stage"], row["trial"], row["repeat"], row["state"]) == ("train", 1, 1, "killed")
    assert row["error"].startswith(f"ProcessEnded: {said.format(scope=scope)}; it had ")
    read = readings(row)
    assert read["wall_time_s"] >= 0.25
    assert read["peak_rss_mib"] >= read["rss_start_mib"] + 30
    assert read["samples"] >= 2
    assert not list(tmp_path.glob("state/**/*.json"))


PEACEFUL = {
    "between": KILL,
    "SystemExit": measured("train", "sys.exit(5)"),
    "unloaded": "e2e.measure('train').__enter__()\nfrom e2e_magic.measuring.sampler import close_sampler\n"
    f"close_sampler()\n{KILL}",
    "thread": "import threading\n"
    "def begin():\n    e2e.measure('train').__enter__()\n    time.sleep(9)\n"
    "threading.Thread(target=begin, daemon=True).start()\ntime.sleep(0.3)",
}


@pytest.mark.parametrize("code", PEACEFUL.values(), ids=PEACEFUL)
def test_nothing_is_written_for_a_process_that_ended_in_peace(tmp_path: Path, code: str) -> None:
    """Between two trials, by its own end within one, or with the sampler sent away."""
    run(tmp_path, code)

    assert not [row for row in rows(tmp_path) if row["state"] == "killed"]
    assert not list(tmp_path.glob("state/**/*.*"))


def test_a_sweeps_trial_and_a_warm_up_have_their_rows(tmp_path: Path) -> None:
    """With parameters, sweep and number; a warm-up's row has the next number that is free."""
    run(
        tmp_path,
        "def fit(lr):\n    time.sleep(0.1)\n    if lr == 2:\n        " + KILL + "\n"
        "@e2e.measure('warm', warmup=1)\ndef warm():\n    e2e.sweep(fit, lr=[1, 2, 3])\nwarm()",
    )

    found = {(row["stage"], row["trial"]): row for row in rows(tmp_path)}
    assert {key: row["state"] for key, row in found.items()} == {
        ("fit", 1): "complete",
        ("fit", 2): "killed",
        ("warm", 1): "killed",
    }
    assert json.loads(found["fit", 2]["params"]) == {"lr": 2}
    assert found["fit", 2]["sweep"] == found["fit", 1]["sweep"]
    assert found["fit", 2]["source"] == found["fit", 1]["source"]
    assert "it was a warm-up" in found["warm", 1]["error"]


def test_a_workers_trial_has_a_row_when_its_kernel_is_killed(tmp_path: Path) -> None:
    """And one row only when the worker is: the kernel, which lives, writes it."""
    code = (
        "from pathlib import Path\nhere = os.getpid()\n"
        "def fit(x):\n"
        "    from e2e_magic.measuring.sampler import sampler\n"
        "    Path(f'sampler-{x}').write_text(str(sampler().pid))\n"
        "    while x == 'kernel':\n        time.sleep(0.05)\n        os.kill(here, signal.SIGKILL)\n"
        "    kept = bytearray(30 << 20)\n    sampled()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "fit.__globals__.update(os=os)\n"
        "e2e.sweep(fit, x=['worker', 'kernel'], engine='local:1', quiet=True)\n"
    )
    run(tmp_path, code)
    for file in tmp_path.glob("sampler-*"):
        wait_for(int(file.read_text()))

    found = [(json.loads(row["params"])["x"], row["state"]) for row in rows(tmp_path)]
    assert found == [("worker", "failed"), ("worker", "failed"), ("kernel", "killed")]
    for row in rows(tmp_path)[:2]:  # what was sampled, and how it ended
        assert row["error"] == ("WorkerDied: the worker process ended in the middle of this trial (SIGKILL)")
        assert readings(row)["peak_rss_mib"] > readings(row)["rss_start_mib"] + 20
    assert not list(tmp_path.glob("state/**/*.*"))


@pytest.fixture
def group() -> Iterator[Path]:
    """Give a memory control group of version 1 with 150 MiB; skip where none can be made."""
    from e2e_magic.measuring.sampler.control_groups import MemoryGroups

    groups = MemoryGroups()
    if groups.version != 1 or not os.access(groups.folders[0], os.W_OK):
        pytest.skip("needs a memory control group of version 1 that can be written")
    made = Path(groups.folders[0]) / f"e2e-{os.getpid()}"
    made.mkdir()
    (made / "memory.limit_in_bytes").write_text(str(150 << 20))
    with suppress(OSError):  # without swap accounting
        (made / "memory.memsw.limit_in_bytes").write_text(str(150 << 20))
    yield made
    made.rmdir()


def test_out_of_memory_is_told_from_other_kills(tmp_path: Path, group: Path) -> None:
    """By the count of the process's own control group, with the limit and what it had of it."""
    body = "kept = [bytearray(1 << 20) for _ in range(1000) if not time.sleep(0.01)]"
    run(tmp_path, measured("train", body), before=lambda: (group / "cgroup.procs").write_text("0"))

    (row,) = rows(tmp_path)
    assert row["state"] == "killed"
    assert (
        "the process was ended by SIGKILL; the system killed 1 process of its control group" in row["error"]
    )
    assert " of 150 MiB at the last sample" in row["error"]


def test_a_row_waits_for_its_store(tmp_path: Path) -> None:
    """Where that can't be written, the next kernel's first reading takes it up."""
    run(tmp_path, "os.rename('store.db', 'moved.db'); os.mkdir('store.db')\n" + measured("train", KILL))
    (waiting,) = tmp_path.glob("state/e2e_magic/killed/*.json")
    (tmp_path / "store.db").rmdir()
    (tmp_path / "moved.db").rename(tmp_path / "store.db")
    code = "print(e2e.results(all=True).query('stage == \"train\"')['state'].item(), file=open('read', 'w'))"
    run(tmp_path, code)

    assert (tmp_path / "read").read_text() == "killed\n"
    assert not waiting.exists()


# As code deep in C does not hear the interrupt that comes before the request to end.
DEAF = (
    "%%e2ebench train\nimport signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "open('began', 'w').close()\nwhile True: pass"
)


def test_a_restarted_kernel_is_told_at_the_next_load(tmp_path: Path, fresh_kernel: Any) -> None:
    """Once, in a line, and whether it was asked to; ``%e2e last`` shows the card, others keep theirs."""
    fresh_kernel.manager.shutdown_wait_time = 1.0  # which the kernel is then killed after

    def restart(*, now: bool) -> list[str]:
        found = fresh_kernel.execute(
            "from e2e_magic.measuring.sampler import sampler\nprint(sampler().pid)"
        ).stdout
        fresh_kernel.client.execute(DEAF)
        while not (tmp_path / "began").exists():
            pass
        (tmp_path / "began").unlink()
        fresh_kernel.manager.restart_kernel(now=now)
        wait_for(int(found))
        fresh_kernel.client.wait_for_ready(timeout=60)
        texts: list[str] = fresh_kernel.execute("%load_ext e2e_magic").texts()
        return texts

    assert fresh_kernel.execute("%load_ext e2e_magic").outputs == []
    fresh_kernel.execute("%%e2ebench prepare\nx = 1")
    (text,) = restart(now=True)
    again = fresh_kernel.execute("%reload_ext e2e_magic")
    last = fresh_kernel.execute("%e2e last")
    fresh_kernel.execute("%%e2ebench prepare\nx = 1")
    (asked,) = restart(now=False)

    assert text.startswith("the kernel before this one was killed in train, ")
    assert text.endswith("(SIGKILL): %e2e last")
    assert again.outputs == []
    assert last.texts()[0].startswith("train · killed\n  ProcessEnded: the process was ended by SIGKILL")
    assert asked.startswith("the kernel before this one was restarted in train, ")
    assert [(row["stage"], row["state"]) for row in rows(tmp_path)] == [
        ("prepare", "complete"),
        ("train", "killed"),
    ] * 2
    assert rows(tmp_path)[-1]["error"].startswith(
        "ProcessEnded: the kernel was asked to restart; the process was ended by SIG"
    )
    assert "a restart ends a kernel like this" not in rows(tmp_path)[-1]["error"]


def killed_at(folder: Path, seconds: float) -> tuple[Sequence[str], list[dict[str, Any]]]:
    """Kill a script that measures one block after another; return what it wrote and the rows."""
    code = (
        "for n in range(10_000):\n    os.write(1, b'begin\\n')\n"
        "    with e2e.measure('train'):\n        time.sleep(0.01)\n    os.write(1, b'end\\n')\n"
    )
    folder.mkdir()
    os.environ["E2E_MAGIC_STORE"] = str(folder / "store.db")
    with subprocess.Popen([sys.executable, "-c", BEGIN + code], cwd=folder, stdout=subprocess.PIPE) as script:
        assert script.stdout is not None
        sampler = int(script.stdout.readline())
        with suppress(subprocess.TimeoutExpired):
            script.wait(seconds)
        script.send_signal(signal.SIGKILL)
        lines = script.stdout.read().decode().split()
    wait_for(sampler)
    return lines, rows(folder)


def check_moment(folder: Path, seconds: float) -> str:
    """Kill at a moment and check the rows: one for each block that was begun, complete where it ended."""
    lines, found = killed_at(folder, seconds)
    begun, ended = lines.count("begin"), lines.count("end")
    states = [row["state"] for row in found]
    assert [row["trial"] for row in found] == list(range(1, len(found) + 1))
    assert states[:ended] == ["complete"] * ended
    # Between `begin` and the trial's start, and between its row and `end`, either is right.
    assert len(states) in (begun, ended)
    assert states[ended:] in ([], ["killed"], ["complete"])
    return states[-1] if len(states) > ended else "between"


def test_at_whatever_moment_a_process_is_killed_its_rows_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``tests/kernel/by_hand/fifty_moments.py`` does it at fifty."""
    monkeypatch.setenv("E2E_MAGIC_STORE", "")
    moments = random.Random(7)
    for n in range(2):
        check_moment(tmp_path / str(n), moments.uniform(0.0, 0.3))
