"""``--since WHEN``: a point in time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from e2e_magic.measuring.plan import PlanError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(value: object, now: datetime | None = None) -> datetime:
    """Return the time that is meant, in UTC.

    Parameters
    ----------
    value : str, date, datetime or timedelta
        An ISO date or time (local where it names no zone), or how long ago: ``7d``, ``24h``, ``30m``.
    now : datetime, optional
        Timezone-aware; the clock's time when left out.

    Raises
    ------
    PlanError
        Says what came and what is allowed.
    """
    now = now or datetime.now(UTC)
    try:
        if isinstance(value, timedelta):
            return now - value
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - local, as a person means it
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        text = str(value).strip()
        ago = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text)
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: float(ago[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PlanError(
            "since: expected a date or time such as 2026-08-01 or 2026-08-01T09:30, or how long ago, "
            f"such as 7d, 24h or 30m, got {value!r}"
        ) from None
