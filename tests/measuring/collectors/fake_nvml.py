"""NVIDIA's library in two forms, fed by the test: as an object, and as a shared library."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.measuring.collectors import nvml


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
    """The library as `sampler.nvml.Library` gives it, over a list of cards."""

    def __init__(self, *cards: Card, start: OSError | None = None) -> None:
        self.cards = list(cards)
        self.open = 0
        self._start = start

    def opened(self, _path: str) -> FakeNvml:
        """Stand for the class: open it."""
        if self._start is not None:
            raise self._start
        self.open += 1
        return self

    def close(self) -> None:
        self.open -= 1

    def count(self) -> int:
        self._check()
        return len(self.cards)

    def at(self, index: int) -> Card:
        self._check()
        return self.cards[index]

    def uuid(self, card: Card) -> str:
        return card.uuid

    def name(self, card: Card) -> str:
        return card.name

    def slices(self, card: Card) -> list[Card] | None:
        return card.slices if card.slices or card.mig else None

    def energy_mj(self, card: Card) -> int:
        return int(self._told(card.energy_mj))

    def memory(self, card: Card, _pids: frozenset[int]) -> float:
        return float(self._told(card.used_mib))

    def process_memory(self, card: Card, pids: frozenset[int]) -> float | None:
        own = [mib for pid, mib in self._told(card.processes) if pid in pids]
        return sum(own) if own and None not in own else None

    def _told(self, value: Any) -> Any:
        self._check()
        if value is None:
            raise OSError("Not Supported")
        return value

    def _check(self) -> None:
        if self.open < 1:
            raise OSError("Uninitialized")


def install(patch: pytest.MonkeyPatch, fake: FakeNvml) -> None:
    """Let collectors find the fake, and the marks of a driver."""
    patch.setattr(nvml, "Library", fake.opened)
    patch.setattr(nvml, "DRIVER_MARKS", ("/",))


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
int nvmlInit_v2(void) { started++; return state(0) < 0 ? 9 : 0; }
int nvmlShutdown(void) { started--; return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { if (!started) return 1; *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned n, void **device) {
    if (!started) return 1;
    if (n > 1) return 2;
    *device = (void *)(long)(n + 1); return 0;
}
int nvmlDeviceGetUUID(void *d, char *text, unsigned length) {
    return snprintf(text, length, "GPU-%c", d == (void *)1 ? 'a' : d == (void *)2 ? 'b' : 'm') < 0;
}
int nvmlDeviceGetName(void *d, char *text, unsigned length) {
    return snprintf(text, length, "NVIDIA H%d00", (int)(long)d) < 0;
}
int nvmlDeviceGetMigMode(void *d, unsigned *now, unsigned *pending) {
    *now = *pending = d == (void *)2; return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(void *d, unsigned *count) { *count = 7; return d != (void *)2; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *d, unsigned n, void **device) {
    *device = (void *)3; return n ? 6 : 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void *d, unsigned long long *mj) {
    if (d == (void *)3) return 3;
    *mj = 5000000000ull * (long)d; return 0;
}
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
