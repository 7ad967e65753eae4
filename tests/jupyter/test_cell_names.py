"""Names of cells that no line names: headings of the saved notebook, else first lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e_magic.jupyter.cell_names import CellNames, first_line, last_heading


@pytest.fixture
def names(tmp_path: Path) -> CellNames:
    """Give the names of a notebook with two headings."""
    cells = [
        ("a", "code", "import numpy"),
        ("b", "markdown", "# Digits\ntext\n## **Train** the [model](x)\n```\n# not this\n```"),
        ("c", "code", "%load_ext e2e_magic"),
        ("d", "code", "model.fit()"),
        ("e", "markdown", "more text"),
        ("f", "code", "# check\nmodel.score()"),
        ("g", "markdown", "Test\n===\n# Test #"),
        ("h", "code", "model.score()"),
    ]
    book = {"cells": [{"id": key, "cell_type": kind, "source": text} for key, kind, text in cells]}
    (tmp_path / "book.ipynb").write_text(json.dumps(book), "utf-8")
    return CellNames(lambda: str(tmp_path / "book.ipynb"))


def test_a_cell_is_called_by_the_heading_above_it(names: CellNames) -> None:
    """The next one below it by a number; cells of our lines alone don't count."""
    assert names.of("model.fit()", "d") == "Train the model"
    assert names.of("anything else by now", "f") == "Train the model 2"
    assert names.of("model.score()", "h") == "Test"


def test_without_an_id_the_source_finds_the_cell(names: CellNames) -> None:
    """As in nbclient, whose messages have none, and VS Code, whose ids are its own."""
    assert names.of("model.fit()", None) == "Train the model"
    assert names.of("model.score()", "vscode-notebook-cell:W0") == "Test"


def test_without_a_heading_it_is_the_first_line(names: CellNames) -> None:
    """A cell that is not saved yet, above all headings, or in a terminal; named once, it stays so."""
    assert names.of("import numpy", "a") == "import numpy"
    assert names.of("# load it\nload()", "new") == "load it"
    assert names.of("load_more()", "new") == "load it"
    assert names.of("# load it\nload_other()", "other") == "load it 2"
    assert names.of("x = 1", None) == "x = 1"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"cells": [{"id": 1}]}'])
def test_a_file_that_is_no_notebook_costs_nothing(tmp_path: Path, text: str) -> None:
    """Half written, or of another program."""
    (tmp_path / "book.ipynb").write_text(text, "utf-8")

    assert CellNames(lambda: str(tmp_path / "book.ipynb")).of("x = 1", "a") == "x = 1"
    assert CellNames(str).of("x = 1", "a") == "x = 1"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("\n\n  y = 2", "y = 2"),
        ("%%time\nfit()", "fit()"),
        ("%%bash", "%%bash"),
        ("#@title Load\nload()", "Load"),
        ("x" * 50, "x" * 39 + "…"),
        ("#\n", ""),
    ],
)
def test_first_lines(source: str, name: str) -> None:
    """With words in them, at most 40 characters."""
    assert first_line(source) == name


def test_headings_lose_their_marks() -> None:
    """As they are read on the page; `snake_case` stays."""
    assert last_heading("# `fit` my_model <a id='x'></a>") == "fit my_model"
    assert last_heading("no heading\n#tag") == ""
