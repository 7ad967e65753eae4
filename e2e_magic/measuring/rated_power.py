"""The idle and the full power of a processor by its model, from the table that CodeCarbon ships.

Only the table's file is read: the package is not imported, and nothing is read unless ``auto`` is asked for.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from e2e_magic.measuring.checks import PlanError
from e2e_magic.measuring.environment import cpu

# What an idle processor takes of its rated power, as CodeCarbon has it (external/hardware.py, class CPU).
IDLE_SHARE = 0.1
_TYPE = "type the idle and the full power of the machine in W instead, such as 12,65"


@lru_cache(maxsize=1)
def rated_power(model: str | None = None, cpuinfo: str = "/proc/cpuinfo") -> tuple[float, float, str]:
    """Return the idle power and the full power of this machine's processors, W, and where they come from.

    Parameters
    ----------
    model : str, optional
        The processor's model, as the system names it; that of this machine when left out.
    cpuinfo : str
        Where Linux describes the processors.

    Returns
    -------
    idle_w, full_w : float
        The full power is the rated one (TDP) of all processors, the idle one a tenth of it.
    source : str

    Raises
    ------
    PlanError
        If the table is not installed, or hasn't this model.
    """
    model = cpu() if model is None else model
    path, version = _table()
    watts = {watt for name, watt in _rows(path) if plain(name) == plain(model)}
    if len(watts) != 1:
        raise PlanError(
            f"estimate_power: the table of CodeCarbon {version} has no processor {model!r}; {_TYPE}"
        )
    sockets, virtual = _processors(cpuinfo)
    full_w = watts.pop() * sockets
    source = f"CodeCarbon {version} (MIT licence): {sockets} x {model}, rated {full_w:g} W, a tenth when idle"
    if virtual:
        source += "; of the whole processor, of which this virtual machine has a part: an upper bound"
    return IDLE_SHARE * full_w, full_w, source


def _table() -> tuple[Path, str]:
    """Return the file with names and rated watts, and the version of its package; import nothing of it."""
    from importlib.machinery import PathFinder
    from importlib.metadata import PackageNotFoundError, version

    spec = PathFinder.find_spec("codecarbon")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / "hardware" / "cpu_power.csv"
        if path.is_file():
            try:
                return path, version("codecarbon")
            except PackageNotFoundError:
                return path, "of an unknown version"
    raise PlanError(
        "estimate_power: auto looks the processor up in CodeCarbon's table, which is not installed: "
        f"pip install 'e2e-magic[estimate]' (the table alone: pip install --no-deps codecarbon); or {_TYPE}"
    )


def _rows(path: Path) -> list[tuple[str, float]]:
    import csv

    rows = []
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            try:
                rows.append((row[0], float(row[1])))
            except (IndexError, ValueError):
                continue  # the head, and a few rows with two powers in one
    return rows


def plain(model: str) -> str:
    """Return a processor's name without what systems add: marks, clock, generation, number of cores."""
    text = re.sub(r"\((r|tm|c)\)|®|™", " ", model.lower())
    text = re.sub(r"@.*| with .*|\b\d+(st|nd|rd|th) gen\b|\b\S+-core\b|\b(cpu|processor)\b", " ", text)
    return " ".join(text.split())


def _processors(cpuinfo: str) -> tuple[int, bool]:
    """Return how many processors there are, and whether the machine is a virtual one: then it is one."""
    try:
        text = Path(cpuinfo).read_text()
    except OSError:  # macOS and Windows
        return 1, False
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    if flags and "hypervisor" in flags[1].split():
        return 1, True
    return max(1, len(set(re.findall(r"^physical id\s*:\s*(\d+)", text, re.MULTILINE)))), False
