"""The loop of the sampler process: answers the kernel's messages and samples when it is time."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

from .boxes import Box, end_of, write
from .descendants import Descendants, started_at
from .files import Spec
from .recorder import Recorder
from .wire import KEPT, Decoder, FramingError, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Channel(Protocol):
        """The socket to the kernel, or its descriptor."""

        def fileno(self) -> int: ...
        def recv(self, size: int, /) -> bytes: ...
        def sendall(self, data: bytes, /) -> None: ...


# How often to check whether the kernel lives, where the system does not signal it (no pidfd).
LOOK_NS = 40_000_000
# How long a process may take to end after its descriptors are closed (s).
_ENDING_S = 5.0


class Descriptor:
    """A connected descriptor, used without the `socket` module, which costs 1 MiB."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def recv(self, size: int, /) -> bytes:
        return os.read(self._descriptor, size)

    def sendall(self, data: bytes, /) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


class Kernel:
    """The measured process: its end, however it happens, ends this one.

    Parameters
    ----------
    pid : int
    started : str
        Its start as `started_at` gave it, as another process may get its number; empty where unknown.
    """

    def __init__(self, pid: int, started: str) -> None:
        self.pid = pid
        self._started = started
        self.descriptor: int | None = None
        if sys.platform == "linux" and started and hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):  # Linux before 5.3, or a sandbox that forbids it
                self.descriptor = os.pidfd_open(pid)

    def alive(self) -> bool:
        """Return whether the kernel still runs, as the same process."""
        if self._started:
            return started_at(self.pid) == self._started
        try:
            import psutil
        except ImportError:
            return True  # the end of the socket will show it
        return bool(psutil.pid_exists(self.pid))

    def ends(self) -> bool:
        """Wait for its end and return whether it came: its side of the socket is closed a little before."""
        if self.descriptor is not None:
            return bool(select.select([self.descriptor], [], [], _ENDING_S)[0])
        until = time.monotonic() + _ENDING_S
        while self.alive():
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_NS / 1e9)
        return True


class Server:
    """The server that answers the kernel's messages and takes samples when they are due."""

    def __init__(self, channel: Channel, kernel: Kernel, *, portable: bool, aside: int | None = None) -> None:
        if portable:
            from .portable import READERS
        else:
            from .readers import READERS
        self._readers = READERS
        self._channel = channel
        self._aside = aside  # a pipe, or nothing to read
        self._kernel = kernel
        self._tree = None if portable else Descendants(kernel.pid)
        self._decoder = Decoder()
        self._recorders: dict[int, Recorder] = {}
        self._boxes: dict[int, Box] = {}
        self._place = ""  # of the black boxes that follow
        self._asked = ""  # what the kernel was asked to do, if that is to end

    def run(self) -> None:
        """Serve until the kernel is gone or asks to end; where it is gone, keep what it leaves behind."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._serve()
        # Asked to end, or given up by a kernel that lives on, it has nothing to tell.
        self._take_back()
        if self._boxes and self._kernel.ends():
            now_ns = time.perf_counter_ns()
            end = end_of(self._kernel.pid, self._kernel.descriptor)
            write(list(self._boxes.values()), now_ns, {**end, "asked": self._asked} if self._asked else end)

    def _serve(self) -> None:
        waiting: list[int] = [self._channel.fileno()]
        if self._kernel.descriptor is not None:
            waiting.append(self._kernel.descriptor)
        if not self._kernel.alive():
            return
        self._channel.sendall(encode(("ready", os.getpid())))
        while True:
            # select, as poll and epoll take only whole milliseconds. Both descriptors are small numbers.
            ready, _, _ = select.select(waiting, [], [], self._patience())
            if self._kernel.descriptor in ready:
                return
            if self._kernel.descriptor is None and not self._kernel.alive():
                return
            for recorder in self._recorders.values():
                now_ns = time.perf_counter_ns()
                if now_ns >= recorder.next_ns():
                    recorder.wake(now_ns)
            if waiting[0] in ready:
                data = self._channel.recv(65536)
                if not data:
                    return
                for message in self._decoder.feed(data):
                    if message[0] == "quit":
                        self._boxes.clear()
                        return
                    self._answer(*message)

    def _patience(self) -> float | None:
        """Return the seconds until something is due; None, at no cost at all, while nothing is recorded."""
        most_ns = LOOK_NS if self._kernel.descriptor is None else None
        if self._recorders:
            now_ns = time.perf_counter_ns()
            next_ns = min(recorder.next_ns() for recorder in self._recorders.values()) - now_ns
            most_ns = next_ns if most_ns is None else min(most_ns, next_ns)
        return None if most_ns is None else max(0, most_ns) / 1e9

    def _answer(self, verb: str, number: int, *rest: Any) -> None:
        if verb == "start":
            self._start(number, *rest)
        elif verb == "stop":
            recorder = self._recorders.pop(rest[0], None)
            if recorder is None:
                self._reply(number, None)
                return
            now_ns = time.perf_counter_ns()
            recorder.sample(now_ns, last=True)
            state = recorder.state()
            self._reply(number, state)
            if rest[0] in self._boxes:
                self._boxes[rest[0]].stop(now_ns, state)
            recorder.close()  # after the answer, which the kernel waits for
        elif verb == "kept":
            self._boxes.pop(rest[0], None)
        elif verb == "place":
            self._place = rest[0]
        elif verb == "asked":
            self._asked = rest[0]
        elif verb == "peek":
            recorder = self._recorders.get(rest[0])
            self._reply(number, recorder.state() if recorder is not None else None)
        elif verb == "forget":
            self._boxes.pop(rest[0], None)
            recorder = self._recorders.pop(rest[0], None)
            if recorder is not None:
                recorder.close()
        elif verb == "clock":
            self._reply(number, time.perf_counter_ns())
        else:
            raise FramingError(f"no such message: {verb!r}")

    def _start(
        self,
        number: int,
        interval_ns: int,
        origin_ns: int,
        probes: tuple[tuple[Any, ...], ...],
        trial: str = "",
    ) -> None:
        self._asked = ""  # it lives on
        pid = self._kernel.pid
        specs = [Spec(*probe, pid=pid, interval_ns=interval_ns, tree=self._tree) for probe in probes]
        now_ns = time.perf_counter_ns()
        recorder = Recorder(specs, self._readers, interval_ns, origin_ns, now_ns)
        self._recorders[number] = recorder
        if trial:
            self._boxes[number] = Box(self._place, trial, recorder, origin_ns, pid)
        self._take_back()  # not before: an interrupt may have taken this one back already

    def _take_back(self) -> None:
        """Drop the boxes of those trials whose rows are kept."""
        while self._aside is not None and (data := _read_now(self._aside)):
            for (number,) in KEPT.iter_unpack(data):
                self._boxes.pop(number, None)

    def _reply(self, number: int, answer: Any) -> None:
        self._channel.sendall(encode(("reply", number, answer)))


def _read_now(descriptor: int) -> bytes:
    """Read what a pipe holds, whole numbers as they were written; empty where that is nothing."""
    try:
        return os.read(descriptor, 1024 * KEPT.size)
    except BlockingIOError:
        return b""


def main(arguments: list[str]) -> None:
    """Run until the kernel is gone: ``__main__.py PID STARTED portable|proc [PSUTIL_FOLDER]``."""
    pid, started, mode, *folders = arguments
    if mode == "detach":  # there is no shell here that could do it
        mode = "proc"
        if sys.platform != "win32" and os.fork():
            os._exit(0)
    # The kernel's end is what ends this process, not what is meant for the kernel.
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.path.extend(folders)
    channel: Channel
    aside: int | None = None
    if os.name == "nt":
        import socket

        # Only Windows has it: a socket out of the bytes that the kernel's process wrote.
        channel = getattr(socket, "fromshare")(sys.stdin.buffer.read())  # noqa: B009
    else:
        channel, aside = Descriptor(0), 1
        os.set_blocking(aside, False)
    try:
        Server(channel, Kernel(int(pid), started), portable=mode == "portable", aside=aside).run()
    except Exception as error:  # noqa: BLE001 - nobody reads our stderr: the kernel tells the user
        with contextlib.suppress(OSError):
            channel.sendall(encode(("broken", 0, f"{type(error).__name__}: {error}")))
