"""What is asked of memory and of the store together: the same frames, whatever the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import e2e_magic as e2e
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Environment, Run
from e2e_magic.session import Session
from e2e_magic.storage import WHOLE_STORE, Selection, Store
from tests.store_contract import record

NOW = datetime.now(UTC)
OLD = Run("0ld000", "yesterday", NOW - timedelta(days=1), "", Environment(host="there"))
OLDER = Run("0lder0", "last year", NOW - timedelta(days=400))


@pytest.fixture
def stored(session: Session, tmp_path: Path) -> Session:
    """Give a session whose store holds two runs of other kernels."""
    path = tmp_path / "e2ebench.db"
    with Store(str(path)) as store:
        store.append([record(n, run=OLD.id, started_at=OLD.started_at) for n in (1, 2)], [OLD])
        store.append(record(1, run=OLDER.id, stage="old stage", started_at=OLDER.started_at), [OLDER])
    session.set_store(path)
    return session


def measure(*stages: str) -> None:
    """Measure a short block with a log, entries and a matrix per stage."""
    for stage in stages:
        with e2e.measure(stage, interval=0.001) as trial:
            e2e.log(loss=0.5)
            sum(range(300_000))
            trial.report(num_entries=10, confusion_matrix=[[3, 1], [0, 4]])


@pytest.mark.parametrize("frame", ["results", "samples", "epochs", "confusions", "trials", "runs"])
def test_the_store_gives_the_same_frame_as_memory(session: Session, tmp_path: Path, frame: str) -> None:
    """Columns, kinds, units and values: read back by another session, they are equal."""
    session.set_store(tmp_path / "e2ebench.db")
    measure("train", "infer", "train")
    here = session.frame(frame)
    session.close()

    other = Session()
    other.set_store(tmp_path / "e2ebench.db")
    there = other.frame(frame, WHOLE_STORE)
    other.close()

    pd.testing.assert_frame_equal(there, here)
    assert there.attrs["units"] == here.attrs["units"]
    if frame != "trials":
        assert len(there) > 0


def test_memory_answers_for_this_kernel(stored: Session) -> None:
    """Without options, and for a run of its own, only what this kernel measured counts."""
    measure("train")

    assert len(e2e.results()) == 1
    assert len(e2e.results(run=stored.run.id)) == 1
    assert list(e2e.runs()["id"]) == [stored.run.id]


def test_a_filter_never_widens(stored: Session) -> None:
    """A stage and a time are those of this kernel, or with `all` those of the whole store."""
    measure("train")
    name = stored.run.name

    assert e2e.results(stage="train")["run"].tolist() == [name]
    assert e2e.results(since="7d")["run"].tolist() == [name]
    assert e2e.results(since="7d", stage="train", run=name)["run"].tolist() == [name]
    assert list(e2e.runs(stage="train")["id"]) == list(e2e.runs(since="7d")["id"]) == [stored.run.id]
    assert e2e.results(stage="train", all=True)["run"].tolist() == [OLD.name, OLD.name, name]
    assert list(e2e.runs(stage="train", all=True)["id"]) == [OLD.id, stored.run.id]
    with pytest.raises(PlanError) as caught:
        e2e.results(stage="old stage")
    assert str(caught.value) == (
        "stage: there is no stage 'old stage' in this kernel; measured are train; "
        "--all (all=True) reads the whole store"
    )


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    run=st.sampled_from([None, OLD.id, "yesterday", "mine"]),
    stage=st.sampled_from([None, "train", "infer"]),
    since=st.none() | st.integers(0, 3).map(lambda days: NOW - timedelta(days=days)),
    everything=st.booleans(),
)
def test_what_is_selected_is_what_each_filter_lets_through(
    stored: Session, run: str | None, stage: str | None, since: datetime | None, everything: bool
) -> None:
    """Of this kernel's trials, or of all where that is said or where only the store has the run."""
    if not stored.records:
        mine = stored.start_run("mine").id
        for n, when in enumerate((NOW, NOW - timedelta(days=2)), 1):
            stored.keep(record(n, run=mine, stage=("train", "infer")[n - 1], started_at=when))
    there = stored.reader.resolve(Selection(run, everything=everything), say=lambda _: None)
    names = stored.names(WHOLE_STORE)
    expected = {
        (each.run, each.stage, each.trial)
        for each in stored.select(Selection(everything=there.everything))
        if run in (None, each.run, names[each.run])
        and stage in (None, each.stage)
        and (since is None or each.started_at >= since)
    }
    assert there.everything == (everything or run in (OLD.id, "yesterday"))
    try:
        selected = stored.select(replace(there, stage=stage, since=since))
    except PlanError:  # this stage was never measured there
        selected = []

    assert {(each.run, each.stage, each.trial) for each in selected} == expected


def test_a_run_of_this_kernels_name_is_this_kernels(stored: Session) -> None:
    """An older one of the same name stays in the store until all of it is asked for."""
    stored.start_run("yesterday")
    measure("train")

    assert len(e2e.results(run="yesterday")) == 1
    assert len(e2e.results(run="yesterday", all=True)) == 3


def test_what_is_of_this_kernel_needs_no_store(stored: Session, tmp_path: Path) -> None:
    """It is shown though the store can't be read; what only the store could know is an error."""
    measure("train")
    stored.close()
    (tmp_path / "e2ebench.db").write_bytes(b"no database, but long enough to be looked at" * 100)

    assert len(e2e.results(stage="train")) == len(e2e.results(run=stored.run.id)) == 1
    for chosen in ({"all": True}, {"run": "yesterday"}):
        with pytest.raises(e2e.StoreError):
            e2e.results(**chosen)  # type: ignore[arg-type]


def test_all_is_the_store_and_this_kernel(stored: Session) -> None:
    """Each trial once, with the names of all runs."""
    measure("train")
    stored.writer.unsaved.append(record(9, run=stored.run.id))  # could not be written yet
    stored.records.append(record(9, run=stored.run.id))

    found = e2e.results(all=True)

    name = stored.run.name
    assert sorted(found["run"]) == sorted(["yesterday", "yesterday", "last year", name, name])
    assert list(e2e.runs(all=True)["run"]) == ["last year", "yesterday", name]
    assert list(e2e.runs(all=True)["trials"]) == [1, 2, 2]
    assert len(e2e.results(all=True, stage="old stage")) == 1
    assert len(stored.select(WHOLE_STORE)) == 5


def test_filters_of_the_whole_store(stored: Session) -> None:
    """A stage, a time, both."""
    measure("train")

    assert list(e2e.results(stage="old stage", all=True)["run"]) == ["last year"]
    recent = e2e.results(since="7d", all=True)["run"]
    assert sorted(recent) == sorted(["yesterday", "yesterday", stored.run.name])
    assert list(e2e.runs(since="7d", all=True)["run"]) == ["yesterday", stored.run.name]
    assert list(e2e.runs(stage="old stage", all=True)["run"]) == ["last year"]
    assert len(e2e.results(since=NOW + timedelta(hours=1), all=True)) == 0
    assert len(e2e.results(stage="old stage", since="7d", all=True)) == 0


@pytest.mark.usefixtures("stored")
def test_a_run_that_only_the_store_has_is_found_there_and_said(tmp_path: Path) -> None:
    """By name or id, in every frame, in reports and exports; each time once, of the user's own line."""
    measure("train")
    table = tmp_path / "table.csv"
    page = tmp_path / "page.html"
    frames = ("results", "samples", "epochs", "confusions", "trials", "runs", "pipeline")
    asked: list[tuple[str, Callable[..., Any]]] = [
        *((name, getattr(e2e, frame)) for name in ("yesterday", OLDER.id) for frame in frames),
        ("yesterday", partial(e2e.export, table)),
        ("yesterday", partial(e2e.report, page)),
    ]
    for name, call in asked:
        with pytest.warns(e2e.MeasurementWarning) as caught:
            call(run=name)

        assert [str(warning.message) for warning in caught] == [
            f"run {name!r} is not of this kernel: it is read from the store {tmp_path / 'e2ebench.db'}"
        ]
        assert caught[0].filename == __file__
    with pytest.warns(e2e.MeasurementWarning):
        assert list(e2e.results(run="yesterday")["trial"]) == [1, 2]
    with pytest.warns(e2e.MeasurementWarning):
        assert list(e2e.results(run=OLDER.id)["run"]) == ["last year"]
    with pytest.warns(e2e.MeasurementWarning):
        assert list(e2e.runs(run="last year")["trials"]) == [1]
    assert page.exists()
    assert table.read_text().count("yesterday") == 2


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            {"run": "yesterdy"},
            "run: there is no run 'yesterdy' (did you mean yesterday?); this kernel has mine; "
            "the store {path} has last year, yesterday",
        ),
        (
            {"stage": "trian", "all": True},
            "stage: there is no stage 'trian' (did you mean train?); measured are train, old stage",
        ),
        (
            {"stage": "old stage", "run": "yesterday", "all": True},
            "stage: there is no stage 'old stage'; measured are train",
        ),
    ],
)
def test_what_is_nowhere_is_said(stored: Session, asked: dict[str, Any], sentence: str) -> None:
    """With what there is, here and in the store, and the nearest of it."""
    e2e.run("mine")
    measure("train")
    assert stored.store is not None

    with pytest.raises(PlanError) as caught:
        e2e.results(**asked)

    assert str(caught.value) == sentence.format(path=stored.store.address)


def test_what_was_finished_before_is_known(stored: Session) -> None:
    """Complete trials of a stage and its code, in memory or not, once each and without curves."""
    stored.keep(record(3, run=stored.run.id))
    stored.keep(record(4, run=stored.run.id, state="failed"))
    stored.keep(record(5, run=stored.run.id, source="other code"))

    found = stored.finished("train", "model.fit(X)")

    assert [(r.run, r.trial) for r in found] == [(OLD.id, 1), (OLD.id, 2), (stored.run.id, 3)]
    assert stored.finished("train", None) == []


def test_a_run_gets_another_name_here_and_there(stored: Session) -> None:
    """By name or id; the one of this kernel in memory too."""
    measure("train")
    stored.change("yesterday", name="baseline")
    stored.change(stored.run.id, name="mine")

    assert stored.run.name == "mine"
    assert [run.name for run in stored.runs_of(WHOLE_STORE)] == ["last year", "baseline", "mine"]
    measure("train")
    assert stored.store is not None
    assert stored.store.names() == {OLDER.id: "last year", OLD.id: "baseline", stored.run.id: "mine"}


def test_a_name_that_several_runs_have_needs_an_id(stored: Session) -> None:
    """Which is meant isn't guessed."""
    stored.change("last year", name="yesterday")

    with pytest.raises(PlanError) as caught:
        stored.delete("yesterday")

    assert str(caught.value) == (
        "run: 2 runs are named 'yesterday'; say which by its id: "
        f"0lder0 ({OLDER.started_at:%Y-%m-%d %H:%M}), 0ld000 ({OLD.started_at:%Y-%m-%d %H:%M})"
    )
    assert stored.delete("0ld000") == 2
    assert [run.id for run in stored.runs_of(WHOLE_STORE)] == [OLDER.id]


def test_the_current_run_is_not_deleted(stored: Session) -> None:
    """Its next trials would have no run; an earlier one of this kernel goes, with what waits."""
    first = stored.start_run("first")
    measure("train")

    with pytest.raises(PlanError) as caught:
        stored.delete("first")
    assert str(caught.value) == (
        "runs: first is the run that this kernel is in; start another with %e2e run NAME, then delete it"
    )

    stored.start_run("second")
    assert stored.delete("first") == 1
    assert stored.records == []
    assert first.id not in stored.names(WHOLE_STORE)


def test_what_is_imported_is_stored(stored: Session) -> None:
    """Taking runs in from elsewhere writes them, once."""
    run = Run("1mport", "imported", NOW)
    stored.adopt([run], [record(n, run=run.id) for n in range(1, 4)])
    stored.adopt([run], [record(n, run=run.id) for n in range(1, 4)])

    assert stored.store is not None
    assert stored.store.counts()[run.id] == {"complete": 3}
    assert run in stored.store.runs()


def test_packages_that_a_run_imports_are_stored(stored: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's row is brought up to date with its trials."""
    import sys
    import types

    measure("train")
    fresh = types.ModuleType("brandnew")
    fresh.__version__ = "1.2"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "brandnew", fresh)
    measure("train")

    assert stored.store is not None
    assert stored.store.runs()[-1].environment.packages["brandnew"] == "1.2"
    assert "brandnew 1.2" in e2e.runs()["packages"].iloc[0]


def test_a_store_that_fails_costs_no_value(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning for all trials; the values and the frames are there."""
    monkeypatch.setenv("E2E_MAGIC_STORE", str(tmp_path / "absent" / "x.db"))

    @e2e.measure("train", repeat=3)
    def work() -> int:
        return 42

    with pytest.warns(e2e.MeasurementWarning) as caught:
        assert work() == 42

    assert [str(w.message) for w in caught] == [
        f"the store {tmp_path / 'absent' / 'x.db'} can't be opened: the file can't be opened or made there; "
        "check that the folder exists and may be written, or name a file elsewhere with %e2e store PATH. "
        "Meanwhile trials are kept in memory; they are written as soon as it works"
    ]
    assert len(session.frame("results")) == 3
    monkeypatch.setenv("E2E_MAGIC_STORE", ":memory:")
