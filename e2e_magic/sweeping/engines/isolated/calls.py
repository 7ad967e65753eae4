"""Calls of functions in the process beside the kernel, one at a time.

Imports are paid once: the process stays for the next call. It is no child of the kernel (a user's
``os.wait()`` never meets it, nor does a collector that counts children) and ends with it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from e2e_magic.sweeping.engines.isolated.edited import edited_modules
from e2e_magic.sweeping.engines.isolated.process import Hear, IsolatedLost, Process, surroundings


class Isolated:
    """Calls functions in another process, one at a time.

    Parameters
    ----------
    prepare : str
        ``module:function``, called there once with a `child.Mouth`; it returns what is entered around
        each call.

    Notes
    -----
    `call` waits; `interrupt` and `kill` come from other threads. After `kill` the next call starts a new
    process.
    """

    def __init__(self, prepare: str = "") -> None:
        self._prepare = prepare
        self._process: Process | None = None
        self._calling = threading.Lock()
        self._changing = threading.Lock()

    @staticmethod
    def available() -> str | None:
        """Return None where it can be used, else the reason in words."""
        if os.name != "posix":
            return "an isolated process needs a POSIX system; let the trials run in this kernel"
        return None

    @property
    def pid(self) -> int | None:
        """The process's number; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.alive() else None

    @property
    def warm(self) -> bool:
        """Whether there is a process that was called already: it has imported what the call needs."""
        process = self._process
        return process is not None and process.alive() and process.used

    def start(self) -> None:
        """Start the process, without waiting for it, so that the first call finds it ready."""
        with self._changing:
            if self._process is None or not self._process.alive():
                if self._process is not None:
                    self._process.close()
                self._process = Process(self._prepare)

    def refresh(self) -> None:
        """End a process that differs from one started now; the next call starts a new one.

        It was started in another folder, with other environment variables or another ``sys.path``, or one of
        the user's modules that it has loaded was edited since.
        """
        process = self._process
        if process is None or not process.alive():
            return
        try:
            old = process.surroundings != surroundings() or bool(self.call(edited_modules))
        except IsolatedLost:  # it ended meanwhile: there is none any more
            return
        if old:
            self.kill()

    def call(self, function: Callable[..., Any], *args: Any, hear: Hear | None = None) -> Any:
        """Call a function there and return its value.

        Parameters
        ----------
        function : callable
            Sent once per process: the next call with the same object sends its arguments only.
        *args
            Sent with each call.
        hear : callable, optional
            Takes what is printed and displayed meanwhile, as it comes.

        Raises
        ------
        IsolatedLost
            If the process ended meanwhile.
        BaseException
            What the function raised.
        """
        with self._calling:
            self.start()
            process = self._process
            if process is None:  # killed in between
                raise IsolatedLost("the isolated process was ended", killed=True)
            try:
                return process.call(function, args, hear)
            finally:
                if not process.alive():
                    with self._changing:
                        if self._process is process:
                            self._process = None
                    process.close()

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the call that runs; nothing where none does."""
        process = self._process
        if process is not None:
            process.signal(signal.SIGINT)

    def kill(self) -> None:
        """End the process and all that it started, at once, also amid a call."""
        with self._changing:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            if self._calling.acquire(blocking=False):  # nobody reads from it: close it here
                try:
                    process.close()
                finally:
                    self._calling.release()
