"""Databases of the UMLAUT suite, made here as it wrote them, for both generations."""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import e2e_magic as e2e
from e2e_magic.integrations import umlaut
from e2e_magic.integrations.umlaut import values
from e2e_magic.measuring.plan import PlanError
from e2e_magic.storage import Store
from e2e_magic.views import frames

UUID = "8a989821-f2e9-48da-ab41-36cb0fc6f580"
START = datetime(2024, 8, 13, 9, 18, 33)  # noqa: DTZ001 - as the suite wrote it, without a zone


def at(seconds: float) -> str:
    """Spell a time as SQLAlchemy does in SQLite."""
    return (START + timedelta(seconds=seconds)).isoformat(" ", timespec="microseconds")


def second(path: Path, rows: Sequence[tuple[Any, ...]], *, named: bool = True) -> Path:
    """Make a database of the second generation; a row is ``time description type data unit method``."""
    with closing(sqlite3.connect(path)) as base, base:
        name = "meta_name VARCHAR, " if named else ""
        base.execute(
            f"CREATE TABLE benchmark_metadata (uuid VARCHAR PRIMARY KEY, meta_description VARCHAR, {name}"
            "meta_start_time DATETIME)"
        )
        base.execute(
            "CREATE TABLE measurement (id INTEGER PRIMARY KEY, uuid VARCHAR, measurement_datetime DATETIME, "
            "measurement_description VARCHAR NOT NULL, measurement_type VARCHAR, measurement_data JSON, "
            "measurement_unit VARCHAR, measured_method_name VARCHAR)"
        )
        meta = (UUID, "a pipeline", "main.py", at(0)) if named else (UUID, "a pipeline", at(0))
        base.execute(f"INSERT INTO benchmark_metadata VALUES ({','.join('?' * len(meta))})", meta)
        base.executemany(
            f"INSERT INTO measurement VALUES (NULL, '{UUID}', ?, ?, ?, ?, ?, ?)",
            [(at(row[0]), *row[1:]) for row in rows],
        )
    return path


def first(path: Path, rows: Sequence[tuple[Any, ...]]) -> Path:
    """Make a database of the first generation; a row is ``time description type value unit``."""
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(
            "CREATE TABLE benchmark_metadata "
            "(uuid VARCHAR PRIMARY KEY, description VARCHAR, start_time DATETIME)"
        )
        base.execute(
            "CREATE TABLE measurement (id INTEGER PRIMARY KEY, benchmark_uuid VARCHAR, datetime DATETIME, "
            "description VARCHAR, measurement_type VARCHAR, value VARCHAR, unit VARCHAR)"
        )
        base.execute("INSERT INTO benchmark_metadata VALUES (?, ?, ?)", (UUID, "stock market", at(0)))
        base.executemany(
            f"INSERT INTO measurement VALUES (NULL, '{UUID}', ?, ?, ?, ?, ?)",
            [(at(row[0]), *row[1:]) for row in rows],
        )
    return path


def curve(numbers: Sequence[float], start: float = 0.0, **more: Any) -> str:
    """Spell a series as the suite does: a JSON string that holds JSON."""
    times = [at(start + n / 10) for n in range(len(numbers))]
    return json.dumps(json.dumps({"timestamps": times, "measurements": list(numbers), **more}, indent=4))


def supervised(end: float, wall: float, method: str = "train") -> list[tuple[Any, ...]]:
    """Give the rows that one supervised call leaves, by the supervisor's order."""
    begin = end - wall
    return [
        (end, f"{method} throughput", "throughput", 420 / wall, "Entries/second", method),
        (end, f"{method} latency\n (#Entries = 420)", "latency", wall / 420, "Seconds/entry", method),
        (end, f"{method} time", "time", wall, "sec", method),
        (end, f"{method} gputime", "gputime", 0.5, "sec", method),
        (end, f"{method} energy", "energy", json.dumps("25000000.0"), "µJ", method),
        (end, f"{method} cpu", "cpu", curve([50.0, 150.0], begin), "%", method),
        (end, f"{method} gpu", "gpu", curve([10, 30], begin), "%", method),
        (end, f"{method} gpumem", "gpumemory", curve([900.0, 1000.0], begin), "MiB", method),
        (end, f"{method} gpupower", "gpupower", curve([60.0, 70.0], begin), "W", method),
        (end, f"{method} memory", "memory", curve([100.0, 300.5, 200.0], begin), "MiB", method),
        (end, f"{method} power", "power", curve([10.0, 12.0], begin, interval=1), "Watt", method),
    ]


def trackers(moment: float) -> list[tuple[Any, ...]]:
    """Give the rows of the trackers, all called at one time."""
    numpy_text = "[[  9   1   0]\n [ 10 100   2]\n [  0   3   7]]"
    matrix = json.dumps(json.dumps({"matrix": numpy_text, "labels": ["cat", "dog", "owl"]}, indent=4))
    return [
        (moment, "losses", "loss", json.dumps([0.9, 0.5, 0.25]), "loss", ""),
        (moment, "accuracies", "tta", json.dumps([0.5, 0.8, 0.8]), "accuracy", ""),
        (moment, "mnist (Target: 0.75)", "timed tta", 1.25, "time for target accuracy", ""),
        (moment, "confusion of mnist", "confusion-matrix", matrix, "", ""),
    ]


def rows_of(found: umlaut.Imported) -> Any:
    """Give the results frame of what was imported."""
    return frames.results(found.records, {run.id: run.name for run in found.runs})


def test_a_supervised_method_with_trackers_is_one_trial(tmp_path: Path) -> None:
    """Every metric of one call, and what trackers logged meanwhile, stand in one row with our units."""
    found = umlaut.read(second(tmp_path / "a.db", [*trackers(8.0), *supervised(10.0, 4.0)]))

    [run] = found.runs
    assert (run.id, run.name, run.description) == (UUID, "main.py", "a pipeline")
    assert run.started_at == START.replace(tzinfo=UTC)
    assert found.unread.empty
    assert list(found.unread.columns) == ["id", "type", "reason"]
    [row] = rows_of(found).to_dict("records")
    assert row["stage"] == "train"
    assert row["started_at"] == (START + timedelta(seconds=6)).replace(tzinfo=UTC)
    expected = {
        "wall_time_s": 4.0, "gpu_time_s": 0.5, "package_energy_j": 25.0, "mean_power_w": 6.25,
        "cpu_percent": 100.0, "peak_rss_mib": 300.5, "gpu_percent": 20.0, "gpu_peak_memory_mib": 1000.0,
        "entries": 420, "throughput_per_s": 105.0, "loss": 0.25, "best_loss": 0.25, "accuracy": 0.8,
        "epochs": 3, "epochs_to_accuracy": 2, "time_to_accuracy_s": 1.25,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["latency_s"] == pytest.approx(4 / 420)
    assert row["energy_source"] == "rapl"


def test_series_stand_on_the_trials_own_clock(tmp_path: Path) -> None:
    """Timestamps become seconds since the start of the trial."""
    found = umlaut.read(second(tmp_path / "a.db", supervised(10.0, 4.0)))

    samples = frames.samples(found.records)
    memory = samples[samples["metric"] == "rss_mib"]
    assert memory["t_s"].tolist() == pytest.approx([0.0, 0.1, 0.2])
    assert memory["value"].tolist() == [100.0, 300.5, 200.0]
    assert set(samples["metric"]) == {
        "rss_mib", "cpu_percent_now", "package_power_w", "gpu_percent_now", "gpu_memory_mib", "gpu_power_w",
    }  # fmt: skip


def test_a_matrix_is_turned_to_rows_true(tmp_path: Path) -> None:
    """The suite's rows are predicted classes; ours are the true ones."""
    found = umlaut.read(second(tmp_path / "a.db", trackers(1.0)))

    table = frames.confusions(found.records)
    # Second row, first column of the suite's matrix: predicted dog, and it was a cat.
    cells = {(t, p): int(c) for t, p, c in table[["true", "predicted", "count"]].to_numpy().tolist()}
    assert cells["cat", "dog"] == 10
    assert cells["dog", "cat"] == 1
    assert cells["dog", "dog"] == 100


def test_calls_of_one_method_are_its_trials(tmp_path: Path) -> None:
    """A type that comes again begins the next trial of the stage."""
    rows = [*supervised(10.0, 4.0), *supervised(20.0, 5.0), *supervised(22.0, 1.0, "test")]
    found = umlaut.read(second(tmp_path / "a.db", rows))

    table = rows_of(found)
    assert table["stage"].tolist() == ["train", "train", "test"]
    assert table["trial"].tolist() == [1, 2, 1]
    assert table["repeat"].tolist() == [1, 2, 1]
    assert table["wall_time_s"].tolist() == [4.0, 5.0, 1.0]
    assert table["peak_rss_mib"].tolist() == [300.5] * 3


def test_a_tracker_joins_the_call_in_which_it_was_used(tmp_path: Path) -> None:
    """The loss of the second call stands in the second row, that of neither in a stage of its own."""
    loss = ("losses", "loss")
    rows = [
        *supervised(10.0, 4.0),
        (18.0, *loss, json.dumps([0.5, 0.1]), "loss", ""),
        *supervised(20.0, 5.0),
        (25.0, *loss, json.dumps([7.0, 3.0]), "loss", ""),
    ]
    table = rows_of(umlaut.read(second(tmp_path / "a.db", rows)))

    assert table[["stage", "trial"]].to_numpy().tolist() == [["train", 1], ["train", 2], ["losses", 1]]
    assert table["loss"].tolist()[1:] == [0.1, 3.0]
    assert table["loss"].isna().tolist() == [True, False, False]


def test_a_tracker_amid_many_executions_is_looked_for_in_the_shortest(tmp_path: Path) -> None:
    """However many are around it: a file from anybody can't make the reading long."""
    calls = [(10.0, f"call {n} time", "time", 5.0 + n, "sec", f"call {n}") for n in range(300)]
    losses = [(8.0, f"loss {n}", "loss", "[0.5]", "loss", "") for n in range(101)]
    table = rows_of(umlaut.read(second(tmp_path / "a.db", [*calls, *losses])))

    assert table.loc[table["loss"].notna(), "stage"].tolist() == [
        *(f"call {n}" for n in range(100)),
        "loss 100",
    ]


def test_the_running_maximum_is_said(tmp_path: Path) -> None:
    """The suite kept no accuracy per epoch but its running maximum: the record says so."""
    found = umlaut.read(second(tmp_path / "a.db", [*trackers(8.0), *supervised(10.0, 4.0)]))

    assert str(found.records[0].missing["accuracy"]) == (
        "the suite kept its running maximum per epoch only, so the last value is the best one"
    )


def test_hyperparameters_are_a_sweep(tmp_path: Path) -> None:
    """A row of the table is a trial with its parameters; the target is its loss."""
    table = {
        "hyperparameters": ["lr", "layers"],
        "df": {"lr": [0.1, 0.01], "layers": [2, 4], "loss": [42, 0.5]},
        "target": "loss",
        "low_means_good": True,
    }
    found = umlaut.read(
        second(tmp_path / "a.db", [(1.0, "hyper", "hyperparameters", json.dumps(table), "", "")])
    )

    ranked = frames.trials(found.records)
    assert ranked["loss"].tolist() == [0.5, 42.0]
    assert ranked["param_lr"].tolist() == [0.01, 0.1]
    assert ranked["param_layers"].tolist() == [4, 2]
    assert set(ranked["stage"]) == {"hyper"}
    assert ranked["sweep"].nunique() == 1
    assert ranked["wall_time_s"].isna().all()


def test_another_target_is_a_column_of_its_own(tmp_path: Path) -> None:
    """A target that is neither loss nor accuracy keeps its name."""
    table = {"hyperparameters": ["lr"], "df": {"lr": [0.1], "rmse": [3.5]}, "target": "rmse"}
    found = umlaut.read(second(tmp_path / "a.db", [(1.0, "h", "hyperparameters", json.dumps(table), "", "")]))

    assert rows_of(found)["rmse"].tolist() == [3.5]


def test_pickles_are_listed_and_never_loaded(tmp_path: Path) -> None:
    """A pickle that would run code is not loaded; it stands in the list with its id, type and reason."""
    mark = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> Any:
            return (open, (str(mark), "w"))

    rows = [
        (1.0, "time", "time", 2.0, "sec", "load"),
        (1.0, "memory", "memory", pickle.dumps(Trap()), "MiB", "load"),
        (1.0, "loss", "loss", pickle.dumps([0.1], protocol=0), "", ""),
        (1.0, "tta", "tta", str(pickle.dumps([0.1])), "", ""),
    ]
    found = umlaut.read(second(tmp_path / "a.db", rows))

    assert not mark.exists()
    assert found.unread[["id", "type"]].to_numpy().tolist() == [[2, "memory"], [3, "loss"], [4, "tta"]]
    assert set(found.unread["reason"]) == {
        "a pickle, which older versions wrote: it is never loaded, for loading one can run any code"
    }
    assert rows_of(found)["wall_time_s"].tolist() == [2.0]


def test_an_older_file_without_names_reads(tmp_path: Path) -> None:
    """Where meta_name is missing the run is named by its description."""
    found = umlaut.read(second(tmp_path / "a.db", supervised(10.0, 4.0), named=False))

    assert [run.name for run in found.runs] == ["a pipeline"]
    assert len(found.records) == 1


WRONG = [
    ("time", '"soon"', "no JSON: 'soon'"),
    ("time", -1.0, "expected a number of at least 0, got -1"),
    ("time", None, "there is no value"),
    ("memory", "{}", "expected timestamps and measurements, got "),
    ("memory", curve([]), "a series without a single measurement"),
    ("memory", '{"timestamps": ["x"], "measurements": [1]}', "no time: 'x'"),
    ("memory", '{"timestamps": [], "measurements": [1]}', "0 timestamps for 1 measurements"),
    ("loss", "[]", "expected a number per epoch, got '[]'"),
    ("loss", "{", "no JSON: '{'"),
    ("loss", b"\xff\xfe", "2 bytes that are neither text nor JSON"),
    ("confusion-matrix", "[]", "expected matrix and labels, got '[]'"),
    (
        "confusion-matrix",
        '{"matrix": [[1, 2]]}',
        "expected a square matrix, got rows of 2 numbers",
    ),
    (
        "confusion-matrix",
        '{"matrix": "[[1 ... 2]]"}',
        "a matrix of which numpy's text left out the middle (...)",
    ),
    ("timed tta", 3.0, "the description names no target: expected (Target: 0.9) at its end"),
    ("hyperparameters", "[1]", "expected hyperparameters, df and target, got '[1]'"),
    (
        "hyperparameters",
        '{"hyperparameters": ["lr"], "df": {"lr": [1]}, "target": "loss"}',
        "the table has no column 'loss'",
    ),
    ("time", f"[{10**400}]", "a whole number that is larger than any measurement"),
    (
        "cpu",
        '{"timestamps": ["0001-01-01T00:00:00+14:00"], "measurements": [1]}',
        "no time: '0001-01-01T00:00:00+14:00'",
    ),
    ("energy", "5", "energy in 'kWh': expected microjoules"),
    ("carbon", "5", "there is no type 'carbon' in the suite that this reads"),
]


@pytest.mark.parametrize(("kind", "data", "reason"), WRONG)
def test_what_cannot_be_read_is_listed_with_its_reason(
    tmp_path: Path, kind: str, data: object, reason: str
) -> None:
    """Nothing is dropped silently: id, type and a whole sentence."""
    unit = "kWh" if kind == "energy" else ""
    found = umlaut.read(second(tmp_path / "a.db", [(1.0, "d", kind, data, unit, "")]))

    assert found.unread.to_dict("records") == [{"id": 1, "type": kind, "reason": reason}]
    assert found.records == []
    assert found.summary == "1 run with 0 trials; 1 measurement could not be read"


def test_a_measurement_of_an_unknown_run_is_kept(tmp_path: Path) -> None:
    """Rows whose uuid is not in the metadata make a run of their own."""
    path = second(tmp_path / "a.db", [(1.0, "t", "time", 2.0, "sec", "f")])
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("UPDATE measurement SET uuid = 'stray'")

    found = umlaut.read(path)
    assert [run.id for run in found.runs] == [UUID, "stray"]
    assert [record.run for record in found.records] == ["stray"]


FIRST = [
    (5.0, "train", "Time", "4.0", "seconds"),
    (5.0, "train", "TTA", "0.5", None),
    (5.0, "train", "TTA", "0.9", None),
    (5.0, "train", "TTA", "0.7", None),
    (5.0, "train", "Loss", "2.5", None),
    (5.0, "train", "Loss", "1.5", None),
    (1.0, "train", "Memory", "200", "MB"),
    (2.0, "train", "Memory", "260", "MB"),
    (2.0, "train", "Energy", "15000.0", "mJ"),
    (3.0, "train", "Energy", "10000.0", "mJ"),
    (9.0, "infer", "Latency", "250.0", "entries per second"),
    (9.0, "infer", "Throughput", "0.004", "seconds per entry"),
    (
        9.0,
        "validate",
        "Confusion",
        "{'TP': 40, 'TN': 45, 'FP': 5, 'FN': 10, 'recall': np.float64(0.8)}",
        None,
    ),
    (9.5, "digits", "Multiclass Confusion Matrix Class", "a", None),
    (9.5, "digits", "Multiclass Confusion Matrix", "8", None),
    (9.5, "digits", "Multiclass Confusion Matrix", "2", None),
    (9.5, "digits", "Multiclass Confusion Matrix Class", "b", None),
    (9.5, "digits", "Multiclass Confusion Matrix", "1", None),
    (9.5, "digits", "Multiclass Confusion Matrix", "9", None),
]


def test_the_first_generation_comes_into_our_frames(tmp_path: Path) -> None:
    """Text values, a row each, become trials; latency and throughput are swapped back."""
    found = umlaut.read(first(tmp_path / "a.db", FIRST))

    assert found.unread.empty
    rows = {row["stage"]: row for row in rows_of(found).to_dict("records")}
    assert list(rows) == ["train", "infer", "validate", "digits"]
    train = {"wall_time_s": 4.0, "loss": 1.5, "accuracy": 0.7, "best_accuracy": 0.9, "package_energy_j": 25.0}
    assert {name: rows["train"][name] for name in train} == pytest.approx(train)
    assert rows["infer"]["latency_s"] == 0.004
    assert rows["infer"]["throughput_per_s"] == 250.0
    assert (rows["validate"]["tp"], rows["validate"]["fn"]) == (40, 10)
    assert rows["validate"]["positive_precision"] == pytest.approx(40 / 45)
    assert rows["digits"]["accuracy"] == pytest.approx(17 / 20)
    table = frames.confusions(found.records[-1:])
    assert table["true"].tolist() == ["a", "a", "b", "b"]
    assert table["count"].tolist() == [8, 2, 1, 9]


@pytest.mark.parametrize("spelled", ["type", "measurement_type"])
@pytest.mark.parametrize("runs", [True, False], ids=["with runs", "without"])
def test_first_files_name_their_columns_in_several_ways(tmp_path: Path, spelled: str, runs: bool) -> None:
    """The type's column changed its name, and the first versions had functions and no table of runs."""
    path = tmp_path / "a.db"
    described = "description" if runs else "function_name"
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(
            "CREATE TABLE measurement (id INTEGER PRIMARY KEY, benchmark_uuid VARCHAR, datetime DATETIME, "
            f"{described} VARCHAR, {spelled} VARCHAR, value VARCHAR{', unit VARCHAR' if runs else ''})"
        )
        if runs:
            base.execute(
                "CREATE TABLE benchmark_metadata "
                "(uuid VARCHAR PRIMARY KEY, description VARCHAR, start_time DATETIME)"
            )
            base.execute("INSERT INTO benchmark_metadata VALUES (?, ?, ?)", (UUID, "stock market", at(0)))
        base.execute(
            f"INSERT INTO measurement (benchmark_uuid, datetime, {described}, {spelled}, value) "
            "VALUES (?, ?, 'train', 'Time', '4.0')",
            (UUID, at(5)),
        )
    found = umlaut.read(path)

    assert found.summary == "1 run with 1 trial; everything could be read"
    assert [run.name for run in found.runs] == ["stock market" if runs else UUID[:8]]
    assert found.records[0].stage == "train"
    assert found.records[0].readings["wall_time_s"] == 4.0


@pytest.mark.parametrize(
    ("kind", "value", "unit", "column"),
    [
        ("Latency", "0.01", "s", "latency_s"),
        ("Latency", "0.01", "seconds/entry", "latency_s"),
        ("Latency", "100", "", "throughput_per_s"),
        ("Throughput", "100", "Entries/second", "throughput_per_s"),
        ("Throughput", "0.01", "", "latency_s"),
    ],
)
def test_swapped_rates_are_told_by_their_unit(
    tmp_path: Path, kind: str, value: str, unit: str, column: str
) -> None:
    """What the unit says counts; without one the swap of the suite is undone."""
    found = umlaut.read(first(tmp_path / "a.db", [(9.0, "infer", kind, value, unit)]))

    assert dict(found.records[0].readings) == {column: float(value)}


def test_a_matrix_in_one_row_is_read(tmp_path: Path) -> None:
    """The whole of it as numpy's text, and its classes too."""
    found = umlaut.read(
        first(
            tmp_path / "a.db",
            [
                (9.0, "digits", "Multiclass Confusion Matrix", "[[ 8  2]\n [ 1 19]]", None),
                (9.0, "digits", "Multiclass Confusion Matrix Class", "['a' 'b']", None),
            ],
        )
    )

    assert found.records[0].reported == {"confusion": [[8, 2], [1, 19]], "classes": ["a", "b"]}
    assert len(found.unread) == 0


def test_a_lifetime_peak_is_no_memory_of_the_moment(tmp_path: Path) -> None:
    """The first memory decorator logged ru_maxrss: its curve has a name of its own, the peak is missing."""
    found = umlaut.read(first(tmp_path / "a.db", FIRST))

    samples = frames.samples(found.records)
    assert samples["metric"].tolist() == ["lifetime_peak_rss_mib"] * 2
    assert samples["value"].tolist() == [200.0, 260.0]
    assert samples["t_s"].tolist() == [0.0, 1.0]
    assert rows_of(found)["peak_rss_mib"].isna().all()
    assert "lifetime_peak_rss_mib" in str(found.records[0].missing["peak_rss_mib"])


def test_memory_in_mib_is_a_curve_of_rss(tmp_path: Path) -> None:
    """Samples of psutil were MiB."""
    rows = [(1.0, "p", "Memory (psutil)", "100.5", "MiB"), (2.0, "p", "Memory (psutil)", "90", "MiB")]
    assert rows_of(umlaut.read(first(tmp_path / "a.db", rows)))["peak_rss_mib"].tolist() == [100.5]


def test_sweeps_get_their_parameters_back_from_their_place(tmp_path: Path) -> None:
    """Batch sizes and learning rates were fixed in the suite: the n-th loss belongs to the n-th of them."""
    rows = [(n, "b", "Batch", str(n), None) for n in range(12)]
    rows += [(n, "lr", "Learning Rate", str(n), None) for n in range(45)]
    table = rows_of(umlaut.read(first(tmp_path / "a.db", rows)))

    batch = table[table["stage"] == "b"]
    assert batch["param_batch_size"].tolist() == [2.0**n for n in [*range(1, 11), 1, 2]]
    assert batch["repeat"].tolist() == [1] * 10 + [2] * 2
    rate = table[table["stage"] == "lr"]
    assert rate["param_lr"].tolist()[:10] == pytest.approx([n * 1e-5 for n in range(1, 10)] + [1e-4])
    assert rate["param_lr"].tolist()[-1] == pytest.approx(0.9)
    assert rate["loss"].tolist() == [float(n) for n in range(45)]


def test_batch_and_epoch_is_read_by_its_times(tmp_path: Path) -> None:
    """Losses logged ten at once are curves per batch size; evenly spread ones are single reruns."""
    at_once = [(10 * (n // 10), "curves", "Batch and Epoch", str(n), None) for n in range(100)]
    spread = [(n, "reruns", "Batch and Epoch", str(n), None) for n in range(100)]
    found = umlaut.read(first(tmp_path / "a.db", [*at_once, *spread]))

    curves = [record for record in found.records if record.stage == "curves"]
    assert [record.params for record in curves] == [{"batch_size": 2**n, "epochs": 10} for n in range(1, 11)]
    assert curves[1].reported["loss"] == [float(n) for n in range(10, 20)]
    reruns = [record for record in found.records if record.stage == "reruns"]
    assert reruns[11].params == {"epochs": 2, "batch_size": 4}
    assert reruns[11].reported["loss"] == 11.0


def test_batch_and_epoch_without_times_is_not_guessed(tmp_path: Path) -> None:
    """Where the times don't tell the two forms apart, the rows are listed."""
    found = umlaut.read(
        first(tmp_path / "a.db", [(1, "x", "Batch and Epoch", str(n), None) for n in range(20)])
    )

    assert found.records == []
    assert len(found.unread) == 20
    assert set(found.unread["reason"]) == {
        "two decorators wrote this type in different orders; its times don't tell which"
    }


def test_losses_under_the_accuracy_type_are_losses(tmp_path: Path) -> None:
    """LossMult logged losses as TTA: numbers that can't be accuracies are taken as losses, and it is said."""
    found = umlaut.read(
        first(tmp_path / "a.db", [(1, "x", "TTA", text, None) for text in ("250.0", "120.5")])
    )

    assert found.records[0].reported == {"loss": [250.0, 120.5]}
    assert "LossMult" in str(found.records[0].missing["accuracy"])


def test_importing_twice_does_not_double(tmp_path: Path, session: Any) -> None:
    """Ids are stable, so the second import adds nothing; the current run stays the current one."""
    path = second(tmp_path / "a.db", [*trackers(8.0), *supervised(10.0, 4.0)])
    current = session.run
    unread = e2e.import_umlaut(path)
    e2e.import_umlaut(path)

    assert unread.attrs["summary"] == "1 run with 1 trial; everything could be read"
    assert session.run is current
    assert [run.name for run in session.runs] == ["main.py", current.name]
    assert len(e2e.results()) == 1


def test_the_magic_says_what_came_in_and_what_did_not(tmp_path: Path, shell: Any, capsys: Any) -> None:
    """``%e2e import`` says it in a sentence; its value is the list of what could not be read."""
    rows = [*supervised(10.0, 4.0), (11.0, "x", "loss", pickle.dumps([1]), "", "")]
    path = second(tmp_path / "a b.db", rows)
    unread = shell.run_line_magic("e2e", f"import '{path}'")
    said = capsys.readouterr().out

    assert "1 run with 1 trial; 1 measurement could not be read" in said
    assert unread["type"].tolist() == ["loss"]
    shell.run_line_magic("e2e", f"import '{path}'")
    assert "(1 of the trials was here already)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "import: there is no file {path}; give the path of a database of the UMLAUT suite"),
        (
            b"no database",
            "import: x.db can't be read (file is not a database); it must be an SQLite database of the "
            "UMLAUT suite",
        ),
        (
            b"",
            "import: x.db is no database of the UMLAUT suite: expected the tables benchmark_metadata and "
            "measurement, it has no table at all",
        ),
    ],
)
def test_another_file_is_refused_in_words(tmp_path: Path, made: bytes | None, message: str) -> None:
    """A missing file, one that is no database and one with other tables are each said."""
    path = tmp_path / "x.db"
    if made is not None:
        path.write_bytes(made)
    with pytest.raises(PlanError) as caught:
        umlaut.read(path)

    assert str(caught.value) == message.format(path=path)


def test_a_store_of_ours_is_not_imported_but_opened(tmp_path: Path) -> None:
    """Who takes the one for the other is told the word."""
    path = tmp_path / "team.db"
    Store(str(path)).close()

    with pytest.raises(PlanError) as caught:
        umlaut.read(path)

    assert str(caught.value) == (
        "import: team.db is a store of e2e_magic itself, not a database of the UMLAUT suite; "
        "%e2e store PATH opens it, and %e2e results --all shows what is in it"
    )


def test_a_suites_file_in_which_trials_of_ours_are_kept_is_read(tmp_path: Path) -> None:
    """Both may be named e2ebench.db and be beside the notebook: they share the file."""
    path = second(tmp_path / "e2ebench.db", supervised(10.0, 4.0))
    Store(str(path)).close()

    assert umlaut.read(path).summary == "1 run with 1 trial; everything could be read"


def test_what_would_run_in_a_tables_place_is_refused(tmp_path: Path) -> None:
    """A view that never ends would hang the import."""
    path = second(tmp_path / "x.db", supervised(10.0, 1.5))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE measurement RENAME TO mine")
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        connection.execute(f"CREATE VIEW measurement AS {endless} SELECT mine.* FROM mine, n")

    with pytest.raises(PlanError) as caught:
        umlaut.read(path)

    assert str(caught.value) == (
        "import: x.db is no database of the UMLAUT suite: its measurement is no plain table"
    )


def test_a_value_of_thirty_megabytes_is_listed(tmp_path: Path) -> None:
    """It costs its own row; the others are read."""
    rows = supervised(10.0, 1.5)
    path = second(tmp_path / "x.db", rows)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE measurement SET measurement_data = ? WHERE id = 1", ("x" * 30_000_000,))

    found = umlaut.read(path)

    assert list(found.unread["reason"]) == ["its value is longer than 16,777,216 characters"]
    assert len(found.records) == 1


@pytest.mark.parametrize(
    "column", ["uuid", "measurement_description", "measurement_type", "measured_method_name"]
)
def test_a_name_of_thirty_megabytes_is_listed(tmp_path: Path, column: str) -> None:
    """It costs its own row; no table or report gets a name that it can't show."""
    path = second(tmp_path / "x.db", supervised(10.0, 1.5))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE measurement SET {column} = ? WHERE id = 1", ("x" * 30_000_000,))
        connection.execute("UPDATE benchmark_metadata SET meta_name = ?", ("y" * 30_000_000,))

    found = umlaut.read(path)

    assert list(found.unread["reason"]) == ["one of its names is longer than 10,000 characters"]
    assert len(found.records) == 1
    assert len(found.runs[0].name) == 10_000


def test_the_file_is_not_changed(tmp_path: Path) -> None:
    """It is opened for reading only."""
    path = second(tmp_path / "a.db", supervised(10.0, 4.0))
    before = path.read_bytes()
    path.chmod(0o400)
    umlaut.read(path)

    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["a.db"]


@given(st.integers(1, 5).flatmap(lambda n: st.lists(
    st.lists(st.integers(0, 10**6), min_size=n, max_size=n), min_size=n, max_size=n)))  # fmt: skip
def test_numpys_text_of_a_matrix_is_read_back(rows: list[list[int]]) -> None:
    """Whatever numbers of digits: numpy's text gives the same matrix as the list."""
    import numpy as np

    assert values.matrix(str(np.array(rows))) == rows
    assert values.matrix(str(np.array(rows, dtype=float))) == rows or max(map(max, rows)) > 10**5
    assert values.matrix(rows) == rows


@given(st.binary(max_size=40) | st.text(max_size=40) | st.integers() | st.floats() | st.none())
def test_any_value_is_read_or_refused(value: Any) -> None:
    """Whatever stands in a cell, the answer is data or a reason."""
    for read in (values.number, values.numbers, values.matrix, values.series, values.amount):
        with suppress(values.UnreadableError):
            assert read(values.data(value)) is not None
