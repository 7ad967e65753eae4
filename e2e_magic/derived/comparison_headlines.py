"""What a comparison found, first in a line per run, then metric by metric, the largest difference first.

A row is whatever has the columns of a comparison's frame as attributes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from e2e_magic.derived.comparison import OPEN, amount
from e2e_magic.derived.comparison_sentences import undecided
from e2e_magic.derived.failures import Failures
from e2e_magic.text import counted, digits, legible, words

# These are the wall time divided into, or by, the entries.
RESTATING = ("latency_s", "throughput_per_s")
_SAME = 0.01  # of natural logarithms of ratios: about 1 %
_NEAR = 0.1
_NOTHING: Mapping[tuple[str, str], Failures] = {}
# What a line has room for; the rest is counted.
MOST_STAGES = 3
MOST_PIECES = 3
MOST_PLACES = 6
MOST_NAMED = 3
_ALIKE = ("no difference that matters", "no difference seen", "too few repeats", "can't tell")
_JOINED = {"no difference that matters": " in", "no difference seen": " in", "too few repeats": " of"}


def effect(row: Any) -> float:
    """Return how far a row is from no difference, in either direction; infinite without a ratio."""
    return abs(math.log(row.ratio)) if row.ratio > 0 and math.isfinite(row.ratio) else math.inf


def _restates(row: Any, wall: Mapping[tuple[str, str], Any]) -> bool:
    """Return whether a claimed difference is that of the same trials' wall time, said again."""
    first = wall.get((row.stage, row.run))
    return row.metric in RESTATING and first is not None and abs(effect(row) - effect(first)) < _SAME


def decided(rows: Sequence[Any]) -> list[Any]:
    """Return the rows that claim a difference, grouped by metric, the largest difference first.

    Latency and throughput that only restate the wall time are left out; see `restating`.
    """
    apart = [row for row in rows if row.verdict not in OPEN]
    wall = {(row.stage, row.run): row for row in apart if row.metric == "wall_time_s"}
    apart = [row for row in apart if not _restates(row, wall)]
    most: dict[str, float] = {}
    for row in apart:
        most[row.metric] = max(effect(row), most.get(row.metric, 0.0))
    near = {"wall_time_s": _NEAR}  # before CPU time, which is often nearly as far apart
    metrics = sorted(most, key=lambda name: -most[name] - near.get(name, 0.0))
    return sorted(apart, key=lambda row: (metrics.index(row.metric), -effect(row)))


def restating(rows: Sequence[Any]) -> list[Any]:
    """Return the rows that claim a difference and only restate that of the wall time."""
    wall = {(r.stage, r.run): r for r in rows if r.metric == "wall_time_s" and r.verdict not in OPEN}
    return [row for row in rows if row.verdict not in OPEN and _restates(row, wall)]


def ordered(rows: Sequence[Any]) -> list[Any]:
    """Return all rows, those that claim a difference first; see `decided`."""
    return [*decided(rows), *(row for row in rows if row.verdict in OPEN), *restating(rows)]


def _piece(row: Any, held: Collection[tuple[str, str]]) -> str:
    """Return one difference as short as it can be said: ``1.83x faster``, ``43 % more loss``."""
    if row.metric == "peak_rss_mib" and (row.stage, row.run) in held:
        return f"{amount(row.verdict, row.ratio)[0]} {words(row.metric)}, most of it held before"
    size, _ = amount(row.verdict, row.ratio)
    if row.verdict in ("faster", "slower"):
        return size if row.metric == "wall_time_s" else f"{size} in {words(row.metric)}"
    return f"{size} {words(row.metric)}"


def _pieces(rows: Sequence[Any], held: Collection[tuple[str, str]]) -> list[str]:
    """Return what differs in one stage, the wall time first; CPU time that says the same is left out."""
    wall = next((row for row in rows if row.metric == "wall_time_s"), None)
    said = [
        row
        for row in rows
        if wall is None
        or row.metric != "cpu_time_s"
        or row.verdict != wall.verdict
        or abs(effect(row) - effect(wall)) > _NEAR
    ]

    def place(row: Any) -> tuple[bool, bool, float]:
        before = row.metric == "peak_rss_mib" and (row.stage, row.run) in held
        return row is not wall, before, -effect(row)

    return [_piece(row, held) for row in sorted(said, key=place)]


def _strength(rows: Sequence[Any]) -> float:
    return max((effect(row) for row in rows if row.metric == "wall_time_s"), default=max(map(effect, rows)))


def headline(
    run: str,
    rows: Sequence[Any],
    failures: Mapping[tuple[str, str], Failures] = _NOTHING,
    held: Collection[tuple[str, str]] = (),
) -> str:
    """Return what one run's rows say in a line; `held` as of `headlines`.

    Examples
    --------
    ``after: train 1.83x faster, 43 % more loss; no difference that matters in 27 metrics``
    """
    stages: dict[str, list[Any]] = {}
    for row in decided(rows):
        stages.setdefault(row.stage, []).append(row)
    lost = {
        stage: ", ".join(f"{n} of {one.trials} trials {word}" for word, n in one.counts.items() if n)
        for (stage, name), one in failures.items()
        if name == run and one.failed
    }
    parts, more = [], 0
    order = [*lost, *sorted(stages.keys() - lost.keys(), key=lambda name: -_strength(stages[name]))]
    for n, stage in enumerate(order):
        apart = stages.get(stage, [])
        pieces = _pieces(apart, held)
        if stage in lost:
            pieces.insert(0, lost[stage])
        shown = pieces[:MOST_PIECES] if n < MOST_STAGES else []
        more += len(pieces) - len(shown)
        if shown:
            parts.append(f"{legible(stage)} {', '.join(shown)}")
    if more:
        parts.append(f"{counted(more, 'more difference')}")
    rest, several = [], len({row.stage for row in rows}) > 1
    few = sum(row.verdict in _ALIKE for row in rows) <= MOST_NAMED
    for verdict in _ALIKE:
        some = [row for row in rows if row.verdict == verdict]
        if some:
            named = [f"{legible(row.stage)} {row.metric}" if several else row.metric for row in some]
            what = ", ".join(named) if few or len(some) == 1 else counted(len(some), "metric")
            rest.append(f"{verdict}{_JOINED.get(verdict, '')} {what}")
    return f"{legible(run)}: {'; '.join([*parts, *([', '.join(rest)] if rest else [])])}"


def headlines(
    rows: Sequence[Any],
    runs: Sequence[str],
    failures: Mapping[tuple[str, str], Failures] = _NOTHING,
    held: Collection[tuple[str, str]] = (),
) -> list[str]:
    """Return a line for each run that has rows; see `headline`.

    Of the stages and runs that are `held`, more peak memory was the process's before the trial began.
    """
    of = {run: [row for row in rows if row.run == run] for run in runs}
    return [headline(run, some, failures, held) for run, some in of.items() if some]


def by_metric(rows: Sequence[Any]) -> list[str]:
    """Return only what differs: a sentence for each metric, the largest difference first.

    Examples
    --------
    ``wall_time_s: train 1.83x faster (1.79 to 1.88), infer 1.2x slower (1.1 to 1.3)``
    """
    several = len({row.run for row in rows}) > 1
    metrics: dict[str, list[str]] = {}
    for row in decided(rows):
        size, interval = amount(row.verdict, row.ratio, row.ratio_low, row.ratio_high)
        within = interval or f"{digits(row.median)} against {digits(row.median_baseline)}"
        place = f"{legible(row.stage)} of {legible(row.run)}" if several else legible(row.stage)
        metrics.setdefault(row.metric, []).append(f"{place} {size} ({within})")
    if "wall_time_s" in metrics and (also := dict.fromkeys(row.metric for row in restating(rows))):
        metrics = {
            f"{m} ({', '.join(also)} alike)" if m == "wall_time_s" else m: p for m, p in metrics.items()
        }
    return [
        f"{metric}: {', '.join(places[:MOST_PLACES])}"
        + (f" and {len(places) - MOST_PLACES} more" if len(places) > MOST_PLACES else "")
        for metric, places in metrics.items()
    ]


def not_told(
    rows: Sequence[Any], runs: Sequence[str], failures: Mapping[tuple[str, str], Failures] = _NOTHING
) -> list[str]:
    """Return what came to nothing and what can't be told, with why and what to do; stages alike together."""
    said: dict[str, list[str]] = {}
    grouped: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        grouped.setdefault((row.stage, row.run), []).append(row)
    for (stage, run), some in grouped.items():
        both = [(name, failures.get((stage, name))) for name in (some[0].baseline, run)]
        lost = ", ".join(one.sentence(legible(name)) for name, one in both if one is not None and one.failed)
        for text in [*([lost] if lost and run in runs else []), *undecided(legible(run), some)]:
            said.setdefault(text, []).append(legible(stage))
    return [
        f"{', '.join(stages[:MOST_PLACES])}"
        + (f" and {len(stages) - MOST_PLACES} more" if len(stages) > MOST_PLACES else "")
        + f": {text}"
        for text, stages in said.items()
    ]
