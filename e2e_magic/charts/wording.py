"""How charts speak: metrics in words, their units, numbers with three significant digits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

WORDS: Mapping[str, str] = {
    "t_s": "time",
    "cpu_time_s": "CPU time",
    "cpu_user_s": "CPU time in user mode",
    "cpu_system_s": "CPU time in system mode",
    "cpu_percent": "CPU",
    "cpu_percent_now": "CPU",
    "rss_mib": "RSS",
    "tree_rss_mib": "RSS with children",
    "rss_start_mib": "RSS at start",
    "peak_rss_mib": "peak RSS",
    "rss_delta_mib": "RSS change",
    "peak_tree_rss_mib": "peak RSS with children",
    "read_mib_now": "read",
    "write_mib_now": "written",
    "read_mib": "read",
    "write_mib": "written",
    "package_energy_j": "package energy",
    "psys_energy_j": "platform energy",
    "psys_power_w": "platform power",
    "dram_energy_j": "DRAM energy",
    "dram_power_w": "DRAM power",
    "gpu_energy_j": "GPU energy",
    "gpu_time_s": "GPU time",
    "gpu_percent": "GPU use",
    "gpu_percent_now": "GPU use",
    "gpu_memory_mib": "GPU memory",
    "gpu_process_memory_mib": "GPU memory of this process",
    "gpu_peak_memory_mib": "peak GPU memory",
    "gpu_power_w": "GPU power",
    "gpu_temperature_c": "GPU temperature",
    "throughput_per_s": "throughput",
    "f1": "F1",
}
_UNITS = (
    ("_per_s", "entries/s"),
    ("_percent", "%"),
    ("_mib", "MiB"),
    ("_gib", "GiB"),
    ("_kib", "KiB"),
    ("_bytes", "bytes"),
    ("_pct", "%"),
    ("_ms", "ms"),
    ("_us", "µs"),
    ("_ns", "ns"),
    ("_hz", "Hz"),
    ("_mj", "mJ"),
    ("_mw", "mW"),
    ("_s", "s"),
    ("_j", "J"),
    ("_w", "W"),
    ("_c", "°C"),
)


def unit_of(metric: str, units: Mapping[str, str] | None = None) -> str:
    """Return the unit of a metric: as declared in `units`, else as its name ends; may be empty."""
    if units and units.get(metric):
        return str(units[metric])
    name = metric.removesuffix("_now")
    return next((unit for ending, unit in _UNITS if name.endswith(ending)), "")


def units(frame: pd.DataFrame) -> Mapping[str, str]:
    """Return the units that a frame declares in ``attrs["units"]``; empty where it declares none."""
    declared = frame.attrs.get("units")
    return declared if isinstance(declared, Mapping) else {}


def words(metric: str) -> str:
    """Return a metric's name in words, without its unit: ``peak_rss_mib`` is ``peak RSS``."""
    if metric in WORDS:
        return WORDS[metric]
    name = metric.removesuffix("_now")
    name = next((name.removesuffix(e) for e, _ in _UNITS if name.endswith(e) and name != e), name)
    return name.replace("_", " ").strip() or metric


def number(value: float) -> str:
    """Return a number with three significant digits for people; whole thousands are kept whole.

    Examples
    --------
    >>> number(0.012345), number(12.345), number(1234567.8), number(float("nan"))
    ('0.0123', '12.3', '1,234,568', 'missing')
    """
    if not math.isfinite(value):
        return "missing" if math.isnan(value) else str(value)
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-6:
        return f"{value:.3g}"
    if size >= 999.5:
        return f"{value:,.0f}"
    digits = 2 - math.floor(math.log10(size)) if size else 0
    text = f"{value:.{max(digits, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """Return a share between 0 and 1 as whole percents; a little is ``<1 %``, never ``0 %``."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def shorten(text: str, most: int) -> str:
    """Cut a text to `most` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
