"""Which of this process's workers died first: they announce themselves, the operating system tells."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import suppress
from pathlib import Path

# How often a worker looks for its parent: at once where the system tells (pidfd), and then to be sure.
_LOOK_EVERY_S = 0.2


class Watch:
    """Waits for a sign of life or of death.

    Each worker writes the number of the turn that it runs into ``FOLDER/PID``. When one dies, its pool
    ends the others as well, within milliseconds; the pidfd says which was the first. Where the system
    has none (macOS, Windows) every running turn is under suspicion.

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
        """Return the turns of the workers that died first; None where that can't be known."""
        if self._poll is None or not self._dead:
            return None
        found: set[int] = set()
        for pid in self._dead:
            with suppress(OSError, ValueError):  # it died before its first trial
                found.add(int((self._folder / str(pid)).read_text()))
        return found or None

    def close(self) -> None:
        """Close what is open."""
        for descriptor in (self._ear, self._mouth, *self._descriptors):
            os.close(descriptor)
        self._descriptors.clear()

    def _look_for_workers(self) -> None:
        if self._poll is None:
            return
        known = set(self._descriptors.values()) | self._dead
        for path in self._folder.iterdir():
            if path.name.isdigit() and int(path.name) not in known:
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


def announce(folder: str, turn: int = 0) -> None:
    """Say, in a worker, which turn it runs."""
    with suppress(OSError):  # the sweep is over and its folder gone: nobody asks any more
        Path(folder, str(os.getpid())).write_text(str(turn))


def begin_worker(folder: str) -> None:
    """Make a worker known, and let it end with the process that started it, whatever it is doing."""
    announce(folder)
    threading.Thread(target=_end_with, args=(os.getppid(),), name="e2e-parent", daemon=True).start()


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
