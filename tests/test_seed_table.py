"""Each row of the README's table: the seed's return value, in a cell and as a decorated function."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from IPython.utils.capture import capture_output

import e2e_magic as e2e

# name, what the code hands back, the line's options, the decorator's options, what follows.
ROWS: dict[str, tuple[Any, str, dict[str, Any], dict[str, Any]]] = {
    "Time": (None, "", {}, {}),
    "Memory": (None, "-m memory", {"metrics": "memory"}, {}),
    "TimeToAccuracy": (
        {"accuracy": [0.5, 0.8, 0.95, 0.9]},
        "--target-accuracy 0.9",
        {"target_accuracy": 0.9},
        {"accuracy": 0.9, "best_accuracy": 0.95, "epochs": 4, "epochs_to_accuracy": 3},
    ),
    "Loss": ({"loss": [3.0, 1.0, 2.0]}, "", {}, {"loss": 2.0, "best_loss": 1.0, "epochs": 3}),
    "Confusion": (
        {"TP": 8, "FN": 2, "precision": 0.8, "0_class": 10},
        "",
        {},
        {"tp": 8, "fn": 2, "fp": 2, "tn": 8, "recall": 0.8, "f1": 0.8, "accuracy": 0.8},
    ),
    "MulticlassConfusion": (
        {"confusion matrix": [[2, 1, 0], [0, 3, 0], [0, 0, 4]], "classes": ["a", "b", "c"]},
        "",
        {},
        {"accuracy": 0.9},
    ),
    "Latency and Throughput": ({"num_entries": 1000}, "", {}, {"entries": 1000}),
}


def _both(shell: Any, name: str) -> list[pd.Series]:
    """Run one row as a cell and as a function and return both rows of the results."""
    value, line, options, _ = ROWS[name]
    shell.user_ns["value"] = value
    shell.run_cell(f"%%e2ebench cell {line} -q\nvalue;", store_history=False)

    @e2e.measure("function", **options)
    def function() -> Any:
        return value

    function()
    frame = e2e.results()
    return [frame[frame["stage"] == stage].iloc[0] for stage in ("cell", "function")]


@pytest.mark.parametrize("name", ROWS)
def test_the_seeds_contract_holds_in_both_forms(shell: Any, name: str) -> None:
    """The same value gives the same numbers on a cell and on a function."""
    expected = ROWS[name][3]
    for row in _both(shell, name):
        assert row["wall_time_s"] > 0
        assert row["peak_rss_mib"] > 1 or name == "Time"
        for column, number in expected.items():
            assert row[column] == pytest.approx(number), column
        if "entries" in expected:
            assert row["latency_s"] == pytest.approx(row["wall_time_s"] / 1000)
            assert row["throughput_per_s"] == pytest.approx(1000 / row["wall_time_s"])


@pytest.mark.parametrize("name", ROWS)
def test_both_forms_give_the_same_frames(shell: Any, name: str) -> None:
    """What was not measured is missing in both; all that doesn't depend on time is equal."""
    cell, function = _both(shell, name)

    assert cell.isna().tolist() == function.isna().tolist()
    for frame in (e2e.epochs(), e2e.confusions()):
        parts = [frame[frame["stage"] == s].drop(columns="stage").reset_index(drop=True) for s in
                 ("cell", "function")]  # fmt: skip
        pd.testing.assert_frame_equal(*parts)


def test_energy_is_a_number_or_a_reason(shell: Any) -> None:
    """Never 0."""
    shell.run_cell("%%e2ebench train -m energy -q -o result\nsum(range(100000))", store_history=False)
    [record] = shell.user_ns["result"].records

    assert ("package_energy_j" in record.readings) != ("energy" in record.missing)
    assert not (shell.user_ns["result"].frame["package_energy_j"] == 0).any()


def test_tensors_of_tensorflow_are_taken_as_they_are(shell: Any, need: Any) -> None:
    """The real TensorFlow's confusion matrix, without unpacking."""
    try:
        import tensorflow as tf
    except ImportError:
        tf = None
    need(tf, "tensorflow (pip install 'e2e-magic[pipelines]')")
    true, predicted = [0, 1, 2, 2], [0, 1, 2, 1]
    shell.user_ns["matrix"] = tf.math.confusion_matrix(true, predicted)
    shell.run_cell("%%e2ebench v --confusion matrix --classes ['a','b','c'] -q -o r\n1;", store_history=False)
    counts = shell.user_ns["r"].confusions.pivot_table(
        "count", "true", "predicted", sort=False, observed=True
    )

    assert counts.to_numpy().tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert np.isclose(shell.user_ns["r"].frame["accuracy"].item(), 0.75)


@pytest.mark.parametrize("error", ["ValueError('diverged')", "KeyboardInterrupt"])
def test_training_that_ends_early_keeps_its_epochs(shell: Any, error: str) -> None:
    """An exception or an interrupt in the third epoch leaves two, in a cell and in a function alike."""
    body = (
        f"for n in range(1, 4):\n    if n == 3:\n        raise {error}\n"
        "    e2e.log(loss=1 / n, accuracy=n / 4)\n"
    )
    shell.user_ns["e2e"] = e2e
    shell.run_cell(f"%%e2ebench cell --target-accuracy 0.5 -q\n{body}", store_history=False)

    @e2e.measure("function", target_accuracy=0.5)
    def function() -> None:
        exec(body, {"e2e": e2e})

    with pytest.raises((ValueError, KeyboardInterrupt)):
        function()
    frame, epochs = e2e.results(), e2e.epochs()

    assert frame["state"].tolist() == ["interrupted" if error == "KeyboardInterrupt" else "failed"] * 2
    for stage in ("cell", "function"):
        row, logged = frame[frame["stage"] == stage].iloc[0], epochs[epochs["stage"] == stage]
        assert logged["loss"].tolist() == [1.0, 0.5]
        assert (row["epochs"], row["loss"], row["epochs_to_accuracy"]) == (2, 0.5, 2)
        assert row["time_to_accuracy_s"] == logged["t_s"].iloc[1]


LADDER = [(n % 9 + 1) * 10 ** (n // 9) * 1e-5 for n in range(45)]
# name: the line's parameters and options, the same for e2e.sweep, trials, the chart's line, what it shows.
SWEEPS: dict[str, tuple[str, dict[str, Any], int, str, dict[str, Any], tuple[str, ...]]] = {
    "LossMult": (
        "epochs=range(1,11)",
        {"epochs": range(1, 11)},
        10,
        "-y loss",
        {"y": "loss"},
        ("epochs", "loss"),
    ),
    "TimeToAccuracyMult": (
        "epochs=range(1,11) --target-accuracy 0.9",
        {"epochs": range(1, 11), "target_accuracy": 0.9},
        10,
        "-y accuracy",
        {"y": "accuracy"},
        ("epochs", "accuracy"),
    ),
    "BatchSizeInfluence": (
        "batch_size=[2**n for n in range(1,11)]",
        {"batch_size": [2**n for n in range(1, 11)]},
        10,
        "-y loss",
        {"y": "loss"},
        ("batch size, logarithmic", "loss"),
    ),
    "BatchAndEpochInfluence": (
        "batch_size=[2**n for n in range(1,11)] epochs=10",
        {"batch_size": [2**n for n in range(1, 11)], "epochs": 10},
        10,
        "-x epoch,batch_size -y loss --kind surface",
        {"x": ["epoch", "batch_size"], "y": "loss", "kind": "surface"},
        ("epoch", "batch size", "loss"),
    ),
    "BatchAndEpochInfluenceMult": (
        "epochs=range(1,5) batch_size=[2**n for n in range(1,7)]",
        {"epochs": range(1, 5), "batch_size": [2**n for n in range(1, 7)]},
        24,
        "-y loss --kind surface",
        {"y": "loss", "kind": "surface"},
        ("epochs", "batch size", "loss"),
    ),
    "LearningRate": (
        "lr=[(i%9+1)*10**(i//9)*1e-5 for i in range(45)]",
        {"lr": LADDER},
        45,
        "-y loss",
        {"y": "loss"},
        ("lr, logarithmic", "loss"),
    ),
}


def fit(batch_size: int = 16, epochs: int = 3, lr: float = 0.1) -> dict[str, list[float]]:
    """Pretend to train: loss and accuracy of each epoch, as the seed's functions return them."""
    losses = [(1 + abs(np.log10(lr) + 2)) * batch_size**0.2 / (n + 1) for n in range(epochs)]
    return {"loss": losses, "accuracy": [1 - loss / 10 for loss in losses]}


@pytest.mark.parametrize("name", SWEEPS)
def test_the_seeds_sweeps_are_one_line_with_its_chart(shell: Any, name: str) -> None:
    """As a cell and as e2e.sweep: the same trials, the same numbers, and the chart of the seed."""
    line, options, count, chart, drawn, labels = SWEEPS[name]
    shell.user_ns["fit"] = fit
    names = [key for key in options if key != "target_accuracy"]
    call = f"fit({', '.join(f'{key}={key}' for key in names)})"
    words = " ".join(f'"{word}"' if " " in word else word for word in _words(line))
    shell.run_cell(f"%%e2esweep cell {words} -m cpu -q -o swept\n{call}", store_history=False).raise_error()
    cell = shell.user_ns["swept"]
    function = e2e.sweep(fit, stage="function", metrics="cpu", quiet=True, **options)
    frame = e2e.trials()

    for result in (cell, function):
        ax = result.plot(**drawn)
        found = [ax.get_xlabel(), ax.get_ylabel(), *([ax.get_zlabel()] if len(labels) == 3 else [])]
        assert tuple(found) == labels
        assert len(result.frame) == count
        assert len(result.epochs) == result.frame["epochs"].sum()
    columns = [*(f"param_{key}" for key in names), "loss", "accuracy", "epochs", "epochs_to_accuracy"]
    parts = [frame[frame["stage"] == stage][columns].reset_index(drop=True) for stage in ("cell", "function")]
    pd.testing.assert_frame_equal(*parts)
    if name == "TimeToAccuracyMult":
        assert cell.frame["epochs_to_accuracy"].dropna().eq(4).sum() == 7
    with capture_output() as shown:
        shell.run_cell(f"%e2e influence cell {chart}", store_history=False).raise_error()
    assert "data:image/png;base64," in shown.outputs[0].data["text/html"]


def _words(line: str) -> list[str]:
    """Take a line apart at the spaces outside of brackets."""
    return re.findall(r"(?:[^\s\[]|\[[^\]]*\])+", line)
