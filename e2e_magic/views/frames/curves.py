"""Long frames of what happened within trials: sampled curves and logged epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.derived.energy import estimated_power
from e2e_magic.record import Record
from e2e_magic.text import unit_in_name
from e2e_magic.views.frames import columns, schema

_NO_NAMES: Mapping[str, str] = {}
_TAKEN = ("run", "stage", "trial", "epoch", "t_s")
# What code may hand back once per epoch (contract, section 4).
_CURVES = ("loss", "accuracy")


def samples(records: Sequence[Record], names: Mapping[str, str] = _NO_NAMES) -> pd.DataFrame:
    """Return every sampled curve: ``run stage trial metric t_s value``, a row per sample.

    Where an estimate was asked for, ``estimated_power_w`` follows from the curve of CPU use.
    ``attrs["units"]`` holds the unit of each metric in ``value``, and of ``t_s``.
    """
    curves = [
        (record, metric, series)
        for record in records
        for metric, series in {**record.series, "estimated_power_w": estimated_power(record)}.items()
        if series
    ]
    lengths = np.array([len(series) for _, _, series in curves], dtype=np.int64)
    metrics = dict.fromkeys(metric for _, metric, _ in curves)
    return columns.frame(
        {
            "run": columns.labels([names.get(record.run, record.run) for record, _, _ in curves], lengths),
            "stage": columns.labels([record.stage for record, _, _ in curves], lengths),
            "trial": np.repeat(np.array([record.trial for record, _, _ in curves], dtype=np.int64), lengths),
            "metric": columns.labels([metric for _, metric, _ in curves], lengths),
            "t_s": columns.joined(series.t_s for _, _, series in curves),
            "value": columns.joined(series.value for _, _, series in curves),
        },
        {"t_s": "s", **schema.units(metrics)},
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """The epochs of one trial, as parallel sequences."""

    record: Record
    epoch: Sequence[float]
    t_s: Sequence[float]
    values: Mapping[str, Sequence[float]]


def epochs(records: Sequence[Record], names: Mapping[str, str] = _NO_NAMES) -> pd.DataFrame:
    """Return a row per call of ``log``: ``run stage trial epoch t_s`` and a column per logged key.

    Curves that a trial returned as lists are included: beside the logged rows where there are as many,
    else as separate rows, numbered from 1, whose time is missing. A logged key that has one of
    the frame's own names appears as ``logged_NAME``.
    """
    blocks = [block for record in records for block in _blocks(record)]
    lengths = np.array([len(block.epoch) for block in blocks], dtype=np.int64)
    epoch = columns.joined(block.epoch for block in blocks)
    whole = columns.integers(epoch)  # None where someone logs 0.5 of one
    table: dict[str, Any] = {
        "run": columns.labels([names.get(block.record.run, block.record.run) for block in blocks], lengths),
        "stage": columns.labels([block.record.stage for block in blocks], lengths),
        "trial": np.repeat(np.array([block.record.trial for block in blocks], dtype=np.int64), lengths),
        "epoch": epoch if whole is None else whole,
        "t_s": columns.joined(block.t_s for block in blocks),
    }
    units = {"t_s": "s"}
    for key in dict.fromkeys(key for block in blocks for key in block.values):
        column = f"logged_{key}" if key in _TAKEN else columns.printable(key)
        table[column] = columns.joined(
            block.values[key] if key in block.values else np.full(size, np.nan)
            for block, size in zip(blocks, lengths.tolist(), strict=True)
        )
        units[column] = unit_in_name(key)
    return columns.of_runs(columns.frame(table, units), names)


def _blocks(record: Record) -> list[_Block]:
    logged = record.events
    lists = {
        key: values
        for key in _CURVES
        if isinstance(values := record.reported.get(key), list | tuple) and key not in logged.values
    }
    beside = {key: values for key, values in lists.items() if len(values) == len(logged) > 0}
    alone = {key: values for key, values in lists.items() if key not in beside}
    blocks = []
    if len(logged):
        blocks.append(_Block(record, logged.epoch, logged.t_s, {**logged.values, **beside}))
    if size := max(map(len, alone.values()), default=0):
        blocks.append(
            _Block(
                record,
                range(1, size + 1),
                np.full(size, np.nan).tolist(),
                {key: [*values, *[np.nan] * (size - len(values))] for key, values in alone.items()},
            )
        )
    return blocks
