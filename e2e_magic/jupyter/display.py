"""Outputs that a cell shows and keeps replacing, from any thread: a live card, a progress, a page of a panel.

Widgets don't survive a reload of the notebook; what is shown here stays in the saved one.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

EMPTY = {"text/html": "", "text/plain": ""}


class CellDisplay:
    """One output of the cell that runs now, replaced in place, also after the cell has ended.

    Parameters
    ----------
    shell : InteractiveShell
        Of a kernel: a terminal replaces nothing.

    Attributes
    ----------
    shown : bool
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shown = False
        # The real one: while a repeat's output is held back, the shell has another.
        self._publisher: Any = shell.display_pub
        self._transient = {"display_id": f"e2e-{os.urandom(6).hex()}"}
        # It makes a message belong to this cell, whichever thread sends it and whichever cell runs then.
        self._context = contextvars.copy_context()

    def show(self, data: Mapping[str, Any]) -> None:
        """Show data by MIME type, in the place of what was shown before."""
        update, self.shown = self.shown, True
        self._context.copy().run(  # a context can be entered by one thread at a time
            self._publisher.publish, data=dict(data), metadata={}, transient=self._transient, update=update
        )

    def clear(self) -> None:
        """Clear the output, where anything was shown."""
        if self.shown:
            self.show(EMPTY)


class Ticker:
    """Call a function periodically from a thread that sleeps nearly all the time.

    Parameters
    ----------
    act : callable
    name : str
        The thread's.
    after_s, every_s : float
        Seconds before the first call, and between two.
    """

    def __init__(self, act: Callable[[], None], name: str, *, after_s: float, every_s: float) -> None:
        self._act = act
        self._name = name
        self._after_s = after_s
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        # A new event per start: a thread that is still in its last call must not resume with the next start.
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name=self._name, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called: nothing more is to be shown."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Prevent further calls; one that is under way continues."""
        self._stop.set()

    def close(self, timeout_s: float | None = None) -> None:
        """Stop, and wait for a call that is under way; the thread doesn't wait for itself."""
        self.stop()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _run(self, stop: threading.Event) -> None:
        wait_s = self._after_s
        while not stop.wait(wait_s):
            self._act()
            wait_s = self._every_s


# The first drawing loads the fonts, which must not delay the second one for long.
_LONGEST_WAIT_S = 2.0


class Throttle:
    """Limit how often something is shown: at most every `least_s` seconds, and a fifth of the time."""

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s
        self._next = 0.0

    def due(self) -> bool:
        """Return whether the next display is due."""
        return time.monotonic() >= self._next

    def done(self, began: float) -> None:
        """Set the next due time, given when this display began (`time.monotonic`, s)."""
        now = time.monotonic()
        self._next = now + min(max(self._least_s, 4 * (now - began)), _LONGEST_WAIT_S)


def bundle_of(widget: Any, sentence: str) -> dict[str, Any]:
    """Return what shows a widget, in every ipywidgets from 7 on; who can't show it shows the sentence."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"application/vnd.jupyter.widget-view+json": view, "text/plain": sentence}


def show_widget(widget: Any, sentence: str) -> None:
    """Show a widget; a notebook that is read without its kernel shows the sentence instead."""
    display(bundle_of(widget, sentence), raw=True)
