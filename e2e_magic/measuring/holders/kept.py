"""Which names hold what a cell kept: plain data for its record, where that is worth a look."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from e2e_magic.record import Record

if TYPE_CHECKING:
    from e2e_magic.measuring.holders.roots import Roots

# A cell that keeps less needs no explanation, and costs nothing more (MiB).
WORTH_MIB = 50.0
# Of the look, which the user waits for.
_LIMIT_S = 0.2
# Names on the card, and the least that is worth naming (MiB).
_MOST, _LEAST_MIB = 4, 1.0
_MOST_PACKAGES = 4


def grown_mib(first: Record, last: Record) -> float:
    """Return by how much the process grew since the code first started, MiB; NaN where unknown."""
    start, end = first.readings.get("rss_start_mib"), last.readings.get("rss_end_mib")
    if not (isinstance(start, float) and isinstance(end, float)):
        return float("nan")
    return end - start


def kept(
    kept_mib: float, roots: Callable[[], Roots], made: Iterable[str], imported: Iterable[str]
) -> dict[str, Any]:
    """Return who holds what a cell kept.

    Parameters
    ----------
    kept_mib : float
        By how much the resident memory grew, MiB.
    roots : callable
        Gives all names.
    made : iterable of str
        The names that the cell made.
    imported : iterable of str
        The packages that it imported.

    Returns
    -------
    dict
        ``kept_mib``; ``names``, a list of [name, MiB, whether it may hold more]; ``others``, the same of the
        smaller ones together, their number as the name; ``unnamed_mib``, what is left, not below 0;
        ``imported``, a list of str.
    """
    from e2e_magic.measuring.holders.look import holders

    found: list[list[Any]] = [
        [each.name, each.held["cpu"] / 2**20, each.at_least]
        for each in holders(roots(), _LIMIT_S, among=made)
        if each.held.get("cpu")
    ]
    named = [each for each in found[:_MOST] if each[1] >= _LEAST_MIB]
    others = found[len(named) :]
    return {
        "kept_mib": kept_mib,
        "names": named,
        "others": [len(others), sum(mib for _, mib, _ in others), any(more for *_, more in others)],
        "unnamed_mib": max(kept_mib - sum(mib for _, mib, _ in found), 0.0),
        "imported": list(imported)[:_MOST_PACKAGES],
    }
