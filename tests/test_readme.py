"""The README as a stranger uses it: each block is typed into a fresh kernel, each command into a shell."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _fences(path: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(path.read_text("utf-8")) if kind == language]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run all blocks of the README in one fresh kernel and folder, with the default store; give both."""
    import nbformat
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("readme")
    blocks = _fences(ROOT / "README.md", "python")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(block) for block in blocks])
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("E2E_MAGIC_STORE")
        NotebookClient(book, timeout=180, resources={"metadata": {"path": str(folder)}}).execute()
    return book, folder


def _cell(book: Any, text: str) -> Any:
    [cell] = [cell for cell in book.cells if text in cell.source]
    return cell


def _plain(cell: Any) -> str:
    return "\n".join(
        output["text"] if output.output_type == "stream" else output["data"].get("text/plain", "")
        for output in cell.outputs
    )


def test_every_block_runs_without_an_error_or_a_warning(read: Any) -> None:
    """As it stands, one after another."""
    book, _ = read

    assert len(book.cells) >= 9
    assert not [o.text for cell in book.cells for o in cell.outputs if o.get("name") == "stderr"]


def test_the_measured_cells_show_their_cards_and_values(read: Any) -> None:
    """A target met, repeats with a spread, a confusion matrix, the cell's own value."""
    book, _ = read

    assert re.search(r"time to accuracy +\S+ m?s", _plain(book.cells[1]))
    infer = _plain(_cell(book, "%%e2ebench infer"))
    assert "median of 20" in infer
    assert "per second" in infer or "/s" in infer
    validate = _plain(_cell(book, "%%e2ebench validate"))
    assert "% right" in validate


def test_the_words_show_what_the_readme_says(read: Any) -> None:
    """The bottleneck in words, a comparison, a sweep's best, a report."""
    book, folder = read

    assert "bottleneck" in _plain(_cell(book, "%e2e pipeline"))
    compared = _plain(_cell(book, "%e2e compare"))
    assert "train" in compared
    assert re.search(r"faster|slower|less|more|no difference seen|too few repeats", compared)
    assert "8 trials" in _plain(_cell(book, "%%e2esweep"))
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("line", [s for body in _fences(ROOT / "README.md", "") for s in body.splitlines()
                                  if s.startswith("e2e-magic")])  # fmt: skip
def test_a_command_of_the_readme_runs_on_the_store_that_the_blocks_left(read: Any, line: str) -> None:
    """In the same folder, as typed."""
    _, folder = read
    command = [sys.executable, "-m", "e2e_magic.api.command_line", *shlex.split(line)[1:]]

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert not done.stderr
    if "export" in line:
        assert (folder / "results.csv").read_text().startswith("run,")


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    """One screen more or less of a thing: what is longer has a page of its own."""
    text = (ROOT / "README.md").read_text("utf-8")

    assert len(text.splitlines()) < 150
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / link).exists(), link
