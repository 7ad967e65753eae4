"""The confusion matrix as a heat map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from e2e_magic.views.charts import style
from e2e_magic.views.charts.confusion_matrix import confusion, matrix

Make = Callable[..., pd.DataFrame]


def test_counts_and_shares(confusions: Make) -> None:
    """Each cell bears its count and its share of the row; rows are true, columns predicted."""
    ax = confusion(confusions(["cat", "dog"], [[8, 2], [0, 1000]]))

    assert [text.get_text() for text in ax.texts] == ["8\n80 %", "2\n20 %", "0", "1,000\n100 %"]
    assert [text.get_position() for text in ax.texts] == [(0.5, 0.5), (1.5, 0.5), (0.5, 1.5), (1.5, 1.5)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["cat", "dog"]
    assert ax.yaxis_inverted()


@pytest.mark.parametrize(("normalize", "values"), [(None, [8, 2, 0, 1000]), ("true", [80, 20, 0, 100])])
def test_colour_follows(confusions: Make, normalize: str | None, values: list[float]) -> None:
    """Cells are coloured by count, or by share of the row; a 0 is left transparent."""
    ax = confusion(confusions(["cat", "dog"], [[8, 2], [0, 1000]]), normalize=normalize)  # type: ignore[arg-type]
    cells = ax.collections[0].get_array()

    assert values == pytest.approx(np.ma.filled(cells.astype(float), 0).ravel().tolist())
    assert np.ma.getmaskarray(cells).ravel().tolist() == [False, False, True, False]


def test_hundred_classes(confusions: Make) -> None:
    """Above 20 classes cells bear no numbers, every fourth class is named, a bar tells the colours."""
    ax = confusion(confusions(np.arange(100), np.eye(100)))

    assert len(ax.texts) == 0
    assert [str(n) for n in range(0, 100, 4)] == [text.get_text() for text in ax.get_yticklabels()]
    assert ax.figure.axes[1].get_ylabel() == "count"


def test_the_most_frequent_mistakes_of_many_classes_are_told() -> None:
    """A cell of a hundred by a hundred can't be read: the three greatest off the diagonal are words."""
    counts = np.eye(100) * 50
    counts[7, 9], counts[4, 2], counts[3, 5], counts[1, 0] = 12, 30, 9, 1
    cells = [(i, j, counts[i, j]) for i in range(100) for j in range(100)]
    frame = pd.DataFrame(cells, columns=["true", "predicted", "count"])

    assert confusion(frame).get_title(loc="left") == "most often wrong: 4 as 2 (30), 7 as 9 (12), 3 as 5 (9)"
    long = frame.assign(**{side: "class number " + frame[side].astype(str) for side in ("true", "predicted")})
    assert confusion(long).get_title(loc="left") == (
        "most often wrong: class number 4 as class number 2 (30)"
    )
    assert confusion(frame[frame["true"] == frame["predicted"]]).get_title(loc="left") == ""


def test_labels_are_literal(confusions: Make) -> None:
    """Labels are drawn as they are, and cut where they are long; a class that is missing is one too."""
    ax = confusion(confusions(["$a$", "_b", "y" * 300], np.eye(3)))

    assert [text.get_text() for text in ax.get_yticklabels()] == ["$a$", "_b", "y" * 19 + "…"]
    assert not any(text.get_parse_math() for text in [*ax.get_xticklabels(), *ax.get_yticklabels()])


def test_order_of_classes(confusions: Make) -> None:
    """Classes keep the order of the frame."""
    table = matrix(confusions(["prepare", 3, "a"], np.arange(9)))

    assert table is not None
    assert table.classes == ["prepare", 3, "a"]
    assert table.counts.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_sparse_frame() -> None:
    """Pairs that a frame leaves out count nothing; a class that was only predicted has its row."""
    frame = pd.DataFrame({"true": ["a", "a"], "predicted": ["a", "b"], "count": [3, 1]})
    table = matrix(frame)

    assert table is not None
    assert table.counts.tolist() == [[3, 1], [0, 0]]
    assert np.array_equal([[0.75, 0.25], [np.nan, np.nan]], table.shares, equal_nan=True)


def test_trials_are_not_added_up(confusions: Make) -> None:
    """Of several trials the last is shown, and the chart says so."""
    ax = confusion(pd.concat([confusions(["a"], [[1]]), confusions(["a"], [[5]], trial=2)]))

    assert ax.texts[0].get_text() == "5\n100 %"
    assert ax.get_title("left") == "2, the last of 2"


def test_wrong_normalize() -> None:
    """A way to normalise that there isn't is refused with what there is."""
    with pytest.raises(ValueError, match="normalize must be") as caught:
        confusion(pd.DataFrame(), normalize="pred")  # type: ignore[arg-type]

    assert (
        str(caught.value)
        == "normalize must be None or 'true', got 'pred': take 'true' to colour each row by its shares"
    )


@pytest.mark.parametrize("classes", [2, 3, 10, 20, 100])
def test_fits_a_notebook(confusions: Make, classes: int) -> None:
    """The figure is no wider than a usual notebook at any number of classes."""
    ax = confusion(confusions([f"c{n}" for n in range(classes)], np.eye(classes)))

    assert style.size_px(ax.figure)[0] <= 760
