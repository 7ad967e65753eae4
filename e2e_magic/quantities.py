"""Numbers for people: three significant digits and the unit that fits."""

from __future__ import annotations

import math

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
