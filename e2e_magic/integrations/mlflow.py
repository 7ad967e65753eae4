"""Runs and trials in MLflow: at the tracking URI, and in the experiment, that MLflow is set to.

One MLflow run per run of ours, and nested in it one per trial, with its parameters, its numbers as
metrics, its curves over epochs (the epochs are the steps) and, thinned, its samples over time (the
steps are milliseconds). Everything that a trial has goes in few calls, for a call is a transaction or
a request. What was logged before is found again by its tags and not logged twice.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from e2e_magic.record import Record, Run, Series

# What MLflow takes in one call, and how long its texts may be.
MOST_METRICS = 1000
MOST_PARAMS = 100
LONGEST_NAME = 250
LONGEST_PARAM = 500
LONGEST_TAG = 5000
# Of all samples of an export; each curve keeps its peaks.
MOST_SAMPLES = 40_000
MOST_PER_CURVE = 200
LEAST_PER_CURVE = 20

RUN_TAG = "e2e_magic.run"
TRIAL_TAG = "e2e_magic.trial"
_STATUS = {"complete": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class MlflowError(OSError):
    """Says what MLflow answered, and where."""


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


@dataclass(frozen=True, slots=True)
class Logged:
    """What went to MLflow.

    Attributes
    ----------
    uri : str
        The tracking URI.
    runs : tuple of str
        MLflow's ids of our runs, in order.
    trials, known : int
        How many trials were logged, and how many were there already.
    """

    uri: str
    runs: tuple[str, ...]
    trials: int
    known: int

    def __str__(self) -> str:
        many = f"{self.trials} trial{'' if self.trials == 1 else 's'}"
        of = f"{len(self.runs)} run{'' if len(self.runs) == 1 else 's'}"
        already = f" ({self.known} more were there already)" if self.known else ""
        return f"{many} of {of} logged to MLflow at {self.uri}{already}"


def log_bundles(bundles: Iterable[Bundle]) -> Logged:
    """Log runs to MLflow.

    Raises
    ------
    ImportError
        If mlflow is not installed.
    MlflowError
        If MLflow refuses, with its own words.
    """
    mlflow = _package()
    uri = _without_password(str(mlflow.get_tracking_uri()))
    found = list(bundles)
    curves = sum(len(record.series) for bundle in found for record, _ in bundle.trials)
    points = max(LEAST_PER_CURVE, min(MOST_PER_CURVE, MOST_SAMPLES // max(curves, 1)))
    ids, logged, known = [], 0, 0
    try:
        for bundle in found:
            key, new, old = _Writer(mlflow, bundle, points).write()
            ids.append(key)
            logged += new
            known += old
    except mlflow.exceptions.MlflowException as error:
        first = str(error).strip().splitlines()[0]
        raise MlflowError(
            f"MLflow at {uri} refused: {first[:300]}; check MLFLOW_TRACKING_URI or mlflow.set_tracking_uri()"
        ) from error
    return Logged(uri, tuple(ids), logged, known)


def _package() -> Any:
    try:
        return import_module("mlflow")
    except ImportError as error:
        raise ImportError(
            'logging to MLflow needs mlflow: pip install "e2e-magic[mlflow]"', name="mlflow"
        ) from error


def _without_password(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//", uri)


class _Writer:
    """Logs one bundle."""

    def __init__(self, mlflow: Any, bundle: Bundle, points: int) -> None:
        self.mlflow = mlflow
        self.client = mlflow.MlflowClient()
        self.bundle = bundle
        self.points = points

    def write(self) -> tuple[str, int, int]:
        """Return MLflow's id of the run, how many trials were logged, how many were there already."""
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
        known = (
            [] if experiment is None else self._search(experiment, f"tags.`{RUN_TAG}` = '{_quoted(run.id)}'")
        )
        parents = [found for found in known if TRIAL_TAG not in found.data.tags]
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
            "gpu": place.gpu,
            "git_commit": place.git_commit,
            "git_dirty": place.git_dirty,
        }
        tags = {
            RUN_TAG: _quoted(run.id),
            "e2e_magic.started_at": run.started_at.isoformat(),
            "mlflow.note.content": run.description,
            "e2e_magic.packages": ", ".join(f"{n} {v}" for n, v in sorted(place.packages.items())),
        }
        named = _cut(run.name, LONGEST_NAME)
        with self.mlflow.start_run(run_name=named, tags=_tags(tags), **options) as active:
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
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs([experiment], condition, page_token=token, max_results=1000)
            found += page
            token = page.token
            if not token:
                return found

    def _trials_of(self, parent: str, experiment: str) -> set[str]:
        children = self._search(experiment, f"tags.`mlflow.parentRunId` = '{parent}'")
        return {child.data.tags.get(TRIAL_TAG, "") for child in children}

    def _trial(self, parent: str, experiment: str, record: Record, numbers: Mapping[str, Any]) -> None:
        start = _milliseconds(record)
        wall = record.readings.get("wall_time_s")
        tags = {
            "mlflow.parentRunId": parent,
            RUN_TAG: _quoted(record.run),
            TRIAL_TAG: trial_key(record),
            "e2e_magic.stage": record.stage,
            "e2e_magic.state": record.state,
            "e2e_magic.sweep": record.sweep or "",
            "e2e_magic.error": record.error or "",
            "e2e_magic.host": record.host,
        }
        name = _cut(f"{record.stage} {record.trial}", LONGEST_NAME)
        made = self.client.create_run(experiment, start_time=start, tags=_tags(tags), run_name=name)
        key = made.info.run_id
        params = {"stage": record.stage, "repeat": record.repeat, **dict(record.params)}
        self._log(key, list(self._metrics(record, numbers, start)), params)
        end = _after(start, wall) if isinstance(wall, int | float) else start
        self.client.set_terminated(key, _STATUS[record.state], end)

    def _metrics(self, record: Record, numbers: Mapping[str, Any], start: int) -> Iterator[Any]:
        """Yield a trial's numbers and curves; names that MLflow takes, each curve under one."""
        from mlflow.entities import Metric

        names = _Names()
        curves = dict(_curves(record))
        for name, (steps, times, values) in curves.items():
            spelled = names.of(name)
            for step, time, value in zip(steps, times, values, strict=True):
                yield Metric(spelled, value, _after(start, time), step)
        for name, series in record.series.items():
            spelled = names.of(name)
            for t_s, value in _thinned(series, self.points):
                moment = _after(start, t_s)
                yield Metric(spelled, value, moment, moment - start)
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
                continue
            if name in curves and curves[name][2][-1] == value:
                continue  # the last step of its curve
            yield Metric(names.of(f"last_{name}" if name in curves else name), float(value), start, 0)

    def _log(self, key: str, metrics: Sequence[Any] = (), params: Mapping[str, Any] | None = None) -> None:
        from mlflow.entities import Param

        names = _Names()
        given = [Param(names.of(str(n)), _cut(_spelled(v), LONGEST_PARAM)) for n, v in (params or {}).items()]
        for n in range(0, len(given), MOST_PARAMS):
            self.client.log_batch(key, params=given[n : n + MOST_PARAMS])
        for n in range(0, len(metrics), MOST_METRICS):
            self.client.log_batch(key, metrics=metrics[n : n + MOST_METRICS])


def trial_key(record: Record) -> str:
    """Return what tells a trial from all others of its run."""
    return _cut(f"{record.trial} {record.stage}", LONGEST_TAG)


def _milliseconds(record: Record) -> int:
    from datetime import UTC, datetime

    return round((record.started_at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def _after(start: int, seconds: float) -> int:
    """Return a moment in milliseconds; the start itself where the seconds are no time to add."""
    return start + round(1000 * seconds) if 0 <= seconds < 1e9 else start


def _curves(record: Record) -> Iterator[tuple[str, tuple[list[int], list[float], list[float]]]]:
    """Yield what was logged or handed back per epoch: steps, seconds, values."""
    events = record.events
    epochs = [round(e) if math.isfinite(e) else n + 1 for n, e in enumerate(events.epoch)]
    for name, column in events.values.items():
        known = [n for n, value in enumerate(column) if not math.isnan(value)]
        if known:
            yield (
                name,
                ([epochs[n] for n in known], [events.t_s[n] for n in known], [column[n] for n in known]),
            )
    for name in ("loss", "accuracy"):
        listed = record.reported.get(name)
        if isinstance(listed, list) and listed and name not in events.values:
            yield name, (list(range(1, len(listed) + 1)), [0.0] * len(listed), [float(v) for v in listed])


def _thinned(series: Series, most: int) -> Iterator[tuple[float, float]]:
    """Yield at most `most` points of a curve: of each stretch its lowest and its highest."""
    points = [(t, value) for t, value in series if not math.isnan(value)]
    if len(points) <= most:
        yield from points
        return
    stretches = most // 2
    for n in range(stretches):
        part = points[n * len(points) // stretches : (n + 1) * len(points) // stretches]
        ends = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        yield from sorted(ends)


class _Names:
    """Spells names as MLflow takes them: no two alike."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def of(self, name: str) -> str:
        plain = re.sub(r"[^\w.\- ]", "_", name, flags=re.ASCII)[: LONGEST_NAME - 8].strip() or "_"
        plain = plain if plain.strip(".") else "_"
        made, n = plain, 2
        while made in self.taken:
            made, n = f"{plain}_{n}", n + 1
        self.taken.add(made)
        return made


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: _cut(value, LONGEST_TAG) for name, value in tags.items() if value}


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def _cut(text: str, longest: int) -> str:
    printable = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "�")
    return printable if len(printable) <= longest else f"{printable[: longest - 1]}…"


def _quoted(text: str) -> str:
    """Spell a text for MLflow's search, which knows no escaping of quotes: ours have none."""
    return text.replace("'", "_")
