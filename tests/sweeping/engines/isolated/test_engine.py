from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e_magic.api.sweeps import open_sweep
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.sweeping.engines.isolated.calls import Isolated
from e2e_magic.sweeping.engines.isolated.engine import IsolatedEngine
from e2e_magic.sweeping.jobs import CellJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.sweep import Sweep

pytestmark = pytest.mark.skipif(os.name != "posix", reason="an isolated process needs a POSIX system")


@pytest.fixture
def isolated() -> Iterator[Isolated]:
    """Give a process, which is gone afterwards."""
    made = Isolated()
    yield made
    made.kill()


class Driven:
    """A sweep of a cell, and what it said."""

    def __init__(self, session: Any, source: str, space: Any, names: Any = None, **settings: Any) -> None:
        self.stopping = threading.Event()
        self.heard: list[tuple[int, str]] = []
        self.warned: list[str] = []
        plan = SweepPlan(plan=Plan(stage="t", metrics=("cpu",)), space=Space.of(space), **settings)
        job = CellJob(Cell.of(source), source, source, {"__name__": "__main__", **(names or {})})
        self.sweep: Sweep = open_sweep(
            session, plan, job, abort=self.stopping.is_set, warn=self.warned.append
        )

    def on(self, isolated: Isolated) -> IsolatedEngine:
        """Return the engine that runs it there."""
        return IsolatedEngine(self.sweep.job, self.sweep.plan, isolated, self._hear)

    def _hear(self, turn: Any, kind: str, content: Any) -> None:
        if kind == "streams":
            self.heard.extend((turn.trial, text) for _, text in content)


def test_trials_run_there_and_are_kept_here(session: Any, isolated: Isolated) -> None:
    """Each is measured in the other process, numbered and kept by the session, its prints heard."""
    driven = Driven(
        session,
        "print('x is', x)\nimport os\n{'loss': x * scale, 'num_entries': os.getpid()}",
        {"x": [1, 2, 3]},
        {"scale": 10, "unused": threading.Lock()},
    )
    records = list(driven.sweep.run(driven.on(isolated)))

    assert records == session.records
    assert [r.reported["loss"] for r in records] == [10, 20, 30]
    assert {r.reported["entries"] for r in records} == {isolated.pid}
    assert [(r.trial, r.state, r.sweep, r.concurrent) for r in records] == [
        (n, "complete", driven.sweep.id, False) for n in (1, 2, 3)
    ]
    assert all(r.source == driven.sweep.job.source for r in records)
    assert all("cpu_time_s" in r.readings for r in records)
    assert driven.heard == [(n, f"x is {n}\n") for n in (1, 2, 3)]


@pytest.mark.parametrize("way", ["asleep", "deaf", "deep in C"])
def test_stop_amid_a_trial(session: Any, isolated: Isolated, way: str) -> None:
    """The trial is over at once, not in ten minutes; what it measured is kept where it could hand it over."""
    source = {
        "asleep": "import time\ntime.sleep(600 if x == 2 else 0)",
        "deaf": "import time\nwhile x == 2:\n    try:\n        time.sleep(600)\n"
        "    except KeyboardInterrupt:\n        pass",
        "deep in C": "import itertools\nif x == 2: sum(itertools.repeat(1, 10**12))",
    }[way]
    driven = Driven(session, source, {"x": [1, 2, 3]})
    running = driven.on(isolated)
    thread = threading.Thread(target=lambda: list(driven.sweep.run(running)), name="Thread-test")
    thread.start()
    while driven.sweep.progress.done < 1 or not driven.sweep.progress.running:
        time.sleep(0.01)
    time.sleep(0.4)
    pid = isolated.pid
    driven.stopping.set()
    running.stop()
    thread.join(20)
    first, second = session.records

    assert not thread.is_alive()  # tests/benchmarks measures how soon
    assert (first.state, second.state) == ("complete", "interrupted")
    assert second.error is not None
    assert second.error.startswith("KeyboardInterrupt")
    assert second.params == {"x": 2}
    assert second.host
    assert second.source == source
    if way == "asleep":
        assert float(second.readings["wall_time_s"]) > 0.3
    else:
        assert str(second.missing["wall_time_s"]) == "nothing came back from the worker"
    assert isolated.pid is None
    assert driven.sweep.ended == "it was stopped"

    # The rest runs in a new process; what was complete isn't done again.
    again = Driven(session, source.replace("600", "0").replace("10**12", "3"), {"x": [3]})

    assert [r.state for r in again.sweep.run(again.on(isolated))] == ["complete"]
    assert isolated.pid not in (None, pid)


def test_stopped_before_it_began(session: Any, isolated: Isolated) -> None:
    """A stop that comes first leaves no row."""
    driven = Driven(session, "x", {"x": [1, 2]})
    driven.stopping.set()
    running = driven.on(isolated)
    running.stop()

    assert list(driven.sweep.run(running)) == []
    assert session.records == []


def test_a_process_that_dies_costs_its_trial_and_is_tried_once_more(session: Any, isolated: Isolated) -> None:
    """The row says failed, a new process tries again, then the sweep goes on."""
    driven = Driven(session, "import os\nif x == 1: os._exit(3)\nx", {"x": [1, 2]})
    states = [(r.params["x"], r.state) for r in driven.sweep.run(driven.on(isolated))]

    assert states == [(1, "failed"), (1, "failed"), (2, "complete")]
    assert "its worker process died (killed, or out of memory); it is tried once more" in driven.warned[0]
    assert "it is not tried again" in driven.warned[1]


def test_a_failing_trial_is_a_row(session: Any, isolated: Isolated) -> None:
    """By default the sweep goes on; its traceback is heard; with fail_fast the error is raised."""
    driven = Driven(session, "1 / x", {"x": [0, 1]})

    assert [r.state for r in driven.sweep.run(driven.on(isolated))] == ["failed", "complete"]
    assert "ZeroDivisionError" in "".join(text for _, text in driven.heard)

    fast = Driven(session, "1 / x", {"x": [0, 1]}, fail_fast=True)
    with pytest.raises(ZeroDivisionError):
        list(fast.sweep.run(fast.on(isolated)))

    assert [r.state for r in fast.sweep.records] == ["failed"]


def test_what_cannot_be_sent_is_named(session: Any, isolated: Isolated) -> None:
    """Before the first trial: the variable, and what to do."""
    driven = Driven(session, "lock, x", {"x": [1]}, {"lock": threading.Lock()})
    with pytest.raises(PlanError, match=r"^lock: this variable can't be sent to another process"):
        list(driven.sweep.run(driven.on(isolated)))

    assert session.records == []
