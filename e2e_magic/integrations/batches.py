"""The number of entries in a batch, whichever library it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized

# The dimensions of an image, and how many channels it has.
_IMAGE, _CHANNELS = 3, (1, 3, 4)


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
        in a tuple or dict, else its own. Of entries that are not stacked, as ``tuple(zip(*samples))``,
        ``list`` or a dict of lists collate them, their number.

    Raises
    ------
    TypeError
        If nothing in it has a length: says what came.
    """
    for entries in (_unstacked(batch), next(_sizes(batch), None), _plain(batch)):
        if entries is not None:
            return entries
    raise TypeError(f"nothing in a {type(batch).__name__} has a length")


def _unstacked(batch: object) -> int | None:
    """Return the number of entries that stand beside each other, an array each; None where arrays hold many.

    Arrays that hold a field of all entries agree in their first size. Those of single entries mostly don't,
    or numbers and texts stand between them; where they agree by chance they are images, whose first size is
    that of channels.
    """
    named = isinstance(batch, Mapping)
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if not isinstance(batch, list | tuple) or not batch:
        return None
    sizes = {len(part) if isinstance(part, list | tuple) else next(_sizes(part), None) for part in batch}
    if len({isinstance(part, list | tuple) for part in batch}) > 1:  # lists of entries beside stacked labels
        return sizes.pop() if len(sizes) == 1 else None
    if all(isinstance(part, list | tuple) and len(part) == len(batch[0]) > 0 for part in batch):
        kinds = [set(map(type, part)) for part in batch]
        alike = all(len(kind) == 1 for kind in kinds)
        fields = named or (alike and (isinstance(batch, tuple) or len(set.union(*kinds)) > 1))
        entries = len(batch[0]) if fields else len(batch)
    elif all(isinstance(part, Mapping) and part.keys() == batch[0].keys() for part in batch):
        entries = len(batch)
    else:
        return None
    leaves = list(_leaves(batch))
    shapes = [tuple(shape) for leaf in leaves if (shape := getattr(leaf, "shape", None))]
    if not shapes:
        return None
    stacked = len(shapes) == len(leaves) and len({shape[0] for shape in shapes}) == 1
    listed = not named and any(isinstance(part, list) for part in batch)  # as torch stacks tuples of fields
    images = not listed and all(len(shape) == _IMAGE and shape[0] in _CHANNELS for shape in shapes)
    return None if stacked and not images else entries


def _leaves(value: object) -> Iterator[object]:
    """Yield what stands in tuples, lists and dicts, at any depth."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


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
