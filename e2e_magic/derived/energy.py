"""Energy per what was done, net of idling, estimated, and as CO2: pure functions of numbers already read.

An input that was not measured (None) gives None: no number, never 0. Joules of an `estimate` are never
given to the other functions by this package.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

from e2e_magic.record import NO_ENERGY, Metric, Reason, Record, Series

METRICS = (
    Metric("net_energy_j", "J", "energy", "lower", "measured energy above that of the idle machine"),
    Metric("estimated_energy_j", "J", "energy", "lower", "CPU share x the power given by --estimate-power"),
    Metric("energy_to_accuracy_j", "J", "energy", "lower", "measured energy until the target accuracy"),
    Metric("peak_power_w", "W", "energy", "lower", "highest sampled power of all that was measured"),
    Metric("estimated_power_w", "W", "energy", "lower", "its power over time, by CPU use", curve=True),
    Metric("co2_g", "g", "energy", "lower", "measured energy x the grams of CO2 per kWh (--zone, --carbon)"),
    Metric("estimated_co2_g", "g", "energy", "lower", "estimated energy x the same grams of CO2 per kWh"),
)
# Parts that don't overlap: the package has its cores in it, and `psys`, which has the package in it, is
# read only where there is none.
PARTS = ("package", "psys", "dram", "gpu")
J_PER_KWH = 3.6e6
# The sampled curves that `from_record` reads.
CURVES = tuple(f"{part}_power_w" for part in PARTS)
_POWERS = tuple((part, f"{part}_power_w") for part in PARTS)
_ENERGIES = tuple((part, f"{part}_energy_j") for part in PARTS)
# The readings that `from_readings` reads.
READINGS = ("wall_time_s", "cpu_time_s", *(name for _, name in _ENERGIES))
# The keys of `Record.reported` that ask for numbers of energy.
ASKS = ("baseline_power", "carbon_g_per_kwh", "price", "estimate_power")
# Those that a run's trials carry; the power for estimates is that of their plan.
CARRIED = ASKS[:3]
_NO_CURVE = Series.of([], [])
_NO_GRAMS = Reason(
    "", "the grams of CO2 per kWh are not given", "give them: %e2e run NAME --zone DE, or --carbon 380"
)
_ESTIMATED = Reason("", "it is of measured energy only, and there is none: an estimate would pass for it")


def estimate(
    cpu_time_s: float | None, wall_time_s: float | None, cores: int | None, idle_w: float, full_w: float
) -> float | None:
    """Estimate a machine's energy from how busy its processor was.

    Parameters
    ----------
    cpu_time_s : float or None
        CPU seconds of the process and its children.
    wall_time_s : float or None
        Seconds by the clock.
    cores : int or None
        All cores of the machine that run at the same time (logical ones), at least 1.
    idle_w, full_w : float
        The power that the user gives for an idle machine and for all cores at work, W.

    Returns
    -------
    float or None
        Joule: ``idle_w * wall + (full_w - idle_w) * share * wall``, with ``share = cpu / (wall * cores)``,
        1 at most. It assumes that power grows linearly with use, and ignores other programs.

    Raises
    ------
    ValueError
        If the powers are no range, or the number of cores is below 1.

    Notes
    -----
    The linear power model of Fan, Weber and Barroso, Power provisioning for a warehouse-sized computer,
    ISCA 2007, section 3.
    """
    if not (math.isfinite(full_w) and 0 <= idle_w <= full_w):
        raise ValueError(
            f"estimate_power must be the idle and the full power in watts, 0 <= idle <= full, "
            f"got {idle_w:g},{full_w:g}: try --estimate-power 20,95"
        )
    if cores is not None and cores < 1:
        raise ValueError(f"cores must be at least 1, got {cores}")
    if cpu_time_s is None or wall_time_s is None or cores is None:
        return None
    busy_s = _lower(cpu_time_s / cores, wall_time_s)
    energy_j: float = idle_w * wall_time_s + (full_w - idle_w) * busy_s
    return energy_j


def _lower(one: Any, other: Any) -> Any:
    """Return the lower of two numbers, or of two arrays element by element."""
    if isinstance(one, float):
        return min(one, other)
    import numpy as np

    return np.where(other < one, other, one)


def net_energy(energy_j: float | None, wall_time_s: float | None, baseline_w: float | None) -> float | None:
    """Return the energy above what the idle machine takes: ``energy - baseline * wall``, J.

    It may fall below 0, where the trial took less than the baseline's noise.
    """
    if energy_j is None or wall_time_s is None or baseline_w is None:
        return None
    return energy_j - baseline_w * wall_time_s


def peak_power(power_w: Series | None) -> float | None:
    """Return the highest sampled power, W: the mean over one sampling interval, short peaks are flattened."""
    return max(power_w.value) if power_w else None


def energy_per(energy_j: float | None, count: float | None) -> float | None:
    """Return the energy for each of `count` entries or epochs, J; None for a count of 0."""
    return None if energy_j is None or not count else energy_j / count


def energy_to_accuracy(power_w: Series | None, time_to_accuracy_s: float | None) -> float | None:
    """Return the energy until the target accuracy was reached, J.

    Parameters
    ----------
    power_w : Series or None
        Sampled power. A sample is the mean power since the one before it, and the first one that since
        the start.
    time_to_accuracy_s : float or None
        Seconds since the start; None where the target was not reached.

    Returns
    -------
    float or None
        The integral of the power; None where no sample covers it. After the last sample, its power goes on.
    """
    if not power_w or time_to_accuracy_s is None:
        return None
    ends = [0.0, *power_w.t_s[:-1], max(power_w.t_s[-1], time_to_accuracy_s)]
    energy_j = 0.0
    for (start, end), power in zip(pairwise(ends), power_w.value, strict=True):
        energy_j += power * max(0.0, min(end, time_to_accuracy_s) - max(start, 0.0))
    return energy_j


def co2(energy_j: float | None, intensity_g_per_kwh: float | None) -> float | None:
    """Return grams of CO2 for an energy and the given intensity of the grid, g/kWh.

    Raises
    ------
    ValueError
        For an intensity below 0 or none at all.
    """
    if intensity_g_per_kwh is not None and not (
        math.isfinite(intensity_g_per_kwh) and intensity_g_per_kwh >= 0
    ):
        raise ValueError(
            f"carbon must be grams of CO2 per kWh, 0 or more, got {intensity_g_per_kwh!r}: try --carbon 380"
        )
    if energy_j is None or intensity_g_per_kwh is None:
        return None
    return energy_j / J_PER_KWH * intensity_g_per_kwh


def cost(energy_j: float | None, price: Any) -> dict[str, float]:
    """Return what an energy costs, as ``energy_cost_eur`` of a price in EUR (``per_kwh``, ``currency``)."""
    if energy_j is None or not isinstance(price, Mapping):
        return {}
    return {f"energy_cost_{price['currency'].lower()}": energy_j / J_PER_KWH * price["per_kwh"]}


def measured(read: Mapping[str, Any]) -> dict[str, Any]:
    """Return the energy of each of `PARTS` that was measured, J. No estimate is in it."""
    return {part: read[name] for part, name in _ENERGIES if name in read}


def total(joules: Mapping[str, Any]) -> Any:
    """Return the energy of all parts together, J; None where there are none."""
    # Not `sum`: newer Pythons round it otherwise for numbers than for arrays.
    return reduce(add, joules.values()) if joules else None


def total_power(curves: Sequence[Series]) -> Series:
    """Add power curves that were sampled at the same time, W.

    A sample is the mean power since the one before it, so a curve has the value of its next sample at
    any instant, and after its last one that of the last. Empty where one of the curves is.
    """
    if not curves or not all(curves):
        return Series.of([], [])
    if all(curve.t_s == curves[0].t_s for curve in curves):
        together = zip(*(curve.value for curve in curves), strict=True)
        return Series.of(curves[0].t_s, [sum(values) for values in together])
    instants = sorted({t for curve in curves for t in curve.t_s})
    return Series.of(
        instants, [sum(c.value[min(bisect_left(c.t_s, t), len(c) - 1)] for c in curves) for t in instants]
    )


def estimated_power(record: Record) -> Series | None:
    """Return the estimated power over time, W; None where no estimate was asked for.

    The model of `estimate`, for each sample of CPU use.
    """
    asked, use = record.reported.get("estimate_power"), record.series.get("cpu_percent_now")
    if not isinstance(asked, Mapping) or not use or not asked.get("cores"):
        return None
    idle_w, span_w, cores = float(asked["idle_w"]), float(asked["full_w"] - asked["idle_w"]), asked["cores"]
    return Series.of(use.t_s, [idle_w + span_w * min(percent / 100 / cores, 1.0) for percent in use.value])


def from_readings(
    read: Mapping[str, Any],
    reported: Mapping[str, Any],
    series: Mapping[str, Series],
    values: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Reason]]:
    """Compute a trial's further numbers of energy, and the reason for each that can't be computed.

    Parameters
    ----------
    read : mapping
        The numbers of `READINGS`, floats; or arrays of them, of trials without curves that report the same.
    reported : mapping
        As in `Record.reported`.
    series : mapping of str to Series
        As in `Record.series`.
    values : mapping
        ``epochs`` and ``time_to_accuracy_s`` of the trial, where there are any.

    Returns
    -------
    numbers, missing
        By column name. Missing has only what was asked for: by a baseline, an intensity, an estimate.
    """
    joules = measured(read)
    asks = any(name in reported for name in ASKS)
    if not joules and not asks:
        return {}, {}
    curves = [series[name] for part, name in _POWERS if part in joules and name in series]
    if not curves and not asks and not values.get("epochs"):
        return {}, {}  # many trials: this is quick
    total_j, wall_s = total(joules), read.get("wall_time_s")
    power = total_power(curves) if curves and len(curves) == len(joules) else _NO_CURVE
    follows: dict[str, Any] = {
        "peak_power_w": peak_power(power),
        "energy_per_epoch_j": energy_per(total_j, values.get("epochs")),
        "energy_to_accuracy_j": energy_to_accuracy(power, values.get("time_to_accuracy_s")),
        "co2_g": co2(total_j, reported.get("carbon_g_per_kwh")),
    }
    follows |= cost(total_j, reported.get("price"))
    missing: dict[str, Reason] = {}
    if joules and not power and "time_to_accuracy_s" in values:
        missing["energy_to_accuracy_j"] = Reason("", "there is no curve of all the power that was measured")
    asked = reported.get("estimate_power")
    if isinstance(asked, Mapping):
        watts = asked["idle_w"], asked["full_w"]
        follows["estimated_energy_j"] = estimate(read.get("cpu_time_s"), wall_s, asked["cores"], *watts)
        guessed_j = follows["estimated_energy_j"]
        if guessed_j is None:
            missing["estimated_energy_j"] = Reason("", "it follows from CPU time, which was not measured")
        follows["estimated_co2_g"] = co2(guessed_j, reported.get("carbon_g_per_kwh"))
        follows |= {
            f"estimated_{name}": each for name, each in cost(guessed_j, reported.get("price")).items()
        }
    if "carbon_g_per_kwh" in reported and total_j is None:
        missing["co2_g"] = _ESTIMATED if isinstance(asked, Mapping) else NO_ENERGY
    baseline = reported.get("baseline_power")
    if isinstance(baseline, Mapping):
        unknown = [part for part in joules if f"{part}_w" not in baseline]
        if total_j is None:
            missing["net_energy_j"] = NO_ENERGY
        elif unknown:
            missing["net_energy_j"] = Reason(
                "", f"the idle power of {' and '.join(unknown)} is not known: %e2e baseline"
            )
        else:
            idle_w = sum(float(baseline[f"{part}_w"]) for part in joules)
            follows["net_energy_j"] = net_energy(total_j, wall_s, idle_w)
    return {name: number for name, number in follows.items() if number is not None}, missing


def unavailable(
    declared: Sequence[Metric], measured_here: Collection[str], settings: Mapping[str, Any]
) -> dict[str, Reason]:
    """Return the reason for each number of energy that can't be derived here and now.

    Parameters
    ----------
    declared : sequence of Metric
        The derived metrics; those in J, W or grams of CO2 are looked at.
    measured_here : collection of str
        The metrics that can be measured on this machine.
    settings : mapping
        The run's (``Run.settings``).
    """
    energy = any(f"{part}_energy_j" in measured_here for part in PARTS)
    reasons: dict[str, Reason] = {}
    if not energy:
        of_energy = [
            metric.name
            for metric in declared
            if (metric.unit in ("J", "W") or metric.name == "co2_g")
            and not metric.name.startswith("estimated_")
        ]
        reasons = dict.fromkeys(of_energy, Reason("", "no energy can be measured here"))
    if energy and "baseline_power" not in settings:
        reasons["net_energy_j"] = Reason(
            "", "the idle power is not known in this run", "measure it: %e2e baseline"
        )
    if energy and "carbon_g_per_kwh" not in settings:
        reasons["co2_g"] = _NO_GRAMS
    if "estimate_power" not in settings:
        reasons |= dict.fromkeys(
            ("estimated_energy_j", "estimated_power_w", "estimated_co2_g"),
            Reason(
                "",
                "nothing is estimated unless asked",
                "ask for it: --estimate-power IDLE_W,FULL_W, or auto, on a cell or on %e2e run NAME",
            ),
        )
    elif "carbon_g_per_kwh" not in settings:
        reasons["estimated_co2_g"] = _NO_GRAMS
    return reasons
