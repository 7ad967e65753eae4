"""Numbers, names and units for people: one table of units, one formatter, one shortener.

In comes any number, name or text of a user's; out goes what a reader is shown of it. Whatever writes for
people imports this file, and it imports nothing of ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# From the largest: the first unit whose size a number reaches is used.
_TIME = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SIZE = ((1024.0, "GiB"), (1.0, "MiB"), (1 / 1024, "KiB"), (1 / 1024**2, "B"))
_ENERGY = ((3.6e6, "kWh"), (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"))
_POWER = ((1e3, "kW"), (1.0, "W"), (1e-3, "mW"))
_SCALES = {"s": _TIME, "MiB": _SIZE, "J": _ENERGY, "W": _POWER}


def digits(value: float) -> str:
    """Write a number with three significant digits, without an exponent where that is readable."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "-∞" if value < 0 else "-"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e15 or size < 1e-4:
        return f"{value:.3g}"
    if size >= 100:
        return f"{value:,.0f}"
    places = max(0, 2 - math.floor(math.log10(float(f"{size:.3g}"))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float, unit: str = "") -> str:
    """Write a number with its unit, scaled: ``1.23 ms``, ``4.5 GiB``, ``98 %``, ``1,200 entries/s``."""
    if value is None or math.isnan(value):
        return "-"
    for size, word in _SCALES.get(unit, ()):
        if abs(value) >= size:
            return f"{digits(value / size)} {word}"
    if unit in _SCALES:
        word = "s" if unit == "s" else unit
        return f"{digits(value)} {word}"
    return f"{digits(value)} {unit}".rstrip()


def signed(value: float, unit: str = "") -> str:
    """Write a difference with its sign."""
    return f"{'+' if value >= 0 else '-'}{quantity(abs(value), unit)}"


# A stage, a run, a parameter in a sentence or a cell of a table.
LONGEST_NAME = 120


def legible(text: str, longest: int = LONGEST_NAME) -> str:
    """Return a text for one line: control characters (a terminal obeys them) as �, the end cut off.

    Any kind of space, a new line too, is a blank.

    Parameters
    ----------
    text : str
    longest : int
        Characters at most; what is longer ends with ``…``.
    """
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in cut)


def legible_lines(text: str, longest: int = 4000) -> str:
    """Return a text of several lines; see `legible`."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "\n".join(legible(line, longest) for line in cut.split("\n"))


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
    ("_per_s", "1/s"),
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


def unit_in_name(name: str) -> str:
    """Return the unit that a column's name ends with (contract, section 5); empty where it ends with none."""
    name = name.removesuffix("_now")
    return next((unit for ending, unit in _UNITS if name.endswith(ending)), "")


def units(frame: Any) -> Mapping[str, str]:
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


def error_text(error: BaseException) -> str:
    """Return ``TypeName: message`` of an error, whose class may be a user's and fail to say itself."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - a user's class may fail to say itself
        text = f"<its text could not be made: {type(broken).__name__}>"
    return f"{name}: {text}" if text else name
