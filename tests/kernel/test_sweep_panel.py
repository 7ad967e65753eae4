"""The panel in a real kernel, driven as a page does, and what happens where there is no page."""

from __future__ import annotations

import base64
import html
import importlib.util
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="an isolated process needs a POSIX system")

LOAD = "%load_ext e2e_magic\nimport e2e_magic as e2e, time\n%e2e store :memory:"
# As a kernel that has just begun, and without the seconds that one takes.
AFRESH = """
get_ipython().run_line_magic("unload_ext", "e2e_magic")
get_ipython().run_line_magic("reset", "-f")
import e2e_magic.session
e2e_magic.session.current().close()
e2e_magic.session._session = None
import os, sys
if "matplotlib" in sys.modules: sys.modules["matplotlib"].rcdefaults()
os.chdir({folder!r})
"""
SWEEP = "%%e2esweep train n=1,2,3 --panel -m cpu\nimport time\nprint('n', n)\ntime.sleep(pause * (n == 2))\nn"


def _page_class() -> Any:
    # pytest imports test files without their folder: a helper beside them is loaded by its path.
    spec = importlib.util.spec_from_file_location("panel_page", Path(__file__).with_name("panel_page.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PanelPage


@pytest.fixture
def empty(kernel: Any, tmp_path: Path) -> Any:
    """Give a page on the kernel of all these tests, with nothing of another's left."""
    kernel.execute(AFRESH.format(folder=str(tmp_path)))
    return _page_class()(kernel)


@pytest.fixture
def page(empty: Any) -> Any:
    """Give a page whose panel stands there; trial 2 takes a minute."""
    return _with_panel(empty)


def _with_panel(made: Any) -> Any:
    made.execute(f"{LOAD}\npause = 60")
    made.execute(SWEEP)

    assert made.error == ""
    assert made.state == "ready"
    return made


def done(page: Any) -> str:
    """Return the panel's numbers as text."""
    return str(page.widget("e2e-numbers").get("value", "")).replace("<b>", "").replace("</b>", "")


def printed(page: Any) -> str:
    """Return all that the page shows of what trials printed and displayed."""
    slots = (s for s in page.states.values() if "e2e-trial-output" in s.get("_dom_classes", ()))
    return str([slot.get("outputs") for slot in slots])


def pictures_of(page: Any) -> list[list[int]]:
    """Return the widths in px of each trial's pictures, in the order of the trials."""
    slots = [s for s in page.states.values() if "e2e-trial-output" in s.get("_dom_classes", ())]
    found = []
    for slot in slots:
        images = [output.get("data", {}).get("image/png") for output in slot.get("outputs", ())]
        found.append([int.from_bytes(base64.b64decode(data)[16:20], "big") for data in images if data])
    return found


def line(page: Any) -> str:
    """Return the magic line that the panel stands for, without markup."""
    return html.unescape(re.sub("<[^>]+>", "", page.widget("e2e-line").get("value", "")))


def said(page: Any, expression: str) -> Any:
    """Return what an expression is in the kernel."""
    page.execute(f"import json as _json; print(_json.dumps({expression}))")

    assert page.error == ""
    return json.loads(page.text.splitlines()[-1])


def of_kernel(kernel: Any) -> list[int]:
    """Return the isolated processes that belong to a kernel."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if len(words) > 4 and words[-1] == str(kernel.pid) and words[-5].endswith("isolated/__main__.py"):
            found.append(process.pid)
    return found


def wait_for(condition: Callable[[], object], within_s: float = 10) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_stop_ends_a_trial_at_once(page: Any, kernel: Any) -> None:
    """Stop amid a trial takes effect in its middle; its row says interrupted, nothing else is lost."""
    page.press("e2e-run")
    page.press("e2e-run")  # a second press does no harm
    page.until(lambda: "1 of 3 done" in done(page) and "n 2" in printed(page))
    assert said(page, "6 * 7") == 42
    page.drain(0.2)
    page.press("e2e-stop")
    took_s = page.until(lambda: not of_kernel(kernel))
    page.until(lambda: page.state == "interrupted")

    assert took_s < 10  # the trial would take a minute; tests/benchmarks measures the stop itself
    assert said(page, "[r.state for r in e2e.session.current().records]") == ["complete", "interrupted"]
    page.until(lambda: "interrupted" in page.page)
    assert page.widget("e2e-stop")["disabled"]
    assert not page.widget("e2e-resume")["disabled"]


def test_resume_runs_what_is_missing(page: Any) -> None:
    """After Stop, Resume runs the interrupted trial again and those that had not begun, and no other."""
    page.press("e2e-run")
    page.until(lambda: "n 2" in printed(page))
    page.press("e2e-stop")
    page.until(lambda: page.state == "interrupted")
    page.execute("pause = 0")
    page.press("e2e-resume")
    page.until(lambda: page.state == "done")
    rows = said(
        page, "[(r.params['n'], r.state, r.source is not None) for r in e2e.session.current().records]"
    )

    assert rows == [
        [1, "complete", True],
        [2, "interrupted", True],
        [2, "complete", True],
        [3, "complete", True],
    ]
    assert "3 of 3 done, 1 of them before" in done(page)
    assert page.widget("e2e-resume")["disabled"]

    page.until(lambda: 'class="e2e-rows">4<' in page.page)

    assert page.page.count("data:image/png;base64,") == 2


def test_the_best_parameters_become_variables(empty: Any) -> None:
    """Apply best sets what the best trial had; without one, and while trials run, it can't be pressed."""
    page = empty
    page.execute(f"{LOAD}\nn, pause = 'mine', 60")
    cell = "import time\ntime.sleep(pause * (n == 3))\n{'loss': (n - 2) ** 2 + len(act) - 4}"
    page.execute(f"%%e2esweep train n=1,2,3 act='relu','tanh' --panel -m cpu\n{cell}")

    assert page.widget("e2e-apply")["disabled"]

    page.press("e2e-run")
    page.until(lambda: "4 of 6 done" in done(page))

    assert page.widget("e2e-apply")["disabled"]

    page.press("e2e-stop")
    page.until(lambda: page.state == "interrupted")
    page.press("e2e-apply")
    page.until(lambda: "set in this notebook" in page.widget("e2e-exported").get("value", ""))

    assert "from trial 3: n = 2, act = relu" in page.widget("e2e-exported")["value"]
    assert said(page, "[n, act, pause]") == [2, "relu", 60]


def test_one_trial_is_one_row(empty: Any) -> None:
    """Numbers and their nouns agree; what was interrupted has not failed."""
    page = empty
    page.execute(f"{LOAD}\npause = 60")
    page.execute("%%e2esweep train n=1 --panel -m cpu\nimport time\nprint(n)\ntime.sleep(pause)")
    page.press("e2e-run")
    page.until(lambda: "1" in printed(page))
    page.press("e2e-stop")
    page.until(lambda: page.state == "interrupted" and "e2e-rows" in page.page)

    view = "[t.name for t in __import__('threading').enumerate() if t.name == 'e2e-sweep-view']"

    assert said(page, view) == []
    assert '<span class="e2e-rows">1</span> row<' in page.page
    assert "train: 0 of 1 trial, 1 interrupted" in page.page
    assert "0 of 1 done, 0 failed, 1 interrupted" in done(page)


def test_it_asks_to_stop_where_all_fail_alike(empty: Any) -> None:
    """The process starts, and is said to; trials that all fail with one error are worth a question."""
    page = empty
    page.execute(f"{LOAD}\npause = 60")
    cell = "import time\ntime.sleep(pause * (n == 4))\nraise ValueError('diverged' * (n != 5))"
    page.execute(f"%%e2esweep train n=range(1, 7) --panel -m cpu\n{cell}")
    page.press("e2e-run")
    page.until(lambda: any("starting a process: imports and data" in value for value in page.values))
    page.until(lambda: "3 of 6 done" in done(page))
    asked = "all 3 failed with the same error: stop? ValueError: diverged"
    page.until(lambda: asked in page.widget("e2e-state")["value"])
    page.press("e2e-stop")
    page.until(lambda: page.state == "interrupted")

    assert "3 failed, 1 interrupted" in done(page).replace("</b>", "")


def test_the_trials_are_isolated(page: Any) -> None:
    """What a trial does to its variables is not seen in the notebook."""
    page.execute("pause = 0; n = 'mine'")
    page.press("e2e-run")
    page.until(lambda: page.state == "done")

    assert said(page, "n") == "mine"
    assert said(page, "[r.host != '' for r in e2e.session.current().records]") == [True] * 3


def test_in_this_kernel_an_interrupt_ends_the_trial(page: Any, kernel: Any, tmp_path: Path) -> None:
    """The toolbar's Interrupt ends a trial that runs in the kernel; the kernel is usable after it."""
    page.execute(SWEEP.replace("print('n', n)", "open(f'begun {n}', 'w').close()"))
    page.set("e2e-where", index=1)
    page.press("e2e-run")
    page.until((tmp_path / "begun 2").exists)
    kernel.manager.interrupt_kernel()
    page.until(lambda: page.state == "interrupted")

    assert said(page, "[r.state for r in e2e.session.current().records]") == ["complete", "interrupted"]
    assert said(page, "'n' in globals()") is False


def test_on_workers_stop_ends_what_runs(page: Any) -> None:
    """With workers, trials run side by side; Stop ends them in their middle and leaves no process."""
    page.set("e2e-where", index=2)
    page.until(lambda: "--engine local:2" in page.widget("e2e-line")["value"])
    page.press("e2e-run")
    page.until(lambda: "2 of 3 done" in done(page), timeout=60)
    page.press("e2e-stop")
    page.until(lambda: page.state == "interrupted")
    rows = said(page, "sorted((r.params['n'], r.state, r.concurrent) for r in e2e.session.current().records)")

    assert rows == [[1, "complete", True], [2, "interrupted", True], [3, "complete", True]]
    assert "n 3" in printed(page)
    assert said(page, "[p.pid for p in __import__('psutil').Process().children(recursive=True)]") == []


@pytest.mark.parametrize("where", [0, 1])
def test_plots_of_trials_land_in_the_panel(empty: Any, where: int) -> None:
    """Shown, left open or displayed, isolated or in this kernel: pictures, in the notebook's own style."""
    page = empty
    page.execute(
        f"{LOAD}\nimport matplotlib.pyplot as plt\nfrom matplotlib.figure import Figure\n"
        "plt.rcParams['figure.figsize'] = (2, 1)"
    )
    page.execute(
        "%%e2esweep drawn n=1,2,3,4 --panel -m cpu\n"
        "if n < 3: plt.plot([1, n])\n"
        "if n == 1: plt.show()\n"
        "if n == 3: made = Figure(); made.add_subplot(); display(made)\n"
        "print('after', n)\n"
        "if n == 4: raise ValueError('no four')"
    )
    page.set("e2e-where", index=where)
    page.press("e2e-run")
    page.until(lambda: page.state == "done")
    page.until(lambda: "after 4" in printed(page) and "no four" in printed(page))

    assert [len(pictures) for pictures in pictures_of(page)] == [1, 1, 1, 0]
    assert all(width < 300 for pictures in pictures_of(page) for width in pictures)
    assert said(page, "plt.get_fignums()") == []
    assert "Traceback" in printed(page)
    assert "e2e_magic" not in printed(page).replace("%%e2esweep", "")


def test_a_cell_with_a_magic_runs_in_this_kernel(empty: Any) -> None:
    """A magic is at home in the kernel: the switch stands there, and isolated says so in its words."""
    page = empty
    page.execute(LOAD)
    page.execute("%%e2esweep timed n=1,2 --panel -m cpu\n%time sum(range(n))")

    assert page.widget("e2e-where")["index"] == 1

    page.set("e2e-where", index=0)
    page.press("e2e-run")
    page.until(lambda: page.state == "failed")

    assert (
        "the cell uses a magic, !shell or get_ipython(), which only this kernel has; leave it out or let "
        "the trials run in this kernel"
    ) in page.widget("e2e-message")["value"]

    page.set("e2e-where", index=1)
    page.press("e2e-run")
    page.until(lambda: page.state == "done")


def test_unload_ends_a_running_sweep(page: Any, kernel: Any) -> None:
    """%unload_ext amid a trial leaves no process and no thread; the rows stay."""
    page.press("e2e-run")
    page.until(lambda: "n 2" in printed(page))
    assert of_kernel(kernel)
    page.execute("%unload_ext e2e_magic")
    left = said(page, "[t.name for t in __import__('threading').enumerate() if t.name.startswith('e2e')]")

    assert left == []
    wait_for(lambda: not of_kernel(kernel))
    assert said(page, "[r.state for r in e2e.session.current().records]") == ["complete", "interrupted"]


def test_unload_ends_a_sweep_in_this_kernel(page: Any) -> None:
    """The task on the kernel's own loop is cancelled, without waiting for it."""
    page.execute("%%e2esweep live n=range(99) --panel -m cpu\nimport time\ntime.sleep(0.1)\nn")
    page.set("e2e-where", index=1)
    page.press("e2e-run")
    page.until(lambda: "2 of 99 done" in done(page))
    page.execute("%unload_ext e2e_magic")
    count = said(page, "len(e2e.session.current().records)")
    page.drain(0.5)

    assert said(page, "len(e2e.session.current().records)") == count < 60
    assert page.state == "closed"


@pytest.mark.parametrize("how", ["killed", "shut down"])
def test_the_process_ends_with_the_kernel(fresh_kernel: Any, how: str) -> None:
    """However the kernel ends amid a trial, its isolated process ends too."""
    page = _with_panel(_page_class()(fresh_kernel))
    page.press("e2e-run")
    page.until(lambda: "n 2" in printed(page))
    [pid] = of_kernel(fresh_kernel)
    if how == "killed":
        os.kill(fresh_kernel.pid, signal.SIGKILL)
    else:
        fresh_kernel.manager.shutdown_kernel(now=False)

    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_running_the_cell_again_replaces_the_panel(page: Any, kernel: Any) -> None:
    """The panel before it has no page to be seen on: what ran in it is ended."""
    page.press("e2e-run")
    page.until(lambda: "n 2" in printed(page))
    before = of_kernel(kernel)
    page.execute(SWEEP)

    assert page.state == "ready"
    wait_for(lambda: not {*before} & {*of_kernel(kernel)})
    assert len(of_kernel(kernel)) == 1  # the new one's, which is ready before Run


def test_only_the_newest_panel_keeps_a_process(page: Any, kernel: Any) -> None:
    """A panel's process starts with it, so that Run needn't wait; with the next panel another's ends."""
    [before] = of_kernel(kernel)
    page.execute(SWEEP.replace("train", "other"))

    wait_for(lambda: before not in of_kernel(kernel))
    assert len(of_kernel(kernel)) == 1


def test_a_panel_of_a_measured_cell(empty: Any) -> None:
    """%e2e panel takes the last measured cell; a parameter is added from the names that it reads."""
    page = empty
    page.execute(LOAD)
    page.execute("%e2e panel")

    assert page.error == (
        "UsageError: panel: no cell was measured or swept yet; run one under %%e2ebench or %%e2esweep first"
    )

    page.execute("size = 3")
    page.execute("%%e2ebench fit -q -m cpu\nsum(range(size))")
    page.execute("%e2e panel nit")

    assert page.error == (
        "UsageError: panel: no cell of stage 'nit' was measured or swept in this kernel (did you mean fit?); "
        "there are fit"
    )

    page.execute("%e2e panel")

    assert page.error == ""
    assert "a sweep needs at least one" in page.widget("e2e-message")["value"]
    assert page.widget("e2e-run")["disabled"]
    assert page.widget("e2e-add-name")["options"] == ["size"]

    page.set("e2e-add-name", value="size")
    page.press("e2e-add")
    page.until(lambda: "%%e2esweep fit size=3 --metrics cpu" in line(page))
    page.set("e2e-param-text", value="3, 30")
    page.until(lambda: "2 trials" in page.widget("e2e-count")["value"])
    page.press("e2e-run")
    page.until(lambda: page.state == "done")

    assert said(page, "[r.params for r in e2e.session.current().records][-2:]") == [{"size": 3}, {"size": 30}]


def test_what_cannot_be_sent_is_said_in_words(empty: Any) -> None:
    """A variable that can't leave the kernel is named in the panel, with what to do."""
    page = empty
    page.execute(f"{LOAD}\nimport threading\nlock = threading.Lock()")
    page.execute("%%e2esweep held n=1,2 --panel -m cpu\nwith lock:\n    n")
    page.press("e2e-run")
    page.until(lambda: "lock: this variable can" in page.widget("e2e-message").get("value", ""))

    assert page.state == "failed"

    page.set("e2e-where", index=1)
    page.press("e2e-run")
    page.until(lambda: page.state == "done")


def test_a_wrong_line_fails_the_cell(empty: Any) -> None:
    """With --panel a wrong line is the same error as without."""
    page = empty
    page.execute(LOAD)
    page.execute("%%e2esweep train batch=1,2 --panel\nbatch_size = 3")

    assert page.error.startswith("UsageError: batch: the cell never reads this parameter")

    page.execute("%%e2esweep train batch=1,2 --target acuracy --panel\nbatch")

    assert page.error.startswith("UsageError: target: there is no metric 'acuracy' (did you mean accuracy?)")


def test_without_a_page_the_sweep_runs_at_once(tmp_path: Path) -> None:
    """Under nbclient, which shows no widgets, the cell runs in the foreground; its result is in the file."""
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook()
    book.cells = [
        nbformat.v4.new_code_cell(cell) for cell in (f"{LOAD}\npause = 0", SWEEP, "len(e2e.trials())")
    ]
    client = NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.create_kernel_manager()
    client.km.kernel_spec.argv[0] = sys.executable
    client.execute()
    swept, counted = book.cells[1].outputs, book.cells[2].outputs

    assert counted[0]["data"]["text/plain"] == "3"
    assert any("text/html" in output.get("data", {}) for output in swept)
    assert not any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in swept)
    said = "".join(output.get("text", "") for output in swept)
    assert "n 3" in said
    assert (
        "e2e_magic: --panel: nobody shows widgets here (a terminal, nbclient or papermill), "
        "so the sweep runs at once\n"
    ) in said


@pytest.mark.usefixtures("empty")
def test_a_python_client_is_no_page(kernel: Any) -> None:
    """A console or a script on the kernel has no widgets either."""
    kernel.execute(f"{LOAD}\npause = 0")
    reply = kernel.execute(SWEEP)

    assert reply.status == "ok"
    assert not any("widget-view" in str(output.get("data")) for output in reply.outputs)
    assert kernel.execute("print(len(e2e.trials()))").stdout == "3\n"

    refused = kernel.execute("%e2e panel")

    assert (refused.ename, refused.evalue) == (
        "UsageError",
        "panel: nobody shows widgets here (a terminal, nbclient or papermill); "
        "use %%e2esweep train NAME=VALUES",
    )
