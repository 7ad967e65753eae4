"""Exports: frames and their charts as files, runs and trials to MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record, Run
from e2e_magic.views import writers
from e2e_magic.views.pictures.trial import pictures

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.integrations.mlflow import Bundle, Logged

# The frames that have a chart.
CHARTS = ("results", "pipeline", "samples", "epochs", "confusions", "trials")
# The number of last stages of a run whose charts are sent to MLflow.
MOST_STAGES = 20
_NOT_METRICS = ("trial", "repeat", "concurrent")


def to_file(frame_of: Callable[[str], pd.DataFrame], frame: str, path: str | Path) -> Path:
    """Write a frame, or for a picture's suffix its chart, and return the absolute path.

    Parameters
    ----------
    frame_of : callable
        Returns a frame by its name.
    frame : str
        Its name.
    path : str or Path
        ``.csv .json .parquet .xlsx .md .tex`` for the frame, ``.png .svg .pdf`` for its chart.

    Raises
    ------
    PlanError
        For an unknown frame, or one that has no chart.
    ValueError, ImportError, OSError
        As `writers.write` raises them.
    """
    table = frame_of(frame)
    if Path(path).suffix.lower() not in writers.FIGURES:
        return writers.write(table, path)
    if frame not in CHARTS:
        raise PlanError(
            f"frame: {frame} has no chart; those of {', '.join(CHARTS)} can be written as "
            f"{', '.join(writers.FIGURES)}"
        )
    return writers.write(chart(frame, table), path)


def sentence(frame: str, written: Path | Logged) -> str:
    """Return a sentence on what an export has written, and where."""
    return f"{frame} written to {written}" if isinstance(written, Path) else str(written)


def chart(name: str, frame: pd.DataFrame) -> Any:
    """Draw the chart of a frame and return its figure."""
    from e2e_magic.views import charts

    draw: Mapping[str, Callable[[pd.DataFrame], Any]] = {
        "results": charts.pipeline,
        "pipeline": charts.pipeline,
        "samples": charts.timeline,
        "epochs": _curve,
        "confusions": charts.confusion,
        "trials": charts.influence,
    }
    drawn = draw[name](frame)
    return (drawn if hasattr(drawn, "figure") else next(iter(drawn))).figure


def _curve(epochs: pd.DataFrame) -> Any:
    """Draw the loss over the epochs, or the accuracy where no loss was logged."""
    from e2e_magic.views import charts

    named = [y for y in ("loss", "accuracy") if {y, f"val_{y}"} & set(epochs.columns)]
    return charts.learning(epochs, y=named[0] if named else "loss")


def to_mlflow(runs: Sequence[Run], records: Sequence[Record]) -> Logged:
    """Log runs with their trials, curves, charts and results frame to MLflow.

    Raises
    ------
    PlanError
        If there is no trial.
    ImportError, MlflowError
        As `integrations.mlflow.log_bundles` raises them.
    """
    from e2e_magic.integrations import mlflow

    if not records:
        raise PlanError("export: there is nothing to log to MLflow yet; measure a cell first")
    by_run: dict[str, list[Record]] = {}
    for record in records:
        by_run.setdefault(record.run, []).append(record)
    by_id = {run.id: run for run in runs}
    return mlflow.log_bundles(
        _bundle(by_id.get(key) or Run(key, key, trials[0].started_at), trials)
        for key, trials in by_run.items()
    )


def _bundle(run: Run, records: Sequence[Record]) -> Bundle:
    from e2e_magic.integrations.mlflow import Bundle
    from e2e_magic.views import frames
    from e2e_magic.views.frames import schema

    names = {run.id: run.name}
    results = frames.results(records, names)
    left_out = {*schema.IDENTITY, *_NOT_METRICS, *(n for n in results.columns if n.startswith("param_"))}
    columns = [name for name in results.columns if name not in left_out]
    rows = results[columns].astype(object).where(results[columns].notna(), None).to_dict("records")
    numbers = [{str(name): value for name, value in row.items() if value is not None} for row in rows]
    return Bundle(run, list(zip(records, numbers, strict=True)), _files(results, records))


def _files(results: pd.DataFrame, records: Sequence[Record]) -> dict[str, bytes]:
    """Return the artifacts of a run: its results frame and its charts."""
    import io

    from e2e_magic.views.charts.style import png

    table = io.BytesIO()
    writers.FRAMES[".csv"](results, table)
    files = {"results.csv": table.getvalue(), "pipeline.png": png(chart("results", results))}
    last = {record.stage: record for record in records}
    for n, (stage, record) in enumerate(list(last.items())[-MOST_STAGES:], 1):
        word = "".join(char if char.isascii() and char.isalnum() else "_" for char in stage)[:40]
        for m, picture in enumerate(pictures([record]), 1):
            files[f"stage_{n}_{word}_{m}.svg"] = picture.svg().encode()
    return files
