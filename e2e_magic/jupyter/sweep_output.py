"""What a sweep in the foreground shows: each trial's output under its name, and how far it is."""

from __future__ import annotations

import contextvars
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from threading import Event, RLock, Thread
from typing import Any, Self, TextIO

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.sweeping.schedule import Progress, Turn, worded
from e2e_magic.sweeping.sweep import Sweep
from e2e_magic.text import digits, quantity, shorten
from e2e_magic.views import markup

SHOWN_AFTER_S = 0.5
UPDATE_EVERY_S = 0.5


class TrialOutput:
    """Lets each trial's prints and displays appear below a line with its number and parameters."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    @contextmanager
    def of(self, turn: Turn) -> Iterator[None]:
        """Run a trial in this process; a trial that shows nothing has no line."""
        __tracebackhide__ = True
        heading = _Heading(turn, sys.stdout)
        streams = sys.stdout, sys.stderr
        publisher = self._shell.display_pub
        sys.stdout, sys.stderr = _Headed(streams[0], heading), _Headed(streams[1], heading)
        self._shell.display_pub = _HeadedPublisher(publisher, heading, parent=self._shell)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
            self._shell.display_pub = publisher

    def show(self, turn: Turn, text: str) -> None:
        """Show what a trial in a worker printed."""
        ending = "" if text.endswith("\n") else "\n"
        sys.stdout.write(f"{turn.label}\n{text}{ending}")


class _Heading:
    def __init__(self, turn: Turn, stream: TextIO) -> None:
        self._turn = turn
        self._stream = stream
        self._said = False

    def say(self) -> None:
        if not self._said:
            self._said = True
            self._stream.write(f"{self._turn.label}\n")
            self._stream.flush()


class _Headed:
    """A stream that says the heading before the first thing that is written."""

    def __init__(self, stream: TextIO, heading: _Heading) -> None:
        self._stream = stream
        self._heading = heading

    def write(self, text: str) -> int:
        if text:
            self._heading.say()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _HeadedPublisher(DisplayPublisher):
    """Hands on what is displayed, below the heading."""

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
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Show nothing any more."""


class SweepProgress(NoProgress):
    """Says how far the sweep is, twice a second, from a thread that sleeps nearly always.

    Parameters
    ----------
    sweep : Sweep
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._stop = Event()
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        # The copied context makes what the thread publishes belong to this cell.
        context = contextvars.copy_context()
        self._thread = Thread(target=context.run, args=(self._follow,), name="e2e-sweep-bar", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self.clear()

    def _follow(self) -> None:
        self._stop.wait(SHOWN_AFTER_S)
        while not self._stop.is_set():
            self.update()
            self._stop.wait(UPDATE_EVERY_S)

    def update(self) -> None:
        """Show it now."""

    def clear(self) -> None:
        """Take it away."""


class LiveProgress(SweepProgress):
    """In a notebook: one display that is replaced, and emptied at the end."""

    def __init__(self, shell: InteractiveShell, sweep: Sweep) -> None:
        super().__init__(sweep)
        self._publisher: Any = shell.display_pub
        self._display_id = f"e2e-{os.urandom(6).hex()}"
        self._shown = False

    def update(self) -> None:
        progress = self._sweep.progress
        page = (
            f'<div class="e2e-sweep" style="{markup.FONT}"><progress '
            f'value="{progress.done + progress.skipped}" max="{progress.total}" '
            'style="vertical-align:middle;width:14em"></progress> '
            f"{escape(said(progress, self._sweep.plan.plan.stage))}</div>"
        )
        self._publish({"text/html": page, "text/plain": bar(progress, self._sweep.plan.plan.stage)})

    def clear(self) -> None:
        if self._shown:
            self._publish({"text/html": "", "text/plain": ""})

    def _publish(self, data: dict[str, str]) -> None:
        transient = {"display_id": self._display_id}
        self._publisher.publish(data=data, metadata={}, transient=transient, update=self._shown)
        self._shown = True


class BarProgress(SweepProgress):
    """In a terminal: a bar on one line of the error stream, which makes room for all that is written."""

    _width = 0

    def __init__(self, sweep: Sweep) -> None:
        super().__init__(sweep)
        self._stream = sys.stderr
        self._lock = RLock()
        self._amid = False  # a line that someone writes
        self._streams: tuple[TextIO, TextIO] | None = None

    def __enter__(self) -> Self:
        self._streams = sys.stdout, sys.stderr
        around: list[Any] = [_Around(stream, self) for stream in self._streams]
        sys.stdout, sys.stderr = around
        return super().__enter__()

    def close(self) -> None:
        super().close()
        if self._streams is not None:
            sys.stdout, sys.stderr = self._streams
            self._streams = None

    def update(self) -> None:
        with self._lock:
            if not self._amid:
                text = bar(self._sweep.progress, self._sweep.plan.plan.stage)
                # A bar that is broken into two lines can't be taken back.
                self._draw(shorten(text, shutil.get_terminal_size().columns - 1))

    def clear(self) -> None:
        with self._lock:
            self._draw("")

    def write(self, stream: TextIO, text: str) -> int:
        """Write what another one writes, where the bar was."""
        with self._lock:
            if text:
                self._draw("")
                self._amid = not text.endswith("\n")
            return stream.write(text)

    def _draw(self, text: str) -> None:
        if text or self._width:
            self._stream.write(f"\r{text:<{self._width}}" + ("" if text else "\r"))
            self._stream.flush()
        self._width = len(text)


class _Around:
    """A stream to which a bar makes room."""

    def __init__(self, stream: TextIO, progress: BarProgress) -> None:
        self._stream = stream
        self._progress = progress

    def write(self, text: str) -> int:
        return self._progress.write(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def progress_of(shell: InteractiveShell, sweep: Sweep, *, quiet: bool) -> NoProgress:
    """Return what shows the progress of a sweep in this shell."""
    if quiet:
        return NoProgress()
    if hasattr(shell, "kernel"):
        return LiveProgress(shell, sweep)
    return BarProgress(sweep) if sys.stderr.isatty() else NoProgress()


def bar(progress: Progress, stage: str) -> str:
    """Return the progress as a line of text."""
    share = (progress.done + progress.skipped) / max(progress.total, 1)
    return f"{stage[:40]} [{'#' * round(20 * min(share, 1)):<20}] {said(progress, stage)}"


def said(progress: Progress, stage: str) -> str:  # noqa: ARG001 - one signature for both
    """Say in words how far it is, how long it takes, and what is best so far."""
    parts = [f"{progress.done + progress.skipped} of {progress.total} trials done"]
    if progress.skipped:
        parts.append(f"{progress.skipped} of them before")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    left = progress.left_s
    if left is not None and progress.left:
        parts.append(f"about {quantity(left, 's')} left")
    elif progress.left:
        parts.append(f"running for {quantity(time.monotonic() - progress.began, 's')}")
    if progress.best is not None and progress.best_value is not None:
        unit = "s" if str(progress.target).endswith("_s") else ""
        value = quantity(progress.best_value, unit) if unit else digits(progress.best_value)
        parts.append(f"best {progress.target} {value} at {worded(progress.best.params)}")
    return ", ".join(parts)
