"""The grammar of ``%%e2esweep STAGE NAME=VALUES .. [options]``."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.arguments import Parser, add_measuring, given_expressions, real, split, whole
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space import Space

_PARAMETER = re.compile(r"\(?\s*[A-Za-z_]\w*(\s*,\s*[A-Za-z_]\w*)*\s*\)?\s*=(?!=)")


@cache
def sweep_parser() -> Parser:
    """Return the grammar, without the parameters."""
    parser = Parser(
        "%%e2esweep",
        "Run this cell once per combination: %%e2esweep STAGE NAME=VALUES [NAME=VALUES ...] [options]\n\n"
        "VALUES is Python: lr=geomspace(1e-4,1e-1,4) batch_size=16,32,64 'layers=[(8,), (8, 8)]'\n"
        'Parameters that change together: "(lr, batch_size)=zip([0.1, 0.01], [16, 32])"\n'
        "For random and tpe search: lr=loguniform(1e-4,1) width=randint(8,64) act=choice(['relu','tanh'])",
    )
    parser.add_argument("stage", nargs="?", default="cell", metavar="STAGE", help="label of the cell (cell)")
    add_measuring(parser)
    add = parser.add_argument
    add("--target", metavar="METRIC", help="what it is about (loss, else accuracy, else wall_time_s)")
    add("--maximize", action="store_true", help="more is better (else as the metric says)")
    add("--search", default="grid", metavar="grid|random|tpe", help="how the space is walked (grid)")
    add("--trials", type=whole, metavar="N", help="combinations at most (grid: all; random, tpe: 20)")
    add("--seed", type=whole, metavar="N", help="seeds the search, and random, numpy, torch per trial")
    add("--shuffle", action="store_true", help="the grid in random order")
    add("--budget", type=real, metavar="SECONDS", help="start no further trial after")
    add("--fail-fast", action="store_true", help="stop at the first failed trial (else: keep its row, go on)")
    add(
        "--engine",
        default="kernel",
        metavar="ENGINE",
        help="kernel, local:N, dask://HOST:PORT, a joblib backend",
    )
    add("--resume", action="store_true", help="skip the trials that are complete already")
    add("--panel", action="store_true", help="show the sweep panel instead of starting at once")
    return parser


def read(line: str) -> argparse.Namespace:
    """Read a line: its options, and its ``NAME=VALUES`` words as `parameters`.

    Raises
    ------
    UsageError
        Says what is wrong with it.
    """
    parser = sweep_parser()
    takes_value = {name for action in parser._actions if action.nargs != 0 for name in action.option_strings}
    parameters: list[str] = []
    others: list[str] = []
    words = iter([word.text for word in split(line)])
    for word in words:
        if _PARAMETER.match(word):
            parameters.append(word)
            continue
        others.append(word)
        if word in takes_value and (value := next(words, None)) is not None:
            others.append(value)
    options = parser.read(others)
    options.parameters = parameters
    return options


def space_of(options: argparse.Namespace, shell: InteractiveShell) -> Space:
    """Evaluate the parameters' values in the user's namespace."""
    return Space.parse(options.parameters, values_in(shell))


def values_in(shell: InteractiveShell) -> Callable[[str, Mapping[str, Any]], Any]:
    """Return what evaluates VALUES in the user's namespace, the helpers first."""

    def evaluate(expression: str, helpers: Mapping[str, Any]) -> Any:
        names = {"nan": math.nan, "inf": math.inf, **shell.user_ns, **helpers}
        return eval(expression, names)  # noqa: S307 - the user's own line

    return evaluate


def sweep_plan_of(options: argparse.Namespace, shell: InteractiveShell) -> SweepPlan:
    """Build the plan of a line; what is wrong with it is a `UsageError`."""
    try:
        plan = Plan(
            stage=options.stage,
            metrics=options.metrics,
            repeat=options.repeat,
            warmup=options.warmup,
            interval=options.interval,
            target_accuracy=options.target_accuracy,
            estimate_power=options.estimate_power,
            latency_duration=options.latency_duration,
            options=given_expressions(options),
        )
        return SweepPlan(
            plan=plan,
            space=space_of(options, shell),
            target=options.target,
            maximize=options.maximize or None,
            search=options.search,
            trials=options.trials,
            seed=options.seed,
            shuffle=options.shuffle,
            budget=options.budget,
            fail_fast=options.fail_fast,
            engine=options.engine,
            resume=options.resume,
        )
    except (PlanError, ImportError) as error:
        raise UsageError(str(error)) from None
