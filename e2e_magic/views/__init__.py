"""Records become what a person sees: frames, charts, cards, reports and files.

In come records and runs; out go DataFrames, Axes, HTML, text and files. Nothing here measures or keeps.
"""

FRAMES = ("results", "samples", "epochs", "trials", "confusions", "runs", "metrics", "pipeline")
