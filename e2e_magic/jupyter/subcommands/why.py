"""``%e2e why``: why stages take their time."""

from __future__ import annotations

from typing import Any

from e2e_magic.api import analysing
from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.subcommands.line import Line, add_selection


def why(line: Line) -> Any:
    """Return what stands out in the stages, with the numbers behind it and a next step."""
    parser = Parser("%e2e why", "Say why stages take their time: what stands out, and what to try.")
    parser.add_argument("stage", metavar="STAGE", nargs="?")
    add_selection(parser, "run", "all", "since")
    return analysing.why_in(line.session, line.selection(parser.read(line.words)))
