"""The session's runs and records, with other threads at work."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.measuring import clocks, environment, idle
from e2e_magic.measuring.idle import IdlePower
from e2e_magic.record import Record, Run
from e2e_magic.session import Session
from e2e_magic.storage.selection import Selection

START = datetime(2026, 8, 1, tzinfo=UTC)


def record(run: str, trial: int, stage: str = "train") -> Record:
    """Make a finished trial."""
    return Record(run, stage, trial, 1, "complete", START)


@pytest.fixture
def restless(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Give a session on a store whose run is another object after each trial: a package more was imported."""
    count = itertools.count()
    monkeypatch.setattr(environment, "packages", lambda: {"numbered": str(next(count))})
    session.set_store(tmp_path / "kept.db")
    return session


def keep(session: Session, run: str, trial: int) -> None:
    """Keep a trial, for which the session looks at what is imported."""
    session.runs._modules = -1
    session.keep(record(run, trial))


def test_ids_of_runs_and_sweeps_have_64_bits(session: Session) -> None:
    """Sixteen hexadecimal digits; a run without a name is called by the first of them."""
    run = session.start_run()
    e2e.sweep(lambda lr: {"loss": lr}, stage="fit", lr=[1], metrics="cpu", quiet=True)

    assert [len(key) for key in (run.id, e2e.trials()["sweep"][0])] == [16, 16]
    assert int(run.id, 16) < 2**64
    assert run.name == run.id[:8]
    assert len(e2e.results(run=run.id)) == len(e2e.results(run=run.name)) == 1


def test_overhead_holds_a_trials_own_write_and_costs_no_transaction_more(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at the clock is a second later: in the file with the next row, or at the end."""

    def written() -> list[float]:
        with Session.on(str(path)) as other:
            return [float(row.readings["overhead_s"]) for row in other.select(Selection(everything=True))]

    path = tmp_path / "kept.db"
    session.set_store(path)
    ticks = itertools.count(step=10**9)
    monkeypatch.setattr(clocks, "perf_counter_ns", lambda: next(ticks))
    statements: list[str] = []
    rows = [replace(record(session.run.id, n), readings={"overhead_s": 0.0}) for n in (1, 2)]

    session.keep(rows[0])
    session.writer._file._connection.set_trace_callback(statements.append)  # type: ignore[union-attr]
    session.keep(rows[1])

    assert [row.readings["overhead_s"] for row in rows] == [2.0, 2.0]
    assert statements.count("COMMIT") == 1
    assert written() == [2.0, 1.0]
    session.close()
    assert written() == [2.0, 2.0]


def test_a_run_without_a_name_is_called_by_its_notebook_and_the_stores_next_number(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers go on where the store's last kernel ended; a store that can't be asked costs no wait."""
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/100 % quick.ipynb")
    other = Session()
    for one in (session, other):
        one.set_store(tmp_path / "runs.db")
        first = one.start_run()
        one.keep(record(first.id, 1))
        one.start_run("named")
    names = [run.name for run in (*session.runs, *other.runs)]
    other.close()

    assert names == ["100 % quick-1", "named", "100 % quick-2", "named"]
    assert other.start_run().name == "100 % quick-3"
    (tmp_path / "lost.db").write_bytes(b"something else")
    session.writer.place.ask_for(str(tmp_path / "lost.db"))
    lost = session.start_run()
    assert lost.name == f"100 % quick-{lost.id[:8]}"


def test_a_baseline_is_the_runs_though_a_trial_is_kept_meanwhile(
    restless: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measuring takes seconds, in which other threads go on."""
    run = restless.run

    def measured(_: float, __: Any) -> IdlePower:
        keep(restless, run.id, 1)
        return IdlePower({"package": 4.5})

    monkeypatch.setattr(idle, "measure_idle", measured)
    restless.measure_baseline(1.0)

    assert restless.run is not run
    assert restless.run.environment.packages != run.environment.packages
    assert restless.run.settings["baseline_power"] == IdlePower({"package": 4.5}).plain()
    assert restless.carried(run.id) == {"baseline_power": restless.run.settings["baseline_power"]}


def test_nothing_is_lost_of_what_threads_do_at_once(
    restless: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials kept, runs imported and renamed, a baseline measured: each is there at the end."""
    monkeypatch.setattr(idle, "measure_idle", lambda *_: IdlePower({"package": 4.5}))
    run, times = restless.run.id, range(1, 26)
    other = [Run(f"other{n}", f"other {n}", START) for n in times]
    work: list[Callable[[int], object]] = [
        lambda n: keep(restless, run, n),
        lambda n: restless.adopt([other[n - 1]], [record(other[n - 1].id, n)]),
        lambda n: restless.change(run, name=f"name {n}"),
        lambda _: restless.measure_baseline(0.0),
    ]
    faults: list[BaseException] = []
    start = threading.Barrier(len(work))

    def repeatedly(act: Callable[[int], object]) -> None:
        start.wait()
        try:
            for n in times:
                act(n)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            faults.append(error)

    threads = [
        threading.Thread(target=repeatedly, args=(act,), name=f"Thread-{n}") for n, act in enumerate(work)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert {each.id for each in restless.runs} == {run, *(each.id for each in other)}
    assert restless.run.id == run
    assert restless.run.name == "name 25"
    assert "baseline_power" in restless.run.settings
    assert sorted((r.run, r.trial) for r in restless.records) == sorted(
        [(run, n) for n in times] + [(each.id, n) for n, each in enumerate(other, 1)]
    )
    assert restless.store is not None
    assert len(restless.store.records()) == 50
