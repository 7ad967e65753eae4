"""Curves of fitted estimators, and the `partial_fit` loop, with the real scikit-learn."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

import e2e_magic as e2e
from e2e_magic.integrations.sklearn import log_fitted, partial_fit
from e2e_magic.measuring.events import EventLog


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize(("kind", "score"), [(MLPClassifier, "val_accuracy"), (MLPRegressor, "val_r2")])
def test_a_multilayer_perceptrons_curves_are_logged(
    opened: EventLog, blobs: tuple[Any, Any], kind: Any, score: str
) -> None:
    """`loss_curve_` and `validation_scores_`, an epoch each; the score has the name of what it is."""
    model = kind(hidden_layer_sizes=(8,), max_iter=5, early_stopping=True, random_state=0).fit(*blobs)
    log_fitted(model)
    rows = opened.peek()

    assert list(rows.epoch) == [1, 2, 3, 4, 5]
    assert np.isnan(rows.t_s).all()  # nobody knows when they were
    assert list(rows.values["loss"]) == model.loss_curve_
    assert list(rows.values[score]) == list(model.validation_scores_)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_without_early_stopping_there_is_no_validation_score(
    opened: EventLog, blobs: tuple[Any, Any]
) -> None:
    """What the model doesn't keep isn't logged."""
    log_fitted(MLPClassifier((8,), max_iter=3).fit(*blobs))

    assert set(opened.peek().values) == {"loss"}


def test_gradient_boosting_logs_each_stage_on_held_out_data(opened: EventLog, blobs: tuple[Any, Any]) -> None:
    """`train_score_` is the loss; `staged_predict` gives the accuracy after each stage."""
    x, y = blobs
    model = GradientBoostingClassifier(n_estimators=6, random_state=0).fit(x[:150], y[:150])
    log_fitted(model, x[150:], y[150:])
    rows = opened.peek()

    assert list(rows.values["loss"]) == list(model.train_score_)
    assert list(rows.values["val_accuracy"]) == [
        accuracy_score(y[150:], predicted) for predicted in model.staged_predict(x[150:])
    ]
    assert rows.values["val_accuracy"][-1] == model.score(x[150:], y[150:])


def test_a_boosted_regressor_has_r2_and_no_accuracy(opened: EventLog, blobs: tuple[Any, Any]) -> None:
    """A coefficient of determination is never called accuracy."""
    x, _ = blobs
    model = GradientBoostingRegressor(n_estimators=3, random_state=0).fit(x, x[:, 0])
    log_fitted(model, x, x[:, 0])
    rows = opened.peek()

    assert set(rows.values) == {"loss", "val_r2"}
    assert rows.values["val_r2"][-1] == pytest.approx(r2_score(x[:, 0], model.predict(x)))


def test_adaboost_has_stages_only(opened: EventLog, blobs: tuple[Any, Any]) -> None:
    """A model with `staged_predict` alone gives its accuracy."""
    model = AdaBoostClassifier(n_estimators=4, random_state=0).fit(*blobs)
    log_fitted(model, *blobs)

    assert set(opened.peek().values) == {"val_accuracy"}


def test_histogram_boosting_logs_losses_from_the_first_stage_on(
    opened: EventLog, blobs: tuple[Any, Any]
) -> None:
    """It keeps negative losses, and one from before the first stage: neither shows."""
    model = HistGradientBoostingClassifier(max_iter=4, early_stopping=True, random_state=0).fit(*blobs)
    log_fitted(model, *blobs)
    rows = opened.peek()

    assert list(rows.epoch) == list(range(1, model.n_iter_ + 1))
    assert list(rows.values["loss"]) == list(-model.train_score_[1:])
    assert list(rows.values["val_loss"]) == list(-model.validation_score_[1:])
    assert rows.values["loss"][-1] > 0
    assert rows.values["val_accuracy"][-1] == model.score(*blobs)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_measured_fit_has_its_epochs(session: Any, blobs: tuple[Any, Any]) -> None:  # noqa: ARG001 - a fresh one
    """The row has the last and best loss of the curve."""
    with e2e.measure("train", metrics="cpu") as trial:
        model = MLPClassifier((8,), max_iter=5, random_state=0).fit(*blobs)
        log_fitted(model)
    row = trial.frame.iloc[0]

    assert row["epochs"] == 5
    assert row["loss"] == model.loss_curve_[-1]
    assert row["best_loss"] == min(model.loss_curve_)


def test_a_fitted_model_has_epochs_to_accuracy_but_no_seconds(session: Any, blobs: tuple[Any, Any]) -> None:
    """When an epoch was is not made up: the frame has no time of it, and time to accuracy says why."""
    with e2e.measure("train", metrics="cpu", target_accuracy=0.6) as trial:
        log_fitted(GradientBoostingClassifier(n_estimators=6, random_state=0).fit(*blobs), *blobs)
    row = trial.frame.iloc[0]

    assert 1 <= row["epochs_to_accuracy"] <= 6
    assert np.isnan(row["time_to_accuracy_s"])
    assert trial.epochs["t_s"].isna().all()
    assert trial.epochs["val_accuracy"].notna().all()
    told = repr(trial).replace("\n    ", " ")  # folded lines whole
    assert "nobody knows when they were: call e2e.log(accuracy=..) inside it" in told
    assert "no seconds of accuracy" in trial.plot("accuracy", x="t_s").texts[0].get_text()
    assert len(session.records) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda x, y: RandomForestClassifier(2).fit(x, y),
        lambda x, y: HistGradientBoostingClassifier(max_iter=2, early_stopping=False).fit(x, y),
        lambda x, y: MLPClassifier(),  # noqa: ARG005 - not fitted
        lambda x, y: HistGradientBoostingClassifier(),  # noqa: ARG005
    ],
)
def test_a_model_without_a_curve_is_said(blobs: tuple[Any, Any], make: Any) -> None:
    """Which model, what it lacks, what to do."""
    model = make(*blobs)
    sentence = (
        f"log_fitted(model): {type(model).__name__} has no loss_curve_, validation_scores_ or train_score_; "
        "fit it first, take a pipeline's last step or a search's best_estimator_, or give X and y for the "
        "stages of a boosting model"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        log_fitted(model)


def test_data_without_labels_or_stages_is_said(blobs: tuple[Any, Any]) -> None:
    """X needs y, and both need a boosting model."""
    x, y = blobs
    model = GradientBoostingClassifier(n_estimators=2).fit(x, y)
    sentence = "log_fitted(model, X, y): {}; give both, and a boosting model, or neither"
    for data in ((x, None), (None, y)):
        with pytest.raises(ValueError, match=f"^{re.escape(sentence.format('X and y go together'))}$"):
            log_fitted(model, *data)
    lacking = sentence.format("LogisticRegression has no staged_predict")
    with pytest.raises(ValueError, match=f"^{re.escape(lacking)}$"):
        log_fitted(LogisticRegression().fit(x, y), x, y)


def test_partial_fit_trains_counts_and_logs(opened: EventLog, blobs: tuple[Any, Any]) -> None:
    """All rows in each epoch, the smaller last batch too; the last score is the model's."""
    x, y = blobs
    model = partial_fit(
        SGDClassifier(random_state=0),
        x[:150],
        y[:150],
        epochs=4,
        batch_size=40,
        validation=(x[150:], y[150:]),
        seed=0,
    )
    rows = opened.peek()

    assert opened.entries == 600
    assert list(rows.epoch) == [1, 2, 3, 4]
    assert rows.values["val_accuracy"][-1] == model.score(x[150:], y[150:])
    assert model.score(x[150:], y[150:]) > 0.8
    assert list(rows.t_s) == sorted(rows.t_s)


@pytest.mark.parametrize("batch_size", [1, 7, 200, 1000])
def test_partial_fit_shows_each_row_once_an_epoch(batch_size: int) -> None:
    """Whatever the batch size: every row, in another order, with its own label."""

    class Seen(BaseEstimator):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows: list[int] = []

        def partial_fit(self, x: Any, y: Any) -> None:
            assert len(x) <= batch_size
            assert list(x[:, 0]) == list(y)
            self.rows.extend(y)

    numbers = np.arange(50)
    seen = partial_fit(Seen(), numbers[:, None], numbers, epochs=2, batch_size=batch_size, seed=1)

    assert sorted(seen.rows[:50]) == sorted(seen.rows[50:]) == list(range(50))
    assert seen.rows[:50] != seen.rows[50:]


def test_partial_fit_is_the_same_with_the_same_seed(blobs: tuple[Any, Any]) -> None:
    """The order of the rows follows from the seed."""
    models = [
        partial_fit(SGDClassifier(random_state=0), *blobs, epochs=2, batch_size=16, seed=seed)
        for seed in (5, 5, 6)
    ]

    assert np.array_equal(models[0].coef_, models[1].coef_)
    assert not np.array_equal(models[0].coef_, models[2].coef_)


def test_partial_fit_logs_the_loss_of_a_model_that_keeps_it(opened: EventLog, blobs: tuple[Any, Any]) -> None:
    """`MLPClassifier` has `loss_`; a regressor's score is `val_r2`."""
    x, y = blobs
    partial_fit(MLPClassifier((8,), random_state=0), x, y, epochs=5, seed=0)
    losses = opened.peek().values["loss"]
    partial_fit(SGDRegressor(random_state=0), x, x[:, 0], epochs=10, validation=(x, x[:, 0]))

    assert len(losses) == 5
    assert losses[-1] < losses[0]
    assert opened.peek().values["val_r2"][-1] > 0.9


@pytest.mark.parametrize("kind", [pd.DataFrame, csr_matrix])
def test_partial_fit_takes_frames_and_sparse_matrices(
    opened: EventLog, blobs: tuple[Any, Any], kind: Any
) -> None:
    """As scikit-learn does; classes that a first batch lacks are known."""
    x, y = blobs
    order = np.argsort(y)
    model = SGDClassifier(random_state=0)
    partial_fit(model, kind(x[order]), pd.Series(y[order]), epochs=1, batch_size=1)

    assert opened.entries == 200
    assert list(model.classes_) == [0, 1]


def test_partial_fit_goes_on_with_a_fitted_model(blobs: tuple[Any, Any]) -> None:
    """Its classes stay, though the new data lacks one."""
    x, y = blobs
    model = GaussianNB().fit(x, y)
    partial_fit(model, x[y == 1], y[y == 1], epochs=1)

    assert list(model.classes_) == [0, 1]
    assert model.class_count_.sum() == 200 + (y == 1).sum()


@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        ({"epochs": 0}, ValueError, "partial_fit(.., epochs=0): expected at least 1"),
        ({"batch_size": -2}, ValueError, "partial_fit(.., batch_size=-2): expected at least 1"),
        (
            {"model": LogisticRegression()},
            TypeError,
            "partial_fit(model, ..): LogisticRegression has no partial_fit; see log_fitted",
        ),
    ],
)
def test_what_partial_fit_cannot_do_is_said(
    blobs: tuple[Any, Any], changed: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    """Before anything is trained."""
    x, y = blobs
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        partial_fit(**{"model": SGDClassifier(), "X": x, "y": y, "epochs": 1, **changed})
