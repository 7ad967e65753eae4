"""The report, as a person sees it: on screen, light and dark, and on paper."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from e2e_magic.record import Reason, Record, Run, Series
from e2e_magic.views import report as html_report

HOSTILE = (
    '<script>window.hit=1</script><img src="http://127.0.0.1:9/x" onerror="window.hit=1">'
    "<style>@import url(http://127.0.0.1:9/y)</style>\x00\x07\u202e' onload='window.hit=1"
)
ARTEFACTS = Path(__file__).parents[2] / "artefacts"


def _page(folder: Path) -> Path:
    start = datetime(2026, 8, 1, tzinfo=UTC)
    times = [k / 10 for k in range(50)]
    records = [
        Record(
            run=HOSTILE,
            stage=HOSTILE if n == 1 else "train",
            trial=n,
            repeat=1,
            state="failed" if n == 1 else "complete",
            started_at=start,
            error=f"ValueError: {HOSTILE * 10_000}",
            params={HOSTILE: HOSTILE},
            readings={"wall_time_s": float(n), "cpu_time_s": 0.5, "peak_rss_mib": 321.0},
            series={"rss_mib": Series.of(times, [300 + k % 7 for k in range(50)])},
            reported={"confusion": [[9, 1], [2, 8]], "classes": [HOSTILE, "b"], "loss": [3.0, 2.0, 1.0]},
            missing={HOSTILE: Reason(HOSTILE, HOSTILE, HOSTILE)},
        )
        for n in (1, 2, 3)
    ]
    return html_report.write(folder / "report.html", [Run(HOSTILE, HOSTILE, start, HOSTILE)], records)


def test_hostile_text_runs_nothing_and_asks_for_nothing(browser: Any, tmp_path: Path) -> None:
    """No script of any text runs, no request leaves the page, and nothing is wider than the window."""
    path = _page(tmp_path)
    for scheme in ("light", "dark"):
        for width in (1100, 400):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(path.as_uri())
            page.wait_for_load_state("load")

            assert page.evaluate("window.hit") is None
            assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
            assert "<script>window.hit=1</script>" in page.locator("body").inner_text()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator("img").count() >= 4
            assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (int(background.split("(")[1].split(",")[0]) < 60) == (scheme == "dark")
            head = page.locator("th", has_text="wall_time_s").last
            table = page.locator(".wide > table").last
            for order, first in (("ascending", "2"), ("descending", "3")):
                head.locator("button").click()
                assert head.get_attribute("aria-sort") == order
                assert table.locator("tbody tr").first.locator("td").first.inner_text() == first
            ARTEFACTS.mkdir(exist_ok=True)
            page.screenshot(path=str(ARTEFACTS / f"report_{scheme}_{width}.png"), full_page=True)
            page.close()


def test_it_prints_on_paper(browser: Any, tmp_path: Path) -> None:
    """On paper it is black on white, also for a reader whose screen is dark, and no card is cut."""
    path = _page(tmp_path)
    page = browser.new_page(color_scheme="dark")
    page.goto(path.as_uri())
    page.emulate_media(media="print")

    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    cards = page.locator(".e2e-card")
    assert cards.first.evaluate("e => getComputedStyle(e).breakInside") == "avoid"
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()
