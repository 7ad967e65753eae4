"""What holds for every chart: no input of theirs raises, and nothing global changes."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from e2e_magic.views import charts
from e2e_magic.views.charts import style

HOSTILE = [
    "$x_1$",
    "_hidden",
    "\\frac{",
    "x" * 300,
    "two\nlines\t",
    "日本 🙂 é",
    "",
    "<b>&amp;</b>",
    "%s {0}",
]
NAMES = [
    "timeline",
    "pipeline",
    "learning",
    "confusion",
    "latency",
    "latency_distribution",
    "comparison",
    "drift",
    "energy_against_accuracy",
    "gain",
]
CASES = ["empty", "columnless", "one row", "NaN", "infinite", "one repeat", "hostile"]


@pytest.fixture
def frames(
    samples: Callable[..., pd.DataFrame],
    results: Callable[..., pd.DataFrame],
    epochs: Callable[..., pd.DataFrame],
    confusions: Callable[..., pd.DataFrame],
    latencies: pd.DataFrame,
) -> Callable[[str, str], pd.DataFrame]:
    """Give the frame for a chart in one of the awkward cases."""
    whole = {
        "timeline": samples(cpu_percent_now=[90.0, 100.0, 95.0], rss_mib=[200.0, 220.0, 210.0]),
        "pipeline": results(["prepare", "train"]),
        "learning": epochs(loss=[1.0, 0.5, 0.25], val_loss=[1.1, 0.6, 0.5]),
        "confusion": confusions(["a", "b"], [[8, 2], [1, 9]]),
        "latency": latencies,
        "latency_distribution": pd.DataFrame(
            {"run": "r", "stage": "s", "trial": 1, "calls": 3, "share": [0.0, 0.5, 1.0],
             "latency_s": [0.1, 0.2, 0.4]}
        ),
        "comparison": pd.DataFrame(
            {"stage": "s", "metric": "loss", "baseline": "a", "run": "b", "ratio": [2.0], "ratio_low": 1.5,
             "ratio_high": 2.5, "verdict": "more", "better": "lower"}
        ),
        "drift": results(["s", "s"], run=["a", "b"]),
        "energy_against_accuracy": results(["a", "b"], accuracy=[0.5, 0.9], package_energy_j=[1.0, 100.0]),
        "gain": results(["a", "b"], accuracy=[0.5, 0.9]),
    }  # fmt: skip
    named = {
        "timeline": lambda: pd.concat([samples(stage=s, rss_mib=[1.0, 2.0]) for s in HOSTILE]),
        "pipeline": lambda: results(HOSTILE),
        "learning": lambda: pd.concat([epochs(run=s, loss=[1.0, 0.5]) for s in HOSTILE]),
        "confusion": lambda: confusions(HOSTILE, np.eye(len(HOSTILE))),
        "latency": lambda: pd.concat([latencies.assign(scenario=s) for s in HOSTILE]),
        "latency_distribution": lambda: pd.concat(
            [whole["latency_distribution"].assign(run=s) for s in HOSTILE], ignore_index=True
        ),
        "comparison": lambda: pd.concat([whole["comparison"].assign(stage=s, run=s) for s in HOSTILE]),
        "drift": lambda: results(["s"] * len(HOSTILE), run=HOSTILE),
        "energy_against_accuracy": lambda: results(HOSTILE, accuracy=0.5, package_energy_j=1.0),
        "gain": lambda: pd.concat([results(["s"], run=s, accuracy=0.5) for s in HOSTILE]),
    }

    def get(name: str, case: str) -> pd.DataFrame:
        frame = whole[name]
        measured = [c for c in frame.columns if frame[c].dtype == float or c == "count"]
        if case == "hostile":
            return named[name]()
        return {
            "empty": frame.iloc[:0],
            "columnless": pd.DataFrame(),
            "one row": frame.iloc[:1],
            "NaN": frame.assign(**dict.fromkeys(measured, np.nan)),
            "infinite": frame.assign(**dict.fromkeys(measured, np.inf)),
            "one repeat": frame,
        }[case]

    return get


def drawn(name: str, frame: pd.DataFrame) -> list[Axes]:
    """Draw a chart; give its axes."""
    made = getattr(charts, name)(frame)
    return made if isinstance(made, list) else [made]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_draws_any_frame(name: str, case: str, frames: Callable[[str, str], pd.DataFrame]) -> None:
    """Each chart draws each awkward frame to PNG and SVG without a warning, and leaves the frame alone."""
    frame = frames(name, case)
    before = frame.copy(deep=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        axes = drawn(name, frame)
        image, vector = style.png(axes[0].figure), style.svg(axes[0].figure)

    assert image.startswith(b"\x89PNG")
    assert "<svg" in vector
    pd.testing.assert_frame_equal(before, frame)
    if case in ("empty", "columnless"):
        assert axes[0].texts[0].get_text().startswith(("no ", "nothing to "))


@pytest.mark.parametrize("name", NAMES)
def test_is_of_its_own_look(name: str, frames: Callable[[str, str], pd.DataFrame]) -> None:
    """A user's theme, even one that wants TeX, changes neither background nor text of a chart."""
    theme = {
        "axes.facecolor": "black",
        "figure.facecolor": "red",
        "text.usetex": True,
        "font.size": 40,
        "savefig.bbox": "tight",
        "axes.grid": True,
        "xtick.minor.visible": True,
        "figure.autolayout": True,
    }
    plain = style.png(drawn(name, frames(name, "one repeat"))[0].figure)
    with mpl.rc_context(theme):
        themed = style.png(drawn(name, frames(name, "one repeat"))[0].figure)

    assert plain[16:24] == themed[16:24]  # width and height
    assert _pixels(themed)[0, 0, 3] == 0  # the corner is transparent


@pytest.mark.parametrize("kind", ["line", "heatmap", "surface", "parallel", "curves", "points", None])
def test_influence_needs_no_tex(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every kind: on a machine without LaTeX whose user wants it."""
    monkeypatch.setenv("PATH", "")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"param_lr": [0.1, 0.2, 0.1, 0.2], "param_act": ["a", "b", "b", "a"], "loss": [1.0, 2, 3, 4]}
    ).assign(run="r", stage="s", trial=range(1, 5))
    epochs = pd.concat([frame.assign(epoch=n)[["run", "stage", "trial", "epoch", "loss"]] for n in (1, 2)])
    if kind == "points":
        frame = pd.DataFrame(rng.uniform(1, 2, (20, 3)), columns=["param_a", "param_b", "loss"])
    options: dict[str, Any] = {"kind": None if kind == "points" else kind, "epochs": epochs}
    with mpl.rc_context({"text.usetex": True}):
        ax = charts.influence(frame, x="lr" if kind == "line" else None, **options)

        assert style.png(ax.figure)  # type: ignore[arg-type]
        assert "<svg" in style.svg(ax.figure)  # type: ignore[arg-type]


def _pixels(image: bytes) -> Any:
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(image)).convert("RGBA"))


@pytest.mark.parametrize("name", ["learning", "confusion", "latency"])
def test_draws_into_given_axes(name: str, frames: Callable[[str, str], pd.DataFrame]) -> None:
    """A chart draws into the axes that it is given and returns them."""
    ax = Figure().add_subplot()

    assert ax is getattr(charts, name)(frames(name, "one repeat"), ax=ax)


@pytest.mark.parametrize("name", ["timeline", "pipeline"])
def test_draws_into_given_figure(name: str, frames: Callable[[str, str], pd.DataFrame]) -> None:
    """A chart of several panels draws into the figure that it is given."""
    figure = Figure()
    axes = getattr(charts, name)(frames(name, "one repeat"), figure=figure)

    assert axes == figure.axes


def run(code: str) -> Any:
    """Give what a fresh Python prints, read as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_import_is_light() -> None:
    """Importing the package of charts loads neither matplotlib nor pandas; charts load no pyplot."""
    code = """
import json, sys
import e2e_magic.views.charts as charts
light = [n for n in ("matplotlib", "pandas", "numpy", "seaborn") if n in sys.modules]
import pandas
charts.timeline(pandas.DataFrame())
print(json.dumps([light, "matplotlib.pyplot" in sys.modules]))
"""

    assert run(code) == [[], False]


def test_seaborn_comes_with_a_chart_that_needs_it() -> None:
    """Influence brings it in, a timeline doesn't; pyplot, which it loads, has no figure and is as it was."""
    code = """
import json, sys
import matplotlib as mpl, pandas
from e2e_magic.views import charts
before = dict(mpl.rcParams)
charts.timeline(pandas.DataFrame({"metric": "rss_mib", "t_s": [1.0, 2.0], "value": [1.0, 2.0]}))
charts.influence(pandas.DataFrame())
without = "seaborn" in sys.modules
ax = charts.influence(pandas.DataFrame({"param_a": [1, 2], "loss": [1.0, 2.0]}))
from matplotlib import pyplot
print(json.dumps([without, "seaborn" in sys.modules, pyplot.get_fignums(), before == dict(mpl.rcParams)]))
"""

    assert run(code) == [False, True, [], True]


def test_names_are_functions() -> None:
    """A chart's name means the function, in whichever way its file was imported first."""
    code = """
import json
from e2e_magic.views.charts.timelines import timeline as first
from e2e_magic.views import charts
from e2e_magic.views.charts import timeline, learning
import e2e_magic.views.charts.learning_curves
print(json.dumps([timeline is first, charts.learning is learning, callable(charts.learning)]))
"""

    assert run(code) == [True, True, True]


def test_unknown_name() -> None:
    """A name that is no chart is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match=r"^module 'e2e_magic\.views\.charts' has no attribute 'pie'$"):
        charts.pie  # noqa: B018
