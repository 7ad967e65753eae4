"""Numbers, names and units for people: one table of units, one formatter, one shortener.

In comes any number, name or text of a user's; out goes the text for a reader. Whatever writes for
people imports this file, and it imports nothing of ours.
"""

from __future__ import annotations

import math
import os
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

# From the largest: the first unit whose size a number reaches is used.
_TIME = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SIZE = ((1024.0, "GiB"), (1.0, "MiB"), (1 / 1024, "KiB"), (1 / 1024**2, "B"))
_ENERGY = ((3.6e6, "kWh"), (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"))
_POWER = ((1e3, "kW"), (1.0, "W"), (1e-3, "mW"))
_SCALES = {"s": _TIME, "MiB": _SIZE, "J": _ENERGY, "W": _POWER}


_WIDEST, _NARROWEST = 100, 40
# Perfect scores, as shares and as percents: what is less is never written as one of them.
_PERFECT = ("1", "100")


def digits(value: float) -> str:
    """Write a number with three significant digits, without an exponent where that is readable.

    What isn't 0 is never written as 0, and what is a little less than 1 or 100 has as many digits as it needs
    to say so, up to six, cut off instead of rounded.

    Examples
    --------
    >>> digits(0.012345), digits(12.345), digits(1234567.8), digits(0.9996), digits(float("nan"))
    ('0.0123', '12.3', '1,234,568', '0.9996', '-')
    """
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
    text = _trimmed(f"{size:.{places}f}")
    if text in _PERFECT and size < float(text):
        text = _short_of(size, float(text))
    return f"-{text}" if value < 0 else text


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _short_of(size: float, perfect: float) -> str:
    """Write a number a little below a perfect one with the digits that distinguish them, six at most."""
    most = 6 if perfect == 1 else 4
    texts = (f"{size:.{places}f}" for places in range(1, most + 1))
    return next((text for text in texts if float(text) < perfect), f"{perfect - 10**-most:.{most}f}")


def quantity(value: float, unit: str = "") -> str:
    """Write a number with its unit, scaled: ``1.23 ms``, ``4.5 GiB``, ``98 %``, ``1,200 entries/s``."""
    if math.isnan(value):
        return "-"
    size, word = scaled(value, unit)
    return f"{digits(value / size)} {word}".rstrip()


def scaled(value: float, unit: str) -> tuple[float, str]:
    """Return the unit that is easiest to read for a number, and how many of `unit` it is."""
    for size, word in _SCALES.get(unit, ()):
        if abs(float(f"{value:.3g}")) >= size:  # 0.9996 s is no 1,000 ms
            return size, word
    return 1.0, unit


def signed(value: float, unit: str = "") -> str:
    """Write a difference with its sign."""
    return f"{'+' if value >= 0 else '-'}{quantity(abs(value), unit)}"


# A stage, a run, a parameter in a sentence or a cell of a table.
LONGEST_NAME = 120


def shorten(text: str, most: int) -> str:
    """Cut a text to `most` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip(' ')}…"


def distinct(names: Sequence[str], most: int) -> list[str]:
    """Shorten names to `most` characters so that different ones stay different.

    Names whose beginnings are alike lose their middle instead, else their beginning; where that doesn't tell
    them apart either, they are numbered.
    """
    whole = dict.fromkeys(names)
    head = (most - 1) // 2
    cuts: tuple[Callable[[str], str], ...] = (
        lambda name: shorten(name, most),
        lambda name: f"{name[:head]}…{name[head + 1 - most :]}",
        lambda name: f"…{name[1 - most :]}",
    )
    for cut in cuts:
        short = {name: name if len(name) <= most else cut(name) for name in whole}
        if len(set(short.values())) == len(whole):
            return [short[name] for name in names]
    numbered = {name: f"{shorten(name, most - len(str(n)) - 1)} {n}" for n, name in enumerate(whole, 1)}
    return [name if len(name) <= most else numbered[name] for name in names]


def legible(text: str, most: int = LONGEST_NAME) -> str:
    """Return a text for one line: control characters (a terminal obeys them) as �, the end cut off.

    Any kind of space, a new line too, is a blank.

    Parameters
    ----------
    text : str
    most : int
        Characters at most; what is longer ends with ``…``.
    """
    cut = shorten(text, most)
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in cut)


def legible_lines(text: str, most: int = 4000) -> str:
    """Return a text of several lines; see `legible`."""
    return "\n".join(legible(line, most) for line in shorten(text, most).split("\n"))


WORDS: Mapping[str, str] = {
    "t_s": "time",
    "cpu_time_s": "CPU time",
    "waited_s": "wait for a core",
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
    "tree_pss_mib": "PSS with children",
    "peak_tree_pss_mib": "peak PSS with children",
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
    "roc_auc": "ROC AUC",
    "co2_g": "CO2",
    "estimated_co2_g": "estimated CO2",
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


def currency_in(name: str) -> str:
    """Return the currency that a cost of energy is in, ``EUR`` of ``energy_cost_eur``; empty elsewhere."""
    match = re.fullmatch(r"(?:estimated_)?energy_cost_([a-z]{3})", name)
    return match[1].upper() if match else ""


def unit_in_name(name: str) -> str:
    """Return the unit that a column's name ends with (contract, section 5); empty where it ends with none."""
    if currency := currency_in(name):
        return currency
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
    if currency_in(metric):
        return metric.rpartition("_")[0].replace("_", " ")
    name = metric.removesuffix("_now")
    name = next((name.removesuffix(e) for e, _ in _UNITS if name.endswith(e) and name != e), name)
    return name.replace("_", " ").strip() or metric


def percent(share: float) -> str:
    """Return a share as whole percents: a little is ``<1 %``, never ``0 %``, nearly all is ``>99 %``."""
    if 0 < share <= 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def time_left(seconds: float) -> str:
    """Return an estimate of the remaining time in words: ``8 s left``, ``2 min left``, ``1.5 h left``."""
    if seconds < 59.5:
        return f"{max(seconds, 0.0):.0f} s left"
    return f"{seconds / 60:.0f} min left" if seconds < 3570 else f"{seconds / 3600:.1f} h left"


def counted(number: int, word: str) -> str:
    """Return a number with its noun: ``1 row``, ``1,200 rows``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def error_text(error: BaseException) -> str:
    """Return ``TypeName: message`` of an error, whose class may be a user's and fail in ``str``."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - a user's class may fail in ``str``
        text = f"<its text could not be made: {type(broken).__name__}>"
    return f"{name}: {text}" if text else name


def line_width() -> int:
    """Return how many characters a line has: the terminal's columns, at most 100, which is it elsewhere."""
    with suppress(AttributeError, OSError, ValueError):  # of a stand-in for the stream, or a closed one
        if sys.stdout.isatty():
            columns = os.get_terminal_size(sys.stdout.fileno()).columns
            return max(min(columns, _WIDEST), _NARROWEST)
    return _WIDEST


def wrapped(text: str, first: str = "", then: str = "") -> list[str]:
    """Return a text as lines for a terminal, which would break one in the middle of a word."""
    return textwrap.wrap(
        text,
        line_width(),
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    )
