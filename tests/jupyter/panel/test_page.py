from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.jupyter.panel import charts
from e2e_magic.jupyter.panel.ledger import Combinations, Ledger
from e2e_magic.jupyter.panel.page import BEST, page, summary, table
from e2e_magic.record import Record
from e2e_magic.sweeping.schedule import Goal
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.values import CONTENTS, Digests


def record(
    trial: int, *, state: Any = "complete", error: str | None = None, loss: Any = None, **params: Any
) -> Record:
    """Make a trial."""
    return Record(
        run="r1",
        stage="train",
        trial=trial,
        repeat=1,
        state=state,
        error=error,
        started_at=datetime(2026, 8, 1, tzinfo=UTC),
        sweep="s1",
        params=params,
        readings={"wall_time_s": 0.25 * trial},
        reported={} if loss is None else {"loss": loss},
    )


def ledger_of(*records: Record, target: str | None = "loss", maximize: bool | None = None) -> Ledger:
    """Make a ledger that has seen these trials."""
    made = Ledger(Goal(target, maximize, {"loss": "lower", "accuracy": "higher"}))
    for one in records:
        made.add(one)
    return made


def lines_of(ax: Any) -> list[tuple[list[float], list[float]]]:
    """Return the data of the lines without points."""
    return [
        ([float(x) for x in line.get_xdata()], [float(y) for y in line.get_ydata()])
        for line in ax.get_lines()
        if line.get_linestyle() != "None"
    ]


class TestLedger:
    @settings(deadline=None)
    @given(
        st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(float("nan"))), max_size=40),
        st.booleans(),
    )
    def test_the_best_come_first(self, losses: list[float | None], maximize: bool) -> None:
        """Ranked as sorted; without a number, or with NaN, a trial is counted and not ranked."""
        made = ledger_of(*(record(n + 1, loss=loss, x=n) for n, loss in enumerate(losses)), maximize=maximize)
        known = sorted((v for v in losses if v is not None and v == v), reverse=maximize)

        assert [entry.values["loss"] for entry in made.best(100)] == known
        assert len(made) == made.count("complete") == len(losses)
        assert len(made.points()) == len(known)

    def test_a_trial_is_taken_once(self) -> None:
        """What a resumed sweep finds in the session may be in the panel already."""
        made = ledger_of(record(1, loss=1.0), record(1, loss=1.0), record(2, loss=2.0))

        assert len(made) == 2

    def test_the_target_may_become_known_later(self) -> None:
        """Until the first complete trial says what it has, nothing is ranked; then all are."""
        goal = Goal(None, None, {})
        made = Ledger(goal)
        made.add(record(1, state="failed", error="E", x=1))
        made.add(record(2, loss=3.0, x=2))

        assert made.best(5) == []

        goal.name = "loss"
        made.add(record(3, loss=1.0, x=3))

        assert [entry.record.trial for entry in made.best(5)] == [3, 2]

    def test_aiming_at_another_metric_ranks_anew(self) -> None:
        """All trials are ranked by the new target."""
        made = ledger_of(record(1, loss=1.0), record(2, loss=0.5))
        made.aim(Goal("wall_time_s", None, {"wall_time_s": "lower"}))

        assert [entry.record.trial for entry in made.best(5)] == [1, 2]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"lr": 0.1, "n": 1, "u": 0.5}, True),
        ({"lr": 0.3, "n": 1, "u": 0.5}, False),
        ({"lr": 0.1, "n": 1, "u": 1.5}, False),
        ({"lr": 0.1, "n": 1, "u": "half"}, False),
        ({"lr": 0.1, "n": 1}, False),
    ],
)
def test_what_lies_within_a_space(params: dict[str, Any], expected: bool) -> None:
    """Each value is one of its axis, or between the bounds; all names are there."""
    space = Space.parse(["lr=0.1,0.2", "n=[1]", "u=uniform(0, 1)"])

    assert Combinations(space).of(record(1, **params)) == (params if expected else None)


def test_a_combination_is_known_by_the_content_of_its_values() -> None:
    """Arrays are not told apart by ``==``; a store has a text for one, and the space's own comes back."""
    arrays = [np.zeros(3), np.ones(3)]
    space = Space.of({"weights": arrays, "layers": [(8,), (8, 8)]})
    params = {"weights": arrays[1], "layers": (8, 8)}
    kept = replace(
        record(1, weights="ndarray 3 #abcdef", layers=(8, 8)), reported={CONTENTS: Digests().of(params)}
    )
    other = replace(kept, reported={CONTENTS: Digests().of({"weights": np.full(3, 2.0)})})
    combination = Combinations(space).of(kept)

    assert combination is not None
    assert combination["weights"] is arrays[1]
    assert combination["layers"] == (8, 8)
    assert Combinations(space).of(other) is None


class TestCharts:
    def test_the_target_by_parameter(self) -> None:
        """A line through the medians per value of the second parameter; a log axis for a geometric one."""
        space = Space.parse(["lr=geomspace(0.001, 0.1, 3)", "n=[1, 2]"])
        made = ledger_of(
            *(
                record(k, loss=lr * n + extra, lr=lr, n=n)
                for k, (lr, n, extra) in enumerate(
                    (lr, n, extra) for lr in space.axes[0].values for n in (1, 2) for extra in (0, 1, 5)
                )
            )
        )
        figure = charts.by_parameter(made, space.axes)
        assert figure is not None
        [ax] = figure.axes
        xs = [pytest.approx(v) for v in (0.001, 0.01, 0.1)]

        assert ax.get_xscale() == "log"
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("lr", "loss")
        assert lines_of(ax) == [
            (xs, [pytest.approx(lr * n + 1) for lr in (0.001, 0.01, 0.1)]) for n in (1, 2)
        ]
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["n = 1", "2"]

    @pytest.mark.parametrize(
        ("word", "places", "names"),
        [
            ("x=[16, 32, 64, 128]", [16, 32, 64, 128], ["16", "32", "64", "128"]),
            ("x=[1, 2, 3, 100]", [1, 2, 3, 100], ["1", "", "", "100"]),
            ("x=geomspace(0.001, 0.1, 3)", [0.001, 0.01, 0.1], ["0.001", "0.01", "0.1"]),
            ("x=[5]", [5], ["5"]),
        ],
    )
    def test_few_values_have_a_tick_each(self, word: str, places: list[float], names: list[str]) -> None:
        """Also those to come; a name that would touch the one before it is left out."""
        space = Space.parse([word])
        first = space.axes[0].values[0]
        figure = charts.by_parameter(ledger_of(record(1, loss=1.0, x=first)), space.axes)
        assert figure is not None
        [ax] = figure.axes

        assert list(ax.get_xticks()) == pytest.approx(places)
        assert list(ax.xaxis.get_minorticklocs()) == []
        assert ax.get_xlim()[0] < places[0]
        assert ax.get_xlim()[1] > places[-1]
        assert [label.get_text() for label in ax.get_xticklabels()] == names

    def test_many_values_have_round_ticks(self) -> None:
        """More than eight would stand too close."""
        space = Space.parse(["x=range(1, 30)"])
        figure = charts.by_parameter(
            ledger_of(record(1, loss=1.0, x=1), record(2, loss=2.0, x=29)), space.axes
        )
        assert figure is not None

        assert len(figure.axes[0].get_xticks()) < 9

    def test_long_lists_of_names_can_be_read(self) -> None:
        """Twenty names stand slanted, as many as there is room for, told apart by their ends."""
        names = [f"optimizer_with_a_long_name_{n:02d}" for n in range(20)]
        space = Space.of({"opt": names})
        made = ledger_of(*(record(n + 1, loss=1.0 + n, opt=v) for n, v in enumerate(names)))
        figure = charts.by_parameter(made, space.axes)
        assert figure is not None
        figure.canvas.draw()
        labels = figure.axes[0].get_xticklabels()
        boxes = [label.get_window_extent() for label in labels]

        assert [label.get_text() for label in labels][:2] == ["optimi…name_00", "optimi…name_02"]
        assert {label.get_rotation() for label in labels} == {40.0}
        assert min(box.y0 for box in boxes) > 0
        assert min(box.x0 for box in boxes) >= 0

    def test_the_best_so_far(self) -> None:
        """It falls, or rises where more is better, and reaches to the last trial."""
        losses = [3.0, 4.0, 1.0, 2.0]
        for maximize, best in (
            (False, [(1, 3.0), (3, 1.0), (4, 1.0)]),
            (True, [(1, 3.0), (2, 4.0), (4, 4.0)]),
        ):
            made = ledger_of(*(record(n + 1, loss=v, x=n) for n, v in enumerate(losses)), maximize=maximize)
            figure = charts.over_trials(made)
            assert figure is not None

            assert lines_of(figure.axes[0]) == [tuple(map(list, zip(*best, strict=True)))]

    @pytest.mark.parametrize(
        "values", [["relu", "tanh"], [(8,), (8, 8)], [None, True], ["$x$ _y", "ü" * 60], [1, "a"]]
    )
    def test_what_is_no_number_has_its_name(self, values: Sequence[Any]) -> None:
        """Texts, tuples, None and odd names stand on the axis as words."""
        space = Space.of({"act": values})
        made = ledger_of(*(record(n + 1, loss=1.0 + n, act=v) for n, v in enumerate(values)))
        figure = charts.by_parameter(made, space.axes)
        assert figure is not None
        figure.canvas.draw()

        assert len(figure.axes[0].get_xticklabels()) == 2

    @pytest.mark.parametrize(
        "records",
        [
            [],
            [record(1, state="failed", error="E", lr=0.1)],
            [record(1, lr=0.1)],
            [record(1, loss=float("nan"), lr=0.1)],
        ],
    )
    def test_with_nothing_to_draw_there_is_no_chart(self, records: list[Record]) -> None:
        """No trial, none complete, none with the target."""
        made = ledger_of(*records)

        assert charts.by_parameter(made, Space.parse(["lr=0.1,0.2"]).axes) is None
        assert charts.over_trials(made) is None


class TestPage:
    def test_nothing_yet(self) -> None:
        """Before the first trial there is nothing to show."""
        assert page("train", ledger_of(), (), 5) == {"text/html": "", "text/plain": ""}

    def test_the_summary(self) -> None:
        """Counts, states and the best, in words; as beside the bar an interrupted trial is not done."""
        made = ledger_of(
            record(1, loss=0.5, lr=0.1),
            record(2, loss=0.25, lr=0.01),
            record(3, state="failed", error="ValueError: nan", lr=1),
            record(4, state="interrupted", error="KeyboardInterrupt", lr=2),
        )

        assert summary("train", made, 9) == (
            "train: 3 of 9 trials, 1 failed, 1 interrupted; best loss 0.25 at lr=0.01"
        )

    def test_the_page_is_static_and_has_both_charts(self) -> None:
        """HTML with two PNGs inside and nothing from the network; a text beside it."""
        made = ledger_of(*(record(n, loss=1 / n, lr=n / 10) for n in range(1, 4)))
        shown = page("train", made, Space.parse(["lr=linspace(0.1, 0.3, 3)"]).axes, 3)

        assert shown["text/html"].count('src="data:image/png;base64,') == 2
        assert "http" not in shown["text/html"]
        assert "<script" not in shown["text/html"]
        assert shown["text/plain"].splitlines()[0].startswith("train: 3 of 3 trials; best loss 0.333")
        assert len(shown["text/plain"].splitlines()) == 5

    def test_only_the_best_are_listed(self) -> None:
        """The table has the best and the last that ended early, and says how many more there are."""
        made = ledger_of(
            *(record(n, loss=n, x=n) for n in range(1, 31)),
            *(record(n, state="failed", error="E: no", x=n) for n in range(31, 41)),
        )
        html = table(made)

        assert html.count("<tr>") == 1 + BEST + 3
        assert '<span class="e2e-rows">40</span> rows; 27 more in %e2e trials' in html

    def test_hostile_texts_are_texts(self) -> None:
        """Stages, parameters and errors are never markup."""
        evil = "<img src=x onerror=alert(1)>"
        made = ledger_of(record(1, loss=1.0, act=evil), record(2, state="failed", error=evil, act=evil))
        shown = page(evil, made, Space.of({"act": [evil]}).axes, 2)

        assert "<img src=x" not in shown["text/html"]
        assert "&lt;img src=x" in shown["text/html"]
