"""In which order combinations and their repeats run: one after the other, shuffled, or in balanced blocks.

A machine drifts: it warms up, another program starts. Measured one after the other, a drift looks like a
difference. In blocks, each of which has every combination once, both sides of a comparison meet the same
drift, and they are compared within each block (randomised blocks: Fisher, The Design of Experiments, 1935;
Box, Hunter and Hunter, Statistics for Experimenters, 2005, chapter 4).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

ORDERS = ("sequential", "shuffle", "balanced")
# Up to so many values of a single parameter are taken for things to compare.
FEW_VALUES = 8


def blocks(count: int, repeats: int, seed: object) -> list[list[int]]:
    """Return the order of each block: random, and each order as often as its mirror image.

    The first block is as written, so that the first thing is also the first to run.

    Parameters
    ----------
    count : int
        How many things each block has.
    repeats : int
        How many blocks.
    seed : object
        Decides the random orders.

    Notes
    -----
    As many AB as BA keeps a steady drift off the ratio. That they follow each other at random, which neither
    ABAB nor ABBA does, keeps a disturbance with a period from meeting one side: ABBA, ABBA .. called nothing
    different in 9 % of simulated comparisons beside a wave of three trials' length, this in 5 %.
    """
    source = random.Random(f"blocks {seed}")  # noqa: S311 - no secret
    made: list[list[int]] = []
    order = list(range(count))
    for block in range(repeats):
        order = order[::-1] if block % 2 else source.sample(range(count), count) if block else order
        made.append(order)
    rest = made[1:]
    source.shuffle(rest)
    return made[:1] + rest


def arranged(order: str, count: int, repeats: int, seed: object) -> Iterator[int]:
    """Yield the places of `count` combinations in the order in which their repeats run."""
    if order == "balanced":
        for block in blocks(count, repeats, seed):
            yield from block
    elif order == "shuffle":
        total = count * repeats
        for place in random.Random(f"repeats {seed}").sample(range(total), total):  # noqa: S311 - no secret
            yield place // repeats
    else:
        for place in range(count):
            yield from [place] * repeats
