"""The cards, as a person sees them in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LONG = """import os, time, e2e_magic as e2e
held = []
while not os.path.exists('card-seen'):
    held.append(bytes(100_000)); time.sleep(0.01)
    if len(held) % 20 == 0: e2e.log(loss=1 / len(held))"""
QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"


HEIGHTS = """() => { window.heights = []; new MutationObserver(() => {
  const live = document.querySelector('.e2e-live');
  if (live) window.heights.push(Math.round(live.getBoundingClientRect().height)) })
  .observe(document.body, {subtree: true, childList: true}) }"""


def test_a_live_card_appears_and_the_final_one_replaces_it(
    open_notebook: Callable[..., Any], lab: Any
) -> None:
    """From 2 s on the running cell shows itself and its loss; afterwards there is one card, the final one."""
    page = open_notebook(["%load_ext e2e_magic", f"%%e2ebench long\n{LONG}"])
    page.tab.evaluate(HEIGHTS)
    page.run_all_from_the_menu()
    live = page.tab.locator(".e2e-live")
    live.wait_for(timeout=60_000)
    page.screenshot("live_card")

    assert "long running for" in live.inner_text()
    live.locator("img[alt^=loss]").wait_for(timeout=60_000)

    (lab.root / "card-seen").touch()
    card = page.tab.locator(".e2e-card")
    card.wait_for(timeout=60_000)

    assert live.count() == 0
    assert card.count() == 1
    heights = page.tab.evaluate("window.heights")
    assert heights
    assert heights == sorted(heights)  # at no instant lower, as of pictures that are still being decoded
    assert "wall time" in card.inner_text()
    assert card.locator("img").count() == 3  # CPU and memory side by side, and the loss
    page.screenshot("final_card")


PICTURES = """%%e2ebench loop
import time
from IPython.display import HTML, clear_output, display
for step in range(3):
    print("step", step)
    display(HTML(f"<i class='picture'>picture {step}</i>"))
    clear_output(wait=True)
    time.sleep(0.9)"""
WORDS = """%%e2ebench words
import time
for step in range(3):
    print("epoch", step, flush=True)
    time.sleep(0.9)
'the value'"""


def test_the_card_stands_behind_the_output_and_takes_none_away(open_notebook: Callable[..., Any]) -> None:
    """The last picture of a loop that clears stays; prints are not torn apart by the live card."""
    page = open_notebook(["%load_ext e2e_magic", PICTURES, WORDS])
    page.run_all_from_the_menu()
    page.tab.locator(".e2e-live").wait_for(timeout=60_000)
    page.screenshot("live_card_between_prints")
    page.tab.locator(".e2e-card").nth(1).wait_for(timeout=60_000)

    loop, words = (
        page.tab.locator(f".jp-CodeCell:has-text('%%e2ebench {name}') .jp-OutputArea").first
        for name in ("loop", "words")
    )
    assert loop.locator(".picture").all_inner_texts() == ["picture 2"]
    assert page.tab.locator(".e2e-live").count() == 0
    for area, before in ((loop, ["step 2", "picture 2"]), (words, ["epoch 2", "'the value'"])):
        said = area.inner_text()
        places = [said.index(part) for part in (*before, "wall time")]
        assert places == sorted(places)
    assert "step 1" not in loop.inner_text()
    page.screenshot("card_behind_its_output")


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
