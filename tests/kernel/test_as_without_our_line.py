"""What a measured cell prints, warns of, draws, raises and stops at is what it does without our line."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.jupyter.cell_names import first_line
from tests.kernel.conftest import Kernel, Reply

LINES = {
    "a cell": "%%e2ebench -q\n{}",
    "repeats": "%%e2ebench -q --repeat 2\n{}",
    "a statement": "%e2ebench -q {}",
    "a first line": "%e2e stage train -q\n{}",
}


@pytest.fixture(autouse=True)
def _loaded(kernel: Any) -> None:
    kernel.execute("%load_ext e2e_magic\nimport e2e_magic as e2e")


def shown(reply: Reply) -> str:
    """Return all that is seen of a reply."""
    return "\n".join([str(reply.outputs), *(reply.traceback or [])])


def rows(kernel: Any, stage: str) -> list[dict[str, Any]]:
    """Return the rows of a stage."""
    reply = kernel.execute(f"print(e2e.results(stage={stage!r}).to_json(orient='records'))")
    assert reply.status == "ok", reply.evalue
    return list(json.loads(reply.stdout))


class TestHeldBack:
    """The output of all repeats but the last is held back."""

    def test_a_handler_that_a_warm_up_makes_goes_on_writing(self, kernel: Any) -> None:
        """It keeps the stream that it was made with."""
        kernel.execute("import logging\nlog = logging.getLogger('mine')\nlog.propagate = False")
        first = kernel.execute(
            "%%e2ebench -q --warmup 1 --repeat 2\n"
            "if not log.handlers:\n    log.addHandler(logging.StreamHandler())\nlog.warning('in the cell')"
        )
        later = kernel.execute("log.warning('later')")

        assert (first.stderr, later.stderr) == ("in the cell\n", "later\n")

    @pytest.mark.parametrize(
        "written",
        [
            "log.warning('here')",
            "print('here', file=kept)",
            "kept.writelines(['he', 're\\n'])",
            "bar('here')",
        ],
    )
    def test_who_kept_the_stream_before_is_held_back_too(self, kernel: Any, written: str) -> None:
        """A handler of an earlier cell writes once, as `print` does; and where a repeat fails it is seen."""
        kernel.execute(
            "import functools, logging, sys\nkept = sys.stderr\nlog = logging.getLogger('early')\n"
            "log.propagate = False\nlog.handlers = [logging.StreamHandler()]\n"
            "bar = functools.partial(print, file=sys.stderr)\nruns = 0"
        )
        first = kernel.execute(f"%%e2ebench -q --warmup 1 --repeat 2\n{written}")
        failed = kernel.execute(f"%%e2ebench -q --repeat 3\n{written}\nruns += 1\nassert runs < 2")
        later = kernel.execute(written)

        assert (first.stderr, failed.stderr, later.stderr) == ("here\n",) * 3
        assert kernel.execute("'StandIn' in repr(vars(kept).get('write'))").texts() == ["False"]

    def test_a_tee_that_the_code_leaves_behind_stays(self, kernel: Any) -> None:
        """Who replaces ``sys.stdout`` means it."""
        kernel.execute(
            "%%e2ebench -q --warmup 1\nimport sys\nclass Loud:\n    def __init__(self, below):\n"
            "        self.below = below\n    def write(self, text):\n        self.below.write(text.upper())\n"
            "    def __getattr__(self, name):\n        return getattr(self.below, name)\n"
            "if not isinstance(sys.stdout, Loud):\n    sys.stdout = Loud(sys.stdout)"
        )
        try:
            assert kernel.execute("print('loud')").stdout == "LOUD\n"
        finally:
            kernel.execute("sys.stdout = sys.stdout.below")
            kernel.execute("import sys\nwhile hasattr(sys.stdout, 'real'):\n    sys.stdout = sys.stdout.real")

    @pytest.mark.parametrize("asked", ["encoding", "isatty()", "errors", "name", "topic", "closed"])
    def test_the_stream_is_as_the_real_one(self, kernel: Any, asked: str) -> None:
        """What code asks of it is answered as without repeats."""
        kernel.execute("import sys\nanswers = []")
        kernel.execute(f"answers.append(sys.stdout.{asked})")
        kernel.execute(f"%%e2ebench -q --warmup 1\nanswers.append(sys.stdout.{asked})")

        assert kernel.execute("len(set(answers)), len(answers)").texts() == ["(1, 3)"]

    def test_a_process_may_write_to_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """``subprocess`` asks for the file descriptor, which ipykernel has outside of pytest alone."""
        monkeypatch.delenv("PYTEST_CURRENT_TEST")
        kernel = Kernel(str(tmp_path))
        kernel.execute("%load_ext e2e_magic\nimport subprocess, sys")
        reply = kernel.execute(
            "%%e2ebench -q --warmup 1\nsubprocess.run(['echo', 'x'], stdout=sys.stdout).returncode"
        )
        kernel.stop()

        assert (reply.status, reply.texts()) == ("ok", ["0"])

    @pytest.mark.parametrize("action", ["default", "once", "module"])
    def test_a_warning_is_seen_once_each(self, kernel: Any, action: str) -> None:
        """One that is issued once isn't lost with the repeat that is thrown away."""
        kernel.execute(
            "import sys, types, warnings\nlibrary = types.ModuleType('library')\n"
            "exec('import warnings\\ndef f():\\n    warnings.warn(\"careful\")', library.__dict__)\n"
            f"sys.modules['library'] = library\nwarnings.simplefilter({action!r})\n"
            "warnings.onceregistry.clear()"
        )
        first = kernel.execute("%%e2ebench -q --warmup 1 --repeat 3\nlibrary.f()")
        second = kernel.execute("%%e2ebench -q --warmup 1 --repeat 3\nlibrary.f()")
        kernel.execute("warnings.resetwarnings(); del sys.modules['library']")

        assert first.stderr.count("careful") == 1
        assert second.stderr == ""  # as a library's warning is shown once, whatever cell calls it

    def test_a_cells_own_warning_is_seen_in_each_cell(self, kernel: Any) -> None:
        """IPython forgets between two cells what the notebook's own code was warned of."""
        kernel.execute("import warnings\nwarnings.simplefilter('default')")
        seen = [kernel.execute("%%e2ebench -q --repeat 2\nwarnings.warn('mind')").stderr for _ in "ab"]
        kernel.execute("warnings.resetwarnings()")

        assert [text.count("UserWarning: mind") for text in seen] == [1, 1]

    @pytest.mark.parametrize("figure", ["plt.figure().gca()", "plt.subplots()", "plt.plot([1, 2])"])
    def test_figures_of_repeats_that_are_thrown_away_are_not_shown(self, kernel: Any, figure: str) -> None:
        """Those of the last one are."""
        kernel.execute("%matplotlib inline\nimport matplotlib.pyplot as plt")
        reply = kernel.execute(f"%%e2ebench -q --warmup 1 --repeat 3\n{figure};")

        assert ["image/png" in output["data"] for output in reply.outputs] == [True]

    def test_a_publisher_that_code_holds_publishes_afterwards(self, kernel: Any) -> None:
        """It is the real one's stand-in, for as long as a repeat takes."""
        kernel.execute(
            "%%e2ebench -q --warmup 1\nif 'publisher' not in globals():\n"
            "    publisher = get_ipython().display_pub"
        )
        reply = kernel.execute("publisher.publish({'text/plain': 'shown'})\npublisher.topic")

        assert reply.texts()[0] == "shown"
        assert reply.status == "ok"


class TestTracebacks:
    """None shows a frame of ours."""

    @pytest.mark.parametrize("line", LINES)
    @pytest.mark.parametrize(
        ("name", "prepare", "seen"),
        [
            ("a group", "def f(): raise ExceptionGroup('g', [ValueError('inner')])", "ExceptionGroup"),
            ("a cause", "def f():\n  try: 1/0\n  except Exception as e: raise KeyError from e", "KeyError"),
            ("its own", "class E(Exception):\n  def _render_traceback_(self): return ['mine']\n"
             "def f(): raise E", "mine"),
            ("in a method", "class A:\n  def __getattr__(self, n): raise AttributeError(n)\n"
             "def f(): A().b", "AttributeError"),
        ],
    )  # fmt: skip
    def test_of_an_exception(self, kernel: Any, line: str, name: str, prepare: str, seen: str) -> None:
        """Groups go through Python's own printing, others say themselves what is shown."""
        kernel.execute(prepare)
        text = shown(kernel.execute(LINES[line].format("f()")))

        assert seen in text, name
        assert "e2e_magic" not in text
        assert "skipping hidden" not in text

    @pytest.mark.parametrize("line", LINES)
    def test_under_rich(self, kernel: Any, line: str) -> None:
        """It takes the place of the shell's own function."""
        kernel.execute("import rich.traceback\nrich.traceback.install()\ndef f(): 1 / 0")
        try:
            text = shown(kernel.execute(LINES[line].format("f()")))
        finally:
            kernel.execute(
                "for n in ('showtraceback', '_showtraceback', 'showsyntaxerror'):\n"
                "    get_ipython().__dict__.pop(n, None)"
            )

        assert "ZeroDivisionError" in text
        assert "e2e_magic" not in text

    @pytest.mark.parametrize("line", LINES)
    def test_of_the_users_own_handler(self, kernel: Any, line: str) -> None:
        """``set_custom_exc`` gets the traceback as an argument."""
        kernel.execute(
            "import traceback\ndef f(): raise KeyError('k')\nget_ipython().set_custom_exc((KeyError,), "
            "lambda s, kind, e, trace, tb_offset=None: traceback.print_exception(kind, e, trace))"
        )
        try:
            text = shown(kernel.execute(LINES[line].format("f()")))
        finally:
            kernel.execute("get_ipython().set_custom_exc((), None)")

        assert "in f" in text
        assert "/e2e_magic/" not in text

    @pytest.mark.parametrize("mode", ["Plain", "Minimal", "Verbose", "Context", "Docs"])
    def test_in_each_mode(self, kernel: Any, mode: str) -> None:
        """``%xmode`` says how much is shown."""
        kernel.execute(f"%xmode {mode}\ndef f(): 1 / 0")
        texts = [shown(kernel.execute(line.format("f()"))) for line in LINES.values()]
        kernel.execute("%xmode Context")

        assert all("ZeroDivisionError" in text and "e2e_magic" not in text for text in texts)

    def test_of_tb_and_of_the_last_error(self, kernel: Any) -> None:
        """``%tb`` and ``sys.last_traceback`` start at the user's code, and so does ``%debug``."""
        kernel.execute("def f(): 1 / 0")
        kernel.execute("%e2ebench -q f()")
        reply = kernel.execute(
            "import sys, traceback\n"
            "[frame.name for frame in traceback.extract_tb(sys.last_value.__traceback__)][1:]"
        )

        assert reply.texts() == ["['<module>', 'f']"]


class TestDebugger:
    """JupyterLab's debugger, by its own messages."""

    def ask(self, kernel: Any, command: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request of the debugger's protocol and return the answer."""
        self.number = getattr(self, "number", 0) + 1
        content = {"type": "request", "command": command, "seq": self.number, "arguments": arguments or {}}
        message = kernel.client.session.msg("debug_request", content)
        kernel.client.control_channel.send(message)
        while True:
            reply = kernel.client.get_control_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return dict(reply["content"])

    @pytest.mark.parametrize("line", ["%%e2ebench -q", "%%e2ebench -q --repeat 2", "%e2e stage train -q"])
    @pytest.mark.parametrize("above", ["", "\n\n"])
    def test_it_stops_at_a_breakpoint(self, fresh_kernel: Any, line: str, above: str) -> None:
        """A breakpoint is set by the hash of the cell's whole text, our line and empty ones counted."""
        pytest.importorskip("debugpy")
        fresh_kernel.execute("%load_ext e2e_magic")
        cell = f"{above}{line}\nx = 1\ny = x + 1\nz = y + 1"
        at = cell.splitlines().index("y = x + 1") + 1
        self.ask(fresh_kernel, "initialize", {"clientID": "test", "adapterID": "", "pathFormat": "path"})
        assert self.ask(fresh_kernel, "attach", {})["success"]
        source = self.ask(fresh_kernel, "dumpCell", {"code": cell})["body"]["sourcePath"]
        where = {"source": {"path": source}, "breakpoints": [{"line": at}], "sourceModified": False}
        assert self.ask(fresh_kernel, "setBreakpoints", where)["success"]
        self.ask(fresh_kernel, "configurationDone")
        fresh_kernel.client.execute(cell)
        stopped, deadline = None, time.monotonic() + 60
        while stopped is None and time.monotonic() < deadline:
            message = fresh_kernel.client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "debug_event" and message["content"]["event"] == "stopped":
                stopped = message["content"]["body"]
        assert stopped is not None
        frames = self.ask(fresh_kernel, "stackTrace", {"threadId": stopped["threadId"]})["body"][
            "stackFrames"
        ]
        self.ask(fresh_kernel, "disconnect", {"restart": False, "terminateDebuggee": False})

        assert (stopped["reason"], frames[0]["line"], frames[0]["source"]["path"]) == (
            "breakpoint",
            at,
            source,
        )


class TestEachCellThatRunsHasARow:
    @pytest.mark.parametrize(
        ("name", "cell", "state"),
        [
            ("future after code", "x = 1\nfrom __future__ import division\nx", "complete"),
            ("global after use", "x = 1\nglobal x\nx", "complete"),
            ("global and annotation", "x: int = 1\nglobal x", "complete"),
            ("return at its end", "x = 1\nreturn x", "failed"),
            ("star at its end", "x = [1]\n*x", "failed"),
            ("break at its end", "x = 1\nbreak", "failed"),
            ("nothing", "# a comment", "complete"),
        ],
    )
    def test_by_statement(self, kernel: Any, name: str, cell: str, state: str) -> None:
        """IPython compiles one statement after the other: what runs up to an error has run."""
        stage = f"by-{name.replace(' ', '-')}"
        plain = kernel.execute(cell)
        kernel.execute(f"%%e2ebench {stage} -q\n{cell}")
        kernel.execute("%e2e auto on")
        kernel.execute(cell)
        kernel.execute("%e2e auto off")

        assert plain.status == ("ok" if state == "complete" else "error")
        assert [row["state"] for row in rows(kernel, stage)] == [state]
        assert [row["state"] for row in rows(kernel, first_line(cell))][-1:] == [state]

    @pytest.mark.parametrize(
        "cell", ["x = = 1", "return 1", "if True:\nx = 1", "print('never'", "yield 1\nx = 1"]
    )
    def test_what_does_not_run_has_none(self, kernel: Any, cell: str) -> None:
        """A syntax error is shown as ever, under our line and under `auto`."""
        kernel.execute("%e2e run none")
        replies = [kernel.execute(cell), kernel.execute(f"%%e2ebench not-run\n{cell}")]
        kernel.execute("%e2e auto on")
        replies.append(kernel.execute(cell))
        kernel.execute("%e2e auto off")

        assert (
            len({(reply.ename, re.sub(r"line \d+| \(.*", "", str(reply.evalue))) for reply in replies}) == 1
        )
        assert kernel.execute("len(e2e.results(run='none'))").texts() == ["0"]
        kernel.execute("%e2e run some")


# Each takes 0.3 s to be shown, and says when that begins.
SLOWLY_SHOWN = {
    "a value": "class Slow:\n    def _repr_html_(self):\n        show(); return '-'\nSlow()",
    "a figure": "import matplotlib.pyplot as plt\nfrom matplotlib.lines import Line2D\n"
    "class Slow(Line2D):\n    def draw(self, renderer):\n        show(); super().draw(renderer)\n"
    "_ = plt.gca().add_line(Slow([0, 1], [0, 1]))",
    "a traceback": "class Slow(Exception):\n    def _render_traceback_(self):\n"
    "        show(); return ['slow']\nraise Slow",
}


class TestDisplay:
    """The wall time ends with the code; what is shown of it has a time of its own."""

    @pytest.mark.parametrize("name", SLOWLY_SHOWN)
    @pytest.mark.parametrize("way", ["line", "auto", "repeats"])
    def test_it_is_not_in_the_wall_time(self, kernel: Any, name: str, way: str) -> None:
        """Under our line as under `auto`."""
        kernel.execute(
            "%matplotlib inline\nimport time, matplotlib.pyplot\nbegun = []\n"
            "def show(): begun.append(time.perf_counter()); time.sleep(0.3)"
        )
        kernel.execute("%e2e auto on" if way == "auto" else "1")
        line = {"line": "%%e2ebench shows -q\n", "repeats": "%%e2ebench shows -q --repeat 2\n", "auto": ""}[
            way
        ]
        kernel.execute("before = time.perf_counter()")
        kernel.execute(line + SLOWLY_SHOWN[name])
        run_s = float(kernel.execute("begun[0] - before").texts()[0])
        kernel.execute("%e2e auto off")
        row = rows(kernel, first_line(SLOWLY_SHOWN[name]) if way == "auto" else "shows")[-1]

        assert row["display_s"] >= 0.3
        assert row["wall_time_s"] < run_s

    @pytest.mark.parametrize("line", ["%load_ext autoreload", "%reload_ext autoreload", "%matplotlib inline"])
    def test_auto_measures_cells_with_lines_of_others(self, kernel: Any, line: str) -> None:
        """Only cells of our own lines alone are left out."""
        kernel.execute("%e2e auto on")
        kernel.execute(f"{line}\nx = 1")
        kernel.execute("%load_ext e2e_magic\n%e2e metrics")
        kernel.execute("%e2e auto off")

        assert len(rows(kernel, line)) == 1
        assert "%load_ext e2e_magic" not in kernel.execute("print(list(e2e.results()['stage']))").stdout


class TestWords:
    """``%e2e`` is a line magic like others."""

    def test_variables_are_expanded(self, kernel: Any, tmp_path: Any) -> None:
        """As in ``%cd $folder``; what is no variable stays."""
        kernel.execute(f"name, folder = 'of-{tmp_path.name}', {str(tmp_path)!r}")
        texts = [
            kernel.execute(f"%e2e run {word}").texts()[0].split(" started")[0]
            for word in ("$name", "{name}", "{name}-{1 + 1}", "$nothing")
        ]
        kernel.execute("%e2ebench -q 1")
        kernel.execute("%e2e export {folder}/out_{name}.csv")

        assert texts == [f"run of-{tmp_path.name}"] * 2 + [f"run of-{tmp_path.name}-2", "run $nothing"]
        assert (tmp_path / f"out_of-{tmp_path.name}.csv").exists()

    def test_expressions_are_not_expanded(self, kernel: Any) -> None:
        """They are Python, in which braces and dollars mean something else."""
        kernel.execute("loss = 7.0\nname = 'stage-of-$'")
        kernel.execute("%%e2ebench kept -q --loss {'loss':loss}['loss']\n1")
        kernel.execute("stage = 'expanded'")
        kernel.execute("%e2e stage $stage -q --loss {'loss':loss}['loss']\n1")

        assert [row["loss"] for stage in ("kept", "expanded") for row in rows(kernel, stage)] == [7.0, 7.0]

    @pytest.mark.parametrize("call", ["result.plot()", "sweep.plot()", "result.plot('loss')"])
    def test_a_semicolon_hides_no_chart(self, kernel: Any, call: str) -> None:
        """It is what notebooks type to hide the text of a chart."""
        kernel.execute("%%e2ebench train -q -o result\n{'loss': [3, 2, 1]}")
        kernel.execute("%%e2esweep fit lr=1,2 -q -o sweep\n{'loss': [lr, lr / 2]}")
        loud, quiet, kept = (kernel.execute(call + end) for end in ("", ";", ".get_figure if 0 else None;"))

        assert "<img" in str(loud.outputs)
        assert sum("<img" in str(output) for output in quiet.outputs) == 1
        assert kept.outputs == []

    @pytest.mark.parametrize(
        "line", ["%e2e stage --repaet 2", "x = 1\n%e2e stage train", "if True:\n    %e2e stage a\n"]
    )
    def test_a_first_line_that_is_wrong(self, kernel: Any, line: str) -> None:
        """It says so, and the cell doesn't run."""
        reply = kernel.execute(f"{line}\nran = True")

        assert reply.ename == "UsageError"
        assert str(reply.evalue).startswith("%e2e stage: ")
        assert kernel.execute("'ran' in globals()").texts() == ["False"]


def test_a_cell_in_a_deleted_directory_runs(fresh_kernel: Any) -> None:
    """It has a row too; what follows from the directory is missing."""
    fresh_kernel.execute("%load_ext e2e_magic\nimport os, tempfile, e2e_magic as e2e")
    fresh_kernel.execute("gone = tempfile.mkdtemp()\nos.chdir(gone)\nos.rmdir(gone)")
    reply = fresh_kernel.execute("%%e2ebench gone\n6 * 7")

    assert (reply.status, reply.texts()[0]) == ("ok", "42")
    assert fresh_kernel.execute("len(e2e.results(stage='gone'))").texts() == ["1"]
