"""How the trials of two sides lie in time: in blocks that have both, mixed, or one side after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from e2e_magic.text import legible

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.derived.comparison import Compared

Order = Literal["blocks", "mixed", "in turn"]

IN_TURN = "measured one after the other: a drift of this machine would look the same; ab() tells them apart"
IN_BLOCKS = "measured in blocks and compared block by block: a drift of this machine is on every side"
# So far apart may the shares be that two sides waited for a core.
_ALIKE = 0.1


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks that have trials of both sides.

    Attributes
    ----------
    first, second : sequence of array of int
        The places of each block's trials.
    """

    first: Sequence[Any]
    second: Sequence[Any]

    def values(self, column: Any, beyond: Any, worst: float) -> tuple[Any, Any]:
        """Return a value per block of each side: the median of its trials, `worst` where they are `beyond`.

        Parameters
        ----------
        column : array of float
        beyond : array of bool
            Which trials are worse than any value.
        worst : float
        """
        filled = np.where(beyond, worst, column)
        return tuple(  # type: ignore[return-value]
            np.array([filled[one[0]] if len(one) == 1 else _median(filled[one]) for one in side])
            for side in (self.first, self.second)
        )


def _median(values: Any) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def keys(complete: pd.DataFrame) -> Any:
    """Return what tells the block of each trial: its sweep with the number of the repeat; None outside."""
    sweep, repeat = (complete[name].astype(object).to_numpy() for name in ("sweep", "repeat"))
    return [
        (name, number) if isinstance(name, str) else None for name, number in zip(sweep, repeat, strict=True)
    ]


def in_blocks(key: Sequence[Any], first: Any, second: Any, started: Any) -> Blocks | None:
    """Return the blocks of two sides; None where they were not measured in blocks.

    Parameters
    ----------
    key : sequence
        As of `keys`.
    first, second : array of bool
        Which trials are of which side.
    started : array
        When each began.

    Notes
    -----
    Nothing in a record says in which order a sweep ran: blocks are recognised by their times. None begins
    before the one before it has all begun.
    """
    sides: dict[Any, tuple[list[int], list[int]]] = {}
    for side, mask in enumerate((first, second)):
        for place in np.flatnonzero(mask).tolist():
            if key[place] is not None:
                sides.setdefault(key[place], ([], []))[side].append(place)
    shared = [both for both in sides.values() if all(both)]
    if not shared:
        return None
    ends = sorted((started[[*a, *b]].min(), started[[*a, *b]].max()) for a, b in shared)
    if any(before[1] >= after[0] for before, after in pairwise(ends)):
        return None
    return Blocks([np.array(a) for a, _ in shared], [np.array(b) for _, b in shared])


def order_of(blocks: Blocks | None, first: Any, second: Any, started: Any) -> Order:
    """Return how two sides lie in time: ``in turn`` where all of one began before all of the other."""
    if blocks is not None:
        return "blocks"
    one, other = started[first], started[second]
    apart = len(one) and len(other) and (one.max() < other.min() or other.max() < one.min())
    return "in turn" if apart else "mixed"


def waited_alike(shares: Iterable[Any]) -> bool:
    """Return whether both sides waited for a core for about the same share of their time, or that is unknown.

    Then the ratio of what was measured in the same blocks is not what the waiting made it.
    """
    known = [side[np.isfinite(side)] for side in shares]
    if not all(map(len, known)):
        return True
    middles = [float(np.median(side)) for side in known]
    return max(middles) - min(middles) <= _ALIKE


def said(rows: Sequence[tuple[str, Compared, Order]]) -> list[str]:
    """Return what the order of the trials means, a sentence each, where anything was tested.

    Parameters
    ----------
    rows : sequence of (str, Compared, Order)
        The stage of each, its comparison, and how its sides lie in time.
    """
    tested = [(stage, order) for stage, row, order in rows if row.test]
    sentences = []
    for order, sentence in (("blocks", IN_BLOCKS), ("in turn", IN_TURN)):
        stages = dict.fromkeys(stage for stage, each in tested if each == order)
        if stages and all(each == order for _, each in tested):
            sentences.append(sentence)
        elif stages:
            sentences.append(f"{sentence} ({', '.join(map(legible, stages))})")
    return sentences
