"""The live card: from 2 s on it shows that a cell is being measured; the final card, at the end, replaces it.

It must not disturb what it measures: a thread that sleeps nearly always, twice a second asks the
sampler process for the curves and sends small pictures of our own, without a chart library.
"""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Self

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.display import CellDisplay, Ticker
from e2e_magic.jupyter.outputs import Outputs
from e2e_magic.measuring.trial import Trial
from e2e_magic.text import quantity, time_left
from e2e_magic.views import markup

SHOWN_AFTER_S = 2.0
UPDATE_EVERY_S = 0.5
_MOST_PICTURES = 4
_MOST_LOGGED = 2_000


class LiveCard:
    """A card of the trial that runs, with how many repeats are done.

    Parameters
    ----------
    shell : InteractiveShell
        Of a kernel: a terminal has no place for it.
    steps : int
        Executions to come, warm-ups included.
    outputs : Outputs
        Of the cell: in one that clears its output there is no place for it.
    """

    def __init__(self, shell: InteractiveShell, steps: int, outputs: Outputs) -> None:
        self._display = CellDisplay(shell)
        self._outputs = outputs
        self._steps = steps
        self._done = 0
        self._began = self._done_at = time.monotonic()
        self._trial: Trial | None = None
        self._stage = ""
        self._logged = ""
        self._curves: list[str] = []
        self._ticker = Ticker(self._show, "e2e-live-card", after_s=SHOWN_AFTER_S, every_s=UPDATE_EVERY_S)

    def __enter__(self) -> Self:
        self._ticker.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._ticker.close()

    def watch(self, trial: Trial) -> None:
        """Show this trial from now on."""
        self._trial = trial

    def done(self) -> None:
        """Count one finished execution."""
        self._done += 1
        self._done_at = time.monotonic()

    def drawing(self) -> None:
        """Say that the code has ended and its card is about to come, in the same place and size."""
        if self._display.shown:
            self._publish(" · drawing")

    def clear(self) -> None:
        """Make room for the final card, which comes behind all that the cell has output."""
        self._display.clear()

    def _show(self) -> None:
        trial = self._trial
        if trial is None or self._outputs.cleared:
            return
        try:
            seconds = self._look(trial)
        except (OSError, RuntimeError, ValueError):
            return  # between two trials there may be nothing to show
        if not self._ticker.stopping:
            self._publish(f" running for <b>{quantity(seconds, 's')}</b>{self._progress()}")

    def _look(self, trial: Trial) -> float:
        """Take what the trial has measured so far, and return its age (s).

        The curves of the repeat before stay until this one has any: the card keeps its height.
        """
        seconds, recorded = trial.peek()
        events = trial.events.peek()
        logged = [
            f"{escape(key)} <b>{quantity(column[-1])}</b>" for key, column in list(events.values.items())[:4]
        ]
        self._stage = trial.plan.stage
        if logged:
            self._logged = f"epoch <b>{events.epoch[-1]:g}</b> · {' · '.join(logged)}"
        from e2e_magic.views.pictures.trial import epochs, samples

        # A picture of very many points would hold up the code that is measured.
        learned = epochs(events, {}) if len(events.epoch) <= _MOST_LOGGED else []
        sampled = samples(recorded.series)[: _MOST_PICTURES - len(learned)]
        curves = [picture.html() for picture in (*sampled, *learned)]
        self._curves = curves if len(curves) >= len(self._curves) else self._curves
        return seconds

    def _publish(self, state: str) -> None:
        page = markup.block(
            markup.heading(self._stage[:120], state) + self._logged + markup.columns(self._curves),
            name="e2e-live",
            running=True,
        )
        self._display.show({"text/html": page, "text/plain": f"{self._stage}: running"})

    def _progress(self) -> str:
        """Return a bar over the repeats with the time left, estimated from the executions done so far."""
        if self._steps < 2:
            return ""
        left = ""
        if self._done:
            mean = (self._done_at - self._began) / self._done
            remaining = mean * (self._steps - self._done) - (time.monotonic() - self._done_at)
            left = f", about {time_left(remaining)}"
        return (
            f" · {self._done} of {self._steps} done{left} "
            f'<progress value="{self._done}" max="{self._steps}" style="vertical-align:middle;width:10em">'
            "</progress>"
        )


class ProgressLine:
    """The live card's counterpart for a terminal: the repeats done, on one line of the error stream."""

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
        """Do nothing: a terminal has no place for curves."""

    def done(self) -> None:
        """Count one finished execution; after 2 s write how many are left."""
        self._done += 1
        elapsed = time.monotonic() - self._began
        left = self._steps - self._done
        if elapsed < SHOWN_AFTER_S or not left:
            return
        bar = "#" * round(20 * self._done / self._steps)
        text = f"{self._done} of {self._steps} done, about {time_left(elapsed / self._done * left)}"
        self._write(f"{self._stage[:40]} [{bar:<20}] {text}")

    def drawing(self) -> None:
        """Do nothing: a terminal has the card at once."""

    def clear(self) -> None:
        """Do nothing: the line has gone."""

    def _write(self, text: str) -> None:
        if text or self._width:
            sys.stderr.write(f"\r{text:<{self._width}}" + ("" if text else "\r"))
            sys.stderr.flush()
        self._width = len(text)
