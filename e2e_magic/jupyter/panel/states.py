"""What a panel says of its sweep: a word, and a sentence where one helps."""

from __future__ import annotations

from collections.abc import Callable

from e2e_magic.jupyter.panel.settings import ENGINE
from e2e_magic.jupyter.panel.view import SweepView
from e2e_magic.record import Record
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.text import shorten

# So many trials that all fail alike: the rest will too.
_ASKED_FROM = 3


class States:
    """Says in which state the sweep is. Any thread may call it.

    Parameters
    ----------
    view : SweepView
    stopping : callable
        Returns whether Stop was pressed: nothing is said then but the end.
    """

    def __init__(self, view: SweepView, stopping: Callable[[], bool]) -> None:
        self._view = view
        self._stopping = stopping
        self._starting = False
        self._errors: set[str | None] = set()
        self._failed = 0

    def begin(self, where: str, *, cold: bool) -> None:
        """Say that a sweep runs, or that what its trials need is only being loaded."""
        self._errors, self._failed = set(), 0
        self._starting = cold
        started = "workers" if where == ENGINE else "a process"
        self._view.state("running", f"starting {started}: imports and data" if cold else "")

    def begun(self) -> None:
        """Say that trials run: one has begun."""
        if self._starting and not self._stopping():
            self._starting = False
            self._view.state("running", "")

    def ended(self, record: Record, failed: int) -> None:
        """Ask, where all trials so far have failed alike, whether to go on."""
        self._errors.add(record.error if record.state == "failed" else None)
        self._starting = False
        self._failed = failed
        if not self._stopping():
            self._view.state("running", self._alike("stop? "))

    def _alike(self, question: str = "") -> str:
        """Return that all have failed with one error, and which; empty where that isn't so."""
        if self._failed < _ASKED_FROM or len(self._errors) != 1:
            return ""
        [error] = self._errors
        return f"all {self._failed:,} failed with the same error: {question}{shorten(error or '', 80)}"

    def over(self, sweep: Sweep, error: BaseException | None, *, kept: bool) -> bool:
        """Say how it ended, and return whether all trials are done; `kept`: whether Resume can be pressed."""
        last = sweep.records[-1] if sweep.records else None
        further = "Resume runs what is missing" if kept else "no trial had completed"
        if last is not None and last.state == "interrupted":
            self._view.state("interrupted", f"trial {last.trial} was ended; {further}")
        elif self._stopping() or isinstance(error, KeyboardInterrupt):
            self._view.state("stopped", further)
        elif error is not None:
            self._view.state("failed", "")
        else:
            self._view.state("stopped" if sweep.ended else "done", sweep.ended or self._alike())
            return not sweep.ended
        return False
