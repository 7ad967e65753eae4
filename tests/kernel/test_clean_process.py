"""Measuring imports nothing into the measured process but the standard library and this package."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
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
# Labels are counted by numpy, and the result of a sweep is drawn by matplotlib: these still come in.
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
    "a target": ["%%e2ebench train --target-accuracy 0.5 --accuracy [0.1,0.4,0.6,0.7]\npass"],
    "entries": ["%%e2ebench infer --entries 1000\nsum(range(1000))"],
    "single calls": ["%%e2ebench infer --latency sum(range(10)) --latency-duration 0.05\npass"],
    "an estimate": ["%%e2ebench train --estimate-power 10,50\nsum(range(100000))"],
    "a variable": [
        "%%e2ebench train --out measured\n1",
        "repr(measured), measured.records, measured.missing",
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
