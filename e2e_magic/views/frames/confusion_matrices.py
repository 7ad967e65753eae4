"""Confusion matrices as tidy rows, and the classification report that follows from one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from e2e_magic.derived.binary import complete
from e2e_magic.derived.classification import report
from e2e_magic.record import Record
from e2e_magic.text import digits
from e2e_magic.views.frames import columns
from e2e_magic.views.frames.tidy import TidyFrame

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_NO_NAMES: Mapping[str, str] = {}
_SHARES = ("precision", "recall", "f1")
_OVERALL = ("accuracy", "balanced_accuracy", "mcc")
# A longer report is cut in its middle, as any frame is.
_LONGEST = 60


def confusions(records: Sequence[Record], names: Mapping[str, str] = _NO_NAMES) -> pd.DataFrame:
    """Return every confusion matrix: ``run stage trial true predicted count``, a row per cell.

    Labels are the given classes, else 0 to k - 1. A two-class table of which only parts
    were handed back (``TP``, ``FN`` ..) is here where all four counts follow from them.
    """
    matrices = [(record, *matrix) for record in records if (matrix := _matrix(record)) is not None]
    sizes = [len(counts) for _, counts, _ in matrices]
    cells = np.array([size * size for size in sizes], dtype=np.int64)
    table: dict[str, Any] = {
        "run": columns.labels([names.get(record.run, record.run) for record, _, _ in matrices], cells),
        "stage": columns.labels([record.stage for record, _, _ in matrices], cells),
        "trial": np.repeat(np.array([record.trial for record, _, _ in matrices], dtype=np.int64), cells),
        "true": _labels([label for _, _, classes in matrices for label in classes for _ in classes]),
        "predicted": _labels([label for _, _, classes in matrices for _ in classes for label in classes]),
        "count": _counts([count for _, counts, _ in matrices for row in counts for count in row]),
    }
    return columns.frame(table)


def _matrix(record: Record) -> tuple[Sequence[Sequence[float]], Sequence[object]] | None:
    """Return a trial's matrix, rows true, and its labels; None where it has none."""
    counts = record.reported.get("confusion")
    if not counts and "binary" in record.reported:
        table, _ = complete(record.reported["binary"])
        if all(key in table for key in ("TN", "FP", "FN", "TP")):
            counts = [[table["TN"], table["FP"]], [table["FN"], table["TP"]]]
    if not counts:
        return None
    classes = record.reported.get("classes")
    return counts, classes if classes and len(classes) == len(counts) else list(range(len(counts)))


def _labels(values: list[Any]) -> Any:
    """Make a column of class labels; those of different types become text, for one column to sort."""
    column = columns.inferred(values)
    return columns.text(values) if column.dtype.kind == "O" and not columns.is_text(column) else column


def _counts(values: list[float]) -> Any:
    whole = columns.integers(values)
    if whole is None:
        return columns.floats(values)
    return whole if whole.isna().any() else whole.to_numpy(dtype=np.int64)


def classification(record: Record) -> pd.DataFrame:
    """Return a trial's classification report: ``label kind precision recall f1 support``.

    ``kind`` is ``class`` for a class and ``average`` for micro, macro and weighted.
    ``attrs["overall"]`` holds accuracy, balanced accuracy and Matthews' correlation coefficient.

    Raises
    ------
    ValueError
        If the trial has no confusion matrix.
    """
    matrix = _matrix(record)
    if matrix is None:
        raise ValueError(
            f"{record.stage}, trial {record.trial}: there is no confusion matrix: hand back "
            "'confusion_matrix', or use --confusion or --y-true and --y-pred"
        )
    scores = report(*matrix)
    rows = [*scores.classes, *scores.averages]
    frame = columns.frame(
        {
            "label": columns.text([row.label for row in rows]),
            "kind": columns.text(["class"] * len(scores.classes) + ["average"] * len(scores.averages)),
            **{name: columns.floats([getattr(row, name) for row in rows]) for name in _SHARES},
            "support": _counts([row.support for row in rows]),
        }
    )
    frame.attrs["overall"] = {name: getattr(scores, name) for name in _OVERALL}
    return frame


class ReportFrame(TidyFrame):
    """A classification report displayed with its shares as bars (`styled`), where it is short."""

    def _repr_html_(self) -> str | None:
        if len(self) > _LONGEST or not pd.get_option("display.notebook_repr_html"):
            return super()._repr_html_()
        try:
            return styled(self).to_html()
        except ImportError:  # a plain table says the same
            return super()._repr_html_()


def styled(frame: pd.DataFrame) -> Styler:
    """Return a classification report with its shares as bars, the averages set off below the classes.

    Raises
    ------
    ImportError
        If jinja2, which pandas' styles need, is not installed.
    """
    try:
        style = frame.style
    except (ImportError, AttributeError) as error:  # pandas' accessor turns one into the other
        raise ImportError('a styled frame needs jinja2: pip install "e2e-magic[export]"') from error
    first_average = next(iter(np.flatnonzero(frame["kind"] == "average")), None)
    style = (
        style.hide(axis="index")
        .hide(["kind"], axis="columns")
        .format(dict.fromkeys(_SHARES, _decimals), na_rep="-", escape="html")
        .format(str, subset=["label"], escape="html")
        # Half transparent, so that the numbers are read on a white and on a dark page.
        .bar(subset=list(_SHARES), vmin=0, vmax=1, color="#4f9bce66")
    )
    if first_average is not None:
        line: list[Any] = [
            {"selector": f"tbody tr:nth-child({first_average + 1}) td", "props": "border-top: 1px solid"}
        ]
        style = style.set_table_styles(line)
    overall = frame.attrs.get("overall", {})
    if overall:
        words = ", ".join(f"{name.replace('_', ' ')} {_decimals(value)}" for name, value in overall.items())
        style = style.set_caption(words)
    return style


def _decimals(share: Any) -> str:
    """Write a share with three decimals, or as many as distinguish it from 0 and 1."""
    text = f"{share:.3f}"
    return digits(share) if text in ("0.000", "1.000") and 0 < share < 1 else text
