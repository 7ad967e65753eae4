"""The sweep panel: a plan set by widgets, run while the kernel stays usable, stopped and resumed at will."""

from __future__ import annotations

import asyncio
import threading
from argparse import Namespace
from contextlib import suppress
from dataclasses import replace
from typing import Any

from IPython.core.error import UsageError

from e2e_magic.api.sweeps import declared_metrics, open_sweep
from e2e_magic.jupyter.display import Ticker, show_widget
from e2e_magic.jupyter.magic_line import magic_line
from e2e_magic.jupyter.notebook import MagicCell, Notebook
from e2e_magic.jupyter.panel.controls import Parameters
from e2e_magic.jupyter.panel.driver import Driver
from e2e_magic.jupyter.panel.ledger import Combinations, Ledger, text_of
from e2e_magic.jupyter.panel.page import load_charts
from e2e_magic.jupyter.panel.settings import ENGINE, ISOLATED, KERNEL, Settings
from e2e_magic.jupyter.panel.showing import Showing
from e2e_magic.jupyter.panel.states import States
from e2e_magic.jupyter.panel.view import SweepView, in_words, trial_count
from e2e_magic.jupyter.sweep_arguments import values_in
from e2e_magic.jupyter.sweep_job import prepared
from e2e_magic.record import Record
from e2e_magic.sweeping.jobs import CellJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.space import Axis, SpaceError
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.sweeping.values import copied
from e2e_magic.text import counted

_LOOK_EVERY_S = 0.25
_CLOSE_S = 5.0


def open_panel(notebook: Notebook, cell: MagicCell) -> SweepPanel:
    """Show a panel in the cell that runs; the stage's panel before it is closed."""
    before = notebook.panels.pop(cell.stage, None)
    if before is not None:
        before.close()
    for other in notebook.panels.values():  # one warm process at a time
        other.cool()
    panel = SweepPanel(notebook, cell)
    notebook.panels[cell.stage] = panel
    panel.show()
    return panel


class SweepPanel:
    """One panel.

    Parameters
    ----------
    notebook : Notebook
    cell : MagicCell
    """

    def __init__(self, notebook: Notebook, cell: MagicCell) -> None:
        self._notebook = notebook
        self._shell = shell = notebook.shell
        self._session = session = notebook.session
        self.cell = cell
        self.running = False
        self._lock = threading.RLock()
        self._closed = False
        self._showing = Showing(shell, cell.stage)
        self._driver = Driver(shell, _loop(), hear=self._hear, between=self._look, ended=self._ended)
        self._before = session.finished(cell.stage, cell.body)
        self._sweep: Sweep | None = None
        self._ledger: Ledger | None = None
        self._axes: tuple[Axis, ...] = ()
        self._line = ""
        self._ran = ""  # the words of the last sweep
        self._complete = False
        self._total = 0
        self._loading: threading.Thread | None = None
        self._watching = Ticker(self._look, "e2e-sweep-view", after_s=_LOOK_EVERY_S, every_s=_LOOK_EVERY_S)
        self._settings = Settings(
            cell.options, list(declared_metrics()), self._changed, here=cell.needs_kernel(shell)
        )
        self._parameters = Parameters(
            cell.options.parameters, values_in(shell), self._changed, lambda: cell.values(shell)
        )
        path = f"{''.join(c if c.isalnum() or c in '-_' else '_' for c in cell.stage)}_trials.csv"
        self.view = SweepView(
            cell.stage, self._parameters.widget, self._settings.rows, self._showing.results, path
        )
        acts = (self.run, self.stop, self.resume, self.apply, self.export)
        self._states = States(self.view, self._driver.stopping.is_set)
        self.view.connect({act.__name__: act for act in acts})
        self.view.state("ready", "")
        self._changed()

    def show(self) -> None:
        """Show it as the output of the cell that runs; its result follows below it."""
        # What takes a second or two is done by the time that Run is pressed: the process of the trials, and
        # the chart library. One that can't be started is said then.
        if self._settings.where == ISOLATED:
            with suppress(OSError):
                self._driver.isolated.start()
        self._loading = threading.Thread(target=load_charts, name="e2e-sweep-charts", daemon=True)
        self._loading.start()
        show_widget(self.view.box, f"Sweep panel of {self.cell.stage}: run this cell to use it")
        self._showing.place()

    def run(self) -> None:
        """Run all trials; do nothing while a sweep runs."""
        self._start(resume=False)

    def resume(self) -> None:
        """Run the missing trials; do nothing while a sweep runs."""
        self._start(resume=True)

    def stop(self) -> None:
        """Stop the sweep; finished trials stay. Do nothing where none runs."""
        with self._lock:
            if not self.running:
                return
            self.view.enable(run=False, stop=False, resume=False)
            self.view.state("stopping", "after this trial" if self._settings.where == KERNEL else "")
        self._driver.stop()

    def apply(self) -> None:
        """Set the variables of the notebook to the parameters of the best trial."""
        best = next(iter(self._ledger.best(1)), None) if self._ledger is not None else None
        if best is None or self._sweep is None:
            return
        params = Combinations(self._sweep.plan.space).of(best.record) or best.record.params
        self._shell.user_ns.update(copied(params))
        texts = ", ".join(f"{name} = {text_of(value)}" for name, value in params.items())
        self.view.exported(f"set in this notebook, from trial {best.record.trial}: {texts}")

    def export(self) -> None:
        """Write the trials to the file that the panel names."""
        try:
            self.view.exported("writing ..")  # the writing library may have to be imported first
            self.view.exported(self._exported())
        except (ValueError, OSError, ImportError) as error:
            self.view.exported(f"export: {error}", wrong=True)

    def close(self) -> None:
        """Stop, leave no thread or process, and disable all buttons."""
        self._driver.close()
        with self._lock:
            self._closed = True
            if self.running:  # a task on the kernel's loop, which waits for us: it will find itself cancelled
                self._over(KeyboardInterrupt())
        self._watching.close(_CLOSE_S)
        if self._loading is not None:
            self._loading.join(_CLOSE_S)
        self.view.enable(run=False, stop=False, resume=False)
        self.view.state("closed", "run the cell again for a new panel")

    def cool(self) -> None:
        """End the warm process where nothing runs in it."""
        if not self.running:
            self._driver.isolated.kill()

    def _exported(self) -> str:
        from e2e_magic.views import frames, writers

        ledger = self._ledger
        if ledger is None or not len(ledger):
            return "there are no trials yet: press Run first"
        records = [entry.record for entry in ledger.entries]
        frame = frames.trials(
            records, self._session.names(), metric=ledger.goal.name, maximize=ledger.goal.maximize
        )
        path = writers.write(frame, self.view.path.value.strip())
        return f"{counted(len(frame), 'row')} written to {path}"

    def _changed(self) -> None:
        """Read the controls again, and show the count, the line and which buttons can be pressed."""
        if self.running:
            return
        try:
            plan, _ = self._read()
            resumable = self._resumable(plan)
        except (UsageError, ValueError, ImportError) as error:
            # What is wrong with a parameter stands beside it already.
            self.view.complain("" if isinstance(error, SpaceError) and self._parameters.words else str(error))
            self.view.count("")
            self.view.enable(run=False, stop=False, resume=False)
            return
        self.view.complain("")
        self.view.count(f"{trial_count(plan)}, {self._settings.described()}")
        self.view.line(self._line)
        self.view.enable(run=True, stop=False, resume=resumable, apply=self._has_best())

    def _resumable(self, plan: SweepPlan) -> bool:
        """Return whether some of the trials are done, here or in the store, and perhaps not all."""
        if self._complete and self._ran == self._line:
            return False
        ledger = self._ledger
        if ledger is not None:
            return ledger.count("complete") > 0
        if not self._before:
            return False
        combinations = Combinations(plan.space)
        return any(combinations.of(record) is not None for record in self._before)

    def _has_best(self) -> bool:
        return self._ledger is not None and bool(self._ledger.best(1))

    def _read(self) -> tuple[SweepPlan, CellJob]:
        """Return the plan and the job that the widgets stand for; the line follows."""
        self._parameters.check()
        words = self._parameters.words
        settings = {**self._settings.values(), "resume": False, "panel": False, "parameters": words}
        options = Namespace(**{**vars(self.cell.options), **settings})
        self._line = magic_line("%%e2esweep", self.cell.stage, words, options)
        return prepared(self._notebook, options, self.cell.body)

    def _start(self, *, resume: bool) -> None:
        with self._lock:
            if self.running:
                return
            try:
                plan, job = self._read()
                sweep = open_sweep(
                    self._session,
                    replace(plan, resume=resume),
                    job,
                    abort=self._driver.stopping.is_set,
                    on_start=self._driver.started,
                    on_record=self._add_record,
                    on_output=lambda turn, text: self._hear(turn, "streams", [("stdout", text)]),
                    warn=self._showing.log.warn,
                )
                for other in self._notebook.panels.values():  # one warm process at a time
                    if other is not self:
                        other.cool()
                self._begin(sweep, resume=resume)
                if self._settings.where != KERNEL:  # there the driver calls between two trials
                    self._watching.__enter__()
                self._driver.start(sweep, self._settings.where)
            except Exception as error:  # noqa: BLE001 - whatever it is: the panel must not say that it runs
                if self.running:
                    self._over(error)
                else:
                    self.view.complain(in_words(error))

    def _begin(self, sweep: Sweep, *, resume: bool) -> None:
        self._sweep, self._axes, self._total = sweep, sweep.plan.space.axes, sweep.progress.total
        if resume and self._ledger is not None:
            self._ledger.aim(sweep.schedule.goal)
        else:
            self._ledger = Ledger(sweep.schedule.goal)
        if resume:
            combinations = Combinations(sweep.plan.space)
            for record in self._session.finished(self.cell.stage, sweep.job.source):
                if combinations.of(record) is not None:
                    self._ledger.add(record)
        else:
            self._showing.log.clear()
        self.running, self._complete, self._ran = True, False, self._line
        self._parameters.lock(True)
        self._settings.lock(True)
        self.view.folded(not self._showing.results.wide)
        self.view.show_results()
        self._showing.begin(self._ledger, self._axes, self._total)
        self.view.complain("")
        self.view.enable(run=False, stop=True, resume=False)
        where = self._settings.where
        cold = where == ENGINE or (where == ISOLATED and not self._driver.isolated.warm)
        self._states.begin(where, cold=cold)
        self.view.progress(sweep.progress)

    def _add_record(self, _turn: Turn, record: Record) -> None:
        if self._ledger is not None:
            self._showing.ended(record)
            self._ledger.add(record)
        self._states.ended(record, 0 if self._sweep is None else self._sweep.progress.failed)

    def _hear(self, turn: Turn, kind: str, content: Any) -> None:
        """Take what comes from a trial while it runs: it has begun."""
        self._states.begun()
        if kind != "begun":
            self._showing.hear(turn, kind, content)

    def _look(self) -> None:
        """Show the progress, new prints, and the page where it is due."""
        with self._showing.painting:  # the last page is the one that stays
            sweep = self._sweep
            if sweep is not None and self.running:
                self.view.progress(sweep.progress)
                self._showing.look()

    def _ended(self, error: BaseException | None) -> None:
        """End the panel's run; called by the driver."""
        with self._lock:
            if not self._closed:
                self._over(error)

    def _over(self, error: BaseException | None) -> None:
        sweep, self.running = self._sweep, False
        self._watching.stop()
        # After Stop the state is shown at once, and else last: a reader of "done" finds the whole result.
        stopped = self._driver.stopping.is_set()
        if sweep is not None and not stopped:
            self._showing.paint()
        self._parameters.lock(False)
        self._settings.lock(False)
        self._showing.show_prints()
        if sweep is not None:
            interrupted = sum(record.state == "interrupted" for record in sweep.records)
            self.view.progress(sweep.progress, interrupted)
            kept = self._ledger is not None and self._ledger.count("complete") > 0
            self._complete = self._states.over(sweep, error, kept=kept)
        if error is not None and not isinstance(error, KeyboardInterrupt):
            self.view.complain(in_words(error))
            self.view.folded(False)  # what is wrong is changed there
        resumable = sweep is not None and self._resumable(sweep.plan)
        self.view.enable(run=True, stop=False, resume=resumable, apply=self._has_best())
        if sweep is not None and stopped:
            self._showing.paint()


def _loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs this cell: in a kernel, its own."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
