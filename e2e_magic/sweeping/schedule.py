"""What a sweep runs next: combinations, their repeats, what was done before, and how far it is."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e_magic import derived
from e2e_magic.record import Better, Code, Reason, Record, encode, named
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space.search import make_search

_NOTHING: Mapping[str, Any] = {}
# What ended a trial of which nothing came back.
DIED = Reason(Code.WORKER_DIED, "WorkerDied: the worker process ended in the middle of this trial")
STOPPED = Reason(Code.STOPPED, "KeyboardInterrupt: the sweep was stopped")
# What a sweep is about, where nobody says.
_USUAL_TARGETS = ("loss", "accuracy", "wall_time_s")


def died(record: Record) -> bool:
    """Tell whether this is the row of a trial that its worker did not survive, which has been said."""
    return any(reason.code == Code.WORKER_DIED for reason in record.missing.values())


def key_of(params: Mapping[str, Any]) -> str:
    """Return a text that is equal for equal parameters, also after a round trip through a store."""
    return json.dumps(encode(params), sort_keys=True, allow_nan=False)


def worded(params: Mapping[str, Any]) -> str:
    """Write parameters for people: ``lr=0.1, batch_size=16``."""
    return ", ".join(f"{name}={_short(value)}" for name, value in params.items())


def _short(value: Any) -> str:
    found = named(value)
    text = f"{value:.6g}" if isinstance(value, float) else found if found is not value else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


class Goal:
    """The metric that a sweep is about and which direction is better.

    Parameters
    ----------
    target : str or None
        None for the first of loss, accuracy and wall time that the first complete trial has.
    maximize : bool or None
        None for what the metric says.
    better : mapping
        What the metrics say.
    """

    def __init__(
        self, target: str | None, maximize: bool | None, better: Mapping[str, Better | None]
    ) -> None:
        self.name = target
        self._maximize = maximize
        self._better = better

    @property
    def maximize(self) -> bool:
        """Whether more is better."""
        if self._maximize is not None:
            return self._maximize
        return self.name is not None and self._better.get(self.name) == "higher"

    def value(self, record: Record) -> float | None:
        """Return the metric of a complete trial; None where there is none."""
        if record.state != "complete":
            return None
        values = {**derived.derive(record).values, **record.readings}
        if self.name is None:
            self.name = next(name for name in _USUAL_TARGETS if name in values or name == _USUAL_TARGETS[-1])
        found = values.get(self.name)
        return None if found is None or isinstance(found, str) else float(found)

    def cost(self, value: float) -> float:
        """Return the value so that lower is better."""
        return -value if self.maximize else value


@dataclass
class Turn:
    """One measured execution to come, with the warm-ups before it.

    Attributes
    ----------
    number : int
        Its place in the sweep, from 1; the same for the same line, also when resumed.
    params : mapping
    repeat : int
        From 1.
    warmups : int
        Executions to throw away first.
    trial : int
        The trial's number in the run, 0 until it starts.
    tries : int
        How often it was started.
    """

    number: int
    params: Mapping[str, Any]
    repeat: int
    warmups: int
    trial: int = 0
    tries: int = 0

    @property
    def label(self) -> str:
        """``trial 3: lr=0.1``."""
        return f"trial {self.trial}: {worded(self.params)}"


@dataclass
class Progress:
    """How far a sweep is; read by whoever shows it.

    Attributes
    ----------
    total : int
        Trials of the whole sweep, those skipped by ``resume`` included.
    done, failed, skipped, running : int
        Trials that ended (the failed ones too), that failed, that were there before, that run now.
    retried : int
        Times that a trial was tried once more, as its worker had died: each has a row of its own.
    best : Record or None
        The best complete trial.
    best_value : float or None
        Its value of the target.
    target : str or None
        The metric that the sweep is about, None until it is known.
    """

    total: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    running: int = 0
    retried: int = 0
    best: Record | None = None
    best_value: float | None = None
    target: str | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    @property
    def left(self) -> int:
        """Trials that are still to come or running."""
        return max(self.total - self.done - self.skipped, 0)

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest will take at the pace so far; None before the first trial has ended."""
        return self.elapsed_s / self.done * self.left if self.done else None


class Schedule:
    """Gives turns and learns from their records. May be asked from any thread."""

    def __init__(
        self,
        plan: SweepPlan,
        finished: Iterable[Record] = (),
        better: Mapping[str, Better | None] = _NOTHING,
    ) -> None:
        self.plan = plan
        self.goal = Goal(plan.target, plan.maximize, better)
        self.progress = Progress(plan.total)
        self.learns = plan.search == "tpe"
        # What was complete before and is left out now.
        self.skipped: list[Record] = []
        self._lock = threading.RLock()
        # What is told is a cost, lower is better, whichever metric it turns out to be.
        self._search = make_search(plan.space, plan.search, plan.trials, plan.seed, shuffle=plan.shuffle)
        self._before: dict[str, list[Record]] = defaultdict(list)
        for record in finished:
            self._before[key_of(record.params)].append(record)
        self._given: dict[str, int] = defaultdict(int)
        self._costs: dict[int, list[float]] = {}
        self._open: dict[int, tuple[Mapping[str, Any], int]] = {}
        self._waiting: list[Turn] = []
        self._again: list[Turn] = []
        self._number = 0

    def next(self) -> Turn | None:
        """Return the next turn; None when there is none (while a search learns: none for now)."""
        with self._lock:
            if self._again:
                return self._again.pop(0)
            while not self._waiting:
                params = self._search.ask()
                if params is None:
                    return None
                self._plan_combination(params)
            return self._waiting.pop(0)

    def again(self, turn: Turn) -> None:
        """Give this turn out once more, before all others."""
        with self._lock:
            self._again.append(turn)

    def tell(self, turn: Turn, record: Record) -> None:
        """Take what a turn came to."""
        with self._lock:
            self._note(record)
            self._learn(turn.params, record)

    def _plan_combination(self, params: Mapping[str, Any]) -> None:
        key = key_of(params)
        self._open[id(params)] = (params, self.plan.plan.repeat)
        self._costs[id(params)] = []
        for _ in range(self.plan.plan.repeat):
            self._number += 1
            self._given[key] += 1
            if self._given[key] <= len(self._before[key]):
                self.progress.skipped += 1
                record = self._before[key][self._given[key] - 1]
                self.skipped.append(record)
                self._best(record)
                self._learn(params, record)
                continue
            first = not any(turn.params is params for turn in self._waiting)
            warmups = self.plan.plan.warmup if first else 0
            self._waiting.append(Turn(self._number, params, self._given[key], warmups))

    def _note(self, record: Record) -> None:
        self.progress.done += 1
        self.progress.failed += record.state == "failed"
        self._best(record)

    def _best(self, record: Record) -> None:
        value = self.goal.value(record)
        self.progress.target = self.goal.name
        if value is None or value != value:
            return
        best = self.progress.best_value
        if best is None or self.goal.cost(value) < self.goal.cost(best):
            self.progress.best, self.progress.best_value = record, value

    def _learn(self, params: Mapping[str, Any], record: Record) -> None:
        value = self.goal.value(record)
        if value is not None:
            self._costs[id(params)].append(self.goal.cost(value))
        _, left = self._open[id(params)]
        self._open[id(params)] = (params, left - 1)
        if left == 1:  # the last repeat: their median counts
            costs = self._costs.pop(id(params))
            del self._open[id(params)]
            self._search.tell(params, statistics.median(costs) if costs else None)
