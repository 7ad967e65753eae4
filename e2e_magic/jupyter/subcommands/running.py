"""``%e2e run`` and ``%e2e auto``: what is measured from the next cell on."""

from __future__ import annotations

import argparse

from IPython.core.error import UsageError

from e2e_magic.jupyter.arguments import HelpAsked, Parser, cell_parser, real
from e2e_magic.jupyter.subcommands.line import Line, say


def run(line: Line) -> None:
    """Start the next run."""
    parser = Parser("%e2e run", "Start the next run: a variant, a tool to compare.")
    parser.add_argument("name", metavar="NAME", nargs="?")
    add = parser.add_argument
    add("--description", default="", metavar="TEXT")
    add("--carbon", type=real, metavar="G_PER_KWH", help="CO2 of your electricity: gives co2_g")
    add("--zone", metavar="ZONE", help="or where it comes from, by a table: DE, US-CA")
    add("--price", metavar="PRICE", help="of a kWh, such as 0.31EUR: gives energy_cost_eur")
    add(
        "--estimate-power",
        metavar="IDLE_W,FULL_W|auto",
        help="for all cells that name none: estimated_energy_j",
    )
    add("--memory-limit", metavar="SIZE|PERCENT", help="for all cells that name none: a MemoryError instead")
    chosen = parser.read(line.words)
    names = ("carbon", "zone", "price", "estimate_power", "memory_limit")
    given = {name: getattr(chosen, name) for name in names}
    started = line.session.start_run(chosen.name, chosen.description, **given)
    say(f"run {started.name} started ({started.id})")
    if "carbon_source" in started.settings:
        say(f"CO2 of electricity: {started.settings['carbon_source']}")
    if len(watts := started.settings.get("estimate_power", ())) > 2:
        say(f"estimates: {watts[0]:g} W idle, {watts[1]:g} W full, by {watts[2]}")


def stage(line: Line) -> None:
    """Refuse a line that is not the first of a cell."""
    if {"-h", "--help"} & set(line.words):
        raise HelpAsked(cell_parser("%e2e stage"))
    raise UsageError(
        "%e2e stage: it measures the cell whose first line it is; put it there, in a cell that no other "
        "magic runs"
    )


def auto(line: Line) -> None:
    """Switch the measuring of every cell on or off."""
    parser = Parser("%e2e auto", "Measure every cell, named by the heading above it or its first line.")
    parser.add_argument("switch", metavar="on|off")
    chosen: argparse.Namespace = parser.read(line.words)
    if chosen.switch not in ("on", "off"):
        parser.error(f"expected on or off, got {chosen.switch!r}")
    line.auto.switch(chosen.switch == "on")
    say(
        "every cell is measured from the next one on, named by its heading or first line; see %e2e pipeline"
        if line.auto.on
        else "cells are measured only where a line says so"
    )
