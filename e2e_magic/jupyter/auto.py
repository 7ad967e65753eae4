"""``%e2e auto on``: every cell is measured as stage ``cell-N`` without a line on it.

The shell's own events say when a cell starts and ends, so the cell itself is run by IPython exactly
as ever. Cells that are annotated, or that only ask us something, don't get a second row.
"""

from __future__ import annotations

import re
from typing import Any

from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

from e2e_magic.jupyter.running import cell_number, say_aside
from e2e_magic.measuring.plan import Plan
from e2e_magic.measuring.trial import Trial
from e2e_magic.session import Session

_OURS = re.compile(r"^\s*%{1,2}(e2e|e2ebench|e2esweep|load_ext|reload_ext|unload_ext)\b")


class Auto:
    """Measures cells while it is on.

    Parameters
    ----------
    shell : InteractiveShell
    session : Session
    """

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        self.on = False
        self._shell = shell
        self._session = session
        self._depth = 0
        self._trial: Trial | None = None

    def switch(self, on: bool) -> None:
        """Turn it on or off; twice the same changes nothing."""
        if on == self.on:
            return
        for name, hook in (("pre_run_cell", self._before), ("post_run_cell", self._after)):
            (self._shell.events.register if on else self._shell.events.unregister)(name, hook)
        self.on = on
        self._depth = 0
        self._trial = None

    def leave_out(self) -> None:
        """Drop the trial of the cell that runs now: it holds a measured line, whose row counts."""
        if self._trial is not None:
            self._trial.drop()

    def _before(self, info: ExecutionInfo) -> None:
        self._depth += 1
        source = info.raw_cell or ""
        # A cell run from within a cell belongs to the outer one; silent ones are the front end's own.
        if self._depth > 1 or not info.store_history or not source.strip() or _OURS.match(source):
            return
        plan = Plan(stage=f"cell-{cell_number(self._shell)}")
        trial = next(self._session.trials(plan, source=source, warn=say_aside))
        self._trial = trial.__enter__()

    def _after(self, result: ExecutionResult | None = None) -> None:
        if self._depth == 0:
            return  # the cell that turned it on
        self._depth -= 1
        if self._depth or self._trial is None:
            return
        trial, self._trial = self._trial, None
        error: Any = None
        if result is not None:
            error = result.error_in_exec or result.error_before_exec
            trial.value = result.result
        trial.__exit__(type(error) if error else None, error, None)
