from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.record import RECORD_VERSION, Record, Run, Series, decode, encode
from tests import strategies


def same(one: Any, other: Any) -> bool:
    """Compare plain data in which NaN is NaN, and 1, 1.0 and True are different things."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (one, math.copysign(1, one)) == (
            other,
            math.copysign(1, other),
        )
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(a, b) and same(x, y) for (a, x), (b, y) in zip(one.items(), other.items(), strict=True)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def through_json(data: Any) -> Any:
    """Write data as strict JSON and read it."""
    return json.loads(json.dumps(data, allow_nan=False))


@given(strategies.plain_data(st.none() | st.booleans() | st.integers() | strategies.words))
def test_plain_data_survives_json(value: Any) -> None:
    """NaN, infinities, tuples and keys that aren't text come back as they went."""
    assert same(value, decode(through_json(encode(value))))


@given(strategies.records(reported=st.dictionaries(strategies.words, strategies.plain_data(), max_size=3)))
def test_a_record_survives_json(record: Record) -> None:
    """Each part of a record comes back: curves with NaN, empty ones, hostile text."""
    back = Record.from_json(through_json(record.to_json()))

    for name in (
        "run",
        "stage",
        "trial",
        "repeat",
        "state",
        "error",
        "sweep",
        "source",
        "host",
        "concurrent",
    ):
        assert getattr(record, name) == getattr(back, name)
    assert record.started_at == back.started_at
    assert back.started_at.tzinfo is not None
    for name in ("params", "readings", "reported", "missing"):
        assert same(dict(getattr(record, name)), dict(getattr(back, name)))
    assert record.series.keys() == back.series.keys()
    for name, curve in record.series.items():
        assert curve.t_s.tobytes() == back.series[name].t_s.tobytes()
        assert same(list(curve.value), list(back.series[name].value))
    assert same(list(record.events.epoch), list(back.events.epoch))
    assert same(list(record.events.t_s), list(back.events.t_s))
    assert record.events.dropped == back.events.dropped
    assert same(
        {k: list(v) for k, v in record.events.values.items()},
        {k: list(v) for k, v in back.events.values.items()},
    )


def test_numpy_scalars_become_plain() -> None:
    """Numbers of numpy are stored as Python's."""
    data = {"a": np.float32(0.5), "b": np.int64(3), "c": np.array([1.0, np.nan]), "d": np.bool_(True)}

    assert same({"a": 0.5, "b": 3, "c": [1.0, math.nan], "d": True}, decode(through_json(encode(data))))


def test_a_record_of_a_newer_version_is_refused() -> None:
    """The error says which version it is and what to do."""
    with pytest.raises(ValueError, match=r"^this record has version") as caught:
        Record.from_json({"version": RECORD_VERSION + 1})

    assert str(caught.value) == (
        f"this record has version {RECORD_VERSION + 1}, but this e2e_magic reads up to {RECORD_VERSION}: "
        "update e2e_magic"
    )


def test_the_least_that_an_old_record_holds_is_read() -> None:
    """Parts that a record lacks are empty."""
    record = Record.from_json(
        {"run": "r", "stage": "s", "trial": 1, "repeat": 1, "state": "complete"}
        | {"started_at": "2026-01-01T00:00:00+00:00"}
    )

    assert record == Record("r", "s", 1, 1, "complete", datetime(2026, 1, 1, tzinfo=UTC))


def test_a_series_needs_as_many_times_as_values() -> None:
    """The error gives both numbers."""
    with pytest.raises(ValueError, match=r"^a series needs as many times as values, got 2 and 1$"):
        Series.of([0, 1], [0])


def test_a_run_shows_itself_in_one_line() -> None:
    """As text and as the last value of a cell."""
    from IPython.lib.pretty import pretty

    run = Run("a1b2c3", "lightgbm", datetime(2026, 1, 1, tzinfo=UTC))

    assert str(run) == pretty(run) == "run lightgbm (a1b2c3), started 2026-01-01 00:00:00 UTC"
