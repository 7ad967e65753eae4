"""Measuring imports nothing into the measured process but the standard library and this package."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import Kernel

# Notes, for each module that is neither Python's own nor ours, which file of ours asked for it.
WATCH = """
import sys as _sys
class _Watch:
    ours = {}
    def find_spec(self, name, path=None, target=None):
        top, frame = name.partition(".")[0], _sys._getframe(1)
        if top in _sys.stdlib_module_names or top in self.ours or top == "e2e_magic":
            return None
        while frame is not None:
            module = str(frame.f_globals.get("__name__"))
            if module in ("__main__", "IPython.core.displayhook"):  # the user's code or value asked for it
                break
            if module.partition(".")[0] == "e2e_magic":
                self.ours[top] = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                break
            frame = frame.f_back
        return None
_sys.meta_path.insert(0, _Watch())
"""
# What IPython and the kernel load by themselves when a cell uses what every notebook uses.
SETTLE = """
import asyncio, warnings
from IPython.display import display, HTML
display(HTML("<b>ready</b>"))
len?
"""
LOADED = """
import json as _json, sys as _sys
print(_json.dumps([sorted({n.partition(".")[0] for n in list(_sys.modules)} - set(_sys.stdlib_module_names)),
                   {n: f for w in _sys.meta_path if type(w).__name__ == "_Watch" for n, f in w.ours.items()
            if n in _sys.modules}]))
"""
# The result of a sweep is drawn by matplotlib: that still comes in.
LIBRARIES = "import numpy as np\nimport pandas as pd\nimport torch\n"

# name: cells; those with a magic are measured.
CASES: dict[str, list[str]] = {
    "a quiet cell": ["%%e2ebench train -q\nsum(range(1000))"],
    "a cell and its card": ["%%e2ebench train\nsum(range(1000))"],
    "a card with pictures": ["%%e2ebench train -i 0.01\nimport time\ntime.sleep(0.2)"],
    "a live card": ["%%e2ebench train -i 0.01\nimport time\ntime.sleep(2.6)"],
    "a statement": ["%e2ebench -s infer sum(range(1000))"],
    "repeats with progress": ["%%e2ebench train --repeat 5 --warmup 1\nsum(range(1000))"],
    "log": ["%%e2ebench train\nimport e2e_magic as e2e\nfor n in range(5):\n    e2e.log(loss=1, accuracy=n)"],
    "the dict": ["%%e2ebench train\n{'loss': [3, 2, 1], 'accuracy': [0.1, 0.5, 0.9], 'num_entries': 100}"],
    "counts of two classes": ["%%e2ebench validate\n{'TP': 5, 'TN': 6, 'FP': 1, 'FN': 2}"],
    "a confusion matrix": ["%%e2ebench validate --confusion [[5,1],[2,8]] --classes ['a','b']\npass"],
    "labels": ["%%e2ebench validate --y-true ['a','b','a'] --y-pred ['a','a','b']\npass"],
    "labels of classes": ["%%e2ebench validate --y-true [0,1] --y-pred [0,1] --classes list('ab')\npass"],
    "scores": ["%%e2ebench validate --y-true [0,1,1] --y-pred [.2,.9,.4]\npass"],
    "scores of three classes": [
        "%%e2ebench validate --y-true [0,1,2] --y-pred [[.8,.1,.1],[.2,.7,.1],[.3,.3,.4]]\npass"
    ],
    "a matrix with a count that is none": ["%%e2ebench validate --confusion [[5,-1],[2,8]]\npass"],
    "curves with a gap": ["%%e2ebench train --loss [3,None,1]\n{'accuracy': (0.5, 2**70)}"],
    "decimals": ["from decimal import Decimal", "%%e2ebench train\n{'loss': [Decimal('0.5')]}"],
    "a standard array": ["import array", "%%e2ebench train\n{'loss': array.array('d', [2, 1])}"],
    "a target": ["%%e2ebench train --target-accuracy 0.5 --accuracy [0.1,0.4,0.6,0.7]\npass"],
    "entries": ["%%e2ebench infer --entries 1000\nsum(range(1000))"],
    "single calls": ["%%e2ebench infer --latency sum(range(10)) --latency-duration 0.05\npass"],
    "an estimate": ["%%e2ebench train --estimate-power 10,50\nsum(range(100000))"],
    "a variable": [
        "%%e2ebench train --out measured\n1",
        "repr(measured), measured.records, measured.missing",
    ],
    "a cell that keeps much": [
        "%%e2ebench train\nmuch, few = b'x' * 80 * 2**20, [[0] * 10**6]",
        "%e2e holders --free",
    ],
    "an error": ["%%e2ebench train\n1 / 0"],
    "a syntax error": ["%%e2ebench train\nx = = 1"],
    "a wrong option": ["%%e2ebench train --reepeat 3\n1"],
    "exit of a function": ["%%e2ebench train\nraise SystemExit(3)"],
    "await": ["%%e2ebench train\nimport asyncio\nawait asyncio.sleep(0.01)"],
    "prints": ["%%e2ebench train --repeat 3\nprint('once')"],
    "measure in a block": [
        "import e2e_magic as e2e\nwith e2e.measure('block') as trial:\n    sum(range(10))"
    ],
    "measure on a function": [
        "import e2e_magic as e2e\n@e2e.measure('f', repeat=2)\ndef f():\n    return {'loss': 0.5}\nf()"
    ],
    "auto": ["%e2e auto on", "sum(range(100))", "1 / 0", "%e2e auto off"],
    "a run": ["%e2e run next --description 'the next one'", "%%e2ebench train\n1"],
    "a run that is renamed": ["%e2e run after", "%%e2ebench train\n1", "%%e2ebench train\n2"],
    "help": ["%%e2ebench?", "%e2e"],
    "track": ["%%e2ebench train\nimport e2e_magic as e2e\nfor _ in e2e.track([[1, 2], [3, 4]]):\n    pass"],
    "all collectors by name": ["%%e2ebench train --metrics cpu,memory,io,energy,gpu\n1"],
    "a sweep without a card": ["%%e2esweep fit lr=0.1,0.2 -q --repeat 2\nlr"],
    "lines": [
        "def g(n):\n    return [x * x for x in range(n)]",
        "%%e2ebench train --lines\nfor _ in range(9):\n    g(9)",
    ],
    "lines of a function": ["%%e2ebench train --lines=g\ng(10)", "%e2ebench --lines g(10)"],
    "an inner loop": [
        "%%e2ebench short --number 100\n1 + 1",
        "%%e2ebench short --number auto\nsum(range(100))",
    ],
    "a memory limit": [
        "%%e2ebench train --memory-limit 90%\n1",
        "%%e2ebench train --memory-limit 1GiB\nb'x' * 2**31",
    ],
    "a limit, a zone and a price of a run": [
        "%e2e run limited --memory-limit 90% --zone DE --price 0.31EUR",
        "%%e2ebench train\n1",
        "%e2e run free",
    ],
    "the line in a plain cell": ["%e2e stage train\nsum(range(1000))"],
    "under another magic": ["%%capture\n%%e2ebench train\n1"],
    "a thread, a program and a fork": [
        "%%e2ebench train\nimport os, subprocess, sys, threading\n"
        "thread = threading.Thread(target=sum, args=([1],))\nthread.start()\nthread.join()\n"
        "subprocess.run([sys.executable, '-c', 'pass'])\n"
        "if not (pid := os.fork()):\n    os._exit(0)\nos.waitpid(pid, 0)"
    ],
    "the last card": ["%e2e last"],
    "what a cell waited for": ["%e2e why"],
    "a sweep with limits and lines": [
        "%%e2esweep fit lr=0.1,0.2 -q --trial-limit 60s,8GiB --order balanced --repeat 2 --lines\nlr"
    ],
    "user's arrays": [
        LIBRARIES,
        "%%e2ebench train --loss np.array([3.,2.]) --accuracy pd.Series([1])\n{'loss': torch.ones(2)}",
        "%%e2ebench validate --y-true np.array([0,1]) --y-pred torch.tensor([0,1])\n{'loss': torch.ones(())}",
    ],
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Give a kernel with the extension, in which every import is noted."""
    folder = tmp_path_factory.mktemp("clean")
    before = os.environ.pop("E2E_MAGIC_STORE", None)
    kernel = Kernel(str(folder))
    if before is not None:
        os.environ["E2E_MAGIC_STORE"] = before
    # An error, as IPython imports what colours its traceback.
    for cell in (WATCH, SETTLE, "1 / 0", "%load_ext e2e_magic", LOADED):
        kernel.execute(cell)
    yield kernel
    kernel.stop()


def loaded(kernel: Kernel) -> tuple[set[str], dict[str, str]]:
    """Return the top-level names that are loaded, and for those that we brought the file that did."""
    answer: list[Any] = json.loads(kernel.execute(LOADED).stdout)
    return set(answer[0]), answer[1]


@pytest.mark.parametrize("name", CASES)
def test_measuring_imports_nothing_foreign(watched: Kernel, name: str) -> None:
    """No module comes in through a file of ours, whatever is measured and shown."""
    _, before = loaded(watched)
    for cell in CASES[name]:
        watched.execute(cell)
    _, brought = loaded(watched)

    assert {module: file for module, file in brought.items() if module not in before} == {}


MIB = """
print(sum(int(line.split()[1]) for line in open('/proc/self/smaps_rollup') if line.startswith('Rss')) / 1024)
"""
WORKED = "import time\ntime.sleep(0.12)\nsum(range(1000))"
# A trial that leaves behind what came into its process, and through which file of ours.
TELL = """
import json, os, sys
watches = [w for w in sys.meta_path if type(w).__name__ == "_Watch"]
seen = {n: f for w in watches for n, f in w.ours.items() if n in sys.modules}
with open(f"{os.environ['TOLD']}/{os.getpid()}.json", "w") as file:
    json.dump([bool(watches), seen], file)
"""
# What the engine is made of, and what unpickles the trial, which once took `typing_extensions` along: they
# are asked for by --engine.
ENGINE = {"joblib", "cloudpickle", "typing_extensions"}


def resident_mib(kernel: Kernel) -> float:
    """Return the kernel's resident memory."""
    return float(kernel.execute(MIB).stdout)


def kernel_in(folder: Path) -> Kernel:
    """Start a kernel with the default store in its own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("E2E_MAGIC_STORE", raising=False)
        return Kernel(str(folder))


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs smaps_rollup")
def test_ten_measured_cells_with_cards_leave_memory_as_it_was(tmp_path: Path) -> None:
    """At most 4 MiB over the same cells unmeasured, store, sampler, pictures and lines included."""
    grown = []
    options = (
        "",
        "--lines",
        "--memory-limit 90%",
        "--repeat 2",
        "--latency time.sleep(0.001) --latency-duration 0.05",
    )
    for measured in (False, True):
        kernel = kernel_in(tmp_path)
        for cell in (WORKED, SETTLE, "%load_ext e2e_magic"):
            kernel.execute(cell)
        before = resident_mib(kernel)
        for option in options * 2:
            kernel.execute((f"%%e2ebench train -i 0.01 {option}\n" if measured else "") + WORKED)
        grown.append(resident_mib(kernel) - before)
        kernel.stop()

    assert grown[1] - grown[0] < 4


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs smaps_rollup")
def test_a_library_costs_the_second_measured_cell_what_it_costs_the_first(tmp_path: Path) -> None:
    """Its memory is that of the import, whichever cell was measured before it."""
    kept = []
    for cells in ((), ("%%e2ebench prepare -i 0.01\n" + WORKED,)):
        kernel = kernel_in(tmp_path)
        for cell in (SETTLE, "%load_ext e2e_magic", *cells, "%%e2ebench train -o r\nimport pandas"):
            kernel.execute(cell)
        read = "read = r.records[-1].readings\nprint(read['rss_end_mib'] - read['rss_start_mib'])"
        kept.append(float(kernel.execute(read).stdout))
        kernel.stop()

    assert kept[0] > 20
    assert kept[1] == pytest.approx(kept[0], abs=4)


QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
COSTS = """
kept = e2e_magic.results().groupby("stage", sort=False, observed=True).first()
kept["added_mib"] = kept["peak_rss_mib"] - kept["rss_start_mib"]
print(kept[["added_mib", "rss_delta_mib", "read_mib", "write_mib"]].to_json(orient="index"))
"""


def test_quickstart_stages_cost_the_same_whichever_was_measured_before(
    tmp_path: Path, need: Callable[..., None]
) -> None:
    """What a stage adds to memory and moves doesn't depend on which cells before it were measured."""
    need(importlib.util.find_spec("mlxtend"), "mlxtend (pip install 'e2e-magic[pipelines]')")
    sources = ["".join(cell["source"]) for cell in json.loads(QUICKSTART.read_text("utf-8"))["cells"]]
    cells = [source for source in sources if source.startswith("%%e2ebench")]
    cells = [
        cell.replace("range(1, 16)", "range(1, 3)").replace("--repeat 20", "--repeat 2") for cell in cells
    ]
    costs: list[dict[str, dict[str, float]]] = []
    for n, measured in enumerate(({0, 1, 2, 3}, {1, 3})):
        (tmp_path / str(n)).mkdir()
        kernel = kernel_in(tmp_path / str(n))
        kernel.execute("%load_ext e2e_magic\nimport e2e_magic")
        for which, cell in enumerate(cells):
            reply = kernel.execute(cell if which in measured else cell.partition("\n")[2], timeout=120)
            assert reply.status == "ok", reply
        costs.append(json.loads(kernel.execute(COSTS).stdout))
        kernel.stop()
    every, other = costs

    assert list(every) == ["prepare", "train", "validate", "infer"]
    assert list(other) == ["train", "infer"]
    for stage, cost in other.items():
        assert cost == pytest.approx(every[stage], abs=4), stage


@pytest.fixture
def watched_from_the_start(tmp_path: Path) -> Iterator[Path]:
    """Let each Python that is started note its imports from its first line on."""
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOLD", str(tmp_path))
        patch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        yield tmp_path


def told(folder: Path) -> dict[str, str]:
    """Return what came into the processes that left a note, by module; each was watched."""
    notes = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    assert notes
    assert all(watched for watched, _ in notes)
    return {module: file for _, seen in notes for module, file in seen.items()}


@pytest.mark.parametrize("engine", ["local:2", "kernel"])
def test_workers_are_left_as_they_were_too(watched_from_the_start: Path, engine: str) -> None:
    """A trial in another process brings nothing there but what carries it."""
    kernel = kernel_in(watched_from_the_start)
    kernel.execute("%load_ext e2e_magic")
    reply = kernel.execute(f"%%e2esweep fit n=1,2,3,4 --engine {engine} -q\nn\n{TELL}")
    kernel.stop()

    assert reply.status == "ok", reply
    brought = told(watched_from_the_start)
    assert {module: file for module, file in brought.items() if module not in ENGINE} == {}


def test_the_isolated_process_is_left_as_it_was_too(watched_from_the_start: Path) -> None:
    """The panel's trials run there."""
    script = (
        "from e2e_magic.sweeping.engines.isolated.calls import Isolated\n"
        "import e2e_magic as e2e\n"
        "def trial(text):\n"
        "    with e2e.measure('t', interval=0.01): exec(text, {})\n"
        "isolated = Isolated()\n"
        f"isolated.call(trial, {TELL!r})\n"
        "isolated.kill()\n"
    )
    environment = {**os.environ, "E2E_MAGIC_STORE": ":memory:"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert {m: file for m, file in told(watched_from_the_start).items() if m not in ENGINE} == {}


def test_a_script_is_left_as_it_was_too(watched_from_the_start: Path) -> None:
    """`measure` over a block and a function, with the default store; `latency` and `ab` until they tell."""
    script = (
        "import sys\n"
        "import e2e_magic as e2e\n"
        "@e2e.measure('f', repeat=3)\n"
        "def f(): return {'loss': [3, 2], 'accuracy': [.1, .9], 'TP': 1, 'TN': 2, 'FP': 0, 'FN': 1}\n"
        "f()\n"
        "with e2e.measure('t', interval=0.01) as trial:\n"
        "    e2e.log(loss=1)\n"
        f"exec({TELL!r}, {{}})\n"
        "print(trial)\n"
        "seen, before = [], set(sys.modules)\n"
        "libraries = {'numpy', 'pandas', 'scipy', 'matplotlib'}\n"
        "def look(*_): seen.extend(libraries & (set(sys.modules) - before))\n"
        "calls = e2e.latency(look, [1, 2], duration=0.05)\n"
        "before |= set(sys.modules)\n"
        "compared = e2e.ab(look, look, repeat=3)\n"
        "print(seen)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "E2E_MAGIC_STORE"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, env=environment, timeout=120, check=False, cwd=watched_from_the_start,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert told(watched_from_the_start) == {}
    assert done.stdout.endswith("\n[]\n")
