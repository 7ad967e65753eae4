"""The command line, as a real process and by its function."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.api.command_line import main
from e2e_magic.record import Record, Run
from e2e_magic.storage import Store
from tests.integrations.test_umlaut import second, supervised

START = datetime(2026, 8, 1, tzinfo=UTC)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Give a store with two runs, eight repeats each; the second one takes twice as long."""
    path = tmp_path / "kept.db"
    runs = [Run("aaaa", "base", START), Run("bbbb", "slow", START + timedelta(hours=1))]
    with Store(str(path)) as store:
        for run, factor in zip(runs, (1, 2), strict=True):
            records = [
                Record(
                    run.id, "train", n, n, "complete", run.started_at + timedelta(seconds=n),
                    readings={"wall_time_s": factor * (1 + n / 100)},
                    reported={"loss": [2.0, 1.0 / n]},
                )
                for n in range(1, 9)
            ]  # fmt: skip
            store.append(records, [run])
    return path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Give what a command answers: its status, what it says and what it complains about."""

    def call(*words: object) -> tuple[int, str, str]:
        try:
            status = main([str(word) for word in words])
        except SystemExit as ended:
            status = int(ended.code or 0)
        answer = capsys.readouterr()
        return status, answer.out, answer.err

    return call


def test_runs_lists_a_store(kept: Path, said: Any) -> None:
    """A row per run, with its trials."""
    status, out, err = said("runs", kept)

    assert (status, err) == (0, "")
    assert "base" in out
    assert "slow" in out
    assert out.rstrip().splitlines()[-1].startswith("2 rows")


def test_a_table_is_whole_and_as_wide_as_the_terminal(
    tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred runs are a hundred rows, and no line goes beyond the edge."""
    runs = [Run(f"id{n}", f"run {n}", START + timedelta(hours=n), "word " * 8) for n in range(100)]
    with Store(str(tmp_path / "many.db")) as store:
        for run in runs:
            store.append([], [run])
    monkeypatch.setenv("COLUMNS", "70")
    status, out, err = said("runs", tmp_path / "many.db")

    assert (status, err) == (0, "")
    assert all(run.name in out for run in runs)
    assert max(map(len, out.splitlines())) <= 70
    assert ".columns" not in out


def test_compare_says_it_in_words(kept: Path, said: Any) -> None:
    """The first run is what the others are compared with."""
    status, out, _ = said("compare", kept)

    assert status == 0
    assert "slow is 2x slower in wall_time_s" in out
    assert said("compare", kept, "bbbb", "aaaa")[1].splitlines()[0] == "compared with slow:"


def test_a_regression_is_exit_status_1(kept: Path, said: Any) -> None:
    """A run that is worse than its baseline by more than allowed fails CI; one that is better doesn't."""
    words = ("compare", kept, "--metric", "wall_time_s", "--fail-over", "10%")
    status, out, err = said(*words, "--baseline", "base")

    assert status == 1
    assert "slower" in out
    assert err.startswith("e2e-magic: compare: worse than the baseline base by more than 10 %: ")
    assert err.count("\n") == 1
    assert said(*words, "--baseline", "slow")[0] == 0
    assert said(*words[:-1], "300%", "--baseline", "base")[0] == 0


def test_report_and_export_write_files(kept: Path, said: Any, tmp_path: Path) -> None:
    """What the notebook writes, the command line writes, from the store alone."""
    assert said("report", kept, tmp_path / "r.html") == (0, f"report written to {tmp_path / 'r.html'}\n", "")
    assert "Runs side by side" in (tmp_path / "r.html").read_text("utf-8")
    assert said("export", kept, tmp_path / "e.csv", "--frame", "epochs", "--run", "slow")[0] == 0
    lines = (tmp_path / "e.csv").read_text().splitlines()
    assert lines[0].startswith("run,stage,trial,epoch")
    assert len(lines) == 1 + 2 * 8
    assert said("export", kept, tmp_path / "p.svg", "--frame", "pipeline", "--run", "base")[0] == 0
    assert "<svg" in (tmp_path / "p.svg").read_text("utf-8")
    assert said("export", kept, tmp_path / "l.png", "--frame", "epochs")[0] == 0
    assert said("export", kept, tmp_path / "p.csv", "--frame", "pipeline")[0] == 0
    newest = (tmp_path / "p.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in newest] == [["run", "stage"], ["slow", "train"]]


def test_import_reads_the_seeds_suite_into_a_store(said: Any, tmp_path: Path) -> None:
    """The store is made where it isn't there; a second time nothing doubles; what can't be read is listed."""
    suite = second(tmp_path / "suite.db", [*supervised(10, 4.0), (11.0, "x", "loss", b"\x80\x04.", "", "")])
    store = tmp_path / "mine.db"
    status, out, _ = said("import", store, suite)

    assert status == 0
    assert out.startswith("1 run with 1 trial; 1 measurement could not be read\n")
    assert "a pickle" in out
    assert "(1 of the trials was in the store already)" in said("import", store, suite)[1]
    with Store(str(store)) as kept:
        assert [record.stage for record in kept.records()] == ["train"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["runs", "no.db"], "e2e-magic: there is no store {here}/no.db; check the path"),
        (
            ["export", "{store}", "x.cvs"],
            "e2e-magic: path: a frame can be written as .csv, .json, .parquet, .xlsx, .md, .tex, by the "
            "suffix; 'x.cvs' has '.cvs' (did you mean .csv?)",
        ),
        (
            ["export", "{store}", "x.png", "--frame", "runs"],
            "e2e-magic: frame: runs has no chart; those of results, pipeline, samples, epochs, confusions, "
            "trials can be written as .png, .svg, .pdf",
        ),
        (
            ["export", "{store}", "x.csv", "--frame", "result"],
            "e2e-magic: frame: there is no frame 'result' (did you mean results?); allowed are ",
        ),
        (
            ["compare", "{store}", "bas"],
            "e2e-magic: compare: there is no run 'bas' (did you mean base?); there are base, slow",
        ),
        (
            ["compare", "{store}", "--fail-over", "much"],
            "e2e-magic: fail_over: expected a share such as 10% or 0.1 (150% for more than all of it), "
            "got 'much'",
        ),
        (
            ["report", "{store}", "r.pdf"],
            "e2e-magic: path: a report is a page of HTML: expected a name such as report.html, got '.pdf'",
        ),
        (
            ["report", "{store}", "r.html", "--run", "bas"],
            "e2e-magic: run: there is no run 'bas' (did you mean base?); the store {store} has base, slow\n",
        ),
        (
            ["compare", "{store}", "base"],
            "e2e-magic: compare: two runs are needed, but named is only base, there are base, slow\n",
        ),
        (
            ["import", "no/x.db", "suite.db"],
            "e2e-magic: import: there is no file {here}/suite.db; "
            "give the path of a database of the UMLAUT suite\n",
        ),
        (
            ["runs", "{here}"],
            "e2e-magic: the store {here} can't be opened: the file can't be opened or made there; "
            "check that the folder exists and may be written, or name a file elsewhere\n",
        ),
        (
            ["import", "new.db", "no.db"],
            "e2e-magic: import: there is no file {here}/no.db; give the path of ",
        ),
        (["run", "no.ipynb"], "e2e-magic: there is no notebook {here}/no.ipynb; check the path"),
        (
            ["reprot", "x"],
            "e2e-magic: there is no command 'reprot' (did you mean report?); there are runs, compare, "
            "report, export, import, run; see e2e-magic --help",
        ),
        (["report"], "e2e-magic report: the following arguments are required: STORE, PATH; see "),
        (
            ["run", "x.ipynb", "--timeout", "-1"],
            "e2e-magic run: argument --timeout: expected seconds above 0, ",
        ),
    ],
)
def test_wrong_use_is_one_line_and_exit_status_2(
    words: list[str], line: str, kept: Path, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong, what is allowed, the nearest word; nothing on the standard output, no traceback."""
    monkeypatch.chdir(tmp_path)
    status, out, err = said(*(word.format(store=kept, here=tmp_path) for word in words))
    monkeypatch.undo()

    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith(line.format(here=tmp_path, store=kept))
    assert not (tmp_path / "no.db").exists()


@pytest.mark.parametrize("command", ["", "runs", "compare", "report", "export", "import", "run"])
def test_help_says_what_to_type(command: str, said: Any) -> None:
    """Each command explains its words and the exit status."""
    status, out, _ = said(*([command] if command else []), "--help")

    assert status == 0
    assert out.startswith(f"usage: e2e-magic {command}".rstrip())
    assert "exit status: 0 fine; 1 a cell failed" in " ".join(out.split())


def test_it_knows_its_version(said: Any) -> None:
    """As every command does."""
    import e2e_magic

    assert said("--version") == (0, f"e2e_magic {e2e_magic.__version__}\n", "")


def test_it_is_installed_as_a_command() -> None:
    """The distribution makes ``e2e-magic``, and the module runs too."""
    from importlib.metadata import entry_points

    [script] = entry_points(group="console_scripts", name="e2e-magic")
    assert script.load() is main
    done = subprocess.run(
        [sys.executable, "-m", "e2e_magic.api.command_line", "runs"],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "e2e-magic runs: the following arguments are required: STORE; see e2e-magic runs --help\n"
    )


def notebook(folder: Path, *cells: str) -> Path:
    """Write a notebook."""
    import nbformat

    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book.cells = [nbformat.v4.new_markdown_cell("# A pipeline"), *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(book, folder / "book.ipynb")
    return folder / "book.ipynb"


def test_a_notebook_is_run_measured_and_reported(tmp_path: Path) -> None:
    """As a real process: every cell is a row in the store, the report is there, the notebook untouched."""
    import nbformat

    (tmp_path / "data.txt").write_text("beside the notebook")
    path = notebook(tmp_path, "text = open('data.txt').read()", "%%e2ebench train\nlen(text)", "print(_)")
    before = path.read_bytes()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "e2e_magic.api.command_line", "run", "book.ipynb", "--store", "kept.db"),
            *("--out", "done.ipynb", "--name", "it's mine"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"report written to {tmp_path / 'book-report.html'}",
        f"notebook written to {tmp_path / 'done.ipynb'}",
    ]
    assert path.read_bytes() == before
    written = nbformat.read(tmp_path / "done.ipynb", as_version=4)
    assert [cell.source for cell in written.cells] == [
        cell["source"] for cell in nbformat.read(path, as_version=4).cells
    ]
    assert [cell.execution_count for cell in written.cells[1:]] == [1, 2, 3]
    assert written.cells[3].outputs[0].text == "19\n"
    with Store(str(tmp_path / "kept.db"), create=False) as store:
        assert [record.stage for record in store.records()] == ["cell-1", "train", "cell-3"]
        assert [(run.name, run.environment.notebook) for run in store.runs()] == [("it's mine", "book.ipynb")]
    page = (tmp_path / "book-report.html").read_text("utf-8")
    assert all(stage in page for stage in ("cell-1", "train", "cell-3"))


def test_a_cell_that_fails_is_exit_status_1(tmp_path: Path, said: Any) -> None:
    """The run stops there; the report and the notebook are written all the same."""
    path = notebook(tmp_path, "1 + 1", "1 / 0", "print('never')")
    out, report = tmp_path / "out.ipynb", tmp_path / "r.html"
    status, text, err = said("run", path, "--store", tmp_path / "s.db", "--report", report, "--out", out)

    assert status == 1
    assert err == "e2e-magic: cell 2 failed: ZeroDivisionError: division by zero\n"
    assert f"report written to {report}" in text
    cells = json.loads(out.read_text("utf-8"))["cells"]
    assert cells[2]["outputs"][0]["ename"] == "ZeroDivisionError"
    assert cells[3]["execution_count"] is None
    assert "ZeroDivisionError" in report.read_text("utf-8")


def test_a_kernel_that_dies_leaves_a_report_from_the_store(tmp_path: Path, said: Any) -> None:
    """What was measured before is in the store, and so in the report."""
    path = notebook(tmp_path, "1 + 1", "import os; os.write(2, b'out of luck'); os._exit(3)")
    status, text, err = said("run", path, "--store", tmp_path / "s.db")

    assert status == 1
    assert err == "e2e-magic: the kernel ended in cell 2; it said: out of luck\n"
    assert "report written to" in text
    assert "cell-1" in (tmp_path / "book-report.html").read_text("utf-8")


def test_a_cell_beyond_its_time_is_interrupted(tmp_path: Path, said: Any) -> None:
    """CI isn't held up; the row of the cell says that it was interrupted."""
    path = notebook(tmp_path, "import time; time.sleep(60)")
    status, _, err = said("run", path, "--store", tmp_path / "s.db", "--timeout", "2")

    assert status == 1
    assert err.startswith("e2e-magic: cell 1 took longer than 2 s (--timeout): ")
    with Store(str(tmp_path / "s.db"), create=False) as store:
        assert [record.state for record in store.records()] == ["interrupted"]


@pytest.mark.parametrize(
    ("content", "words", "line"),
    [
        ("{", (), "e2e-magic: book.ipynb is no notebook that can be read ("),
        (None, ("--kernel", "no-such"), "e2e-magic: the kernel 'no-such' of book.ipynb is not installed; "),
        (
            None,
            ("--report", "r.pdf"),
            "e2e-magic: --report: expected a name that ends with .html, got 'r.pdf'",
        ),
        (None, ("--name", " "), "e2e-magic: --name: expected a name, such as baseline, got ' '"),
        (None, ("--out", "no/o.ipynb"), "e2e-magic: the folder {here}/no does not exist; create it first"),
        (
            None,
            ("--out", "book.ipynb"),
            "e2e-magic: --out: book.ipynb is the notebook itself; choose another",
        ),
    ],
)
def test_a_notebook_that_cannot_be_run_is_said(
    tmp_path: Path,
    said: Any,
    monkeypatch: pytest.MonkeyPatch,
    content: str | None,
    words: tuple[str, ...],
    line: str,
) -> None:
    """Before anything runs: one line, exit status 2."""
    path = notebook(tmp_path, "1")
    if content is not None:
        path.write_text(content)
    monkeypatch.chdir(tmp_path)
    status, out, err = said("run", path, *words)
    monkeypatch.undo()

    assert (status, out) == (2, "")
    assert err.startswith(line.format(here=tmp_path))
    assert err.count("\n") == 1
