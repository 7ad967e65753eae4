"""A marimo notebook, which has no magics: run by marimo itself, as a script and in its kernel."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e_magic.storage import Store

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("marimo") is None,
    reason="marimo isn't installed (pip install marimo): it is too large for the test extra",
)
NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    import e2e_magic as e2e

    return (e2e,)


@app.cell
def _(e2e):
    with e2e.measure("train", metrics="cpu,memory") as trial:
        total = sum(range(1_000_000))
        e2e.log(epoch=1, loss=0.5)
    trial
    return (trial,)


@app.cell
def _(e2e, trial):
    @e2e.measure("infer", entries=len)
    def infer():
        return [trial] * 10

    infer()
    print("stages:", e2e.results()["stage"].tolist())
    return


if __name__ == "__main__":
    app.run()
"""


@pytest.mark.parametrize("way", ["script", "kernel"])
def test_measure_in_a_marimo_notebook(way: str, tmp_path: Path) -> None:
    """Its cells are rows; in its kernel the trial is shown as a card."""
    (tmp_path / "book.py").write_text(NOTEBOOK)
    words = (
        ["book.py"] if way == "script" else ["-m", "marimo", "export", "html", "book.py", "-o", "book.html"]
    )
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "E2E_MAGIC_STORE": str(tmp_path / "kept.db")},
        text=True,
        timeout=300,
    )
    with Store(str(tmp_path / "kept.db"), create=False) as store:
        rows = [(record.stage, record.state) for record in store.records()]
        logged = store.records()[0].events

    assert rows == [("train", "complete"), ("infer", "complete")]
    assert len(logged.t_s) == 1
    shown = done.stdout if way == "script" else (tmp_path / "book.html").read_text("utf-8")
    assert "stages: ['train', 'infer']" in shown
    if way == "kernel":
        assert "peak memory" in shown
