"""Records as tidy DataFrames: the only code that turns records into pandas.

In come records and the names of their runs; out go frames.

Every frame is a plain DataFrame with its units in ``frame.attrs["units"]`` ({column: unit}); what was
not measured is missing (NaN/NA). `compact` and `TidyFrame` make one short enough to read.
"""

from __future__ import annotations

from e2e_magic.views.frames.curves import epochs, samples
from e2e_magic.views.frames.explained import influence, pareto
from e2e_magic.views.frames.inventory import CatalogEntry, metrics, runs
from e2e_magic.views.frames.latency import latencies, latency_distribution
from e2e_magic.views.frames.matrices import ReportFrame, classification, confusions, styled
from e2e_magic.views.frames.rows import results
from e2e_magic.views.frames.stages import pipeline
from e2e_magic.views.frames.sweeps import trials
from e2e_magic.views.frames.tidy import TidyFrame, compact

__all__ = [
    "CatalogEntry",
    "ReportFrame",
    "TidyFrame",
    "classification",
    "compact",
    "confusions",
    "epochs",
    "influence",
    "latencies",
    "latency_distribution",
    "metrics",
    "pareto",
    "pipeline",
    "results",
    "runs",
    "samples",
    "styled",
    "trials",
]
