"""What trials draw in the isolated process, and how it looks."""

from __future__ import annotations

import base64
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import pytest

from e2e_magic.jupyter.panel.isolated_shell import PREPARE, dress, style_of_kernel
from e2e_magic.sweeping.engines.isolated.calls import Isolated

pytestmark = pytest.mark.skipif(os.name != "posix", reason="an isolated process needs a POSIX system")

PYPLOT_SHOWN = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('after')"
PYPLOT_LEFT = "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2])"
FIGURE = (
    "from IPython.display import display\nfrom matplotlib.figure import Figure\n"
    "made = Figure()\nmade.add_subplot().plot([1, 2])\ndisplay(made)"
)


@pytest.fixture(scope="module")
def isolated() -> Iterator[Isolated]:
    """Give one process for all tests, started where plots would go nowhere."""
    before = os.environ.get("MPLBACKEND")
    os.environ["MPLBACKEND"] = "agg"
    made = Isolated(PREPARE)
    made.call(len, "")
    if before is None:
        del os.environ["MPLBACKEND"]
    else:
        os.environ["MPLBACKEND"] = before
    yield made
    made.kill()


def heard(isolated: Isolated, code: str) -> list[tuple[str, Any]]:
    """Run code there and return what it said."""
    said: list[tuple[str, Any]] = []
    isolated.call(exec, code, {}, hear=lambda kind, content: said.append((kind, content)))
    return said


@pytest.mark.parametrize("code", [PYPLOT_SHOWN, PYPLOT_LEFT, FIGURE])
def test_what_is_drawn_comes_as_a_picture(isolated: Isolated, code: str) -> None:
    """Shown, left open or displayed: a figure is a PNG for the panel, whatever the kernel's backend is."""
    said = heard(isolated, code)
    [(data, _)] = [content for kind, content in said if kind == "display"]

    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")


def test_prints_come_behind_the_plot_that_was_shown_before(isolated: Isolated) -> None:
    """In the order in which the trial made them."""
    assert [kind for kind, _ in heard(isolated, PYPLOT_SHOWN)] == ["display", "streams"]


def test_the_next_trial_begins_without_figures(isolated: Isolated) -> None:
    """What a trial has left open was shown, and is closed."""
    heard(isolated, PYPLOT_LEFT)

    assert isolated.call(eval, "__import__('matplotlib.pyplot').pyplot.get_fignums()") == []


def test_figures_look_as_in_the_notebook(isolated: Isolated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that the user changed are taken over; the backend and what is at its default are not."""
    monkeypatch.setitem(mpl.rcParams, "axes.facecolor", "yellow")
    style = style_of_kernel()

    assert style["axes.facecolor"] == "yellow"
    assert not any(name.startswith("backend") for name in style)
    assert "lines.linestyle" not in style

    isolated.call(dress, style)

    assert isolated.call(eval, "__import__('matplotlib').rcParams['axes.facecolor']") == "yellow"


@pytest.mark.parametrize("loaded", [None, types.ModuleType("matplotlib")])
def test_without_matplotlib_there_is_no_style(monkeypatch: pytest.MonkeyPatch, loaded: Any) -> None:
    """Not imported, or in the middle of its import in another thread: nothing is taken over."""
    monkeypatch.setitem(sys.modules, "matplotlib", loaded)

    assert style_of_kernel() == {}
