"""Loss and accuracy over epochs and seconds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from e2e_magic.views.charts import style
from e2e_magic.views.charts.learning_curves import learning

Make = Callable[..., pd.DataFrame]


def names(ax: Axes) -> list[str]:
    """Give the texts of the legend."""
    found = ax.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def test_over_epochs_and_seconds(epochs: Make) -> None:
    """The curve holds what was logged, over epochs or over seconds; one curve needs no legend."""
    frame = epochs(loss=[1.0, 0.5, 0.25])
    over_epochs, over_seconds = learning(frame), learning(frame, x="t_s")

    assert over_epochs.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert over_seconds.lines[0].get_xdata().tolist() == [2, 4, 6]
    assert over_epochs.lines[0].get_ydata().tolist() == [1.0, 0.5, 0.25]
    assert (over_epochs.get_xlabel(), over_epochs.get_ylabel()) == ("epoch", "loss")
    assert over_seconds.get_xlabel() == "time (s)"
    assert names(over_epochs) == []
    assert over_seconds.get_xlim()[0] <= 0


def test_validation_is_dashed(epochs: Make) -> None:
    """A val_ twin is drawn dashed in the same colour and named."""
    ax = learning(epochs(loss=[1.0, 0.5], val_loss=[1.2, 0.8]))

    assert [line.get_linestyle() for line in ax.lines] == ["-", "--"]
    assert len({line.get_color() for line in ax.lines}) == 1
    assert names(ax) == ["loss", "val loss"]


def test_rows_of_other_calls_do_not_break_the_curve(epochs: Make) -> None:
    """Rows in which the quantity wasn't logged are passed over."""
    ax = learning(epochs(loss=[1.0, np.nan, 0.5]))

    assert ax.lines[0].get_xdata().tolist() == [1, 3]


@pytest.mark.parametrize(
    ("y", "values", "target", "x", "text"),
    [
        ("accuracy", [0.5, 0.92, 0.8], 0.9, "epoch", "accuracy: target reached at epoch 2"),
        ("accuracy", [0.5, 0.92, 0.8], 0.9, "t_s", "accuracy: target reached at 4 s"),
        ("loss", [1.0, 0.3, 0.6], 0.5, "epoch", "loss: target reached at epoch 2"),
        ("loss", [1.0, 0.8, 0.6], 0.5, "epoch", "loss: target not reached"),
    ],
)
def test_target(epochs: Make, y: str, values: list[float], target: float, x: str, text: str) -> None:
    """The first time that the raw curve meets the target is marked and said, or that it never does."""
    ax = learning(epochs(**{y: values}), y=y, target=target, x=x)  # type: ignore[arg-type]
    marks = [line for line in ax.lines if line.get_marker() == "D"]

    assert [text, f"target {style.digits(target)}"] == names(ax)
    assert any(list(line.get_ydata()) == [target, target] for line in ax.lines)
    assert ("not" not in text) == bool(marks)
    if marks:
        place = 2 if x == "epoch" else 4
        assert ([place], [values[1]]) == (list(marks[0].get_xdata()), list(marks[0].get_ydata()))


def test_the_target_is_met_by_the_validation(epochs: Make) -> None:
    """Where there is one, as time to accuracy is; the name in the legend says whose it is."""
    frame = epochs(accuracy=[0.5, 0.95, 0.99], val_accuracy=[0.4, 0.8, 0.92])
    other = frame.assign(run="other", val_accuracy=np.nan)
    one = learning(frame, y="accuracy", target=0.9)
    two = learning(pd.concat([frame, other]), y="accuracy", target=0.9)

    assert names(one) == ["accuracy", "val accuracy: target reached at epoch 3", "target 0.9"]
    assert [line.get_xdata().tolist() for line in one.lines if line.get_marker() == "D"] == [[3]]
    first, second = names(two)[:2]
    assert first.endswith(": target reached at epoch 3 (val accuracy)")
    assert second == "other: target reached at epoch 2"
    marks = [line for line in two.lines if line.get_marker() == "D"]
    assert [mark.get_xdata().tolist() for mark in marks] == [[3], [2]]
    assert [mark.get_color() for mark in marks] == [line.get_color() for line in two.lines[:2]]


def test_runs_are_named(epochs: Make) -> None:
    """Several runs are laid over each other, each in its colour with its name as it stands."""
    ax = learning(pd.concat([epochs(run=name, loss=[1.0, 0.5]) for name in ("mlp", "_$boost$")]))

    assert names(ax) == ["mlp", "_$boost$"]
    assert len({line.get_color() for line in ax.lines}) == 2


def test_few_trials_are_named(epochs: Make) -> None:
    """Up to five trials of one stage are drawn one by one with their numbers."""
    ax = learning(pd.concat([epochs(trial=n, loss=[1.0, 0.5]) for n in (1, 2, 3)]))

    assert names(ax) == ["trial 1", "trial 2", "trial 3"]


def test_many_trials_are_median_and_spread(epochs: Make) -> None:
    """More than five trials are drawn as the median with a band from quartile to quartile."""
    ax = learning(pd.concat([epochs(trial=n, loss=[10.0 + n, float(n)]) for n in range(9)]), target=2)
    band = ax.collections[0].get_paths()[0].vertices

    assert ax.lines[0].get_ydata().tolist() == [14, 4]
    assert {2.0, 6.0} <= set(band[band[:, 0] == 2][:, 1])
    assert names(ax)[0] == "loss: target reached by 3 of 9, median epoch 2"


def test_many_runs_have_a_short_legend(epochs: Make) -> None:
    """A legend names eight runs and counts the others."""
    ax = learning(pd.concat([epochs(run=f"run {n}", loss=[1.0, 0.5]) for n in range(12)]))

    assert [*(f"run {n}" for n in range(8)), "and 4 more"] == names(ax)


def test_missing_column_is_said(epochs: Make) -> None:
    """A quantity that wasn't logged is said to be missing, with what to do."""
    ax = learning(epochs(loss=[1.0]), y="accuracy")

    assert ax.texts[0].get_text() == "no accuracy:\ncall log(accuracy=...) once per epoch in the cell"


def test_wrong_x() -> None:
    """An x axis that there isn't is refused with what there is."""
    with pytest.raises(ValueError, match="x must be") as caught:
        learning(pd.DataFrame(), x="steps")  # type: ignore[arg-type]

    assert (
        str(caught.value) == "x must be 'epoch' or 't_s', got 'steps': take 'epoch' for a curve over epochs, "
        "'t_s' for one over seconds"
    )


def test_a_million_calls(epochs: Make) -> None:
    """Of a million logged values no more are drawn than there are pixels, the single spike kept."""
    values = np.linspace(1, 0, 10**6)
    values[500_001] = 5
    ax = learning(epochs(loss=values))
    style.png(ax.figure)

    assert ax.lines[0].get_ydata().max() == 5
    assert len(ax.lines[0].get_xdata()) <= 4 * 640
