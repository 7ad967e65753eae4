"""Code that starts processes of its own runs in a worker as it runs in the notebook."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from e2e_magic.api.sweeps import open_sweep
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.plan import Plan
from e2e_magic.session import Session
from e2e_magic.sweeping.engines.isolated.calls import Isolated
from e2e_magic.sweeping.engines.isolated.engine import IsolatedEngine
from e2e_magic.sweeping.engines.main_module import as_main
from e2e_magic.sweeping.engines.shipping import pack
from e2e_magic.sweeping.jobs import CellJob, FunctionJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space import Space

CODES = {
    "a pool of the notebook's function": "with mp.Pool(2) as pool: total = sum(pool.map(square, [1, 2, x]))",
    "a pool of the cell's own function": (
        "def own(v): return v * v\nwith mp.Pool(2) as pool: total = sum(pool.map(own, [1, 2, x]))"
    ),
    "a process": (
        "def put(queue): queue.put(14)\nqueue = mp.Queue()\nprocess = mp.Process(target=put, args=(queue,))\n"
        "process.start()\ntotal = queue.get(timeout=60) + x - x\nprocess.join()"
    ),
    "an executor": (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "with ProcessPoolExecutor(2) as pool: total = sum(pool.map(square, [1, 2, x]))"
    ),
    "spawn, of an installed function": (
        "import math\nwith mp.get_context('spawn').Pool(1) as pool: "
        "total = sum(pool.map(math.factorial, [3, 3, 2])) + x - x"
    ),
    "spawn, of the notebook's function": (
        "with mp.get_context('spawn').Pool(1) as pool: total = sum(pool.map(square, [1, 2, x]))"
    ),
    "spawn, of the cell's own function": (
        "power = 2\ndef own(v): return v ** power\nwith mp.get_context('spawn').Pool(1) as pool: "
        "total = sum(pool.map(own, [1, 2, x]))"
    ),
    "joblib": (
        "from joblib import Parallel, delayed\n"
        "total = sum(Parallel(n_jobs=2)(delayed(square)(n) for n in [1, 2, x]))"
    ),
}


def job_of(code: str) -> CellJob:
    """Return a cell of a notebook that has a function."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("import multiprocessing as mp\ndef square(v):\n    return v * v", names)
    source = f"{code}\n{{'loss': total}}"
    return CellJob(Cell.of(source), source, source, names)


@pytest.fixture
def isolated() -> Iterator[Isolated]:
    """Give a process, which is gone afterwards."""
    made = Isolated()
    yield made
    made.kill()


def states(session: Session, job: Any, engine: str, isolated: Isolated | None = None) -> list[Any]:
    """Return state, error and loss of a trial there."""
    plan = SweepPlan(plan=Plan(stage="t", metrics=("cpu",)), space=Space.of({"x": [3]}), engine=engine)
    sweep = open_sweep(session, plan, job)
    there = None if isolated is None else IsolatedEngine(job, plan, isolated, lambda *_: None)
    return [(record.state, record.error, record.reported.get("loss")) for record in sweep.run(there)]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("engine", ["local:1", "multiprocessing:2"])
def test_processes_of_the_codes_own(session: Session, engine: str, code: str) -> None:
    """In a worker: start method and names are the notebook's."""
    assert states(session, job_of(CODES[code]), engine) == [("complete", None, 14)]


@pytest.mark.parametrize("code", CODES)
def test_processes_in_the_isolated_process(session: Session, isolated: Isolated, code: str) -> None:
    """There too."""
    assert states(session, job_of(CODES[code]), "kernel", isolated) == [("complete", None, 14)]


def test_a_function_that_a_new_process_lacks_is_one_sentence(session: Session) -> None:
    """Pickle would end the child that doesn't find the function, and the pool start another, for ever."""
    code = (
        "import threading\nlock = threading.Lock()\ndef own(v):\n    with lock: return v\n"
        "with mp.get_context('spawn').Pool(1) as pool: total = sum(pool.map(own, [1, x]))"
    )

    assert states(session, job_of(code), "local:1") == [
        (
            "failed",
            "NameError: own: a process that is started anew (spawn) lacks this name of the notebook; define "
            "it in a module, or start the processes by fork",
            None,
        )
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loader_of_torch_with_workers(session: Session, workers: int) -> None:
    """The most common of them: ``DataLoader(num_workers=1)``."""
    pytest.importorskip("torch")
    code = (
        "from torch.utils.data import DataLoader\n"
        f"loader = DataLoader([1, 3, 7, x], num_workers={workers}, batch_size=2)\n"
        "total = float(sum(batch.sum() for batch in loader))"
    )

    assert states(session, job_of(code), "local:1") == [("complete", None, 14.0)]


def test_a_functions_globals_are_its_names(session: Session) -> None:
    """A function that is swept finds the functions beside it, in a pool too."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "import multiprocessing as mp\ndef square(v):\n    return v * v\n"
        "def work(x):\n    with mp.Pool(2) as pool:\n"
        "        return {'loss': sum(pool.map(square, [1, 2, x]))}",
        names,
    )

    assert states(session, FunctionJob(names["work"]), "local:1") == [("complete", None, 14)]


def test_main_comes_back() -> None:
    """Whatever the code does, the module is what it was; a name that isn't there is an attribute error."""
    before = sys.modules["__main__"]
    job = job_of("total = x")
    with as_main(job, pack(job, ["x"])):
        main: Any = sys.modules["__main__"]
        job.namespace["later"] = 1

    assert main.square is job.namespace["square"]
    assert main.later == 1
    with pytest.raises(AttributeError, match=r"^module '__main__' has no attribute 'never'$"):
        _ = main.never
    assert sys.modules["__main__"] is before
