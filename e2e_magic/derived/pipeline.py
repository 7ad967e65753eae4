"""The stages of a pipeline side by side: shares, the bottleneck, the gain from speeding it up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from e2e_magic.text import digits, percent, quantity


@dataclass(frozen=True, slots=True)
class PipelineSummary:
    """The shares and the bottleneck that follow from the stages' times.

    Attributes
    ----------
    shares : mapping of str to float
        Of the total, 0 to 1.
    bottleneck : str or None
        The stage that takes longest.
    sentence : str
        The summary in words.
    speedup_if_doubled : float
        How many times as fast the whole would be if the bottleneck were twice as fast.
    """

    shares: Mapping[str, float]
    bottleneck: str | None
    sentence: str
    speedup_if_doubled: float


def amdahl(share: float, factor: float) -> float:
    """Return the speed-up of the whole when a part of it runs `factor` times as fast.

    Amdahl (1967), Validity of the single processor approach: 1 / ((1 - share) + share / factor).
    """
    return 1.0 / ((1.0 - share) + share / factor)


def summary(stages: Mapping[str, float]) -> PipelineSummary:
    """Return the summary of a pipeline's stages.

    Parameters
    ----------
    stages : mapping of str to float
        Wall time of each stage in seconds; NaN where it was not measured.
    """
    measured = {name: value for name, value in stages.items() if math.isfinite(value) and value >= 0}
    total = sum(measured.values())
    shares = {name: measured[name] / total if total and name in measured else math.nan for name in stages}
    if not total:
        return PipelineSummary(shares, None, "no stage has been measured yet", 1.0)
    bottleneck = max(measured, key=lambda name: measured[name])
    share = shares[bottleneck]
    speedup = amdahl(share, 2.0)
    sentence = (
        f"{bottleneck} is the bottleneck: {quantity(measured[bottleneck], 's')} of {quantity(total, 's')} "
        f"({percent(share)}). Twice as fast, it would make the whole {digits(speedup)} times as fast "
        f"({quantity(total - total / speedup, 's')} less)"
    )
    if len(measured) == 1:
        sentence = f"{bottleneck} is the only stage so far: {quantity(total, 's')}"
    return PipelineSummary(shares, bottleneck, sentence, speedup)
