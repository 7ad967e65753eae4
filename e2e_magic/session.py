"""The composition root: the current run, its records and all queries of them.

Magics, panels and scripts use the one session of the process, so that they see the same rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic.derived import derive
from e2e_magic.derived.energy import CARRIED
from e2e_magic.measuring import clocks, overhead
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.identity import Identity
from e2e_magic.measuring.plan import Plan, PlanError, nearest
from e2e_magic.measuring.records import Records
from e2e_magic.measuring.runs import Runs
from e2e_magic.measuring.sampler import launch_early
from e2e_magic.measuring.trial import Trial, warn_user
from e2e_magic.record import Record, Run
from e2e_magic.storage import run_names
from e2e_magic.storage.place import BoxPlaces
from e2e_magic.storage.reader import Reader, Series
from e2e_magic.storage.selection import HERE, Selection
from e2e_magic.storage.writer import Writer
from e2e_magic.views import FRAMES

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.integrations.mlflow import Logged
    from e2e_magic.measuring.holders.roots import Roots
    from e2e_magic.measuring.idle import IdlePower
    from e2e_magic.storage import Store


class Session:
    """Runs and records of one kernel or script."""

    def __init__(self) -> None:
        self.runs = Runs()
        self.records = Records()
        self._lock = self.runs.lock
        self._written_ns = 0  # of the record that awaits its display
        self.writer = Writer(self.runs.up_to_date)
        self.runs.taken = lambda start: run_names.beginning_with(self.writer.place.address, start)
        self.boxes = BoxPlaces(self.writer.place)
        self.reader = Reader(self.runs, self.records, self.writer)
        # What may hold memory for the user, where a notebook's shell knows it.
        self.roots: Callable[[], Roots] | None = None

    @classmethod
    @contextmanager
    def on(cls, address: str) -> Iterator[Session]:
        """Return a context that holds a session of its own on a store that is there, closed afterwards.

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
        return self.runs.current

    def start_run(self, name: str | None = None, description: str = "", **settings: object) -> Run:
        """Start the next run: a variant, a tool to compare; parameters as of `Runs.start`."""
        return self.runs.start(name, description, **settings)

    def settle(self, plan: Plan) -> Plan:
        """Return the plan with what the current run sets and the plan leaves open."""
        settings = self.run.settings
        names = [name for name in ("estimate_power", "memory_limit") if name in settings]
        open_ = {name: settings[name] for name in names if getattr(plan, name) is None}
        return replace(plan, **open_) if open_ else plan

    def carried(self, run: str) -> dict[str, Any]:
        """Return what the trials of a run (its id) carry raw: idle power, CO2 and price of a kWh."""
        settings = self.runs.settings(run)
        return {name: settings[name] for name in CARRIED if name in settings}

    def measure_baseline(self, seconds: float = 10.0) -> IdlePower:
        """Measure the idle machine's power: the trials of the current run carry it from now on."""
        from e2e_magic.measuring import idle

        key = self.run.id
        power = idle.measure_idle(seconds, registered())
        if power.watts:
            with self._lock:
                settings = {**self.runs.settings(key), "baseline_power": power.plain()}
                self.runs.change(key, settings=settings)
        return power

    def trials(
        self,
        plan: Plan,
        *,
        options: Mapping[str, Callable[[Any], object]] | None = None,
        source: str | None = None,
        keep: Callable[[Record], None] | None = None,
        explain: Callable[[Record], Mapping[str, Any]] | None = None,
        warn: Callable[[str], None] | None = None,
        awaits_display: bool = False,
        began_ns: int | None = None,
    ) -> Iterator[Trial]:
        """Yield a plan's trials, warm-ups first, each to be entered once; each kept when it is done.

        Where the last one `awaits_display`, `complete` adds how long that took. What `explain` returns is
        reported with it. The first one's overhead counts from `began_ns` of the clock, or from now.
        """
        began_ns = clocks.perf_counter_ns() if began_ns is None else began_ns
        launch_early(plan.metrics)
        plan = self.settle(plan)
        run = self.run  # its environment is captured before anything is measured
        classes = registered()
        plan.check_here(classes)

        def keep_both(record: Record) -> None:
            last = record.repeat == plan.repeat or record.state != "complete"
            interrupt = None
            if last and explain is not None:
                since_ns = clocks.perf_counter_ns()
                try:
                    if more := explain(record):
                        record = replace(record, reported={**record.reported, **more})
                        overhead.add(record, since_ns)
                except (KeyboardInterrupt, SystemExit) as error:
                    interrupt = error
            self.keep(record, warn, shown=awaits_display and last)
            if "binary" in record.reported:  # a card shows it too, but there may be none
                for problem in derive(record).problems:
                    (warn or warn_user)(f"{plan.stage}: {problem}")
            if keep is not None:
                keep(record)
            if interrupt is not None:
                raise interrupt

        for step in plan.steps():
            yield Trial(
                plan,
                step,
                classes=classes,
                options=options,
                identity=lambda: Identity(
                    run.id,
                    self.runs.next_trial(run.id, plan.stage),
                    source=source,
                    settings=self.carried(run.id),
                ),
                keep=keep_both,
                warn=warn,
                black_box=self.boxes.of(run),
                began_ns=began_ns,
            )
            began_ns = None

    def keep(self, record: Record, warn: Callable[[str], None] | None = None, *, shown: bool = False) -> None:
        """Take in a finished record, at once, and write it to the store; `warn` reports a failure.

        What is then `shown` is written before. What writing took is stored with the next row, or when read.
        """
        since_ns = clocks.perf_counter_ns()
        self.records.append(record)
        self.writer.open()
        since_ns = overhead.add(record, since_ns)
        self.writer.keep([record], warn, changes=True)
        since_ns = overhead.add(record, since_ns)
        if shown:
            self._written_ns = since_ns
        else:
            self.writer.change(record, record)

    def complete(self, record: Record, display_s: float | None) -> Record:
        """Add to a kept record how long its display took, where that is known, and return it."""
        shown = {} if display_s is None else {"display_s": display_s}
        whole = replace(record, readings={**record.readings, **shown})
        overhead.add(whole, self._written_ns + round((display_s or 0) * 1e9))
        with self._lock:
            self.records.exchange(record, whole)
        self.writer.change(whole, record)
        return whole

    def identify(self, stage: str, sweep: str, params: Mapping[str, Any], source: str | None) -> Identity:
        """Return the identity of a sweep's next trial: its number in the current run, its parameters."""
        run = self.run.id
        number = self.runs.next_trial(run, stage)
        box = self.boxes.of(self.run)
        return Identity(run, number, sweep, params, source, settings=self.carried(run), black_box=box)

    def adopt(self, runs: Iterable[Run], records: Iterable[Record]) -> list[Record]:
        """Take in runs that were measured elsewhere, and return the records that are new.

        A trial that is here already (same run, stage and number) stays as it is, so that importing twice
        doesn't double. The current run stays the current one.
        """
        current = self.run.id
        with self._lock:
            self.runs.insert_before(current, runs)
            here = {(record.run, record.stage, record.trial) for record in self.records}
            new = [r for r in records if (r.run, r.stage, r.trial) not in here]
            self.records.extend(new)
        self.writer.keep(new)
        return new

    def change(self, run: str, **texts: Any) -> Run:
        """Give a run (name or id) another `name` or `description`, here and in the store, and return it."""
        if not str(texts.get("name", run)).strip():
            raise PlanError(f"runs: expected a new name, such as baseline, got {texts['name']!r}")
        changed = replace(self.reader.find(run), **texts)
        store = self.writer.reading()
        if store is not None and changed.id in store.names():
            store.change_run(changed.id, **texts)
        self.runs.change(changed.id, **texts)
        return changed

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
            self.records.drop(lambda record: record.run == key)
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
        """Return the selected records; `series` selects the sampled curves that are read from the store."""
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
        from e2e_magic.views import held, selected

        if name not in FRAMES:
            raise PlanError(
                f"frame: there is no frame {name!r}{nearest(name, FRAMES)}; allowed are {', '.join(FRAMES)}"
            )
        self._refresh()
        if name == "holders":
            return held.frame(self.roots, self.reader, self.reader.resolve(selection))
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
            self.runs.up_to_date(self.runs[-1].id)


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
