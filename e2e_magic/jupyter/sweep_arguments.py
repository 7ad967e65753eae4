"""The grammar of ``%%e2esweep STAGE NAME=VALUES .. [options]``."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.magic_line import split
from e2e_magic.measuring.options import OPTIONS, Way, planned, taken_by
from e2e_magic.measuring.plan import Plan, PlanError

if TYPE_CHECKING:
    from e2e_magic.sweeping.plan import SweepPlan

# What stands before ``=VALUES``: a name, or several in brackets.
_NAMES = re.compile(r"\(?([^=()]+)\)?\s*=(?!=)")


@cache
def sweep_parser() -> Parser:
    """Return the grammar, without the parameters."""
    from e2e_magic.sweeping.options import SWEEP_OPTIONS

    parser = Parser(
        "%%e2esweep",
        "Run this cell once per combination: %%e2esweep STAGE NAME=VALUES [NAME=VALUES ...] [options]\n\n"
        "VALUES is Python: lr=geomspace(1e-4,1e-1,4) batch_size=16,32,64 'layers=[(8,), (8, 8)]'\n"
        'Parameters that change together: "(lr, batch_size)=zip([0.1, 0.01], [16, 32])"\n'
        "For random and tpe search: lr=loguniform(1e-4,1) width=randint(8,64) act=choice(['relu','tanh'])",
    )
    parser.add_argument("stage", nargs="?", default="cell", metavar="STAGE", help="label of the cell (cell)")
    parser.add_options(taken_by(Way.SWEEP_CELL, OPTIONS + SWEEP_OPTIONS).values())
    return parser


def read(line: str) -> argparse.Namespace:
    """Read a line: its options, and its ``NAME=VALUES`` words as `parameters`.

    Raises
    ------
    UsageError
        If the line is wrong; the text says in what way.
    """
    parser = sweep_parser()
    takes_value = parser.takes_value
    parameters: list[str] = []
    others: list[str] = []
    words = iter([word.text for word in split(line)])
    for word in words:
        if _is_parameter(word):
            parameters.append(word)
            continue
        others.append(word)
        if takes_value.get(word) and (value := next(words, None)) is not None:
            others.append(value)
    options = parser.read(others)
    options.parameters = parameters
    return options


def _is_parameter(word: str) -> bool:
    names = _NAMES.match(word)
    return names is not None and all(name.strip().isidentifier() for name in names[1].split(","))


def values_in(shell: InteractiveShell) -> Callable[[str, Mapping[str, Any]], Any]:
    """Return a function that evaluates VALUES in the user's namespace, the helpers first."""

    def evaluate(expression: str, helpers: Mapping[str, Any]) -> Any:
        names = {"nan": math.nan, "inf": math.inf, **shell.user_ns, **helpers}
        return eval(expression, names)  # noqa: S307 - the user's own line

    return evaluate


def sweep_plan_of(options: argparse.Namespace, shell: InteractiveShell) -> SweepPlan:
    """Build the plan of a line; raise `UsageError` where the line is wrong."""
    from e2e_magic.sweeping.options import SWEEP_OPTIONS
    from e2e_magic.sweeping.plan import SweepPlan
    from e2e_magic.sweeping.space import Space

    values = vars(options)
    try:
        plan = Plan.of(options.stage, planned(values))
        plan.check_lines(shell.user_ns)
        return SweepPlan(
            plan=plan,
            space=Space.parse(options.parameters, values_in(shell)),
            **planned(values, SWEEP_OPTIONS),
        )
    except (PlanError, ImportError) as error:
        raise UsageError(str(error)) from None
