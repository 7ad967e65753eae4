"""How a trial's record is kept that came back from another machine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from e2e_magic.api.sweeps import open_sweep
from e2e_magic.measuring.identity import Identity
from e2e_magic.measuring.plan import Plan
from e2e_magic.session import Session
from e2e_magic.sweeping.endings import Running
from e2e_magic.sweeping.jobs import FunctionJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.space import Space


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1), timedelta(0)])
def test_a_trial_has_begun_between_its_sending_and_its_return(session: Session, ahead: timedelta) -> None:
    """Whatever the clock of its worker says; where the clocks agree, its own is exact."""
    plan = SweepPlan(plan=Plan(stage="t", metrics=("cpu",)), space=Space.of({"x": [3]}), engine="kernel")
    sent = datetime.now(UTC)
    (record,) = open_sweep(session, plan, FunctionJob(lambda x: {"loss": x})).run()
    running = Running(Turn(1, {"x": 3}, 1, 0), Identity(run=record.run, trial=record.trial), since=sent)

    kept = running.returned(replace(record, started_at=record.started_at + ahead), None)

    assert sent <= kept.started_at <= datetime.now(UTC)
    if not ahead:
        assert kept.started_at == record.started_at
