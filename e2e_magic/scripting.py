"""The Python side of ``%e2e``: the same functions, the same frames, the same errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e_magic.session import current

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from e2e_magic.record import Run


def results(*, run: str | None = None, stage: str | None = None) -> pd.DataFrame:
    """Return a row per trial: times, CPU, memory, IO, energy, quality; units in the column names.

    Parameters
    ----------
    run, stage : str, optional
        Only the trials of this run (name or id) or stage.
    """
    return current().frame("results", run=run, stage=stage)


def samples(*, run: str | None = None, stage: str | None = None) -> pd.DataFrame:
    """Return the sampled curves, tidy: ``run stage trial metric t_s value``."""
    return current().frame("samples", run=run, stage=stage)


def epochs(*, run: str | None = None, stage: str | None = None) -> pd.DataFrame:
    """Return what was logged, a row per epoch: ``run stage trial epoch t_s`` and a column per key."""
    return current().frame("epochs", run=run, stage=stage)


def trials(*, run: str | None = None, stage: str | None = None) -> pd.DataFrame:
    """Return the results of sweeps, best first."""
    return current().frame("trials", run=run, stage=stage)


def confusions(*, run: str | None = None, stage: str | None = None) -> pd.DataFrame:
    """Return the confusion matrices, tidy: ``run stage trial true predicted count``."""
    return current().frame("confusions", run=run, stage=stage)


def runs() -> pd.DataFrame:
    """Return a row per run of this kernel with its environment."""
    return current().frame("runs")


def metrics() -> pd.DataFrame:
    """Return what this machine can measure and from what source, and what it can't and why."""
    return current().frame("metrics")


def pipeline(*, run: str | None = None) -> pd.DataFrame:
    """Return the stages of a run side by side; ``attrs["summary"]`` names the bottleneck in words."""
    return current().frame("pipeline", run=run)


def run(name: str | None = None, *, description: str = "") -> Run:
    """Start the next run: a variant of the pipeline, a tool to compare.

    Parameters
    ----------
    name : str, optional
        Its name in the frames; a short id when left out.
    description : str
        A sentence for `runs`.
    """
    return current().start_run(name, description)


def export(path: str | Path, frame: str = "results") -> Path:
    """Write a frame to a file: csv, json, parquet, xlsx, md or tex by suffix.

    Parameters
    ----------
    path : str or Path
    frame : str
        ``results`` (default), ``samples``, ``epochs``, ``trials``, ``confusions``, ``runs``,
        ``metrics`` or ``pipeline``.

    Returns
    -------
    Path
        The absolute path that was written, whole: a failure leaves no half file.
    """
    return current().export(path, frame)
