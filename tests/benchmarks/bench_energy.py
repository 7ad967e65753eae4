"""What measuring energy and GPUs adds to a cell and to a sample, on a scripted tree and a fake library.

No real counter is read here: ``energy_uj`` of a real processor costs the kernel a few microseconds more
(it reads a register), and a real NVML call from tens of microseconds to a few milliseconds.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from e2e_magic.collectors import powercap
from e2e_magic.collectors.base import Collector, Probe
from e2e_magic.collectors.energy import Energy
from e2e_magic.collectors.gpu import Gpu
from e2e_magic.sampler.files import Spec
from e2e_magic.sampler.readers import READERS
from tests.collectors.fake_nvml import Card, FakeNvml, Library, compiler
from tests.collectors.fake_powercap import layout

ROUNDS = 300


def run() -> list[dict[str, Any]]:
    """Return one row per measured cost: what, value, unit, target."""
    with tempfile.TemporaryDirectory() as folder:
        return [*_energy(Path(folder)), *_gpu(Path(folder))]


def _energy(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for kind in ("one socket", "two sockets"):
        root = str(layout(kind, folder / kind.replace(" ", "-")).root)
        rows += [
            _row(f"energy, {kind}: look for counters, once", _us(partial(powercap.zones, root)), 10_000),
            _row(f"energy, {kind}: per cell", _us(partial(_trial, Energy, root)), 500),
            _row(f"energy, {kind}: per sample", _per_sample(Energy(root).probes()), 100),
        ]
    return rows


def _gpu(folder: Path) -> list[dict[str, Any]]:
    before = sys.modules.get("pynvml")
    sys.modules["pynvml"] = FakeNvml(Card("GPU-a"))  # type: ignore[assignment]
    try:
        rows = [_row("gpu, fake library: per cell", _us(partial(_trial, Gpu, {})), 500)]
        if compiler() is not None:
            library = Library(folder).path
            probes = [Probe(probe.metric, probe.kind, library, args=probe.args) for probe in Gpu({}).probes()]
            rows.append(_row("gpu, fake library: per sample", _per_sample(tuple(probes)), 500))
    finally:
        if before is None:
            del sys.modules["pynvml"]
        else:
            sys.modules["pynvml"] = before
    return rows


def _trial(make: Callable[..., Collector], *given: object) -> None:
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


def _row(what: str, value: float, target: float) -> dict[str, Any]:
    return {"what": what, "value": round(value, 1), "unit": "µs", "target": target}
