"""The magics: each parses its line, builds a plan, hands it to the session and shows the result."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display

from e2e_magic.jupyter import arguments, subcommands
from e2e_magic.jupyter.auto import Auto
from e2e_magic.jupyter.live import LiveCard, ProgressLine
from e2e_magic.jupyter.panel.offer import remember
from e2e_magic.jupyter.running import (
    awaited,
    check_awaited,
    compile_body,
    held_back,
    say_aside,
    silenced,
    spaces_of,
    users_traceback,
)
from e2e_magic.jupyter.sweep_arguments import sweep_parser
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.options import planned
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.measuring.trial import Trial
from e2e_magic.record import Record
from e2e_magic.session import current
from e2e_magic.text import legible_lines
from e2e_magic.views.result import Result


@magics_class
class E2EMagics(Magics):
    """``%%e2ebench``, ``%e2ebench``, ``%%e2esweep`` and ``%e2e``."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.session = current()
        # VS Code's name for the notebook, and that of ipykernel where Jupyter's server gives one.
        self.session.notebook = lambda: str(
            shell.user_ns.get("__vsc_ipynb_file__") or shell.user_ns.get("__session__") or ""
        )
        if hasattr(shell, "kernel"):
            self.session.writer.begin_in(_notebook_folder(shell))
        self.auto = Auto(shell, self.session)
        self.transformer: Callable[[list[str]], list[str]] | None = None

    @no_var_expand
    @line_cell_magic
    def e2ebench(self, line: str, cell: str | None = None) -> Any:
        __tracebackhide__ = True
        if cell is None:
            parser = arguments.line_parser()
            options, body = arguments.split_statement(parser, line)
        else:
            parser = arguments.cell_parser()
            options, body = arguments.read_cell_line(line), cell
        if options.help:
            display({"text/plain": parser.format_help()}, raw=True)
            return None
        if cell is None and not body.strip():
            parser.error("there is no statement to measure, such as %e2ebench -s infer model.predict(X)")
        plan = plan_of(options)
        code = compile_body(self.shell, body)
        check_awaited(code.is_async, parser.prog)
        if cell is not None:
            remember(options, cell)
        measured = _Measured(self, plan, options, body, code, as_value=cell is None)
        return measured.run_async() if code.is_async else measured.run()

    @no_var_expand
    @cell_magic
    def e2esweep(self, line: str, cell: str) -> Any:
        __tracebackhide__ = True
        from e2e_magic.jupyter.sweep_magic import sweep_cell

        self.auto.leave_out()
        return sweep_cell(self.shell, self.session, line, cell)

    @no_var_expand
    @line_magic
    def e2e(self, line: str) -> Any:
        __tracebackhide__ = True
        try:
            return subcommands.act(line, self.session, self.auto, self.shell)
        except (ValueError, OSError, ImportError) as error:
            raise UsageError(legible_lines(str(error))) from None


def _notebook_folder(shell: InteractiveShell) -> Path:
    """Return where the notebook is: a cell before ours may have gone elsewhere."""
    file = shell.user_ns.get("__vsc_ipynb_file__")
    return Path(file).parent if file else Path(shell.starting_dir)


def plan_of(options: argparse.Namespace) -> Plan:
    """Build the plan of a line; what is wrong with it is a `UsageError`."""
    try:
        plan = Plan.of(options.stage, planned(vars(options)))
        plan.check_collectors(registered())
    except PlanError as error:
        raise UsageError(str(error)) from None
    return plan


class _Measured:
    """One measured cell or statement: its trials, what is shown of them, what is left behind."""

    def __init__(
        self,
        magics: E2EMagics,
        plan: Plan,
        options: argparse.Namespace,
        body: str,
        code: Cell,
        *,
        as_value: bool,
    ) -> None:
        self.shell = magics.shell
        self.session = magics.session
        self.plan = plan
        self.code = code
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
        self._trials = self.session.trials(
            plan,
            options={name: partial(each.evaluate, self.spaces) for name, each in plan.options.items()},
            source=body,
            keep=self.records.append,
            warn=say_aside,
        )
        magics.auto.leave_out()

    def run(self) -> Any:
        """Run a cell that doesn't await."""
        __tracebackhide__ = True
        value = None
        with self._shown():
            for trial in self._trials:
                with self._one(trial):
                    value = trial.value = self.code.run(*self.spaces)
        return self._last_value(value)

    async def run_async(self) -> Any:
        """Run a cell that awaits at its top level, on the loop that runs us."""
        __tracebackhide__ = True
        value = None
        with self._shown():
            for trial in self._trials:
                with self._one(trial):
                    work = self.code.run_async(*self.spaces)
                    value = trial.value = await awaited(self.shell, work)
        return self._last_value(value)

    def _last_value(self, value: Any) -> Any:
        if not self.as_value:
            return None if self.silent else value
        return None if self.silent else self.result

    def _one(self, trial: Trial) -> ExitStack:
        """Enter one trial; the output of all but the last repeat is held back, unless it fails."""
        stack = ExitStack()
        last = not trial.step.warmup and trial.step.repeat == self.plan.repeat
        if not last:
            stack.enter_context(held_back(self.shell))
        if self._live is not None:
            self._live.watch(trial)
            stack.callback(self._live.done)
        stack.enter_context(trial)
        return stack

    def _shown(self) -> ExitStack:
        """Show the live card meanwhile and leave the card and the variable behind, whatever happens."""
        stack = ExitStack()
        stack.enter_context(users_traceback(self.shell))
        stack.callback(self._leave)
        steps = self.plan.warmup + self.plan.repeat
        if not self.options.quiet and hasattr(self.shell, "kernel"):
            self._live = stack.enter_context(LiveCard(self.shell, steps))
        elif not self.options.quiet and steps > 1 and sys.stderr.isatty():
            self._live = stack.enter_context(ProgressLine(self.plan.stage, steps))
        return stack

    def _leave(self) -> None:
        self.result.set_names(self.session.names())
        if self.options.out:
            self.shell.user_ns[self.options.out] = self.result
        if self.options.quiet or not self.records:
            return
        if self.as_value and self.records[-1].state == "complete" and not self.silent:
            if self._live is not None:  # the value of the line is the card: don't show it twice
                self._live.finish({"text/plain": "", "text/html": ""})
            return
        live = self._live
        if live is not None and live.shown:
            live.finish({"text/html": self.result._repr_html_() or "", "text/plain": repr(self.result)})
        else:
            display(self.result)


E2EMagics.e2ebench.__doc__ = (
    "Measure this cell, or with one % this statement.\n\n"
    + arguments.cell_parser().format_help()
    + "\nEXPR is Python, evaluated after the code, outside the measured time.\n"
    + "\nAs a line: %e2ebench [-s STAGE] [options] STATEMENT\n"
)
E2EMagics.e2esweep.__doc__ = sweep_parser().format_help()
E2EMagics.e2e.__doc__ = subcommands.overview()
