"""e2e_magic: what each stage of a machine-learning pipeline costs and gains, in one line per cell.

In a notebook: ``%load_ext e2e_magic``, then ``%%e2ebench train`` on a cell and ``%e2e`` for the rest.
In a script: ``with e2e_magic.measure("train"): ...``. Everything comes back as a pandas DataFrame.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from e2e_magic.api.analysing import compare, influence, pareto, why
    from e2e_magic.api.latency import latency
    from e2e_magic.api.measure import baseline, measure
    from e2e_magic.api.overlaid_curves import curves
    from e2e_magic.api.scripting import (
        confusions,
        epochs,
        export,
        holders,
        import_umlaut,
        lines,
        metrics,
        pipeline,
        report,
        results,
        run,
        runs,
        samples,
        store,
        trials,
    )
    from e2e_magic.api.sweeps import sweep
    from e2e_magic.api.trusting import trust
    from e2e_magic.api.variants import ab
    from e2e_magic.integrations import track
    from e2e_magic.measuring.collectors.base import Collector, Probe, Unavailable
    from e2e_magic.measuring.events import log
    from e2e_magic.measuring.plan import PlanError
    from e2e_magic.measuring.trial import MeasurementWarning
    from e2e_magic.record import Metric
    from e2e_magic.storage import StoreError
    from e2e_magic.views.comparison import RegressionError

__all__ = [
    "Collector",
    "MeasurementWarning",
    "Metric",
    "PlanError",
    "Probe",
    "RegressionError",
    "StoreError",
    "Unavailable",
    "ab",
    "baseline",
    "compare",
    "confusions",
    "curves",
    "epochs",
    "export",
    "holders",
    "import_umlaut",
    "influence",
    "latency",
    "lines",
    "log",
    "measure",
    "metrics",
    "pareto",
    "pipeline",
    "report",
    "results",
    "run",
    "runs",
    "samples",
    "store",
    "sweep",
    "track",
    "trials",
    "trust",
    "why",
]

# Where each public name lives. It is imported when first used, so that `import e2e_magic` and
# `%load_ext e2e_magic` stay fast and load nothing heavy.
_HOMES = {
    "Collector": "measuring.collectors.base",
    "MeasurementWarning": "measuring.trial",
    "Metric": "record",
    "Probe": "measuring.collectors.base",
    "Unavailable": "measuring.collectors.base",
    "PlanError": "measuring.plan",
    "RegressionError": "views.comparison",
    "StoreError": "storage",
    "compare": "api.analysing",
    "curves": "api.overlaid_curves",
    "influence": "api.analysing",
    "baseline": "api.measure",
    "latency": "api.latency",
    "log": "measuring.events",
    "measure": "api.measure",
    "sweep": "api.sweeps",
    "ab": "api.variants",
    "trust": "api.trusting",
    "pareto": "api.analysing",
    "track": "integrations.pytorch",
    "why": "api.analysing",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("e2e-magic")
    if name not in __all__:
        raise AttributeError(f"module 'e2e_magic' has no attribute {name!r}")
    value = getattr(import_module(f"e2e_magic.{_HOMES.get(name, 'api.scripting')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add ``%%e2ebench`` and ``%e2e`` to the shell: called by ``%load_ext e2e_magic``."""
    from e2e_magic.jupyter.browser import refuse_browser

    refuse_browser()  # before the rest is imported, which needs processes
    from e2e_magic.jupyter.extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything out again: magics, hooks, the sampler process."""
    from e2e_magic.jupyter.extension import unload

    unload(shell)
