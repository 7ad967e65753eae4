"""Pruning: a trial that is behind the others, by what it logs, is ended by one of Optuna's pruners.

The pruner sits where the sweep is; a trial reports each value of the target to it, and is told whether to go
on. What a value travels over is the engine's affair: it hands the trial a `Report`.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from e2e_magic.derived.declarations import TARGETS
from e2e_magic.measuring.ending import Pruned
from e2e_magic.record import Record
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space.search import import_optuna
from e2e_magic.text import counted

# Reports that the trial of a turn logged a row of such values, and returns whether the trial is to end.
Report = Callable[[int, Mapping[str, float]], bool]
_LOGGED = TARGETS[:-1]


class Pruner:
    """Judges the trials of one sweep by the values that they log. Any thread may use it.

    A trial's n-th value of the target is compared with the n-th of those before it. Trials that ended count
    with what they logged.

    Parameters
    ----------
    plan : SweepPlan
    maximizes : callable
        Returns, for the name of a metric, whether more of it is better.
    """

    def __init__(self, plan: SweepPlan, maximizes: Callable[[str], bool]) -> None:
        optuna = import_optuna(f"prune: {plan.prune}", "or leave it out")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._states = optuna.trial.TrialState
        self._how = plan.prune
        self._target = plan.target
        self._maximizes = maximizes
        self._lock = threading.Lock()
        self._trials: dict[int, tuple[Any, int]] = {}
        pruner = optuna.pruners.MedianPruner() if plan.prune == "median" else optuna.pruners.HyperbandPruner()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # Hyperband divides trials by the study's name and their number: each sweep alike.
            self._study = optuna.create_study(
                study_name="sweep", sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner
            )

    def say_unheard(self, warn: Callable[[str], None]) -> None:
        """Say so where no trial has logged the target."""
        if not self._study.trials:
            target = self._target or "any of " + ", ".join(_LOGGED)
            warn(f"prune: no trial logged {target}, so none was pruned; log(..) it once per epoch")

    def report(self, turn: int, row: Mapping[str, float]) -> bool:
        """Take a row that the trial of a turn logged; return whether that trial is to end."""
        with self._lock:
            if self._target is None:
                self._target = next((name for name in _LOGGED if name in row), None)
            value = row.get(self._target or "")
            if value is None or value != value:  # NaN: it may come back; what diverged is for its code to end
                return False
            trial, count = self._trials.get(turn) or (self._study.ask(), 0)
            self._trials[turn] = trial, count + 1
            trial.report(-value if self._maximizes(self._target or "") else value, count + 1)
            return bool(trial.should_prune())

    def ended(self, turn: int, record: Record) -> None:
        """Learn how the trial of a turn ended: what it logged counts for those after it."""
        with self._lock:
            trial, count = self._trials.pop(turn, (None, 0))
            if trial is None:
                return
            if record.state == "complete":
                values = self._study.trials[trial.number].intermediate_values
                self._study.tell(trial, values[count])
            else:
                pruned = record.state == "pruned"
                self._study.tell(trial, state=self._states.PRUNED if pruned else self._states.FAIL)


def judging(turn: int, report: Report) -> Callable[[dict[str, float]], None]:
    """Return what takes each row that a trial logs; it raises `Pruned` in the code of one that is to end."""
    logged = 0

    def judge(row: dict[str, float]) -> None:
        nonlocal logged
        logged += 1
        if report(turn, row):
            raise Pruned(f"after {counted(logged, 'row')} of log(..) it was behind the trials before it")

    return judge
