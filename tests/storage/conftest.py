"""A real PostgreSQL server on loopback, started for the tests that need one."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest


def _programs() -> Path | None:
    """Return the folder of the server's programs: Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgresql(_server: tuple[str, Path]) -> str:
    """Return the URL of a server without a database."""
    return _server[0]


@pytest.fixture
def server_processes(_server: tuple[str, Path]) -> Callable[[], list[psutil.Process]]:
    """Return a function that returns the server's processes, the first one first."""

    def processes() -> list[psutil.Process]:
        first = psutil.Process(int((_server[1] / "data" / "postmaster.pid").read_text().split()[0]))
        return [first, *first.children(recursive=True)]

    return processes


@pytest.fixture(scope="session")
def _server(need: Callable[..., None]) -> Iterator[tuple[str, Path]]:
    """Start a server with a data folder of its own; yield its URL without a database, and its folder."""
    programs = _programs()
    need(programs, "PostgreSQL (apt-get install postgresql)")
    assert programs is not None
    # Not below pytest's own folder, which the server's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="e2e-postgresql-"))
    user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres")
        user = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off "
        "-c max_connections=40 -c shared_buffers=16MB"
    )

    def say(*command: str) -> None:
        subprocess.run(
            [*user, *command], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=folder
        )

    say(str(programs / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "tester", "-E", "UTF8")
    control = [str(programs / "pg_ctl"), "-D", str(folder / "data"), "-l", str(folder / "log")]
    say(*control, "-w", "-o", options, "start")
    # It is nobody's child, and must not outlive tests that are killed.
    stop = shlex.join([*user, *control, "-m", "immediate", "stop"])
    watch = f"while kill -0 {os.getpid()}; do sleep 1; done; {stop}; rm -rf {shlex.quote(str(folder))}"
    subprocess.run(["sh", "-c", f"({watch}) </dev/null >/dev/null 2>&1 &"], check=True)
    yield f"postgresql+psycopg://tester@127.0.0.1:{port}", folder
    say(*control, "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def new_postgresql(postgresql: str) -> Callable[[], str]:
    """Give a function that makes an empty database and returns its URL."""
    import psycopg

    def made() -> str:
        name = f"d{uuid.uuid4().hex}"
        plain = postgresql.replace("+psycopg", "")
        with psycopg.connect(f"{plain}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return f"{postgresql}/{name}"

    return made


@pytest.fixture
def as_nobody() -> Callable[[Callable[[], Any]], Any]:
    """Give a function that calls another in a child which file permissions concern, and returns its text."""

    def called(function: Callable[[], Any]) -> str:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if os.geteuid() == 0:
                    os.setgid(65534)
                    os.setuid(65534)
                said = str(function())
            except BaseException as error:  # noqa: BLE001 - the parent reads what it was
                said = f"{type(error).__name__}: {error}"
            os.write(writer, said.encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        return text

    return called
