"""The Keras callback, with the real Keras on TensorFlow."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import e2e_magic as e2e
from e2e_magic.integrations import keras as hook
from e2e_magic.measuring.events import EventLog


def test_without_keras_the_error_names_the_pip_command(without: Any) -> None:
    """Absence is said when the hook is asked for, with the reason and the next step."""
    without(hook, "KerasLogger", "keras.callbacks", "tf_keras.callbacks")
    sentence = (
        r"^KerasLogger can't be used here \(keras\.callbacks: .+; tf_keras\.callbacks: .+\); "
        r"install it: pip install tensorflow-cpu$"
    )

    with pytest.raises(ImportError, match=sentence):
        hook.KerasLogger  # noqa: B018


def test_a_wrong_name_is_an_attribute_error() -> None:
    """The module answers for a wrong name as any module does."""
    sentence = "module 'e2e_magic.integrations.keras' has no attribute 'KerasLoger'"
    with pytest.raises(AttributeError, match=f"^{re.escape(sentence)}$"):
        hook.KerasLoger  # noqa: B018


@pytest.fixture(scope="module")
def keras(need: Any) -> Any:
    """Give the real Keras on TensorFlow."""
    need(find_spec("tensorflow") and find_spec("keras"), "tensorflow-cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(0)
    return keras


def _model(keras: Any, metrics: list[str]) -> Any:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.05), loss="sparse_categorical_crossentropy", metrics=metrics)
    return model


def test_each_epoch_is_logged_under_the_names_of_the_frames(
    keras: Any, opened: EventLog, blobs: tuple[Any, Any]
) -> None:
    """The numbers are those of Keras's own history, in its order; epochs count from 1."""
    model = _model(keras, ["sparse_categorical_accuracy", "sparse_top_k_categorical_accuracy"])
    history = model.fit(
        *blobs, epochs=3, validation_split=0.25, verbose=0, callbacks=[hook.KerasLogger()]
    ).history
    rows = opened.peek()

    assert list(rows.epoch) == [1, 2, 3]
    assert set(rows.values) == {
        "loss", "accuracy", "val_loss", "val_accuracy",
        "sparse_top_k_categorical_accuracy", "val_sparse_top_k_categorical_accuracy",
    }  # fmt: skip
    for ours, theirs in (
        ("loss", "loss"),
        ("val_loss", "val_loss"),
        ("accuracy", "sparse_categorical_accuracy"),
        ("val_accuracy", "val_sparse_categorical_accuracy"),
    ):
        np.testing.assert_allclose(rows.values[ours], history[theirs])


def test_a_training_that_goes_on_goes_on_counting(
    keras: Any, opened: EventLog, blobs: tuple[Any, Any]
) -> None:
    """`initial_epoch=2` logs epoch 3 first."""
    _model(keras, ["accuracy"]).fit(
        *blobs, initial_epoch=2, epochs=4, verbose=0, callbacks=[hook.KerasLogger()]
    )

    assert list(opened.peek().epoch) == [3, 4]


def test_two_fits_of_one_trial_count_on(keras: Any, opened: EventLog, blobs: tuple[Any, Any]) -> None:
    """Each has 1, 2, .. of its own in Keras; with `initial_epoch` the second goes on anyway."""
    for options in ({"epochs": 2}, {"epochs": 3}, {"epochs": 5, "initial_epoch": 3}):
        _model(keras, ["accuracy"]).fit(*blobs, verbose=0, callbacks=[hook.KerasLogger()], **options)

    assert list(opened.peek().epoch) == [1, 2, 3, 4, 5, 6, 7]


def test_a_measured_fit_has_its_epochs_and_its_time_to_accuracy(
    keras: Any,
    session: Any,  # noqa: ARG001 - a fresh one
    blobs: tuple[Any, Any],
) -> None:
    """From `fit` to the row: epochs, best accuracy, seconds to the target."""
    with e2e.measure("train", metrics="cpu", target_accuracy=0.8) as trial:
        _model(keras, ["acc"]).fit(*blobs, epochs=12, verbose=0, callbacks=[hook.KerasLogger()])
    row = trial.frame.iloc[0]

    assert row["epochs"] == 12
    assert row["best_accuracy"] >= 0.8
    assert 0 < row["time_to_accuracy_s"] <= row["wall_time_s"]


def test_an_error_in_the_training_keeps_the_epochs_before(
    keras: Any,
    session: Any,  # noqa: ARG001 - a fresh one
    blobs: tuple[Any, Any],
) -> None:
    """The trial is failed, the error the user's, the two epochs there."""

    def stop(epoch: int, _: Any) -> None:
        if epoch == 2:
            raise ValueError("enough")

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_begin=stop), hook.KerasLogger()]
    with pytest.raises(ValueError, match="enough"), e2e.measure("train", metrics="cpu") as trial:
        _model(keras, ["accuracy"]).fit(*blobs, epochs=5, verbose=0, callbacks=callbacks)

    assert trial.frame["state"].item() == "failed"
    assert list(trial.epochs["epoch"]) == [1, 2]


@pytest.mark.usefixtures("keras")
def test_a_log_in_a_compiled_function_costs_its_number_only(opened: EventLog) -> None:
    """TensorFlow traces a tf.function with tensors that have no value yet: said, and the function works."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec(shape=None)])
    def double(x: Any) -> Any:
        e2e.log(loss=x)
        return 2 * x

    assert float(double(tf.constant(1.5))) == 3.0
    assert list(opened.close().values) == []
    assert opened.problems["loss"].startswith(
        "log(loss=..): expected one number, got SymbolicTensor of shape <unknown> ("
    )
