from __future__ import annotations

import functools
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from e2e_magic.api.sweeps import open_sweep
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.session import Session
from e2e_magic.sweeping.engines import EngineLost, local
from e2e_magic.sweeping.engines.local import LocalEngine
from e2e_magic.sweeping.engines.opening import Opened
from e2e_magic.sweeping.engines.shipping import Parcel, ShippingError, pack
from e2e_magic.sweeping.jobs import CellJob, FunctionJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.space import Space, uniform
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.views.frames import results
from tests.cluster import Cluster, cluster


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a scheduler and two workers."""
    pytest.importorskip("distributed")
    with cluster(tmp_path_factory.mktemp("dask")) as started:
        yield started


@pytest.fixture(params=["local:2", "dask"])
def engine(request: pytest.FixtureRequest, dask: Cluster) -> str:
    """Name the engine: processes here, or a cluster's."""
    return dask.engine if request.param == "dask" else str(request.param)


def cell_job(source: str, namespace: dict[str, Any] | None = None) -> CellJob:
    """Return a cell as a job."""
    found = {"__name__": "__main__", **(namespace or {})}
    return CellJob(Cell.of(source), source, source, found)


def opened(
    session: Session,
    job: Any,
    space: dict[str, Any],
    engine: str,
    callbacks: dict[str, Any] | None = None,
    plan: dict[str, Any] | None = None,
    **settings: Any,
) -> Sweep:
    """Return a sweep of the session, not yet run."""
    made = Plan(stage="train", **(plan or {}))
    return open_sweep(
        session,
        SweepPlan(plan=made, space=Space.of(space), engine=engine, **settings),
        job,
        **(callbacks or {}),
    )


def test_trials_run_on_workers_and_say_so(session: Session, engine: str) -> None:
    """Each trial is a row with its parameters, host and curves, marked as concurrent, without energy."""
    warned: list[str] = []
    job = cell_job("import os\n{'loss': x * scale, 'num_entries': os.getpid()}", {"scale": 2.0})
    sweep = opened(
        session, job, {"x": [1, 2, 3, 4]}, engine, {"warn": warned.append}, {"estimate_power": (1, 9)}
    )
    records = list(sweep.run())

    assert {r.params["x"]: r.reported["loss"] for r in records} == {1: 2.0, 2: 4.0, 3: 6.0, 4: 8.0}
    assert sorted(record.trial for record in records) == [1, 2, 3, 4]
    assert {"complete"} == {record.state for record in records}
    assert {job.source} == {record.source for record in records}
    assert session.records == records
    assert os.getpid() not in {record.reported["entries"] for record in records}
    for record in records:
        assert record.concurrent
        assert record.host
        assert record.readings["peak_rss_mib"] > 1
        assert "rss_mib" in record.series
        assert not {name for name in record.readings if "energy" in name or "power" in name}
        assert "estimate_power" not in record.reported
        for name in ("energy", "estimated_energy_j"):
            assert str(record.missing[name]) == (
                "other trials ran on this machine at the same time, and its energy can't be told apart"
            )
    assert not warned


def test_prints_and_failures_come_back_with_their_trial(session: Session, engine: str) -> None:
    """What was printed is handed on with its turn; an error, an exit, an interrupt cost their trial only."""
    heard: dict[int, str] = {}
    source = (
        "import sys\nprint('out', x)\nsys.stderr.write('err\\n')\ndisplay([x])\n"
        "if x == 1: 1 / 0\nif x == 2: sys.exit(3)\nif x == 3: raise KeyboardInterrupt\n"
    )
    labels: set[str] = set()

    def hear(turn: Turn, text: str) -> None:
        labels.add(turn.label)
        heard[turn.params["x"]] = heard.get(turn.params["x"], "") + text

    space = {"x": [0, 1, 2, 3, 4]}
    records = list(opened(session, cell_job(source), space, engine, {"on_output": hear}).run())

    assert {record.params["x"]: (record.state, record.error) for record in records} == {
        0: ("complete", None),
        1: ("failed", "ZeroDivisionError: division by zero"),
        2: ("failed", "SystemExit: 3"),
        3: ("interrupted", "KeyboardInterrupt"),
        4: ("complete", None),
    }
    trace = heard[1].removeprefix("out 1\nerr\n[1]\n")
    assert heard == {x: f"out {x}\nerr\n[{x}]\n{trace if x == 1 else ''}" for x in range(5)}
    assert labels == {f"trial {x + 1}: x={x}" for x in range(5)}
    assert "1 / 0" in trace
    assert "e2e_magic" not in trace


def test_the_namespace_goes_along(session: Session, engine: str) -> None:
    """Functions, classes, modules and data that the code needs are there; functions see the parameters."""
    namespace: dict[str, Any] = {"__name__": "__main__", "np": np, "data": np.arange(100_000.0), "k": 3}
    exec(
        "class Model:\n    def loss(self):\n        return lr * k\n"
        "def build():\n    return Model()\n"
        "def total():\n    return float(data.sum())\n",
        namespace,
    )
    source = "k = k + 1\ndata[0] += 1\n{'loss': [build().loss(), total(), float(np.float64(lr))]}"
    job = CellJob(Cell.of(source), source, source, namespace)
    records = list(opened(session, job, {"lr": [0.5, 2.0]}, engine).run())

    expected = float(np.arange(100_000.0).sum()) + 1
    assert {0.5: [2.0, expected, 0.5], 2.0: [8.0, expected, 2.0]} == {
        record.params["lr"]: record.reported["loss"] for record in records
    }
    assert (namespace["data"][0], namespace["k"]) == (0.0, 3)


def test_what_a_notebook_has_shown_stays_here() -> None:
    """Code that may read any name takes the user's data along, not IPython's history of all values."""
    namespace: dict[str, Any] = {"__name__": "__main__", "k": 3, "Out": {1: threading.Lock()}, "In": ["x"]}
    source = "globals()['k'] * x"
    job = Opened(pack(CellJob(Cell.of(source), source, source, namespace), ["x"])).job

    assert isinstance(job, CellJob)
    assert job.namespace["k"] == 3
    assert not {"In", "Out"} & job.namespace.keys()


def test_functions_and_their_closures_go_along(session: Session, engine: str) -> None:
    """A function is sent by its value, with what it closes over and its options."""
    offset = np.full(50_000, 2.0)

    def work(x: int) -> Any:
        return {"loss": x + float(offset[0])}

    job = FunctionJob(work, {"entries": lambda value: int(value["loss"]) * 10})
    records = list(opened(session, job, {"x": [1, 2]}, engine).run())

    assert {r.params["x"]: (r.reported["loss"], r.reported["entries"]) for r in records} == {
        1: (3.0, 30),
        2: (4.0, 40),
    }


def test_a_trial_that_always_kills_its_worker_is_given_up(session: Session) -> None:
    """Tried twice, a trial that ends its process twice has two failed rows; the others are complete."""
    warned: list[str] = []
    job = cell_job("import os\nif x == 2:\n    os._exit(1)\n{'loss': x}")
    sweep = opened(session, job, {"x": [1, 2, 3]}, "local:2", {"warn": warned.append})
    records = list(sweep.run())

    assert sorted(r.params["x"] for r in records if r.state == "complete") == [1, 3]
    assert [r.params["x"] for r in records if r.state == "failed"] == [2, 2]
    assert warned[-1].endswith("it is not tried again. The row says failed, and the sweep goes on")
    assert (sweep.progress.done, sweep.progress.failed, sweep.progress.running) == (3, 1, 0)


def test_abort_ends_the_workers_and_has_rows_before(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is waited for; the interrupted trials are known at once: ending their processes comes after."""
    known: list[str] = []
    close = LocalEngine.close

    def closing(self: LocalEngine, *, kill: bool = False) -> None:
        known.extend(record.state for record in session.records)
        close(self, kill=kill)

    monkeypatch.setattr(LocalEngine, "close", closing)
    source = "import pathlib, time\nif x:\n    pathlib.Path(folder, str(x)).touch()\n    time.sleep(600)"
    job = cell_job(source, {"folder": str(tmp_path)})
    both = {"abort": lambda: len(list(tmp_path.iterdir())) == 2}
    records = list(opened(session, job, {"x": [0, 1, 2]}, "local:2", both).run())

    assert known == ["complete", "interrupted", "interrupted"]
    assert [(r.params["x"], r.state) for r in records] == list(enumerate(known))
    assert records[-1].error == "KeyboardInterrupt: the sweep was stopped"


def test_what_has_come_back_at_an_interrupt_is_kept(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result that has come back, and that nobody has looked at yet, is a complete row all the same."""
    futures: list[Any] = []
    submit = LocalEngine.submit

    def submitting(self: LocalEngine, ticket: Any) -> Any:
        futures.append(submit(self, ticket))
        return futures[-1]

    def interrupted(_pool: LocalEngine, _seconds: float) -> None:
        futures[0].result()
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalEngine, "submit", submitting)
    monkeypatch.setattr(LocalEngine, "wait", interrupted)
    sweep = opened(session, cell_job("import time\ntime.sleep(x)\n{'loss': 1}"), {"x": [0, 600]}, "local:2")
    with pytest.raises(KeyboardInterrupt):
        list(sweep.run())

    assert [(r.params["x"], r.state, r.reported.get("loss")) for r in session.records[:1]] == [
        (0, "complete", 1)
    ]
    assert sweep.progress.running == 0


def test_a_pool_ends_with_its_samplers_and_without_a_look_at_each_object(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's own sampler ends with it; whether loky's semaphores live is known without a collection."""
    collected: list[str] = []
    monkeypatch.setattr(local.gc, "collect", lambda *_: collected.append("collect"))
    source = (
        "from e2e_magic.measuring.sampler import sampler\n"
        "import pathlib\n"
        "pathlib.Path(folder, str(x)).write_text(str(sampler().pid))\n"
    )
    list(opened(session, cell_job(source, {"folder": str(tmp_path)}), {"x": [1, 2, 3]}, "local:2").run())
    pids = {int(path.read_text()) for path in tmp_path.iterdir()}
    deadline = time.monotonic() + 60
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert pids
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert not collected
    assert not local.trackers()


def test_trackers_stay_while_a_semaphore_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended too early, a tracker would be started anew by a semaphore's end; it is ended at the next time."""
    from joblib.externals.loky.backend.synchronize import Lock

    monkeypatch.setattr(local, "_TRIES", 1)
    assert not local.trackers()
    lock = Lock()
    local.end_trackers([])
    assert len(local.trackers()) == 1
    cycle = [lock]
    cycle.append(cycle)
    del lock, cycle
    local.end_trackers([])

    assert not local.trackers()


def test_an_interrupt_keeps_the_rows_and_ends_the_workers(session: Session, tmp_path: Path) -> None:
    """Interrupted in the foreground: finished and running trials have rows, and no process stays."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    source = "import pathlib, time\npathlib.Path(folder, str(x)).touch()\ntime.sleep(x)"
    job = cell_job(source, {"folder": str(tmp_path)})
    running = opened(session, job, {"x": [0, 600]}, "local:2").run()
    next(running)
    deadline = time.monotonic() + 60
    while not (tmp_path / "600").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)

    assert {r.params["x"]: r.state for r in session.records} == {0: "complete", 600: "interrupted"}
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_a_large_array_is_sent_once(session: Session, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array of 200 MB leaves this process once, and reaches each worker once, not with each trial."""
    written: list[int] = []
    packed: list[int] = []
    write, reduce = Parcel.write, Parcel.__reduce_ex__

    def counted_write(parcel: Parcel, file: Any) -> None:
        written.append(parcel.size)
        write(parcel, file)

    def counted_reduce(parcel: Parcel, protocol: Any) -> Any:
        packed.append(sum(memoryview(part).nbytes for part in parcel.parts))
        return reduce(parcel, protocol)

    monkeypatch.setattr(Parcel, "write", counted_write)
    monkeypatch.setattr(Parcel, "__reduce_ex__", counted_reduce)
    job = cell_job("X[x] += 1\n{'loss': float(X[x])}", {"X": np.ones(25_000_000)})
    before = _received(engine)
    records = list(opened(session, job, {"x": list(range(12))}, engine, plan={"metrics": "cpu"}).run())

    assert [record.reported["loss"] for record in records] == [2.0] * 12
    if engine.startswith("local"):
        assert [size // 10**6 for size in written] == [200]
        assert set(packed) == {0}  # with a trial goes only where the file is
    else:
        assert len(packed) <= 2
        assert _received(engine) - before < 3 * 200e6  # from each other; a dozen trials would need 2,400


def _received(engine: str) -> float:
    """Return the bytes that the workers of a cluster have sent each other."""
    if engine.startswith("local"):
        return 0.0
    from distributed import Client

    def received(dask_worker: Any) -> float:
        return float(sum(transfer["total"] for transfer in dask_worker.transfer_incoming_log))

    with Client(engine.replace("dask", "tcp"), set_as_default=False) as client:
        return float(sum(client.run(received).values()))


def test_what_cant_be_sent_is_named(session: Session) -> None:
    """The variable that can't be pickled is named before the first trial, also where a function needs it."""
    with sqlite3.connect(":memory:") as con:
        namespace: dict[str, Any] = {"__name__": "__main__", "con": con, "unused": con}
        exec("def query():\n    return con.execute('select 1')", namespace)
        for source in ("con.execute('select 1'), x", "query(), x"):
            job = CellJob(Cell.of(source), source, source, namespace)
            with pytest.raises(PlanError) as caught:
                list(opened(session, job, {"x": [1]}, "local:2").run())

            assert str(caught.value) == (
                "con: this variable can't be sent to another process (TypeError: cannot pickle "
                "'sqlite3.Connection' object); make it inside the cell, or use --engine kernel"
            )
    con.close()
    assert not session.records


def test_what_functools_caches_goes_along(session: Session) -> None:
    """A cached function, method or property of the notebook works in a worker, with an empty cache."""
    namespace: dict[str, Any] = {"__name__": "__main__", "functools": functools}
    exec(
        "@functools.lru_cache(maxsize=3)\ndef load(n):\n    return n + 1\n"
        "@functools.cache\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "class Model:\n    @functools.cached_property\n    def size(self):\n        return load(3)\n"
        "    @functools.cache\n    def depth(self):\n        return x\n",
        namespace,
    )
    namespace["load"](0)
    source = "info = load.cache_info()\nm = Model()\n{'loss': [fib(9), m.size, m.depth(), *info[2:]]}"
    job = CellJob(Cell.of(source), source, source, namespace)
    [record] = opened(session, job, {"x": [5]}, "local:1", plan={"metrics": "cpu"}).run()

    assert record.reported["loss"] == [34, 4, 5, 3, 0]


@pytest.mark.parametrize(
    ("made", "source", "culprit"),
    [
        ("@functools.singledispatch\ndef go(x):\n    return x", "go(x)", "go"),
        ("class Asks:\n    def go(self):\n        return lock", "Asks().go(), x", "lock"),
        ("class Holds:\n    held = lock", "Holds, x", "Holds"),
    ],
)
def test_what_is_in_the_way_is_named(session: Session, made: str, source: str, culprit: str) -> None:
    """A function or class is named only where it isn't what it reads."""
    namespace: dict[str, Any] = {"__name__": "__main__", "functools": functools, "lock": threading.Lock()}
    exec(made, namespace)
    job = CellJob(Cell.of(source), source, source, namespace)
    with pytest.raises(PlanError) as caught:
        list(opened(session, job, {"x": [1]}, "local:2").run())

    assert str(caught.value).startswith(f"{culprit}: this variable can't be sent to another process (")
    assert str(caught.value).endswith("); make it inside the cell, or use --engine kernel")


@pytest.mark.parametrize("engine", ["local:2", "multiprocessing:2"])
def test_a_value_that_cant_be_sent_is_named(session: Session, engine: str) -> None:
    """A parameter's value too is said before the first trial."""
    with pytest.raises(PlanError) as caught:
        list(opened(session, cell_job("x"), {"x": [1, (n for n in range(2))]}, engine).run())

    assert str(caught.value) == (
        "x: trials are told apart by the content of their parameters, and generator can't be pickled "
        "(TypeError: cannot pickle 'generator' object); sweep over a name or number and make it from that in "
        "the code"
    )
    assert not session.records


def test_without_dask_its_command_is_named(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine whose package is absent is a wrong plan, and an ImportError as well."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(PlanError) as caught:
        list(opened(session, cell_job("x"), {"x": [1]}, "dask://127.0.0.1:1").run())

    assert str(caught.value) == (
        'engine: dask://HOST:PORT needs Dask: pip install "e2e-magic[dask]", or use local:N'
    )
    assert isinstance(caught.value, ImportError)


def test_magics_in_a_cell_are_refused(session: Session) -> None:
    """IPython exists only in the kernel."""
    with pytest.raises(PlanError) as caught:
        list(opened(session, cell_job("get_ipython().system('ls')\nx"), {"x": [1]}, "local:2").run())

    assert str(caught.value) == (
        "engine: the cell uses a magic, !shell or get_ipython(), which only this kernel has; leave it out "
        "or use --engine kernel"
    )


def test_what_a_worker_lacks_is_said(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that the kernel has and the worker hasn't: the error names it, and there is no row."""
    (tmp_path / "only_here.py").write_text("def f():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import only_here  # type: ignore[import-not-found]

    monkeypatch.undo()
    job = cell_job("f(), x", {"f": only_here.f})
    with pytest.raises(ShippingError) as caught:
        list(opened(session, job, {"x": [1, 2]}, "local:2").run())

    assert str(caught.value) == (
        "engine: the worker can't open what the code needs (ModuleNotFoundError: No module named "
        "'only_here'); install it where the workers run, or define it in the notebook"
    )
    assert not session.records


def test_one_worker_is_another_process_and_not_concurrent(session: Session) -> None:
    """local:1 leaves this process, one trial after another, with all that can be measured."""
    job = cell_job("import os\nx\n{'num_entries': os.getpid()}")
    records = list(opened(session, job, {"x": [1, 2]}, "local:1").run())

    assert [record.concurrent for record in records] == [False, False]
    assert len({record.reported["entries"] for record in records} - {os.getpid()}) == 1


def test_a_seed_draws_the_same_on_any_engine(session: Session) -> None:
    """The first trial of each process, which imports numpy, draws as any here does, after warm-ups too."""
    source = "import random, numpy as np\n{'loss': x + random.random() + float(np.random.rand())}"

    def losses(engine: str, **plan: Any) -> dict[int, float]:
        sweep = opened(session, cell_job(source), {"x": [1, 2, 3]}, engine, plan=plan, seed=5)
        return {record.params["x"]: record.reported["loss"] for record in sweep.run()}

    here = losses("kernel")
    assert here == losses("local:2")
    assert here == losses("local:2", warmup=1)
    assert here == losses("kernel", warmup=2)


def test_tpe_on_workers_is_reproducible(session: Session) -> None:
    """Side by side, tpe is told in rounds: the same seed gives the same trials."""
    job = cell_job("{'loss': (x - 0.3) ** 2}")

    def asked() -> list[float]:
        sweep = opened(session, job, {"x": uniform(0, 1)}, "local:2", search="tpe", trials=14, seed=3)
        return [r.params["x"] for r in sorted(sweep.run(), key=lambda r: r.trial)]

    assert asked() == asked()


@pytest.mark.parametrize("backend", ["threading:2", "multiprocessing:2"])
def test_any_backend_of_joblib(session: Session, backend: str) -> None:
    """Joblib's other backends run trials too; threads of one process are measured one at a time."""
    heard: list[str] = []
    callbacks = {"on_output": lambda turn, text: heard.append(turn.label + text)}
    job = cell_job("print(x)\nif x == 2:\n    1 / 0\n{'loss': x}")
    sweep = opened(session, job, {"x": [1, 2, 3]}, backend, callbacks)
    records = list(sweep.run())

    assert {r.params["x"]: r.state for r in records} == {1: "complete", 2: "failed", 3: "complete"}
    assert {not backend.startswith("threading")} == {r.concurrent for r in records}
    assert len(heard) == 3
    assert sweep.progress.running == 0


def test_threads_keep_their_prints_and_leave_others_theirs(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the kernel prints while a trial runs in a thread of its own is not taken for the trial's."""
    heard: dict[int, str] = {}

    def show(turn: Turn, text: str) -> None:
        heard[turn.params["x"]] = text
        print(f"kernel {turn.params['x']}")  # the next trial is in its middle

    source = "import sys, time\nprint('begin', x)\ntime.sleep(0.2)\nsys.stdout.writelines(['end\\n'])"
    list(opened(session, cell_job(source), {"x": [1, 2, 3]}, "threading:2", {"on_output": show}).run())

    assert heard == {x: f"begin {x}\nend\n" for x in (1, 2, 3)}
    assert sorted(capsys.readouterr().out.splitlines()) == ["kernel 1", "kernel 2", "kernel 3"]


def test_a_backend_without_streaming_keeps_its_workers(session: Session) -> None:
    """Where joblib gives results back in rounds, all rounds run on one set of workers."""
    source = "import os\nx\n{'num_entries': os.getpid()}"
    records = list(
        opened(
            session, cell_job(source), {"x": list(range(8))}, "multiprocessing:2", plan={"metrics": "cpu"}
        ).run()
    )

    assert len(records) == 8
    assert len({record.reported["entries"] for record in records}) <= 2


def test_a_backend_that_cant_start_says_so(session: Session) -> None:
    """Joblib's own refusal is told, with what else there is; nothing is tried over and over."""
    from joblib import register_parallel_backend
    from joblib._parallel_backends import ThreadingBackend
    from joblib.parallel import BACKENDS

    class Refusing(ThreadingBackend):  # type: ignore[misc]
        def configure(self, *_: Any, **__: Any) -> int:
            raise RuntimeError("the cluster\nis closed")

    register_parallel_backend("refusing", Refusing)
    try:
        with pytest.raises(PlanError) as caught:
            list(opened(session, cell_job("x"), {"x": [1, 2]}, "refusing:2").run())
    finally:
        del BACKENDS["refusing"]

    assert str(caught.value) == (
        "engine: joblib's backend refusing can't run trials (RuntimeError: the cluster is closed); "
        "see its own documentation for how to start it, or use local:N"
    )
    assert not session.records


def test_functions_and_objects_as_parameters_are_told_apart(session: Session) -> None:
    """A function is known by its name, an object by its content, not by where a worker's copy lies."""

    class Net:
        def __init__(self, width: int) -> None:
            self.width = width

    nets = [Net(8), Net(16)]
    space = {"net": nets, "f": [os.path.join, abs]}
    sweep = opened(
        session, cell_job("net, f(-x)", {"x": 1}), space, "local:2", plan={"metrics": "cpu", "repeat": 2}
    )
    records = list(sweep.run())
    frame = results(records)

    assert {id(record.params["net"]) for record in records} == {id(net) for net in nets}
    assert set(frame["param_f"]) == {"posixpath.join", "abs"}
    assert len(frame.groupby([frame["param_net"].map(repr), "param_f"])) == 4


def test_a_parcel_says_how_large_it_is() -> None:
    """Ray sends what is small with every call, and what is large once: it asks the object."""
    data = np.ones(100_000)
    parcel = pack(cell_job("data, x", {"data": data}), ["x"])

    assert sys.getsizeof(parcel) > data.nbytes


def test_an_engine_that_is_not_installed_is_named(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray and Spark come with packages of their own."""
    needs = {"ray": "ray needs Ray", "spark": "spark needs PySpark and Java 17"}
    for engine, sentence in needs.items():
        monkeypatch.setitem(sys.modules, {"spark": "pyspark"}.get(engine, engine), None)
        with pytest.raises(ImportError) as caught:
            list(opened(session, cell_job("x"), {"x": [1]}, engine).run())

        assert str(caught.value) == (f'engine: {sentence}: pip install "e2e-magic[{engine}]", or use local:N')


def test_no_scheduler_is_said(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no Dask scheduler answers, the error says how to start one."""
    pytest.importorskip("distributed")
    from e2e_magic.sweeping.engines import dask

    monkeypatch.setattr(dask, "CONNECT_S", 0.5)
    with pytest.raises(PlanError) as caught:
        list(opened(session, cell_job("x"), {"x": [1]}, "dask://127.0.0.1:9").run())

    text = str(caught.value)
    assert text.startswith("engine: no Dask scheduler answers at dask://127.0.0.1:9 within 0.5 s (")
    assert text.endswith("); start one with: dask scheduler")


def test_a_scheduler_that_is_killed_ends_the_sweep_and_its_rows_stay(
    session: Session, tmp_path: Path
) -> None:
    """Dask cancels all tasks then, as if their workers had died; the worker is gone where it can't return."""
    pytest.importorskip("distributed")
    job = cell_job("import time\ntime.sleep(0.2 * x)\n{'loss': x}")
    with cluster(tmp_path, workers=1) as started:
        records = opened(session, job, {"x": [0, 300]}, started.engine).run()
        first = next(records)
        started.scheduler.kill()
        with pytest.raises(EngineLost) as caught:
            list(records)

    assert str(caught.value) == (
        f"the Dask scheduler at {started.engine} is gone; the rows so far are kept: start it and its "
        "workers, and run the same line with --resume"
    )
    assert (first.params, first.state) == ({"x": 0}, "complete")
    assert "failed" not in [record.state for record in session.records]


def test_threads_of_a_dask_worker_take_turns(session: Session, tmp_path: Path) -> None:
    """A worker with several threads is one process: it measures one trial at a time."""
    pytest.importorskip("distributed")
    with cluster(tmp_path, workers=1, threads=2) as started:
        job = cell_job("import time\nprint(x)\ntime.sleep(0.1)\n{'loss': x}")
        heard: dict[int, str] = {}
        callbacks = {"on_output": lambda turn, text: heard.update({turn.params["x"]: text})}
        records = list(opened(session, job, {"x": [1, 2, 3]}, started.engine, callbacks).run())

    assert heard == {1: "1\n", 2: "2\n", 3: "3\n"}
    assert [record.concurrent for record in records] == [False] * 3
