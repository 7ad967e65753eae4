"""Write one run of ours with its trials to MLflow, in few calls, and find it again."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e_magic.integrations.mlflow.points import (
    LONGEST_NAME,
    LONGEST_PARAM,
    Names,
    after,
    curves_of,
    cut,
    milliseconds,
    quoted,
    spelled_out,
    tags_of,
    thinned,
    trial_key,
)
from e2e_magic.record import Record, Run

# What MLflow takes in one call.
MOST_METRICS = 1000
MOST_PARAMS = 100

RUN_TAG = "e2e_magic.run"
TRIAL_TAG = "e2e_magic.trial"
# MLflow has no other word for what was ended from outside.
_STATUS = {"complete": "FINISHED", "failed": "FAILED"}


@dataclass(frozen=True)
class Bundle:
    """One run with all that is logged of it.

    Attributes
    ----------
    run : Run
    trials : sequence of (Record, mapping)
        Each record with its numbers by column name, derived ones too.
    files : mapping of str to bytes
        Artifacts by name: charts, tables.
    """

    run: Run
    trials: Sequence[tuple[Record, Mapping[str, Any]]]
    files: Mapping[str, bytes] = field(default_factory=dict)


class Writer:
    """Log one bundle."""

    def __init__(self, mlflow: Any, bundle: Bundle, points: int) -> None:
        self.mlflow = mlflow
        self.client = mlflow.MlflowClient()
        self.bundle = bundle
        self.points = points

    def write(self) -> tuple[str, int, int]:
        """Log the bundle; return MLflow's id of the run, the number of new trials, and that of old ones."""
        with self._parent() as parent:
            key, experiment = parent.info.run_id, parent.info.experiment_id
            there = self._trials_of(key, experiment)
            new = 0
            for record, numbers in self.bundle.trials:
                if trial_key(record) not in there:
                    self._trial(key, experiment, record, numbers)
                    new += 1
            if self.bundle.files and (new or not there):
                with tempfile.TemporaryDirectory(prefix="e2e-mlflow-") as folder:
                    for name, content in self.bundle.files.items():
                        Path(folder, name).write_bytes(content)
                    self.client.log_artifacts(key, folder)
        return key, new, len(self.bundle.trials) - new

    @contextmanager
    def _parent(self) -> Iterator[Any]:
        """Find the run of an earlier export, or start one, within the user's own where that is active."""
        run = self.bundle.run
        experiment = self._experiment()
        matches = (
            [] if experiment is None else self._search(experiment, f"tags.`{RUN_TAG}` = '{quoted(run.id)}'")
        )
        parents = [match for match in matches if TRIAL_TAG not in match.data.tags]
        options: dict[str, Any] = {"nested": True, "log_system_metrics": False}
        if parents:
            with self.mlflow.start_run(run_id=parents[0].info.run_id, **options) as active:
                yield active
            return
        place = run.environment
        about = {
            "description": run.description,
            "host": place.host,
            "os": place.os,
            "python": place.python,
            "cpu": place.cpu,
            "cores": place.cores,
            "cores_usable": place.cores_usable,
            "ram_mib": place.ram_mib,
            "memory_limit_mib": place.memory_limit_mib,
            "gpu": place.gpu,
            "git_commit": place.git_commit,
            "git_dirty": place.git_dirty,
        }
        tags = {
            RUN_TAG: quoted(run.id),
            "e2e_magic.started_at": run.started_at.isoformat(),
            "mlflow.note.content": run.description,
            "e2e_magic.packages": ", ".join(f"{n} {v}" for n, v in sorted(place.packages.items())),
        }
        named = cut(run.name, LONGEST_NAME)
        with self.mlflow.start_run(run_name=named, tags=tags_of(tags), **options) as active:
            self._log(active.info.run_id, params={n: v for n, v in about.items() if v not in (None, "")})
            yield active

    def _experiment(self) -> str | None:
        """Return the experiment that a run would be started in, without starting one; None where unknown."""
        active = self.mlflow.active_run()
        if active is not None:
            return str(active.info.experiment_id)
        from mlflow.tracking import fluent

        find = getattr(fluent, "_get_experiment_id", None)
        return None if find is None else str(find())

    def _search(self, experiment: str, condition: str) -> list[Any]:
        matches: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs([experiment], condition, page_token=token, max_results=1000)
            matches += page
            token = page.token
            if not token:
                return matches

    def _trials_of(self, parent: str, experiment: str) -> set[str]:
        children = self._search(experiment, f"tags.`mlflow.parentRunId` = '{parent}'")
        return {child.data.tags.get(TRIAL_TAG, "") for child in children}

    def _trial(self, parent: str, experiment: str, record: Record, numbers: Mapping[str, Any]) -> None:
        start = milliseconds(record)
        wall = record.readings.get("wall_time_s")
        tags = {
            "mlflow.parentRunId": parent,
            RUN_TAG: quoted(record.run),
            TRIAL_TAG: trial_key(record),
            "e2e_magic.stage": record.stage,
            "e2e_magic.state": record.state,
            "e2e_magic.sweep": record.sweep or "",
            "e2e_magic.error": record.error or "",
            "e2e_magic.host": record.host,
        }
        name = cut(f"{record.stage} {record.trial}", LONGEST_NAME)
        created = self.client.create_run(experiment, start_time=start, tags=tags_of(tags), run_name=name)
        key = created.info.run_id
        # Two data frames print alike: the label has the beginning of their contents' digest.
        labels = {name: each["label"] for name, each in (record.reported.get("param_contents") or {}).items()}
        params = {"stage": record.stage, "repeat": record.repeat, **dict(record.params), **labels}
        self._log(key, list(self._metrics(record, numbers, start)), params)
        end = after(start, wall) if isinstance(wall, int | float) else start
        self.client.set_terminated(key, _STATUS.get(record.state, "KILLED"), end)

    def _metrics(self, record: Record, numbers: Mapping[str, Any], start: int) -> Iterator[Any]:
        """Yield a trial's numbers and curves; names that MLflow takes, each curve under one."""
        from mlflow.entities import Metric

        names = Names()
        curves = dict(curves_of(record))
        for name, (steps, times, values) in curves.items():
            spelled = names.of(name)
            for step, time, value in zip(steps, times, values, strict=True):
                yield Metric(spelled, value, after(start, time), step)
        for name, series in record.series.items():
            spelled = names.of(name)
            for t_s, value in thinned(series, self.points):
                moment = after(start, t_s)
                yield Metric(spelled, value, moment, moment - start)
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
                continue
            if name in curves and curves[name][2][-1] == value:
                continue  # the last step of its curve
            yield Metric(names.of(f"last_{name}" if name in curves else name), float(value), start, 0)

    def _log(self, key: str, metrics: Sequence[Any] = (), params: Mapping[str, Any] | None = None) -> None:
        from mlflow.entities import Param

        names = Names()
        given = [
            Param(names.of(str(n)), cut(spelled_out(v), LONGEST_PARAM)) for n, v in (params or {}).items()
        ]
        for n in range(0, len(given), MOST_PARAMS):
            self.client.log_batch(key, params=given[n : n + MOST_PARAMS])
        for n in range(0, len(metrics), MOST_METRICS):
            self.client.log_batch(key, metrics=metrics[n : n + MOST_METRICS])
