"""Starts the sampler process so that it is no child of the kernel, at little cost to the kernel."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

from e2e_magic.measuring.sampler.descendants import started_at

# Set to "portable" to read through psutil although there is a /proc: for tests of what macOS and Windows do.
MODE_VARIABLE = "E2E_MAGIC_SAMPLER"
_SHELL = "/bin/sh"
# The shell ends at once, so its child is nobody's. A shell gives what it puts in the background /dev/null
# as its input, hence the way over 3. Errors go nowhere: they may not mix with the user's output.
_SCRIPT = 'exec 3<&0; "$@" 0<&3 3<&- &'


def launch() -> socket.socket:
    """Start the process and return this side of its socket; it says ``ready`` when it is.

    Raises
    ------
    OSError
        If no process can be started; the text says why.

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
        else:
            _launch_posix(theirs)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return ours


def portable() -> bool:
    """Say whether the process reads through psutil."""
    return os.environ.get(MODE_VARIABLE) == "portable" or not Path("/proc/self/statm").exists()


def _command(mode: str) -> list[str]:
    script = str(Path(__file__).resolve().with_name("__main__.py"))
    command = [sys.executable, "-I", "-E", script, str(os.getpid()), started_at(os.getpid())]
    if not portable():
        return [*command[:1], "-S", *command[1:], mode]
    # psutil may come from a folder that only this process knows of.
    spec = importlib.util.find_spec("psutil")
    folders = [str(Path(spec.origin).parent.parent)] if spec and spec.origin else []
    return [*command, "portable", *folders]


def _launch_posix(theirs: socket.socket) -> None:
    shell = Path(_SHELL).exists()
    command = [_SHELL, "-c", _SCRIPT, "sh", *_command("proc")] if shell else _command("detach")
    with subprocess.Popen(
        command,
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    ) as process:
        process.wait(timeout=10)


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
