"""What a panel shows of its trials: the results, the static page that the notebook keeps, and the prints."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.display import EMPTY, CellDisplay, Throttle, bundle_of
from e2e_magic.jupyter.panel.ledger import Entry, Ledger
from e2e_magic.jupyter.panel.page import page
from e2e_magic.jupyter.panel.prints import Printed, TrialLog
from e2e_magic.jupyter.panel.results.widget import Results
from e2e_magic.record import Record
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.space import Axis

PAGE_EVERY_S = 0.5
# The static page, while the widget of the results hides it.
_HIDDEN_EVERY_S = 10.0


class Showing:
    """Shows a ledger as it grows.

    Parameters
    ----------
    shell : InteractiveShell
    stage : str

    Attributes
    ----------
    results : Results
        Part of the panel; the static page and the prints stand below it.
    log : TrialLog
    painting : lock
        Held while it shows something.
    """

    def __init__(self, shell: InteractiveShell, stage: str) -> None:
        self._stage = stage
        self._mark = f"e2e-sweep-{os.urandom(6).hex()}"
        self.results = Results(self._mark, stage, self._printed)
        self.log = TrialLog()
        self._prints = Printed()
        self._page, self._prints_below = CellDisplay(shell), CellDisplay(shell)
        self.painting = threading.RLock()
        self._pages = Throttle(PAGE_EVERY_S)
        self._painted = 0.0
        self._empty = False  # the first row is waited for: it is shown at once
        self._ledger: Ledger | None = None
        self._axes: Sequence[Axis] = ()
        self._total = 0
        self._own_run = ""  # of the trials that ran here: what they printed is at hand

    def place(self) -> None:
        """Give page and prints their places in the cell that runs."""
        self._page.show(EMPTY)
        self._prints_below.show(EMPTY)

    def begin(self, ledger: Ledger, axes: Sequence[Axis], total: int) -> None:
        """Show this ledger from now on."""
        self._ledger, self._axes, self._total = ledger, axes, total
        self._painted, self._empty = time.monotonic(), not len(ledger)
        self._send()

    def hear(self, turn: Turn, kind: str, content: Any) -> None:
        """Take what a trial prints, displays and logs, as it comes."""
        if kind == "logged":
            self.results.running(turn, content)
        else:
            self.log.add(turn, kind, content)

    def ended(self, record: Record) -> None:
        """Note a trial of this kernel that has ended."""
        self._own_run = record.run

    def look(self) -> None:
        """Show new prints, and the trials where that is due."""
        with self.painting:
            self.show_prints()
            first = self._empty and self._ledger is not None and len(self._ledger) > 0
            if first or self._pages.due():
                self._empty = self._empty and not first
                began = time.monotonic()
                self._send()
                if not self.results.alive or began - self._painted > _HIDDEN_EVERY_S:
                    self._page.show(self._drawn())
                    self._painted = began
                self._pages.done(began)

    def show_prints(self) -> None:
        """Show what trials have printed since the last time, in the place that is kept below the page."""
        if self._prints.show(self.log):
            self._prints_below.show(bundle_of(self._prints.widget, ""))

    def paint(self) -> None:
        """Show all trials so far, whether it is due or not."""
        with self.painting:
            self._send()
            self._page.show(self._drawn())

    def _send(self) -> None:
        if self._ledger is not None:
            self.results.show(self._ledger, self._axes, self._total)

    def _drawn(self) -> dict[str, str]:
        if self._ledger is None:
            return EMPTY
        return page(self._stage, self._ledger, self._axes, self._total, self._mark)

    def _printed(self, entry: Entry) -> str:
        record = entry.record
        if record.run == self._own_run:
            return self.log.printed(record.trial)
        return "what it printed is not kept: it ran before this panel was opened"
