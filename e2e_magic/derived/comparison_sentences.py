"""A comparison in words: what is faster, what takes more, where no difference was seen, and by how much.

A row is whatever has the columns of a comparison's frame as attributes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from e2e_magic.derived.comparison import OPEN, amount
from e2e_magic.derived.many_comparisons import is_share
from e2e_magic.text import digits, legible

_NOTHING: Mapping[tuple[str, str], str] = {}


def difference(row: Any) -> str:
    """Return one claimed difference in words: ``is 1.8x slower in wall_time_s (1.7 to 1.9)``."""
    size, interval = amount(row.verdict, row.ratio, row.ratio_low, row.ratio_high)
    within = interval or f"{digits(row.median)} against {digits(row.median_baseline)}"
    if row.verdict in ("faster", "slower"):
        return f"is {size} in {row.metric} ({within})"
    return f"has {size} {row.metric} ({within})"


def _change(row: Any) -> str:
    """Return how far medians differ where it doesn't matter: ``0.009 % more``, ``0.05 points less``."""
    change = row.median - row.median_baseline
    if math.isfinite(row.ratio):  # of blocks it is not the ratio of these medians, which a drift moves
        change = (row.ratio - 1) * row.median_baseline
    word = "more" if change > 0 else "less"
    if is_share(row.metric):
        percent = max(abs(row.median), abs(row.median_baseline)) > 1
        return f"{digits(abs(change) * (1 if percent else 100))} points {word}"
    return f"{digits(100 * abs(change / row.median_baseline))} % {word}"


def undecided(run: str, rows: Sequence[Any]) -> list[str]:
    """Return what can't be told of one stage and run, with why and what to do."""
    disturbed: dict[str, list[Any]] = {}
    for row in rows:
        if row.verdict == "can't tell":
            disturbed.setdefault(row.reason, []).append(row)
    parts = [
        f"can't tell {', '.join(row.metric for row in same)}: {reason}" for reason, same in disturbed.items()
    ]
    few = [row for row in rows if row.verdict == "too few repeats"]
    counts: dict[tuple[int, int], list[Any]] = {}
    for row in few:
        counts.setdefault((row.n, row.n_baseline), []).append(row)
    for (n, n_baseline), same in counts.items():
        names = ", ".join(row.metric for row in same)
        needed = same[0].repeats_needed
        if n == n_baseline == 0:
            parts.append(f"too few repeats of {names}: neither run has a value; %e2e metrics says why not")
            continue
        parts.append(
            f"too few repeats of {names}: {run} has {n}, {legible(same[0].baseline)} has {n_baseline}; "
            f"{needed} on each side are needed, as with --repeat {needed}"
        )
    return parts


def _sentence(stage: str, run: str, rows: Sequence[Any], lost: str) -> str:
    apart = [row for row in rows if row.verdict not in OPEN]
    alike = [row.metric for row in rows if row.verdict == "no difference seen"]
    small = [row for row in rows if row.verdict == "no difference that matters"]
    parts = [lost] if lost else []
    if apart:
        differences = [difference(row) for row in apart]
        verbs = [text.split()[0] for text in differences]
        for n in range(len(differences) - 1, 0, -1):  # "is 2x slower in .., 1.5x slower in ..": the verb once
            if verbs[n] == verbs[n - 1]:
                differences[n] = differences[n].removeprefix(f"{verbs[n]} ")
        parts.append(f"{run} {', '.join(differences)}")
    if small:
        listed = ", ".join(f"{row.metric} ({_change(row)})" for row in small)
        parts.append(f"no difference that matters in {listed}" + ("" if apart else f" of {run}"))
    if alike:
        parts.append(f"no difference seen in {', '.join(alike)}" + ("" if apart else f" of {run}"))
    parts += undecided(run, rows)
    return f"{stage}: {'; '.join(parts)}"


def sentences(rows: Sequence[Any], lost: Mapping[tuple[str, str], str] = _NOTHING) -> list[str]:
    """Return a sentence per stage and run, in the order of the rows.

    `lost` holds, by stage and run, the words on trials that diverged or missed their target; they come first
    in the sentence.
    """
    grouped: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        grouped.setdefault((row.stage, row.run), []).append(row)
    return [
        _sentence(legible(stage), legible(run), some, lost.get((stage, run), ""))
        for (stage, run), some in grouped.items()
    ]
