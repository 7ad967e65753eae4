"""What measuring energy and GPUs adds to a cell and to a sample, on a scripted tree and a fake library.

No real counter is read here: ``energy_uj`` of a real processor costs the kernel a few microseconds more
(it reads a register), and a real NVML call from tens of microseconds to a few milliseconds.
"""

from __future__ import annotations

import importlib
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fresh import row

from e2e_magic.measuring.collectors import powercap
from e2e_magic.measuring.collectors.base import Collector, Probe, registered
from e2e_magic.measuring.collectors.energy import Energy
from e2e_magic.measuring.collectors.gpu import Gpu
from e2e_magic.measuring.plan import Plan, Step
from e2e_magic.measuring.sampler import close_sampler
from e2e_magic.measuring.sampler.files import Spec
from e2e_magic.measuring.sampler.readers import READERS
from e2e_magic.measuring.trial import Trial
from e2e_magic.record import Record

# By their own names: where another package installed a `tests` of its own, ours can't be imported as one.
sys.path.insert(0, str(Path(__file__).parents[1] / "measuring" / "collectors"))
fake_nvml = importlib.import_module("fake_nvml")
fake_powercap = importlib.import_module("fake_powercap")

ROUNDS = 300
# What a trial measures otherwise, and what is added to it.
PLAIN = ("cpu", "memory", "io")
ADDED = ("energy", "gpu")


def run() -> list[dict[str, Any]]:
    """Return one row per measured cost: what, value, unit, target."""
    try:
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            fake_nvml.install(patch, fake_nvml.FakeNvml(fake_nvml.Card("GPU-a")))
            library = fake_nvml.Library(Path(folder)).path if fake_nvml.compiler() else ""
            return [*_energy(Path(folder)), *_gpu(library), *_trials(Path(folder), library)]
    finally:
        close_sampler()


def _energy(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for kind in ("one socket", "two sockets"):
        root = str(fake_powercap.layout(kind, folder / kind.replace(" ", "-")).root)
        look, cell = _us(partial(powercap.zones, root)), _us(partial(_alone, Energy, root))
        rows += [
            row(f"energy, {kind}: look for counters, once", look, "µs", "<= 10000 µs"),
            row(f"energy, {kind}: the collector, per cell", cell, "µs", "<= 500 µs"),
            row(f"energy, {kind}: per sample", _per_sample(Energy(root).probes()), "µs", "<= 100 µs"),
        ]
    return rows


def _gpu(library: str) -> list[dict[str, Any]]:
    rows = [
        row("gpu, fake library: the collector, per cell", _us(partial(_alone, Gpu, {})), "µs", "<= 500 µs")
    ]
    if library:
        probes = [Probe(probe.metric, probe.kind, library, args=probe.args) for probe in Gpu({}).probes()]
        rows.append(row("gpu, fake library: per sample", _per_sample(tuple(probes)), "µs", "<= 500 µs"))
    return rows


def _trials(folder: Path, library: str) -> list[dict[str, Any]]:
    """Measure whole trials with a sampler process, each kind in turn, so that a busy moment hits all."""

    class Counted(Energy):
        root = str(folder / "one-socket")

    class Card(Gpu):
        pass

    Card.library = library or Gpu.library
    classes = {**registered(), "energy": Counted, "gpu": Card}
    kinds = {"plain": PLAIN, "energy": (*PLAIN, "energy"), "both": (*PLAIN, *ADDED)}
    costs: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, metrics in kinds.items():
            kept: list[Record] = []
            plan = Plan(stage="benchmark", metrics=metrics)
            with Trial(plan, Step(1, warmup=False), classes=classes, keep=kept.append):
                pass
            costs[kind].append(float(kept[0].readings["overhead_s"]) * 1e6)
    middle = {kind: statistics.median(found) for kind, found in costs.items()}
    return [
        row("a trial with CPU, memory and IO", middle["plain"], "µs"),
        row("  energy of one socket adds", middle["energy"] - middle["plain"], "µs"),
        row("  a GPU (fake library) adds further", middle["both"] - middle["energy"], "µs"),
    ]


def _alone(make: Callable[..., Collector], *given: object) -> None:
    """Take one collector through a trial without a sampler."""
    collector = make(*given)
    collector.probes()
    with collector:
        pass
    collector.readings()
    collector.sampled({}, {})
    collector.missing()


def _per_sample(probes: tuple[Probe, ...]) -> float:
    """Return what reading all probes once costs the sampler process, µs."""
    readers = [
        READERS[p.kind](Spec(p.metric, p.kind, p.path, p.scale, p.wrap, p.args, pid=1, interval_ns=1_000_000))
        for p in probes
    ]
    try:
        instants = itertools.count(0, 1_000_000)
        return _us(lambda: [reader.read(now) for now in [next(instants)] for reader in readers])
    finally:
        for reader in readers:
            reader.close()


def _us(call: Callable[[], object]) -> float:
    """Return the median time of a call, µs."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1e3
