"""``%e2e auto on``: every cell is measured without a line on it, its stage named as in `cell_names`.

The cell is run by IPython exactly as ever (`hooks`). Cells that are annotated, or that only call our magics,
get no second row.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from IPython.core.interactiveshell import ExecutionResult

from e2e_magic.jupyter.cell_names import CellNames
from e2e_magic.jupyter.running import say_aside
from e2e_magic.jupyter.transform import line_magic
from e2e_magic.measuring.plan import Plan
from e2e_magic.measuring.trial import Trial
from e2e_magic.record import Record
from e2e_magic.session import Session

_OURS = ("e2e", "e2ebench")
_EXTENSIONS = ("load_ext", "reload_ext", "unload_ext")


class Auto:
    """Measure every cell while switched on.

    Parameters
    ----------
    session : Session
    names : CellNames
    """

    def __init__(self, session: Session, names: CellNames) -> None:
        self.on = False
        self._session = session
        self._names = names
        self._measured: _MeasuredCell | None = None

    def switch(self, on: bool) -> None:
        """Turn it on from the next cell on, or off with this one."""
        self.on = on
        if not on:
            self.leave_out()

    def leave_out(self) -> None:
        """Drop the trial of the cell that runs now: it holds a measured line, whose row counts."""
        if self._measured is not None:
            self._measured.trial.drop()

    def measured(self, nodes: list[ast.stmt], result: ExecutionResult) -> _MeasuredCell | None:
        """Return the measurement of a cell without a line of ours; None for one that is left out.

        Left out are the front end's own cells, which leave no history, and cells of our magics alone.
        """
        self._measured = None
        info = result.info
        if not self.on or info is None or info.silent or not info.store_history:
            return None
        if not (nodes and all(map(_is_ours, nodes))):
            name = (
                self._names.of(info.raw_cell, getattr(info, "cell_id", None))
                or f"cell-{result.execution_count}"
            )
            self._measured = _MeasuredCell(self._session, Plan(stage=name), info.raw_cell)
        return self._measured


class _MeasuredCell:
    """One trial, without any display of it."""

    def __init__(self, session: Session, plan: Plan, source: str) -> None:
        self._session = session
        self._records: list[Record] = []
        trials = session.trials(
            plan, source=source, keep=self._records.append, warn=say_aside, awaits_display=True
        )
        self.trial = next(trials)
        self.trials: Iterator[Trial] = iter([self.trial])

    def shown(self) -> AbstractContextManager[None]:
        return nullcontext()

    def one(self, trial: Trial) -> Trial:
        return trial

    def is_last(self, trial: Trial) -> bool:
        return trial is self.trial

    def displayed(self, seconds: float, *, shown: bool) -> None:  # noqa: ARG002 - no card is shown
        for record in self._records:
            self._session.complete(record, seconds)


def _is_ours(node: ast.stmt) -> bool:
    name, line = line_magic(node)
    return name in _OURS or (name in _EXTENSIONS and line.split() == ["e2e_magic"])
