"""Charts of the frames: each takes a tidy DataFrame and gives matplotlib Axes.

Nothing here touches pyplot, rcParams or the frame that it draws. matplotlib is imported when the
first chart is drawn, not when this package is.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from e2e_magic.views.charts.call_times import call_times
    from e2e_magic.views.charts.comparison import comparison
    from e2e_magic.views.charts.confusion import confusion
    from e2e_magic.views.charts.energy import energy_against_accuracy
    from e2e_magic.views.charts.gain import gain
    from e2e_magic.views.charts.influence import influence
    from e2e_magic.views.charts.latency import latency
    from e2e_magic.views.charts.learning import learning
    from e2e_magic.views.charts.pareto import pareto
    from e2e_magic.views.charts.pipeline import pipeline
    from e2e_magic.views.charts.timeline import timeline

__all__ = [
    "call_times",
    "comparison",
    "confusion",
    "energy_against_accuracy",
    "gain",
    "influence",
    "latency",
    "learning",
    "pareto",
    "pipeline",
    "timeline",
]

# A chart whose file bears a shorter name.
_HOMES = {"energy_against_accuracy": "energy"}


class _Charts(ModuleType):
    # Each chart lives in a file of its own name. The import system sets that file as an attribute
    # here once it is loaded, by whichever way; the name must go on meaning the function.
    def __setattr__(self, name: str, value: Any) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_HOMES.get(name, name)}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Charts
