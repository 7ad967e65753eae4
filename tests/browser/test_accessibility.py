"""What axe-core finds on card, comparison and report: nothing serious, light and dark.

The panels are looked at where they are open: `test_compare_panel`, `test_sweep_panel`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from e2e_magic.record import Reason, Record, Run, Series
from e2e_magic.views import card, frames
from e2e_magic.views import report as html_report
from e2e_magic.views.comparison import compare

START = datetime(2026, 8, 1, tzinfo=UTC)


def _records() -> list[Record]:
    times = [k / 10 for k in range(20)]
    return [
        Record(
            run=run,
            stage="train",
            trial=n,
            repeat=n,
            state="complete",
            started_at=START,
            readings={"wall_time_s": wall + n / 100, "cpu_time_s": 0.5, "peak_rss_mib": 321.0},
            series={"rss_mib": Series.of(times, [300.0 + k for k in range(20)])},
            reported={"confusion": [[9, 1], [2, 8]], "loss": [3.0, 2.0, 1.0]},
            missing={"energy": Reason("", "no counters; " + "do this and then that " * 9)},
            source="model.fit(X, y)",
        )
        for run, wall in (("before", 2.0), ("after", 1.0))
        for n in range(1, 7)
    ]


def _page(name: str) -> str:
    records = _records()
    if name == "report":
        return html_report.render([Run(run, run, START) for run in ("before", "after")], records)
    if name == "card":
        part = card.html(records[:6])
    else:
        part = compare(frames.results(records, {}), frames.epochs(records, {})).html()
    return (
        '<!DOCTYPE html><html lang="en"><title>page</title><style>:root { color-scheme: light dark }'
        f"</style><main><h1>page</h1>{part}</main></html>"
    )


@pytest.mark.parametrize("name", ["card", "compare", "report"])
def test_axe_finds_no_serious_fault(browser: Any, serious: Callable[..., Any], name: str) -> None:
    """Contrast, labels, names of pictures, reach by keyboard; in a wide and in a narrow window."""
    html = _page(name)
    for scheme, width in (("light", 1366), ("dark", 1366), ("dark", 400)):
        # The report's own policy lets no other script run.
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True
        )
        page = context.new_page()
        page.set_content(html)
        faults = serious(page, "html")
        context.close()

        assert faults == []
