"""Run one function of a benchmark in a fresh process, and cells in a real IPython shell there.

``call("bench_cell", "noop", 300)`` starts this file with the interpreter that runs now; the function's
value comes back as JSON over a file, so that whatever the measured tool prints can't disturb it.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

FOLDER = Path(__file__).parent


class Skipped(Exception):  # noqa: N818 - nothing is wrong, the tool isn't there
    """A figure that can't be had here; its text is the reason."""


def call(module: str, function: str, *arguments: object, timeout: float = 600) -> Any:
    """Return ``module.function(*arguments)``, run in a fresh interpreter.

    Raises
    ------
    Skipped
        If the function raised it there.
    RuntimeError
        If the process failed: with the end of what it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="e2e-bench-") as folder:
        answer = Path(folder, "answer.json")
        # Tools that write files (CodeCarbon, MLflow, IPython's history) do so where it is thrown away.
        environment = {**os.environ, "IPYTHONDIR": folder, "OMP_NUM_THREADS": "1", "HOME": folder}
        # Installed packages have their byte code; without it loading takes three times as long.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [
            sys.executable,
            str(FOLDER / "fresh.py"),
            module,
            function,
            json.dumps(arguments),
            str(answer),
        ]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        if not answer.exists():
            last = (done.stderr.strip() or done.stdout.strip())[-600:]
            raise RuntimeError(f"{module}.{function} ended with {done.returncode}: {last}")
        said = json.loads(answer.read_text())
    if "skipped" in said:
        raise Skipped(said["skipped"])
    return said["value"]


def shell() -> InteractiveShell:
    """Return the shell of a kernel with the displayed cards caught, as `shell.display_pub.outputs`."""
    from IPython.core.displaypub import CapturingDisplayPublisher

    try:
        from ipykernel.zmqshell import ZMQInteractiveShell as Shell
    except ImportError:
        from IPython.core.interactiveshell import InteractiveShell as Shell

    made = Shell.instance()
    made.display_pub = CapturingDisplayPublisher(parent=made)
    # There is no front end to send a traceback to: `run_cell` raises it.
    made._showtraceback = lambda *_: None
    run_cell(made, "pass")  # what IPython loads with its first cell is no cost of a magic
    return made


def run_cell(where: InteractiveShell, cell: str) -> float:
    """Run a cell, which must succeed; return the seconds."""
    began = time.perf_counter()
    result = where.run_cell(cell, store_history=False)
    seconds = time.perf_counter() - began
    result.raise_error()
    return seconds


def interleaved(
    cells: Sequence[Callable[[], float]], rounds: int, between: Callable[[], object] = lambda: None
) -> list[list[float]]:
    """Call each once per round, in another order each time, so that a drift of the machine hits all.

    Returns
    -------
    list of list of float
        What each returned, a list per callable, in the order of rounds.
    """
    order = random.Random(20260801)
    found: list[list[float]] = [[] for _ in cells]
    for _ in range(rounds):
        turn = list(range(len(cells)))
        order.shuffle(turn)
        for which in turn:
            found[which].append(cells[which]())
            between()
    return found


def middle(values: Sequence[float], draws: int = 2000) -> tuple[float, float]:
    """Return the median and half the width of its 95 % interval (percentile bootstrap)."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(draws))
    return statistics.median(values), (medians[int(0.975 * draws)] - medians[int(0.025 * draws)]) / 2


def row(what: str, value: float | str | None, unit: str, target: str = "") -> dict[str, Any]:
    """Return one figure as `run_all` takes it; `target` is ``<= 1`` or ``>= 95``, empty for none."""
    return {"what": what, "value": value, "unit": unit, "target": target}


def rows_of(*parts: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return all rows of these; one that fails gives a row that says why, and costs the others nothing."""
    found: list[dict[str, Any]] = []
    for part in parts:
        try:
            found += part()
        except Skipped as why:
            found.append(row(part.__name__.strip("_"), f"skipped: {why}", ""))
        except Exception as error:  # noqa: BLE001 - a part that fails must not cost the others' figures
            found.append(row(part.__name__.strip("_"), f"failed: {type(error).__name__}: {error}", ""))
    return found


def _main(module: str, function: str, arguments: str, answer: str) -> None:
    try:
        said = {"value": getattr(importlib.import_module(module), function)(*json.loads(arguments))}
    except Exception as error:
        # This file is __main__ here and `fresh` in the benchmark: two classes of one name.
        if type(error).__name__ != Skipped.__name__:
            raise
        said = {"skipped": str(error)}
    Path(answer).write_text(json.dumps(said))


if __name__ == "__main__":
    _main(*sys.argv[1:])
