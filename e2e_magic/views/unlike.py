"""Differences between compared runs besides the intended ones; they are reported before the ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from e2e_magic.derived.comparison import MOST_WAITED
from e2e_magic.record import Environment, Run
from e2e_magic.text import digits, legible, quantity
from e2e_magic.views.frames import schema

if TYPE_CHECKING:
    import pandas as pd

# How each part of an environment is named and spelled.
_PLACE: dict[str, Callable[[Environment], str]] = {
    "processor": lambda place: place.cpu,
    "usable cores": lambda place: str(place.cores_usable or place.cores or ""),
    "memory": lambda place: "" if place.ram_mib is None else quantity(round(place.ram_mib, -2), "MiB"),
    "memory limit": lambda place: (
        "" if place.memory_limit_mib is None else quantity(place.memory_limit_mib, "MiB")
    ),
    "GPU": lambda place: place.gpu or "",
    "system": lambda place: place.os,
    "Python": lambda place: place.python,
}
# The most packages that a sentence names.
_MOST_PACKAGES = 8
_COLD = 0.5


def of_runs(runs: Mapping[str, Sequence[Run]]) -> list[str]:
    """Return the parts of their environments in which the runs differ, a sentence each.

    Parameters
    ----------
    runs : mapping of str to sequence of Run
        By the name that they are compared under. What is unknown of a run differs from nothing.
    """
    places = {name: [run.environment for run in some] for name, some in runs.items()}
    parts = []
    for what, spell in _PLACE.items():
        parts += _unlike(f"the {what}", {name: map(spell, some) for name, some in places.items()})
    versions = {name: {key for place in some for key in place.packages} for name, some in places.items()}
    told = {name: [p.threads for p in some if p.threads is not None] for name, some in places.items()}
    for setting in sorted({key for some in told.values() for threads in some for key in threads}):
        # Torch may not have been loaded in one of them: that is no setting.
        unset = "" if setting == "torch" else "unset"
        parts += _unlike(
            f"the threads ({setting})",
            {name: [threads.get(setting, unset) for threads in some] for name, some in told.items()},
        )
    shared = set.intersection(*versions.values()) if versions else set()
    apart = [
        text
        for package in sorted(shared)
        for text in _unlike(
            package,
            {name: [place.packages.get(package, "") for place in some] for name, some in places.items()},
        )
    ]
    if len(apart) > _MOST_PACKAGES:
        apart = [*apart[:_MOST_PACKAGES], f"and {len(apart) - _MOST_PACKAGES} packages more: see runs()"]
    return [f"unlike in {part}" for part in (*parts, *(["; ".join(apart)] if apart else []))]


def _unlike(what: str, values: Mapping[str, Any]) -> list[str]:
    """Return which runs have which value where they differ: ``numpy: 2.1 of a, 2.2 of b``."""
    each = {name: dict.fromkeys(filter(None, some)) for name, some in values.items()}
    if len({value for some in each.values() for value in some}) < 2:
        return []
    parts = [f"{legible(' and '.join(some))} of {legible(name)}" for name, some in each.items() if some]
    return [f"{what}: {', '.join(parts)}"]


def of_trials(complete: pd.DataFrame, labels: Any, baseline: str, runs: Sequence[str]) -> list[str]:
    """Return how the trials differ: hosts, entries, cold starts, waiting, percent against shares of 1.

    Parameters
    ----------
    complete : DataFrame
        The complete trials.
    labels : array of str
        The stage of each, with its parameters.
    baseline, runs
        The runs that are compared.
    """
    run = complete["run"].astype(object).to_numpy()
    hosts = {
        str(name): sorted(set(complete.loc[run == name, "host"].dropna().astype(str)))
        for name in (baseline, *runs)
    }
    parts = []
    if len({host for some in hosts.values() for host in some}) > 1:
        listed = [f"{legible(name)} on {legible(', '.join(some))}" for name, some in hosts.items() if some]
        parts.append(
            f"measured on different hosts ({'; '.join(listed)}): "
            "times, memory and energy differ for that alone"
        )
    entries = schema.floats(complete["entries"])
    cold = schema.floats(complete["cold"]) if "cold" in complete else np.full(len(complete), np.nan)
    accuracy = schema.floats(complete["accuracy"])
    with np.errstate(divide="ignore", invalid="ignore"):
        waited = schema.floats(complete["waited_s"]) / schema.floats(complete["wall_time_s"])
    for stage in dict.fromkeys(labels):
        first = (labels == stage) & (run == baseline)
        for other in runs:
            second = (labels == stage) & (run == other)
            names = (legible(baseline), legible(other))
            parts += [
                f"unlike in {text} ({legible(str(stage))})"
                for text in (
                    _entries(entries[first], entries[second], names),
                    _cold(cold[first], cold[second], names),
                    _waited(waited[first], waited[second], names),
                    _percent(accuracy[first], accuracy[second], names),
                )
                if text
            ]
    return parts


def of_sources(
    results: pd.DataFrame, sources: Sequence[object], baseline: str, runs: Sequence[str]
) -> list[str]:
    """Return in which stages runs executed other code than the baseline, in a sentence.

    Parameters
    ----------
    results : DataFrame
        The results frame.
    sources : sequence
        What stands for each row's source; None where it has none. Of several the last one counts.
    baseline, runs
        The runs that are compared.
    """
    run, stage = (results[name].astype(object).to_numpy() for name in ("run", "stage"))
    order = np.argsort(results["started_at"].to_numpy(), kind="stable").tolist()
    last = {(run[n], stage[n]): sources[n] for n in order if sources[n] is not None}
    apart = [
        f"{legible(str(one))} of {legible(name)}"
        for name in runs
        for one in dict.fromkeys(stage)
        if (baseline, one) in last and last.get((name, one), last[baseline, one]) != last[baseline, one]
    ]
    return [f"unlike in the source of the cell: {', '.join(apart)}"] if apart else []


def _middles(first: Any, second: Any) -> tuple[float, float] | None:
    """Return the medians of both sides; None where one has no value."""
    sides = [side[np.isfinite(side)] for side in (first, second)]
    return None if not all(map(len, sides)) else (float(np.median(sides[0])), float(np.median(sides[1])))


def _entries(first: Any, second: Any, names: tuple[str, str]) -> str:
    middles = _middles(first, second)
    if middles is None or middles[0] == middles[1]:
        return ""
    return f"entries: {digits(middles[0])} of {names[0]}, {digits(middles[1])} of {names[1]}"


def _cold(first: Any, second: Any, names: tuple[str, str]) -> str:
    """Return a sentence on whose trials are mostly the first of their process, where the other's are not."""
    sides = [side[np.isfinite(side)] for side in (first, second)]
    if not all(map(len, sides)):
        return ""
    mostly = [float(side.mean()) > _COLD for side in sides]
    if mostly[0] == mostly[1]:
        return ""
    return f"cold starts: most trials of {names[mostly.index(True)]} are the first of their process"


def _waited(first: Any, second: Any, names: tuple[str, str]) -> str:
    """Return a sentence on whose trials waited for a core for a good part, where the other's did not."""
    middles = _middles(first, second)
    if middles is None or (middles[0] > MOST_WAITED) == (middles[1] > MOST_WAITED):
        return ""
    shares = [f"{100 * share:.0f} % of {name}" for share, name in zip(middles, names, strict=True)]
    return f"the share of the wall time spent waiting for a core: {', '.join(shares)}"


def _percent(first: Any, second: Any, names: tuple[str, str]) -> str:
    middles = _middles(first, second)
    if middles is None or (middles[0] > 1) == (middles[1] > 1):
        return ""
    percent, share = names if middles[0] > 1 else names[::-1]
    return f"the unit of accuracy: {percent} is in percent, {share} in shares of 1"
