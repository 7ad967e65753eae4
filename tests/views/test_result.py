"""What a measured cell gives back."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.views.result import Result


@pytest.fixture
def trained(session: Any) -> Any:  # noqa: ARG001
    """Give the result of a measured block with samples, epochs and labels."""
    with e2e.measure("train", interval=0.01, target_accuracy=0.5) as trial:
        for epoch in range(1, 4):
            time.sleep(0.02)
            e2e.log(epoch=epoch, loss=1 / epoch, accuracy=epoch / 4)
        trial.report(y_true=[0, 1, 1], y_pred=[0, 1, 0])
    return trial


def test_it_has_its_frames(trained: Any) -> None:
    """The same tidy frames as the session's, for this cell alone."""
    assert trained.frame["stage"].tolist() == ["train"]
    assert trained.epochs["epoch"].tolist() == [1, 2, 3]
    assert trained.confusions["count"].sum() == 3
    assert {"rss_mib", "cpu_percent_now"} <= set(trained.samples["metric"])
    assert "support" in trained.classification.columns


def test_the_classification_report_is_styled(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars behind the shares and the overall numbers as its caption; a plain table where jinja2 is absent."""
    page = trained.classification._repr_html_()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "pandas.io.formats.style", raising=False)
    plain = trained.classification._repr_html_()

    assert "linear-gradient" in page
    assert "accuracy 0.667, balanced accuracy 0.750, mcc 0.500" in page
    assert "linear-gradient" not in plain
    assert "weighted" in plain
    assert "0.667" in repr(trained.classification)


@pytest.mark.filterwarnings("ignore::e2e_magic.MeasurementWarning")
def test_what_is_missing_has_its_reason(session: Any) -> None:  # noqa: ARG001
    """Also where no card is shown: by the name of the number."""
    with e2e.measure("train", target_accuracy=0.9) as trial:
        e2e.log(accuracy=0.25, loss="low")

    assert trial.missing["loss"].startswith("log(loss=..): expected one number, got 'low' (")
    assert trial.missing["time_to_accuracy_s"].startswith("the target 0.9 was not reached in ")
    with pytest.raises(ValueError, match=r"^no trial has finished yet: read the result after"):
        Result([]).missing  # noqa: B018


def test_many_calls_of_log_leave_a_small_card(session: Any) -> None:  # noqa: ARG001
    """Every row is kept in 8 bytes a number; what goes into the page doesn't grow with them."""
    with e2e.measure("train", metrics="cpu", target_accuracy=0.9) as trial:
        for n in range(200_000):
            e2e.log(loss=1 / (n + 1), accuracy=n / 200_000)
    [record] = trial.records
    columns = [record.events.t_s, record.events.epoch, *record.events.values.values()]
    page = trial._repr_html_()

    assert [len(column) * column.itemsize for column in columns] == [1_600_000] * 4
    assert len(trial.epochs) == 200_000
    assert trial.frame["epochs_to_accuracy"].item() == 180_001
    assert trial.frame["time_to_accuracy_s"].item() < trial.frame["wall_time_s"].item()
    assert page is not None
    assert len(page) < 300_000
    assert all(len(line.get_xdata()) <= 4 * 640 for line in trial.plot("loss", x="t_s").lines)


@pytest.mark.parametrize("kind", ["samples", "loss", "accuracy", "confusion"])
def test_each_chart_shows_itself_in_a_notebook(trained: Any, kind: str) -> None:
    """The figure is none of pyplot's, so the value brings its own picture."""
    html = trained.plot(kind)._repr_html_()

    assert html.startswith("<img")
    assert "data:image/png;base64," in html


def test_a_target_is_on_the_card(trained: Any) -> None:
    """The picture says in words where it was reached."""
    assert "first reached at epoch 2" in trained._repr_html_()


def test_a_chart_over_seconds(trained: Any) -> None:
    """Curves against the clock of the trial."""
    assert "(s)" in trained.plot("loss", x="t_s").get_xlabel()


def test_an_unknown_chart_names_the_nearest(trained: Any) -> None:
    """One sentence."""
    with pytest.raises(e2e.PlanError) as caught:
        trained.plot("lost")

    assert str(caught.value) == (
        "plot: there is no chart 'lost' (did you mean loss?); "
        "allowed are samples, loss, accuracy, confusion, latency, energy"
    )


class TestCurvesOnTheCard:
    def test_a_curve_of_the_validation_alone_is_drawn(self, session: Any) -> None:  # noqa: ARG002 - a fresh one
        """XGBoost and LightGBM log ``val_loss`` only: the card has its chart all the same."""
        with e2e.measure("train", metrics=()) as trial:
            for n in range(5):
                e2e.log(val_loss=1 / (n + 1))

        assert 'alt="loss: smallest 0.2, largest 1, last 0.2' in (trial._repr_html_() or "")

    def test_of_repeats_the_last_is_drawn(self, session: Any) -> None:
        """So small a picture has no room for a legend of five; the repeats are a strip of their own."""

        @e2e.measure("train", metrics=(), repeat=3)
        def train(ends: Any = iter((1, 2, 4))) -> None:  # noqa: B008 - one for all repeats
            end = next(ends)
            for n in range(3):
                e2e.log(loss=end * (n + 1))

        train()
        html = Result(session.records)._repr_html_() or ""

        assert html.count('alt="loss:') == 1
        assert "largest 12, last 12" in html
        assert 'alt="wall time of the repeats of 3:' in html
