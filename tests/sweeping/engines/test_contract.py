"""What holds of a sweep on every engine."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

import e2e_magic
from e2e_magic.api.sweeps import open_sweep
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.plan import Plan
from e2e_magic.record import Code, Record
from e2e_magic.session import Session
from e2e_magic.sweeping import sweep as sweep_module
from e2e_magic.sweeping.engines import Engine, guard
from e2e_magic.sweeping.engines.isolated.calls import Isolated
from e2e_magic.sweeping.engines.isolated.engine import IsolatedEngine
from e2e_magic.sweeping.jobs import CellJob, FunctionJob
from e2e_magic.sweeping.limits import resident_mib
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.sweep import Sweep
from tests.cluster import Cluster, cluster

pytestmark = pytest.mark.skipif(os.name != "posix", reason="an isolated process needs a POSIX system")
ENGINES = ("kernel", "isolated", "local:2", "threading:2", "multiprocessing:2", "dask")
# Those whose trials run in other processes: they can be ended in the middle, and can die.
PROCESSES = ("isolated", "local:2", "multiprocessing:2", "dask")
# It leaves a cluster time to hear which turn the worker runs.
KILLS_ONCE = """
import os, signal, time
if x == 2 and not os.path.exists(flag):
    open(flag, "w").close()
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
{"loss": x}
"""
SLOW = "import pathlib, time\npathlib.Path(folder, str(x)).touch()\ntime.sleep(x)"


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a scheduler and two workers."""
    pytest.importorskip("distributed")
    with cluster(tmp_path_factory.mktemp("dask")) as started:
        yield started


@dataclass
class On:
    """Sweeps on one engine."""

    name: str
    session: Session
    address: str
    isolated: Isolated | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    warned: list[str] = field(default_factory=list)
    engine: Engine | None = None

    def sweep(
        self,
        source: str | Callable[..., Any],
        space: dict[str, Any],
        names: dict[str, Any] | None = None,
        plan: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Sweep:
        """Return a sweep of a cell or a function, not yet run."""
        job: Any
        if callable(source):
            job = FunctionJob(source)
        else:
            job = CellJob(Cell.of(source), source, source, {"__name__": "__main__", **(names or {})})
        callbacks = {name: settings.pop(name) for name in ("stop", "on_start") if name in settings}
        sweep = open_sweep(
            self.session,
            SweepPlan(
                plan=Plan(stage="t", metrics=("cpu",), **(plan or {})),
                space=Space.of(space),
                engine=self.address,
                **settings,
            ),
            job,
            abort=self.stopping.is_set,
            warn=self.warned.append,
            **callbacks,
        )
        if self.isolated is not None:
            self.engine = IsolatedEngine(sweep.job, sweep.plan, self.isolated, lambda *_: None)
        return sweep

    def run(self, *args: Any, **settings: Any) -> list[Record]:
        """Run a sweep and return its records in the order of its combinations."""
        sweep = self.sweep(*args, **settings)
        records = list(sweep.run(self.engine))
        assert sweep.progress.running == 0
        return sorted(records, key=lambda record: record.trial)

    def stop(self) -> None:
        """Stop from another thread, as a panel does."""
        self.stopping.set()
        if isinstance(self.engine, IsolatedEngine):
            self.engine.stop()


def _on(name: str, session: Session, request: pytest.FixtureRequest) -> Iterator[On]:
    if name == "isolated":
        isolated = Isolated()
        yield On(name, session, "kernel", isolated)
        isolated.kill()
    elif name == "dask":
        there: Cluster = request.getfixturevalue("dask")
        before = there.addresses()
        yield On(name, session, there.engine)
        if "stubborn" in request.node.name:  # its worker ends by itself soon, and would amid the next test
            wait_for(lambda: there.addresses() != before)
        there.wait_for_workers()
    else:
        yield On(name, session, name)


@pytest.fixture(params=ENGINES)
def on(request: pytest.FixtureRequest, session: Session) -> Iterator[On]:
    """Give each engine."""
    yield from _on(request.param, session, request)


@pytest.fixture(params=PROCESSES)
def elsewhere(request: pytest.FixtureRequest, session: Session) -> Iterator[On]:
    """Give each engine of other processes."""
    yield from _on(request.param, session, request)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is the case."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_all_trials_run_once_in_order(on: On) -> None:
    """Each combination is one row, started in the order of the space, its values of the types asked for."""
    started: list[Any] = []
    space = {"x": [1, 2.5, "three", None, (4, [5])], "b": [True]}
    records = on.run(
        "{'loss': len(repr(x)) * b}", space, on_start=lambda turn: started.append(turn.params["x"])
    )

    assert started == space["x"]
    assert [record.params for record in records] == [{"x": x, "b": True} for x in space["x"]]
    assert [type(record.params["x"]) for record in records] == [int, float, str, type(None), tuple]
    assert [record.reported["loss"] for record in records] == [1, 3, 7, 4, 8]
    assert [record.trial for record in records] == [1, 2, 3, 4, 5]
    assert {record.state for record in records} == {"complete"}


def test_warmups_and_repeats(on: On, tmp_path: Path) -> None:
    """Each combination is warmed up once and measured as often as asked, in blocks of both."""
    source = "import os\nwith open(path, 'a') as file: file.write(f'{x} ')\n{'loss': x}"
    path = tmp_path / "calls"
    records = on.run(source, {"x": [1, 2]}, {"path": str(path)}, plan={"repeat": 2, "warmup": 1})

    assert sorted(path.read_text().split()) == ["1"] * 3 + ["2"] * 3
    assert [(record.params["x"], record.repeat) for record in records] == [(1, 1), (2, 1), (2, 2), (1, 2)]


def test_a_failing_trial_is_a_row_and_the_sweep_goes_on(on: On) -> None:
    """An error, an exit and an interrupt of the code's own cost their trial only, but for the kernel's."""
    source = "if x == 1: 1 / 0\nif x == 2: raise SystemExit(3)\n{'loss': x}"
    records = on.run(source, {"x": [0, 1, 2, 3]})

    assert [record.state for record in records] == ["complete", "failed", "failed", "complete"]
    assert [record.error for record in records] == [
        None,
        "ZeroDivisionError: division by zero",
        "SystemExit: 3",
        None,
    ]


def test_fail_fast_raises_the_codes_error(on: On) -> None:
    """The row is kept and nothing further starts, even where the error's class is not known here."""
    sweep = on.sweep("if x: raise KeyError('no')", {"x": [1] * 9}, fail_fast=True)
    with pytest.raises(KeyError, match="no"):
        list(sweep.run(on.engine))

    assert 1 <= len(sweep.records) < 9
    assert sweep.progress.running == 0


def test_an_error_of_an_unknown_class(elsewhere: On) -> None:
    """An error whose class is only where the trial ran is raised in its words."""
    source = (
        "import sys, types\nsys.modules['only_there'] = types.ModuleType('only_there')\n"
        "E = type('E', (Exception,), {'__module__': 'only_there'})\n"
        "sys.modules['only_there'].E = E\nif x: raise E('far away')"
    )
    sweep = elsewhere.sweep(source, {"x": [1]}, fail_fast=True)
    with pytest.raises(RuntimeError, match=r"^E: far away$"):
        list(sweep.run(elsewhere.engine))

    assert [record.state for record in sweep.records] == ["failed"]


def test_stop_starts_no_further_trial(on: On) -> None:
    """What runs is finished."""
    sweep = on.sweep("{'loss': x}", {"x": list(range(20))}, stop=lambda: len(on.session.records) >= 3)
    records = list(sweep.run(on.engine))

    assert 3 <= len(records) < 20
    assert {record.state for record in records} == {"complete"}
    assert sweep.ended == "it was stopped"
    assert len({record.params["x"] for record in records}) == len(records)


def test_stop_amid_a_trial(elsewhere: On, tmp_path: Path) -> None:
    """The trial ends at once and its row is interrupted, with the reason; what was complete stays."""
    long = 5 if elsewhere.name == "dask" else 600  # what a cluster is in the middle of goes on there
    sweep = elsewhere.sweep(SLOW, {"x": [0, long]}, {"folder": str(tmp_path)})
    thread = threading.Thread(target=lambda: list(sweep.run(elsewhere.engine)), name="Thread-test")
    thread.start()
    wait_for(lambda: sweep.records and (tmp_path / str(long)).exists())
    elsewhere.stop()
    thread.join(60)

    assert not thread.is_alive()
    assert [(r.params["x"], r.state) for r in sweep.records] == [(0, "complete"), (long, "interrupted")]
    assert str(sweep.records[1].error).startswith("KeyboardInterrupt")
    assert sweep.ended == "it was stopped"


def test_an_interrupt_keeps_the_rows_and_leaves_no_process(on: On, tmp_path: Path) -> None:
    """Ctrl-C reaches the caller; a trial in its middle has a row."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    running = on.sweep(SLOW, {"x": [0, 0.01]}, {"folder": str(tmp_path)}).run(on.engine)
    next(running)
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)

    assert on.session.records[0].state == "complete"
    assert len(on.session.records) <= 2
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_ctrl_c_amid_a_trial_here(session: Session) -> None:
    """In this process the signal ends the trial, whose row has what was measured so far."""
    on = On("kernel", session, "kernel")
    sweep = on.sweep(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(x)", {"x": [9]}
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(sweep.run())
    finally:
        signal.signal(signal.SIGINT, before)

    assert [record.state for record in sweep.records] == ["interrupted"]
    assert 0 < float(sweep.records[0].readings["wall_time_s"]) < 9


def test_a_killed_worker_costs_its_trial_which_is_tried_once_more(elsewhere: On, tmp_path: Path) -> None:
    """The row says failed, with its reason; the second try and all others are complete."""
    records = elsewhere.run(KILLS_ONCE, {"x": [1, 2, 3]}, {"flag": str(tmp_path / "killed")})

    assert sorted(r.params["x"] for r in records if r.state == "complete") == [1, 2, 3]
    failed = [record for record in records if record.state == "failed"]
    assert [record.params["x"] for record in failed] == [2]
    assert failed[0].error == "WorkerDied: the worker process ended in the middle of this trial"
    assert failed[0].missing["wall_time_s"].code == Code.WORKER_DIED
    assert len({record.trial for record in records}) == 4
    assert elsewhere.warned == [
        f"trial {failed[0].trial}: x=2: its worker process died (killed, or out of memory); it is tried "
        "once more. The row says failed, and the sweep goes on"
    ]


def one_death_is_said(on: On, folder: Path) -> None:
    """Run 200 brief trials, one of which ends its worker: all are complete, and one sentence says it."""
    source = KILLS_ONCE.replace("time.sleep(0.3)", "").replace("x == 2", "x == 150")
    records = on.run(source, {"x": list(range(200))}, {"flag": str(folder / "killed")})

    assert sorted(r.params["x"] for r in records if r.state == "complete") == list(range(200))
    assert len(on.warned) == 1
    if failed := [r.params["x"] for r in records if r.state == "failed"]:  # it took long: it is known
        assert failed == [150]
        return
    if on.warned == ["a worker died as a trial began, or before: it is run again, and the sweep goes on"]:
        return
    number = re.fullmatch(
        r"a worker died amid (\d+) brief trials, and which of them it was in is not known: they are run "
        "again one by one, and the sweep goes on",
        on.warned[0],
    )
    assert number is not None
    assert 1 < int(number[1]) <= 48


def test_a_dask_worker_that_dies_amid_brief_trials_is_said(
    session: Session, dask: Cluster, tmp_path: Path
) -> None:
    """Where it isn't known which of them ended it, they run again and the sweep says so; none is lost."""
    dask.wait_for_workers()
    one_death_is_said(On("dask", session, dask.engine), tmp_path)


def test_the_only_dask_worker_takes_all_tasks_down_with_it(session: Session, tmp_path: Path) -> None:
    """What all trials need was there alone: the cluster cancels each, and it is one death all the same."""
    pytest.importorskip("distributed")
    with cluster(tmp_path, workers=1) as started:
        one_death_is_said(On("dask", session, started.engine), tmp_path)


def test_what_cant_be_opened_here_is_neither_interrupted_nor_lost(
    elsewhere: On, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trial ended: the row says failed and why, the worker is not blamed, the sweep goes on."""

    def refuse(result: Any) -> Any:
        outcome = outcome_of(result)
        if outcome.turn == 2:
            raise ModuleNotFoundError("No module named 'only_there'")
        return outcome

    outcome_of = sweep_module.outcome_of
    monkeypatch.setattr(sweep_module, "outcome_of", refuse)
    records = elsewhere.run("{'loss': x}", {"x": [1, 2, 3]})

    assert [record.state for record in records] == ["complete", "failed", "complete"]
    assert records[1].error == (
        "what the trial sent back can't be opened here (ModuleNotFoundError: No module named 'only_there')"
    )
    assert records[1].missing["wall_time_s"].code == Code.UNREADABLE
    assert records[1].missing["wall_time_s"].remedy == (
        "install the same packages here and where the workers run"
    )
    assert not elsewhere.warned


def test_each_trial_gets_a_copy_and_the_row_holds_what_was_asked_for(on: On) -> None:
    """Code that changes its parameters changes neither its own row nor the next trial, warm-ups neither."""
    source = "loss = cfg['lr']\ncfg['lr'] *= .1\nrest.append(1)\n{'loss': loss, 'num_entries': len(rest)}"
    space = {"cfg": [{"lr": 0.1}, {"lr": 0.2}], "rest": [[]]}
    records = on.run(source, space, plan={"repeat": 2, "warmup": 1})

    assert [record.reported["loss"] for record in records] == [0.1, 0.1, 0.2, 0.2]
    assert {record.reported["entries"] for record in records} == {1}
    assert [record.params["cfg"] for record in records] == [{"lr": 0.1}] * 2 + [{"lr": 0.2}] * 2
    assert [record.params["rest"] for record in records] == [[]] * 4


def test_a_functions_arguments_are_its_own_too(on: On) -> None:
    """Likewise a function's, and a set within them."""

    def changed(cfg: dict[str, float], seen: set[int]) -> dict[str, float]:
        cfg["lr"] *= 0.1
        seen.add(len(seen))
        return {"loss": cfg["lr"], "num_entries": len(seen)}

    records = on.run(changed, {"cfg": [{"lr": 1.0}], "seen": [{7}]}, plan={"repeat": 3})

    assert [record.reported["loss"] for record in records] == [0.1] * 3
    assert [record.reported["entries"] for record in records] == [2] * 3
    assert [record.params for record in records] == [{"cfg": {"lr": 1.0}, "seen": {7}}] * 3


def test_what_is_over_its_limit_is_ended_even_if_stubborn_and_the_sweep_goes_on(
    on: On, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row has its state, what it used and what it measured so far; nothing is tried again or warned of.

    Code that lets no error pass is ended with its process, where it has one; its row has no numbers.
    """
    monkeypatch.setattr(guard, "GRACE_S", 3.0)
    source = """
import time
end = time.monotonic() + 60
while how == "slow" and time.monotonic() < end:
    try: time.sleep(0.001)
    except Exception: pass
while how == "stubborn":
    try: time.sleep(0.001)
    except BaseException: pass
{"loss": 1}
"""
    hows = ["small", "slow", *(["stubborn"] if on.name in PROCESSES else []), "last"]
    records = on.run(source, {"how": hows}, trial_limit="1s")
    states = {record.params["how"]: record.state for record in records}
    slow = records[1]

    assert states == {how: "complete" if how in ("small", "last") else "over limit" for how in hows}
    assert re.fullmatch(r"OverLimit: it took 1(\.\d+)? s, and the limit is 1 s", str(slow.error))
    assert 1 <= float(slow.readings["wall_time_s"]) < 60
    assert "loss" not in slow.reported
    if "stubborn" in hows:
        assert str(records[2].missing["wall_time_s"]) == (
            "nothing came back from the worker; its process didn't end the code itself, and was ended"
        )
    assert not on.warned


def test_memory_over_the_limit(on: On) -> None:
    """Resident memory of the process that runs the trial counts."""
    # What this process holds counts where it runs them, and what other tests left in a worker of Dask's.
    held = {"isolated": 100, "local:2": 100, "dask": 500}.get(on.name, resident_mib() or 0)
    most = int(held + 200)
    source = "held = []\nwhile x == 2: held.append(b'x' * 2**23)\n{'loss': x}"
    # The order may be another: a worker of Dask's that a test before ended may take one trial down with it.
    records = sorted(on.run(source, {"x": [1, 2, 3]}, trial_limit=f"{most}MiB"), key=lambda r: r.params["x"])

    assert [record.state for record in records] == ["complete", "over limit", "complete"]
    assert re.fullmatch(
        rf"OverLimit: it held \d+ MiB of memory, and the limit is {most} MiB", str(records[1].error)
    )


def test_pruned_trials_end_early(on: On) -> None:
    """A trial behind the median of those before it ends with what it logged; it is no failure."""
    pytest.importorskip("optuna")
    source = "for epoch in range(1, 6): e2e.log(epoch=epoch, loss=(lr if lr > 1 else 2) / epoch)"
    source += "\n{'num_entries': 7}"
    # In whatever order they end, none but one is behind the median.
    space = {"lr": [*(n / 10 for n in range(9)), 9.0, 1.0]}
    sweep = on.sweep(source, space, {"e2e": e2e_magic}, prune="median", fail_fast=True)
    records = sorted(sweep.run(on.engine), key=lambda record: record.trial)

    assert [record.state for record in records] == ["complete"] * 9 + ["pruned", "complete"]
    pruned = records[9]
    assert pruned.error == "Pruned: after 1 row of log(..) it was behind the trials before it"
    assert list(pruned.events.values["loss"]) == [9.0]
    assert "entries" not in pruned.reported
    assert (sweep.progress.failed, dict(sweep.progress.cut)) == (0, {"pruned": 1})
    assert sweep.progress.best_value == pytest.approx(0.4)
    assert not on.warned


def test_nothing_logged_nothing_pruned(session: Session) -> None:
    """Code that logs no target is told so, once."""
    pytest.importorskip("optuna")
    on = On("kernel", session, "kernel")
    records = on.run("{'loss': x}", {"x": [1, 2]}, prune="hyperband", target="val_loss")

    assert [record.state for record in records] == ["complete"] * 2
    assert on.warned == ["prune: no trial logged val_loss, so none was pruned; log(..) it once per epoch"]


def test_no_process_thread_or_file_is_left(on: On, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a sweep it is as before it, but for the isolated process, which stays warm until it is killed."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    on.run("{'loss': x}", {"x": [0]})  # what stays for good, such as the sampler and Dask's own loop
    process = psutil.Process()

    def left() -> tuple[set[int], set[str], set[str]]:
        threads = {thread.name for thread in threading.enumerate() if thread.is_alive()}
        files = {f"{file.path}" for file in process.open_files()}
        return {child.pid for child in process.children(recursive=True)}, threads, files

    before = left()
    on.run("{'loss': x}", {"x": [1, 2, 3]})
    deadline = time.monotonic() + 20
    while (
        not all(now <= then for now, then in zip(left(), before, strict=True)) and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    after = left()

    assert after[0] <= before[0]
    if on.name != "dask":  # its client's threads are Dask's
        assert after[1] <= before[1]
    assert after[2] <= before[2]
    assert list(tmp_path.glob("e2e-sweep-*")) == []
