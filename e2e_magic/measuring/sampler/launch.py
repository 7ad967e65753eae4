"""Launch of the sampler process as no child of the kernel, at little cost to the kernel."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import socket
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from e2e_magic.measuring.sampler.descendants import started_at

# Set to "portable" to read through psutil although there is a /proc: for tests of what macOS and Windows do.
MODE_VARIABLE = "E2E_MAGIC_SAMPLER"
_SHELL = "/bin/sh"
_PATIENCE_S = 10
# The shell ends at once, so its child is orphaned. A shell gives what it puts in the background /dev/null
# as its input, hence the way over 3. Errors go nowhere: they may not mix with the user's output.
_SCRIPT = 'exec 3<&0; "$@" 0<&3 3<&- &'


def launch() -> tuple[socket.socket, BinaryIO | None]:
    """Start the process and return this side of its socket; it sends ``ready`` when it is.

    With it comes the end of a pipe that the process doesn't wait for, so that a write wakes nobody: it reads
    it before its next recording, and when this process is gone. There is none on Windows.

    Raises
    ------
    OSError
        If no process can be started; the text gives the reason.

    Notes
    -----
    `subprocess` starts the shell with vfork, whatever this process's size; the double fork is the shell's.
    The other ways were not timed against it, but a fork of this process would copy its page tables, and a
    Python that forks itself must be waited for as long as Python takes to start.
    """
    if not sys.executable:
        raise OSError("this Python doesn't know its own executable (sys.executable is empty)")
    ours, theirs = socket.socketpair()
    try:
        if os.name == "nt":
            _launch_windows(theirs)
            return ours, None
        return ours, _launch_posix(theirs)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()


def portable() -> bool:
    """Return whether the process reads through psutil."""
    return os.environ.get(MODE_VARIABLE) == "portable" or not Path("/proc/self/statm").exists()


def _command(mode: str) -> list[str]:
    script = str(Path(__file__).resolve().with_name("__main__.py"))
    command = [sys.executable, "-I", "-E", script, str(os.getpid()), started_at(os.getpid())]
    if not portable():
        return [*command[:1], "-S", *command[1:], mode]
    # psutil may come from a folder that is on this process's path only.
    spec = importlib.util.find_spec("psutil")
    folders = [str(Path(spec.origin).parent.parent)] if spec and spec.origin else []
    return [*command, "portable", *folders]


def _launch_posix(theirs: socket.socket) -> BinaryIO:
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        detached(_command("proc" if Path(_SHELL).exists() else "detach"), theirs, reading)
        return open(writing, "wb", buffering=0)  # noqa: PTH123 - a descriptor, closed with the socket
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)


def detached(command: list[str], theirs: socket.socket, output: int = subprocess.DEVNULL) -> None:
    """Start a program whose input is a socket; where there is a shell, it is no child of this process."""
    with subprocess.Popen(
        [_SHELL, "-c", _SCRIPT, "sh", *command] if Path(_SHELL).exists() else command,
        stdin=theirs.fileno(),
        stdout=output,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    ) as process:
        _look_for_end(process.pid)
        process.wait(timeout=_PATIENCE_S)


def _look_for_end(pid: int) -> None:
    """Wait for the end of a child where it can be waited for: `subprocess` sleeps and looks, ever longer."""
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):  # a sandbox that forbids it
            descriptor = os.pidfd_open(pid)
            try:
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                poll.poll(_PATIENCE_S * 1000)
            finally:
                os.close(descriptor)


def _launch_windows(theirs: socket.socket) -> None:
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
    process = subprocess.Popen(
        _command("portable"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(sys.executable).anchor,
        creationflags=flags,
    )
    # A socket is handed over as bytes that only the process with that number can use.
    share = getattr(theirs, "share")  # noqa: B009 - only Windows has it
    process.communicate(share(process.pid))
