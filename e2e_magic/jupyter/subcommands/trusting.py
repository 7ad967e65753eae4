"""``%e2e trust``: the same code against itself, before a difference is believed."""

from __future__ import annotations

from typing import Any

from e2e_magic.jupyter.arguments import Parser, real
from e2e_magic.jupyter.subcommands.line import Line


def trust(line: Line) -> Any:
    """Measure the same code against itself; return its card."""
    from e2e_magic.api import trusting

    parser = Parser(
        "%e2e trust",
        "Measure the same code against itself: false verdicts, and the smallest difference seen.",
    )
    parser.add_argument(
        "seconds", metavar="SECONDS", nargs="?", type=real, default=20.0, help="how long (20)"
    )
    return trusting.trust(parser.read(line.words).seconds)
