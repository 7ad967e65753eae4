"""The callbacks for XGBoost and LightGBM, with both real libraries."""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import e2e_magic as e2e
from e2e_magic.integrations import boosting
from e2e_magic.measuring.events import EventLog


@pytest.fixture(scope="module")
def xgboost(need: Any) -> Any:
    """Give the real XGBoost."""
    need(find_spec("xgboost"), "xgboost-cpu")
    import xgboost

    return xgboost


@pytest.fixture(scope="module")
def lightgbm(need: Any) -> Any:
    """Give the real LightGBM."""
    need(find_spec("lightgbm"), "lightgbm")
    import lightgbm

    return lightgbm


def _matrices(xgboost: Any, blobs: tuple[Any, Any]) -> tuple[Any, Any]:
    x, y = blobs
    return xgboost.DMatrix(x[:150], y[:150]), xgboost.DMatrix(x[150:], y[150:])


XGB = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}
LGB = {"objective": "binary", "num_leaves": 4, "num_threads": 1, "verbosity": -1}


def test_xgboost_logs_each_round(xgboost: Any, opened: EventLog, blobs: tuple[Any, Any]) -> None:
    """The numbers are those of XGBoost's own record; the accuracy is 1 - error."""
    train, test = _matrices(xgboost, blobs)
    theirs: dict[str, Any] = {}
    xgboost.train(
        {**XGB, "eval_metric": ["auc", "logloss", "error"]}, train, 4, verbose_eval=False,
        evals=[(train, "train"), (test, "test")], evals_result=theirs, callbacks=[boosting.XGBoostLogger()],
    )  # fmt: skip
    rows = opened.peek()

    assert list(rows.epoch) == [1, 2, 3, 4]
    np.testing.assert_allclose(rows.values["loss"], theirs["train"]["logloss"])
    np.testing.assert_allclose(rows.values["val_loss"], theirs["test"]["logloss"])
    np.testing.assert_allclose(rows.values["val_accuracy"], 1 - np.array(theirs["test"]["error"]))
    np.testing.assert_allclose(rows.values["val_auc"], theirs["test"]["auc"])


def test_xgboosts_estimator_logs_its_last_eval_set_as_validation(
    xgboost: Any, opened: EventLog, blobs: tuple[Any, Any]
) -> None:
    """Names say nothing there (`validation_0`): the last counts, as for early stopping."""
    x, y = blobs
    model = xgboost.XGBClassifier(
        n_estimators=3, max_depth=2, n_jobs=1, eval_metric=["logloss", "error"],
        callbacks=[boosting.XGBoostLogger()],
    )  # fmt: skip
    model.fit(x[:150], y[:150], eval_set=[(x[:150], y[:150]), (x[150:], y[150:])], verbose=False)
    theirs, rows = model.evals_result(), opened.peek()

    np.testing.assert_allclose(rows.values["val_loss"], theirs["validation_1"]["logloss"])
    np.testing.assert_allclose(rows.values["validation_0_loss"], theirs["validation_0"]["logloss"])
    assert pickle.loads(pickle.dumps(model)).n_estimators == 3


def test_xgboosts_cross_validation_logs_the_means(
    xgboost: Any, opened: EventLog, blobs: tuple[Any, Any]
) -> None:
    """Of the mean and the deviation of each round the mean."""
    train, _ = _matrices(xgboost, blobs)
    theirs = xgboost.cv(XGB, train, 3, nfold=3, metrics="logloss", callbacks=[boosting.XGBoostLogger()])

    np.testing.assert_allclose(opened.peek().values["val_loss"], theirs["test-logloss-mean"])


def test_a_measured_xgboost_training_keeps_early_stopping(
    xgboost: Any,
    session: Any,  # noqa: ARG001 - a fresh one
    blobs: tuple[Any, Any],
) -> None:
    """The callback lets early stopping stop, and the row has the rounds that ran."""
    train, test = _matrices(xgboost, blobs)
    with e2e.measure("train", metrics="cpu", target_accuracy=0.5) as trial:
        model = xgboost.train(
            {**XGB, "eta": 1, "eval_metric": ["error"]}, train, 200, evals=[(train, "train"), (test, "test")],
            verbose_eval=False, early_stopping_rounds=3, callbacks=[boosting.XGBoostLogger()],
        )  # fmt: skip
    row = trial.frame.iloc[0]

    assert row["epochs"] == model.num_boosted_rounds() < 200
    assert row["epochs_to_accuracy"] == 1
    assert 0 < row["time_to_accuracy_s"] <= row["wall_time_s"]


def test_lightgbm_logs_each_round(lightgbm: Any, opened: EventLog, blobs: tuple[Any, Any]) -> None:
    """The numbers are those of LightGBM's own record; the round that stops early is there."""
    x, y = blobs
    train = lightgbm.Dataset(x[:150], y[:150])
    theirs: dict[str, Any] = {}
    lightgbm.train(
        {**LGB, "learning_rate": 1.0, "metric": ["auc", "binary_logloss", "binary_error"]}, train, 50,
        valid_sets=[train, lightgbm.Dataset(x[150:], y[150:], reference=train)],
        callbacks=[
            lightgbm.early_stopping(2, verbose=False), lightgbm.record_evaluation(theirs),
            boosting.LightGBMLogger(),
        ],
    )  # fmt: skip
    rows = opened.peek()
    held_out = theirs["valid_1"]

    assert list(rows.epoch) == list(range(1, len(held_out["auc"]) + 1))
    assert len(rows) < 50
    np.testing.assert_allclose(rows.values["loss"], theirs["training"]["binary_logloss"])
    np.testing.assert_allclose(rows.values["val_loss"], held_out["binary_logloss"])
    np.testing.assert_allclose(rows.values["val_accuracy"], 1 - np.array(held_out["binary_error"]))
    np.testing.assert_allclose(rows.values["val_auc"], held_out["auc"])


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
def test_lightgbms_regressor_logs_its_l2(lightgbm: Any, opened: EventLog, blobs: tuple[Any, Any]) -> None:
    """The estimator's single eval set is the validation."""
    x, _ = blobs
    train, test = x[:150].copy(), x[150:].copy()
    model = lightgbm.LGBMRegressor(n_estimators=3, num_leaves=4, n_jobs=1, verbosity=-1)
    model.fit(
        train, train[:, 0].copy(), eval_set=[(test, test[:, 0].copy())], callbacks=[boosting.LightGBMLogger()]
    )

    np.testing.assert_allclose(opened.peek().values["val_loss"], model.evals_result_["valid_0"]["l2"])


def test_lightgbms_cross_validation_logs_the_means(
    lightgbm: Any, opened: EventLog, blobs: tuple[Any, Any]
) -> None:
    """Of the mean and the deviation of each round the mean."""
    found = lightgbm.cv(
        LGB,
        lightgbm.Dataset(*blobs),
        3,
        nfold=3,
        metrics="binary_logloss",
        callbacks=[boosting.LightGBMLogger()],
    )

    np.testing.assert_allclose(opened.peek().values["val_loss"], found["valid binary_logloss-mean"])


def test_a_training_without_evaluation_logs_its_rounds(
    lightgbm: Any, opened: EventLog, blobs: tuple[Any, Any]
) -> None:
    """No numbers to log, but the rounds and their times."""
    lightgbm.train(LGB, lightgbm.Dataset(*blobs), 3, callbacks=[boosting.LightGBMLogger()])
    rows = opened.peek()

    assert list(rows.epoch) == [1, 2, 3]
    assert rows.values == {}


def test_without_xgboost_the_error_names_the_pip_command(without: Any) -> None:
    """Absence is said when the hook is asked for, with the reason and the next step."""
    without(boosting, "XGBoostLogger", "xgboost", "xgboost.callback")
    sentence = (
        r"^XGBoostLogger can't be used here \(xgboost\.callback: .+\); install it: pip install xgboost-cpu$"
    )

    with pytest.raises(ImportError, match=sentence):
        boosting.XGBoostLogger  # noqa: B018


def test_a_wrong_name_is_an_attribute_error() -> None:
    """The module answers for a wrong name as any module does."""
    with pytest.raises(AttributeError, match="has no attribute 'CatBoostLogger'"):
        boosting.CatBoostLogger  # noqa: B018
