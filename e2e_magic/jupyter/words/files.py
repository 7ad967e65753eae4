"""``%e2e export``: what goes to files."""

from __future__ import annotations

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.words.line import Line, say
from e2e_magic.session import FRAMES


def export(line: Line) -> None:
    """Write one frame to a file."""
    parser = Parser("%e2e export", "Write a frame to a file: csv, json, parquet, xlsx, md or tex by suffix.")
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("--frame", default="results", metavar="NAME", help=", ".join(FRAMES))
    parser.add_argument("--run", metavar="RUN")
    parser.add_argument("--stage", metavar="STAGE")
    chosen = parser.read(line.words)
    written = line.session.export(chosen.path, chosen.frame, run=chosen.run, stage=chosen.stage)
    say(f"{chosen.frame} written to {written}")
