"""A measured cell or statement: its trials, their display, the card and variable that stay."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from IPython.core.error import UsageError
from IPython.display import display

from e2e_magic.jupyter.live import LiveCard, ProgressLine
from e2e_magic.jupyter.notebook import Notebook
from e2e_magic.jupyter.outputs import Outputs
from e2e_magic.jupyter.running import (
    awaited,
    held_back,
    say_aside,
    silenced,
    spaces_of,
)
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.holders import kept
from e2e_magic.measuring.options import planned
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.measuring.sampler import launch_early
from e2e_magic.measuring.trial import Trial
from e2e_magic.record import Record
from e2e_magic.session import Session
from e2e_magic.text import error_text
from e2e_magic.views.result import Result


def plan_of(options: argparse.Namespace, session: Session, namespace: Mapping[str, Any]) -> Plan:
    """Build the plan of a line; raise `UsageError` where the line is wrong, or can't be followed now.

    `namespace` has the functions that the line names.
    """
    try:
        plan = _planned(options.stage, planned(vars(options)))
        launch_early(plan.metrics)
        plan = session.settle(plan)
        plan.check_here(registered())
        plan.check_lines(namespace)
    except PlanError as error:
        raise UsageError(str(error)) from None
    return plan


# A line with its plan: mostly it is that of the cell before, or of this one as it ran last.
_recent: dict[str, tuple[dict[str, Any], Plan]] = {}


def _planned(stage: str, values: dict[str, Any]) -> Plan:
    before, plan = _recent.get(stage, ({}, None))
    if plan is None or before != values:
        if len(_recent) > 64:
            _recent.clear()
        plan = Plan.of(stage, values)
        _recent[stage] = values, plan
    return plan


class MeasuredCell:
    """One cell or statement, about to be measured.

    Parameters
    ----------
    notebook : Notebook
    plan : Plan
    options : Namespace
        Of the line.
    body : str
        As it was typed.
    as_value : bool
        Whether its value is its result, as a statement's is, or what the code itself comes to.
    awaits_display : bool
        Whether its last row is completed when its value, figures and traceback have been shown; else it is
        when its card has been.
    began_ns : int, optional
        Since when the user has waited for it (see `Session.trials`).

    Attributes
    ----------
    trials : iterator of Trial
    """

    def __init__(
        self,
        notebook: Notebook,
        plan: Plan,
        options: argparse.Namespace,
        body: str,
        *,
        as_value: bool = False,
        awaits_display: bool = True,
        began_ns: int | None = None,
    ) -> None:
        self.shell = notebook.shell
        self.session = notebook.session
        self.plan = plan
        self.options = options
        self.as_value = as_value
        # A cell is never inside a function: that what calls it has locals says nothing about it.
        own = (self.shell.user_global_ns, self.shell.user_ns)
        self.spaces = spaces_of(self.shell) if as_value else own
        self.silent = silenced(body)
        self.records: list[Record] = []
        # A statement's value is its result, which is then shown; a cell's is only in its variable.
        self.result = Result(self.records, {}, brief=options.quiet and as_value)
        self._live: LiveCard | ProgressLine | None = None
        self._outputs = Outputs(self.shell)
        self._awaits_display = awaits_display
        self._trial: Trial | None = None
        self._memory = notebook.memory
        self._said = notebook.said
        self.trials = self.session.trials(
            plan,
            options={name: partial(each.evaluate, self.spaces) for name, each in plan.options.items()},
            source=body,
            keep=self.records.append,
            explain=self._explain,
            warn=say_aside,
            awaits_display=True,
            began_ns=began_ns,
        )
        notebook.auto.leave_out()

    def _explain(self, record: Record) -> Mapping[str, Any]:
        """Return who holds what the cell kept, where that is much; nothing for nearly all cells."""
        grown = kept.grown_mib(self.records[0] if self.records else record, record)
        if not grown > kept.WORTH_MIB:
            return {}
        value = None if self.as_value or self.silent or self._trial is None else self._trial.value
        try:
            return {"kept": self._memory.kept(grown, value)}
        except Exception as error:  # noqa: BLE001 - whatever a user's object raises when it is looked at
            say_aside(f"{self.plan.stage}: it can't be told who holds what it kept ({error_text(error)})")
            return {}

    def is_last(self, trial: Trial) -> bool:
        """Return whether no trial follows."""
        return not trial.step.warmup and trial.step.repeat == self.plan.repeat

    def displayed(self, seconds: float | None, *, shown: bool) -> None:
        """Show the card, behind all that the cell shows, and complete the last row.

        `seconds` are those that the display took, where it was timed; `shown` is whether the cell showed a
        value or an error.
        """
        self._show_card(shown=shown)
        if self.records:
            self.records[-1] = self.session.complete(self.records[-1], seconds)

    def one(self, trial: Trial) -> ExitStack:
        """Enter one trial; the output of all but the last repeat is held back, unless it fails."""
        self._trial = trial
        stack = ExitStack()
        if not self.is_last(trial):
            stack.enter_context(held_back(self.shell))
        if self._live is not None:
            self._live.watch(trial)
            stack.callback(self._live.done)
        stack.enter_context(trial)
        return stack

    def shown(self) -> ExitStack:
        """Show the live card during the trials, and always leave the variable and the final card behind."""
        stack = ExitStack()
        stack.callback(self._leave)
        if not self.options.quiet:
            self._outputs.watch()
        steps = self.plan.warmup + self.plan.repeat
        if not self.options.quiet and hasattr(self.shell, "kernel"):
            self._live = stack.enter_context(LiveCard(self.shell, steps, self._outputs))
        elif not self.options.quiet and steps > 1 and sys.stderr.isatty():
            self._live = stack.enter_context(ProgressLine(self.plan.stage, steps))
        return stack

    def _leave(self) -> None:
        self.result.set_names(self.session.names())
        self.result.said = frozenset(self._said)
        if self.options.out:
            self.shell.user_ns[self.options.out] = self.result
        if self._live is not None:
            self._live.drawing()
        if not self._awaits_display:
            self.displayed(None, shown=False)

    def _show_card(self, *, shown: bool) -> None:
        if self._live is not None:
            self._live.clear()
        self._outputs.restore(unless=shown)
        if self.options.quiet or not self.records:
            return
        from e2e_magic.views import card

        self._said |= card.no_energy(self.records)
        if self.as_value and self.records[-1].state == "complete" and not self.silent:
            return  # the value of the line is the card: don't show it twice
        display(self.result)


class MeasuredCode(MeasuredCell):
    """A statement, or a cell that another magic runs or that has an inner loop: executed here.

    Parameters
    ----------
    notebook, plan, options, body, as_value, began_ns
        As of `MeasuredCell`.
    code : Cell
        The body, compiled.
    """

    def __init__(
        self,
        notebook: Notebook,
        plan: Plan,
        options: argparse.Namespace,
        body: str,
        code: Cell,
        *,
        as_value: bool,
        began_ns: int | None = None,
    ) -> None:
        super().__init__(
            notebook, plan, options, body, as_value=as_value, awaits_display=False, began_ns=began_ns
        )
        self.code = code
        self._body = body

    def run(self) -> Any:
        """Run a cell that doesn't await."""
        __tracebackhide__ = True
        value = None
        with self.shown():
            for trial in self.trials:
                self._watch(trial)
                with self.one(trial):
                    value = trial.value = trial.loop.run_cell(self.code, self.spaces)
        return self._last_value(value)

    async def run_async(self) -> Any:
        """Run a cell that awaits at its top level, on the loop that runs us."""
        __tracebackhide__ = True
        value = None
        with self.shown():
            for trial in self.trials:
                self._watch(trial)
                with self.one(trial):
                    wait = partial(awaited, self.shell)
                    value = trial.value = await trial.loop.await_cell(self.code, self.spaces, wait)
        return self._last_value(value)

    def _watch(self, trial: Trial) -> None:
        """Count lines where that is asked for; those of a statement are in the functions that it calls."""
        if trial.plan.lines is None:
            return
        from e2e_magic.measuring.lines.sources import called_by

        space = self.spaces[1]
        codes = self.code.codes
        trial.watch(codes, space, text=self._body, also=called_by(codes, space) if self.as_value else ())

    def _last_value(self, value: Any) -> Any:
        if not self.as_value:
            return None if self.silent else value
        return None if self.silent else self.result
