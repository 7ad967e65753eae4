from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.record import Code, Reason, Run, Series, decode, encode, sentences
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


@given(strategies.reasons)
def test_a_reason_survives_json(reason: Reason) -> None:
    """Each part comes back, whatever it holds."""
    assert Reason.of(through_json(reason.plain())) == reason


def test_a_reason_in_words() -> None:
    """What is the case and what to do; one without a next step is its sentence, here and in a store."""
    assert str(Reason("", "no counters")) == "no counters" == Reason("", "no counters").plain()
    reason = Reason(Code.NO_ENERGY_COUNTER, "no counters", "buy some")
    assert str(reason) == "no counters; buy some"
    assert reason.plain() == {"code": "no energy counter", "text": "no counters", "remedy": "buy some"}
    assert sentences({"energy": reason}) == {"energy": "no counters; buy some"}


def test_a_reason_of_an_older_store_is_its_sentence() -> None:
    """A plain sentence is read as a reason without a code; a reason is taken as it is."""
    assert Reason.of("no counters; buy some") == Reason("", "no counters; buy some")
    assert Reason.of(Reason("x", "y")) == Reason("x", "y")


def test_a_reason_on_a_card_is_short() -> None:
    """A next step of several commands stands where there is room."""
    assert Reason("x", "closed", "sudo " * 60).brief == Reason("x", "closed", "%e2e metrics shows what to do")
    assert Reason("x", "closed", "open it").brief == Reason("x", "closed", "open it")


def test_numpy_scalars_become_plain() -> None:
    """Numbers of numpy are stored as Python's."""
    data = {"a": np.float32(0.5), "b": np.int64(3), "c": np.array([1.0, np.nan]), "d": np.bool_(True)}

    assert same({"a": 0.5, "b": 3, "c": [1.0, math.nan], "d": True}, decode(through_json(encode(data))))


def test_a_series_needs_as_many_times_as_values() -> None:
    """The error gives both numbers."""
    with pytest.raises(ValueError, match=r"^a series needs as many times as values, got 2 and 1$"):
        Series.of([0, 1], [0])


def test_a_run_shows_itself_in_one_line() -> None:
    """As text and as the last value of a cell."""
    from IPython.lib.pretty import pretty

    run = Run("a1b2c3", "lightgbm", datetime(2026, 1, 1, tzinfo=UTC))

    assert str(run) == pretty(run) == "run lightgbm (a1b2c3), started 2026-01-01 00:00:00 UTC"
