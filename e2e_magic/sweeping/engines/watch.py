"""Which of this process's workers died first: they announce themselves, the system reports deaths."""

from __future__ import annotations

import multiprocessing
import os
import select
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import util
from pathlib import Path
from typing import Any

# How often a worker looks for its parent: at once where a pidfd shows its end, and then to be sure.
_LOOK_EVERY_S = 0.2


class Watch:
    """Waits for a sign of life or of death.

    Each worker writes the number of the turn that it runs into ``FOLDER/PID`` (`announce`). When one dies,
    its pool ends the others as well, within milliseconds; the pidfd shows which was the first. Where the
    system has none (macOS, Windows) every running turn is under suspicion.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._woken = threading.Event()
        self._ear, self._mouth = os.pipe()
        self._descriptors: dict[int, int] = {}
        self._dead: set[int] = set()
        self._poll = select.poll() if hasattr(select, "poll") and hasattr(os, "pidfd_open") else None
        if self._poll is not None:
            os.set_blocking(self._mouth, False)
            self._poll.register(self._ear, select.POLLIN)

    def wake(self) -> None:
        """End the waiting: called from any thread when a result is there."""
        self._woken.set()
        with suppress(OSError):  # full: it is awake; closed: nobody waits any more
            if self._poll is not None:
                os.write(self._mouth, b".")

    def wait(self, seconds: float) -> None:
        """Wait for `wake`, for a worker's death, or so many seconds."""
        self._look_for_workers()
        if self._poll is None:
            self._woken.wait(seconds)
            self._woken.clear()
            return
        # The kernel of the operating system makes this list at the instant of the first event.
        for descriptor, _event in self._poll.poll(seconds * 1000):
            if descriptor == self._ear:
                os.read(self._ear, 4096)
            else:
                self._died(descriptor)

    def dead_turns(self) -> set[int] | None:
        """Return the turns of the workers that died first; None where that can't be determined."""
        if self._poll is None or not self._dead:
            return None
        turns: set[int] = set()
        for pid in self._dead:
            with suppress(OSError, ValueError):  # it died before its first trial
                turns.add(announced(self._folder / str(pid))[0])
        return turns or None

    def close(self) -> None:
        """Close what is open."""
        for descriptor in (self._ear, self._mouth, *self._descriptors):
            os.close(descriptor)
        self._descriptors.clear()

    def _look_for_workers(self) -> None:
        if self._poll is None:
            return
        watched = set(self._descriptors.values()) | self._dead
        for path in self._folder.iterdir():
            if path.name.isdigit() and int(path.name) not in watched:
                try:
                    descriptor = os.pidfd_open(int(path.name))
                except OSError:  # gone already, before it could be watched
                    self._dead.add(int(path.name))
                    continue
                self._descriptors[descriptor] = int(path.name)
                self._poll.register(descriptor, select.POLLIN)

    def _died(self, descriptor: int) -> None:
        self._dead.add(self._descriptors.pop(descriptor))
        if self._poll is not None:
            self._poll.unregister(descriptor)
        os.close(descriptor)


def announce(folder: str, turn: int = 0, execution: int = 0) -> None:
    """Announce, in a worker, which turn it runs, and which of its executions (0 between them)."""
    with suppress(OSError):  # the sweep is over and its folder gone: nobody asks any more
        Path(folder, str(os.getpid())).write_text(f"{turn} {execution}")


def announced(file: Path) -> tuple[int, int]:
    """Return turn and execution of a worker's file; zeros while it is being written."""
    turn, _, execution = file.read_text().partition(" ")
    return int(turn or 0), int(execution or 0)


def begin_worker(folder: str, start_method: str | None) -> None:
    """Register a worker, and end it with the process that started it, whatever it is doing.

    What its code starts is started as the kernel starts it: loky leaves a method of its own, with which no
    process of ``multiprocessing`` can be started.
    """
    announce(folder)
    multiprocessing.set_start_method(start_method, force=True)
    threading.Thread(target=_end_with, args=(os.getppid(),), name="e2e-parent", daemon=True).start()
    # As the worker ends it waits for its children, and those of joblib end after five idle minutes.
    util.Finalize(None, _end_joblibs, args=(_joblibs(),), exitpriority=100)


def _joblibs() -> Any:
    """Return the executor that joblib keeps for this process's next call; a fork finds its parent's."""
    return getattr(sys.modules.get("joblib.externals.loky.reusable_executor"), "_executor", None)


def _end_joblibs(inherited: Any) -> None:
    executor = _joblibs()
    if executor is not None and executor is not inherited:
        executor.shutdown(wait=True, kill_workers=True)


def _end_with(parent: int) -> None:
    poll = None
    if hasattr(select, "poll") and hasattr(os, "pidfd_open"):
        with suppress(OSError):  # it is gone already
            poll = select.poll()
            poll.register(os.pidfd_open(parent), select.POLLIN)
    while os.getppid() == parent:  # an orphan gets another parent
        if poll is not None:
            poll.poll()
        time.sleep(_LOOK_EVERY_S)
    # Not `sys.exit`, which would wait for the trial.
    os._exit(1)
