"""The reading ``gpu_source``, which names the sources of a GPU's energy and memory."""

from __future__ import annotations

COUNTER = "counter"
_ENERGY, _MEMORY = "energy by ", "memory of "


def joined(energy: str, memory: str) -> str:
    """Return the reading: ``energy by counter, memory of the whole GPU``; either may be empty."""
    parts = (f"{prefix}{source}" for prefix, source in ((_ENERGY, energy), (_MEMORY, memory)) if source)
    return ", ".join(parts)


def split(reading: str) -> tuple[str, str]:
    """Return the sources of energy and of memory: the inverse of `joined`."""
    sources = {_ENERGY: "", _MEMORY: ""}
    for part in reading.split(", "):
        for prefix in sources:
            if part.startswith(prefix):
                sources[prefix] = part.removeprefix(prefix)
    return sources[_ENERGY], sources[_MEMORY]
