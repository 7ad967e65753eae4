"""What a sweep in the foreground shows: each trial's output under its name, and how far it is."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from html import escape
from threading import RLock
from typing import Any, Self, TextIO
from weakref import WeakSet

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.display import CellDisplay, Ticker
from e2e_magic.measuring.streams import StandIn, standing_in
from e2e_magic.sweeping.schedule import Progress, Turn, worded
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.text import digits, quantity, time_left
from e2e_magic.views import markup

SHOWN_AFTER_S = 0.5
UPDATE_EVERY_S = 0.5


class TrialOutput:
    """Let each trial's prints and displays appear below a line with its number and parameters."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    @contextmanager
    def of(self, turn: Turn) -> Iterator[None]:
        """Run a trial in this process; a trial that shows nothing has no line."""
        __tracebackhide__ = True
        heading = _Heading(turn, sys.stdout)
        publisher = self._shell.display_pub
        self._shell.display_pub = _HeadedPublisher(publisher, heading, parent=self._shell)
        try:
            with standing_in(heading.above(sys.stdout), heading.above(sys.stderr)):
                yield
        finally:
            self._shell.display_pub = publisher

    def show(self, turn: Turn, text: str) -> None:
        """Show what a trial in a worker printed."""
        ending = "" if text.endswith("\n") else "\n"
        sys.stdout.write(f"{turn.label}\n{text}{ending}")


class _Heading:
    def __init__(self, turn: Turn, stream: TextIO) -> None:
        self._turn = turn
        self._stream = stream
        self._written = False

    def say(self) -> None:
        if not self._written:
            self._written = True
            self._stream.write(f"{self._turn.label}\n")
            self._stream.flush()

    def above(self, stream: TextIO) -> StandIn:
        """Return a stream that writes the heading before the first text."""

        def write(text: str) -> None:
            self.say()
            stream.write(text)

        return StandIn(stream, write)


class _HeadedPublisher(DisplayPublisher):
    """Hand on what is displayed, below the heading."""

    def __init__(self, publisher: DisplayPublisher, heading: _Heading, **settings: Any) -> None:
        super().__init__(**settings)
        self._publisher = publisher
        self._heading = heading

    def publish(self, *args: Any, **kwargs: Any) -> None:
        self._heading.say()
        self._publisher.publish(*args, **kwargs)

    def clear_output(self, wait: bool = False) -> None:
        self._publisher.clear_output(wait)

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Hand on the message that is being answered."""
        forward = getattr(self._publisher, "set_parent", None)
        if forward is not None:
            forward(parent)


class NoProgress:
    """The progress display that shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the display: nothing is shown any more."""


class SweepProgress(NoProgress):
    """Show how far the sweep is, twice a second, from a thread that sleeps nearly all the time.

    Parameters
    ----------
    sweep : Sweep
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._ticker = Ticker(self.update, "e2e-sweep-bar", after_s=SHOWN_AFTER_S, every_s=UPDATE_EVERY_S)

    def __enter__(self) -> Self:
        self._ticker.__enter__()
        return self

    def close(self) -> None:
        if not self._ticker.stopping:
            self._ticker.close()
            self.clear()

    def update(self) -> None:
        """Show the progress now."""

    def clear(self) -> None:
        """Remove the progress from the output."""


class LiveProgress(SweepProgress):
    """In a notebook: one display that is replaced, and emptied at the end.

    Not tqdm's: its bar there is a widget, which stays in the notebook's file, needs ipywidgets in the front
    end, and has no room for the best trial so far.
    """

    def __init__(self, shell: InteractiveShell, sweep: Sweep) -> None:
        super().__init__(sweep)
        self._display = CellDisplay(shell)

    def update(self) -> None:
        progress = self._sweep.progress
        page = (
            f'<div class="e2e-sweep" style="{markup.FONT}"><progress '
            f'value="{progress.done + progress.skipped}" max="{progress.total}" '
            'style="vertical-align:middle;width:14em"></progress> '
            f"{escape(in_words(progress))}</div>"
        )
        self._display.show({"text/html": page, "text/plain": bar(progress, self._sweep.plan.plan.stage)})

    def clear(self) -> None:
        self._display.clear()


class BarProgress(SweepProgress):
    """In a terminal: tqdm's bar on one line of the error stream, which makes room for all that is written."""

    def __init__(self, sweep: Sweep) -> None:
        super().__init__(sweep)
        self._stream = sys.stderr
        self._lock = RLock()
        self._amid = False  # whether a line written by other code is unfinished
        self._bar: Any = None
        self._drawn = False
        self._streams = ExitStack()

    def __enter__(self) -> Self:
        around = [StandIn(stream, partial(self.write, stream)) for stream in (sys.stdout, sys.stderr)]
        self._streams.enter_context(standing_in(*around))
        return super().__enter__()

    def close(self) -> None:
        super().close()
        self._streams.close()
        if self._bar is not None:
            self._bar.close()

    def update(self) -> None:
        with self._lock:
            if self._amid:
                return
            if self._bar is None:
                self._bar = _bar_of(self._stream)
            progress, stage = self._sweep.progress, self._sweep.plan.plan.stage
            self._bar.total = progress.total
            self._bar.n = min(progress.done + progress.skipped, progress.total)
            words = (stage[:40], in_words(progress))
            self._bar.bar_format = " [{bar:20}] ".join(map(_braces_doubled, words))
            # A bar that is broken into two lines can't be erased.
            self._bar.ncols = shutil.get_terminal_size().columns - 1
            self._bar.refresh()
            self._drawn = True

    def clear(self) -> None:
        with self._lock:
            if self._drawn:
                self._drawn = False
                self._bar.clear()

    def write(self, stream: TextIO, text: str) -> None:
        """Write another writer's text to its stream, in the place of the bar."""
        with self._lock:
            if text:
                self.clear()
                self._amid = not text.endswith("\n")
            stream.write(text)


def _bar_of(stream: TextIO) -> Any:
    """Return a bar of tqdm that starts no thread, makes no semaphore, and that no bar of the user's knows."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        monitor_interval = 0
        _lock = RLock()
        _instances: WeakSet[Any] = WeakSet()  # noqa: RUF012 - tqdm's, of all bars of a class

    return Bar(total=0, file=stream, leave=False, ascii=" #", delay=1e9)


def _braces_doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def progress_of(shell: InteractiveShell, sweep: Sweep, *, quiet: bool) -> NoProgress:
    """Return the progress display of a sweep in this shell."""
    if quiet:
        return NoProgress()
    if hasattr(shell, "kernel"):
        return LiveProgress(shell, sweep)
    return BarProgress(sweep) if sys.stderr.isatty() else NoProgress()


def bar(progress: Progress, stage: str) -> str:
    """Return the progress as a line of text."""
    share = (progress.done + progress.skipped) / max(progress.total, 1)
    return f"{stage[:40]} [{'#' * round(20 * min(share, 1)):<20}] {in_words(progress)}"


def in_words(progress: Progress) -> str:
    """Return a sentence: how far a sweep is, how long it takes, and the best so far."""
    parts = [f"{progress.done + progress.skipped} of {progress.total} trials done"]
    if progress.skipped:
        parts.append(f"{progress.skipped} of them before")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    parts += [f"{count} {state}" for state, count in sorted(progress.cut.items())]
    left = progress.left_s
    if left is not None and progress.left:
        parts.append(f"about {time_left(left)}")
    elif progress.left:
        parts.append(f"running for {quantity(time.monotonic() - progress.began, 's')}")
    if progress.best is not None and progress.best_value is not None:
        unit = "s" if str(progress.target).endswith("_s") else ""
        value = quantity(progress.best_value, unit) if unit else digits(progress.best_value)
        parts.append(f"best {progress.target} {value} at {worded(progress.best.params)}")
    return ", ".join(parts)
