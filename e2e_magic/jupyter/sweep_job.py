"""A line of ``%%e2esweep`` and its cell as a plan and a job, checked before anything runs."""

from __future__ import annotations

import argparse
import ast

from IPython.core.error import UsageError

from e2e_magic.jupyter.notebook import Notebook
from e2e_magic.jupyter.running import compile_body
from e2e_magic.jupyter.sweep_arguments import sweep_plan_of
from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.engines.free_names import OPAQUE, cell_reads, reachable
from e2e_magic.sweeping.jobs import CellJob, check_reads
from e2e_magic.sweeping.plan import SweepPlan


def prepared(notebook: Notebook, options: argparse.Namespace, cell: str) -> tuple[SweepPlan, CellJob]:
    """Return the plan and the job of a line and its cell, checked.

    Raises
    ------
    UsageError
        For anything that is wrong with the line, before anything runs.
    """
    shell = notebook.shell
    plan = sweep_plan_of(options, shell)
    source = notebook.transformed.take(cell)
    job = CellJob(compile_body(shell, cell, source), cell, source, shell.user_ns, plan.plan.options)
    check_parameters(plan, job)
    return plan, job


def check_parameters(plan: SweepPlan, job: CellJob) -> None:
    """Raise `UsageError` for a parameter that the cell never reads."""
    tree = ast.parse(job.python)
    reads = reachable(cell_reads(tree), job.namespace)
    if reads & OPAQUE:  # it may read any name
        return
    sets = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    try:
        check_reads(plan.space.names, reads, sets)
    except PlanError as error:
        raise UsageError(str(error)) from None
