"""Records as tidy DataFrames: the only code that turns records into pandas.

Input: records and the names of their runs. Output: frames.

Every frame is a plain DataFrame with its units in ``frame.attrs["units"]`` ({column: unit}); what was
not measured is missing (NaN/NA). `compact` and `TidyFrame` make one short enough to read.
"""

from __future__ import annotations

from e2e_magic.views.frames.confusion_matrices import ReportFrame, classification, confusions, styled
from e2e_magic.views.frames.curves import epochs, samples
from e2e_magic.views.frames.diagnoses import diagnoses
from e2e_magic.views.frames.fronts import pareto
from e2e_magic.views.frames.holders import holders
from e2e_magic.views.frames.influences import influence
from e2e_magic.views.frames.inventory import CatalogEntry, metrics, runs
from e2e_magic.views.frames.latency import latencies, latency_distribution
from e2e_magic.views.frames.line_rows import lines
from e2e_magic.views.frames.pipelines import own_executions, pipeline, told_apart
from e2e_magic.views.frames.rows import results
from e2e_magic.views.frames.sweep_trials import trials
from e2e_magic.views.frames.tidy import TidyFrame, compact

__all__ = [
    "CatalogEntry",
    "ReportFrame",
    "TidyFrame",
    "classification",
    "compact",
    "confusions",
    "diagnoses",
    "epochs",
    "holders",
    "influence",
    "latencies",
    "latency_distribution",
    "lines",
    "metrics",
    "own_executions",
    "pareto",
    "pipeline",
    "results",
    "runs",
    "samples",
    "styled",
    "told_apart",
    "trials",
]
