"""Which trials are selected: the four options that every frame, chart, report and export takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record, Run

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which trials: all of this kernel where nothing is set. A filter never widens.

    Attributes
    ----------
    run : str or None
        Only those of this run, by name or id.
    stage : str or None
        Only those of this stage.
    since : datetime or None
        Only those that started then or later; timezone-aware.
    everything : bool
        Those of the whole store too. `Reader.resolve` sets it for a run that only the store has.
    """

    run: str | None = None
    stage: str | None = None
    since: datetime | None = None
    everything: bool = False

    @classmethod
    def of(
        cls,
        *,
        run: str | None = None,
        stage: str | None = None,
        all: bool = False,  # noqa: A002 - the user's word
        since: object = None,
    ) -> Selection:
        """Return the selection that keyword arguments or a line's options name; see `moment` for `since`."""
        return cls(run, stage, None if since is None else moment(since), all)

    def is_of(self, run: Run) -> bool:
        """Return whether the trials of a run may be selected."""
        return self.run is None or self.run in (run.id, run.name)

    def takes(self, record: Record) -> bool:
        """Return whether a trial's stage and time are selected; of its run only the id is available here."""
        return (self.stage is None or record.stage == self.stage) and (
            self.since is None or record.started_at >= self.since
        )


HERE = Selection()
WHOLE_STORE = Selection(everything=True)


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
