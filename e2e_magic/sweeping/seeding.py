"""Seeds for what a trial draws at random: Python's random, numpy and torch, whenever they are imported."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def _seed_numpy(numpy: Any, seed: int) -> None:
    numpy.random.seed(seed)


def _seed_torch(torch: Any, seed: int) -> None:
    torch.manual_seed(seed)


_SEEDED: Mapping[str, Callable[[Any, int], None]] = {"numpy": _seed_numpy, "torch": _seed_torch}


@contextmanager
def seeded(seed: int | None, number: int) -> Iterator[Callable[[], None]]:
    """Return a context whose value seeds Python's random, numpy and torch: called before each execution.

    What isn't imported by then is seeded when the code within imports it: a cell that begins with
    ``import torch`` draws the same in the process that runs it first, and where torch is loaded already.
    Without the finder in ``sys.meta_path`` such a first trial drew five different numbers in five processes,
    with it one; an import of anything else pays 0.2 us for it. To import numpy and torch beforehand would be
    shorter, and take their cost out of the cell that imports them.

    Parameters
    ----------
    seed : int or None
        None seeds nothing.
    number : int
        The trial's, within its sweep: the seed is the sum of both.
    """
    if seed is None:
        yield _nothing
        return
    sown = (seed + number) % 2**32
    awaited = _Awaited({name for name in _SEEDED if name not in sys.modules}, sown)
    sys.meta_path.insert(0, awaited)
    try:
        yield partial(_sow, sown)
    finally:
        sys.meta_path.remove(awaited)


def _nothing() -> None:
    """Seed nothing."""


def _sow(seed: int) -> None:
    random.seed(seed)
    for name, sow in _SEEDED.items():
        if (module := sys.modules.get(name)) is not None:
            sow(module, seed)


class _Awaited(MetaPathFinder):
    """Finds nothing of its own: has what the other finders find seeded once it is imported."""

    def __init__(self, names: set[str], seed: int) -> None:
        self._names = names
        self._seed = seed

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._names:
            return None
        for finder in list(sys.meta_path):
            if finder is not self and (spec := finder.find_spec(fullname, path, target)) is not None:
                if spec.loader is not None:
                    spec.loader = _Seeding(spec.loader, self._seed)
                return spec
        return None


class _Seeding(Loader):
    """Stands in for a module's loader until it loads."""

    def __init__(self, loader: Any, seed: int) -> None:
        self._loader = loader
        self._seed = seed

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # As if we had never been there: packages ask their loader for their files.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _SEEDED[module.__name__](module, self._seed)
