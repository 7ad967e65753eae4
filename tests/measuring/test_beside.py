"""Which trials say that they ran beside others."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import e2e_magic as e2e
from e2e_magic.measuring.beside import Stay

pytestmark = pytest.mark.usefixtures("session")


def concurrent() -> dict[str, bool]:
    """Return what each stage says."""
    frame = e2e.results()
    return dict(zip(frame["stage"], frame["concurrent"].astype(bool), strict=True))


def block(stage: str, meet: threading.Barrier | None = None) -> None:
    """Measure a block that lasts until the others are in theirs."""
    with e2e.measure(stage, metrics="cpu"):
        if meet is not None:
            meet.wait(10)


def test_trials_after_each_other_and_within_each_other_are_alone() -> None:
    """Nesting is no company, however deep."""
    with e2e.measure("outer", metrics="cpu"):
        block("inner")
        with e2e.measure("second", metrics="cpu"):
            block("innermost")
    block("after")

    assert not any(concurrent().values())


def test_trials_in_threads_are_beside_each_other() -> None:
    """Each counts the whole process's CPU time and memory."""
    meet = threading.Barrier(3)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: block(f"thread {n}", meet), range(3)))
    block("after")

    assert concurrent() == {"thread 0": True, "thread 1": True, "thread 2": True, "after": False}


def test_tasks_that_are_gathered_are_beside_each_other_and_within_what_gathers_them() -> None:
    """Two tasks in one measured function: they are beside each other, it is around both."""

    @e2e.measure("task", metrics="cpu")
    async def task(n: int) -> int:
        await asyncio.sleep(0.01)
        return n

    @e2e.measure("whole", metrics="cpu")
    async def whole() -> None:
        await asyncio.gather(task(1), task(2))

    asyncio.run(whole())

    assert e2e.results().groupby("stage")["concurrent"].agg(list).to_dict() == {
        "task": [True, True],
        "whole": [False],
    }


def test_a_task_beside_one_that_has_ended_is_alone() -> None:
    """One after the other on one loop is no company."""

    async def both() -> None:
        block("first")
        await asyncio.sleep(0)
        block("second")

    asyncio.run(both())

    assert not any(concurrent().values())


def test_a_generator_is_no_company_for_its_consumer() -> None:
    """Its trial is open while the consumer measures, in one thread and one after the other."""

    @e2e.measure("items", metrics="cpu")
    def items() -> Iterator[int]:
        yield from range(2)

    for n in items():
        block(f"item {n}")
    block("after")

    assert not any(concurrent().values())


def test_a_trial_that_was_abandoned_is_no_company_for_ever() -> None:
    """Nobody ends it, and it is forgotten."""

    def abandon() -> None:
        Stay().begin()

    thread = threading.Thread(target=abandon)
    thread.start()
    thread.join()
    block("after")

    assert concurrent() == {"after": False}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_is_beside_nobody_of_its_parent() -> None:
    """What ran in other threads of the parent doesn't run in the child."""
    thread_began, end = threading.Event(), threading.Event()

    def other() -> None:
        stay = Stay()
        stay.begin()
        thread_began.set()
        end.wait(10)
        stay.end()

    thread = threading.Thread(target=other)
    thread.start()
    thread_began.wait(10)
    pid = os.fork()
    if pid == 0:
        stay = Stay()
        stay.begin()
        os._exit(int(stay.concurrent))
    _, status = os.waitpid(pid, 0)
    end.set()
    thread.join()

    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("name", ["perf_counter_ns", "perf_counter", "monotonic"])
def test_clocks_that_were_replaced_before_the_first_trial_stop_nothing(name: str) -> None:
    """Frozen before this package is imported, and thawed after it: wall time goes on in both."""
    code = (
        "import time\n"
        f"real, time.{name} = time.{name}, lambda: 0\n"
        "import e2e_magic as e2e\n"
        "for thaw in (False, True):\n"
        "    with e2e.measure('t', interval=0.01):\n"
        "        time.sleep(0.05)\n"
        f"    time.{name} = real\n"
        "print(*e2e.results()['wall_time_s'], *e2e.results()['samples'])\n"
    )
    environment = {**os.environ, "E2E_MAGIC_STORE": ":memory:"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment, timeout=120
    )
    first, second, *samples = map(float, done.stdout.split())

    assert 0.05 <= first < 5
    assert 0.05 <= second < 5
    assert min(samples) >= 2


def test_a_clock_of_the_user_s_own_test_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one that is replaced later reach a trial."""
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 0)
    block("t")

    assert e2e.results()["wall_time_s"].item() > 0
