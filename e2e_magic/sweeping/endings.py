"""How a trial ends of which nothing came back: interrupted, its worker lost, its outcome unreadable."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from e2e_magic.measuring.ending import OverLimit
from e2e_magic.measuring.identity import Identity
from e2e_magic.measuring.left_behind import of_worker, record_of, seen_of
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Code, Reason, Record, State
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.text import error_text

DIED = Reason(Code.WORKER_DIED, "WorkerDied: the worker process ended in the middle of this trial")
STOPPED = Reason(Code.STOPPED, "KeyboardInterrupt: the sweep was stopped")
NOT_FETCHED = Reason(
    Code.STOPPED,
    "KeyboardInterrupt: the sweep was stopped before the trial's result had come from its worker",
)
_SAMPLED = "the worker process ended in this trial: what was sampled until then is known"
# Those of which the process has ended by the time that the row is made.
_ENDED = (Code.WORKER_DIED, Code.OVER_LIMIT)
_STATES: dict[str, State] = {Code.STOPPED: "interrupted", Code.OVER_LIMIT: "over limit"}

# Clocks of machines that agree differ by less.
CLOCKS_DIFFER = timedelta(seconds=1)


def died(record: Record) -> bool:
    """Return whether this record is of a trial whose worker died; the user has been warned of that."""
    return any(reason.code == Code.WORKER_DIED for reason in record.missing.values())


def death_of(turn: Turn, row: Record, *, again: bool) -> str:
    """Return the sentence for the user about a worker that died."""
    then = "it is tried once more" if again else "it is not tried again"
    seen = str(row.error).removeprefix(DIED.text).strip(" ()") or "killed, or out of memory"
    return (
        f"{turn.label}: its worker process died ({seen}); {then}. The row says failed, and the sweep goes on"
    )


@dataclass
class Running:
    """A turn that an engine has."""

    turn: Turn
    identity: Identity
    future: Any = None
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def returned(self, record: Record, source: str | None) -> Record:
        """Return a trial's record as it is kept.

        It has the parameters as they were asked for: the trial had a copy, which its code may have changed.
        By its worker's clock it may have begun before it was sent, or after it came back: it began so long
        before its return as it took, then, by this machine's.
        """
        now, began = datetime.now(UTC), record.started_at
        if not self.since - CLOCKS_DIFFER <= began <= now + CLOCKS_DIFFER:
            took = timedelta(seconds=float(record.readings.get("wall_time_s", 0.0)))
            began = max(self.since, now - took)
        identity = self.identity
        return replace(record, trial=identity.trial, params=identity.params, source=source, started_at=began)

    def unfinished(self, end: Reason, stage: str, *, here: bool) -> Record:
        """Return the row of a trial of which nothing came back, with what its sampler left `here`."""
        identity = self.identity
        row = Record(
            run=identity.run,
            stage=stage,
            trial=identity.trial,
            repeat=self.turn.repeat,
            state=_STATES.get(end.code, "failed"),
            started_at=self.since,
            error=end.text,
            sweep=identity.sweep,
            params=identity.params,
            reported=dict(identity.settings),
            missing={"wall_time_s": Reason(end.code, "nothing came back from the worker", end.remedy)},
            source=identity.source,
            host=platform.node() if here else "",
            concurrent=identity.concurrent,
        )
        left = of_worker(identity) if here and end.code in _ENDED else None
        if left is None:
            return row
        sampled, seen = record_of(left), seen_of(left)
        return replace(
            row,
            error=f"{end.text} ({seen})" if seen and end is DIED else end.text,
            started_at=sampled.started_at,
            readings=sampled.readings,
            series=sampled.series,
            missing={**sampled.missing, "cpu_time_s": Reason(end.code, _SAMPLED, end.remedy)},
        )


def unreadable(error: Exception) -> Reason:
    """Return why a trial that ended has no numbers: its outcome can't be opened in this process."""
    return Reason(
        Code.UNREADABLE,
        f"what the trial sent back can't be opened here ({type(error).__name__}: {error})",
        "install the same packages here and where the workers run",
    )


def over_limit(end: OverLimit) -> Reason:
    """Return why a trial has no numbers whose process was ended, as it was over its limit."""
    return Reason(Code.OVER_LIMIT, error_text(end), "its process didn't end the code itself, and was ended")


def cant_load(reason: BaseException) -> PlanError:
    """Return the error of workers that fail before a trial begins: their installation differs from ours."""
    why = f"{type(reason).__name__}: {' '.join(str(reason).split())[:200]}"
    return PlanError(
        f"the workers can't load what they were sent ({why}); install the same e2e-magic and the "
        "notebook's packages where they run: pip install e2e-magic",
        option="engine",
    )
