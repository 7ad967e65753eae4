"""Frames and figures as files: whole or not there, and read back as they were."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from e2e_magic.record import Record
from e2e_magic.views import frames, writers

START = datetime(2026, 8, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOSTILE = 'a|b\\ & 100% $x$ _y_ {z} <script> "q" `c` #~^\nsecond\r\nthird =1+1'
FORMS = tuple(writers.FRAMES)
TEXT = "str" if pd.__version__ >= "3" else "string"


def frame(stage: str = HOSTILE) -> pd.DataFrame:
    """Make a results frame that has everything: times, states, missing values, tuples, long numbers."""
    common: dict[str, Any] = {"run": "ab12", "repeat": 1, "started_at": START, "sweep": "s"}
    return frames.results(
        [
            Record(
                **common,
                stage=stage,
                trial=1,
                state="complete",
                params={"lr": 1e-20, "layers": (8,), "n": 2**60},
                readings={"wall_time_s": 0.1 + 0.2, "samples": 7},
            ),
            Record(
                **common,
                stage="=1+1",
                trial=2,
                state="failed",
                error="ValueError: x",
                params={"lr": 1 / 3, "layers": (8, 8), "n": 1},
                readings={"wall_time_s": float("inf")},
            ),
        ]
    )


def left(folder: Path) -> list[str]:
    """List all that is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


class TestForms:
    def test_csv(self, tmp_path: Path) -> None:
        """Every number reads back exactly; text with quotes, pipes and line ends does too."""
        made = frame()

        path = writers.write(made, tmp_path / "a.csv")
        back = pd.read_csv(
            path, parse_dates=["started_at"], converters={"wall_time_s": float, "param_lr": float}
        )

        assert list(back.columns) == list(made.columns)
        assert back["stage"].tolist() == made["stage"].tolist()
        assert back["wall_time_s"].tolist() == [0.1 + 0.2, np.inf]
        assert back["param_lr"].tolist() == [1e-20, 1 / 3]
        assert back["param_n"].tolist() == [2**60, 1]
        assert back["param_layers"].tolist() == ["(8,)", "(8, 8)"]
        assert back["started_at"].tolist() == [START, START]
        assert back["samples"].fillna(-1).tolist() == [7, -1]
        assert back["loss"].isna().all()

    def test_json(self, tmp_path: Path) -> None:
        """A list of rows: exact numbers, null where missing, infinity as text, lists as lists."""
        path = writers.write(frame(), tmp_path / "a.json")
        rows = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)

        assert rows[0]["stage"] == HOSTILE
        assert rows[0]["wall_time_s"] == 0.1 + 0.2
        assert rows[1]["wall_time_s"] == "Infinity"
        assert rows[0]["param_lr"] == 1e-20
        assert rows[0]["param_layers"] == [8]
        assert rows[0]["started_at"] == START.isoformat()
        assert rows[0]["loss"] is None
        assert rows[1]["samples"] is None
        assert rows[0]["concurrent"] is False
        assert len(pd.read_json(path)) == 2

    def test_parquet(self, tmp_path: Path) -> None:
        """Dtypes, categories, time zones, missing values and units come back as they were."""
        made = frame()

        back = pd.read_parquet(writers.write(made, tmp_path / "a.parquet"))

        pd.testing.assert_frame_equal(
            back.drop(columns="param_layers"), made.drop(columns="param_layers"), check_freq=False
        )
        assert back["param_layers"].tolist() == ["(8,)", "(8, 8)"]
        assert back.attrs == made.attrs
        assert made["param_layers"].tolist() == [(8,), (8, 8)]

    def test_parquet_leaves_out_attrs_that_have_no_json(self, tmp_path: Path) -> None:
        """An object in attrs costs that attr, not the file."""
        made = pd.DataFrame({"a": [1]})
        made.attrs = {"units": {"a": "s"}, "odd": object()}

        back = pd.read_parquet(writers.write(made, tmp_path / "a.parquet"))

        assert back.attrs == {"units": {"a": "s"}}

    def test_xlsx(self, tmp_path: Path) -> None:
        """Text stays text, also where it starts with =; times are UTC and say so; units have a sheet."""
        path = writers.write(frame("bell\x07"), tmp_path / "a.xlsx")
        sheets = pd.read_excel(path, sheet_name=None)
        back = sheets["frame"]

        assert back["stage"].tolist() == ["bell\\x07", "=1+1"]
        assert back["wall_time_s"].tolist() == [pytest.approx(0.1 + 0.2, rel=1e-15), np.inf]
        assert back["param_n"].tolist() == [2**60, 1]
        assert back["started_at (UTC)"][0] == pd.Timestamp(START.replace(tzinfo=None)).round("ms")
        assert back["samples"].fillna(-1).tolist() == [7, -1]
        assert dict(sheets["units"].to_numpy().tolist())["wall_time_s"] == "s"

    def test_xlsx_with_more_rows_than_excel_takes(self, tmp_path: Path) -> None:
        """Excel's limit is said, with the formats that have none."""
        with pytest.raises(ValueError, match=r"^xlsx") as caught:
            writers.write(pd.DataFrame({"a": np.zeros(1_048_576)}), tmp_path / "a.xlsx")

        assert str(caught.value) == (
            "xlsx: a sheet holds 1,048,575 rows below its header, got 1,048,576; write .parquet or .csv"
        )
        assert left(tmp_path) == []

    def test_markdown(self, tmp_path: Path) -> None:
        """Each row is one line with as many cells, whatever the text holds; empty columns are left out."""
        path = writers.write(frame(), tmp_path / "a.md")
        lines = path.read_text("utf-8").splitlines()
        cells = [re.split(r"(?<!\\)\|", line) for line in lines]

        assert len(lines) == 4
        assert len({len(row) for row in cells}) == 1
        assert "peak_rss_mib" not in lines[0]
        assert "wall_time_s" in lines[0]
        assert (
            r'a\|b\\ &amp; 100% \$x\$ \_y\_ {z} &lt;script&gt; "q" \`c\` \#\~^<br>second<br>third =1+1'
            in lines[2]
        )
        assert "| 0.3 |" in lines[2]

    def test_latex(self, tmp_path: Path) -> None:
        """Every special character is escaped and each row ends with one line break."""
        path = writers.write(frame(), tmp_path / "a.tex")
        lines = path.read_text("utf-8").splitlines()
        rows = [line for line in lines if line.endswith(r" \\")]

        assert lines[0].startswith(r"\begin{tabular}{ll")
        assert lines[-1] == r"\end{tabular}"
        assert len(rows) == 3
        assert len({len(re.split(r"(?<!\\)&", row)) for row in rows}) == 1
        assert (
            r"a\textbar{}b\textbackslash{} \& 100\% \$x\$ \_y\_ \{z\} \textless{}script\textgreater{} "
            r'"q" `c` \#\textasciitilde{}\textasciicircum{} second third =1+1'
        ) in rows[1]
        assert r"wall\_time\_s" in rows[0]
        assert r"$\infty$" in rows[2]

    def test_latex_cell_that_looks_like_a_length(self, tmp_path: Path) -> None:
        r"""A cell that starts with [ or * would be read as the argument of the \\ before it."""
        path = writers.write(pd.DataFrame({"a": ["[1]", "*"]}), tmp_path / "a.tex")

        assert path.read_text("utf-8").splitlines()[4:6] == [r"{[1]} \\", r"{*} \\"]

    @pytest.mark.parametrize("suffix", writers.FIGURES)
    def test_figures(self, tmp_path: Path, suffix: str) -> None:
        """A figure, or the Axes on it, becomes a file of the kind that the suffix says."""
        starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
        figure = Figure()
        axes = figure.subplots()

        for content in (figure, axes):
            path = writers.write(content, tmp_path / f"a{suffix.upper()}")

            assert path.read_bytes().startswith(starts[suffix])
        assert left(tmp_path) == [f"a{suffix.upper()}"]

    @pytest.mark.parametrize("suffix", FORMS)
    def test_empty_frames(self, tmp_path: Path, suffix: str) -> None:
        """No rows make a file with the header alone."""
        path = writers.write(frames.results([]), tmp_path / f"a{suffix}")

        assert path.stat().st_size > 0
        if suffix != ".json":
            assert b"run" in path.read_bytes() or suffix == ".xlsx"

    @pytest.mark.parametrize("suffix", FORMS)
    def test_frames_of_any_shape(self, tmp_path: Path, suffix: str) -> None:
        """An index of names, columns in levels, double or not of text, lists in cells: all are written."""
        table = pd.DataFrame({("a", 1): [1.5, np.nan], ("a", 2): [["x\r"], {"y": 1}]}, index=["p", "q"])
        plain = pd.DataFrame([[1, 2]], columns=["a", "a"])

        assert writers.write(table, tmp_path / f"a{suffix}").stat().st_size > 0
        if suffix != ".parquet":
            assert writers.write(plain, tmp_path / f"b{suffix}").stat().st_size > 0
        assert "x" in table.iloc[0, 1][0]

    @settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
    @given(
        stages=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=3),
        numbers=st.lists(st.floats(), min_size=3, max_size=3),
    )
    def test_any_text_and_number_round_trip(
        self, tmp_path_factory: pytest.TempPathFactory, stages: list[str], numbers: list[float]
    ) -> None:
        """Whatever the stage is called: json and parquet give it back, csv too, md has a line a row."""
        folder = tmp_path_factory.mktemp("any")
        made = pd.DataFrame({"stage": pd.array(stages, dtype=TEXT), "value": numbers[: len(stages)]})
        paths = {suffix: writers.write(made, folder / f"a{suffix}") for suffix in FORMS}

        rows = json.loads(paths[".json"].read_text("utf-8"))
        assert [row["stage"] for row in rows] == stages
        pd.testing.assert_frame_equal(pd.read_parquet(paths[".parquet"]), made)
        with paths[".csv"].open(encoding="utf-8-sig", newline="") as file:  # pandas 2 ends a text at a NUL
            back = list(csv.DictReader(file))
        assert [row["stage"] for row in back] == stages
        values = [float(row["value"] or "nan") for row in back]
        np.testing.assert_array_equal(values, made["value"])
        lines = paths[".md"].read_bytes().decode().split("\n")
        assert len(lines) == 3 + len(stages)
        assert len(pd.read_excel(paths[".xlsx"])) == len(stages)


class TestPlaces:
    def test_it_says_where(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The answer is the absolute path, of ~ and of a relative one; the case of the suffix is free."""
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)

        assert writers.write(frame(), "a.CSV") == tmp_path / "a.CSV"
        assert writers.write(frame(), "~/b.csv") == tmp_path / "b.csv"

    def test_an_existing_file_is_replaced_and_keeps_its_mode(self, tmp_path: Path) -> None:
        """A new file has the mode that the umask gives, one that was there keeps its own."""
        path = tmp_path / "a.csv"
        path.write_text("old")
        path.chmod(0o640)
        mask = os.umask(0o022)
        try:
            writers.write(frame("a"), path)
            new = writers.write(frame("a"), tmp_path / "b.csv")
        finally:
            os.umask(mask)

        assert path.read_text("utf-8").startswith("run,")
        assert path.stat().st_mode & 0o777 == 0o640
        assert new.stat().st_mode & 0o777 == 0o644

    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        """The file that a link points to is replaced, not the link."""
        (tmp_path / "real.csv").write_text("old")
        (tmp_path / "link.csv").symlink_to("real.csv")

        writers.write(frame("a"), tmp_path / "link.csv")

        assert (tmp_path / "link.csv").is_symlink()
        assert (tmp_path / "real.csv").read_text("utf-8").startswith("run,")

    @pytest.mark.parametrize(
        ("name", "got"),
        [
            ("a.cvs", "'a.cvs' has '.cvs' (did you mean .csv?)"),
            ("a.png", "'a.png' has '.png'"),
            ("a", "'a' has none"),
            ("..csv.", "'..csv.' has none"),
        ],
    )
    def test_unknown_suffix(self, tmp_path: Path, name: str, got: str) -> None:
        """A wrong suffix names the allowed ones, and the nearest."""
        with pytest.raises(ValueError, match=r"^path") as caught:
            writers.write(frame(), tmp_path / name)

        assert str(caught.value).startswith(
            "path: a frame can be written as .csv, .json, .parquet, .xlsx, .md, .tex, by the suffix; "
        )
        assert str(caught.value).endswith(f"; {got}") or name == "..csv."

    def test_a_figure_is_no_table(self, tmp_path: Path) -> None:
        """A figure with a table's suffix names those of figures."""
        with pytest.raises(ValueError, match=r"^path") as caught:
            writers.write(Figure(), tmp_path / "a.csv")

        assert str(caught.value) == (
            "path: a figure can be written as .png, .svg, .pdf, by the suffix; 'a.csv' has '.csv' "
            "(did you mean .svg?)"
        )

    def test_neither_frame_nor_figure(self, tmp_path: Path) -> None:
        """What can't be written is named by its type."""
        with pytest.raises(TypeError) as caught:
            writers.write([1], tmp_path / "a.csv")

        assert str(caught.value) == "write: expected a DataFrame or a matplotlib figure, got list"

    def test_missing_folder(self, tmp_path: Path) -> None:
        """A folder that isn't there is said, and what to do."""
        path = tmp_path / "no" / "a.csv"

        with pytest.raises(writers.WriteError) as caught:
            writers.write(frame(), path)

        assert str(caught.value) == (
            f"could not write {path}: the folder {path.parent} does not exist; "
            "create it first, or choose another"
        )
        assert caught.value.errno == errno.ENOENT

    def test_a_file_in_place_of_the_folder(self, tmp_path: Path) -> None:
        """A file can't hold files."""
        (tmp_path / "file").write_text("x")

        with pytest.raises(writers.WriteError) as caught:
            writers.write(frame(), tmp_path / "file" / "a.csv")

        assert str(caught.value).endswith(f"a.csv: {tmp_path / 'file'} is not a folder; choose one that is")

    def test_a_folder_in_place_of_the_file(self, tmp_path: Path) -> None:
        """A folder is not overwritten."""
        (tmp_path / "a.csv").mkdir()

        with pytest.raises(writers.WriteError) as caught:
            writers.write(frame(), tmp_path / "a.csv")

        assert str(caught.value) == (f"could not write {tmp_path / 'a.csv'}: it is a folder; add a file name")

    def test_name_too_long(self, tmp_path: Path) -> None:
        """The length of the name is what to change."""
        with pytest.raises(writers.WriteError) as caught:
            writers.write(frame(), tmp_path / f"{'a' * 300}.csv")

        assert str(caught.value).endswith(": the file name is too long; choose a shorter one")
        assert left(tmp_path) == []

    def test_not_allowed(self, tmp_path: Path) -> None:
        """A folder that isn't the user's is said; a process without root's powers tries it."""
        tmp_path.chmod(0o555)
        code = """
            import os, sys
            import pandas as pd
            from e2e_magic.views import writers
            if os.geteuid() == 0:
                os.setresuid(65534, 65534, 65534)
            try:
                writers.write(pd.DataFrame({"a": [1]}), sys.argv[1])
            except OSError as error:
                sys.stdout.write(str(error))
        """
        done = python(code, "/proc/1/a.csv" if not Path("/proc/1").exists() else str(tmp_path / "a.csv"))

        assert done.stdout.endswith(f"writing to {tmp_path} is not allowed; choose a folder that is yours")
        assert done.stderr == ""


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class TestFaults:
    @pytest.mark.parametrize("suffix", [*FORMS, ".png"])
    def test_disk_full(self, tmp_path: Path, suffix: str) -> None:
        """With no room left the old file stays whole, nothing half is left, and the message says why."""
        path = tmp_path / f"a{suffix}"
        path.write_text("old")
        code = """
            import resource, sys
            import numpy as np
            import pandas as pd
            from matplotlib.figure import Figure
            from e2e_magic.views import writers
            figure = Figure()
            figure.subplots().plot(np.random.default_rng(1).random(1000))
            frame = pd.DataFrame({"a": np.random.default_rng(1).random(4000)})
            content = figure if sys.argv[1].endswith(".png") else frame
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
            try:
                writers.write(content, sys.argv[1])
            except writers.WriteError as error:
                sys.stdout.write(str(error))
        """

        done = python(code, str(path))

        if suffix != ".xlsx":  # openpyxl's own temporary file is full too, and it says so on its way out
            assert done.stderr == ""
        assert done.stdout == (
            f"could not write {path}: the disk is full, or a limit on file size is reached; "
            "free some space or choose another folder"
        )
        assert path.read_text() == "old"
        assert left(tmp_path) == [path.name]

    def test_a_real_full_disk(self, tmp_path: Path) -> None:
        """On a file system of 64 KiB that is really full, the same holds."""
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip("mounting a tmpfs is not allowed here; test_disk_full has the limit by RLIMIT_FSIZE")
        try:
            path = writers.write(frame(), tmp_path / "a.csv")
            before = path.read_bytes()
            with pytest.raises(writers.WriteError, match=r"the disk is full") as caught:
                writers.write(pd.DataFrame({"a": np.random.default_rng(1).random(20_000)}), path)

            assert caught.value.errno == errno.ENOSPC
            assert path.read_bytes() == before
            assert left(tmp_path) == ["a.csv"]
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)

    def test_interrupt(self, tmp_path: Path) -> None:
        """An interrupt in the middle leaves the old file and nothing else."""
        path = tmp_path / "a.json"
        path.write_text("old")
        code = """
            import sys
            import numpy as np
            import pandas as pd
            from e2e_magic.views import writers
            frame = pd.DataFrame(np.random.default_rng(1).random((300_000, 10)))
            writers.write(frame, sys.argv[1])
        """
        words = [sys.executable, "-c", textwrap.dedent(code), str(path)]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 30
            while len(left(tmp_path)) == 1 and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)

        assert "KeyboardInterrupt" in said
        assert path.read_text() == "old"
        assert left(tmp_path) == ["a.json"]

    def test_a_frame_that_can_not_be_rendered(self, tmp_path: Path) -> None:
        """An error of a value's own text comes through, and leaves nothing behind."""

        class Odd:
            def __repr__(self) -> str:
                raise RuntimeError("no text")

        for suffix in FORMS:
            with pytest.raises(RuntimeError, match="no text"):
                writers.write(pd.DataFrame({"a": [Odd(), 1]}), tmp_path / f"a{suffix}")
        assert left(tmp_path) == []

    @pytest.mark.parametrize(("suffix", "package"), [(".parquet", "pyarrow"), (".xlsx", "openpyxl")])
    def test_missing_package(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str
    ) -> None:
        """A format whose package is not installed names the pip command."""
        monkeypatch.setitem(sys.modules, package, None)

        with pytest.raises(ImportError) as caught:
            writers.write(frame(), tmp_path / f"a{suffix}")

        assert str(caught.value) == (f'writing {suffix[1:]} needs {package}: pip install "e2e-magic[export]"')
        assert caught.value.name == package
        assert left(tmp_path) == []
