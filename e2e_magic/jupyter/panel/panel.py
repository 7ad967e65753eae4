"""The sweep panel: a plan set by widgets, run while the kernel stays usable, stopped and resumed at will."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.api.sweeps import declared_metrics, open_sweep
from e2e_magic.jupyter.panel.controls import Control
from e2e_magic.jupyter.panel.driver import Driver
from e2e_magic.jupyter.panel.ledger import Ledger, within
from e2e_magic.jupyter.panel.line import changed, magic_line
from e2e_magic.jupyter.panel.log import TrialLog
from e2e_magic.jupyter.panel.offer import Offer, value_of
from e2e_magic.jupyter.panel.page import load_charts, page
from e2e_magic.jupyter.panel.settings import KERNEL, Settings
from e2e_magic.jupyter.panel.view import Painter, SweepView
from e2e_magic.jupyter.panel.wording import counted, in_words
from e2e_magic.jupyter.static_output import StaticOutput, show_widget
from e2e_magic.jupyter.sweep_arguments import values_in
from e2e_magic.jupyter.sweep_job import prepared
from e2e_magic.record import Record
from e2e_magic.session import Session
from e2e_magic.sweeping.jobs import CellJob
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.space import Axis, SpaceError
from e2e_magic.sweeping.sweep import Sweep

PAGE_EVERY_S = 0.5
_LOOK_EVERY_S = 0.25
_CLOSE_S = 5.0


class SweepPanel:
    """One panel.

    Parameters
    ----------
    shell : InteractiveShell
    session : Session
    offer : Offer
    before_run : callable
        Called before a sweep starts.
    """

    def __init__(
        self, shell: InteractiveShell, session: Session, offer: Offer, before_run: Callable[[], None]
    ) -> None:
        self._before_run = before_run
        self.offer = offer
        self.running = False
        self._shell = shell
        self._session = session
        self._lock = threading.RLock()
        self._painting = threading.Lock()
        self._closed = False
        self._log = TrialLog()
        self._static = StaticOutput(shell)
        self._driver = Driver(shell, _loop(), hear=self._log.hear, between=self._look, ended=self._ended)
        self._before = session.finished(offer.stage, offer.cell)
        self._sweep: Sweep | None = None
        self._ledger: Ledger | None = None
        self._axes: tuple[Axis, ...] = ()
        self._line = ""
        self._ran = ""  # the words of the last sweep
        self._complete = False
        self._total = 0
        self._loading: threading.Thread | None = None
        self._watching: threading.Thread | None = None
        self._quiet = threading.Event()
        self._quiet.set()
        self._pages = Painter(PAGE_EVERY_S)
        self._settings = Settings(
            offer.options, list(declared_metrics()), self._changed, here=offer.needs_kernel(shell)
        )
        self._controls = [self._control(word) for word in offer.options.parameters]
        path = f"{''.join(c if c.isalnum() or c in '-_' else '_' for c in offer.stage)}_trials.csv"
        self.view = SweepView(offer.stage, self._settings.rows, offer.names(shell), path)
        self.view.connect(
            {
                "run": self.run,
                "stop": self.stop,
                "resume": self.resume,
                "export": self.export,
                "add": self._add,
            }
        )
        self.view.parameters([control.row for control in self._controls])
        self.view.state("ready", "")
        self._changed()

    def show(self) -> None:
        """Show it as the output of the cell that runs; its result follows below it."""
        # Loading what draws takes a second or two: done by the time that Run is pressed.
        self._loading = threading.Thread(target=load_charts, name="e2e-sweep-charts", daemon=True)
        self._loading.start()
        show_widget(self.view.box, f"Sweep panel of {self.offer.stage}: run this cell to use it")
        self._static.show({"text/html": "", "text/plain": ""})

    def run(self) -> None:
        """Run all trials; nothing where a sweep runs."""
        self._start(resume=False)

    def resume(self) -> None:
        """Run what is missing; nothing where a sweep runs."""
        self._start(resume=True)

    def stop(self) -> None:
        """Stop; what is finished stays. Nothing where nothing runs."""
        with self._lock:
            if not self.running:
                return
            self.view.enable(run=False, stop=False, resume=False)
            self.view.state("stopping", "after this trial" if self._settings.where == KERNEL else "")
        self._driver.stop()

    def export(self) -> None:
        """Write the trials to the file that the panel names."""
        try:
            self.view.exported("writing ..")  # what writes may have to be imported first
            self.view.exported(self._exported())
        except (ValueError, OSError, ImportError) as error:
            self.view.exported(f"export: {error}", wrong=True)

    def close(self) -> None:
        """Stop, leave no thread or process, and let nothing be pressed any more."""
        self._driver.close()
        with self._lock:
            self._closed = True
            if self.running:  # a task on the kernel's loop, which waits for us: it will find itself cancelled
                self._over(KeyboardInterrupt())
        for thread in (self._loading, self._watching):
            if thread is not None and thread is not threading.current_thread():
                thread.join(_CLOSE_S)
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
        return f"{len(frame):,} rows written to {writers.write(frame, self.view.path.value.strip())}"

    def _add(self) -> None:
        """Sweep one more parameter."""
        name = self.view.name.value.strip()
        if not name.isidentifier() or name in [control.name for control in self._controls]:
            self.view.complain(
                f"add: expected the name of another variable that the cell reads, got {name!r}"
            )
            return
        self._controls.append(self._control(f"{name}={value_of(name, self._shell)}"))
        self.view.parameters([control.row for control in self._controls])
        self.view.name.value = ""
        self._changed()

    def _control(self, word: str) -> Control:
        return Control(word, values_in(self._shell), self._changed)

    def _changed(self) -> None:
        """Read everything anew: the count, the line, what can be pressed."""
        if self.running:
            return
        try:
            plan, _ = self._read()
        except (UsageError, ValueError, ImportError) as error:
            # What is wrong with a parameter stands beside it already.
            self.view.complain("" if isinstance(error, SpaceError) and self._controls else str(error))
            self.view.count("")
            self.view.enable(run=False, stop=False, resume=False)
            return
        self.view.complain("")
        self.view.count(counted(plan))
        self.view.line(self._line)
        self.view.enable(run=True, stop=False, resume=self._resumable(plan))

    def _resumable(self, plan: SweepPlan) -> bool:
        """Tell whether some of the trials are done, here or in the store, and perhaps not all."""
        if self._complete and self._ran == self._line:
            return False
        ledger = self._ledger
        if ledger is not None:
            return ledger.count("complete") > 0
        return any(within(plan.space, record.params) for record in self._before)

    def _read(self) -> tuple[SweepPlan, CellJob]:
        """Return the plan and the job that the widgets stand for; the line follows."""
        wrong = None
        for control in self._controls:  # each of them, so that each says what is wrong
            try:
                control.read()
            except SpaceError as error:
                wrong = wrong or error
        if wrong is not None:
            raise wrong
        words = [control.word for control in self._controls]
        settings = {**self._settings.values(), "resume": False, "panel": False}
        options = changed(self.offer.options, settings)
        self._line = magic_line("%%e2esweep", self.offer.stage, words, options)
        return prepared(self._shell, changed(options, {"parameters": words}), self.offer.cell)

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
                    on_record=self._came,
                    on_output=lambda turn, text: self._log.hear(turn, "streams", [("stdout", text)]),
                    warn=self._log.say,
                )
                self._before_run()
                self._begin(sweep, resume=resume)
                self._driver.start(sweep, self._settings.where)
            except Exception as error:  # noqa: BLE001 - whatever it is: the panel must not say that it runs
                if self.running:
                    self._over(error)
                else:
                    self.view.complain(in_words(error))
                return
        if self._settings.where != KERNEL:
            self._watching = threading.Thread(target=self._watch, name="e2e-sweep-view", daemon=True)
            self._watching.start()

    def _begin(self, sweep: Sweep, *, resume: bool) -> None:
        self._sweep, self._axes, self._total = sweep, sweep.plan.space.axes, sweep.progress.total
        if resume and self._ledger is not None:
            self._ledger.aim(sweep.schedule.goal)
        else:
            self._ledger = Ledger(sweep.schedule.goal)
        if resume:
            for record in self._session.finished(self.offer.stage, sweep.job.source):
                if within(sweep.plan.space, record.params):
                    self._ledger.add(record)
        else:
            self._log.clear()
        self.running, self._complete, self._ran = True, False, self._line
        self._quiet.clear()
        for control in self._controls:
            control.lock(True)
        self._settings.lock(True)
        self.view.complain("")
        self.view.enable(run=False, stop=True, resume=False)
        self.view.state("running", "")
        self.view.progress(sweep.progress)

    def _came(self, _turn: Turn, record: Record) -> None:
        if self._ledger is not None:
            self._ledger.add(record)

    def _watch(self) -> None:
        """Show what is new as long as it runs; a thread's work."""
        while not self._quiet.wait(_LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        """Show what is new."""
        with self._painting:  # the last page is the one that stays
            sweep = self._sweep
            if sweep is None or not self.running:
                return
            self.view.progress(sweep.progress)
            self.view.log(self._log)
            if self._pages.due():
                began = time.monotonic()
                self._static.update(self._page())
                self._pages.done(began)

    def _paint(self) -> None:
        """Show the page as it stays."""
        with self._painting:
            self._static.update(self._page())

    def _page(self) -> dict[str, str]:
        if self._ledger is None:
            return {"text/html": "", "text/plain": ""}
        return page(self.offer.stage, self._ledger, self._axes, self._total)

    def _ended(self, error: BaseException | None) -> None:
        """Take note that the sweep has ended; called by the driver."""
        with self._lock:
            if not self._closed:
                self._over(error)

    def _over(self, error: BaseException | None) -> None:
        sweep, self.running = self._sweep, False
        self._quiet.set()
        # After Stop the state is said at once, and else last: who reads "done" finds the whole result.
        stopped = self._driver.stopping.is_set()
        if sweep is not None and not stopped:
            self._paint()
        for control in self._controls:
            control.lock(False)
        self._settings.lock(False)
        self.view.log(self._log)
        if sweep is not None:
            interrupted = sum(record.state == "interrupted" for record in sweep.records)
            self.view.progress(sweep.progress, interrupted)
            self._say_end(sweep, error)
        if error is not None and not isinstance(error, KeyboardInterrupt):
            self.view.complain(in_words(error))
        self.view.enable(run=True, stop=False, resume=sweep is not None and self._resumable(sweep.plan))
        if sweep is not None and stopped:
            self._paint()

    def _say_end(self, sweep: Sweep, error: BaseException | None) -> None:
        last = sweep.records[-1] if sweep.records else None
        if last is not None and last.state == "interrupted":
            self.view.state("interrupted", f"trial {last.trial} was ended; Resume runs what is missing")
        elif self._driver.stopping.is_set() or isinstance(error, KeyboardInterrupt):
            self.view.state("stopped", "Resume runs what is missing")
        elif error is not None:
            self.view.state("failed", "")
        else:
            self._complete = not sweep.ended
            self.view.state("done" if self._complete else "stopped", sweep.ended)


def _loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs this cell: in a kernel, its own."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
