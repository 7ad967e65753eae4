"""Every notebook in notebooks/ runs from top to bottom, and shows what it promises."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def _run(path: Path, folder: Path) -> Any:
    import nbformat
    from nbclient import NotebookClient

    shutil.copy(path, folder)
    book = nbformat.read(folder / path.name, as_version=4)
    NotebookClient(book, timeout=500, resources={"metadata": {"path": str(folder)}}).execute()
    return book


def _outputs(book: Any, kind: str) -> list[str]:
    return [
        output["data"][kind]
        for cell in book.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    """What is in the repository is what a person wrote."""
    cells = json.loads(path.read_text("utf-8"))["cells"]

    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)


def test_the_quickstart_shows_cards_pipeline_frames_and_an_export(tmp_path: Path) -> None:
    """Four stages, each with its card; the bottleneck in words; a file with a row per trial."""
    book = _run(FOLDER / "quickstart.ipynb", tmp_path)
    pages = _outputs(book, "text/html")
    texts = _outputs(book, "text/plain")

    cards = [page for page in pages if 'class="e2e-card"' in page]
    assert len(cards) == 4
    assert any("is the bottleneck" in text for text in texts)
    assert not any("energy_j" in card and "0 J" in card for card in cards)
    shown = [text for text in texts if "\n  peak memory" in text]  # the cards, not a table that names it
    assert len(shown) == 4
    assert all("energy:" in text or "CPU energy" in text for text in shown)

    import pandas as pd

    exported = pd.read_csv(tmp_path / "quickstart_results.csv")
    assert exported["stage"].unique().tolist() == ["prepare", "train", "validate", "infer"]
    assert exported.loc[exported["stage"] == "validate", "accuracy"].item() > 0.9
    assert (exported["stage"] == "infer").sum() == 20


def test_the_digits_pipeline_learns(tmp_path: Path, need: Any) -> None:
    """Over 0.90 on held-out digits, with the time that took; entries counted by `track`."""
    need(importlib.util.find_spec("torch"), "torch (pip install 'e2e-magic[pipelines]')")
    book = _run(FOLDER / "mnist_pytorch.ipynb", tmp_path)
    texts = _outputs(book, "text/plain")
    validate = next(text for text in texts if text.startswith("validate"))
    train = next(text for text in texts if text.startswith("train\n"))

    assert float(re.search(r"accuracy\s+(0\.\d+)", validate)[1]) > 0.90  # type: ignore[index]
    assert re.search(r"time to accuracy\s+\d", train)
    assert "throughput" in train
    calls = next(text for text in texts if text.startswith("latency, single_stream"))
    assert [line.split()[0] for line in calls.splitlines()[2:6]] == ["1", "8", "64", "256"]
    drawn = [page for page in _outputs(book, "text/html") if page.startswith("<img")]
    assert len(drawn) == 2  # loss over epochs, accuracy over seconds


def test_the_stock_pipeline_is_honest(tmp_path: Path, need: Any) -> None:
    """A falling loss, a price chart, and the naive forecast beside the model."""
    need(importlib.util.find_spec("tensorflow"), "tensorflow (pip install 'e2e-magic[pipelines]')")
    book = _run(FOLDER / "stock_lstm_keras.ipynb", tmp_path)
    texts = _outputs(book, "text/plain")

    assert any("naive: yesterday's price" in text for text in texts)
    assert len(_outputs(book, "image/png")) == 1
    epochs = next(text for text in texts if "val_loss" in text and "t_s" in text)
    losses = [float(line.split()[3]) for line in epochs.splitlines()[1:]]
    assert len(losses) == 4
    assert losses[-1] < losses[0]
    validate = next(text for text in texts if text.startswith("validate\n"))
    errors = next(text for text in texts if "naive: yesterday's price" in text)
    shown = float(re.search(r"LSTM\s+([\d.]+)", errors)[1])  # type: ignore[index]
    assert float(re.search(r"loss\s+([\d.]+)", validate)[1]) == pytest.approx(shown, rel=0.01)  # type: ignore[index]


def test_the_tools_are_compared_with_words_and_intervals(tmp_path: Path, need: Any) -> None:
    """Four tools, five repeats each: verdicts, three charts, a table and a guard that lets it pass."""
    for name in ("torch", "xgboost", "lightgbm"):
        need(importlib.util.find_spec(name), f"{name} (pip install 'e2e-magic[pipelines]')")
    book = _run(FOLDER / "compare_tools.ipynb", tmp_path)
    said = next(
        text for text in _outputs(book, "text/plain") if text.startswith("compared with scikit-learn")
    )

    assert "pytorch" in said
    assert re.search(r"accuracy: train of (lightgbm|xgboost) [\d.]+ % less", said)
    assert re.search(r"pytorch[^\n]*more peak RSS", said)
    assert (
        sum("data:image/png" in page and "e2e-card" not in page for page in _outputs(book, "text/html")) >= 3
    )

    import pandas as pd

    exported = pd.read_csv(tmp_path / "compare_tools.csv")
    train = exported[exported["stage"] == "train"]
    assert train.groupby("run").size().to_dict() == dict.fromkeys(
        ("lightgbm", "pytorch", "scikit-learn", "xgboost"), 5
    )
    assert train["time_to_accuracy_s"].notna().all()
    assert (train["accuracy"] > 0.88).all()


def test_the_sweeps_run_here_in_processes_and_on_a_cluster(tmp_path: Path, need: Any) -> None:
    """Each sweep has all its rows; the panel's ran at once; side by side is marked."""
    need(importlib.util.find_spec("distributed"), "dask (pip install 'e2e-magic[dask]')")
    book = _run(FOLDER / "sweeps.ipynb", tmp_path)
    texts = _outputs(book, "text/plain")

    import pandas as pd

    trials = pd.read_csv(tmp_path / "sweeps.csv")
    assert trials.groupby("stage").size().to_dict() == {"train": 18, "tune": 4, "local": 9, "cluster": 6}
    assert (trials["state"] == "complete").all()
    assert trials.groupby("stage")["concurrent"].all().to_dict() == {
        "train": False,
        "tune": False,
        "local": True,
        "cluster": True,
    }
    assert trials.loc[trials["stage"] == "train", "accuracy"].max() > 0.93
    assert any("are beaten by none" in text for text in texts)
    assert any("lr explains" in text for text in texts)
