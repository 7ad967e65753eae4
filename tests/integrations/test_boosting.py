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


def test_lightgbms_names_with_a_space_stay_apart(
    lightgbm: Any, opened: EventLog, blobs: tuple[Any, Any]
) -> None:
    """Metrics and data sets whose names end alike: a column each."""
    x, y = blobs
    train = lightgbm.Dataset(x[:150], y[:150])
    held_out = [lightgbm.Dataset(x[150:], y[150:], reference=train) for _ in range(3)]
    lightgbm.train(
        {**LGB, "metric": "none"}, train, 2, valid_sets=held_out, valid_names=["my test", "our test", "test"],
        feval=[lambda *_: ("f1 macro", 0.25, True), lambda *_: ("recall macro", 0.75, True)],
        callbacks=[boosting.LightGBMLogger()],
    )  # fmt: skip

    assert {name: column[0] for name, column in opened.peek().values.items()} == {
        f"{data}_{metric}_macro": value
        for data in ("my_test", "our_test", "val")
        for metric, value in (("f1", 0.25), ("recall", 0.75))
    }


def test_two_data_sets_of_training_stay_apart(opened: EventLog) -> None:
    """`train` and `dtrain`: the first is the training, the other keeps its name in front."""
    logger = boosting._XGBoostLogger()
    logger.after_iteration(
        None, 0, {"train": {"rmse": [1.0]}, "dtrain": {"rmse": [2.0]}, "b": {"rmse": [3.0]}}
    )

    assert {name: column[0] for name, column in opened.peek().values.items()} == {
        "loss": 1.0, "rmse": 1.0, "dtrain_loss": 2.0, "dtrain_rmse": 2.0, "val_loss": 3.0, "val_rmse": 3.0,
    }  # fmt: skip


def test_trainings_of_one_cell_count_on(
    xgboost: Any,
    lightgbm: Any,
    session: Any,  # noqa: ARG001 - a fresh one
    blobs: tuple[Any, Any],
) -> None:
    """Epochs 1 to 3, 4 to 5 and 6 to 9, by whichever library."""
    train, test = _matrices(xgboost, blobs)
    with e2e.measure("train", metrics="cpu") as trial:
        for rounds in (3, 2):
            lightgbm.train(LGB, lightgbm.Dataset(*blobs), rounds, callbacks=[boosting.LightGBMLogger()])
        xgboost.train(
            XGB, train, 4, evals=[(test, "t")], verbose_eval=False, callbacks=[boosting.XGBoostLogger()]
        )

    assert trial.epochs["epoch"].tolist() == list(range(1, 10))
    assert trial.frame["epochs"].item() == 9


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
