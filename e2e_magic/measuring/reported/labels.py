"""Labels of classes: numbers, text or anything else of any array-like."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from e2e_magic.measuring.reported.arrays import (
    PLAIN,
    Values,
    WrongValueError,
    absent,
    describe,
    plain,
    values_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A matrix of more classes than this is a regression's target or an id, not a classification: it would
# take a million cells and more.
MAX_CLASSES = 1000


class Labels(NamedTuple):
    """One label per entry.

    Attributes
    ----------
    entries : list or array of int
        The code of the label of each entry.
    place : mapping
        From such a code to the label's place among `values`.
    values : list
        The different labels, plain, sorted or in `order`.
    order : sequence or None
        All categories in their order, where the labels are ordered ones.
    """

    entries: list[Any] | NDArray[Any]
    place: Mapping[Any, int] | range
    values: list[Any]
    order: Sequence[Any] | None = None


def read(value: object) -> Labels:
    """Return one label per entry of anything array-like of shape (n,) or (n, 1).

    Raises
    ------
    WrongValueError
        For another shape, no label at all, a missing label, or more than `MAX_CLASSES`.
    """
    values = values_of(value)
    if len(values.shape) == 2 and values.shape[1] > 1:
        raise WrongValueError(
            f"expected one label per entry, got {describe(value)}: of one-hot rows take .argmax(axis=1)"
        )
    if not values.shape or len(values) != values.shape[0]:
        raise WrongValueError(f"expected one label per entry, got {describe(value)}")
    return coded(values)


def class_names(value: object) -> list[Any]:
    """Return the names of classes: different from each other, in the order of rows and columns."""
    values = values_of(value)
    if len(values.shape) != 1 or not len(values):
        raise WrongValueError(f"expected a list of labels, got {describe(value)}")
    names = [plain(label) for label in values.items]
    twice = next((name for n, name in enumerate(names) if name in names[:n]), None)
    if twice is not None:
        raise WrongValueError(f"expected labels that differ, got {twice!r} twice")
    return names


def rows(labels: Labels, classes: Sequence[Any]) -> list[int]:
    """Return the row of each of the different labels among the classes.

    Labels that are not among the classes, but all whole numbers from 0 to k - 1, count as their rows
    already, as scikit-learn's ``target_names`` are used.
    """
    row = {name: n for n, name in enumerate(classes)}
    unknown = [label for label in labels.values if label not in row]
    if len(unknown) == len(labels.values) and all(
        type(label) is int and 0 <= label < len(classes) for label in unknown
    ):
        return unknown
    if unknown:
        raise WrongValueError(f"expected labels among the classes {_some(classes)}, got {unknown[0]!r}")
    return [row[label] for label in labels.values]


def coded(values: Values) -> Labels:
    """Return the labels of n entries and which different ones there are.

    numpy determines those of its own arrays, as a million of them are common.
    """
    if not len(values):
        raise WrongValueError("expected at least one label, got none")
    entries = values.entries
    numpy = sys.modules.get("numpy")
    if numpy is None or isinstance(entries, list):
        if not set(map(type, entries)) <= PLAIN:
            _refuse_missing(values.items)
            entries = [plain(label) for label in values.items]
        different, place_of = list(dict.fromkeys(entries)), None
    else:
        unique, place_of = numpy.unique(entries, return_inverse=True)
        different = unique.tolist()
    if any(map(_is_none, different)):
        _refuse_missing(values.items)
    names = [plain(label) for label in different]
    if len(names) > MAX_CLASSES:
        raise WrongValueError(
            f"expected class labels, at most {MAX_CLASSES:,} different ones, got {len(names):,}: "
            "report a regression by its loss"
        )
    if place_of is not None:
        return Labels(place_of.reshape(-1), range(len(names)), names)
    order = None if values.order is None else [plain(label) for label in values.order]
    ordered = in_order(names, order)
    row = {name: n for n, name in enumerate(ordered)}
    return Labels(
        entries, {raw: row[name] for raw, name in zip(different, names, strict=True)}, ordered, order
    )


def _refuse_missing(labels: Sequence[Any]) -> None:
    for n, label in enumerate(labels):
        if _is_none(label):
            raise WrongValueError(f"expected a label for each entry, got {label!r} at position {n}")


def _is_none(label: object) -> bool:
    return absent(label) or (type(label) is float and math.isinf(label))


def union(true: Labels, predicted: Labels) -> list[Any]:
    """Return the different labels of both, sorted, or in the order of one that has one.

    Raises
    ------
    WrongValueError
        If one side has text and the other numbers, or there are more than `MAX_CLASSES`.
    """
    kinds = [{"text" if type(v) is str else "numbers" for v in labels.values} for labels in (true, predicted)]
    if not kinds[0] & kinds[1]:
        raise WrongValueError(
            f"expected {kinds[0].pop()}, as the labels in y_true are, got {kinds[1].pop()}, "
            f"such as {predicted.values[0]!r}"
        )
    both = in_order([*true.values, *predicted.values], true.order or predicted.order)
    if len(both) > MAX_CLASSES:
        raise WrongValueError(
            f"expected class labels, at most {MAX_CLASSES:,} different ones, got {len(both):,} with y_true"
        )
    return both


def in_order(names: Sequence[Any], order: Sequence[Any] | None) -> list[Any]:
    """Return the different names: those of the order first, the others sorted behind them."""
    different = dict.fromkeys(names)
    first = [name for name in order or () if name in different]
    others = [name for name in different if name not in first]
    try:
        others.sort()
    except TypeError:  # labels of several types have no order of their own
        others.sort(key=lambda label: (type(label).__name__, str(label)))
    return [*first, *others]


def _some(classes: Sequence[Any]) -> str:
    names = ", ".join(map(repr, classes[:6]))
    return f"{names}, .." if len(classes) > 6 else names
