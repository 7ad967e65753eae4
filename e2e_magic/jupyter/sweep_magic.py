"""``%%e2esweep``: the cell over its space, in the foreground."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from e2e_magic.api.sweeps import open_sweep
from e2e_magic.jupyter.frontend import shows_widgets
from e2e_magic.jupyter.panel.offer import Offer, remember
from e2e_magic.jupyter.running import (
    awaited,
    check_awaited,
    say_aside,
    users_traceback,
)
from e2e_magic.jupyter.sweep_arguments import read, sweep_parser
from e2e_magic.jupyter.sweep_job import prepared
from e2e_magic.jupyter.sweep_output import TrialOutput, progress_of
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record
from e2e_magic.session import Session
from e2e_magic.storage import Selection
from e2e_magic.sweeping.engines.pools import PoolLost
from e2e_magic.sweeping.engines.shipping import ShippingError
from e2e_magic.sweeping.jobs import CellJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Turn, died
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.views.sweep_result import SweepResult


def sweep_cell(shell: InteractiveShell, session: Session, line: str, cell: str) -> Any:
    """Run a cell once per combination; return the result, or a coroutine that does where the cell awaits."""
    __tracebackhide__ = True
    options = read(line)
    if options.help:
        display({"text/plain": sweep_parser().format_help()}, raw=True)
        return None
    remember(options, cell)
    if options.panel and offered(shell, session, options, cell):
        return None
    plan, job = prepared(shell, options, cell)
    check_awaited(job.is_async, "%%e2esweep")
    swept = _Swept(shell, session, plan, job, options)
    return swept.run_async() if job.is_async else swept.run()


def offered(shell: InteractiveShell, session: Session, options: argparse.Namespace, cell: str) -> bool:
    """Show the panel; False where nobody sees widgets, and the sweep runs at once."""
    if not shows_widgets(shell):
        return False
    if options.parameters:  # what is wrong with the line is said as for any other
        plan, job = prepared(shell, options, cell)
        try:
            open_sweep(session, plan, job)
        except PlanError as error:
            raise UsageError(str(error)) from None
    # ipywidgets is imported for who sees them.
    from e2e_magic.jupyter.panel.opened import open_panel

    open_panel(shell, session, Offer(options, cell))
    return True


class _Swept:
    """One sweep of a cell: its trials, what is shown of them, what is left behind."""

    def __init__(
        self,
        shell: InteractiveShell,
        session: Session,
        plan: SweepPlan,
        job: CellJob,
        options: argparse.Namespace,
    ) -> None:
        self._shell = shell
        self._session = session
        self._options = options
        self._output = TrialOutput(shell)
        try:
            self._sweep: Sweep = open_sweep(
                session,
                plan,
                job,
                on_record=self._on_record,
                on_output=self._output.show,
                warn=say_aside,
            )
        except PlanError as error:
            raise UsageError(str(error)) from None
        self._result = SweepResult(self._sweep, session.names())
        self._progress = progress_of(shell, self._sweep, quiet=options.quiet)

    def run(self) -> Any:
        """Run the sweep of a cell that doesn't await."""
        __tracebackhide__ = True
        with self._shown(), _said():
            if self._sweep.plan.where.kind == "kernel":
                for turn in self._sweep.turns():
                    with self._sweep.here(turn), self._output.of(turn):
                        for trial in self._sweep.trials(turn):
                            with trial:
                                trial.value = self._sweep.job.call(turn.params)
                    self._sweep.raise_failure()
            else:
                for _ in self._sweep.run():
                    pass
        return self._value()

    async def run_async(self) -> Any:
        """Run the sweep of a cell that awaits at its top level, on the loop that runs us."""
        __tracebackhide__ = True
        if self._sweep.plan.where.kind != "kernel":
            return self.run()
        with self._shown(), _said():
            for turn in self._sweep.turns():
                with self._sweep.here(turn), self._output.of(turn):
                    for trial in self._sweep.trials(turn):
                        with trial:
                            work = self._sweep.job.call(turn.params)
                            trial.value = await awaited(self._shell, work)
                self._sweep.raise_failure()
        return self._value()

    def _value(self) -> Any:
        return None if self._options.quiet else self._result

    @contextmanager
    def _shown(self) -> Iterator[None]:
        """Show how far it is meanwhile, and what there is of it when it ends early."""
        __tracebackhide__ = True
        with ExitStack() as stack:
            stack.enter_context(users_traceback(self._shell))
            stack.enter_context(self._progress)
            try:
                yield
            except BaseException:
                self._leave()
                if self._sweep.records and not self._options.quiet:
                    self._progress.close()
                    display(self._result)
                raise
            self._leave()
            if self._sweep.ended:
                left = self._sweep.progress.left
                say_aside(f"{self._sweep.ended}: {left} of {self._sweep.progress.total} trials were not run")

    def _leave(self) -> None:
        self._result.set_names(self._session.names(Selection(everything=self._options.resume)))
        if self._options.out:
            self._shell.user_ns[self._options.out] = self._result

    def _on_record(self, turn: Turn, record: Record) -> None:
        if record.state == "failed" and not self._sweep.plan.fail_fast and record.error and not died(record):
            say_aside(f"{turn.label} failed: {record.error.splitlines()[0]}")


@contextmanager
def _said() -> Iterator[None]:
    """Say what stands in the way of an engine in its own words, without our frames."""
    __tracebackhide__ = True
    try:
        yield
    except (PlanError, ShippingError, PoolLost) as error:
        raise UsageError(str(error)) from None
