"""What a sweep panel is made from: a line, the cell below it, and how both are read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

from IPython.core.error import UsageError

from e2e_magic.jobs import Job
from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.sweep_controls import Evaluate
from e2e_magic.space import Space
from e2e_magic.sweep_plan import SweepPlan


@dataclass
class Offer:
    """A line and its cell.

    Parameters
    ----------
    stage : str
    words : list of str
        ``NAME=VALUES``.
    options : Namespace
        Of the line.
    parser : Parser
    evaluate : callable
        ``(expression, helpers) -> values``, in the user's namespace.
    plan : callable
        ``(options, space) -> SweepPlan``; raises `UsageError` or `ValueError` in words.
    job : callable
        ``(options, space) -> Job``; raises in words where the cell doesn't read a parameter.
    names : list of str
        Names that the cell reads and that may become parameters.
    value : callable
        Returns such a name's present value as Python, or an empty text.
    """

    stage: str
    words: list[str]
    options: argparse.Namespace
    parser: Parser
    evaluate: Evaluate
    plan: Callable[[argparse.Namespace, Space], SweepPlan]
    job: Callable[[argparse.Namespace, Space], Job]
    names: list[str] = field(default_factory=list)
    value: Callable[[str], str] = str


def in_words(error: BaseException) -> str:
    """Say an error in words, without a traceback."""
    if isinstance(error, UsageError | ValueError | ImportError):
        return str(error)
    return f"{type(error).__name__}: {error}"
