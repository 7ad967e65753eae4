"""A store from anybody: one bad row costs that row, which is counted and named; nothing runs or hangs."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import sqlite3
import struct
import time
import warnings
import zlib
from array import array
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e2e_magic.record import Environment, Events, Record, Run, Series
from e2e_magic.session import Session
from e2e_magic.storage import WHOLE_STORE, Selection, Store, StoreError
from e2e_magic.storage.local_file import LocalFile
from tests.store_contract import START, record

FRAMES = ("runs", "results", "trials", "samples", "epochs", "confusions", "pipeline", "latencies")
RUNS = [
    Run("aa", "first", START, "why", Environment(host="h", packages={"a": "1"}), {"carbon_g_per_kwh": 380.0}),
    Run("bb", "second", START),
]
TABLES = ("e2e_runs", "e2e_trials", "e2e_curves", "e2e_sources", "e2e_version")
DEEP = "[" * 100_000 + "]" * 100_000


def trials() -> list[Record]:
    """Make trials of two runs, with something in every part."""
    made = []
    for n, run in itertools.product(range(1, 4), RUNS):
        sweep = {"sweep": "s", "params": {"lr": 0.1 * n}} if n == 3 else {"params": {}}
        made.append(record(n, run=run.id, **sweep))
    return made


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a sound store."""
    path = tmp_path_factory.mktemp("original") / "x.db"
    with Store(str(path)) as store:
        store.append(trials(), RUNS)
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    """Return the path of a copy, to be damaged."""
    return Path(shutil.copyfile(original, tmp_path / "x.db"))


def change(path: Path, statement: str, *values: object) -> None:
    """Change the file as its owner may."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def look(path: Path, *names: str) -> tuple[dict[str, Any], list[str]]:
    """Read a store's frames; return them and what was warned of damaged rows."""
    with warnings.catch_warnings(record=True) as caught, Session.on(str(path)) as session:
        warnings.simplefilter("always")
        frames = {name: session.frame(name, WHOLE_STORE) for name in names or FRAMES if _has(name)}
        session.store.described() if session.store else None
    return frames, [str(one.message) for one in caught if "damaged row" in str(one.message)]


def _has(name: str) -> bool:
    from e2e_magic.views import FRAMES as ALL

    return name in ALL


# What may stand in any cell: other types, numbers that are none, texts that are no JSON, or another's.
BAD = [
    None, 0, -1, 2**62, 1.5, float("inf"), b"", b"\xff\x00", b"\x80" * 99, "", "x", "[]", "{}", "5", "null",
    '"text"', '{"a": 1}', '[["a"], ["b"]]', '{"__tuple__": 5}', '{"__pairs__": [[[1], 2]]}',
    '{"__float__": "x"}', "[[],[]", "NaN", "[1, {}]", '{"wall_time_s": "slow"}', '{"loss": {"a": 1}}',
    '{"confusion": [[1], [2, 3]]}', '{"binary": 5}', '{"latency": {"calls": 0}}', '{"packages": 7}',
    '{"sweep_target": {"metric": []}}', '{"gpu": 5}', '{"estimate_power": {"idle_w": 1}}',
    '{"baseline_power": {"package_w": "x"}}', DEEP, "9" * 5000, "2026-13-01T00:00:00.000000+00:00",
    "2026-08-01T00:00:00", "0001-01-01T00:00:00+23:59",
    zlib.compress(b"short"), zlib.compress(struct.pack("<I", 2**31) + b"{}"),
    zlib.compress(struct.pack("<I", 2) + b"[]"), zlib.compress(struct.pack("<I", 15) + b'{"keys":["a"]}  '),
]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_cell_of_any_row_may_hold_anything(
    original: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Every frame comes, or one sentence says why not; rows that weren't touched are all there."""
    path = Path(shutil.copyfile(original, tmp_path_factory.mktemp("cell") / "x.db"))
    with closing(sqlite3.connect(path)) as connection:
        table = data.draw(st.sampled_from(TABLES))
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        column = data.draw(st.sampled_from(columns))
        rows = [row[0] for row in connection.execute(f"SELECT rowid FROM {table}")]
        row = data.draw(st.sampled_from(rows))
        value = data.draw(st.sampled_from(BAD))
        try:
            with connection:
                connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', (value, row))
        except sqlite3.Error:
            return  # SQLite itself doesn't take it
    try:
        frames, _ = look(path)
    except StoreError as error:
        assert str(error).startswith(f"the store {path} "), error  # noqa: PT017 - either is right
        assert table == "e2e_version", error  # noqa: PT017 - as above
        return
    if table == "e2e_trials":
        assert len(frames["results"]) >= len(trials()) - 1
    elif table == "e2e_curves":
        assert len(frames["results"]) == len(trials())


_PACKED = zlib.compressobj()
_BLOCK = _PACKED.compress(bytes(2**20)) + _PACKED.flush(zlib.Z_FULL_FLUSH)  # from here on all begins anew
# Half a gigabyte of zeros, of which only the first megabyte had to be packed.
ZEROS = _BLOCK[:2] + _BLOCK[2:] * 2**9 + b"\x03\x00" + struct.pack(">HH", 2**29 % 65521, 1)
MANY_KEYS = json.dumps({"keys": [f"k{n}" for n in range(10_000)], "dropped": 0}).encode()
CASES: dict[str, tuple[str, Any, str]] = {
    "JSON that is nested too deep": ("params", DEEP, "nested too deep"),
    "JSON that is nested deep": ("reported", "[" * 300 + "]" * 300, "nested deeper than 64"),
    "evidence that is text": (
        "reported", '{"evidence": {"cores": "two"}}', """evidence is none: "{'cores': 'two'}\"""",
    ),
    "a stage that is bytes": ("stage", b"train", "stage is of type bytes"),
    "a number that is text": ("trial", "first", "trial is of type str"),
    "parameters that are a list": ("params", "[1]", "params is no mapping"),
    "two values in a text": ("readings", "{},{}", "one text holds several values"),
    "a time that is none": ("started_at", "2026-13-01T00:00:00+00:00", "month must be in 1..12"),
    "a time without a zone": ("started_at", "2026-08-01T00:00", "the time '2026-08-01T00:00' is not in UTC"),
    "a reading that is text": (
        "readings", '{"wall_time_s": "slow"}', "the reading wall_time_s is of type str",
    ),
    "a matrix that is none": (
        "reported", '{"confusion": [[1], [2, 3]]}', "confusion is none: '[[1], [2, 3]]'",
    ),
    "a state that is none": ("state", "lost", "state is none of complete, failed, interrupted"),
    "too few numbers": ("numbers", bytes(8), "stored readings are damaged (1 numbers for 2 names)"),
    "a log that is cut off": ("events", zlib.compress(b"x" * 99)[:-5], "a stored curve is damaged"),
    "ten thousand parameters": (
        "params", json.dumps({f"p{n}": n for n in range(10_000)}), "params has 10,000 names, more than 1,000",
    ),
    "a log of ten thousand keys": (
        "events",
        zlib.compress(struct.pack("<I", len(MANY_KEYS)) + MANY_KEYS),
        "there are 10,000 curves, more than 4,096",
    ),
    "thirty megabytes of a name": (
        "stage", "x" * 30_000_000, "stage is longer than 16,777,216 characters",
    ),
    "a log of half a gigabyte": (
        "events", ZEROS, "it unpacks to more than 134,217,728 bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("column", "value", "why"), CASES.values(), ids=CASES)
def test_a_bad_row_costs_that_row(path: Path, column: str, value: object, why: str) -> None:
    """It is named with the reason, once; all others are there, in each frame, quickly."""
    change(path, f"UPDATE e2e_trials SET {column} = ?, derived = NULL WHERE number = 3", value)

    began = time.process_time()
    frames, warned = look(path)
    took = time.process_time() - began

    assert len(frames["results"]) == len(trials()) - 1
    [text] = warned
    assert text.startswith(f"the store {path} has 1 damaged row; what can't be read is left out: trial ")
    assert "(row 3): " in text
    assert why in text
    assert took < 20


def test_many_bad_rows_are_counted_and_a_few_named(path: Path) -> None:
    """Half of them: the warning stays short."""
    change(path, "UPDATE e2e_trials SET started_at = 'soon' WHERE number > 2")

    frames, [text] = look(path, "results")

    assert len(frames["results"]) == 2
    assert text.startswith(
        f"the store {path} has 4 damaged rows; what can't be read is left out: trial 2 of stage"
    )
    assert text.count("Invalid isoformat string: 'soon'") == 3
    assert text.endswith("; and 1 more")


@pytest.mark.parametrize("column", ["environment", "settings", "description", "name"])
@pytest.mark.parametrize(
    "value", [5, b"bytes", "[]", "7", DEEP, '{"packages": 5, "baseline_power": 5.5, "host": []}']
)
def test_a_part_of_a_run_that_can_not_be_read_costs_that_part(path: Path, column: str, value: object) -> None:
    """Its trials are there, and the rest of it; a run without a name is called by its id."""
    change(path, f"UPDATE e2e_runs SET {column} = CAST(? AS BLOB) WHERE number = 1", value)

    frames, _ = look(path)

    assert list(frames["runs"]["id"]) == ["aa", "bb"]
    assert list(frames["runs"]["trials"]) == [3, 3]
    assert len(frames["results"]) == len(trials())
    if column == "name":
        assert list(frames["runs"]["run"]) == ["aa", "second"]


def test_a_run_whose_id_can_not_be_read_costs_its_trials(path: Path) -> None:
    """Those of the other run stay."""
    change(path, "UPDATE e2e_runs SET id = CAST('aa' AS BLOB) WHERE number = 1")

    frames, _ = look(path)

    assert set(frames["results"]["run"]) == {"second"}
    assert list(frames["runs"]["trials"]) == [3]


def test_a_curve_of_half_a_gigabyte_is_left_out(path: Path) -> None:
    """It is not unpacked first; the trial's other curve is there."""
    change(path, "UPDATE e2e_curves SET data = ? WHERE trial = 1 AND place = 0", zlib.compress(bytes(2**29)))

    began = time.process_time()
    text = re.escape("a curve of the trial in row 1: a stored curve is damaged")
    with Store(str(path)) as store, pytest.warns(Warning, match=text):
        first = store.records()[0]
    assert time.process_time() - began < 5
    assert list(first.series) == ["package_power_w"]


def test_numbers_that_make_up_for_each_other_are_no_others(path: Path) -> None:
    """A row with a number too few, another with one too many: neither gives a value to the wrong row."""
    change(path, "UPDATE e2e_trials SET numbers = ? WHERE number = 1", bytes(8))
    change(path, "UPDATE e2e_trials SET numbers = ? WHERE number = 2", bytes(24))

    with Store(str(path)) as store, pytest.warns(Warning, match="has 2 damaged rows"):
        assert [one.readings["wall_time_s"] for one in store.records()] == [2.1, 2.1, 3.1, 3.1]


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
FOREIGN: dict[str, tuple[str, ...]] = {
    "a view that never ends": (
        "ALTER TABLE e2e_trials RENAME TO mine",
        f"CREATE VIEW e2e_trials AS {ENDLESS} SELECT mine.* FROM mine, n",
    ),
    "a view of the version": (
        "DROP TABLE e2e_version",
        f"CREATE VIEW e2e_version AS {ENDLESS} SELECT max(i) AS version FROM n",
    ),
    "a trigger": ("CREATE TRIGGER t AFTER INSERT ON e2e_trials BEGIN DELETE FROM e2e_runs; END",),
    "a trigger in capitals": ("CREATE TRIGGER t AFTER INSERT ON E2E_TRIALS BEGIN DELETE FROM e2e_runs; END",),
    "a computed column": ("ALTER TABLE e2e_runs ADD COLUMN x AS (length(id)) VIRTUAL",),
    "a virtual table": ("DROP TABLE e2e_sources", "CREATE VIRTUAL TABLE e2e_sources USING fts5(key, text)"),
    "a version that is text": ("UPDATE e2e_version SET version = 'new'",),
}


@pytest.mark.parametrize("statements", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("opened", [lambda path: Store(str(path)), LocalFile])
def test_what_would_run_by_itself_is_refused(
    path: Path, statements: tuple[str, ...], opened: Callable[[Path], Any]
) -> None:
    """Either way of opening says so, at once, and leaves the file as it is."""
    for statement in statements:
        change(path, statement)
    before = path.read_bytes()

    with pytest.raises(StoreError) as caught:
        opened(path)

    assert str(caught.value) == (
        f"the store {path} can't be opened: it has something in a table's place that would run by itself, "
        "or a version that is none; it was left as it is: it is not one that this package wrote; "
        "name another file with %e2e store PATH"
    )
    assert path.read_bytes() == before


def test_another_programs_views_and_triggers_stay(path: Path) -> None:
    """They are none of ours, and don't concern our tables."""
    change(path, "CREATE TABLE theirs (x)")
    change(path, "CREATE VIEW seen AS SELECT x FROM theirs")
    change(path, "CREATE TRIGGER t AFTER INSERT ON theirs BEGIN DELETE FROM theirs; END")

    with Store(str(path)) as store:
        assert len(store.records()) == len(trials())


def test_a_file_may_run_no_function_of_its_own(path: Path) -> None:
    """The settings that SQLite advises for files from others hold for each connection."""
    with Store(str(path)) as store, store._connected("read") as connection:
        assert connection.exec_driver_sql("PRAGMA trusted_schema").scalar() == 0
    file = LocalFile(path)
    assert file._connection.execute("PRAGMA trusted_schema").fetchone() == (0,)
    file.close()


def test_what_measuring_writes_is_far_within_the_bounds(tmp_path: Path) -> None:
    """A million logged calls, a thousand keys, a large matrix, a long trace: all of it comes back."""
    large = record(
        1,
        events=Events(array("d", range(10**6)), array("d", range(10**6)), {"loss": array("d", range(10**6))}),
        reported={"confusion": [[n] * 300 for n in range(300)], "classes": list(range(300))},
        params={f"p{n}": [n] for n in range(900)},
        error="x" * 1_000_000,
    )
    keys = record(
        2, events=Events(array("d", [1]), array("d", [1]), {f"k{n}": array("d", [n]) for n in range(2000)})
    )
    curves = record(3, series={f"c{n}": Series.of(range(10), range(10)) for n in range(500)})
    with Store(str(tmp_path / "x.db")) as store:
        store.append([large, keys, curves])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            back = store.records()

    assert [len(one.events.values) for one in back] == [1, 2000, 1]
    assert len(back[0].events) == 10**6
    assert len(back[2].series) == 500


def test_a_report_and_a_comparison_of_a_damaged_store(path: Path, tmp_path: Path) -> None:
    """The words that read everything: damaged rows are left out of them too."""
    from e2e_magic.api import analysing

    change(path, "UPDATE e2e_trials SET stage = CAST(stage AS BLOB) WHERE number = 1")
    change(path, "UPDATE e2e_trials SET reported = '5' WHERE number = 2")
    change(path, "UPDATE e2e_runs SET settings = 5, environment = 7 WHERE number = 1")
    with warnings.catch_warnings(), Session.on(str(path)) as session:
        warnings.simplefilter("ignore")
        session.export(tmp_path / "x.csv", "results", WHOLE_STORE)
        comparison = analysing.compare_in(session, ["first", "second"], everything=True)
        assert len(session.runs_and_records(Selection(everything=True))[1]) == len(trials()) - 2

    assert comparison.runs == ("second",)
    assert len((tmp_path / "x.csv").read_text().splitlines()) == len(trials()) - 1
