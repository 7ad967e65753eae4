"""The frame of what holds memory: a row per variable, or whatever else keeps something alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from e2e_magic.measuring.holders.look import Holder
from e2e_magic.text import quantity
from e2e_magic.views.frames import columns

_PLACES = {"history": "Out and _", "traceback": "the last traceback", "figure": "open figures"}


def holders(
    found: Sequence[Holder], names: Mapping[str, str], resident_mib: float | None = None
) -> pd.DataFrame:
    """Return a row per holder, largest first; memory that several share counts once.

    Parameters
    ----------
    found : sequence of Holder
    names : mapping of str to str
        The runs' names by id.
    resident_mib : float, optional
        What the process has resident, for the summary, MiB.

    Returns
    -------
    DataFrame
        ``name held_mib at_least kind type shape device shared_with where run stage cell made_at``;
        ``attrs["summary"]`` says in a sentence who holds how much.
    """
    made = [holder.made for holder in found]
    runs = [one.run if one else None for one in made]
    table: dict[str, Any] = {
        "name": columns.text([holder.name for holder in found]),
        "held_mib": columns.floats([holder.held_mib for holder in found]),
        "at_least": pd.array([holder.at_least for holder in found], dtype="boolean"),
        "kind": columns.text([holder.kind for holder in found]),
        "type": columns.text([holder.type or None for holder in found]),
        "shape": columns.text([holder.shape or None for holder in found]),
        "device": columns.text([holder.device or None for holder in found]),
        "shared_with": columns.text([", ".join(holder.shared_with) or None for holder in found]),
        "where": columns.text([holder.where for holder in found]),
        "run": columns.text([run and names.get(run, run) for run in runs]),
        "stage": columns.text([one.stage if one else None for one in made]),
        "cell": columns.integers([one.cell if one else None for one in made]),
        "made_at": columns.times([one.at if one else None for one in made]),
    }
    frame = columns.frame(table, {"held_mib": "MiB"})
    frame.attrs["summary"] = _summary(found, resident_mib)
    return frame


def _summary(found: Sequence[Holder], resident_mib: float | None) -> str:
    """Say how much names hold on each device, what else holds, and of how much."""
    parts = [f"names hold {_sizes([holder for holder in found if holder.where == 'name'])}"]
    for where, word in _PLACES.items():
        some = [holder for holder in found if holder.where == where]
        if sum(holder.held_mib for holder in some) >= 1:
            parts.append(f"{word} {_sizes(some)}")
    more = "" if resident_mib is None else f"; this process has {quantity(resident_mib, 'MiB')} resident"
    free = [holder for holder in found if holder.where in ("history", "traceback") and holder.held_mib >= 1]
    step = "; %e2e holders --free offers to drop what only the history holds" if free else ""
    return f"{', '.join(parts)}{more}{step}"


def _sizes(found: Sequence[Holder]) -> str:
    devices: dict[str, int] = {"cpu": 0}
    for holder in found:
        for device, size in holder.held.items():
            devices[device] = devices.get(device, 0) + size
    at_least = "at least " if any(holder.at_least for holder in found) else ""
    sizes = [
        f"{quantity(size / 2**20, 'MiB')}{'' if device == 'cpu' else f' on {device}'}"
        for device, size in devices.items()
    ]
    return at_least + " and ".join(sizes)
