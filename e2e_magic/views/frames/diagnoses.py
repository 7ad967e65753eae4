"""Findings as a frame: a row per finding, and one per stage in which nothing stands out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from e2e_magic.text import digits
from e2e_magic.views.frames import columns

if TYPE_CHECKING:
    from e2e_magic.views.diagnosis import StageDiagnosis


def diagnoses(stages: Sequence[StageDiagnosis]) -> pd.DataFrame:
    """Return ``run stage rule share finding next_step numbers``; the rule is missing where none spoke."""
    rows: list[tuple[Any, ...]] = []
    for stage in stages:
        if not stage.found:
            rows.append((stage.run, stage.stage, None, None, stage.verdict, None, None))
        rows += [
            (stage.run, stage.stage, one.rule, one.share, one.sentence, one.next_step, _listed(one.numbers))
            for one in stage.found
        ]
    run, named, rule, share, finding, step, numbers = zip(*rows, strict=True) if rows else ((),) * 7
    return columns.frame(
        {
            "run": columns.text(run),
            "stage": columns.text(named),
            "rule": columns.text(rule),
            "share": columns.floats(share),
            "finding": columns.text(finding),
            "next_step": columns.text(step),
            "numbers": columns.text(numbers),
        },
        {},
    )


def _listed(numbers: Any) -> str:
    return ", ".join(f"{name} {digits(value)}" for name, value in numbers.items())
