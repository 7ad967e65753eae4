"""What a row may hold: a store may come from anybody, and one bad row must cost that row alone.

Each check raises `ValueError` with what is wrong. Its bounds lie far above what measuring writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from e2e_magic.derived import READINGS
from e2e_magic.record import STATES

# Characters in one text; a cell's code or a traceback is the longest that is written.
LONGEST = 16 * 2**20
# Lists and mappings within each other.
DEEPEST = 64
# Parameters of a trial, and names of anything else that a trial or a run has: each becomes a column.
MOST_PARAMS, MOST_NAMES = 1_000, 4_096
# Bytes of a curve or a log: a million calls of `log` with ten numbers have 96 MiB.
MOST_UNPACKED = 128 * 2**20
# What reading a bad row may raise.
DAMAGE = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError,
)  # fmt: skip
_BLOB = frozenset({bytes, bytearray, memoryview})
_TEXT, _TEXT_OR_NONE, _WHOLE = frozenset({str}), frozenset({str, type(None)}), frozenset({int, bool})
# By the order of `decoding.COLUMNS`.
_TYPES = (
    ("number", _WHOLE), ("run", _WHOLE), ("stage", _TEXT), ("trial", _WHOLE), ("repeat", _WHOLE),
    ("state", _TEXT), ("started_at", _TEXT), ("error", _TEXT_OR_NONE), ("sweep", _TEXT_OR_NONE),
    ("params", _TEXT),
    ("readings", _TEXT), ("reported", _TEXT), ("missing", _TEXT), ("source", _TEXT_OR_NONE), ("host", _TEXT),
    ("concurrent", _WHOLE), ("curves", _TEXT), ("log", _WHOLE | {type(None)}), ("measures", _TEXT),
    ("numbers", _BLOB), ("derived", _TEXT_OR_NONE),
)  # fmt: skip
_SCALARS = (str, int, float, bool, type(None))
# A number on a card or in a frame; a whole one of a thousand digits has no double.
_LARGEST = 2.0**1023


def columns(cells: Sequence[Sequence[Any]]) -> None:
    """Check the types and the sizes of rows' values, which come as columns."""
    for (name, allowed), values in zip(_TYPES, cells, strict=True):
        if not allowed.issuperset(map(type, values)):
            wrong = next(value for value in values if type(value) not in allowed)
            raise ValueError(f"{name} is of type {type(wrong).__name__}")
        if str in allowed and max(map(len, filter(None, values)), default=0) > LONGEST:
            raise ValueError(f"{name} is longer than {LONGEST:,} characters")
    if not set(STATES).issuperset(cells[5]):
        raise ValueError(f"state is none of {', '.join(STATES)}")


def is_text(value: object) -> bool:
    """Return whether a value is a text that is not too long."""
    return isinstance(value, str) and len(value) <= LONGEST


def text(name: str, value: object) -> str:
    """Return a text, if it is one and not too long."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is of type {type(value).__name__}")
    if len(value) > LONGEST:
        raise ValueError(f"{name} is longer than {LONGEST:,} characters")
    return value


def depth(text: str, value: Any) -> None:
    """Check that a value, read from JSON, is not nested too deep."""
    if len(text) <= 2 * DEEPEST or text.count("[") + text.count("{") <= DEEPEST:
        return
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise ValueError(f"its values are nested deeper than {DEEPEST}")


def _inside(value: Any) -> list[Any]:
    """Return the lists and mappings that a value holds."""
    values = value.values() if isinstance(value, dict) else value
    return [one for one in values if isinstance(one, list | dict)] if isinstance(value, list | dict) else []


def mapping(name: str, value: object, most: int = MOST_NAMES) -> Mapping[str, Any]:
    """Return a mapping, if it is one of texts to anything and has not too many of them."""
    if type(value) is not dict:
        raise ValueError(f"{name} is no mapping")
    if len(value) > most:
        raise ValueError(f"{name} has {len(value):,} names, more than {most:,}")
    if not _TEXT.issuperset(map(type, value)):
        raise ValueError(f"{name} has a name that is no text")
    return value


def params(value: object) -> None:
    """Check a trial's parameters, of which the names are what matters."""
    mapping("params", value, MOST_PARAMS)


def readings(value: object) -> None:
    """Check a trial's readings that are no packed doubles."""
    for name, one in mapping("readings", value).items():
        if not isinstance(one, _SCALARS) or (name in READINGS and not _is_number(one)):
            raise ValueError(f"the reading {name} is of type {type(one).__name__}")


def missing(value: object) -> None:
    """Check a trial's reasons: sentences, or mappings of texts."""
    for name, reason in mapping("missing", value).items():
        parts = reason.values() if isinstance(reason, dict) else [reason]
        if not all(isinstance(part, str) for part in parts):
            raise ValueError(f"the reason of {name} is no text")


def reported(value: object) -> None:
    """Check what a trial's code handed back: the values of names that are read by more than their holder."""
    for name, one in mapping("reported", value).items():
        check = _REPORTED.get(name)
        if check is not None and not check(one):
            raise ValueError(f"{name} is none: {str(one)[:40]!r}")


def settings(value: object) -> None:
    """Check a run's settings, whose names are those of what its trials carry."""
    reported(value)


def environment(value: object) -> None:
    """Check where a run happened: scalars, and the versions of packages."""
    for name, one in mapping("environment", value).items():
        if name == "packages" or (name == "threads" and one is not None):
            if not all(isinstance(text, str) for text in mapping(name, one).values()):
                raise ValueError(f"{name} has a value that is no text")
        elif not isinstance(one, _SCALARS):
            raise ValueError(f"{name} is of type {type(one).__name__}")


def listing(value: object) -> tuple[str, int, str]:
    """Return the name, the first line and the text of code, if they are some."""
    if type(value) is list and len(value) == 3:
        name, first, code = value
        if is_text(name) and is_text(code) and type(first) is int and 1 <= first <= LONGEST:
            return name, first, code
    raise ValueError("the code of lines is none")


def names(value: object) -> list[str]:
    """Return the names of curves or of a log's columns, if they are some."""
    if type(value) is not list or any(type(name) is not str for name in value):
        raise ValueError("the names of curves are no list of texts")
    if len(value) > MOST_NAMES:
        raise ValueError(f"there are {len(value):,} curves, more than {MOST_NAMES:,}")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= _LARGEST)


def _is_count(value: object) -> bool:
    return _is_number(value) and value == value and value not in (float("inf"), float("-inf"))


def _is_curve(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_number, value))
    return _is_number(value)


def _is_matrix(value: object) -> bool:
    if not isinstance(value, list | tuple):
        return False
    size = len(value)
    return all(
        isinstance(row, list | tuple) and len(row) == size and all(map(_is_count, row)) for row in value
    )


def are_numbers_or_none(value: Mapping[str, Any]) -> bool:
    """Return whether a mapping has nothing but numbers and None."""
    return all(one is None or _is_number(one) for one in value.values())


def _are_numbers(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(n, str) and _is_number(v) for n, v in value.items())


def _is_latency(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    if not value:
        return True
    laps = value.get("laps_s")
    return (
        isinstance(laps, list | tuple)
        and all(map(_is_count, laps))
        and all(_is_count(value.get(name)) for name in ("calls", "elapsed_s", "mean_s"))
        and value["calls"] >= 1
        and ("energy_j" not in value or _is_count(value["energy_j"]))
    )


def _is_labels(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, (*_SCALARS, tuple)) for one in value)


def _is_baseline(value: object) -> bool:
    """Return whether a value is that of the idle machine: watts and percents numbers, the rest text."""
    return value is None or (
        isinstance(value, Mapping)
        and all(
            one is None
            or _is_number(one)
            or (isinstance(one, str) and not str(name).endswith(("_w", "_percent")))
            for name, one in value.items()
        )
    )


def _is_target(value: object) -> bool:
    return not isinstance(value, Mapping) or (
        isinstance(value.get("metric"), str | None) and isinstance(value.get("maximize"), bool | None)
    )


def _is_estimate(value: object) -> bool:
    if isinstance(value, list):  # a run's setting: idle and full, and where they come from
        return len(value) in (2, 3) and all(map(_is_count, value[:2])) and all(map(is_text, value[2:]))
    if not isinstance(value, Mapping):  # another kind of it is no question of the energy's
        return True
    idle, full, cores = (value.get(name) for name in ("idle_w", "full_w", "cores"))
    return (
        _is_count(idle)
        and _is_count(full)
        and 0 <= idle <= full  # type: ignore[operator]
        and (cores is None or (_is_count(cores) and cores >= 1))
    )


def _is_price(value: object) -> bool:
    """Return whether a value is that of `measuring.grid.price`."""
    if not isinstance(value, Mapping):
        return False
    per_kwh, currency = value.get("per_kwh"), value.get("currency")
    return _is_count(per_kwh) and isinstance(currency, str) and currency.isascii() and currency.isalpha()


def _is_kept(value: object) -> bool:
    """Return whether a value is that of `measuring.holders.kept.kept`."""
    if not isinstance(value, Mapping):
        return False
    names, others, packages = (value.get(name) for name in ("names", "others", "imported"))
    if not isinstance(names, list):
        return False
    held: list[Any] = [*names, others]
    return (
        all(isinstance(each, list) and len(each) == 3 and _is_count(each[1]) for each in held)
        and all(isinstance(each[0], str) for each in held[:-1])
        and type(held[-1][0]) is int
        and isinstance(packages, list)
        and all(isinstance(name, str) for name in packages)
        and all(_is_count(value.get(name)) for name in ("kept_mib", "unnamed_mib"))
    )


def _is_evidence(value: object) -> bool:
    """Return whether a value is that of `measuring.evidence`: numbers, and mappings of numbers."""
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and (_are_numbers(one) if name in ("imports", "pools") else _is_number(one))
        for name, one in value.items()
    )


_REPORTED: Mapping[str, Callable[[object], bool]] = {
    "entries": _is_number,
    "loss": _is_curve,
    "accuracy": _is_curve,
    "target_accuracy": _is_number,
    "confusion": _is_matrix,
    "classes": _is_labels,
    "binary": _are_numbers,
    "scores": _are_numbers,
    "latency": _is_latency,
    "baseline_power": _is_baseline,
    "carbon_g_per_kwh": _is_number,
    "carbon_source": is_text,
    "price": _is_price,
    "estimate_power": _is_estimate,
    "sweep_target": _is_target,
    "kept": _is_kept,
    "evidence": _is_evidence,
}
