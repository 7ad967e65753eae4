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
ROWS = "n => document.querySelector('.e2e-shown')?.dataset.rows == n"
AT_LEAST = "n => document.querySelector('.e2e-shown')?.dataset.rows >= n"
# Presses a button and returns how many ms it takes until the page shows one of some states.
PRESS = """async ([button, ...states]) => {
  const reached = states.map(state => `.e2e-state [data-state=${state}]`).join();
  const began = performance.now(); document.querySelector(button).click();
  while (!document.querySelector(reached)) {
    if (performance.now() - began > 20000) throw new Error('no state ' + states + ' but ' +
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
    return int(page.tab.locator(".e2e-shown").get_attribute("data-rows") or 0)


def wait_for(page: Any, selector: str, text: str, timeout: float = 60_000) -> None:
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
    page.tab.wait_for_function(ROWS, arg=5, timeout=60_000)
    page.run_cell(2)
    usable = page.tab.locator(".jp-Cell").nth(2).locator(".jp-OutputArea")

    assert "still usable" in usable.inner_text()
    assert page.tab.locator("[data-state=running]").count() == 1

    took_ms = page.tab.evaluate(PRESS, ["button.e2e-stop", "interrupted"])
    page.tab.wait_for_function(ROWS, arg=6, timeout=60_000)

    assert took_ms < 20_000  # the trial would take a minute; tests/benchmarks measures the stop itself
    assert rows(page) == 6
    assert "interrupted" in page.tab.locator(".e2e-trials").inner_text()
    assert "n is 2" in page.tab.locator(".e2e-output").inner_text()

    page.tab.evaluate(PRESS, ["button.e2e-resume", "done"])
    page.tab.wait_for_function(ROWS, arg=13, timeout=60_000)

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

    widgets = [d for o in saved["cells"][1]["outputs"] if "widget-view" in str(d := o.get("data"))]
    # What is read without a kernel, on a page that shows notebooks or in nbconvert: the prints are not.
    assert [d["text/plain"] for d in widgets] == [["Sweep panel of train: run this cell to use it"], []]
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
    page.tab.wait_for_function(AT_LEAST, arg=12)
    page.tab.wait_for_function("() => document.querySelectorAll('.e2e-trial-output').length == 12")
    page.tab.locator(".e2e-output").evaluate("e => { e.scrollIntoView(); e.scrollTop = -600 }")
    page.tab.evaluate(
        """() => { window.seen = []; const EMPTY = c =>
            !c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(Boolean); const look = () => {
          const charts = [...document.querySelectorAll('.e2e-plot canvas:first-child')];
          const plots = [...document.querySelectorAll('.e2e-output img')];
          window.seen.push({
            charts: charts.length, top: document.querySelector('.e2e-output').scrollTop,
            blank: plots.filter(i => !(i.complete && i.naturalWidth)).length + charts.filter(EMPTY).length,
            height: Math.round(document.querySelector('.e2e-panel').getBoundingClientRect().height)});
          window.looking = requestAnimationFrame(look) }; look() }"""
    )
    page.tab.wait_for_function(AT_LEAST, arg=rows(page) + 4)  # the trial that is read is among the last 12
    seen = page.tab.evaluate("() => { cancelAnimationFrame(window.looking); return window.seen }")
    page.tab.evaluate(PRESS, ["button.e2e-stop", "interrupted", "stopped"])

    assert len(seen) > 5
    assert {frame["charts"] for frame in seen} == {2}
    assert {frame["blank"] for frame in seen} == {0}
    assert len({frame["height"] for frame in seen}) == 1
    assert max(frame["top"] for frame in seen) < 0


def test_trials_in_this_kernel(open_notebook: Callable[..., Any], kernel_name: str) -> None:
    """With the switch on this kernel, trials see its live objects, and Stop acts after the running one."""
    cell = (
        "%%e2esweep live n=range(1, 400) --panel -m cpu\nimport time, threading\n"
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
    page.tab.wait_for_function(AT_LEAST, arg=3)
    page.tab.evaluate(PRESS, ["button.e2e-stop", "stopped"])
    page.run_cell(2)
    printed = page.tab.locator(".jp-Cell").nth(2).locator(".jp-OutputArea")
    expect(printed).to_contain_text("True")
    count = int(re.search(r"(\d+) True", printed.inner_text())[1])  # type: ignore[index]

    assert 3 <= count < 399
    # The page below is drawn right after the state is said.
    expect(page.tab.locator(".e2e-shown")).to_have_attribute("data-rows", str(count))
    assert "n was 1" in page.tab.locator(".e2e-output").inner_text()


def test_what_is_typed_wrong_is_said_beside_it(open_notebook: Callable[..., Any]) -> None:
    """A text that is no Python is said in words beside its control, and nothing can be run."""
    page = opened(open_notebook, "python3")
    row = page.tab.locator(".e2e-param-lr")
    row.locator("button.e2e-as-text").click()
    row.locator("input[type=text]").fill("geomspace(1,")
    row.locator("input[type=text]").press("Enter")
    wait_for(page, ".e2e-param-lr .e2e-param-error", "lr: 'geomspace(1,' is no Python expression")

    expect(page.tab.locator("button.e2e-run")).to_be_disabled()

    row.locator("input[type=text]").fill("0.1, 0.2")
    row.locator("input[type=text]").press("Enter")
    wait_for(page, ".e2e-count", "6 trials")

    expect(page.tab.locator("button.e2e-run")).to_be_enabled()
    assert page.tab.locator(".jp-RenderedText[data-mime-type$=error]").count() == 0


def test_results_are_in_sight_while_it_runs(open_notebook: Callable[..., Any]) -> None:
    """On a small laptop's screen the settings fold at Run: the charts and the first row stand on it."""
    page = opened(open_notebook, "python3")
    page.tab.set_viewport_size({"width": 1366, "height": 768})
    page.tab.evaluate(PRESS, ["button.e2e-run", "running"])
    page.tab.locator(".e2e-trials tr[data-row]").first.wait_for()
    page.tab.evaluate("document.querySelector('.e2e-panel').scrollIntoView()")

    assert not page.tab.locator(".e2e-settings").is_visible()
    assert "9 trials: 3 x 3" in page.tab.locator(".e2e-count").inner_text()
    for shown in (page.tab.locator(".e2e-plot").first, page.tab.locator(".e2e-trials tr[data-row]").first):
        box = shown.bounding_box()
        assert box is not None
        assert box["y"] > 0
        assert box["y"] + box["height"] <= 768 - 24  # the status bar
    prints = page.tab.locator(".e2e-output").bounding_box()
    table = page.tab.locator(".e2e-trials").bounding_box()

    assert prints["y"] > table["y"]

    page.tab.evaluate(PRESS, ["button.e2e-stop", "interrupted", "stopped"])
    page.tab.locator("button.e2e-fold").click()

    expect(page.tab.locator(".e2e-settings")).to_be_visible()


def test_in_a_narrow_window_the_controls_wrap(open_notebook: Callable[..., Any]) -> None:
    """At 800 px, with the file browser open, a slider can still be set with the mouse."""
    page = opened(open_notebook, "python3")
    page.width(800)

    for slider in page.tab.locator(".e2e-param .noUi-target").all():
        assert slider.bounding_box()["width"] >= 120


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
            page.tab.locator(".e2e-trials").scroll_into_view_if_needed()
            page.screenshot(f"panel_result_{look}")
            box = panel.bounding_box()

            assert box is not None
            assert box["x"] + box["width"] <= width
            assert panel.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
            for button in panel.locator("button:visible").all():
                assert button.evaluate("e => e.scrollWidth - e.clientWidth") <= 1


LOGGED = """%%e2esweep fit n=range(1, 4) lr=geomspace(1e-3,1e-1,3) --panel -m cpu
import time, e2e_magic as e2e
print(f'n is {n}')
for k in range(8):
    time.sleep(0.4 if n == 3 and lr > 0.05 else 0.01)
    e2e.log(loss=lr * n + 1 / (1 + k))
if n == 2 and lr > 0.05: raise ValueError('diverged')"""
# 10,000 trials in the widget itself, and which tasks are long as they are sorted, filtered and drawn.
MANY = """from array import array
from datetime import datetime, timezone
from e2e_magic.jupyter.panel.ledger import Ledger
from e2e_magic.jupyter.panel.results.widget import Results
from e2e_magic.record import Events, Record
from e2e_magic.sweeping.schedule import Goal
from e2e_magic.sweeping.space import Space
ledger, steps, now = Ledger(Goal('loss', None, {})), array('d', range(20)), datetime.now(timezone.utc)
for t in range(1, 10001):
    curve = Events(steps, steps, {'loss': array('d', [t % 97 + 9 / (k + 1) for k in range(20)])})
    ledger.add(Record('r', 'many', t, 1, 'complete', now, params={'n': t % 97, 'm': t}, events=curve))
many = Results('e2e-none', 'many', lambda entry: 'printed')
many.show(ledger, Space.parse(['n=range(97)', 'm=range(1, 10001)']).axes, 10000)
many"""
TASKS = """async () => {
  const seen = [], watch = new PerformanceObserver(list => seen.push(...list.getEntries()));
  watch.observe({entryTypes: ['longtask']});
  const live = [...document.querySelectorAll('.e2e-live')].at(-1), filter = live.querySelector('.e2e-filter');
  const rest = () => new Promise(done => setTimeout(done, 250));
  const typed = text => { filter.value = text; filter.dispatchEvent(new Event('input')); return rest() };
  live.querySelector('[data-sort=m]').click(); await rest();
  await typed('n>50'); await typed('42 complete'); await typed('');
  for (const mode of ['parallel', 'curves']) {
    const select = live.querySelector('.e2e-chart-right'); select.value = mode;
    select.dispatchEvent(new Event('change')); await rest() }
  watch.disconnect(); return seen.map(entry => Math.round(entry.duration)) }"""
UNNAMED = """() => [...document.querySelectorAll('.e2e-panel :is(button, input, select, .noUi-handle)')]
  .filter(e => !(e.getAttribute('aria-label') || e.title || e.labels?.length || e.innerText.trim()))
  .map(e => e.outerHTML.slice(0, 200))"""


def test_results_answer(
    open_notebook: Callable[..., Any], lab: Any, serious: Callable[..., list[list[str]]]
) -> None:
    """Curve while it runs, hover, click, sort, filter, brush and keys; 10,000 rows are few elements."""
    page = open_notebook(["%load_ext e2e_magic", LOGGED, MANY])
    page.run_cell(0)
    page.run_cell(1)
    tab = page.tab
    tab.locator("button.e2e-run").wait_for()
    expect(tab.locator(".e2e-fold[aria-expanded=true]")).to_be_visible()

    assert tab.evaluate(UNNAMED) == []
    assert serious(tab, ".e2e-panel") == []

    tab.locator("button.e2e-run").press("Enter")
    expect(tab.locator("button.e2e-stop")).to_be_focused()  # not the top of the page
    expect(tab.locator(".e2e-note", has_text="dashed: the trial that runs")).to_be_visible(timeout=60_000)
    page.screenshot("panel_running_curve")
    tab.locator("[data-state=done]").wait_for(timeout=60_000)
    tab.wait_for_function(ROWS, arg=9)

    assert "9 trials, 1 failed; best loss 0.126 at n=1, lr=0.001" in tab.locator(".e2e-finding").inner_text()
    assert not tab.locator(".e2e-sweep").is_visible()

    cells = tab.locator(".e2e-trials tr[data-row]")

    assert cells.first.inner_text().split()[:3] == ["1", "1", "0.001"]

    tab.get_by_role("button", name="lr", exact=True).click()
    tab.get_by_role("button", name="lr", exact=False).click()
    expect(tab.locator("th[aria-sort=descending]")).to_contain_text("lr")
    expect(cells.first.locator("td").nth(2)).to_have_text("0.1")
    tab.locator(".e2e-filter").fill("n>1 failed")
    expect(tab.locator(".e2e-shown")).to_have_text("1 of 9 rows")
    cells.first.click()
    detail = tab.locator(".e2e-detail")
    expect(detail).to_contain_text("ValueError: diverged")
    expect(detail.locator("pre")).to_contain_text("n is 2")
    expect(detail.locator("figcaption")).to_contain_text("loss: 1.2 to")
    tab.locator(".e2e-filter").fill("m=3")
    expect(tab.locator(".e2e-shown")).to_contain_text("there is no column m; there are trial, state")
    tab.locator(".e2e-filter").fill("")
    plot = tab.locator(".e2e-plot").first
    plot.focus()
    plot.press("ArrowRight")
    expect(tab.locator(".e2e-tip")).to_contain_text("lr = ")
    plot.press("Enter")
    expect(detail).to_contain_text("n = 1")
    tab.locator(".e2e-scroll").focus()
    tab.keyboard.press("End")
    expect(cells.last).to_have_attribute("aria-selected", "true")
    tab.locator(".e2e-chart-left").select_option("parallel")
    box = plot.bounding_box()
    tab.mouse.move(box["x"] + 62, box["y"] + 5)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 62, box["y"] + 40)
    tab.mouse.up()
    expect(tab.locator(".e2e-shown")).to_have_text("3 of 9 rows")  # n = 3
    for dark in (True, False):
        page.theme(dark)
        tab.wait_for_timeout(400)
        page.screenshot(f"panel_results_{'dark' if dark else 'light'}")

        assert serious(tab, ".e2e-panel") == []

    tab.locator(".e2e-chip").click()
    expect(tab.locator(".e2e-shown")).to_have_text("9 rows")
    tab.locator("button.e2e-export").press("Enter")
    wait_for(page, ".e2e-exported", "9 rows written to")

    page.run_cell(2)
    live = tab.locator(".e2e-live").last
    expect(live.locator(".e2e-shown")).to_have_attribute("data-rows", "10000")

    assert live.locator("tr[data-row]").count() < 60

    live.locator(".e2e-scroll").evaluate("e => { e.scrollTop = e.scrollHeight }")
    expect(live.locator("tr[data-row]").last).to_have_attribute("aria-rowindex", "10001")
    live.locator("tr[data-row]").last.click()
    expect(live.locator(".e2e-detail pre")).to_have_text("printed")
    print("tasks over 50 ms with 10,000 trials:", tab.evaluate(TASKS))

    # Who opens the saved notebook without a kernel sees the result.
    page.command("docmanager:save")
    page.close()
    open_notebook(lab.root / "notebook.ipynb", name="again.ipynb")
    cell = tab.locator(".jp-Cell").nth(1)
    expect(cell.locator(".e2e-sweep")).to_contain_text("9 trials, 1 failed; best loss 0.126", timeout=60_000)
    lost = cell.get_by_text("model not found")
    lost.first.wait_for(state="attached", timeout=60_000)
    expect(lost.first).to_be_hidden()
    expect(lost.last).to_be_hidden()
    page.screenshot("panel_reopened")

    assert cell.locator("img.e2e-chart").count() == 2
