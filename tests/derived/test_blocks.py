"""Trials as columns: what is derived of many at once is what is derived of each."""

from __future__ import annotations

from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic import derived
from e2e_magic.derived.blocks import Block, blocks
from e2e_magic.record import Events, Record, Series
from e2e_magic.storage import Store
from e2e_magic.views import frames

_START = datetime(2026, 8, 1, tzinfo=UTC)
_NUMBERS = st.one_of(
    st.floats(0, 1e6),
    st.integers(0, 1000),
    st.sampled_from([0.0, 1e308, 1e-308, float("nan"), float("inf"), 2**53, 2**60]),
)
_POSITIVE = st.floats(1e-3, 1e6)
_READ = ("wall_time_s", "cpu_time_s", "rss_start_mib", "rss_end_mib", "package_energy_j", "dram_energy_j")
_POWER = {"idle_w": 10.0, "full_w": 50.0, "cores": 4}
_readings = st.one_of(
    st.fixed_dictionaries(dict.fromkeys(_READ[:4], _POSITIVE), optional={"samples": st.integers(0, 9)}),
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(_READ, _NUMBERS)
        | {
            "samples": st.integers(0, 9),
            "peak_rss_mib": st.one_of(_NUMBERS, st.just("much")),
            "energy_source": st.just("rapl"),
            "widgets": st.one_of(st.integers(-9, 9), st.text(max_size=3), st.booleans()),
            "cpu_percent": _POSITIVE,
        },
    ),
)
_quality = st.one_of(
    _NUMBERS.filter(lambda value: value < 2**53 or value != value),
    st.lists(_POSITIVE, min_size=1, max_size=3),
)
_reported = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"entries": st.integers(1, 1000), "loss": st.floats(0, 9)}),
    st.fixed_dictionaries(
        {},
        optional={
            "entries": st.sampled_from([0, 1, 1000, 2**53, 2.5]),
            "loss": _quality,
            "accuracy": _quality,
            "target_accuracy": st.just(0.5),
            "estimate_power": st.sampled_from([_POWER, {**_POWER, "idle_w": 12.0}]),
            "carbon_g_per_kwh": st.sampled_from([100, 380.5]),
            "baseline_power": st.sampled_from([{"package_w": 3.0}, {"package_w": 3.0, "dram_w": 1.0}]),
        },
    ),
)
_EVENTS = Events(array("d", [1.0, 2.0]), array("d", [1.0, 2.0]), {"accuracy": array("d", [0.4, 0.6])})
_CURVE = Series.of([0.1, 0.2], [5.0, 7.0])
_trial = st.builds(
    lambda readings, reported, params, events, series, error: Record(
        "r1", "train", 1, 1, "complete", _START, readings=readings, reported=reported, params=params,
        events=events, series=series, error=error, sweep="s" if params else None, host="h",
    ),
    _readings,
    _reported,
    st.sampled_from([{}, {"lr": 0.1}, {"lr": 1, "layers": [8, 8]}, {"lr": None}]),
    st.sampled_from([Events(), Events(), _EVENTS]),
    st.sampled_from([{}, {"rss_mib": _CURVE}, {"package_power_w": _CURVE}]),
    st.sampled_from([None, "ValueError: no\ud800"]),
)  # fmt: skip
_trials = st.lists(_trial, min_size=1, max_size=12).map(
    lambda found: [
        replace(record, trial=n + 1, started_at=_START + timedelta(seconds=n))
        for n, record in enumerate(found)
    ]
)


def _one_by_one(records: list[Record]) -> pd.DataFrame:
    """Return the frame with each trial derived by itself."""
    block = Block.of(records)
    return frames.results([replace(block, alone=[True] * len(records))])


def _same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=True, check_categorical=True)
    assert one.attrs == other.attrs


@settings(deadline=None, max_examples=80)
@given(_trials)
def test_many_trials_at_once_give_the_frame_of_each_by_itself(records: list[Record]) -> None:
    """Columns, their order and types, every bit of every number, and the units are equal."""
    _same(frames.results(records), _one_by_one(records))


@settings(deadline=None, max_examples=60)
@given(_trials)
def test_the_blocks_of_a_store_give_the_frame_of_its_records(records: list[Record]) -> None:
    """What is read as columns is what is read as records, whatever was reported."""
    with Store(":memory:") as store:
        store.append(records)
        stored = store.records()
        _same(frames.results(store.blocks()), _one_by_one(stored))
        assert [record.trial for block in store.blocks() for record in block.records(range(len(block)))] == [
            record.trial for record in records
        ]


def test_a_trial_of_whose_curve_nothing_follows_is_read_again() -> None:
    """Once its curve has been looked at nothing is known of it, and that is remembered too."""
    curve = {"package_power_w": Series(array("d", [0.1, 0.2]), array("d", [5.0, 7.0]))}
    with Store(":memory:") as store:
        store.append(Record("r1", "train", 1, 1, "complete", _START, series=curve))

        assert [len(block) for _ in range(2) for block in store.blocks()] == [1, 1]


@settings(deadline=None, max_examples=60)
@given(_trials)
def test_each_number_is_the_one_derived(records: list[Record]) -> None:
    """The cells of plain numbers are those of `derive`, or what was read in their place."""
    made = frames.results(records)
    for n, record in enumerate(records):
        found = {**derived.derive(record).values, **record.readings}
        for name in (
            "cpu_percent",
            "latency_s",
            "throughput_per_s",
            "loss",
            "estimated_energy_j",
            "mean_power_w",
        ):
            cell, expected = made[name][n], found.get(name, float("nan"))
            assert cell == expected or (cell != cell and expected != expected)


def test_trials_alike_are_not_derived_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of trials with entries, losses, settings and without logs, none is looked at by itself."""
    record = Record(
        "r1", "train", 1, 1, "complete", _START,
        readings={"wall_time_s": 2.0, "cpu_time_s": 1.0, "package_energy_j": 3.0, "samples": 4},
        reported={"entries": 10, "loss": 0.5, "accuracy": 1, "carbon_g_per_kwh": 360}
        | {"estimate_power": _POWER},
        series={"rss_mib": _CURVE},
    )  # fmt: skip
    records = [replace(record, trial=n + 1) for n in range(5000)]

    def refuse(_: Record) -> Any:
        raise AssertionError("derived one by one")

    monkeypatch.setattr(derived, "derive", refuse)
    made = frames.results(records)
    assert set(made["latency_s"]) == {0.2}
    assert set(made["mean_power_w"]) == {1.5}
    assert set(made["co2_g"]) == {3.0 / 3.6e6 * 360}
    assert set(made["estimated_energy_j"]) == {30.0}
    assert set(made["best_accuracy"]) == {1.0}


def test_records_and_blocks_come_in_one_order() -> None:
    """Records around a block stay where they are, and what is empty gives none."""

    def record(n: int) -> Record:
        return Record("r1", "train", n, 1, "complete", _START, readings={"wall_time_s": float(n)})

    mixed = [record(1), Block.of([record(2), record(3)]), record(4), record(5)]
    assert list(frames.results(mixed)["trial"]) == [1, 2, 3, 4, 5]
    assert list(frames.results(mixed)["wall_time_s"]) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [len(block) for block in blocks(mixed)] == [1, 2, 2]
    assert list(blocks([])) == []
