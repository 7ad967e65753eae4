"""The composition root: the current run, its records and all that is asked of them.

Magics, panels and scripts use the one session of the process, so that they see the same rows.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic.derived import derive
from e2e_magic.measuring import environment
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.plan import Plan, PlanError, nearest, run_settings
from e2e_magic.measuring.trial import Identity, Trial, warn_user
from e2e_magic.record import Record, Run
from e2e_magic.storage.reader import Reader, Series
from e2e_magic.storage.selection import HERE, Selection
from e2e_magic.storage.writer import Writer
from e2e_magic.views import FRAMES

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.integrations.mlflow import Logged
    from e2e_magic.measuring.idle import IdlePower
    from e2e_magic.storage import Store

# A run without a name is called by so many digits of its id.
_SHORT = 8


class Session:
    """Runs and records of one kernel or script."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.records: list[Record] = []
        self._numbered: dict[tuple[str, str], int] = {}
        self._lock = threading.RLock()
        # The notebook's name where the kernel tells it to its user's code, not to the environment.
        self.notebook: Callable[[], str] = str
        self.writer = Writer(self._run_now)
        self.reader = Reader(self.runs, self.records, self.writer)
        self._modules = 0

    @classmethod
    @contextmanager
    def on(cls, address: str) -> Iterator[Session]:
        """Give a session of its own on a store that is there, and close it afterwards.

        Raises
        ------
        StoreError
            If there is no such store, or it can't be opened.
        """
        from e2e_magic.storage import Store

        Store(address, create=False).close()
        session = cls()
        session.set_store(address)
        try:
            yield session
        finally:
            session.close()

    @property
    def run(self) -> Run:
        """The current run; the first one starts by itself."""
        with self._lock:  # threads that measure at once start one run, not one each
            return self.runs[-1] if self.runs else self.start_run()

    def start_run(
        self,
        name: str | None = None,
        description: str = "",
        *,
        carbon: object = None,
        estimate_power: object = None,
    ) -> Run:
        """Start the next run: a variant, a tool to compare; `plan.run_settings` says what can be set."""
        if name is not None and not (isinstance(name, str) and name.strip()):
            raise PlanError(f"run: expected a name, such as baseline or lightgbm, got {name!r}")
        settings = run_settings(carbon=carbon, estimate_power=estimate_power)
        key = os.urandom(8).hex()
        place = environment.capture(self.notebook())
        run = Run(key, name or key[:_SHORT], datetime.now(UTC), description, place, settings)
        with self._lock:
            self.runs.append(run)
        return run

    def settle(self, plan: Plan) -> Plan:
        """Return the plan with what the current run sets and the plan leaves open."""
        power = self.run.settings.get("estimate_power")
        left_open = power is not None and plan.estimate_power is None
        return replace(plan, estimate_power=power) if left_open else plan

    def carried(self, run: str) -> dict[str, Any]:
        """Return what the trials of a run (its id) carry raw: its idle power, its grams of CO2 per kWh."""
        settings = self._settings(run)
        return {name: settings[name] for name in ("baseline_power", "carbon_g_per_kwh") if name in settings}

    def measure_baseline(self, seconds: float = 10.0) -> IdlePower:
        """Measure the idle machine's power: the trials of the current run carry it from now on."""
        from e2e_magic.measuring import idle

        key = self.run.id
        power = idle.measure_idle(seconds, registered())
        if power.watts:
            with self._lock:
                self._change(key, settings={**self._settings(key), "baseline_power": power.plain()})
        return power

    def trials(
        self,
        plan: Plan,
        *,
        options: Mapping[str, Callable[[Any], object]] | None = None,
        source: str | None = None,
        keep: Callable[[Record], None] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> Iterator[Trial]:
        """Yield a plan's trials, warm-ups first, each to be entered once; each kept when it is done."""
        classes = registered()
        plan.check_collectors(classes)
        run = self.run  # its environment is captured before anything is measured
        plan = self.settle(plan)

        def keep_both(record: Record) -> None:
            self.keep(record, warn)
            if "binary" in record.reported:  # a card says it too, but there may be none
                for problem in derive(record).problems:
                    (warn or warn_user)(f"{plan.stage}: {problem}")
            if keep is not None:
                keep(record)

        for step in plan.steps():
            yield Trial(
                plan,
                step,
                classes=classes,
                options=options,
                identity=lambda: Identity(
                    run.id, self._next(run.id, plan.stage), source=source, settings=self.carried(run.id)
                ),
                keep=keep_both,
                warn=warn,
            )

    def keep(self, record: Record, warn: Callable[[str], None] | None = None) -> None:
        """Take in a finished record, at once, and write it to the store; `warn` hears where that fails."""
        with self._lock:
            self.records.append(record)
        self.writer.keep([record], warn)

    def identify(self, stage: str, sweep: str, params: Mapping[str, Any], source: str | None) -> Identity:
        """Give the next trial of a sweep its number in the current run and say whose it is."""
        run = self.run.id
        return Identity(run, self._next(run, stage), sweep, params, source, settings=self.carried(run))

    def _next(self, run: str, stage: str) -> int:
        with self._lock:
            number = self._numbered.get((run, stage), 0) + 1
            self._numbered[run, stage] = number
        return number

    def adopt(self, runs: Iterable[Run], records: Iterable[Record]) -> list[Record]:
        """Take in runs that were measured elsewhere, and return the records that are new.

        A trial that is here already (same run, stage and number) stays as it is, so that importing twice
        doesn't double. The current run stays the current one.
        """
        current = self.run.id
        with self._lock:
            ids = {run.id for run in self.runs}
            place = self._place(current)
            self.runs[place:place] = [run for run in runs if run.id not in ids]
            here = {(record.run, record.stage, record.trial) for record in self.records}
            new = [r for r in records if (r.run, r.stage, r.trial) not in here]
            self.records.extend(new)
        self.writer.keep(new)
        return new

    def rename(self, run: str, name: str) -> Run:
        """Give a run (name or id) another name, here and in the store, and return it."""
        if not isinstance(name, str) or not name.strip():
            raise PlanError(f"runs: expected a new name, such as baseline, got {name!r}")
        renamed = replace(self.reader.find(run), name=name)
        store = self.writer.reading()
        if store is not None and renamed.id in store.names():
            store.rename_run(renamed.id, name)
        with self._lock:
            self._change(renamed.id, name=name)
        return renamed

    def delete(self, run: str) -> int:
        """Delete a run (name or id) with its trials, here and in the store; return how many those were."""
        key = self.reader.find(run).id
        if self.runs and key == self.runs[-1].id:
            raise PlanError(
                f"runs: {run} is the run that this kernel is in; start another with %e2e run NAME, "
                "then delete it"
            )
        store = self.writer.reading()
        count = sum(record.run == key for record in self.records)
        if store is not None and key in store.names():
            count = max(count, store.delete_run(key))
        self.writer.drop(key)
        with self._lock:
            self.records[:] = [record for record in self.records if record.run != key]
            self.runs[:] = [each for each in self.runs if each.id != key]
        return count

    @property
    def store(self) -> Store | None:
        """The store, opened when it is first asked for; None where there is none (``:memory:``).

        Raises
        ------
        StoreError
            If it can't be opened.
        """
        return self.writer.store

    def set_store(self, url: str | Path) -> None:
        """Keep trials there from now on: a path, a URL of SQLAlchemy, ``:memory:`` for nowhere.

        Raises
        ------
        StoreError
            If it can't be opened; the store stays the one that it was.
        """
        self.writer.set_address(str(url))

    def close(self) -> None:
        """Write what waits and close the store; a later trial opens it again."""
        self.writer.close()

    def names(self, selection: Selection = HERE) -> dict[str, str]:
        """Return the names by id of this kernel's runs, or with `everything` of all runs of the store."""
        return self.reader.names(selection)

    def runs_of(self, selection: Selection = HERE) -> list[Run]:
        """Return the selected runs in the order of their start, this kernel's with what they imported."""
        self._refresh()
        return self.reader.runs(self.reader.resolve(selection))

    def finished(self, stage: str, source: str | None) -> list[Record]:
        """Return the complete trials of a stage with this code, here and in the store, without curves."""
        return self.reader.finished(stage, source)

    def select(self, selection: Selection = HERE, *, series: Series = True) -> list[Record]:
        """Return the selected records; `series` says which sampled curves are read from the store."""
        return list(self.reader.records(self.reader.resolve(selection), series))

    def runs_and_records(self, selection: Selection = HERE) -> tuple[list[Run], list[Record]]:
        """Return records with everything that they have, and the runs that they may be of: for a report."""
        records = self.select(selection)
        mine = {run.id for run in self.runs}
        return self.runs_of(Selection(everything=any(r.run not in mine for r in records))), records

    def frame(self, name: str, selection: Selection = HERE) -> pd.DataFrame:
        """Return one of `FRAMES` as a tidy DataFrame, units in ``attrs["units"]``.

        Raises
        ------
        PlanError
            If there is no such frame, run or stage.
        StoreError
            If the store is needed and can't be read.
        """
        from e2e_magic.views import selected

        if name not in FRAMES:
            raise PlanError(
                f"frame: there is no frame {name!r}{nearest(name, FRAMES)}; allowed are {', '.join(FRAMES)}"
            )
        self._refresh()
        return selected.frame(name, self.reader, self.reader.resolve(selection))

    def export(self, path: str | Path, frame: str = "results", selection: Selection = HERE) -> Path | Logged:
        """Write one frame, or its chart, in the form that the suffix names; whole or not at all.

        The word ``mlflow`` instead of a path logs runs, trials, curves and charts to MLflow.
        """
        from e2e_magic.views import exporting

        if str(path) == "mlflow":
            return exporting.to_mlflow(*self.runs_and_records(selection))
        return exporting.to_file(lambda name: self.frame(name, selection), frame, path)

    def _refresh(self) -> None:
        """Bring the current run up to date with what was imported since it started."""
        if self.runs:
            self._run_now(self.runs[-1].id)

    def _run_now(self, key: str) -> Run | None:
        """Return a run of this kernel by its id; the current one with what was imported since it started."""
        with self._lock:
            place = self._place(key)
            if place == len(self.runs):
                return None
            if place == len(self.runs) - 1 and len(sys.modules) != self._modules:
                self._modules = len(sys.modules)
                machine = self.runs[place].environment
                versions = {**machine.packages, **environment.packages()}
                if versions != machine.packages:
                    self._change(key, environment=replace(machine, packages=versions))
            return self.runs[place]

    def _settings(self, key: str) -> Mapping[str, Any]:
        return next((run.settings for run in self.runs if run.id == key), {})

    def _place(self, key: str) -> int:
        """Return where a run (its id) stands; the number of runs if it isn't there. The lock is held."""
        return next((n for n, run in enumerate(self.runs) if run.id == key), len(self.runs))

    def _change(self, key: str, **changes: Any) -> None:
        """Change a run (its id), where it is of this kernel. The lock is held."""
        place = self._place(key)
        if place < len(self.runs):
            self.runs[place] = replace(self.runs[place], **changes)


_session: Session | None = None
_making = threading.Lock()


def current() -> Session:
    """Return the session of this process."""
    global _session  # noqa: PLW0603 - one per process is what makes magics and scripts see the same rows
    if _session is None:
        with _making:
            if _session is None:
                _session = Session()
    return _session
