"""How a metric goes with the parameters of a sweep."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection

from e2e_magic.views.charts import style
from e2e_magic.views.charts.influence_of import influence, scale


def trials(
    measure: Callable[..., float] = lambda **_: 1.0, repeats: int = 1, **params: list[Any]
) -> pd.DataFrame:
    """Make a trials frame of a grid; `measure` gives the loss."""
    rows: list[dict[str, Any]] = [
        {
            "run": "a",
            "stage": "train",
            "state": "complete",
            "loss": measure(**dict(zip(params, values, strict=True))) + 0.01 * n,
            **{f"param_{name}": value for name, value in zip(params, values, strict=True)},
        }
        for values in itertools.product(*params.values())
        for n in range(repeats)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("values", "log"),
    [
        (np.geomspace(1e-4, 1e-1, 4).tolist(), True),
        ([16, 32, 64, 128], True),
        ([1, 2, 3, 4], False),
        (list(range(1, 21)), False),
        ([0, 1, 10, 100], False),
        ([-1, 1, 100], False),
        ([1, 100], False),
        ([1, 2, 4], False),
        (["a", "b"], False),
        ([True, False], False),
    ],
)
def test_geometric_spacing_asks_for_a_logarithmic_axis(values: list[Any], log: bool) -> None:
    """As geomspace and powers of two are; not two values, nor a short span."""
    found = scale("x", values[::-1])

    assert found.log == log
    assert (np.diff(found.places) > 0).all()
    assert found.at(values).tolist() == sorted(found.places) or found.words


@given(
    st.lists(st.one_of(st.none(), st.floats(), st.text(max_size=3), st.lists(st.integers()), st.booleans()))
)
def test_any_values_have_places(values: list[Any]) -> None:
    """Numbers, words, lists, None: every value has a place, only NaN, which stands for no value, has none."""
    found = scale("x", values)
    absent = [isinstance(value, float) and value != value for value in values]

    assert np.isnan(found.at(values)).tolist() == absent
    assert all(isinstance(found.spell(value), str) for value in found.values)


def test_none_is_a_value_like_others() -> None:
    """It stands behind the numbers, on a line's axis, a heat map's, parallel axes and among the curves."""

    def drawn(**params: list[Any]) -> Any:
        frame = trials(lambda depth, **_: depth or 20, repeats=2, depth=[None, 10, 2], **params)
        column = frame["param_depth"].astype(object)
        return influence(frame.assign(param_depth=column.where(column.notna(), None)))

    line, heat, parallel = drawn(), drawn(b=[1, 2]), drawn(b=[1, 2], c=[1, 2])
    without, epochs = logged(lr=[1.0, 2.0])
    curves = influence(
        without.assign(param_act=pd.Series([None, "relu"], dtype=object)), epochs=epochs, kind="curves"
    )

    assert [text.get_text() for text in line.get_xticklabels()] == ["2", "10", "None"]
    assert line.lines[0].get_ydata() == pytest.approx([2.005, 10.005, 20.005])
    assert np.asarray(heat.images[0].get_array()).shape == (2, 3)
    assert [text.get_text() for text in heat.get_xticklabels()] == ["2", "10", "None"]
    assert {"2", "10", "None"} <= {text.get_text() for text in parallel.texts}
    assert [one.get_label() for one in curves.lines] == ["lr 1, act None", "lr 2, act relu"]


def test_one_parameter_is_a_line_with_the_range_of_the_repeats() -> None:
    """Through the medians; the values stand at the axis."""
    frame = trials(lambda lr: lr, repeats=3, lr=[0.001, 0.01, 0.1])
    ax = influence(frame)

    assert ax.lines[0].get_ydata() == pytest.approx([0.011, 0.02, 0.11])
    assert ax.lines[0].get_xdata() == pytest.approx([-3, -2, -1])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("lr, logarithmic", "loss")
    assert ax.get_title(loc="left") == "median, and range of the repeats"
    points, band = ax.collections
    assert np.asarray(points.get_offsets())[:3] == pytest.approx(
        np.array([[-3, 0.001], [-3, 0.011], [-3, 0.021]])
    )
    assert band.get_datalim(ax.transData).intervaly.tolist() == pytest.approx([0.001, 0.12])


def test_days_are_named_without_the_time_of_midnight() -> None:
    """Which would be cut off in the middle; a time of the day stays."""
    days = [pd.Timestamp(day) for day in ("2026-01-01", "2026-02-01", "2026-02-01 12:30")]
    ax = influence(trials(since=days))

    assert [text.get_text() for text in ax.get_xticklabels()] == [
        "2026-01-01", "2026-02-01", "2026-02-01 12:30",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("repeats", "varied", "said"),
    [
        (1, {"act": ["relu", "tanh"]}, "act"),
        (2, {"act": ["relu", "tanh"]}, "act and the repeats"),
        (2, {"act": ["a", "b"], "n": [1, 2], "m": [1, 2]}, "act, n, 1 more and the repeats"),
    ],
)
def test_the_title_says_what_else_varies(repeats: int, varied: dict[str, list[Any]], said: str) -> None:
    """A range over other parameters is none of the repeats; what has one value at each place is no range."""
    frame, epochs = logged(repeats=repeats, lr=[1.0, 2.0], **varied)
    frame["param_seed"] = [3 * lr for lr in frame["param_lr"]]
    line = influence(frame, x="lr", epochs=epochs, y="loss")
    curves = influence(frame, x="lr", epochs=epochs, kind="curves")

    assert line.get_title(loc="left") == f"median, and range over {said}"
    assert curves.get_title(loc="left") == f"median, and range over {said}"


def test_words_are_not_joined() -> None:
    """Between adam and sgd there is nothing."""
    ax = influence(trials(repeats=2, optimizer=["adam", "sgd"]))

    assert all(line.get_linestyle() in ("None", "none") for line in ax.lines)
    [ranges] = [one for one in ax.collections if isinstance(one, LineCollection)]
    assert [segment[:, 1].tolist() for segment in ranges.get_segments()] == [pytest.approx([1, 1.01])] * 2
    assert [text.get_text() for text in ax.get_xticklabels()] == ["adam", "sgd"]


@pytest.mark.parametrize(("count", "slanted"), [(3, False), (14, True)])
def test_names_that_would_touch_are_slanted(count: int, slanted: bool) -> None:
    """Below a line and below a heat map; a few names stand upright."""
    names = [f"optimizer_{n:02d}" for n in range(count)]
    for x, frame in (("opt", trials(opt=names)), (["opt", "lr"], trials(opt=names, lr=[0.1, 0.2]))):
        labels = influence(frame, x=x, y="loss").get_xticklabels()

        assert {label.get_rotation() for label in labels} == {40.0 if slanted else 0.0}


def test_two_parameters_are_a_heat_map_with_the_best_framed() -> None:
    """Cells of equal size, each with its median; the least loss is framed."""
    frame = trials(lambda lr, batch_size: lr * batch_size, lr=[0.1, 0.2, 0.3], batch_size=[16, 32])
    ax = influence(frame)

    assert np.asarray(ax.images[0].get_array()) == pytest.approx(np.array([[1.6, 3.2, 4.8], [3.2, 6.4, 9.6]]))
    assert [text.get_text() for text in ax.texts] == ["1.6", "3.2", "4.8", "3.2", "6.4", "9.6"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("lr", "batch size")
    assert np.mean(np.asarray(ax.lines[0].get_xdata(), dtype=float)[:4]) == pytest.approx(0)
    assert ax.figure.axes[1].get_ylabel() == "loss"


def test_more_of_an_accuracy_is_better() -> None:
    """The frame stands round the highest where the metric says so."""
    frame = trials(lambda a, b: a * b, a=[1, 2], b=[1, 2]).rename(columns={"loss": "accuracy"})
    ax = influence(frame)

    assert np.mean(np.asarray(ax.lines[0].get_xdata(), dtype=float)[:4]) == pytest.approx(1)


def test_a_cell_that_was_not_tried_is_empty() -> None:
    """Missing, not 0."""
    ax = influence(trials(lambda a, b: a * b, a=[1, 2], b=[1, 2]).iloc[1:])

    assert np.isnan(np.ma.filled(ax.images[0].get_array(), np.nan)).sum() == 1
    assert ax.texts[0].get_text() == "-"


def test_two_parameters_drawn_at_random_are_points() -> None:
    """A grid of 400 cells with 20 trials would be a chart of holes."""
    rng = np.random.default_rng(0)
    frame = pd.concat(
        [trials(lr=[float(a)], width=[float(b)]) for a, b in rng.uniform(1, 2, (20, 2))], ignore_index=True
    )
    ax = influence(frame)

    assert not ax.images
    assert len(ax.collections[0].get_offsets()) == 20


def test_a_surface() -> None:
    """In 3-D, with a point for each pair; other axes are an error in words."""
    frame = trials(lambda a, b: a * b, a=[1, 2, 3], b=[1, 2])
    ax = influence(frame, kind="surface")

    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("a", "b", "loss")
    assert len(ax.collections) == 2
    with pytest.raises(ValueError, match=r"^ax: a surface needs 3-D axes, as figure"):
        influence(frame, kind="surface", ax=style.figure(100, 100).add_subplot())
    with pytest.raises(
        ValueError, match=r"^kind: a surface needs two values at least of b: take kind='line'$"
    ):
        influence(trials(a=[1, 2], b=[1]), x=["a", "b"], kind="surface")


def logged(repeats: int = 1, epochs: int = 3, **params: list[Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make a trials frame and its epochs: the loss is the first parameter / epoch + repeat / 100."""
    frame = trials(repeats=repeats, **params)
    frame["trial"] = range(1, len(frame) + 1)
    first = next(iter(params))
    rows = [
        {
            "run": "a",
            "stage": "train",
            "trial": row["trial"],
            "epoch": epoch,
            "t_s": float("nan"),
            "loss": row[f"param_{first}"] / epoch + (n % repeats) / 100,
        }
        for n, row in enumerate(frame.to_dict("records"))
        for epoch in range(1, epochs + 1)
    ]
    return frame, pd.DataFrame(rows)


@pytest.mark.parametrize("x", [None, ["epoch", "batch_size"]])
def test_epochs_and_a_parameter_are_a_surface(x: list[str] | None) -> None:
    """The seed's BatchAndEpochInfluence: the loss of each epoch over epochs and log batch size."""
    frame, epochs = logged(batch_size=[2, 4, 8, 16])
    ax = influence(frame, x=x, epochs=epochs, kind="surface")
    heat = influence(frame, x=x, epochs=epochs, kind="heatmap")

    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("epoch", "batch size", "loss")
    assert len(ax.collections) == 2
    assert heat.images[0].get_array().tolist() == [[size / n for n in (1, 2, 3)] for size in (2, 4, 8, 16)]


def test_curves_of_each_value_lie_over_each_other() -> None:
    """A median per setting, named in the legend, with the range of its repeats."""
    frame, epochs = logged(repeats=3, lr=[1.0, 2.0], act=["relu", "tanh"])
    ax = influence(frame, epochs=epochs, kind="curves")
    lines = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in ax.lines}

    assert lines == {
        f"lr {lr}, act {act}": pytest.approx([lr / n + 0.01 for n in (1, 2, 3)])
        for lr in (1, 2)
        for act in ("relu", "tanh")
    }
    assert ax.get_title(loc="left") == "median, and range of the repeats"
    assert len(ax.collections) == 4
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(lines)
    only = influence(frame, x="lr", epochs=epochs, kind="curves")
    assert [line.get_label() for line in only.lines] == ["lr 1", "lr 2"]


def test_many_values_are_told_apart_by_a_scale_of_colours() -> None:
    """More than six curves have a bar beside them instead of a legend."""
    frame, epochs = logged(lr=np.geomspace(1e-4, 1, 9).tolist())
    ax = influence(frame, epochs=epochs, kind="curves")

    assert len(ax.lines) == 9
    assert len({str(line.get_color()) for line in ax.lines}) == 9
    assert ax.get_legend() is None
    assert ax.figure.axes[1].get_ylabel() == "lr"
    words, logs = logged(lr=[1.0], act=list("abcdefgh"))
    named = influence(words, epochs=logs, kind="curves").get_legend().get_texts()
    assert [text.get_text() for text in named][-1] == "act f, and 2 more"


def test_what_is_not_per_epoch_is_said() -> None:
    """No epochs, a quantity that nobody logged, a kind that there is not."""
    frame, epochs = logged(lr=[1, 2])

    with pytest.raises(ValueError, match=r"^epochs: curves need what was logged per epoch: hand over "
                       r"epochs=result.epochs$"):  # fmt: skip
        influence(frame, kind="curves")
    with pytest.raises(ValueError, match=r"^y: no 'los' was logged per epoch \(did you mean loss\?\); "
                       r"there are loss$"):  # fmt: skip
        influence(frame, epochs=epochs, kind="curves", y="los")
    with pytest.raises(ValueError, match=r"^kind: there is no 'surfac' \(did you mean surface\?\); allowed"):
        influence(frame, kind="surfac")  # type: ignore[arg-type]
    said = influence(frame, epochs=epochs.iloc[:0], kind="curves")
    assert said.texts[0].get_text() == "no loss per epoch:\ncall log(loss=...) in the cell"


def test_a_ladder_of_values_is_a_line() -> None:
    """The seed's 45 learning rates are joined; so many drawn at random are not."""
    ladder = [(n % 9 + 1) * 10 ** (n // 9) * 1e-5 for n in range(45)]
    drawn = np.random.default_rng(0).uniform(0, 1, 45).tolist()

    for values, style_of_line in ((ladder, "-"), (np.geomspace(1e-5, 1, 45).tolist(), "-"), (drawn, "None")):
        [line] = influence(trials(lambda lr: lr, lr=values)).lines

        assert line.get_linestyle() == style_of_line
        assert len(line.get_xdata()) == 45


def test_more_parameters_are_parallel_axes() -> None:
    """A line per setting over an axis per parameter and the metric; the best one is red and on top."""
    frame = trials(lambda a, b, c: a + b + c, repeats=2, a=[1, 2, 3], b=[1, 2], c=[1, 2])
    ax = influence(frame)
    [lines] = [one for one in ax.collections if isinstance(one, LineCollection)]

    assert len(lines.get_segments()) == 12
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b", "c", "loss"]
    assert np.asarray(ax.lines[0].get_ydata()).tolist() == [0, 0, 0, 0]
    assert ax.lines[0].get_color() == style.RED
    assert ax.get_title(loc="left") == "red: the lowest loss"


def test_x_and_y_choose() -> None:
    """One of two parameters, another metric, and what isn't there is said."""
    frame = trials(lambda lr, **_: lr, lr=[1, 2], batch_size=[1, 2]).assign(accuracy=0.5)

    assert influence(frame, x="lr", y="accuracy").get_ylabel() == "accuracy"
    with pytest.raises(ValueError, match=r"^x: there is no parameter 'width'; there are lr, batch_size$"):
        influence(frame, x="width")
    with pytest.raises(ValueError, match=r"^y: there is no metric 'los' \(did you mean loss\?\)$"):
        influence(frame, y="los")
    with pytest.raises(
        ValueError, match=r"^kind: there is no 'bars'; allowed are line, heatmap, surface, parall"
    ):
        influence(frame, kind="bars")  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"^kind: line needs 1 parameter, got lr, batch_size: name it with x$"
    ):
        influence(frame, kind="line")


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        trials(lr=[1]),
        trials(lr=[1, 2]).assign(loss=np.nan),
        trials(lr=[1, 2]).assign(state="failed"),
        trials(lr=[1, None]),
        trials(lr=[1, 2], b=[1]),
        trials(a=[1], b=[1], c=[1]),
        trials(a=[1, 2], b=[1, 2], c=[1, 2]).iloc[:1],
        trials(a=["$x$", "<b>"], b=[[1], {}]),
        trials(lr=[1, 2]).assign(loss=np.inf),
        trials(lr=list(range(300))),
        pd.concat([trials(lr=[1, 2], n=[1, 2]), trials(b=[1, 2])], ignore_index=True),
        pd.concat([trials(lr=[1, 2]), trials(b=[1, 2])], ignore_index=True),
    ],
)
def test_odd_frames_are_drawn(frame: pd.DataFrame) -> None:
    """Empty, one row, NaN, one repeat, hostile words, sweeps that share no parameter: always a picture."""
    assert style.png(influence(frame).figure)  # type: ignore[arg-type]


def test_sweeps_over_different_parameters_draw_those_of_most_trials() -> None:
    """Where no trial has all parameters, the larger sweep is drawn; asked for both, it says so."""
    few = trials(lambda lr: lr, lr=[0.1, 0.2])
    many = trials(lambda depth, width, **_: depth + width, depth=[1, 2], width=[1, 2], seed=[0, 1])
    both = pd.concat([few, many], ignore_index=True)
    drawn = influence(both)

    assert [tick.get_text() for tick in drawn.get_xticklabels()] == ["depth", "width", "seed", "loss"]
    assert influence(pd.concat([few, trials(b=[1])], ignore_index=True)).get_xlabel() == "lr"
    [said] = influence(both, x=["lr", "depth"]).texts
    assert said.get_text() == "no trial has lr, depth and loss at once"
