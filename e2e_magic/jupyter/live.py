"""The live card: from 2 s on it shows that a cell is being measured; the final card replaces it.

It must not disturb what it measures: a thread that sleeps nearly always, twice a second asks the
sampler process for the curves and sends small pictures of our own, without a chart library.
"""

from __future__ import annotations

import contextvars
import os
import sys
import time
from html import escape
from threading import Event, Thread
from typing import Any, Self

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.measuring.trial import Trial
from e2e_magic.text import quantity
from e2e_magic.views import markup
from e2e_magic.views.pictures.trial import samples

SHOWN_AFTER_S = 2.0
UPDATE_EVERY_S = 0.5
_MOST_PICTURES = 4


class LiveCard:
    """Shows the trial that is running, and how far the repeats are.

    Parameters
    ----------
    shell : InteractiveShell
        Of a kernel: a terminal has no place for it.
    steps : int
        Executions to come, warm-ups included.
    """

    def __init__(self, shell: InteractiveShell, steps: int) -> None:
        self.display_id = f"e2e-{os.urandom(6).hex()}"
        self.shown = False
        # The real one: while a repeat's output is held back, the shell has another.
        self._publisher: Any = shell.display_pub
        self._steps = steps
        self._done = 0
        self._began = self._done_at = time.monotonic()
        self._trial: Trial | None = None
        self._stop = Event()
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        # The copied context makes what the thread publishes belong to this cell, not to a later one.
        context = contextvars.copy_context()
        self._thread = Thread(target=context.run, args=(self._watch,), name="e2e-live-card", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def watch(self, trial: Trial) -> None:
        """Look at this trial from now on."""
        self._trial = trial

    def done(self) -> None:
        """Count one finished execution."""
        self._done += 1
        self._done_at = time.monotonic()

    def finish(self, data: dict[str, str]) -> bool:
        """Replace the live card by the final one; False where none was shown."""
        if self.shown:
            self._publish(data, update=True)
        return self.shown

    def _watch(self) -> None:
        self._stop.wait(SHOWN_AFTER_S)
        while not self._stop.is_set():
            trial = self._trial
            if trial is not None:
                try:
                    page = self._html(trial)
                except (OSError, RuntimeError, ValueError):
                    page = None  # between two trials there may be nothing to look at
                if page is not None and not self._stop.is_set():
                    self._publish(
                        {"text/html": page, "text/plain": f"{trial.plan.stage}: running"}, update=self.shown
                    )
                    self.shown = True
            self._stop.wait(UPDATE_EVERY_S)

    def _publish(self, data: dict[str, str], *, update: bool) -> None:
        transient = {"display_id": self.display_id}
        self._publisher.publish(data=data, metadata={}, transient=transient, update=update)

    def _html(self, trial: Trial) -> str:
        seconds, recorded = trial.peek()
        events = trial.events.peek()
        logged = [
            f"{escape(key)} <b>{quantity(column[-1])}</b>" for key, column in list(events.values.items())[:4]
        ]
        curves = [picture.html() for picture in samples(recorded.series, least=2)[:_MOST_PICTURES]]
        return markup.block(
            markup.heading(
                trial.plan.stage[:120], f" running for <b>{quantity(seconds, 's')}</b>{self._progress()}"
            )
            + (f"epoch <b>{events.epoch[-1]:g}</b> · {' · '.join(logged)}" if logged else "")
            + markup.flow(curves),
            name="e2e-live",
            running=True,
        )

    def _progress(self) -> str:
        """Return a bar over the repeats with the time left, judged by the executions done so far."""
        if self._steps < 2:
            return ""
        left = ""
        if self._done:
            mean = (self._done_at - self._began) / self._done
            remaining = mean * (self._steps - self._done) - (time.monotonic() - self._done_at)
            left = f", about {quantity(max(remaining, 0.0), 's')} left"
        return (
            f" · {self._done} of {self._steps} done{left} "
            f'<progress value="{self._done}" max="{self._steps}" style="vertical-align:middle;width:10em">'
            "</progress>"
        )


class ProgressLine:
    """The same for a terminal: how far the repeats are, on one line of the error stream."""

    shown = False

    def __init__(self, stage: str, steps: int) -> None:
        self._stage = stage
        self._steps = steps
        self._done = 0
        self._began = time.monotonic()
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write("")

    def watch(self, trial: Trial) -> None:
        """Show no curves: a terminal has no place for them."""

    def done(self) -> None:
        """Count one finished execution and say how many are left, once it takes long enough to care."""
        self._done += 1
        elapsed = time.monotonic() - self._began
        left = self._steps - self._done
        if elapsed < SHOWN_AFTER_S or not left:
            return
        bar = "#" * round(20 * self._done / self._steps)
        said = f"{self._done} of {self._steps} done, about {quantity(elapsed / self._done * left, 's')} left"
        self._write(f"{self._stage[:40]} [{bar:<20}] {said}")

    def finish(self, data: dict[str, str]) -> bool:
        """Nothing stays: the card is printed."""
        return bool(data) and self.shown

    def _write(self, text: str) -> None:
        if text or self._width:
            sys.stderr.write(f"\r{text:<{self._width}}" + ("" if text else "\r"))
            sys.stderr.flush()
        self._width = len(text)
