"""The compare panel, as a person uses it in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SETUP = """%load_ext e2e_magic
%e2e store :memory:
import time, e2e_magic as e2e
for name, pause in (('small', 0.01), ('large', 0.1), ('other', 0.011)):
    e2e.run(name)
    for stage in ('train', 'infer'):
        for n in range(5):
            with e2e.measure(stage, metrics='cpu'):
                for epoch in range(1, 4):
                    time.sleep(pause / 3)
                    e2e.log(loss=1 / epoch)"""


def test_choices_change_the_table_the_chart_and_the_line(open_notebook: Callable[..., Any]) -> None:
    """Choose a stage, a metric and a run: what is shown follows, in the same output."""
    page = open_notebook([SETUP, "%e2e compare small large --panel"])
    page.run_all_from_the_menu()
    shown = page.tab.locator(".e2e-comparison")
    shown.wait_for(timeout=60_000)
    panel = page.tab.locator(".e2e-compare-panel")
    panel.wait_for()

    assert "train: large" in shown.inner_text()
    assert "infer: large" in shown.inner_text()

    choices = panel.locator("select")
    choices.nth(1).select_option("infer")
    page.tab.wait_for_function("!document.querySelector('.e2e-comparison').innerText.includes('train: ')")
    choices.nth(2).select_option("wall_time_s")
    choices.nth(4).select_option(["large", "other"])
    page.tab.wait_for_function(
        "document.querySelector('.e2e-compare-panel code').innerText.includes('large other')"
    )
    page.tab.wait_for_function("document.querySelector('.e2e-comparison').innerText.includes('other')")

    assert panel.locator("code").inner_text() == (
        "%e2e compare large other --baseline small --stage infer --metric wall_time_s"
    )
    assert shown.count() == 1
    assert "cpu_time_s" not in shown.inner_text()
    assert shown.locator("img").count() == 1
    for dark in (False, True):
        page.theme(dark)
        page.screenshot(f"compare_panel_{'dark' if dark else 'light'}")
    choices.nth(3).select_option("loss")
    page.tab.wait_for_timeout(1000)
    page.screenshot("compare_panel_loss")
    for width in (1200, 700):
        page.width(width)
        assert shown.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
    page.screenshot("compare_panel_narrow")
