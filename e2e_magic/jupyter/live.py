"""The live card: from 2 s on it shows that a cell is being measured; the final card replaces it.

It must not disturb what it measures: a thread that sleeps nearly always, twice a second asks the
sampler process for the curve and sends a small SVG made by joining strings (0.3 ms), no chart library.
"""

from __future__ import annotations

import contextvars
import os
import sys
import time
from collections.abc import Sequence
from html import escape
from threading import Event, Thread
from typing import Any, Self

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.measuring.trial import Trial
from e2e_magic.record import Series
from e2e_magic.text import quantity

SHOWN_AFTER_S = 2.0
UPDATE_EVERY_S = 0.5
_POINTS = 160
# The curves worth watching, with words; the first four that a machine has are shown.
_WATCHED = (
    ("cpu_percent_now", "CPU", "%"),
    ("rss_mib", "memory", "MiB"),
    ("package_power_w", "power", "W"),
    ("psys_power_w", "platform power", "W"),
    ("gpu_percent_now", "GPU", "%"),
    ("gpu_power_w", "GPU power", "W"),
)
_MOST_CURVES = 4


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
        seconds, samples = trial.peek()
        curves = [
            _curve(words, unit, samples.series[name])
            for name, words, unit in _WATCHED
            if len(samples.series.get(name, ())) > 1
        ][:_MOST_CURVES]
        events = trial.events.peek()
        logged = [
            f"{escape(key)} <b>{quantity(column[-1])}</b>" for key, column in list(events.values.items())[:4]
        ]
        said = f"epoch <b>{events.epoch[-1]:g}</b> · {' · '.join(logged)}" if logged else ""
        return (
            '<div class="e2e-live" style="border:1px dashed rgba(128,128,128,.5);border-radius:6px;'
            "padding:.6em .9em;margin:.3em 0;max-width:720px;box-sizing:border-box;"
            "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.4;"
            'color:inherit"><div style="overflow-wrap:anywhere"><b>'
            f"{escape(trial.plan.stage[:120])}</b> running for <b>{quantity(seconds, 's')}</b>"
            f"{self._progress()}</div>{said}"
            '<div style="display:flex;flex-wrap:wrap;gap:.4em 1.6em;margin-top:.3em">'
            f"{''.join(curves)}</div></div>"
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


def _curve(words: str, unit: str, series: Series) -> str:
    values = _thinned(series.value)
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = 240 / max(len(values) - 1, 1)
    points = " ".join(f"{n * step:.1f},{38 - 34 * (v - low) / span:.1f}" for n, v in enumerate(values))
    return (
        f'<div><span style="opacity:.72;font-size:.88em">{words}</span> <b>{quantity(values[-1], unit)}</b> '
        f'<span style="opacity:.72;font-size:.88em">peak {quantity(high, unit)}</span><br>'
        f'<svg width="240" height="40" viewBox="0 0 240 40" role="img" aria-label="{words} over time">'
        f'<polyline points="{points}" fill="none" stroke="#3B8EC2" stroke-width="1.5"/></svg></div>'
    )


def _thinned(values: Sequence[float]) -> list[float]:
    """Keep the largest of each stretch, so that a short peak stays in sight."""
    width = max(1, -(-len(values) // _POINTS))
    return [max(values[n : n + width]) for n in range(0, len(values), width)]
