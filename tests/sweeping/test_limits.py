"""The limit of a trial: what is read, what is refused, what is said of a trial over it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.measuring.checks import PlanError
from e2e_magic.sweeping.limits import Limit, LimitKind, resident_mib

KIND = LimitKind("float, str or tuple")


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ("60s,8GiB", Limit(60, 8192)),
        ("8GiB, 1min", Limit(60, 8192)),
        ("1.5h", Limit(5400)),
        ("250ms", Limit(0.25)),
        ("512mib", Limit(None, 512)),
        ("1GB", Limit(None, 1e9 / 2**20)),
        (90, Limit(90)),
        ((0.5, "100MiB"), Limit(0.5, 100)),
        (None, None),
    ],
)
def test_what_is_a_limit(written: Any, limit: Limit | None) -> None:
    """Times and sizes with their units, one of each at most; a bare number is seconds."""
    assert KIND.check("trial_limit", written) == limit


@pytest.mark.parametrize("written", ["", "soon", "0s", "-3", "5s,6s", "1GiB,2GiB", "8 GX", True, (), [None]])
def test_what_is_no_limit(written: Any) -> None:
    """The sentence says what is allowed."""
    with pytest.raises(PlanError) as caught:
        KIND.check("trial_limit", written)

    assert str(caught.value) == (
        f"trial_limit: expected seconds, a size or both, such as 60s, 8GiB or 60s,8GiB, got {written!r}"
    )


@given(st.floats(0.001, 1e6), st.floats(1, 1e7) | st.none())
def test_a_limit_is_read_as_it_is_written(seconds: float, mib: float | None) -> None:
    """What a panel writes on its line means the same there."""
    limit = Limit(float(f"{seconds:g}"), None if mib is None else float(f"{mib:g}"))

    assert KIND.check("trial_limit", KIND.write(limit)) == limit


def test_where_memory_can_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that nobody can keep is refused."""
    monkeypatch.setattr("e2e_magic.sweeping.limits._STATM", "/proc/{pid}/none")
    with pytest.raises(PlanError, match=re.escape("give seconds alone")):
        KIND.check("trial_limit", "60s,8GiB")

    assert resident_mib() is None


def test_what_is_over() -> None:
    """Time is over at the limit, memory above it."""
    limit = Limit(2, 100)

    assert limit.exceeded(1.9, 100) is None
    assert str(limit.exceeded(2.0, 5)) == "it took 2 s, and the limit is 2 s"
    assert str(limit.exceeded(0.1, 101)) == "it held 101 MiB of memory, and the limit is 100 MiB"
