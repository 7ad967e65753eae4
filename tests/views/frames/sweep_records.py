"""Trials of a sweep over a small grid, of which the truth is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from e2e_magic.record import Record

START = datetime(2026, 8, 1, 12, tzinfo=UTC)


def sweep(
    grid: dict[str, list[Any]],
    measure: Callable[..., tuple[float, float]],
    repeats: int = 1,
    **fields: Any,
) -> list[Record]:
    """Make the trials of a grid; `measure` gives wall time and accuracy."""
    made = []
    for values in itertools.product(*grid.values()):
        params = dict(zip(grid, values, strict=True))
        for repeat in range(repeats):
            wall, accuracy = measure(**params)
            given_: dict[str, Any] = {
                "run": "a",
                "stage": "train",
                "trial": len(made) + 1,
                "repeat": repeat + 1,
                "state": "complete",
                "started_at": START + timedelta(seconds=len(made)),
                "sweep": "s",
                "params": params,
                "readings": {"wall_time_s": wall},
                "reported": {"accuracy": accuracy},
                **fields,
            }
            made.append(Record(**given_))
    return made


GRID = {"lr": [0.1, 0.01, 0.001], "batch_size": [16, 32]}


def by_rate(lr: float, batch_size: int) -> tuple[float, float]:
    """Accuracy goes with the rate alone, time with the batch alone."""
    return 64 / batch_size, 0.9 + np.log10(lr) / 10
