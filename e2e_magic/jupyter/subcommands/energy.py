"""``%e2e baseline``: the power of the idle machine, from which net energy is counted."""

from __future__ import annotations

from e2e_magic.jupyter.arguments import Parser, real
from e2e_magic.jupyter.running import say_aside
from e2e_magic.jupyter.subcommands.line import Line, say


def baseline(line: Line) -> None:
    """Measure the power of the idle machine; show it, or why it can't be measured."""
    parser = Parser("%e2e baseline", "Measure the power of the idle machine, for net_energy_j.")
    parser.add_argument("seconds", metavar="SECONDS", nargs="?", type=real, default=10.0)
    power = line.session.measure_baseline(parser.read(line.words).seconds)
    tail = "; net_energy_j is there from the next cell of this run on" if power.watts else ""
    say(f"{power}{tail}")
    if power.warning:
        say_aside(power.warning)
