"""How many entries a batch holds, whichever library made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized


def length(batch: object) -> int:
    """Return how many entries a batch holds.

    Parameters
    ----------
    batch : object
        A tensor, array or frame; a tuple, dict or list of such; plain lists.

    Returns
    -------
    int
        The first size of the first array in it; where it holds none, the length of the first list
        in a tuple or dict, else its own.

    Raises
    ------
    TypeError
        If nothing in it has a length: says what came.
    """
    for found in (next(_sizes(batch), None), _plain(batch)):
        if found is not None:
            return found
    raise TypeError(f"nothing in a {type(batch).__name__} has a length")


def _sizes(value: object) -> Iterator[int]:
    """Yield the first size of each array within, in their order; a 0-d array has none."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        if len(shape) and shape[0] is not None:
            yield int(shape[0])
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _sizes(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _sizes(part)


def _plain(value: object) -> int | None:
    """Return the length of a batch without arrays: tuples and dicts hold fields, lists hold entries."""
    if isinstance(value, str | bytes | int | float) or not isinstance(value, Sized):
        return None
    if isinstance(value, tuple | Mapping):
        fields = value.values() if isinstance(value, Mapping) else value
        for field in fields:
            if not isinstance(field, str | bytes) and isinstance(field, Sized):
                return _plain(field)
        if isinstance(value, Mapping):
            return None
    # A tensor of no dimensions is Sized to Python, but refuses.
    return None if getattr(value, "shape", None) is not None else len(value)
