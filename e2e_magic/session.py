"""The composition root: the current run, its records and all that is asked of them.

Magics, panels and scripts use the one session of the process, so that they see the same rows.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring import environment
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.plan import Plan, PlanError, nearest, run_settings
from e2e_magic.measuring.trial import Identity, Trial, warn_user
from e2e_magic.record import Record, Run
from e2e_magic.storage import Keeper, StoreError
from e2e_magic.storage.archive import Archive, Series

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.measuring.idle import IdlePower
    from e2e_magic.storage import Store

FRAMES = ("results", "samples", "epochs", "trials", "confusions", "runs", "metrics", "pipeline")


class Session:
    """Runs and records of one kernel or script."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.records: list[Record] = []
        self._numbered: dict[tuple[str, str], int] = {}
        self._lock = threading.RLock()
        # The notebook's name where the kernel tells it to its user's code, not to the environment.
        self.notebook: Callable[[], str] = str
        self.keeper = Keeper(self._run_now)
        self.archive = Archive(self.runs, self.records, self.keeper)
        self._modules = 0

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
        key = os.urandom(3).hex()
        place = environment.capture(self.notebook())
        run = Run(key, name or key, datetime.now(UTC), description, place, settings)
        self.runs.append(run)
        return run

    def settle(self, plan: Plan) -> Plan:
        """Return the plan with what the current run sets and the plan leaves open."""
        power = self.run.settings.get("estimate_power")
        left_open = power is not None and plan.estimate_power is None
        return replace(plan, estimate_power=power) if left_open else plan

    def carried(self, run: str) -> dict[str, Any]:
        """Return what the trials of a run (its id) carry raw: its idle power, its grams of CO2 per kWh."""
        settings = next((r.settings for r in self.runs if r.id == run), {})
        return {name: settings[name] for name in ("baseline_power", "carbon_g_per_kwh") if name in settings}

    def measure_baseline(self, seconds: float = 10.0) -> IdlePower:
        """Measure the idle machine's power: the trials of the current run carry it from now on."""
        from e2e_magic.measuring import idle

        run = self.run
        found = idle.measure_idle(seconds, registered())
        if found.watts:
            place = self.runs.index(run)
            settings = {**run.settings, "baseline_power": found.plain()}
            self.runs[place] = replace(run, settings=settings)
        return found

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
                from e2e_magic.derived import derive

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
        self.records.append(record)
        self.keeper.keep([record], warn)

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
        current = self.run
        held = {run.id for run in self.runs}
        place = self.runs.index(current)
        self.runs[place:place] = [run for run in runs if run.id not in held]
        known = {(record.run, record.stage, record.trial) for record in self.records}
        new = [r for r in records if (r.run, r.stage, r.trial) not in known]
        self.records.extend(new)
        self.keeper.keep(new)
        return new

    @property
    def store(self) -> Store | None:
        """The store, opened when it is first asked for; None where there is none (``:memory:``).

        Raises
        ------
        StoreError
            If it can't be opened.
        """
        return self.keeper.store

    def set_store(self, url: str | Path) -> None:
        """Keep trials there from now on: a path, a URL of SQLAlchemy, ``:memory:`` for nowhere.

        Raises
        ------
        StoreError
            If it can't be opened; the store stays the one that it was.
        """
        self.keeper.set_address(str(url))

    def close(self) -> None:
        """Write what waits and close the store; a later trial opens it again."""
        self.keeper.close()

    def names(self, *, all: bool = False) -> dict[str, str]:  # noqa: A002 - the user's word
        """Return the runs' names by id: this kernel's, or with all of the store."""
        return self.archive.names(everything=all)

    def known_runs(self, *, all: bool = False) -> list[Run]:  # noqa: A002 - the user's word
        """Return the runs in the order of their start: this kernel's, or with all of the store."""
        if self.runs:
            self._run_now(self.runs[-1].id)
        return self.archive.runs(everything=all)

    def finished(self, stage: str, source: str | None) -> list[Record]:
        """Return the complete trials of a stage with this code, here and in the store, without curves."""
        return self.archive.finished(stage, source)

    def select(
        self,
        run: str | None = None,
        stage: str | None = None,
        *,
        all: bool = False,  # noqa: A002 - the user's word
        since: object = None,
        series: Series = True,
    ) -> list[Record]:
        """Return the records of this kernel, or of the whole store: see `Archive.select`."""
        return self.archive.select(run, stage, everything=all, since=since, series=series)

    def frame(
        self,
        name: str,
        *,
        run: str | None = None,
        stage: str | None = None,
        all: bool = False,  # noqa: A002 - the user's word
        since: object = None,
    ) -> pd.DataFrame:
        """Return one of `FRAMES` as a tidy DataFrame, units in ``attrs["units"]``.

        ``all`` and ``since`` read the store, and so does a run or a stage that this kernel doesn't have.
        """
        from e2e_magic import derived
        from e2e_magic.views import frames

        if name not in FRAMES:
            raise PlanError(
                f"frame: there is no frame {name!r}{nearest(name, FRAMES)}; allowed are {', '.join(FRAMES)}"
            )
        if name == "metrics":
            from e2e_magic.views.catalog import catalog

            return frames.metrics(catalog(self.runs[-1].settings if self.runs else {}))
        if name == "runs":
            if self.runs:
                self._run_now(self.runs[-1].id)
            stored = all or self.archive.is_elsewhere(run, stage, since)
            chosen = self.archive.runs(run, everything=stored, since=since)
            if stage is not None:
                trials = self.archive.stream(run, stage, everything=stored, since=since, series=False)
                measured = {record.run for record in trials}
                chosen = [each for each in chosen if each.id in measured]
            return frames.runs(chosen, counts=self.archive.counts(everything=stored, since=since))
        if name == "results":
            found = self.archive.blocks(run, stage, everything=all, since=since)
            return frames.results(found, self.names(all=all or self.archive.is_elsewhere(run, stage, since)))
        series: Series = True if name == "samples" else derived.CURVES
        records = self.archive.stream(run, stage, everything=all, since=since, series=series)
        names = self.names(all=all or self.archive.is_elsewhere(run, stage, since))
        build: Callable[..., pd.DataFrame] = getattr(frames, name)
        if name == "trials":
            return build(records, names)
        held = list(records)
        if name == "pipeline":
            current = run or self.run.id
            if all and run is None and not any(r.run == current for r in held):
                current = held[-1].run if held else current  # outside a kernel: the newest of the store
            return frames.pipeline([r for r in held if run is not None or r.run == current], names)
        return build(held, names)

    def asked(
        self,
        name: str,
        *,
        run: str | None = None,
        stage: str | None = None,
        all: bool = False,  # noqa: A002 - the user's word
        since: object = None,
    ) -> pd.DataFrame:
        """Return a frame for who asks for it: any of the four options reads the whole store.

        A store that can't be read doesn't hide what this kernel has of a run or stage: one warning says so.
        """
        if all or since is not None or (run is None and stage is None):
            return self.frame(name, run=run, stage=stage, all=all, since=since)
        try:
            return self.frame(name, run=run, stage=stage, all=True)
        except StoreError as error:
            found = self.frame(name, run=run, stage=stage)
            warn_user(f"{error}; these rows are of this kernel only")
            return found

    def _run_now(self, key: str) -> Run | None:
        """Return a run of this kernel by its id; the current one with what was imported since it started."""
        place, run = next(((n, r) for n, r in enumerate(self.runs) if r.id == key), (0, None))
        if run is not None and place == len(self.runs) - 1 and len(sys.modules) != self._modules:
            self._modules = len(sys.modules)
            versions = {**run.environment.packages, **environment.packages()}
            if versions != run.environment.packages:
                run = replace(run, environment=replace(run.environment, packages=versions))
                self.runs[place] = run
        return run

    def export(
        self,
        path: str | Path,
        frame: str = "results",
        *,
        run: str | None = None,
        stage: str | None = None,
        all: bool = False,  # noqa: A002 - the user's word
        since: object = None,
    ) -> Path:
        """Write one frame, or its chart, in the form that the suffix names; whole or not at all."""
        from e2e_magic.views import exporting

        return exporting.to_file(
            lambda name: self.frame(name, run=run, stage=stage, all=all, since=since), frame, path
        )

    def chosen(
        self,
        run: str | None = None,
        stage: str | None = None,
        *,
        all: bool = False,  # noqa: A002 - the user's word
        since: object = None,
    ) -> tuple[list[Run], list[Record]]:
        """Return records with everything that they have, and the runs that they may be of: for a report."""
        records = self.select(run, stage, all=all, since=since)
        mine = {r.id for r in self.runs}
        return self.known_runs(all=any(record.run not in mine for record in records)), records


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
