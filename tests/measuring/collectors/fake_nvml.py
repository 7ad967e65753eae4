"""NVIDIA's library in two forms, fed by the test: as the Python module pynvml, and as a shared library."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

MIB = 2**20


class NVMLError(Exception):
    """What every error of NVML is."""


class NVMLError_LibraryNotFound(NVMLError):  # noqa: N801, N818 - pynvml's own name
    """There is no libnvidia-ml."""


class NVMLError_DriverNotLoaded(NVMLError):  # noqa: N801, N818 - pynvml's own name
    """There is a library and no driver."""


@dataclass(eq=False)
class Card:
    """One GPU or one slice of it; what is None is not supported."""

    uuid: str
    name: str = "NVIDIA H100"
    energy_mj: int | None = 1_000_000
    used_mib: float | None = 500.0
    processes: list[tuple[int, float | None]] | None = field(default_factory=list)
    slices: list[Card] = field(default_factory=list)
    mig: bool = False


class FakeNvml:
    """The functions of pynvml that are asked for, over a list of cards."""

    NVMLError = NVMLError
    NVMLError_LibraryNotFound = NVMLError_LibraryNotFound
    NVMLError_DriverNotLoaded = NVMLError_DriverNotLoaded

    def __init__(self, *cards: Card, start: NVMLError | None = None, names: type = str) -> None:
        self.cards = list(cards)
        self.open = 0
        self._start = start
        self._names = names

    def nvmlInit(self) -> None:  # noqa: N802
        if self._start is not None:
            raise self._start
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        self._check()
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:  # noqa: N802
        self._check()
        return self.cards[index]

    def nvmlDeviceGetUUID(self, card: Card) -> str | bytes:  # noqa: N802
        return card.uuid if self._names is str else card.uuid.encode()

    def nvmlDeviceGetName(self, card: Card) -> str | bytes:  # noqa: N802
        return card.name if self._names is str else card.name.encode()

    def nvmlDeviceGetMigMode(self, card: Card) -> list[int]:  # noqa: N802
        if not (card.slices or card.mig):
            raise NVMLError("Not Supported")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, card: Card) -> int:  # noqa: N802
        return 7 if card.slices else 0

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card: Card, index: int) -> Card:  # noqa: N802
        if index >= len(card.slices):
            raise NVMLError("Not Found")
        return card.slices[index]

    def nvmlDeviceGetTotalEnergyConsumption(self, card: Card) -> int:  # noqa: N802
        return self._told(card.energy_mj)

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=self._told(card.used_mib) * MIB)

    def nvmlDeviceGetComputeRunningProcesses(self, card: Card) -> list[SimpleNamespace]:  # noqa: N802
        return [
            SimpleNamespace(pid=pid, usedGpuMemory=None if mib is None else mib * MIB)
            for pid, mib in self._told(card.processes)
        ]

    def _told(self, value: Any) -> Any:
        self._check()
        if value is None:
            raise NVMLError("Not Supported")
        return value

    def _check(self) -> None:
        if self.open < 1:
            raise NVMLError("Uninitialized")


# Every call reads its numbers anew: percent, used MiB, process MiB (-1: unknown), its pid, mW, °C.
SOURCE = r"""
#include <stdio.h>
#include <string.h>
typedef struct { unsigned pid; unsigned long long used; unsigned instance, compute; } process_t;
static long long state(int n) {
    long long v[6] = {0};
    FILE *f = fopen(STATE, "r");
    if (!f) return -1;
    int got = fscanf(f, "%lld %lld %lld %lld %lld %lld", v, v+1, v+2, v+3, v+4, v+5);
    fclose(f);
    return got == 6 ? v[n] : -1;
}
static int started;
int nvmlInit_v2(void) { started = 1; return state(0) < 0 ? 9 : 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
    if (!started) return 1;
    if (!strcmp(uuid, "GPU-a")) { *device = (void *)1; return 0; }
    if (!strcmp(uuid, "GPU-b")) { *device = (void *)2; return 0; }
    return 6;
}
#define SCALE(device) ((long long)(device))
int nvmlDeviceGetUtilizationRates(void *d, unsigned *rates) {
    rates[0] = state(0) * SCALE(d); rates[1] = 0; return 0;
}
int nvmlDeviceGetMemoryInfo(void *d, unsigned long long *sizes) {
    sizes[0] = 80ull << 30; sizes[2] = (unsigned long long)state(1) * SCALE(d) << 20; return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *count, process_t *running) {
    if (!state(3)) { *count = 0; return 0; }
    if (!running || *count < 2) { *count = 2; return 7; }
    *count = 2;
    unsigned long long own = state(2) < 0 ? -1ull : (unsigned long long)state(2) << 20;
    running[0] = (process_t){(unsigned)state(3), own, 0, 0};
    running[1] = (process_t){1, 999ull << 20, 0, 0};
    return 0;
}
int nvmlDeviceGetPowerUsage(void *d, unsigned *mw) {
    if (state(4) < 0) return 3;
    *mw = state(4) * SCALE(d); return 0;
}
int nvmlDeviceGetTemperature(void *d, int sensor, unsigned *c) { *c = state(5) + SCALE(d); return sensor; }
"""


def compiler() -> str | None:
    """Return a C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc")


class Library:
    """The shared library: GPU-a gives the numbers as set, GPU-b twice as much and one degree more."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.path = str(folder / "libfake-nvml.so")
        source = folder / "nvml.c"
        source.write_text(SOURCE)
        command = [
            compiler() or "cc",
            "-shared",
            "-fPIC",
            f'-DSTATE="{self.state}"',
            "-o",
            self.path,
            str(source),
        ]
        subprocess.run(command, check=True)
        self.set()

    def set(
        self,
        percent: int = 40,
        used: int = 600,
        process: int = 200,
        pid: int = 0,
        mw: int = 70_000,
        c: int = 50,
    ) -> None:
        """Set what the next calls say."""
        fresh = self.state.with_suffix(".fresh")
        fresh.write_text(f"{percent} {used} {process} {pid or os.getpid()} {mw} {c}\n")
        fresh.replace(self.state)
