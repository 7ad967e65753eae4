"""Sweeps in a real kernel: killed in the middle and resumed, interrupted, shown while they run."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from tests.kernel.conftest import Kernel

LOAD = "%load_ext e2e_magic\n%e2e store {store}"
# Each trial appends to a file what it ran, and from the fourth one on they wait to be killed.
CELL = (
    "%%e2esweep train lr=0.1,0.2,0.3 b=1,2 -m cpu --resume {options}\n"
    "import os, pathlib, time\n"
    "with pathlib.Path(folder, 'begun').open('a') as f:\n"
    "    f.write(f'{{lr}} {{b}}\\n')\n"
    "if (lr, b) >= (0.2, 2) and not os.path.exists(os.path.join(folder, 'go')):\n"
    "    time.sleep(60)\n"
    "with pathlib.Path(folder, 'ended').open('a') as f:\n"
    "    f.write(f'{{lr}} {{b}}\\n')\n"
    "{{'loss': lr * b}}"
)
ALL = [f"{lr} {b}" for lr in (0.1, 0.2, 0.3) for b in (1, 2)]


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to be true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.02)


def lines(path: Path) -> list[str]:
    """Return the whole lines of a file that may not be there yet."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def kept(folder: Path) -> int:
    """Count the complete trials in the store."""
    with closing(sqlite3.connect(folder / "kept.db", timeout=30)) as file:
        [[trials]] = file.execute("SELECT COUNT(*) FROM e2e_trials WHERE state = 'complete'")
    return int(trials)


def stands(folder: Path) -> bool:
    """Return whether the fourth trial waits, and the three before it have ended and are kept."""
    return "0.2 2" in lines(folder / "begun") and len(lines(folder / "ended")) == kept(folder) == 3


def started(folder: Path) -> Kernel:
    """Start a kernel with the extension, and a store that the next one will read."""
    kernel = Kernel(str(folder))
    assert kernel.execute(LOAD.format(store=folder / "kept.db")).status == "ok"
    assert kernel.execute(f"folder = {str(folder)!r}").status == "ok"
    return kernel


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("options", ["", "--engine local:2"])
def test_a_killed_sweep_is_resumed(tmp_path: Path, options: str) -> None:
    """After SIGKILL in the middle, the same line runs what is missing: none lost, none done twice."""
    first = started(tmp_path)
    try:
        cell = CELL.format(options=options)
        message = first.client.execute(cell)
        assert message
        until(lambda: stands(tmp_path))
        children = psutil.Process(first.pid).children(recursive=True)
        os.kill(first.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive
    finally:
        first.stop()
        first.manager.cleanup_resources()
    (tmp_path / "go").touch()
    second = started(tmp_path)
    try:
        reply = second.execute(cell.replace("--resume", "--resume -o kept"))
        assert reply.status == "ok", reply.evalue
        shown = second.execute("print(kept.frame[['param_lr', 'param_b', 'state']].to_json(orient='values'))")
        rows = json.loads(shown.stdout)
    finally:
        second.stop()

    assert sorted(ALL) == sorted(lines(tmp_path / "ended"))
    assert sorted(ALL) == sorted(f"{lr} {b}" for lr, b, state in rows if state == "complete")
    assert "6 of 6 trials (3 complete before)" in "".join(reply.texts())


@pytest.mark.parametrize("options", ["", "--engine local:2"])
def test_an_interrupt_keeps_the_rows(tmp_path: Path, options: str) -> None:
    """The toolbar's Interrupt in the foreground: the rows so far are shown, then KeyboardInterrupt."""
    kernel = started(tmp_path)
    replies: list[Any] = []
    try:
        cell = CELL.format(options=options)
        thread = Thread(target=lambda: replies.append(kernel.execute(cell)))
        thread.start()
        until(lambda: stands(tmp_path))
        kernel.manager.interrupt_kernel()
        thread.join(30)
        shown = kernel.execute("import e2e_magic as e\nprint(e.results()['state'].value_counts().to_dict())")
        children = [p for p in psutil.Process(kernel.pid).children(recursive=True) if p.is_running()]
    finally:
        kernel.stop()
    [reply] = replies
    states = eval(shown.stdout)

    assert reply.ename == "KeyboardInterrupt"
    assert states["complete"] == 3
    assert states["interrupted"] >= 1
    assert states["failed"] == 0
    assert "interrupted" in "".join(reply.texts())
    assert children == []


def test_progress_is_shown_while_it_runs(tmp_path: Path) -> None:
    """A bar with trials done, time left and the best so far; it is gone when the result is there."""
    kernel = started(tmp_path)
    try:
        reply = kernel.execute("%%e2esweep t x=1,2,3 -m cpu\nimport time\ntime.sleep(0.5)\n{'loss': x}")
    finally:
        kernel.stop()
    texts = reply.texts()
    bars = [text for text in texts if text.startswith("t [")]

    assert reply.status == "ok"
    assert any("of 3 trials done, about" in text and "best loss 1 at x=1" in text for text in bars)
    assert texts[texts.index(bars[-1]) + 1] == ""
    assert texts[-1].startswith("t: 3 of 3 trials; best loss 1 at x=1\n")


def test_awaiting_cells_are_swept_in_a_kernel(tmp_path: Path) -> None:
    """A cell with top-level await runs on the kernel's own loop, once per combination."""
    kernel = started(tmp_path)
    try:
        reply = kernel.execute(
            "%%e2esweep t x=1,2 -m cpu\nimport asyncio\nawait asyncio.sleep(0.01)\nprint(x)\n{'loss': x}"
        )
    finally:
        kernel.stop()

    assert reply.status == "ok", reply.evalue
    assert reply.stdout == "trial 1: x=1\n1\ntrial 2: x=2\n2\n"
    assert reply.texts()[-1].startswith("t: 2 of 2 trials; best loss 1 at x=1")
