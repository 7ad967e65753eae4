"""Notebooks measured in rounds, each run in a fresh kernel, and compared run by run: ``e2e-magic ab``."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring.inner_loop import SHORT_S
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record, Run, Value
from e2e_magic.sweeping.order import blocks
from e2e_magic.text import legible

if TYPE_CHECKING:
    from e2e_magic.views.comparison import Comparison

WHOLE = "all cells"
# Of a whole notebook its cells' sum, and of the peak the highest.
_SUMMED = (
    "wall_time_s", "cpu_time_s", "read_mib", "write_mib", "package_energy_j", "dram_energy_j", "gpu_energy_j",
    "waited_s",
)  # fmt: skip
_HIGHEST = ("peak_rss_mib", "gpu_peak_memory_mib")


@dataclass(slots=True)
class Rounds:
    """The outcome of the rounds.

    Attributes
    ----------
    runs : dict of str to list of Run
        By the notebook's name.
    trials : list of Record
        Of all kernels; the run of each is the notebook's name, its sweep is `WHOLE` and its repeat the round.
    problem : str
        What ended them early, in a sentence; empty where nothing did.
    """

    runs: dict[str, list[Run]] = field(default_factory=dict)
    trials: list[Record] = field(default_factory=list)
    problem: str = ""

    def compared(self, **options: Any) -> Comparison:
        """Compare the notebooks with the first one, round by round; `options` of `views.comparison.compare`.

        Each run counts once: several trials of a stage in one run by their median. Stages that never took a
        millisecond (imports done before, a constant) are left out unless they are named: of many comparisons
        each must be surer to be claimed.
        """
        from e2e_magic.views import frames
        from e2e_magic.views.comparison import compare

        names = {name: name for name in self.runs}
        trials = self.trials
        left_out: list[str] = []
        if options.get("stage") is None:
            slowest: dict[str, float] = {}
            for record in trials:
                wall = float(record.readings.get("wall_time_s", 0.0))
                slowest[record.stage] = max(wall, slowest.get(record.stage, 0.0))
            left_out = [stage for stage, wall in slowest.items() if wall < SHORT_S]
            if len(left_out) < len(slowest):
                trials = [record for record in trials if record.stage not in left_out]
        comparison = compare(
            frames.results(trials, names),
            lambda: frames.epochs(trials, names),
            list(names),
            **{"baseline": next(iter(names)), "environments": self.runs, **options},
        )
        if len(trials) < len(self.trials):
            listed = ", ".join(map(legible, left_out))
            comparison.notes += (f"shorter than 1 ms and left out: {listed}; --stage compares one",)
        return comparison


class NotebookRounds:
    """Execute notebooks in rounds, each of them once a round in a kernel of its own, in balanced order.

    Parameters
    ----------
    notebooks : sequence of Path
        Two or more; none is changed.
    rounds : int
    store : str, optional
        Where trials are kept; the default store beside the first notebook when left out.
    kernel, timeout
        As of `NotebookRun`.
    say : callable, optional
        Takes a sentence before each run.

    Raises
    ------
    PlanError
        If there are too few notebooks, or one can't be read.
    """

    def __init__(
        self,
        notebooks: Sequence[Path],
        *,
        rounds: int,
        store: str | None = None,
        kernel: str | None = None,
        timeout: float | None = None,
        say: Callable[[str], object] = lambda _: None,
    ) -> None:
        if len(notebooks) < 2:
            raise PlanError(
                f"ab: two notebooks are needed, such as before.ipynb after.ipynb, got {len(notebooks)}"
            )
        for path in notebooks:
            if not path.is_file():
                raise PlanError(f"there is no notebook {path}; check the path")
        self._notebooks = dict(zip(_names(notebooks), notebooks, strict=True))
        self._rounds = rounds
        self._store = store
        self._how: dict[str, Any] = {"kernel": kernel, "timeout": timeout}
        self._say = say

    def execute(self) -> Rounds:
        """Execute them up to the first failure; what was measured is kept in the store."""
        done = Rounds({name: [] for name in self._notebooks})
        kept: list[tuple[list[Run], list[Record]]] = []
        with tempfile.TemporaryDirectory() as folder:
            for number, (at, name) in enumerate(self._turns(), 1):
                self._say(f"round {at} of {self._rounds}: {name}")
                runs, records, problem = self._once(name, Path(folder) / f"{number}.db")
                kept.append((runs, records))
                done.runs[name] += runs
                done.trials += _of_round(records, name, at, number)
                if problem:
                    done.problem = f"round {at} of {self._rounds}: {self._notebooks[name].name}: {problem}"
                    break
        self._keep(kept)
        return done

    def _turns(self) -> Iterator[tuple[int, str]]:
        names = list(self._notebooks)
        for at, block in enumerate(blocks(len(names), self._rounds, secrets.randbits(32)), 1):
            for place in block:
                yield at, names[place]

    def _once(self, name: str, part: Path) -> tuple[list[Run], list[Record], str]:
        """Execute a notebook in a fresh kernel and return what it measured, and what went wrong."""
        from e2e_magic.api.notebook_runs import NotebookRun
        from e2e_magic.storage import Store

        run = NotebookRun(
            self._notebooks[name], report=part.with_suffix(".html"), store=str(part), name=name, **self._how
        )
        executed = run.measure()
        problem = "; ".join(executed.problems) if executed.failed else ""
        if not part.exists():
            return [], [], problem or "nothing was measured"
        with Store(str(part), create=False) as store:
            return store.runs(), store.records(), problem

    def _keep(self, kept: Sequence[tuple[list[Run], list[Record]]]) -> None:
        from e2e_magic.storage import Store
        from e2e_magic.storage.place import DEFAULT, ENVIRONMENT, placed

        named = os.environ.get(ENVIRONMENT, "").strip() or DEFAULT
        first = next(iter(self._notebooks.values()))
        address = self._store or placed(first.parent, named)
        if address == ":memory:":
            return
        with Store(address) as store:
            for runs, records in kept:
                store.append(records, runs)


def _names(notebooks: Sequence[Path]) -> list[str]:
    """Return a name per notebook: its file's, with as many folders as it takes to tell them apart."""
    for depth in range(1, 1 + max(len(path.parts) for path in notebooks)):
        names = ["/".join(path.with_suffix("").parts[-depth:]) for path in notebooks]
        if len(set(names)) == len(names):
            return names
    letters = "abcdefghijklmnopqrstuvwxyz"  # one and the same file: does this machine tell it from itself?
    return [f"{path.stem} ({letters[n % 26]})" for n, path in enumerate(notebooks)]


def _of_round(records: Sequence[Record], name: str, at: int, number: int) -> Iterator[Record]:
    """Yield a run's trials as those of a notebook and a round, and one more of the notebook as a whole."""
    complete = [record for record in records if record.state == "complete"]
    trials = list(records)
    if len(complete) == len(records) and records:
        last = max(records, key=lambda record: record.started_at)  # it is told after its cells
        trials.append(
            Record(
                run=last.run,
                stage=WHOLE,
                trial=1,
                repeat=1,
                state="complete",
                started_at=last.started_at,
                readings=_whole(records),
                host=last.host,
            )
        )
    for place, record in enumerate(trials):
        yield replace(record, run=name, sweep=WHOLE, repeat=at, trial=number * 100_000 + place)


def _whole(records: Sequence[Record]) -> Mapping[str, Value]:
    """Return what all cells of a notebook took together: of what each of them measured."""
    readings: dict[str, Value] = {}
    for name in (*_SUMMED, *_HIGHEST):
        found = [record.readings.get(name) for record in records]
        values = [float(value) for value in found if isinstance(value, int | float)]
        if len(values) == len(records):
            readings[name] = sum(values) if name in _SUMMED else max(values)
    return readings
