"""Runs a panel's sweep while the kernel stays usable, in one of three places.

*isolated*: a thread of ours drives the warm process. *workers*: a thread drives the engine. *kernel*: a
task on the kernel's own loop runs each trial on the main thread, where user code is at home (``signal``,
sqlite, torch's grad mode), and lets the kernel answer in between.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.panel.capture import captured, interruptible
from e2e_magic.jupyter.panel.isolated_shell import PREPARE, dress, style_of_kernel
from e2e_magic.jupyter.panel.settings import ISOLATED, KERNEL
from e2e_magic.jupyter.running import traceback_of
from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.engines.isolated import Isolated
from e2e_magic.sweeping.engines.isolated.sweeping import IsolatedSweep
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.sweep import Sweep

# Between two trials in the kernel: Stop, other cells and comms get their turn.
BREATH_S = 0.02
_JOIN_S = 5.0


class Driver:
    """Drives one sweep at a time.

    Parameters
    ----------
    shell : InteractiveShell
    loop : asyncio event loop or None
        The kernel's; None where there is none, which leaves out *kernel*.
    hear : callable
        ``(turn, kind, content)``: what trials print and display.
    between : callable
        Called after each trial in the kernel, on the main thread.
    ended : callable
        Takes the error that ended the sweep, or None. Called from the thread that ran it.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        loop: asyncio.AbstractEventLoop | None,
        *,
        hear: Callable[[Turn, str, Any], None],
        between: Callable[[], None],
        ended: Callable[[BaseException | None], None],
    ) -> None:
        self.isolated = Isolated(PREPARE)
        self.stopping = threading.Event()
        self._shell = shell
        self._loop = loop
        self._hear = hear
        self._between = between
        self._ended = ended
        self._running: IsolatedSweep | None = None
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._turn: Turn | None = None

    def start(self, sweep: Sweep, where: str) -> None:
        """Start a sweep whose `abort` asks `stopping`."""
        self.stopping.clear()
        if where == KERNEL:
            if self._loop is None:
                raise PlanError("run in: this kernel has no event loop to run trials on; choose isolated")
            if sweep.job.is_async:
                raise PlanError(
                    "run in: the cell awaits at its top level, which can't share this kernel's loop with "
                    "the panel; choose isolated"
                )
            self._loop.call_soon_threadsafe(self._start_task, sweep)
            return
        trials: Iterator[Any]
        if where == ISOLATED:
            self._running = IsolatedSweep(
                sweep, self.isolated, self._hear, prelude=partial(dress, style_of_kernel())
            )
            trials = self._running.run()
        else:
            self._running = None
            trials = sweep.run()
        self._thread = threading.Thread(
            target=self._drive, args=(trials,), name="e2e-sweep-panel", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop: in the isolated process and on workers amid a trial, in the kernel after it."""
        self.stopping.set()
        if self._running is not None:
            self._running.stop()

    def close(self) -> None:
        """Stop and leave no thread, task or process."""
        self.stop()
        thread, task = self._thread, self._task
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_S)
        if task is not None and not task.done() and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(task.cancel)
        self.isolated.kill()

    def started(self, turn: Turn) -> None:
        """Take note of the turn that starts: what is printed now is its."""
        self._turn = turn

    def _drive(self, trials: Iterator[Any]) -> None:
        error: BaseException | None = None
        try:
            for _ in trials:
                pass
        except BaseException as raised:  # noqa: BLE001 - whatever it is, the panel says it
            error = raised
        self._ended(error)

    def _start_task(self, sweep: Sweep) -> None:
        self._task = asyncio.ensure_future(self._here(sweep), loop=self._loop)

    async def _here(self, sweep: Sweep) -> None:
        """Run each trial on the main thread, the kernel's turn in between."""
        error: BaseException | None = None
        turns = sweep.turns()
        try:
            while True:
                await asyncio.sleep(BREATH_S)
                turn = next(turns, None)
                if turn is None:
                    break
                with captured(self._shell, self._take), interruptible():
                    self._one(sweep, turn)
                with interruptible():
                    self._between()
                sweep.raise_failure()
        except asyncio.CancelledError:
            self._ended(KeyboardInterrupt())
            raise
        except BaseException as raised:  # noqa: BLE001 - nothing may reach the kernel's loop
            error = raised
        self._ended(error)

    def _one(self, sweep: Sweep, turn: Turn) -> None:
        """Run one turn here; the traceback of a trial that fails is heard like what it prints."""
        with sweep.here(turn):
            try:
                for trial in sweep.trials(turn):
                    with trial:
                        trial.value = sweep.job.call(turn.params)
            except Exception as error:
                self._take("error", (error, traceback_of(self._shell, error)))
                raise

    def _take(self, kind: str, content: Any) -> None:
        if self._turn is not None:
            self._hear(self._turn, kind, content)
