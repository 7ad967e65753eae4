"""The forms in which the suite wrote its values, read without ever unpickling anything."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from e2e_magic.record import Series

PICKLE = "a pickle, which older versions wrote: it is never loaded, for loading one can run any code"
# What an energy's unit is in joules; each generation left it out for the unit that it mostly wrote.
JOULES = {"J": 1.0, "mJ": 1e-3, "µJ": 1e-6, "μJ": 1e-6, "uJ": 1e-6}
_LONGEST_LITERAL = 2**20
_NUMPY_SCALAR = re.compile(r"\b(?:np|numpy)\.\w+\(([^()]*)\)")


class UnreadableError(ValueError):
    """Raised for a value that can't be read, with the reason."""


def data(value: object) -> Any:
    """Return what a cell of ``measurement_data`` holds: JSON, or a JSON string that holds JSON.

    SQLite's JSON columns turn text that looks like a number into a number: those come as they are.
    """
    for _ in range(3):  # a string of JSON may be wrapped twice
        if isinstance(value, bytes):
            value = _decoded(value)
        if not isinstance(value, str):
            break
        if _is_pickle_text(value):
            raise UnreadableError(PICKLE)
        try:
            value = json.loads(value)
        except ValueError:
            raise UnreadableError(f"no JSON: {excerpt(value)}") from None
        except RecursionError:
            raise UnreadableError("JSON nested too deeply to be a measurement") from None
    if value is None:
        raise UnreadableError("there is no value")
    return value


def _decoded(value: bytes) -> str:
    if value[:1] == b"\x80" or value[-1:] == b".":
        raise UnreadableError(PICKLE)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableError(f"{len(value)} bytes that are neither text nor JSON") from None


def _is_pickle_text(value: str) -> bool:
    return value.startswith(("b'\\x80", 'b"\\x80', "\x80"))


def number(value: object) -> float:
    """Return one number, from JSON or from text; NaN and infinities are numbers too."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        try:
            return float(_NUMPY_SCALAR.sub(r"\1", value))
        except ValueError:
            raise UnreadableError(f"no number: {excerpt(value)}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError(f"no number: {excerpt(value)}")
    try:
        return float(value)
    except OverflowError:
        raise UnreadableError("a whole number that is larger than any measurement") from None


def amount(value: object) -> float:
    """Return a number of seconds, joules, bytes: finite and at least 0."""
    read = number(value)
    if not 0 <= read < math.inf:
        raise UnreadableError(f"expected a number of at least 0, got {read:g}")
    return read


def numbers(value: object) -> list[float]:
    """Return one number per epoch."""
    if isinstance(value, str):
        value = [part for part in re.split(r"[\s,\[\]]+", value) if part]
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list) or not value:
        raise UnreadableError(f"expected a number per epoch, got {excerpt(value)}")
    return [number(item) for item in value]


def series(value: object) -> tuple[list[datetime], list[float]]:
    """Return the times and the numbers of ``{"timestamps": [..], "measurements": [..]}``."""
    if not isinstance(value, Mapping):
        raise UnreadableError(f"expected timestamps and measurements, got {excerpt(value)}")
    times, readings = value.get("timestamps"), value.get("measurements")
    if not isinstance(times, list) or not isinstance(readings, list):
        raise UnreadableError(f"expected timestamps and measurements, got {', '.join(map(str, value))}")
    if len(times) != len(readings):
        raise UnreadableError(f"{len(times)} timestamps for {len(readings)} measurements")
    if not times:
        raise UnreadableError("a series without a single measurement")
    return [moment(time) for time in times], [number(reading) for reading in readings]


def curve(times: Sequence[datetime], readings: Sequence[float], start: datetime) -> Series:
    """Return a series on the trial's clock, in the order of time."""
    order = sorted(range(len(times)), key=lambda n: times[n])
    return Series.of([(times[n] - start).total_seconds() for n in order], [readings[n] for n in order])


def moment(value: object) -> datetime:
    """Return a time as the suite wrote it, by its machine's clock without a zone, taken as UTC."""
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value.strip())
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):  # the first hours of the year 1 are none in UTC
            raise UnreadableError(f"no time: {excerpt(value)}") from None
    raise UnreadableError(f"no time: {excerpt(value)}")


def matrix(value: object) -> list[list[float]]:
    """Return a square matrix from a list of rows or from numpy's text of one, as it stands there.

    numpy writes columns of even width, so digits may be uneven and rows broken over several lines; a
    large matrix is cut with ``...`` and can't be read.
    """
    if isinstance(value, str):
        if "..." in value:
            raise UnreadableError("a matrix of which numpy's text left out the middle (...)")
        inner = value.strip().removeprefix("[").removesuffix("]")
        value = [
            [part for part in re.split(r"[\s,]+", row) if part]
            for row in re.findall(r"\[([^\[\]]*)\]", inner)
        ]
    if not isinstance(value, list) or not value or not all(isinstance(row, list) for row in value):
        raise UnreadableError(f"expected a square matrix, got {excerpt(value)}")
    rows = [[amount(cell) for cell in row] for row in value]
    if any(len(row) != len(rows) for row in rows):
        raise UnreadableError(
            f"expected a square matrix, got rows of {', '.join(str(len(row)) for row in rows)} numbers"
        )
    whole = all(cell.is_integer() for row in rows for cell in row)
    return [[int(cell) for cell in row] for row in rows] if whole else rows


def transposed(rows: list[list[float]]) -> list[list[float]]:
    """Turn rows of predicted classes into rows of true ones."""
    return [list(column) for column in zip(*rows, strict=True)]


def labels(value: object, size: int) -> list[str] | None:
    """Return the names of the classes, from a list or numpy's text; None where they are not as many."""
    if isinstance(value, str):
        quoted = re.findall(r"'([^']*)'|\"([^\"]*)\"", value)
        value = [a or b for a, b in quoted] or [p for p in re.split(r"[\s,\[\]]+", value) if p]
    if not isinstance(value, list) or len(value) != size:
        return None
    return [str(name) for name in value]


def literal_dict(value: str) -> dict[str, Any]:
    """Read ``str(dict)``: literals only, nothing is executed; numpy's scalars count as their number."""
    if len(value) > _LONGEST_LITERAL:  # Python's own parser takes a hundred times its size
        raise UnreadableError(f"a dict of more than {_LONGEST_LITERAL:,} characters")
    try:
        literal = ast.literal_eval(_NUMPY_SCALAR.sub(r"\1", value))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise UnreadableError(f"no dict of numbers: {excerpt(value)}") from None
    if not isinstance(literal, dict):
        raise UnreadableError(f"no dict of numbers: {excerpt(value)}")
    return {str(key): item for key, item in literal.items()}


def excerpt(value: object) -> str:
    """Return the beginning of a value, for a reason."""
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    printable = "".join(char if char.isprintable() else "�" for char in text[:60])
    return repr(printable + ("…" if len(text) > 60 else ""))
