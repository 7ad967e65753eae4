"""What a sweep runs next: combinations, their repeats, what was done before, and how far it is."""

from __future__ import annotations

import json
import secrets
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e_magic import derived
from e2e_magic.derived.declarations import TARGETS, better_of
from e2e_magic.record import Better, Record, encode, named
from e2e_magic.sweeping.order import arranged
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space.search import make_search
from e2e_magic.sweeping.values import CONTENTS, Digests
from e2e_magic.text import counted, shorten

_NOTHING: Mapping[str, Any] = {}
_LONGEST_ERROR = 80


def key_of(params: Mapping[str, Any], contents: Mapping[str, Mapping[str, str]] = _NOTHING) -> str:
    """Return a text that is equal for equal parameters, also after a round trip through a store.

    `contents` has the digests of those that don't stand for themselves: see `values.Digests`.
    """
    keys = {n: ("digest", contents[n]["digest"]) if n in contents else value for n, value in params.items()}
    return json.dumps(encode(keys), sort_keys=True, allow_nan=False)


def worded(params: Mapping[str, Any]) -> str:
    """Write parameters for people: ``lr=0.1, batch_size=16``."""
    return ", ".join(f"{name}={_short(value)}" for name, value in params.items())


def _short(value: Any) -> str:
    name = named(value)
    text = f"{value:.6g}" if isinstance(value, float) else name if name is not value else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


class Goal:
    """The metric that a sweep is about and which direction is better.

    Parameters
    ----------
    target : str or None
        None for the first of `declarations.TARGETS` that the first complete trial has.
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
        return self.maximizes(self.name)

    def maximizes(self, name: str | None) -> bool:
        """Return whether more is better of the metric of this name, were it the target."""
        if self._maximize is not None:
            return self._maximize
        if name is None:
            return False
        return (self._better.get(name) or better_of(name)) == "higher"

    def value(self, record: Record) -> float | None:
        """Return the metric of a complete trial; None where there is none."""
        if record.state != "complete":
            return None
        values = {**derived.derive(record).values, **record.readings}
        if self.name is None:
            self.name = next(name for name in TARGETS if name in values or name == TARGETS[-1])
        number = values.get(self.name)
        return None if number is None or isinstance(number, str) else float(number)

    def last(self, record: Record) -> float | None:
        """Return the last value of the metric that a trial logged; None where it logged none."""
        logged = record.events.values.get(self.name or "", ())
        return next((value for value in reversed(logged) if value == value), None)

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
    cut : Counter
        How many were pruned or over their limit, by state.
    retried : int
        Times that a trial was tried once more, as its worker had died: each has a row of its own.
    best : Record or None
        The best complete trial.
    best_value : float or None
        Its value of the target.
    target : str or None
        The metric that the sweep is about; None until it is chosen.
    """

    total: int
    done: int = 0
    failed: int = 0
    cut: Counter[str] = field(default_factory=Counter)
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
    """Hands out turns and learns from their records. Any thread may use it."""

    def __init__(
        self,
        plan: SweepPlan,
        finished: Iterable[Record] = (),
        better: Mapping[str, Better | None] = _NOTHING,
        digests: Digests | None = None,
    ) -> None:
        self.plan = plan
        self._digests = digests or Digests()
        self.goal = Goal(plan.target, plan.maximize, better)
        self.progress = Progress(plan.total)
        self.learns = plan.search == "tpe"
        # What was complete before and is left out now.
        self.skipped: list[Record] = []
        self._lock = threading.RLock()
        # The search receives a cost, lower is better, whichever metric it turns out to be.
        self._search = make_search(
            plan.space, plan.search, plan.trials, plan.seed, shuffle=plan.order == "shuffle"
        )
        self._before: dict[str, list[Record]] = defaultdict(list)
        for record in finished:
            self._before[key_of(record.params, record.reported.get(CONTENTS, {}))].append(record)
        self._given: dict[str, int] = defaultdict(int)
        self._costs: dict[int, list[float]] = {}
        self._open: dict[int, tuple[Mapping[str, Any], int]] = {}
        self._mixed: Iterator[Mapping[str, Any]] | None = None
        self._warmed: set[int] = set()
        self._waiting: list[Turn] = []
        self._again: list[Turn] = []
        self._number = 0
        self._errors: Counter[str] = Counter()

    def next(self) -> Turn | None:
        """Return the next turn; None when there is none (while a search learns: none for now)."""
        with self._lock:
            if self._again:
                return self._again.pop(0)
            while not self._waiting:
                if not self._plan_more():
                    return None
            return self._waiting.pop(0)

    def again(self, turn: Turn) -> None:
        """Queue a turn to be handed out once more, before all others."""
        with self._lock:
            self._again.append(turn)

    def tell(self, turn: Turn, record: Record) -> None:
        """Record the result of a turn."""
        with self._lock:
            value = self.goal.value(record)
            self._note(record, value)
            self._learn(turn.params, record, value)

    def limit_reached(self) -> str:
        """Return which limit of the plan ends the sweep, in words; empty where none does."""
        budget, most = self.plan.budget, self.plan.fail_after
        if budget is not None and self.progress.elapsed_s >= budget:
            return f"the budget of {budget:g} s is used up"
        with self._lock:
            [(error, count)] = self._errors.most_common(1) or [("", 0)]
        if most is not None and count >= most:
            return f"{counted(count, 'trial')} failed with the same error ({shorten(error, _LONGEST_ERROR)})"
        return ""

    def _plan_more(self) -> bool:
        """Plan the next combination with its repeats, or the next of mixed repeats; False for none."""
        repeats = self.plan.plan.repeat
        if repeats == 1 or self.plan.order == "sequential":
            if (params := self._search.ask()) is None:
                return False
            self._begin(params)
            for _ in range(repeats):
                self._plan_turn(params)
            return True
        if self._mixed is None:
            self._mixed = self._mix()
        if (params := next(self._mixed, None)) is None:
            return False
        self._plan_turn(params)
        return True

    def _mix(self) -> Iterator[Mapping[str, Any]]:
        """Yield each combination as often as it is repeated, in the plan's order."""
        combinations = list(iter(self._search.ask, None))
        for params in combinations:
            self._begin(params)
        seed: int | None = self.plan.seed
        if self.plan.order == "balanced" and seed is None:
            seed = secrets.randbits(32)  # measured again, a disturbance with a period meets another order
        repeats = self.plan.plan.repeat
        for place in arranged(str(self.plan.order), len(combinations), repeats, seed or 0):
            yield combinations[place]

    def _begin(self, params: Mapping[str, Any]) -> None:
        self._open[id(params)] = (params, self.plan.plan.repeat)
        self._costs[id(params)] = []

    def _plan_turn(self, params: Mapping[str, Any]) -> None:
        key = key_of(params, self._digests.of(params))
        self._number += 1
        self._given[key] += 1
        if self._given[key] <= len(self._before[key]):
            self.progress.skipped += 1
            record = self._before[key][self._given[key] - 1]
            self.skipped.append(record)
            value = self.goal.value(record)
            self._best(record, value)
            self._learn(params, record, value)
            return
        warmups = 0 if id(params) in self._warmed else self.plan.plan.warmup
        self._warmed.add(id(params))
        self._waiting.append(Turn(self._number, params, self._given[key], warmups))

    def _note(self, record: Record, value: float | None) -> None:
        self.progress.done += 1
        self.progress.failed += record.state == "failed"
        if record.state in ("over limit", "pruned"):
            self.progress.cut[record.state] += 1
        if record.state == "failed" and record.error is not None:
            self._errors[record.error] += 1
        self._best(record, value)

    def _best(self, record: Record, value: float | None) -> None:
        self.progress.target = self.goal.name
        if value is None or value != value:
            return
        best = self.progress.best_value
        if best is None or self.goal.cost(value) < self.goal.cost(best):
            self.progress.best, self.progress.best_value = record, value

    def _learn(self, params: Mapping[str, Any], record: Record, value: float | None) -> None:
        if record.state == "pruned":
            value = self.goal.last(record)
        if value is not None:
            self._costs[id(params)].append(self.goal.cost(value))
        _, left = self._open[id(params)]
        self._open[id(params)] = (params, left - 1)
        if left == 1:  # the last repeat: their median counts
            costs = self._costs.pop(id(params))
            del self._open[id(params)]
            self._warmed.discard(id(params))
            cost = statistics.median(costs) if costs else None
            self._search.tell(params, cost, pruned=record.state == "pruned")
