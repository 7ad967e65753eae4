"""What there is: a row per run with its environment, a row per metric with its source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from e2e_magic.record import STATES, Metric, Record, Run, State
from e2e_magic.views.frames import columns

_TEXTS = ("host", "os", "python", "cpu", "gpu", "git_commit")


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A metric on this machine.

    Attributes
    ----------
    metric : Metric
    collector : str
        The collector's name, or ``derived``.
    available : bool
        Whether it can be measured here.
    source : str
        Where the number comes from.
    why : str
        The reason why it isn't available; empty where it is.
    what_to_do : str
        The next step; empty where there is none.
    """

    metric: Metric
    collector: str
    available: bool
    source: str = ""
    why: str = ""
    what_to_do: str = ""


def metrics(catalog: Sequence[CatalogEntry]) -> pd.DataFrame:
    """Return a row per metric: whether this machine can measure it, from what source, or why not.

    What can be measured stands first.

    ``attrs["summary"]`` lists what can't be measured, and what to do: a line for each reason.
    """
    catalog = sorted(catalog, key=lambda entry: not entry.available)
    table: dict[str, Any] = {
        "metric": columns.text([entry.metric.name for entry in catalog]),
        "unit": columns.text([entry.metric.unit for entry in catalog]),
        "collector": columns.text([entry.collector for entry in catalog]),
        "better": columns.text([entry.metric.better for entry in catalog]),
        "available": pd.array([entry.available for entry in catalog], dtype="boolean"),
        "source": columns.text([entry.source or None for entry in catalog]),
        "why": columns.text([entry.why or None for entry in catalog]),
        "what_to_do": columns.text([entry.what_to_do or None for entry in catalog]),
        "description": columns.text([entry.metric.description or None for entry in catalog]),
    }
    frame = columns.frame(table)
    frame.attrs["summary"] = "\n".join(_reasons(catalog)) or "everything can be measured here"
    return frame


def _reasons(catalog: Sequence[CatalogEntry]) -> list[str]:
    """Return each collector's reasons once, with the metrics where it is not all of them.

    Metrics derived from them, and those that must be asked for, are in the table.
    """
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for entry in catalog:
        if not entry.available and entry.collector != "derived":
            reasons.setdefault((entry.collector, entry.why, entry.what_to_do), []).append(entry.metric.name)
    sizes = Counter(entry.collector for entry in catalog)
    lines = []
    for (name, why, what), metrics in reasons.items():
        lines.append(f"{name if len(metrics) == sizes[name] else ', '.join(metrics)}: {why}")
        lines += [f"    {what}"] if what else []
    return lines


def runs(
    runs: Sequence[Run],
    records: Sequence[Record] | None = None,
    *,
    counts: Mapping[str, Mapping[State, int]] | None = None,
) -> pd.DataFrame:
    """Return a row per run with its environment, and how many trials it has.

    Trials are counted in `records`, or are given as `counts` by run id and state.

    ``run`` is the name, ``id`` the short id; ``packages`` reads ``numpy 2.4.6, pandas 3.0.1``, ``threads``
    what numerical libraries were told (``OMP_NUM_THREADS 1``) and torch's own number; ``cores_usable`` and
    ``memory_limit_mib`` are what the process may use (`usable`), the latter only where it is less than all;
    ``idle_power_w`` is what `%e2e baseline` measured, all parts added, ``carbon_g_per_kwh`` what `%e2e run`
    was given, by ``--carbon`` or by the table that ``carbon_source`` names, ``price_per_kwh`` what it was
    given, ``power_source`` where the power for estimates comes from.
    """
    places = [run.environment for run in runs]
    table: dict[str, Any] = {
        "run": columns.text([run.name for run in runs]),
        "id": columns.text([run.id for run in runs]),
        "description": columns.text([run.description or None for run in runs]),
        "started_at": columns.times([run.started_at for run in runs]),
    }
    if records is not None or counts is not None:
        table |= _counts(runs, records or (), counts or {})
    table |= {name: columns.text([getattr(place, name) or None for place in places]) for name in _TEXTS[:4]}
    table["cores"] = columns.integers([place.cores for place in places])
    table["cores_usable"] = columns.integers([place.cores_usable for place in places])
    table["ram_mib"] = columns.floats([place.ram_mib for place in places])
    table["memory_limit_mib"] = columns.floats([place.memory_limit_mib for place in places])
    table |= {name: columns.text([getattr(place, name) or None for place in places]) for name in _TEXTS[4:]}
    table["git_dirty"] = pd.array([place.git_dirty for place in places], dtype="boolean")
    table["notebook"] = columns.text([place.notebook or None for place in places])
    table["packages"] = columns.text([_listed(place.packages) for place in places])
    table["threads"] = columns.text([_listed(place.threads or {}) for place in places])
    table["idle_power_w"] = columns.floats([_idle_power(run.settings.get("baseline_power")) for run in runs])
    table["carbon_g_per_kwh"] = columns.floats([run.settings.get("carbon_g_per_kwh") for run in runs])
    table["carbon_source"] = columns.text([run.settings.get("carbon_source") for run in runs])
    table["price_per_kwh"] = columns.text([_price(run.settings.get("price")) for run in runs])
    table["power_source"] = columns.text([_power(run.settings.get("estimate_power")) for run in runs])
    return columns.frame(
        table,
        {
            "ram_mib": "MiB",
            "memory_limit_mib": "MiB",
            "idle_power_w": "W",
            "carbon_g_per_kwh": "g/kWh",
        },
    )


def _idle_power(baseline: Mapping[str, Any] | None) -> float | None:
    """Add the idle power of all parts that were measured; their keys end with ``_w``."""
    return None if not baseline else sum(value for key, value in baseline.items() if key.endswith("_w"))


def _price(price: Mapping[str, Any] | None) -> str | None:
    return f"{price['per_kwh']:g} {price['currency']}" if price else None


def _power(watts: Sequence[Any] | None) -> str | None:
    """Spell the power for estimates: idle and full, and where they come from."""
    if not watts:
        return None
    return f"{watts[0]:g} W idle, {watts[1]:g} W full, {watts[2] if len(watts) > 2 else 'as given'}"


def _counts(
    runs: Sequence[Run], records: Sequence[Record], counted: Mapping[str, Mapping[State, int]]
) -> dict[str, Any]:
    """Return each run's trials, in all and by state."""
    seen = Counter((record.run, record.state) for record in records)
    counts = {
        state: [seen[run.id, state] + counted.get(run.id, {}).get(state, 0) for run in runs]
        for state in STATES
    }
    trials = [sum(row) for row in zip(*counts.values(), strict=True)]
    return {"trials": np.array(trials, dtype=np.int64)} | {
        state.replace(" ", "_"): np.array(cells, dtype=np.int64) for state, cells in counts.items()
    }


def _listed(packages: Mapping[str, str]) -> str | None:
    return ", ".join(f"{name} {version}" for name, version in sorted(packages.items())) or None
