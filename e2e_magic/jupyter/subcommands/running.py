"""``%e2e run`` and ``%e2e auto``: what is measured from the next cell on."""

from __future__ import annotations

import argparse

from e2e_magic.jupyter.arguments import Parser, real
from e2e_magic.jupyter.subcommands.line import Line, say


def run(line: Line) -> None:
    """Start the next run."""
    parser = Parser("%e2e run", "Start the next run: a variant, a tool to compare.")
    parser.add_argument("name", metavar="NAME", nargs="?")
    add = parser.add_argument
    add("--description", default="", metavar="TEXT")
    add("--carbon", type=real, metavar="G_PER_KWH", help="CO2 of your electricity: gives co2_g")
    add("--estimate-power", metavar="IDLE_W,FULL_W", help="for all cells that name none: estimated_energy_j")
    chosen = parser.read(line.words)
    started = line.session.start_run(
        chosen.name, chosen.description, carbon=chosen.carbon, estimate_power=chosen.estimate_power
    )
    say(f"run {started.name} started ({started.id})")


def auto(line: Line) -> None:
    """Switch the measuring of every cell on or off."""
    parser = Parser("%e2e auto", "Measure every cell without annotation, as stage cell-N.")
    parser.add_argument("switch", metavar="on|off")
    chosen: argparse.Namespace = parser.read(line.words)
    if chosen.switch not in ("on", "off"):
        parser.error(f"expected on or off, got {chosen.switch!r}")
    line.auto.switch(chosen.switch == "on")
    say(
        "every cell is measured from the next one on, as stage cell-N; see %e2e pipeline"
        if line.auto.on
        else "cells are measured only where a line says so"
    )
