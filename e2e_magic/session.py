"""The composition root: the current run, its records and all that is asked of them.

Magics, panels and scripts use the one session of the process, so that they see the same rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic import environment
from e2e_magic.collectors.base import Unavailable, registered
from e2e_magic.plan import Plan, PlanError, nearest
from e2e_magic.record import Record, Run
from e2e_magic.trial import Identity, Trial

if TYPE_CHECKING:
    import pandas as pd

FRAMES = ("results", "samples", "epochs", "trials", "confusions", "runs", "metrics", "pipeline")


class Session:
    """Runs and records of one kernel or script."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.records: list[Record] = []
        self._numbered: dict[tuple[str, str], int] = {}

    @property
    def run(self) -> Run:
        """The current run; the first one starts by itself."""
        return self.runs[-1] if self.runs else self.start_run()

    def start_run(self, name: str | None = None, description: str = "") -> Run:
        """Start the next run: a variant, a tool to compare."""
        if name is not None and not (isinstance(name, str) and name.strip()):
            raise PlanError(f"run: expected a name, such as baseline or lightgbm, got {name!r}")
        key = os.urandom(3).hex()
        run = Run(key, name or key, datetime.now(UTC), description, environment.capture())
        self.runs.append(run)
        return run

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

        def keep_both(record: Record) -> None:
            self.records.append(record)
            if keep is not None:
                keep(record)

        for step in plan.steps():
            yield Trial(
                plan,
                step,
                classes=classes,
                options=options,
                identity=lambda: Identity(run.id, self._next(run.id, plan.stage), source=source),
                keep=keep_both,
                warn=warn,
            )

    def _next(self, run: str, stage: str) -> int:
        number = self._numbered.get((run, stage), 0) + 1
        self._numbered[run, stage] = number
        return number

    def names(self) -> dict[str, str]:
        """Return the runs' names by id."""
        return {run.id: run.name for run in self.runs}

    def select(self, run: str | None = None, stage: str | None = None) -> list[Record]:
        """Return the records of this kernel, of one run or stage where it is named."""
        found = self.records
        if run is not None:
            ids = {r.id for r in self.runs if run in (r.id, r.name)}
            if not ids:
                known = [r.name for r in self.runs]
                raise PlanError(
                    f"run: there is no run {run!r}{nearest(run, known)}; "
                    f"this kernel has {', '.join(known) or 'none yet: measure a cell first'}"
                )
            found = [record for record in found if record.run in ids]
        if stage is not None:
            known = list(dict.fromkeys(record.stage for record in found))
            found = [record for record in found if record.stage == stage]
            if not found:
                raise PlanError(
                    f"stage: there is no stage {stage!r}{nearest(stage, known)}; "
                    f"measured are {', '.join(known) or 'none yet'}"
                )
        return found

    def frame(self, name: str, *, run: str | None = None, stage: str | None = None) -> pd.DataFrame:
        """Return one of `FRAMES` as a tidy DataFrame, units in ``attrs["units"]``."""
        from e2e_magic import frames

        if name not in FRAMES:
            raise PlanError(
                f"frame: there is no frame {name!r}{nearest(name, FRAMES)}; allowed are {', '.join(FRAMES)}"
            )
        if name == "metrics":
            return frames.metrics(self.catalog())
        records = self.select(run, stage)
        if name == "runs":
            chosen = [r for r in self.runs if run is None or run in (r.id, r.name)]
            return frames.runs([self._now(r) for r in chosen], records)
        if name == "pipeline":
            current = [r for r in records if run is not None or r.run == self.run.id]
            return frames.pipeline(current, self.names())
        build: Callable[..., pd.DataFrame] = getattr(frames, name)
        return build(records, self.names())

    def _now(self, run: Run) -> Run:
        """Add what was imported since the run started, while it is the current one."""
        if run is not self.run:
            return run
        versions = {**run.environment.packages, **environment.packages()}
        return replace(run, environment=replace(run.environment, packages=versions))

    def catalog(self) -> list[Any]:
        """List every metric with its source or the reason why it can't be measured here."""
        from e2e_magic import derived
        from e2e_magic.frames import CatalogEntry

        entries = []
        for name, cls in registered(again=True).items():
            why = cls if isinstance(cls, Unavailable) else None
            source = ""
            if not isinstance(cls, Unavailable):
                try:
                    source = cls().source
                except Unavailable as unavailable:
                    why = unavailable
            metrics = getattr(cls, "metrics", ())
            entries += [
                CatalogEntry(
                    metric, name, why is None, source, why.reason if why else "", why.remedy if why else ""
                )
                for metric in metrics
            ]
        entries += [CatalogEntry(m, "derived", True, "computed on read", "", "") for m in derived.METRICS]
        # What can't be measured comes first: a long table is cut in its middle, and the reason matters.
        return sorted(entries, key=lambda entry: entry.available)

    def export(
        self, path: str | Path, frame: str = "results", *, run: str | None = None, stage: str | None = None
    ) -> Path:
        """Write one frame to a file, in the form that its suffix names; the file is whole or not there."""
        from e2e_magic import writers

        return writers.write(self.frame(frame, run=run, stage=stage), path)


_session: Session | None = None


def current() -> Session:
    """Return the session of this process."""
    global _session  # noqa: PLW0603 - one per process is what makes magics and scripts see the same rows
    if _session is None:
        _session = Session()
    return _session
