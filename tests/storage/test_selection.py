from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e2e_magic.measuring.plan import PlanError
from e2e_magic.storage.selection import moment

NOW = datetime(2026, 8, 31, 12, tzinfo=UTC)
# Hypothesis wants them without a zone.
EARLY, LATE = NOW.replace(year=1971, tzinfo=None), NOW.replace(year=2200, tzinfo=None)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30s", timedelta(seconds=30)),
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("1.5 d", timedelta(days=1.5)),
        ("2w", timedelta(days=14)),
    ],
)
def test_how_long_ago(text: str, ago: timedelta) -> None:
    """A number and a letter; a timedelta says the same."""
    assert moment(text, NOW) == NOW - ago == moment(ago, NOW)


# A slow machine is no failure.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.datetimes(EARLY, LATE), st.integers(-12, 12))
def test_a_time_with_its_zone_is_that_instant(naive: datetime, hours: int) -> None:
    """As text and as it is."""
    aware = naive.replace(tzinfo=timezone(timedelta(hours=hours)))

    assert moment(aware.isoformat(), NOW) == aware == moment(aware, NOW)
    assert moment(aware).tzinfo is UTC


def test_without_a_zone_it_is_local() -> None:
    """As a person means it."""
    assert moment("2026-08-01") == datetime(2026, 8, 1).astimezone() == moment(date(2026, 8, 1))
    assert moment("2026-08-01T09:30") == datetime(2026, 8, 1, 9, 30).astimezone()


@pytest.mark.parametrize("value", ["yesterday", "", "7", "-3d", "99999999999999d", None, 7])
def test_anything_else_is_refused(value: object) -> None:
    """With what is allowed."""
    with pytest.raises(PlanError) as caught:
        moment(value, NOW)

    assert str(caught.value) == (
        "since: expected a date or time such as 2026-08-01 or 2026-08-01T09:30, or how long ago, "
        f"such as 7d, 24h or 30m, got {value!r}"
    )
