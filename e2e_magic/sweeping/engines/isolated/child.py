"""The isolated process: runs one call after another, sends prints and pictures as they come.

It is started once and keeps what it imported. It ends with its kernel, whatever it is doing.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import groupby
from operator import itemgetter
from types import FrameType
from typing import Any

from e2e_magic.measuring.streams import StandIn
from e2e_magic.sweeping.engines.isolated import wire

# Prints are sent together: a loop that prints 10,000 lines must not send 10,000 messages.
FLUSH_EVERY_S = 0.05
_FLUSH_AT = 32_768
_F_SETSIG = 10  # fcntl has no name for it before Python 3.12 (linux/fcntl.h)
Around = Callable[[], AbstractContextManager[Any]]


class Mouth:
    """Sends text, pictures and values to the kernel as they come. Any thread may use it."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._lock = threading.RLock()
        self._written: list[tuple[str, str]] = []
        self._size = 0
        self._waiting = threading.Event()
        threading.Thread(target=self._flush_soon, name="e2e-isolated-prints", daemon=True).start()

    def write(self, name: str, text: str) -> None:
        """Queue printed text; it is sent within `FLUSH_EVERY_S`."""
        with self._lock:
            self._written.append((name, text))
            self._size += len(text)
            if self._size >= _FLUSH_AT:
                self.flush()
        self._waiting.set()

    def display(self, data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        """Send what was displayed, as a mime bundle."""
        self.send("display", (dict(data), dict(metadata or {})))

    def send(self, kind: str, content: Any = None) -> None:
        """Send a message, behind all that was printed before."""
        parts = wire.dumps((kind, content))
        with self._lock:
            self.flush()
            wire.send(self._link, parts)

    def flush(self) -> None:
        """Send what was printed."""
        with self._lock:
            written, self._written, self._size = self._written, [], 0
            if written:
                joined = [
                    (name, "".join(t for _, t in part)) for name, part in groupby(written, itemgetter(0))
                ]
                wire.send(self._link, wire.dumps(("streams", joined)))

    def _flush_soon(self) -> None:
        pause = threading.Event()
        while True:
            self._waiting.wait()
            pause.wait(FLUSH_EVERY_S)
            self._waiting.clear()
            self.flush()


class _Interrupts:
    """SIGINT ends a call that runs, and is nothing between two calls."""

    def __init__(self) -> None:
        self._running = False
        signal.signal(signal.SIGINT, self._came)

    def _came(self, _number: int, _frame: FrameType | None) -> None:
        if self._running:
            self._running = False
            raise KeyboardInterrupt

    def __enter__(self) -> None:
        self._running = True

    def __exit__(self, *_: object) -> None:
        self._running = False


def serve(link_fd: int, life_fd: int, parent: int) -> None:
    """Do what the kernel asks for, until it is gone."""
    if os.getpgrp() != os.getpid():  # in a session of its own, ^C in the kernel's terminal isn't ours
        os.setsid()
    for descriptor in (link_fd, life_fd):
        os.set_inheritable(descriptor, False)
    end_with(life_fd, parent)
    faulthandler.enable(2)
    link = socket.socket(fileno=link_fd)
    mouth = Mouth(link)
    sys.stdout = StandIn(sys.stdout, partial(mouth.write, "stdout"), mouth.flush)
    sys.stderr = StandIn(sys.stderr, partial(mouth.write, "stderr"), mouth.flush)
    interrupts = _Interrupts()
    around: Around = nullcontext
    function: Any = None
    mouth.send("ready")
    while True:
        try:
            kind, content = _asked(link, mouth)
        except EOFError:
            os._exit(0)
        try:
            if kind == "prepare":
                around = _prepared(content, mouth)
            elif kind == "load":
                function = content
            else:
                with interrupts, around():
                    value = function(*content)
                mouth.send("value", value)
                continue
        except BaseException as error:  # noqa: BLE001 - it is sent to the kernel, whatever it is
            _send_error(mouth, error)
            continue
        mouth.send("done")


def _asked(link: socket.socket, mouth: Mouth) -> tuple[str, Any]:
    """Wait for a request that can be read: one that can't is answered by its error."""
    while True:
        parts = wire.receive(link)
        try:
            kind, content = wire.loads(parts)
        except Exception as error:  # noqa: BLE001 - a module that is missing here, a class that refuses
            _send_error(mouth, error)
        else:
            return str(kind), content


def _send_error(mouth: Mouth, error: BaseException) -> None:
    try:
        mouth.send("error", error.with_traceback(None))
    except Exception:  # noqa: BLE001 - an exception class that can't be pickled: its words will do
        mouth.send("error", RuntimeError(f"{type(error).__name__}: {error}"))


def _prepared(place: str, mouth: Mouth) -> Around:
    """Call the function that ``module:name`` names: it returns what is entered around each call."""
    module, _, name = place.partition(":")
    around: Around = getattr(importlib.import_module(module), name)(mouth)
    return around


def end_with(life_fd: int, parent: int) -> None:
    """End this process and its group when the parent is gone, also amid a call that holds the GIL."""
    import fcntl
    import select

    if sys.platform == "linux":
        # The parent holds the writing end of this pipe: at its end the kernel sends SIGKILL to our group.
        fcntl.fcntl(life_fd, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(life_fd, _F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(life_fd, fcntl.F_GETFL)
        fcntl.fcntl(life_fd, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    watched = [life_fd]
    if hasattr(os, "pidfd_open"):
        try:  # a forked child of the parent's may hold the pipe too: then this tells
            watched.append(os.pidfd_open(parent))
        except ProcessLookupError:
            os._exit(0)

    def watch() -> None:
        while True:
            poll = select.poll()
            for descriptor in watched:
                poll.register(descriptor, select.POLLIN | select.POLLHUP)
            if poll.poll():
                os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, name="e2e-isolated-watch", daemon=True).start()
