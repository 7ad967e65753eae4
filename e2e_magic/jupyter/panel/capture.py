"""What a trial on the kernel's own main thread prints and displays, on its way into the panel."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

Take = Callable[[str, Any], None]


class _Writing(io.TextIOBase):
    """A stream whose text is taken."""

    encoding = "utf-8"

    def __init__(self, name: str, take: Take) -> None:
        self._name = name
        self._take = take

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text:
            self._take("streams", [(self._name, text)])
        return len(text)


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
def captured(shell: InteractiveShell, take: Take) -> Iterator[None]:
    """Take what is printed and displayed here, open figures of matplotlib's inline backend too."""
    streams, publisher = (sys.stdout, sys.stderr), shell.display_pub
    taking = _Publisher(parent=shell)
    taking.take = take
    sys.stdout, sys.stderr = _Writing("stdout", take), _Writing("stderr", take)
    shell.display_pub = taking
    try:
        yield
        inline = sys.modules.get("matplotlib_inline.backend_inline")
        if inline is not None and "matplotlib.pyplot" in sys.modules:
            inline.flush_figures()
    finally:
        shell.display_pub = publisher
        sys.stdout, sys.stderr = streams


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the toolbar's Interrupt raise KeyboardInterrupt: between cells a kernel ignores it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
