"""Runs and trials in MLflow: at the tracking URI, and in the experiment, that MLflow is set to.

Input: runs with their trials. Output: runs of MLflow.

One MLflow run per run of ours, and nested in it one per trial, with its parameters, its numbers as
metrics, its curves over epochs (the epochs are the steps) and, thinned, its samples over time (the
steps are milliseconds). Everything that a trial has goes in few calls, for a call is a transaction or
a request. What was logged before is found again by its tags and not logged twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from e2e_magic.integrations.mlflow.points import LEAST_PER_CURVE, MOST_PER_CURVE, MOST_SAMPLES
from e2e_magic.integrations.mlflow.writing import RUN_TAG, TRIAL_TAG, Bundle, Writer
from e2e_magic.text import counted

__all__ = ["RUN_TAG", "TRIAL_TAG", "Bundle", "Logged", "MlflowError", "log_bundles"]


class MlflowError(OSError):
    """Raised where MLflow refuses, with its answer and its address."""


@dataclass(frozen=True, slots=True)
class Logged:
    """The outcome of an export to MLflow.

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
        many, of = counted(self.trials, "trial"), counted(len(self.runs), "run")
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
    every = list(bundles)
    curves = sum(len(record.series) for bundle in every for record, _ in bundle.trials)
    points = max(LEAST_PER_CURVE, min(MOST_PER_CURVE, MOST_SAMPLES // max(curves, 1)))
    ids, logged, already = [], 0, 0
    try:
        for bundle in every:
            key, new, old = Writer(mlflow, bundle, points).write()
            ids.append(key)
            logged += new
            already += old
    except mlflow.exceptions.MlflowException as error:
        first = str(error).strip().splitlines()[0]
        raise MlflowError(
            f"MLflow at {uri} refused: {first[:300]}; check MLFLOW_TRACKING_URI or mlflow.set_tracking_uri()"
        ) from error
    return Logged(uri, tuple(ids), logged, already)


def _package() -> Any:
    try:
        return import_module("mlflow")
    except ImportError as error:
        raise ImportError(
            'logging to MLflow needs mlflow: pip install "e2e-magic[mlflow]"', name="mlflow"
        ) from error


def _without_password(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//", uri)
