"""Run a panel's sweep while the kernel stays usable, in one of three places.

*isolated*: a thread of ours drives the warm process. *workers*: a thread drives the engine. *kernel*: a
task on the kernel's own loop runs each trial on the main thread, where user code is at home (``signal``,
sqlite, torch's grad mode), and lets the kernel answer in between.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.panel.isolated_shell import PREPARE, dress, style_of_kernel
from e2e_magic.jupyter.panel.settings import ISOLATED, KERNEL
from e2e_magic.jupyter.tracebacks import traceback_of
from e2e_magic.measuring.plan import PlanError
from e2e_magic.measuring.streams import StandIn, standing_in
from e2e_magic.sweeping.engines.isolated.calls import Isolated
from e2e_magic.sweeping.engines.isolated.engine import IsolatedEngine
from e2e_magic.sweeping.engines.kernel import KernelEngine
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.sweep import Sweep

# Between two trials in the kernel: Stop, other cells and comms get their turn.
BREATH_S = 0.02
_JOIN_S = 5.0

Take = Callable[[str, Any], None]


class Driver:
    """Drive one sweep at a time.

    Parameters
    ----------
    shell : InteractiveShell
    loop : asyncio event loop or None
        The kernel's; None where there is none, which leaves out *kernel*.
    hear : callable
        Called as ``(turn, kind, content)`` with what trials print and display.
    between : callable
        Called after each trial in the kernel, on the main thread.
    ended : callable
        Called with the error that ended the sweep, or None, from the thread that ran it.
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
        self._engine: IsolatedEngine | None = None
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
        self._engine = None
        if where == ISOLATED:
            prelude = partial(dress, style_of_kernel())
            self._engine = IsolatedEngine(sweep.job, sweep.plan, self.isolated, self._hear, prelude=prelude)
        self._thread = threading.Thread(
            target=self._drive, args=(sweep, self._engine), name="e2e-sweep-panel", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop: in the isolated process and on workers amid a trial, in the kernel after it."""
        self.stopping.set()
        if self._engine is not None:
            self._engine.stop()

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
        """Note the turn that starts: output from now on belongs to it."""
        self._turn = turn

    def _drive(self, sweep: Sweep, engine: IsolatedEngine | None) -> None:
        error: BaseException | None = None
        try:
            for _ in sweep.run(engine):
                pass
        except BaseException as raised:  # noqa: BLE001 - whatever it is, the panel shows it
            error = raised
        self._ended(error)

    def _start_task(self, sweep: Sweep) -> None:
        self._task = asyncio.ensure_future(self._here(sweep), loop=self._loop)

    async def _here(self, sweep: Sweep) -> None:
        """Run each trial on the main thread, the kernel's turn in between."""
        error: BaseException | None = None
        engine = KernelEngine(sweep.job, classes=sweep.classes, warn=sweep.warn, around=self._around)
        try:
            await asyncio.sleep(BREATH_S)
            async with aclosing(sweep.run_async(engine)) as records:
                async for _ in records:
                    with _interruptible():
                        self._between()
                    await asyncio.sleep(BREATH_S)
        except asyncio.CancelledError:
            self._ended(KeyboardInterrupt())
            raise
        except BaseException as raised:  # noqa: BLE001 - nothing may reach the kernel's loop
            error = raised
        self._ended(error)

    @contextmanager
    def _around(self, _: Turn) -> Iterator[None]:
        """Pass on what a trial here prints and displays, and the traceback of one that fails."""
        with _captured(self._shell, self._take), _interruptible():
            try:
                yield
            except Exception as error:
                self._take("error", (error, traceback_of(self._shell, error)))
                raise

    def _take(self, kind: str, content: Any) -> None:
        if self._turn is not None:
            self._hear(self._turn, kind, content)


class _Publisher(DisplayPublisher):
    """A publisher whose displays are taken. A message that arrives meanwhile sets a parent: nothing to do."""

    take: Take

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Ignore the parent message: what is displayed goes to the panel, whichever cell runs."""

    def publish(self, data: Any, metadata: Any = None, *_: Any, **__: Any) -> None:
        self.take("display", (data, metadata or {}))

    def clear_output(self, wait: bool = False) -> None:
        """Leave what was displayed: the panel keeps the output of several trials."""


@contextmanager
def _captured(shell: InteractiveShell, take: Take) -> Iterator[None]:
    """Pass on what is printed and displayed here, open figures of matplotlib's inline backend too."""
    publisher = shell.display_pub
    taking = _Publisher(parent=shell)
    taking.take = take
    out = StandIn(sys.stdout, lambda text: take("streams", [("stdout", text)]))
    err = StandIn(sys.stderr, lambda text: take("streams", [("stderr", text)]))
    shell.display_pub = taking
    try:
        with standing_in(out, err):
            yield
            inline = sys.modules.get("matplotlib_inline.backend_inline")
            if inline is not None and "matplotlib.pyplot" in sys.modules:
                inline.flush_figures()
    finally:
        shell.display_pub = publisher


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make the toolbar's Interrupt raise KeyboardInterrupt: between cells a kernel ignores it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
