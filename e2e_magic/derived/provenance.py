"""Source and reliability of an energy, in words for a card: pure functions of a trial's numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from e2e_magic.measuring.collectors import gpu_source
from e2e_magic.text import quantity

_BY_RAPL = ("package_energy_j", "psys_energy_j", "dram_energy_j")
# With fewer steps of its counter, an energy may be off by more than a fifth.
_LEAST_STEPS = 5
_RAPL_STEP_S, _NVML_STEP_S = 0.001, 0.1
# Above this share of all cores a machine is not idle.
_BUSY_PERCENT = 10.0


def source(name: str, readings: Mapping[str, Any]) -> str:
    """Return what a number of energy or of GPU memory was read from; empty for other numbers.

    Parameters
    ----------
    name : str
        The column: ``package_energy_j`` ..
    readings : mapping
        Of its trial; ``gpu_source`` is looked up.
    """
    if name in _BY_RAPL:
        return "RAPL" if name == "dram_energy_j" else "RAPL, whole machine"
    if name == "net_energy_j":
        return "above idle"
    energy, memory = gpu_source.split(str(readings.get("gpu_source", "")))
    if name == "gpu_energy_j" and energy:
        return f"NVML {energy}"
    return memory if name == "gpu_peak_memory_mib" else ""


def doubts(values: Mapping[str, Any], reported: Mapping[str, Any]) -> list[str]:
    """Return in a sentence each why a trial's energy is not reliable.

    Parameters
    ----------
    values : mapping
        All numbers of a trial, derived ones too.
    reported : mapping
        As in `Record.reported`; ``baseline_power`` is looked up.
    """
    wall_s, net_j = (float(values.get(name, math.nan)) for name in ("wall_time_s", "net_energy_j"))
    took = quantity(wall_s, "s")
    sentences = []
    if any(name in values for name in _BY_RAPL) and wall_s < _LEAST_STEPS * _RAPL_STEP_S:
        sentences.append(
            f"energy: {took} is short for a counter that steps about every millisecond: it is rough. "
            "Measure more work at once"
        )
    energy, _ = gpu_source.split(str(values.get("gpu_source", "")))
    by_counter = energy.startswith(gpu_source.COUNTER)
    if "gpu_energy_j" in values and by_counter and wall_s < _LEAST_STEPS * _NVML_STEP_S:
        sentences.append(
            f"GPU energy: {took} is short for a counter that steps every 20 to 100 ms: it is rough. "
            "Measure more work at once"
        )
    busy = (reported.get("baseline_power") or {}).get("busy_percent") or 0.0
    again = "Measure that again while nothing else runs: %e2e baseline"
    if not math.isnan(net_j) and busy > _BUSY_PERCENT:
        sentences.append(
            f"net energy is too low: the machine was {busy:.0f} % busy while its idle power was measured. "
            f"{again}"
        )
    elif net_j < 0:
        sentences.append(
            f"net energy is below 0: the machine took less than while its idle power was measured. {again}"
        )
    return sentences
