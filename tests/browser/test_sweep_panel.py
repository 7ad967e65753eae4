"""The sweep panel, as a person uses it in JupyterLab, on the newest ipykernel and on 6.31."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

SWEEP = """%%e2esweep train n=range(1, 4) lr=geomspace(1e-3,1e-1,3) --panel -m cpu,memory
import time
print(f'n is {n}')
time.sleep(pause if n == 2 and lr > 0.05 else 0.05)
{'loss': 1 / n + lr}"""
# Presses a button and returns how many ms it takes until the page shows a state.
PRESS = """async ([button, state]) => {
  const began = performance.now(); document.querySelector(button).click();
  while (!document.querySelector(`.e2e-state [data-state=${state}]`)) {
    if (performance.now() - began > 20000) throw new Error('no state ' + state + ' but ' +
      document.querySelector('.e2e-state').innerText + document.querySelector('.e2e-message').innerText);
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - began }"""


@pytest.fixture(params=["python3", "ipykernel_631"])
def kernel_name(request: pytest.FixtureRequest) -> str:
    """Give both kernels that the panel must work with."""
    return "python3" if request.param == "python3" else str(request.getfixturevalue("ipykernel_631"))


def rows(page: Any) -> int:
    """Return the number of rows that the page says."""
    shown = page.tab.locator(".e2e-rows")
    return int(shown.inner_text().replace(",", "")) if shown.count() else 0


def wait_for(page: Any, selector: str, text: str, timeout: float = 30_000) -> None:
    """Wait until an element holds a text."""
    page.tab.wait_for_function(
        "([s, t]) => document.querySelector(s)?.innerText.includes(t)", arg=[selector, text], timeout=timeout
    )


def opened(open_notebook: Callable[..., Any], kernel: str, *more: str) -> Any:
    """Open a notebook, and run its first cells: the panel stands there."""
    version = "%load_ext e2e_magic\nimport ipykernel\npause = 60\nprint(ipykernel.__version__)"
    page = open_notebook([version, SWEEP, *more], kernel=kernel)
    page.run_cell(0)
    page.run_cell(1)
    page.tab.locator("button.e2e-run").wait_for()
    return page


def test_run_stop_resume_export(open_notebook: Callable[..., Any], lab: Any, kernel_name: str) -> None:
    """A slider is set, trials run, Stop ends one in its middle, Resume does the rest, the file has all."""
    page = opened(open_notebook, kernel_name, "pause = 0.05; 'still ' + 'usable'")
    version = page.tab.locator(".jp-Cell").first.locator(".jp-OutputArea").inner_text()

    assert version.strip().startswith("6.31." if kernel_name == "ipykernel631" else "7.")
    assert "9 trials" in page.tab.locator(".e2e-count").inner_text()
    assert page.tab.locator("button.e2e-stop").is_disabled()
    assert page.tab.locator("button.e2e-resume").is_disabled()

    page.tab.locator(".e2e-param-n .noUi-handle").last.press("ArrowRight")
    wait_for(page, ".e2e-count", "12 trials")
    wait_for(page, ".e2e-line", "n=range(1, 5)")
    page.tab.evaluate(PRESS, ["button.e2e-run", "running"])
    page.tab.locator("button.e2e-run").click(force=True)  # a second press does no harm
    # The first five are quick; the sixth (n=2, lr=0.1) would take a minute.
    page.tab.wait_for_function("() => document.querySelector('.e2e-rows')?.innerText == '5'", timeout=30_000)
    page.run_cell(2)
    usable = page.tab.locator(".jp-Cell").nth(2).locator(".jp-OutputArea")

    assert "still usable" in usable.inner_text()
    assert page.tab.locator("[data-state=running]").count() == 1

    took_ms = page.tab.evaluate(PRESS, ["button.e2e-stop", "interrupted"])
    page.tab.wait_for_function("() => document.querySelector('.e2e-rows').innerText == '6'", timeout=5000)

    assert took_ms < 20_000  # the trial would take a minute; tests/benchmarks measures the stop itself
    assert rows(page) == 6
    assert "interrupted" in page.tab.locator(".e2e-table").inner_text()
    assert "n is 2" in page.tab.locator(".e2e-output").inner_text()

    page.tab.evaluate(PRESS, ["button.e2e-resume", "done"])
    page.tab.wait_for_function("() => document.querySelector('.e2e-rows')?.innerText == '13'", timeout=10_000)

    assert page.tab.locator("img.e2e-chart").count() == 2
    assert "12 of 12 done" in page.tab.locator(".e2e-numbers").inner_text()

    page.tab.locator("button.e2e-export").click()
    wait_for(page, ".e2e-exported", "13 rows written to")
    with (lab.root / "train_trials.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    done = {(row["param_n"], row["param_lr"]) for row in written if row["state"] == "complete"}

    assert len(done) == 12
    assert sorted(row["state"] for row in written) == ["complete"] * 12 + ["interrupted"]
    assert all(row["host"] for row in written)

    page.command("docmanager:save")
    saved = json.loads((lab.root / "notebook.ipynb").read_text())
    html = "".join(
        "".join(output.get("data", {}).get("text/html", "")) for output in saved["cells"][1]["outputs"]
    )

    [panel] = [d for o in saved["cells"][1]["outputs"] if "widget-view" in str(d := o.get("data"))]
    # What is read without a kernel: on a page that shows notebooks, in nbconvert.
    assert panel["text/plain"] == ["Sweep panel of train: run this cell to use it"]
    assert "e2e-table" in html
    assert html.count("data:image/png;base64,") == 2


def test_nothing_jumps_while_it_runs(open_notebook: Callable[..., Any]) -> None:
    """Charts, table and plots are replaced without a gap; who reads an older trial's prints stays there."""
    cell = (
        "%%e2esweep busy n=range(1, 200) --panel -m cpu\nimport time, matplotlib.pyplot as plt\n"
        "time.sleep(0.4)\nprint('\\n'.join(f'{n} {k}' for k in range(9)))\n"
        "if n % 3 == 0: plt.figure(figsize=(3, 1)); plt.plot([n, 1]); plt.show()\n{'loss': 1 / n}"
    )
    page = open_notebook(["%load_ext e2e_magic", cell])
    page.run_cell(0)
    page.run_cell(1)
    page.tab.evaluate(PRESS, ["button.e2e-run", "running"])
    page.tab.wait_for_function("() => parseInt(document.querySelector('.e2e-rows')?.innerText) >= 12")
    page.tab.wait_for_function("() => document.querySelectorAll('.e2e-trial-output').length == 12")
    page.tab.locator(".e2e-output").evaluate("e => { e.scrollIntoView(); e.scrollTop = 600 }")
    page.tab.evaluate(
        """() => { window.seen = []; const look = () => {
          const charts = [...document.querySelectorAll('img.e2e-chart')];
          const plots = [...document.querySelectorAll('.e2e-output img')];
          window.seen.push({
            charts: charts.length, top: document.querySelector('.e2e-output').scrollTop,
            blank: [...charts, ...plots].filter(i => !(i.complete && i.naturalWidth)).length,
            height: Math.round(document.querySelector('.e2e-panel').getBoundingClientRect().height)});
          window.looking = requestAnimationFrame(look) }; look() }"""
    )
    more = "n => parseInt(document.querySelector('.e2e-rows').innerText) > n"
    page.tab.wait_for_function(more, arg=rows(page) + 3)  # the trial that is read is among the last 12
    seen = page.tab.evaluate("() => { cancelAnimationFrame(window.looking); return window.seen }")
    page.tab.evaluate(PRESS, ["button.e2e-stop", "interrupted"])

    assert len(seen) > 5
    assert {frame["charts"] for frame in seen} == {2}
    assert {frame["blank"] for frame in seen} == {0}
    assert len({frame["height"] for frame in seen}) == 1
    assert min(frame["top"] for frame in seen) > 0


def test_trials_in_this_kernel(open_notebook: Callable[..., Any], kernel_name: str) -> None:
    """With the switch on this kernel, trials see its live objects, and Stop acts after the running one."""
    cell = (
        "%%e2esweep live n=range(1, 40) --panel -m cpu\nimport time, threading\n"
        "seen.append((n, threading.current_thread() is threading.main_thread()))\n"
        "print('n was', n)\ntime.sleep(0.15)\nn"
    )
    page = open_notebook(
        ["%load_ext e2e_magic\nseen = []", cell, "print(len(seen), all(main for _, main in seen))"],
        kernel=kernel_name,
    )
    page.run_cell(0)
    page.run_cell(1)
    page.tab.get_by_role("button", name="this kernel").click()
    page.tab.evaluate(PRESS, ["button.e2e-run", "running"])
    page.tab.wait_for_function("() => parseInt(document.querySelector('.e2e-rows')?.innerText) >= 3")
    page.tab.evaluate(PRESS, ["button.e2e-stop", "stopped"])
    page.run_cell(2)
    printed = page.tab.locator(".jp-Cell").nth(2).locator(".jp-OutputArea")
    expect(printed).to_contain_text("True")
    count = int(re.search(r"(\d+) True", printed.inner_text())[1])  # type: ignore[index]

    assert 3 <= count < 39
    # The page below is drawn right after the state is said.
    expect(page.tab.locator(".e2e-rows")).to_have_text(str(count))
    assert "n was 1" in page.tab.locator(".e2e-output").inner_text()


def test_what_is_typed_wrong_is_said_beside_it(open_notebook: Callable[..., Any]) -> None:
    """A text that is no Python is said in words beside its control, and nothing can be run."""
    page = opened(open_notebook, "python3")
    row = page.tab.locator(".e2e-param-lr")
    row.locator("button").last.click()
    row.locator("input[type=text]").fill("geomspace(1,")
    row.locator("input[type=text]").press("Enter")
    wait_for(page, ".e2e-param-lr .e2e-param-error", "lr: 'geomspace(1,' is no Python expression")

    expect(page.tab.locator("button.e2e-run")).to_be_disabled()

    row.locator("input[type=text]").fill("0.1, 0.2")
    row.locator("input[type=text]").press("Enter")
    wait_for(page, ".e2e-count", "6 trials")

    expect(page.tab.locator("button.e2e-run")).to_be_enabled()
    assert page.tab.locator(".jp-RenderedText[data-mime-type$=error]").count() == 0


def test_how_it_looks(open_notebook: Callable[..., Any]) -> None:
    """In both themes and in a narrow window nothing is cut."""
    page = opened(open_notebook, "python3", "pause = 0.1")
    page.run_cell(2)
    panel = page.tab.locator(".e2e-panel")
    page.tab.evaluate(PRESS, ["button.e2e-run", "done"])
    for dark in (False, True):
        page.theme(dark)
        for width in (1200, 700):
            page.width(width)
            panel.scroll_into_view_if_needed()
            look = f"{'dark' if dark else 'light'}_{width}"
            page.screenshot(f"panel_{look}")
            page.tab.locator(".e2e-table").scroll_into_view_if_needed()
            page.screenshot(f"panel_result_{look}")
            box = panel.bounding_box()

            assert box is not None
            assert box["x"] + box["width"] <= width
            assert panel.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
            for button in panel.locator("button:visible").all():
                assert button.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
