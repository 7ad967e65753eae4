"""Energy per what was done, net of idling, estimated, and as CO2: pure functions of numbers already read.

An input that was not measured (None) gives None: no number, never 0. Joules of an `estimate` are never
given to the other functions by this package.
"""

from __future__ import annotations

import math
from itertools import pairwise

from e2e_magic.record import Metric, Series

METRICS = (
    Metric("net_energy_j", "J", "energy", "lower", "package energy above that of the idle machine"),
    Metric("estimated_energy_j", "J", "energy", "lower", "CPU share x the power given by --estimate-power"),
    Metric(
        "energy_to_accuracy_j", "J", "energy", "lower", "package energy until the target accuracy was reached"
    ),
    Metric("peak_power_w", "W", "energy", "lower", "highest sampled package power"),
    Metric("co2_g", "g", "energy", "lower", "package energy times the given grams of CO2 per kWh"),
)
J_PER_KWH = 3.6e6


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
        1 at most. It takes power to grow in line with use, and knows no other program.

    Raises
    ------
    ValueError
        For powers that are no power range, or a number of cores below 1.

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
    busy_s = min(cpu_time_s / cores, wall_time_s)
    return idle_w * wall_time_s + (full_w - idle_w) * busy_s


def net_energy(energy_j: float | None, wall_time_s: float | None, baseline_w: float | None) -> float | None:
    """Return the energy above what the idle machine takes: ``energy - baseline * wall``, J.

    It may fall below 0, where the trial took less than the baseline's noise.
    """
    if energy_j is None or wall_time_s is None or baseline_w is None:
        return None
    return energy_j - baseline_w * wall_time_s


def mean_power(energy_j: float | None, wall_time_s: float | None) -> float | None:
    """Return the mean power, W; None for no time at all."""
    return None if energy_j is None or not wall_time_s else energy_j / wall_time_s


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
