"""What follows from a log or a power curve is kept with its trial: frames of all trials read neither."""

from __future__ import annotations

import sqlite3
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e2e_magic.record import Events, Record, Series
from e2e_magic.session import Session
from e2e_magic.storage import WHOLE_STORE, Selection, Store, database, digest, queries
from e2e_magic.views import frames
from tests import strategies
from tests.store_contract import alike, record

ACCURACY = Events(array("d", [1, 2, 3]), array("d", [1, 2, 3]), {"accuracy": array("d", [0.5, 0.7, 0.9])})
POWER = {"package_power_w": Series.of([0.5, 1.0], [10.0, 20.0])}


def energetic(trial: int, **changes: Any) -> Record:
    """Make a trial with a target, a log and a power curve: much follows from it."""
    read = {"wall_time_s": 3.0 + trial, "package_energy_j": 45.0, "cpu_time_s": 1.0}
    reported = {"target_accuracy": 0.7, "entries": 10}
    whole = {"readings": read, "reported": reported, "events": ACCURACY, "series": POWER, "params": {}}
    return record(trial, **{**whole, **changes})


def several() -> list[Record]:
    """Make trials of each kind: with both, with one of them, with none, with what is missing."""
    return [
        energetic(1),
        energetic(2, series={}),
        energetic(3, events=Events()),
        energetic(4, events=Events(), series={}),
        energetic(5, reported={"target_accuracy": 0.99}),
        energetic(6, readings={}),
        energetic(7, readings={"wall_time_s": 1.0, "accuracy": None}),
        record(8),
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a store with trials of each kind."""
    with Store(str(tmp_path / "x.db")) as store:
        store.append(several())
    return tmp_path / "x.db"


def results(path: Path) -> pd.DataFrame:
    """Return the results of a whole store."""
    with Session.on(str(path)) as session:
        return session.frame("results", WHOLE_STORE)


def test_the_frame_is_that_of_the_raw_records(path: Path) -> None:
    """Each column, value and type; numbers that were asked for and can't be had have their columns too."""
    raw = frames.results(several(), {"ab12cd": "ab12cd"})

    pd.testing.assert_frame_equal(results(path), raw)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(strategies.records(logged=st.sampled_from(["loss", "accuracy", "x"])), max_size=6))
def test_any_records_give_the_same_frame(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record]
) -> None:
    """Whatever they hold."""
    folder = tmp_path_factory.mktemp("any")
    numbered = [replace(one, run="r", trial=n) for n, one in enumerate(records)]
    with Store(str(folder / "x.db")) as store:
        store.append(numbered)
        stored = list(store.blocks())

    pd.testing.assert_frame_equal(frames.results(stored, {}), frames.results(numbered, {}))


def test_the_trials_of_sweeps_are_those_of_the_raw_records(tmp_path: Path) -> None:
    """Of a store with others among them, with and without a target of the sweep's own."""
    records = [
        replace(one, sweep=None if n % 3 == 0 else f"s{n % 2}", params={"n": n}, trial=n)
        for n, one in enumerate([*several(), *several()])
    ]
    target = {"metric": "time_to_accuracy_s", "maximize": False}
    records[1] = replace(records[1], reported={**records[1].reported, "sweep_target": target})
    with Store(str(tmp_path / "x.db")) as store:
        store.append(records)
    with Session.on(str(tmp_path / "x.db")) as session:
        stored = session.frame("trials", WHOLE_STORE)

    raw = frames.trials(records, {"ab12cd": "ab12cd"})
    pd.testing.assert_frame_equal(stored, raw)
    assert stored.attrs["targets"] == raw.attrs["targets"]


@pytest.fixture
def no_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the logs and curves that are read."""
    read: list[int] = []
    logs, curves = queries.logs, queries.curves

    def counted(_: Any, numbers: Any, *more: Any) -> Any:
        read.extend(numbers)
        return logs(_, numbers) if not more else curves(_, numbers, *more)

    monkeypatch.setattr(queries, "logs", counted)
    monkeypatch.setattr(queries, "curves", counted)
    return read


def test_no_log_and_no_curve_is_read_for_the_results(path: Path, no_logs: list[int]) -> None:
    """All but the trials without either, which have nothing to be read."""
    results(path)

    assert [row for row in no_logs if not isinstance(row, int) and row[17] is not None] == []
    assert [number for number in no_logs if isinstance(number, int)] == []


@pytest.mark.parametrize(
    "derived", [None, "", "5", "[]", '{"by": 1}', '{"by": "HERE", "values": {"epochs": "x"}}', "[" * 10**5]
)
def test_a_digest_that_can_not_be_used_is_computed_again(path: Path, derived: str | None) -> None:
    """There is none, it is damaged, or a definition has changed since: the frame is what it was."""
    before = results(path)
    text = None if derived is None else derived.replace("HERE", digest.definitions())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE e2e_trials SET derived = ?", (text,))

    pd.testing.assert_frame_equal(results(path), before)


def test_another_definition_is_another_digest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mended definition mends old trials."""
    before = results(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE e2e_trials SET derived = replace(derived, ':0.9', ':0.8')")
    assert not results(path).equals(before)
    monkeypatch.setattr(digest, "definitions", lambda: "another")

    pd.testing.assert_frame_equal(results(path), before)


def test_logs_lie_apart_and_come_back(path: Path) -> None:
    """A row of the table of trials is short, however long its log."""
    long = Events(array("d", range(10**5)), array("d", range(10**5)), {"loss": array("d", range(10**5))})
    with Store(str(path)) as store:
        store.append(energetic(9, events=long))
        *_, last = store.records()
        assert alike(last, energetic(9, events=long))
        assert [len(one.events) for one in store.records(Selection("ab12cd"), series=False)][-1] == 10**5

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT max(length(events)) FROM e2e_trials").fetchone() == (0,)


def test_logs_of_the_first_version_stay_in_their_rows(tmp_path: Path) -> None:
    """Both kinds in one store, read by each way."""
    from shutil import copyfile

    path = tmp_path / "old.db"
    copyfile(Path(__file__).parent / "before" / "store.sqlite", path)
    with Store(str(path)) as store:
        old = store.records()
        store.append(energetic(1, run="new"))
        assert [len(one.events) for one in store.records()] == [*(len(one.events) for one in old), 3]

    with closing(sqlite3.connect(path)) as connection:
        lengths = connection.execute(
            "SELECT max(length(events)), min(length(events)) FROM e2e_trials"
        ).fetchone()
    assert lengths[0] > 0
    assert lengths[1] == 0


def test_what_was_computed_of_many_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch, no_logs: list[int]
) -> None:
    """The first reading after an update computes it, the second reads it; the frame is the same."""
    monkeypatch.setattr(database, "_WORTH_KEEPING", 3)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE e2e_trials SET derived = NULL")
    first = results(path)
    no_logs.clear()

    pd.testing.assert_frame_equal(results(path), first)
    assert [row for row in no_logs if not isinstance(row, int) and row[17] is not None] == []


def test_a_store_that_may_only_be_read_is_computed_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, as_nobody: Any
) -> None:
    """It is no error, and nothing is said."""
    monkeypatch.setattr(database, "_WORTH_KEEPING", 3)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE e2e_trials SET derived = NULL")
        connection.execute("PRAGMA journal_mode = DELETE")
    temporary = Path(tempfile.gettempdir()).resolve()
    for folder in path.resolve().parents:
        if temporary in folder.parents:  # also the folder of pytest's own, above that of a worker
            folder.chmod(0o755)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    expected = len(several())

    assert as_nobody(lambda: sum(map(len, Store(str(path)).blocks()))) == str(expected)
    path.parent.chmod(0o755)
