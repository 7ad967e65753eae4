"""A sweep in the foreground, as a person sees it in JupyterLab: its progress, its table and its chart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SWEEP = (
    "%%e2esweep train lr=0.1,0.01,0.001 batch_size=16,32 -r 2 -m cpu,memory -o swept\n"
    "import os, time\n"
    "while lr == 0.01 and not os.path.exists('sweep-seen'):\n"
    "    time.sleep(0.01)\n"
    "print('trained with', lr)\n"
    "{'loss': [lr * batch_size / n for n in range(1, 6)]}"
)


def test_progress_then_table_and_chart(open_notebook: Callable[..., Any], lab: Any) -> None:
    """While it runs a bar says how far it is; at the end stand the medians and the chart, in both themes."""
    page = open_notebook(["%load_ext e2e_magic\n%e2e store :memory:", SWEEP, "swept.plot(kind='surface')"])
    page.run_cell(0)
    page.tab.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1;"
        " window.jupyterapp.commands.execute('notebook:run-cell') }"
    )
    progress = page.tab.locator(".e2e-sweep progress")
    progress.wait_for(timeout=60_000)
    page.screenshot("sweep_running")

    assert progress.get_attribute("max") == "12"
    assert "of 12 trials done" in page.tab.locator(".e2e-sweep").inner_text()

    (lab.root / "sweep-seen").touch()
    card = page.tab.locator(".e2e-sweep-card")
    card.wait_for(timeout=60_000)

    assert progress.count() == 0
    assert "train: 12 of 12 trials; best loss 0.0032 at lr=0.001, batch_size=16" in card.inner_text()
    assert card.locator("tbody tr").count() == 6
    page.run_cell(2)
    chart = page.tab.locator(".jp-OutputArea img").last
    for dark in (False, True):
        page.theme(dark)
        for name, where in (("table", card), ("surface", chart)):
            where.scroll_into_view_if_needed()
            page.screenshot(f"sweep_{name}_{'dark' if dark else 'light'}")
        assert card.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
