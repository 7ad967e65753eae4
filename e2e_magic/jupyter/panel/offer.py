"""What a sweep panel is made from: a line and the cell below it; and the last ones of each stage."""

from __future__ import annotations

import argparse
import ast
from dataclasses import dataclass

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.sweep_arguments import read
from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.sweeping.engines.free_names import cell_reads

_LONGEST_VALUE = 200


@dataclass(frozen=True)
class Offer:
    """A line and its cell.

    Attributes
    ----------
    options : Namespace
        The line's, as `sweep_arguments.read` gives them.
    cell : str
    """

    options: argparse.Namespace
    cell: str

    @property
    def stage(self) -> str:
        """The stage's label."""
        return str(self.options.stage)

    def names(self, shell: InteractiveShell) -> list[str]:
        """Return the names that may become parameters: the cell reads them, and plain data is there."""
        swept = " ".join(self.options.parameters)
        return sorted(n for n in self._reads(shell) if f"{n}=" not in swept and value_of(n, shell))

    def needs_kernel(self, shell: InteractiveShell) -> bool:
        """Tell whether the cell uses a magic or ``!shell``: those are at home in the kernel alone."""
        return "get_ipython" in self._reads(shell)

    def _reads(self, shell: InteractiveShell) -> set[str]:
        try:
            return cell_reads(ast.parse(shell.transform_cell(self.cell)))
        except SyntaxError:
            return set()


def value_of(name: str, shell: InteractiveShell) -> str:
    """Return a variable's value as Python where it is plain data, else an empty text."""
    value = shell.user_ns.get(name)
    if not isinstance(value, bool | int | float | str | list | tuple):
        return ""
    text = repr(value if not isinstance(value, list | tuple) else [value])
    return text if len(text) <= _LONGEST_VALUE else ""


# The last measured or swept cell of each stage of this kernel, for ``%e2e panel``.
_cells: dict[str, Offer] = {}


def remember(options: argparse.Namespace, cell: str) -> None:
    """Keep a cell that is measured or swept."""
    _cells.pop(options.stage, None)
    _cells[options.stage] = Offer(options, cell)


def remembered(stage: str | None) -> Offer:
    """Return the last cell, or the last one of a stage.

    Raises
    ------
    PlanError
        If there is none.
    """
    if not _cells:
        raise PlanError(
            "panel: no cell was measured or swept yet; run one under %%e2ebench or %%e2esweep first"
        )
    if stage is None:
        stage = next(reversed(_cells))
    if stage not in _cells:
        raise PlanError(
            f"panel: no cell of stage {stage!r} was measured or swept in this kernel"
            f"{nearest(stage, _cells)}; there are {', '.join(_cells)}"
        )
    offer = _cells[stage]
    if hasattr(offer.options, "parameters"):
        return offer
    # Of %%e2ebench: a sweep that measures the same, without parameters yet.
    return Offer(argparse.Namespace(**{**vars(read("")), **vars(offer.options)}), offer.cell)


def forget() -> None:
    """Keep no cell any more."""
    _cells.clear()
