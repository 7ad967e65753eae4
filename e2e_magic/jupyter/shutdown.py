"""The sampler is told when a front end asks the kernel to end: a restart looks like any kill otherwise."""

from __future__ import annotations

from functools import wraps
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.measuring.sampler import sampler


class Shutdown:
    """Stands before the kernel's own answer to ``shutdown_request``, while it is installed.

    Parameters
    ----------
    shell : InteractiveShell
        One in a terminal is asked nothing.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._kernel: Any = getattr(shell, "kernel", None)
        self._ours: Any = None

    def install(self) -> None:
        theirs = getattr(self._kernel, "do_shutdown", None)
        if theirs is None:
            return

        @wraps(theirs)
        def asked(restart: bool, *args: Any, **kwargs: Any) -> Any:
            sampler().tell_asked("restart" if restart else "shut down")
            return theirs(restart, *args, **kwargs)

        self._kernel.do_shutdown = self._ours = asked

    def remove(self) -> None:
        if self._ours is not None and self._kernel.__dict__.get("do_shutdown") is self._ours:
            del self._kernel.do_shutdown
        self._ours = None
