"""Presentation of records: frames, charts, cards, reports and files.

Input: records and runs. Output: DataFrames, Axes, HTML, text and files. Nothing here measures or stores.
"""

FRAMES = (
    "results",
    "samples",
    "epochs",
    "trials",
    "confusions",
    "runs",
    "metrics",
    "pipeline",
    "holders",
    "lines",
)
