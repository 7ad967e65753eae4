"""Each row of `notebooks/from_decorators.md`, on a cell and on a function, as the seed has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from IPython.utils.capture import capture_output

import e2e_magic as e2e
from e2e_magic.derived import derive
from e2e_magic.record import Code
from e2e_magic.session import current

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


def _of_a_duration() -> set[str]:
    """Return the columns that one of the trials was too short for: a slow machine may have the other's."""
    reasons = [item for one in current().records for item in {**one.missing, **derive(one).missing}.items()]
    return {name for name, reason in reasons if reason.code in (Code.TOO_SHORT, Code.NO_SAMPLE)}


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
    common = cell.index.difference(["display_s", *_of_a_duration()])  # what is shown is a cell's only

    assert cell[common].isna().tolist() == function[common].isna().tolist()
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
    tf = _tensorflow(need)
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


def _table() -> dict[str, list[list[str]]]:
    """Read the table: by the name there, the code in each of the other columns."""
    text = (Path(__file__).parents[1] / "notebooks" / "from_decorators.md").read_text()
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines()
            if line.startswith("| ")]  # fmt: skip
    return {name: [re.findall(r"`([^`]+)`", cell) for cell in cells] for name, *cells in rows[1:]}


TABLE = _table()
SWEPT = {name: cells for name, cells in TABLE.items() if cells[0][0].startswith("%%e2esweep")}
MEASURED = {name: cells for name, cells in TABLE.items() if cells[0][0].startswith("%%e2ebench")}
MATRIX = [[2, 1, 0], [0, 3, 0], [0, 0, 4]]
# What the seed's function returned, where the line doesn't say it; and what follows, besides being there.
RETURNED: dict[str, tuple[Any, dict[str, float]]] = {
    "TimeToAccuracy": (ROWS["TimeToAccuracy"][0], ROWS["TimeToAccuracy"][3]),
    "Loss": (None, {"loss": 2.0, "best_loss": 1.0}),
    "Confusion": (ROWS["Confusion"][0], ROWS["Confusion"][3]),
    "MulticlassConfusion": (None, {"accuracy": 0.9, "recall": 8 / 9}),
    "MulticlassConfusionTF": (None, {"accuracy": 0.9, "recall": 8 / 9}),
    "Latency": (None, {"entries": 1000}),
    "Throughput": (None, {"entries": 1000}),
}
# Of a sweep: how many trials, and the axes of its chart.
SHOWN = {
    "LossMult": (10, ("epochs", "loss")),
    "TimeToAccuracyMult": (10, ("epochs", "accuracy")),
    "BatchSizeInfluence": (10, ("batch size, logarithmic", "loss")),
    "BatchAndEpochInfluence": (10, ("epoch", "batch size", "loss")),
    "BatchAndEpochInfluenceMult": (100, ("epochs", "batch size", "loss")),
    "LearningRate": (45, ("lr, logarithmic", "loss")),
}


def fit(batch_size: int = 16, epochs: int = 3, lr: float = 0.1) -> dict[str, list[float]]:
    """Pretend to train: loss and accuracy of each epoch, as the seed's functions return them."""
    losses = [(1 + abs(np.log10(lr) + 2)) * batch_size**0.2 / (n + 1) for n in range(epochs)]
    return {"loss": losses, "accuracy": [1 - loss / 10 for loss in losses]}


def test_the_table_has_a_row_for_each_decorator_of_the_seed() -> None:
    """All of its README's headings, and the metrics that it lists."""
    assert sorted(TABLE) == [
        "BatchAndEpochInfluence", "BatchAndEpochInfluenceMult", "BatchSizeInfluence", "Confusion",
        "Energy, power", "Latency", "LearningRate", "Loss", "LossMult", "Memory", "MulticlassConfusion",
        "MulticlassConfusionTF", "Throughput", "Time", "TimeToAccuracy", "TimeToAccuracyMult", "several runs",
    ]  # fmt: skip
    assert {*MEASURED, *SWEPT, "several runs"} == TABLE.keys()
    assert SHOWN.keys() == SWEPT.keys()


@pytest.mark.parametrize("name", MEASURED)
def test_a_line_of_the_readme_measures_in_both_forms(shell: Any, name: str, need: Any) -> None:
    """The cell's line and the decorator, as they stand: what the table says it gives is there."""
    [line], [decorator], gives = MEASURED[name]
    value, follows = RETURNED.get(name, (None, {}))
    namespace = {"e2e": e2e, "value": value, "history": [3.0, 1.0, 2.0], "X": range(1000)}
    namespace |= {"matrix": MATRIX, "names": list("abc")}
    if "tensor" in line:
        namespace["tensor"] = _tensorflow(need).constant(MATRIX)
    shell.user_ns.update(namespace)
    shell.run_cell(f"{line} -q -o result\nvalue;", store_history=False).raise_error()
    why = shell.user_ns["result"].missing
    exec(f"{decorator}\ndef function():\n    return value\nfunction()", namespace)
    frame = e2e.results().drop(columns="display_s")  # of a cell only
    common = frame.columns.difference(list(_of_a_duration()))

    assert len(frame) == 2
    assert frame[common].iloc[0].isna().tolist() == frame[common].iloc[1].isna().tolist()
    for column in [word for word in gives if word in frame]:
        if "energy" in line:  # a number or a reason, never 0
            assert frame[column].gt(0).all() != any(name in why for name in ("energy", column))
        else:
            assert frame[column].notna().all(), column
    for column, number in follows.items():
        assert frame[column].tolist() == pytest.approx([number] * 2), column
    for word in [word for word in gives if word.startswith("%e2e")]:
        assert len(shell.run_line_magic("e2e", word.removeprefix("%e2e "))) > 0


@pytest.mark.parametrize("name", SWEPT)
def test_a_line_of_the_readme_sweeps_in_both_forms(shell: Any, name: str) -> None:
    """The cell's line and `e2e.sweep`, as they stand: the same trials, the same numbers, the seed's chart."""
    [line], [call], [chart] = SWEPT[name]
    count, labels = SHOWN[name]
    names = re.findall(r"(\w+)=(?!=)", line)
    body = f"fit({', '.join(f'{key}={key}' for key in names)})"
    shell.user_ns["fit"] = fit
    shell.run_cell(f"{line} -m cpu -q -o swept\n{body}", store_history=False).raise_error()
    cell = shell.user_ns["swept"]
    function = eval(f"{call[:-1]}, stage='function', metrics='cpu', quiet=True)", {"e2e": e2e, "fit": fit})
    frame = e2e.trials()

    options = _options(chart)
    for result in (cell, function):
        ax = result.plot(**options)
        found = [ax.get_xlabel(), ax.get_ylabel(), *([ax.get_zlabel()] if len(labels) == 3 else [])]
        assert tuple(found) == labels
        assert len(result.frame) == count
        assert len(result.epochs) == result.frame["epochs"].sum()
    columns = [*(f"param_{key}" for key in names), "loss", "accuracy", "epochs", "epochs_to_accuracy"]
    parts = [frame[frame["stage"] == stage][columns].reset_index(drop=True) for stage in ("fit", "function")]
    pd.testing.assert_frame_equal(*parts)
    if name == "TimeToAccuracyMult":
        assert cell.frame["epochs_to_accuracy"].dropna().eq(4).sum() == 7
    with capture_output() as shown:
        shell.run_cell(chart, store_history=False).raise_error()
    assert "data:image/png;base64," in shown.outputs[0].data["text/html"]


def test_several_runs_are_laid_over_each_other(shell: Any) -> None:
    """The README's lines start the next run, and draw the curves of both."""
    [line], [call], words = TABLE["several runs"]
    shell.user_ns["e2e"] = e2e
    for start in (None, line, call):
        if start is not None:
            shell.run_cell(start, store_history=False).raise_error()
        with e2e.measure("train", metrics="cpu"):
            for n in range(3):
                e2e.log(loss=1 / (n + 1), accuracy=n / 3)
    for word in words:
        with capture_output() as shown:
            made = shell.run_line_magic("e2e", word.removeprefix("%e2e "))

        assert len(made) == 3
        assert "data:image/png;base64," in shown.outputs[0].data["text/html"]


def _options(chart: str) -> dict[str, Any]:
    """Take ``%e2e influence fit -x epoch,batch_size -y loss`` as arguments of ``plot``."""
    found = dict(re.findall(r"--?(\w+) (\S+)", chart))
    return {**found, **({"x": found["x"].split(",")} if "x" in found else {})}


def _tensorflow(need: Any) -> Any:
    try:
        import tensorflow as tf
    except ImportError:
        tf = None
    need(tf, "tensorflow (pip install 'e2e-magic[pipelines]')")
    return tf
