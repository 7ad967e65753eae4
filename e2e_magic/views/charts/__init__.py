"""Charts of the frames, drawn by matplotlib and seaborn: each takes a tidy DataFrame and returns Axes.

Input: frames, and axes to draw on where the caller has some. Output: Axes on a figure unknown to pyplot.
Neither rcParams nor the frame are changed. matplotlib is imported by the first chart, not by this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from e2e_magic.views.charts.comparison_bars import comparison
    from e2e_magic.views.charts.confusion_matrix import confusion
    from e2e_magic.views.charts.cost_and_gain import gain
    from e2e_magic.views.charts.drifts import drift
    from e2e_magic.views.charts.energy import energy_against_accuracy
    from e2e_magic.views.charts.influence_of import influence
    from e2e_magic.views.charts.latencies import latency
    from e2e_magic.views.charts.latency_distributions import latency_distribution
    from e2e_magic.views.charts.learning_curves import learning
    from e2e_magic.views.charts.pareto_front import pareto
    from e2e_magic.views.charts.pipeline_bars import pipeline
    from e2e_magic.views.charts.timelines import timeline

__all__ = [
    "comparison",
    "confusion",
    "drift",
    "energy_against_accuracy",
    "gain",
    "influence",
    "latency",
    "latency_distribution",
    "learning",
    "pareto",
    "pipeline",
    "timeline",
]

# No file bears the name of its function: imported, it would take the function's place.
_HOMES = {
    "latency_distribution": "latency_distributions",
    "comparison": "comparison_bars",
    "confusion": "confusion_matrix",
    "drift": "drifts",
    "energy_against_accuracy": "energy",
    "gain": "cost_and_gain",
    "influence": "influence_of",
    "latency": "latencies",
    "learning": "learning_curves",
    "pareto": "pareto_front",
    "pipeline": "pipeline_bars",
    "timeline": "timelines",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
