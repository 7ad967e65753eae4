"""``%e2e panel``: the sweep panel for a cell that was measured or swept."""

from __future__ import annotations

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.subcommands.line import Line
from e2e_magic.measuring.plan import PlanError


def panel(line: Line) -> None:
    """Show the sweep panel of the last cell, or of the last one of a stage."""
    parser = Parser("%e2e panel", "Show the sweep panel for the last measured or swept cell.")
    parser.add_argument("stage", metavar="STAGE", nargs="?", help="of this stage")
    stage = parser.read(line.words).stage
    from e2e_magic.jupyter.frontend import NOBODY, shows_widgets

    cell = line.notebook.remembered(stage)
    if not shows_widgets(line.shell):
        raise PlanError(f"panel: {NOBODY}; use %%e2esweep {cell.stage} NAME=VALUES")
    from e2e_magic.jupyter.panel.panel import open_panel

    line.auto.leave_out()
    open_panel(line.notebook, cell)
