"""The kernel's end of the socket to one sampler process."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
from typing import Any

from e2e_magic.measuring import clocks
from e2e_magic.measuring.sampler.launch import launch, portable
from e2e_magic.measuring.sampler.wire import KEPT, Decoder, FramingError, encode

# Within this the process answers, or is given up. It needs 0.1 ms, and 1 ms for long curves; on a machine
# with many busy processes per core it has been kept waiting for more than a second.
PATIENCE_S = 5.0
# Within this time a new process is ready: it needs 15 ms, much more on a machine that is overloaded.
BOOT_S = 10.0
# What is received at once: memory for a larger piece comes from the system anew each time.
_PIECE = 1 << 16
_NO_SIGNAL: int = getattr(socket, "MSG_NOSIGNAL", 0)
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
_GONE = "start the cell again: the next measured cell starts a new one"


class SamplerLost(Exception):  # noqa: N818 - the name of an event, as KeyboardInterrupt
    """The sampler process is gone, so curves are missing; the text says what happened and what to do."""


class Link:
    """A sampler process and the socket to it; used by the process that created it only.

    Raises
    ------
    SamplerLost
        From every method, once the process has ended, hangs, or can't be started.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.pid: int | None = None
        self.abandoned: list[int] = []  # recordings that their owners dropped
        self.place = ""  # of black boxes, as the process was told last
        self._why = ""
        # Reentrant: a signal handler may measure while its thread waits in here.
        self._lock = threading.RLock()
        self._number = 0
        self._replies: dict[int, Any] = {}
        self._unwanted: set[int] = set()
        self._decoder = Decoder()
        self._offset_ns: int | None = None
        try:
            self._socket, self._aside = launch()
        except Exception as error:
            raise SamplerLost(
                f"the sampler process can't be started ({error}): curves are missing; "
                "check that this Python can start programs"
            ) from error
        self._socket.setblocking(False)

    @property
    def lost(self) -> bool:
        """Whether the process has been marked as gone."""
        return bool(self._why)

    def ready(self) -> None:
        """Wait until the process has started."""
        if self.pid is not None and self._offset_ns is not None:
            return
        with self._lock:
            deadline = clocks.monotonic() + BOOT_S
            while self.pid is None:
                self._receive(deadline, f"did not start within {BOOT_S:g} s")
            if self._offset_ns is None:
                self._offset_ns = self._clock_offset_ns() if portable() else 0

    def send(self, verb: str, *rest: Any) -> int:
        """Send a message and return its number, which an answer carries too, if there is one."""
        with self._lock:
            self._number += 1
            number = self._number
            for recording in self.abandoned:
                self._write(encode(("forget", 0, recording)))
            self.abandoned.clear()
            self._write(encode((verb, number, *rest)))
            return number

    def kept(self, recording: int) -> None:
        """Take the black box of a recording back; the process isn't woken for it."""
        with self._lock:
            if self._aside is not None and not self._why:
                # Full, it has not been read for thousands of recordings; closed, the process is gone.
                with contextlib.suppress(OSError):
                    if self._aside.write(KEPT.pack(recording)) == KEPT.size:
                        return
            self.send("kept", recording)

    def ask(self, verb: str, *rest: Any) -> Any:
        """Send a message and return the answer to it."""
        return self.take(self.send(verb, *rest))

    def take(self, number: int) -> Any:
        """Return the answer to a sent message, by its number."""
        with self._lock:
            deadline = clocks.monotonic() + PATIENCE_S
            try:
                while number not in self._replies:
                    self._receive(deadline, f"did not answer within {PATIENCE_S:g} s")
            except BaseException:  # an interrupt: no one waits for the answer that still comes
                self._unwanted.add(number)
                raise
            return self._replies.pop(number)

    def their_ns(self, our_ns: int) -> int:
        """Convert an instant of this process's clock to the sampler's, ns."""
        return our_ns + (self._offset_ns or 0)

    def close(self) -> None:
        """End the process and wait until it is gone, 5 s at most."""
        if self.lost:
            return
        with self._lock, contextlib.suppress(SamplerLost):
            self._write(encode(("quit",)))
            deadline = clocks.monotonic() + (BOOT_S if self.pid is None else PATIENCE_S)
            gone = self._pidfd()
            try:
                while True:
                    self._receive(deadline, f"did not end within {PATIENCE_S:g} s", over="was asked to end")
            except SamplerLost:
                if gone is not None:  # the socket ends a little before the process does
                    select.select([gone], [], [], PATIENCE_S)
            finally:
                if gone is not None:
                    os.close(gone)

    def _pidfd(self) -> int | None:
        if sys.platform == "linux" and self.pid is not None and hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                return os.pidfd_open(self.pid)
        return None

    def _clock_offset_ns(self) -> int:
        """Return the sampler's clock minus this process's, ns, from the quickest of a few questions."""
        trials = []
        for _ in range(5):
            asked = clocks.perf_counter_ns()
            theirs = self.ask("clock")
            answered = clocks.perf_counter_ns()
            trials.append((answered - asked, theirs - (asked + answered) // 2))
        quickest, offset = min(trials)
        # On one and the same clock the sampler's answer lies between question and answer.
        return 0 if abs(offset) <= quickest else offset

    def _write(self, frame: bytes) -> None:
        if self._why:
            raise SamplerLost(self._why)
        deadline = clocks.monotonic() + PATIENCE_S
        left = memoryview(frame)
        while left:
            try:
                left = left[self._socket.send(left, _NO_SIGNAL) :]
            except BlockingIOError:
                if not self._wait(deadline, write=True):
                    raise self._give_up(f"did not read within {PATIENCE_S:g} s", hung=True) from None
            except OSError:
                with contextlib.suppress(SamplerLost):
                    self._drain()  # it may have sent the reason
                raise self._give_up("has ended") from None
            except BaseException:
                if len(left) != len(frame):  # half a frame is out: what follows would be noise
                    self._give_up("was interrupted in the middle of a message", hung=True)
                raise

    def _receive(self, deadline: float, too_late: str, over: str = "has ended") -> None:
        """Receive what arrives, or give up at the deadline."""
        if self._why:
            raise SamplerLost(self._why)
        if not self._wait(deadline, write=False):
            raise self._give_up(too_late, hung=True)
        try:
            data = self._socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise self._give_up(over)
        self._take(data)

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._socket.recv(_PIECE):
                self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            messages = self._decoder.feed(data)
        except FramingError as error:
            raise self._give_up(f"sent something unreadable ({error})", hung=True) from error
        for verb, number, *rest in ((*message, None) for message in messages):
            if verb == "ready":
                self.pid = number
            elif verb == "broken":
                raise self._give_up(f"failed ({rest[0]})")
            elif number in self._unwanted:
                self._unwanted.discard(number)
            else:
                self._replies[number] = rest[0]

    def _wait(self, deadline: float, *, write: bool) -> bool:
        seconds = max(0.0, deadline - clocks.monotonic())
        if sys.platform == "win32":
            mine = [self._socket]
            return any(select.select([] if write else mine, mine if write else [], [], seconds))
        # poll, as this process may have more descriptors than select can number.
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT if write else select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _give_up(self, what: str, *, hung: bool = False) -> SamplerLost:
        """Mark the process as gone, end it if it isn't, and return the error to raise."""
        with self._lock:
            if not self._why:
                if hung and self.pid is not None:
                    # Its end of the socket is open, so it still exists and its number is its own.
                    with contextlib.suppress(OSError):
                        os.kill(self.pid, _KILL)
                name = "the sampler process" if self.pid is None else f"the sampler process ({self.pid})"
                self._why = f"{name} {what}: the curves of this trial are missing; {_GONE}"
                self._socket.close()
                if self._aside is not None:
                    self._aside.close()
            return SamplerLost(self._why)
