"""What a fresh process must do first is no trial's cost, and its first trial says that it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.api.sweeps import open_sweep
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.plan import Plan
from e2e_magic.session import Session
from e2e_magic.storage import Selection
from e2e_magic.sweeping.engines.imports import imports_of
from e2e_magic.sweeping.engines.isolated.calls import Isolated
from e2e_magic.sweeping.engines.isolated.engine import IsolatedEngine
from e2e_magic.sweeping.jobs import CellJob, FunctionJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.views import frames
from e2e_magic.views.sweep_result import SweepResult

SLOW = "import time\ntime.sleep(1.0)\nvalue = 7\n"


@pytest.fixture
def isolated() -> Iterator[Isolated]:
    """Give a process, which is gone afterwards."""
    made = Isolated()
    yield made
    made.kill()


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give modules of which each takes a second to import."""
    package = tmp_path / "slow_package"
    package.mkdir()
    for name in ("slow_one", "slow_two", "slow_three", "slow_package/part"):
        (tmp_path / f"{name}.py").write_text(SLOW)
    (package / "__init__.py").write_text("")
    (tmp_path / "slow_broken.py").write_text("print('tried')\nraise ImportError('broken')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return str(tmp_path)


def opened(session: Session, job: Any, engine: str, xs: list[int], plan: Any = None) -> Sweep:
    """Return a sweep over x, not yet run."""
    made = Plan(stage="t", metrics=("cpu",), **(plan or {}))
    return open_sweep(session, SweepPlan(plan=made, space=Space.of({"x": xs}), engine=engine), job)


def cell(source: str, setting: str = "") -> CellJob:
    """Return a cell of a notebook as a job."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(setting, names)
    return CellJob(Cell.of(source), source, source, names)


CODES = {
    "a cell": ("import slow_one\nx\n{'loss': slow_one.value}", ""),
    "one that takes a part": ("from slow_package import part as p\nx\n{'loss': p.value}", ""),
    "a nested function": (
        "def f():\n    import slow_one, slow_two\n    return slow_two.value\n{'loss': f() + x - x}",
        "",
    ),
    "a function of the notebook's": (
        "{'loss': f() + x - x}",
        "def f():\n    from slow_three import value\n    return value",
    ),
    "one that may fail": (
        "try:\n    import slow_broken\nexcept ImportError:\n    import slow_one\nx\n{'loss': 7}",
        "",
    ),
}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("engine", ["local:1", "isolated"])
def test_imports_are_no_trials_cost(
    session: Session, slow: str, isolated: Isolated, engine: str, code: str
) -> None:
    """The first trial takes what the second takes, though the process is new; a column says which it was."""
    assert slow in sys.path
    job = cell(*CODES[code])
    sweep = opened(session, job, "kernel" if engine == "isolated" else engine, [1, 2])
    there = IsolatedEngine(job, sweep.plan, isolated, lambda *_: None) if engine == "isolated" else None
    records = list(sweep.run(there))

    assert [record.reported["loss"] for record in records] == [7, 7]
    assert max(float(record.readings["wall_time_s"]) for record in records) < 1.0
    assert frames.results(records)["cold"].tolist() == [True, False]


def test_a_swept_function_too(session: Session, slow: str) -> None:  # noqa: ARG001
    """What it and the functions beside it import."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "def inner():\n    import slow_one\n    return slow_one.value\n"
        "def work(x):\n    from slow_package.part import value\n    return {'loss': inner() + value + x - x}",
        names,
    )
    records = list(opened(session, FunctionJob(names["work"]), "local:1", [1, 2]).run())

    assert [record.reported["loss"] for record in records] == [14, 14]
    assert max(float(record.readings["wall_time_s"]) for record in records) < 1.0


def test_a_warm_process_has_no_cold_trial(session: Session, isolated: Isolated) -> None:
    """The isolated process stays for the next sweep: its first trial was the first of all."""
    cold = []
    for _ in range(2):
        job = cell("x\n{'loss': 1}")
        sweep = opened(session, job, "kernel", [1, 2])
        list(sweep.run(IsolatedEngine(job, sweep.plan, isolated, lambda *_: None)))
        cold += [record.reported["cold"] for record in sweep.records]

    assert cold == [True, False, False, False]


def test_each_worker_has_one(session: Session) -> None:
    """Of several workers each has a first trial; here and in threads none is cold."""
    for engine in ("local:2", "multiprocessing:2"):
        sweep = opened(session, cell("import time\ntime.sleep(.3)\nx\n{'loss': 1}"), engine, list(range(6)))
        assert sum(record.reported["cold"] for record in sweep.run()) == 2
    for engine in ("kernel", "threading:2"):
        sweep = opened(session, cell("x\n{'loss': 1}"), engine, [1, 2])
        assert [record.reported["cold"] for record in sweep.run()] == [False, False]


def test_what_is_said_of_cold_trials(session: Session) -> None:
    """Where time or memory is told of and a cold trial counts in it, it is said; elsewhere not."""
    job = cell("import time\ntime.sleep(.01)\n{'loss': x, 'accuracy': 1 / x}")
    sweep = opened(session, job, "local:1", [1, 2, 3, 4], {"repeat": 2})
    list(sweep.run())
    trials = session.frame("trials", Selection())
    sentence = "1 of 8 trials was the first of a process (column cold), which may raise wall_time_s"

    assert frames.influence(trials, y="wall_time_s").attrs["summary"].endswith(f"; {sentence}")
    assert "cold" not in frames.influence(trials, y="loss").attrs["summary"]
    assert frames.pareto(trials, "wall_time_s", "accuracy").attrs["summary"].endswith(f"; {sentence}")
    assert "cold" not in frames.pareto(trials, "loss", "accuracy").attrs["summary"]
    assert repr(SweepResult(sweep, session.names())).endswith(sentence)
    assert "cold" in SweepResult(sweep, session.names())._repr_html_()


def test_a_cell_that_is_no_sweeps_says_nothing(session: Session) -> None:
    """The column is there for all, missing where nobody asks."""
    for trial in session.trials(Plan(stage="plain")):
        with trial:
            pass

    assert session.frame("results", Selection())["cold"].isna().tolist() == [True]


def test_imports_are_read_from_code() -> None:
    """Each module with what is taken from it; relative ones are nobody's to import."""
    source = "import a.b as c, d\nfrom e.f import g, h\nfrom . import i\ndef j():\n    from k import *\n"
    code = compile(source.replace("    from k import *", "    from k import l"), "<test>", "exec")

    assert list(imports_of(code)) == [("a.b", ()), ("d", ()), ("e.f", ("g", "h")), ("k", ("l",))]
