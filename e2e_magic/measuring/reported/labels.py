"""Labels of classes, coded by number: numbers, text or anything else of any array-like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring.reported.arrays import WrongValueError, array_of, describe, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A matrix of more classes than this is a regression's target or an id, not a classification: it would
# take a million cells and more.
MAX_CLASSES = 1000


@dataclass(frozen=True)
class Labels:
    """Labels, coded: ``values[codes]`` are the labels.

    Attributes
    ----------
    codes : array of int, shape (n,)
    values : list
        The different labels, plain, sorted.
    """

    codes: NDArray[Any]
    values: list[Any]


def read(value: object) -> Labels:
    """Read one label per entry from anything array-like of shape (n,) or (n, 1).

    Raises
    ------
    WrongValueError
        For another shape, for none at all, for a missing label, for more than `MAX_CLASSES`.
    """
    array = array_of(value)
    if array.ndim == 2 and array.shape[1] > 1:
        raise WrongValueError(
            f"expected one label per entry, got {describe(value)}: of one-hot rows take .argmax(axis=1)"
        )
    if array.ndim == 0 or (array.ndim > 1 and array.size != len(array)):
        raise WrongValueError(f"expected one label per entry, got {describe(value)}")
    return code(array.reshape(-1))


def class_names(value: object) -> list[Any]:
    """Read the names of classes: different from each other, in the order of rows and columns."""
    if isinstance(value, list | tuple) and value and {type(name) for name in value} <= {str}:
        names = list(value)  # without numpy, which stays out of the process
    else:
        array = array_of(value)
        if array.ndim != 1 or not array.size:
            raise WrongValueError(f"expected a list of labels, got {describe(value)}")
        names = [plain(label) for label in array]
    twice = next((name for n, name in enumerate(names) if name in names[:n]), None)
    if twice is not None:
        raise WrongValueError(f"expected labels that differ, got {twice!r} twice")
    return names


def rows(labels: Labels, classes: Sequence[Any]) -> NDArray[Any]:
    """Return the place of each label among the classes.

    Labels that are none of the classes, but all whole numbers from 0 to k - 1, count as their places
    already, as scikit-learn's ``target_names`` are used.
    """
    import numpy as np

    place = {name: n for n, name in enumerate(classes)}
    unknown = [label for label in labels.values if label not in place]
    if len(unknown) == len(labels.values) and all(
        type(label) is int and 0 <= label < len(classes) for label in unknown
    ):
        places = unknown
    elif unknown:
        raise WrongValueError(f"expected labels among the classes {_some(classes)}, got {unknown[0]!r}")
    else:
        places = [place[label] for label in labels.values]
    rows_of_labels: NDArray[Any] = np.asarray(places, dtype=np.int64)[labels.codes]
    return rows_of_labels


def code(array: NDArray[Any]) -> Labels:
    """Return labels of shape (n,), coded; numbers and text by numpy, for a million of them are common."""
    import numpy as np

    if not array.size:
        raise WrongValueError("expected at least one label, got none")
    if array.dtype.kind == "f" and not bool(np.isfinite(array).all()):
        raise WrongValueError(f"expected a label for each entry, got {_first_odd(array)}")
    if array.dtype.kind == "O":
        listed = [None if _absent(label) else plain(label) for label in array]
        if None in listed:
            raise WrongValueError(
                f"expected a label for each entry, got {array[listed.index(None)]!r} at position "
                f"{listed.index(None)}"
            )
        values = _sorted(list(dict.fromkeys(listed)))
        place = {label: n for n, label in enumerate(values)}
        codes = np.array([place[label] for label in listed])
    else:
        unique, inverse = np.unique(array, return_inverse=True)
        codes, values = inverse.reshape(-1), [plain(label) for label in unique]
    if len(values) > MAX_CLASSES:
        raise WrongValueError(
            f"expected class labels, at most {MAX_CLASSES:,} different ones, got {len(values):,}: "
            "report a regression by its loss"
        )
    return Labels(codes, values)


def _absent(label: object) -> bool:
    # pandas' NA refuses to be compared, also with itself.
    return label is None or type(label).__name__ in ("NAType", "NaTType") or plain(label) != plain(label)


def _first_odd(array: NDArray[Any]) -> str:
    import numpy as np

    at = int(np.flatnonzero(~np.isfinite(array))[0])
    return f"{float(array[at])} at position {at}"


def union(true: Labels, predicted: Labels) -> list[Any]:
    """Return the different labels of both, sorted.

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
    union = _sorted(list(dict.fromkeys([*true.values, *predicted.values])))
    if len(union) > MAX_CLASSES:
        raise WrongValueError(
            f"expected class labels, at most {MAX_CLASSES:,} different ones, got {len(union):,} with y_true"
        )
    return union


def _sorted(values: list[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:  # labels of several types have no order of their own
        return sorted(values, key=lambda label: (type(label).__name__, str(label)))


def _some(classes: Sequence[Any]) -> str:
    names = ", ".join(map(repr, classes[:6]))
    return f"{names}, .." if len(classes) > 6 else names
