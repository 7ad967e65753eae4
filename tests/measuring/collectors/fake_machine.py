"""A machine with counters: a scripted powercap tree and a fake of NVIDIA's library, seen by whole trials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e_magic.measuring.collectors import powercap
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.collectors.energy import Energy
from e2e_magic.measuring.collectors.gpu import Gpu
from tests.measuring.collectors.fake_nvml import Card, FakeNvml, Library, compiler, install
from tests.measuring.collectors.fake_powercap import FakePowercap, layout


class Machine:
    """What moves the counters of one.

    Parameters
    ----------
    tree : FakePowercap
    card : Card, optional
        Its GPU.
    """

    def __init__(self, tree: FakePowercap, card: Card | None) -> None:
        self.tree = tree
        self.card = card

    def draw(self, package_j: float = 0.0, dram_j: float = 0.0, gpu_j: float = 0.0) -> None:
        """Let the counters take in energy."""
        for folder, joules in (("intel-rapl:0", package_j), ("intel-rapl:0:2", dram_j)):
            if joules:
                self.tree.add(folder, round(joules * 1e6))
        if gpu_j and self.card is not None:
            self.card.energy_mj = (self.card.energy_mj or 0) + round(gpu_j * 1e3)


@contextmanager
def powered(folder: Path, kind: str = "one socket", *, gpu: bool = False) -> Iterator[Machine]:
    """Let all trials of this process meanwhile see such a machine, and an idle GPU if there is one."""
    tree = layout(kind, folder / "powercap")
    card = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Energy, "root", str(tree.root))
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if gpu:
            card = Card("GPU-a")
            install(patch, FakeNvml(card))
            # Without a compiler the sampler finds no library: the curves are lost, the counters are kept.
            library = str(folder / "none.so")
            if compiler():
                made = Library(folder)
                made.set(percent=0)
                library = made.path
            patch.setattr(Gpu, "library", library)
        registered(again=True)  # forget who could not measure before
        try:
            yield Machine(tree, card)
        finally:
            powercap.forget(str(tree.root))
    registered(again=True)
