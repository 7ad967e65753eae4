"""The process itself: started detached, reached over a socket, ended with all that it started."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from e2e_magic.measuring.sampler.descendants import Descendants
from e2e_magic.sweeping.engines.isolated import wire

# `(kind, content)`: ("streams", [(name, text), ..]) or ("display", (data, metadata)).
Hear = Callable[[str, Any], None]
# The shell ends at once, so what it started is nobody's child; its number comes back as the only output.
_SCRIPT = '"$@" >/dev/null 2>&1 & echo $!'
# Numbers that no shell uses for itself.
_FIRST_FD = 20


class IsolatedLost(BrokenExecutor):
    """The isolated process ended amid a call; `killed` is True where that was asked for."""

    def __init__(self, reason: str, *, killed: bool) -> None:
        super().__init__(reason)
        self.killed = killed


class Process:
    """The process that there is now: its number and the ways to and from it."""

    def __init__(self, prepare: str) -> None:
        self.killed = False
        self._function: Any = None
        self._prepare = prepare
        self._link, theirs = socket.socketpair()
        life_theirs, self._life = os.pipe()
        self._raw, raw_theirs = os.pipe()
        self._closing = threading.Lock()
        self._closed = False
        self._pidfd: int | None = None
        self.surroundings = surroundings()
        try:
            self.pid = _launch(theirs.fileno(), life_theirs, raw_theirs)
            if hasattr(os, "pidfd_open"):
                self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            lines: list[str] = []
            self._hear_raw(lambda _, content: lines.extend(text for _, text in content))
            self.close()
            raise OSError(f"the isolated process ended as it was started: {''.join(lines).strip()}") from None
        except BaseException:
            self.close()
            raise
        finally:
            theirs.close()
            os.close(life_theirs)
            os.close(raw_theirs)
        paths = json.dumps(sys.path).encode()
        self._link.sendall(len(paths).to_bytes(4, "big") + paths)
        self._waiting_for = ["ready"]
        if prepare:
            wire.send(self._link, wire.dumps(("prepare", prepare)))
            self._waiting_for.append("done")

    @property
    def used(self) -> bool:
        """Whether it was sent a function."""
        return self._function is not None

    def alive(self) -> bool:
        """Return whether the process runs."""
        if self.killed or self._closed:
            return False
        if self._pidfd is not None:
            return not _ready(0, self._pidfd)
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], hear: Hear | None) -> Any:
        while self._waiting_for:
            self._answer(hear)
            self._waiting_for.pop(0)
        if function is not self._function:
            self._send("load", function)
            self._answer(hear)
            self._function = function
        self._send("call", args)
        return self._answer(hear)

    def _send(self, kind: str, content: Any) -> None:
        parts = wire.dumps((kind, content))
        try:
            wire.send(self._link, parts)
        except OSError:
            raise self._lost() from None

    def _answer(self, hear: Hear | None) -> Any:
        """Wait for the answer; pass on the messages that arrive before it."""
        while True:
            link = self._link.fileno()
            ready = _ready(None, link, self._raw, *(() if self._pidfd is None else (self._pidfd,)))
            if self._raw in ready:
                self._hear_raw(hear)
            if link in ready:
                try:
                    kind, content = wire.loads(wire.receive(self._link))
                except (EOFError, OSError):
                    raise self._lost(hear) from None
                if kind == "error":
                    raise content
                if kind in ("value", "done", "ready"):
                    self._hear_raw(hear)
                    return content
                if hear is not None:
                    hear(kind, content)
            elif self._pidfd in ready:
                raise self._lost(hear)

    def _hear_raw(self, hear: Hear | None) -> None:
        """Pass on what was written below Python: by C code, by the programs that it started."""
        while _ready(0, self._raw):
            data = os.read(self._raw, 65_536)
            if not data:
                return
            if hear is not None:
                hear("streams", [("stderr", data.decode(errors="replace"))])

    def _lost(self, hear: Hear | None = None) -> IsolatedLost:
        self._hear_raw(hear)
        if self.killed:
            return IsolatedLost("the isolated process was ended", killed=True)
        self.kill()  # what is left of its group
        self.killed = True
        return IsolatedLost(
            "the isolated process ended by itself: out of memory, a crash of native code, or os._exit",
            killed=False,
        )

    def signal(self, number: int) -> None:
        """Send a signal to the process alone, if it still is the one that we started."""
        try:
            if self._pidfd is not None and not self._closed:
                signal.pidfd_send_signal(self._pidfd, number)
            elif self._pidfd is None:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def kill(self) -> None:
        """End the process, its group, and those that left the group."""
        self.killed = True
        if self._pidfd is None or self.alive_pid():
            self.signal(signal.SIGSTOP)  # nothing new is started while we look
            started = Descendants(self.pid).parents() if Path("/proc/self/stat").exists() else {}
            for pid in started:
                _send_kill(os.kill, pid)
            _send_kill(os.killpg, self.pid)
            self.signal(signal.SIGKILL)

    def alive_pid(self) -> bool:
        """Return whether the process's number still is its own."""
        return self._pidfd is not None and not self._closed and not _ready(0, self._pidfd)

    def close(self) -> None:
        """Close the descriptors; the process ends, if it still runs."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._link.close()
            os.close(self._life)
            os.close(self._raw)
            if self._pidfd is not None:
                os.close(self._pidfd)


def surroundings() -> tuple[str, dict[str, str], list[str]]:
    """Return what a new process takes over from this one."""
    try:
        folder = str(Path.cwd())
    except FileNotFoundError:  # it was deleted
        folder = ""
    return folder, dict(os.environ), list(sys.path)


def _ready(timeout_ms: int | None, *descriptors: int) -> set[int]:
    """Return which of the descriptors have something to read, or came to their end."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(timeout_ms)}


def _send_kill(how: Callable[[int, int], None], number: int) -> None:
    try:
        how(number, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it is gone, or has become another user's
        return


def _launch(link: int, life: int, raw: int) -> int:
    """Start the process detached, as no child of this one, and return its number."""
    import fcntl

    flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags")()  # noqa: B009 - not in the stubs
    script = str(Path(__file__).resolve().with_name("__main__.py"))
    kept = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FD) for fd in (link, life, raw)]
    try:
        words = [sys.executable, *flags, script, *map(str, kept), str(os.getpid())]
        done = subprocess.run(
            ["/bin/sh", "-c", _SCRIPT, "sh", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=kept,
            start_new_session=True,
            check=True,
            timeout=10,
        )
    finally:
        for fd in kept:
            os.close(fd)
    return int(done.stdout)
