"""Rules on time that is not the code's own: imports, garbage collection, the first execution."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from e2e_magic.derived.findings.finding import Finding, Trial
from e2e_magic.record import Record
from e2e_magic.text import counted, digits, legible, percent, quantity

# Of the wall time: most of it.
LEAST_IMPORTING = 0.5
# The packages that are named, and the part of all imports (s) that is worth naming.
MOST_NAMED, LEAST_NAMED = 3, 0.05
# Of the wall time: in code that makes many objects the collector takes 2 to 5 %.
LEAST_COLLECTING = 0.1
# Repeats: the first, and two that agree.
LEAST_REPEATS = 3
# The first one's time as a multiple of the others' median, and of their longest: less is spread.
LEAST_RATIO, LEAST_OVER_LONGEST = 1.5, 1.2
# The excess, s: less is nothing that anybody waits for.
LEAST_EXCESS_S = 0.01
# Of the excess: where the first repeat waited for a core that much longer than the others, that is why.
MOST_WAITED = 0.5


def importing(trial: Trial) -> Finding | None:
    """Say that most of the time went into first imports of modules, and of which packages.

    Source: ``python -X importtime`` (Python, Command line and environment), its cumulative times of outermost
    imports.
    """
    seconds = trial.import_s
    if not seconds >= LEAST_IMPORTING * trial.wall_s:
        return None
    named = ", ".join(f"{legible(name)} {quantity(trial.imports[name], 's')}" for name in _longest(trial))
    return Finding(
        "import",
        f"{percent(min(seconds / trial.wall_s, 1.0))} of the time is import: {named}",
        "put imports into a cell of their own, so that the stage shows its own time",
        min(seconds / trial.wall_s, 1.0),
        {"import_s": seconds, "wall_time_s": trial.wall_s},
    )


def collecting(trial: Trial) -> Finding | None:
    """Say that the garbage collector took a large part of the time.

    Source: Python, ``gc``: ``gc.callbacks`` around each collection; ``gc.freeze`` takes what is there for
    good out of all later ones. Collections within imports are the imports'.
    """
    collecting_s, count = trial.fact("gc_s"), trial.fact("collections")
    share = collecting_s / trial.wall_s
    if not (share >= LEAST_COLLECTING and count >= 1):
        return None
    return Finding(
        "garbage collection",
        f"the garbage collector took {percent(share)} of the time ({counted(int(count), 'collection')}, "
        f"{quantity(collecting_s, 's')})",
        "make fewer objects (arrays for lists of dicts), call gc.freeze() once the data is loaded, or "
        "gc.disable() around this part",
        min(share, 1.0),
        {"gc_s": collecting_s, "collections": count},
    )


def warm_up(repeats: Sequence[Record]) -> Finding | None:
    """Say that the first repeat was much slower than the others: it filled caches, compiled, or imported.

    Source: Georges et al. (2007), Statistically Rigorous Java Performance Evaluation: start-up and steady
    state are two questions.
    """
    timed = [each for each in repeats if each.state == "complete" and "wall_time_s" in each.readings]
    walls = [float(record.readings["wall_time_s"]) for record in timed]
    if len(walls) < LEAST_REPEATS or repeats[0].repeat != 1 or repeats[0].state != "complete":
        return None
    first, others = walls[0], walls[1:]
    usual = median(others)
    if not (
        first >= LEAST_RATIO * usual
        and first >= LEAST_OVER_LONGEST * max(others)
        and first - usual >= LEAST_EXCESS_S
    ):
        return None
    waits = [float(record.readings.get("waited_s", 0.0)) for record in timed]
    if waits[0] - median(waits[1:]) > (first - usual) * MOST_WAITED:
        return None
    beginning = Trial.of(repeats[0])
    imported = beginning.import_s > (first - usual) / 2
    return Finding(
        "warm-up",
        f"the first of {len(walls)} repeats took {digits(first / usual)} times as long as the others "
        f"({quantity(first, 's')} against {quantity(usual, 's')})"
        + (f": it imported {legible(', '.join(_longest(beginning)))}" if imported else ""),
        "--warmup 1 runs it once unmeasured, if later runs are what counts",
        (first - usual) / sum(walls),
        {"first_s": first, "others_s": usual, "repeats": len(walls)},
    )


def _longest(trial: Trial) -> list[str]:
    """Return the packages that took long to import."""
    names = [name for name, took in trial.imports.items() if took >= LEAST_NAMED * trial.import_s]
    return names[:MOST_NAMED]
