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


def test_choices_change_the_table_the_chart_and_the_line(
    open_notebook: Callable[..., Any], serious: Callable[..., list[list[str]]]
) -> None:
    """Choose a stage, a metric and a run: what is shown follows, in the same output; all can be read."""
    page = open_notebook([SETUP, "%e2e compare small large --panel"])
    page.run_all_from_the_menu()
    shown = page.tab.locator(".e2e-comparison")
    shown.wait_for(timeout=60_000)
    panel = page.tab.locator(".e2e-compare-panel")
    panel.wait_for()

    assert "large: " in shown.inner_text()
    assert {"train", "infer"} <= set(shown.inner_text().split())

    choices = panel.locator("select")
    choices.nth(0).select_option("infer")
    page.tab.wait_for_function("!document.querySelector('.e2e-comparison').innerText.includes('train')")
    choices.nth(1).select_option("wall_time_s")
    panel.get_by_label("compare other").click()
    page.tab.wait_for_function(
        "document.querySelector('.e2e-compare-panel code').innerText.includes('large other')"
    )
    page.tab.wait_for_function("document.querySelector('.e2e-comparison').innerText.includes('other')")

    assert panel.locator("code").inner_text() == (
        "%e2e compare large other --baseline small --stage infer --metric wall_time_s"
    )
    assert shown.count() == 1
    assert "CPU time" not in shown.inner_text()
    assert [alt.split(":")[0] for alt in shown.locator("img").evaluate_all("all => all.map(e => e.alt)")] == [
        "bars", "loss",
    ]  # fmt: skip
    assert panel.locator(".e2e-picked").inner_text().replace("\u00d7", " ").split() == (
        ["large", "other", "compared", "with", "small"]
    )
    for dark in (False, True):
        page.theme(dark)
        assert serious(page.tab, ".e2e-compare-panel") == []
        assert serious(page.tab, ".e2e-comparison") == []
        page.screenshot(f"compare_panel_{'dark' if dark else 'light'}")
    before = shown.locator("img").first.get_attribute("src")
    choices.nth(2).select_option("loss")
    page.tab.wait_for_function("was => document.querySelector('.e2e-comparison img')?.src != was", arg=before)
    page.screenshot("compare_panel_loss")
    for label, text in (("note on large", "ten times"), ("name of large", "slow")):
        panel.get_by_label(label).click()
        page.tab.keyboard.press("Control+a")
        page.tab.keyboard.type(text)
        page.tab.keyboard.press("Enter")
        panel.get_by_text(text, exact=True).first.wait_for()
    page.tab.wait_for_function("document.querySelector('.e2e-comparison').innerText.includes('slow: ')")
    for width in (1200, 700):
        page.width(width)
        assert shown.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
    page.screenshot("compare_panel_narrow")


HOSTILE = """%load_ext e2e_magic
%e2e store :memory:
import time, e2e_magic as e2e
bad = '<script>window.hit=1</script><img src=x onerror="window.hit=1">'
for name in (bad + '1', bad + '2', "'; DROP TABLE e2e_runs; --", 'b' * 1_000_000):
    e2e.run(name, description=bad)
    for n in range(4):
        with e2e.measure(bad, metrics='cpu'):
            e2e.log(loss=1.0)"""


def test_hostile_names_are_text_in_comparison_panel_and_frames(open_notebook: Callable[..., Any]) -> None:
    """No script of a run's or a stage's name runs, and a name of a megabyte doesn't spread the page."""
    page = open_notebook(
        [
            HOSTILE,
            "%e2e compare --panel",
            "e2e.compare()",
            "%e2e runs",
            "%e2e pipeline",
            "e2e.compare().plot('loss')",
            "e2e.compare().plot('cost', y='loss')",
        ]
    )
    page.run_all_from_the_menu()
    page.tab.locator(".e2e-compare-panel .e2e-runs tbody tr").first.wait_for(timeout=60_000)
    page.tab.locator(".e2e-comparison").nth(1).wait_for(timeout=60_000)
    page.tab.wait_for_function(
        "document.querySelectorAll('.jp-OutputArea-output img').length >= 5", timeout=60_000
    )

    assert page.tab.evaluate("window.hit") is None
    words = page.tab.locator(".e2e-comparison").first.inner_text()
    assert "<script>window.hit=1</script>" in words
    assert len(words) < 60_000
    panel = page.tab.locator(".e2e-compare-panel")
    assert panel.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
    panel.locator("tbody input[type=checkbox]").nth(2).click()
    page.tab.wait_for_function(
        "document.querySelector('.e2e-comparison').innerText.includes('DROP TABLE e2e_runs')"
    )
    assert page.tab.evaluate("window.hit") is None
    page.screenshot("compare_panel_hostile")
