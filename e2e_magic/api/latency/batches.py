"""Batches for timed calls: slices of whatever holds the inputs, cut before any clock runs."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any

from e2e_magic.measuring.plan import PlanError
from e2e_magic.measuring.reported.arrays import describe

# So many different batches are cut at most: enough that no cache holds the answer, few enough to be kept.
MOST_BATCHES = 1024


def entries_of(inputs: object) -> int:
    """Return how many entries the inputs hold, along their first axis.

    Parameters
    ----------
    inputs : object
        An array, tensor, frame or list; a dict or tuple of arrays of one length.

    Raises
    ------
    PlanError
        If it can't be sliced, is empty, or has parts of different lengths.
    """
    count = _length(inputs)
    if count is None:
        raise PlanError(
            "inputs: expected entries that can be sliced (an array, tensor, frame or list, or a dict or "
            f"tuple of arrays), got {describe(inputs)}"
        )
    if count == 0:
        raise PlanError(f"inputs: expected at least one entry, got none in {describe(inputs)}")
    return count


def batches_of(inputs: object, size: int) -> list[Any]:
    """Cut batches of `size` entries, at most `MOST_BATCHES`, spread evenly over the inputs.

    A rest that fills no batch is left out. Batches keep the type of the inputs; a batch of one entry is a
    slice of length 1.

    Raises
    ------
    PlanError
        If the inputs refuse to be sliced: says how.
    """
    whole = entries_of(inputs) // size
    count = min(whole, MOST_BATCHES)
    starts = [size * (n * whole // count) for n in range(count)]
    try:
        return [_cut(inputs, start, start + size) for start in starts]
    except Exception as error:  # another library's object may refuse in any way
        raise PlanError(
            f"inputs: a {type(inputs).__name__} can't be sliced as inputs[0:{size}] "
            f"({type(error).__name__}: {error}); hand over an array, tensor, frame or list"
        ) from error


def _parts(value: object) -> list[Any] | None:
    """Return the fields of a dict or of a tuple of arrays; None for what is one array itself."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, tuple) and value and all(hasattr(part, "shape") for part in value):
        return list(value)
    return None


def _length(value: object) -> int | None:
    parts = _parts(value)
    if parts is not None:
        lengths = [_length(part) for part in parts]
        if len(set(lengths)) > 1:
            raise PlanError(f"inputs: expected parts of one length, got {', '.join(map(str, lengths))}")
        return lengths[0] if lengths else 0
    shape = getattr(value, "shape", None)
    if shape is not None:  # a sparse matrix has a shape and refuses len()
        return int(shape[0]) if len(shape) else None
    if isinstance(value, str | bytes) or not isinstance(value, Sized) or not hasattr(value, "__getitem__"):
        return None
    return len(value)


def _cut(value: Any, start: int, stop: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _cut(part, start, stop) for name, part in value.items()}
    if _parts(value) is not None:
        return tuple(_cut(part, start, stop) for part in value)
    return getattr(value, "iloc", value)[start:stop]
