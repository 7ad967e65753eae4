"""The cards, as a person sees them in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LONG = "import os, time\nheld = []\nwhile not os.path.exists('card-seen'):\n    held.append(bytes(100_000)); time.sleep(0.01)"
QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"


def test_a_live_card_appears_and_the_final_one_replaces_it(
    open_notebook: Callable[..., Any], lab: Any
) -> None:
    """From 2 s on the running cell shows itself; afterwards there is one card, the final one."""
    page = open_notebook(["%load_ext e2e_magic", f"%%e2ebench long\n{LONG}"])
    page.run_all_from_the_menu()
    live = page.tab.locator(".e2e-live")
    live.wait_for(timeout=20_000)
    page.screenshot("live_card")

    assert "long running for" in live.inner_text()

    (lab.root / "card-seen").touch()
    card = page.tab.locator(".e2e-card")
    card.wait_for(timeout=20_000)

    assert live.count() == 0
    assert card.count() == 1
    assert "wall time" in card.inner_text()
    assert card.locator("img").count() == 2  # CPU and memory, side by side
    page.screenshot("final_card")


def test_hostile_stage_names_are_text(open_notebook: Callable[..., Any]) -> None:
    """A stage is any text; it is never markup."""
    stage = '<script>window.hit=1</script><img src=x onerror="window.hit=1">'
    page = open_notebook(["%load_ext e2e_magic", f"%%e2ebench '{stage}'\n1"])
    page.command("notebook:run-all-cells")
    card = page.tab.locator(".e2e-card")
    card.wait_for()

    assert stage in card.inner_text()
    assert page.tab.evaluate("window.hit") is None


def test_the_quickstart_runs_from_the_menu_and_is_readable(open_notebook: Callable[..., Any]) -> None:
    """Every card of the quickstart fits, at 1200 and at 700 px, light and dark."""
    page = open_notebook(QUICKSTART, name="quickstart.ipynb")
    page.run_all_from_the_menu()
    page.tab.get_by_text("results written to").wait_for(timeout=120_000)

    assert (
        page.tab.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count() == 0
    )

    cards = page.tab.locator(".e2e-card")
    for dark in (False, True):
        page.theme(dark)
        for name in ("pipeline", "results", "metrics"):
            page.tab.locator(
                f".jp-Cell:has-text('%e2e {name}') .jp-OutputArea"
            ).last.scroll_into_view_if_needed()
            page.screenshot(f"quickstart_{name}_{'dark' if dark else 'light'}")
        for width in (1200, 700):
            page.width(width)
            look = f"{'dark' if dark else 'light'}_{width}"
            for n in range(cards.count()):
                cards.nth(n).scroll_into_view_if_needed()
                page.screenshot(f"quickstart_{look}_{n}")
                box = cards.nth(n).bounding_box()
                assert box is not None
                assert box["x"] + box["width"] <= width
                overflow = cards.nth(n).evaluate("e => e.scrollWidth - e.clientWidth")
                assert overflow <= 1
    assert cards.count() >= 2


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_cards_text_stands_out_in_both_themes(open_notebook: Callable[..., Any], name: str) -> None:
    """The card takes the theme's own text colour."""
    page = open_notebook(["%load_ext e2e_magic", "%%e2ebench train\n1"])
    page.theme(name == "dark")
    page.command("notebook:run-all-cells")
    card = page.tab.locator(".e2e-card")
    card.wait_for()
    colour = card.evaluate("e => getComputedStyle(e).color")
    red = int(colour.split("(")[1].split(",")[0])

    assert (red > 150) == (name == "dark")
