"""The command line, as a real process and by its function."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.api.command_line import main
from e2e_magic.record import Record, Run
from e2e_magic.storage import Store
from e2e_magic.views.frames import schema
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
    assert out.splitlines()[1].startswith("  slow: train 2x slower")
    assert said("compare", kept, "bbbb", "aaaa")[1].splitlines()[0] == "compared with slow:"


def test_a_regression_is_exit_status_1(kept: Path, said: Any) -> None:
    """A run that is worse than its baseline by more than allowed fails CI; one that is better doesn't."""
    words = ("compare", kept, "--metric", "wall_time_s", "--fail-over", "10%")
    status, out, err = said(*words, "--baseline", "base")

    assert status == 1
    assert "slower" in out
    head, detail = err.splitlines()
    assert head == "e2e-magic: compare: worse than the baseline base by more than 10 %:"
    assert detail.startswith("  train: slow is 2x slower in wall_time_s")
    assert said(*words, "--baseline", "slow")[0] == 0
    assert said(*words[:-1], "300%", "--baseline", "base")[0] == 0


def read(*words: object) -> tuple[int, Any, str]:
    """Return what another program gets: the status, the document on the standard output, the complaints."""
    done = subprocess.run(
        [sys.executable, "-m", "e2e_magic.api.command_line", *map(str, words)],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    document = json.loads(done.stdout, parse_constant=refuse) if done.stdout else None
    return done.returncode, document, done.stderr


class TestJson:
    """``--json``, read by a real process as another program does."""

    def test_results_have_every_column_in_every_row(self, kept: Path, said: Any) -> None:
        """Missing is null, infinity is text, times are ISO 8601, units are beside the rows."""
        with Store(str(kept)) as store:
            run = Run("cccc", "odd", START + timedelta(hours=2))
            record = Record(
                run.id, "infer", 1, 1, "complete", run.started_at, params={"layers": (8, 8), "depth": None},
                readings={"wall_time_s": 0.1 + 0.2}, reported={"loss": [float("inf")]},
            )  # fmt: skip
            store.append([record], [run])
        status, document, complaint = read("results", kept, "--json")
        rows = document["rows"]

        assert (status, complaint) == (0, "")
        assert (document["schema"], document["kind"], len(rows)) == (1, "results", 17)
        assert set(schema.CONTRACT) | set(schema.IDENTITY) <= set(document["columns"])
        assert all(list(row) == document["columns"] for row in rows)
        assert document["units"]["peak_rss_mib"] == "MiB"
        [odd] = (row for row in rows if row["stage"] == "infer")
        assert (odd["wall_time_s"], odd["loss"]) == (0.1 + 0.2, "Infinity")
        assert odd["peak_rss_mib"] is None
        assert odd["energy_source"] is None
        assert datetime.fromisoformat(odd["started_at"]) == run.started_at
        only = said("results", kept, "--stage", "train", "--run", "slow", "--json")[1]
        assert {row["run"] for row in json.loads(only)["rows"]} == {"slow"}

    def test_a_comparison_has_its_words_and_its_guard(self, kept: Path, said: Any) -> None:
        """The guard's answer is in the document and in the exit status."""
        words = ("compare", kept, "--metric", "wall_time_s", "--json", "--fail-over")
        status, document, complaint = read(*words, "10%", "--baseline", "base")

        assert status == 1
        assert complaint.startswith("e2e-magic: compare: worse than the baseline base by more than 10 %:")
        assert (document["baseline"], document["runs"]) == ("base", ["slow"])
        assert document["sentences"][0].startswith("train: slow is 2x slower in wall_time_s")
        assert document["units"] == {"wall_time_s": "s"}
        [row] = document["rows"]
        assert (row["verdict"], row["n"], row["reason"]) == ("slower", 8, None)
        guard = document["guard"]
        assert (guard["fail_over"], guard["answer"]) == (0.1, "fail")
        assert guard["details"][0]["where"][0].startswith("train: slow is 2x slower")
        status, text, _ = said(*words, "300%", "--baseline", "base")
        passed = json.loads(text)["guard"]
        assert (status, passed["answer"], passed["details"]) == (0, "pass", [])

    def test_what_cannot_be_done_leaves_the_standard_output_empty(self, tmp_path: Path, said: Any) -> None:
        """The sentence is on the standard error, the status 2."""
        status, out, complaint = said("results", tmp_path / "no.db", "--json")

        assert (status, out) == (2, "")
        assert complaint == f"e2e-magic: there is no store {tmp_path / 'no.db'}; check the path\n"

    def test_runs_and_metrics(self, kept: Path, said: Any) -> None:
        """Runs with their environment; what this machine measures, and the reason for the rest."""
        runs = json.loads(said("runs", kept, "--json")[1])
        metrics = json.loads(said("metrics", "--json")[1])

        assert [(row["run"], row["trials"]) for row in runs["rows"]] == [("base", 8), ("slow", 8)]
        assert runs["units"]["ram_mib"] == "MiB"
        assert metrics["kind"] == "metrics"
        assert metrics["summary"]
        assert all(row["available"] or row["why"] for row in metrics["rows"])
        assert next(row for row in metrics["rows"] if row["metric"] == "wall_time_s")["unit"] == "s"
        assert "wall_time_s" in said("metrics")[1]


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
            ["export", "{store}", "x.csv", "--frame", "holders"],
            "e2e-magic: frame: a store holds no variables; %e2e holders shows those of a kernel, in it\n",
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
            "e2e-magic: there is no command 'reprot' (did you mean report?); there are runs, results, "
            "metrics, compare, ab, report, export, import, run; see e2e-magic --help",
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


@pytest.mark.parametrize(
    "command", ["", "runs", "results", "metrics", "compare", "report", "export", "import", "run"]
)
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
        assert [record.stage for record in store.records()] == ["A pipeline", "train", "A pipeline 3"]
        assert [(run.name, run.environment.notebook) for run in store.runs()] == [("it's mine", "book.ipynb")]
    page = (tmp_path / "book-report.html").read_text("utf-8")
    assert all(stage in page for stage in ("A pipeline", "train", "A pipeline 3"))


class TestGuard:
    """The two steps of a guard in CI, as the documentation has them."""

    @pytest.fixture
    def measured(self, tmp_path: Path, said: Any) -> Callable[..., tuple[int, str, str]]:
        """Give what runs a notebook under a name."""

        def run(name: str, *words: str) -> tuple[int, str, str]:
            path = notebook(tmp_path, "1 + 1", "%%e2ebench train\n{'accuracy': 0.9}")
            answer: tuple[int, str, str] = said(
                "run", path, "--store", tmp_path / "runs.db", "--name", name, *words
            )
            return answer

        return run

    def test_it_passes_and_fails(self, kept: Path, said: Any) -> None:
        """A run that is as fast passes, one that takes twice as long fails, in lines that can be read."""
        with Store(str(kept)) as store:
            same = [replace(r, run="cccc") for r in store.records() if r.run == "aaaa"]
            store.append(same, [Run("cccc", "same", START + timedelta(hours=2))])
        guard = ("--baseline", "base", "--stage", "train", "--metric", "wall_time_s", "--fail-over", "50%")
        passed, failed = (said("compare", kept, "base", name, *guard) for name in ("same", "slow"))

        assert (passed[0], passed[2]) == (0, "")
        assert failed[0] == 1
        head, *details = failed[2].splitlines()
        assert head == "e2e-magic: compare: worse than the baseline base by more than 50 %:"
        assert [line.partition(" is ")[0] for line in details] == ["  train: slow"]
        assert "slower" in details[0]
        assert max(map(len, (head, *details))) < 200

    def test_repeats_are_trials_of_one_run(self, tmp_path: Path, measured: Any) -> None:
        """Each kernel is fresh: what is measured once in a notebook has a row from each."""
        status, text, _ = measured("before", "--repeat", "2")
        with Store(str(tmp_path / "runs.db"), create=False) as store:
            runs, records = store.runs(), store.records()

        assert (status, text) == (0, f"report written to {tmp_path / 'book-report.html'}\n")
        assert [run.name for run in runs] == ["before"]
        assert [(r.stage, r.trial, r.repeat) for r in records if r.stage == "train"] == [
            ("train", 1, 1), ("train", 2, 2)
        ]  # fmt: skip
        assert {record.run for record in records} == {runs[0].id}
        assert (tmp_path / "book-report.html").read_text("utf-8").count("before") >= 1

    def test_once_is_too_few_and_says_so_in_lines(self, tmp_path: Path, said: Any, measured: Any) -> None:
        """A line a stage, and how many repeats are needed."""
        for name in ("before", "after"):
            measured(name)
        status, _, complaint = said("compare", tmp_path / "runs.db", "before", "after", "--fail-over", "10%")
        head, *details = complaint.splitlines()

        assert status == 3
        assert head == "e2e-magic: compare: it can't be told whether this is no worse than before:"
        assert len(details) == 2
        assert all(line.startswith("  ") and len(line) < 300 for line in details)
        assert "--repeat" in complaint

    def test_a_repeat_that_fails_ends_it(self, tmp_path: Path, said: Any) -> None:
        """What was measured up to there is kept and reported."""
        path = notebook(
            tmp_path,
            "from pathlib import Path",
            "mark = Path('seen')\nassert not mark.exists()\nmark.touch()",
        )
        status, text, complaint = said("run", path, "--store", tmp_path / "s.db", "--repeat", "3")
        with Store(str(tmp_path / "s.db"), create=False) as store:
            states = [(r.stage, r.repeat, r.state) for r in store.records()]

        assert status == 1
        assert complaint == "e2e-magic: repeat 2 of 3: cell 2 failed: AssertionError\n"
        assert "report written to" in text
        assert states[1:] == [
            ("A pipeline 2", 1, "complete"),
            ("A pipeline", 2, "complete"),
            ("A pipeline 2", 2, "failed"),
        ]

    @pytest.mark.parametrize("number", ["0", "-1", "2.5", "many"])
    def test_a_wrong_number_is_one_line(self, tmp_path: Path, said: Any, number: str) -> None:
        """It says what is expected."""
        status, _, complaint = said("run", notebook(tmp_path, "1"), f"--repeat={number}")

        assert status == 2
        assert f"expected a whole number above 0, got {number!r}" in complaint

    def test_no_store_to_gather_in(self, tmp_path: Path, said: Any) -> None:
        """The default of these tests is none."""
        status, _, complaint = said("run", notebook(tmp_path, "1"), "--repeat", "2")

        assert (status, complaint) == (
            2,
            "e2e-magic: --repeat: the repeats are gathered in a store, and E2E_MAGIC_STORE names none "
            "(:memory:); name one with --store, such as e2ebench.db\n",
        )


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
    assert "A pipeline" in (tmp_path / "book-report.html").read_text("utf-8")


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
