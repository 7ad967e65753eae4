"""A Dask scheduler and two workers as processes of this machine, for the tests."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass
class Cluster:
    """Where it listens. Its workers have nannies, which start dead ones anew."""

    port: int
    scheduler: psutil.Process
    workers: int

    @property
    def engine(self) -> str:
        """The engine that a sweep names."""
        return f"dask://127.0.0.1:{self.port}"

    def wait_for_workers(self) -> None:
        """Wait until those that a test has ended were started anew."""
        _wait_for(self.port, self.workers)

    def addresses(self) -> set[str]:
        """Return those of the workers that are there now."""
        from distributed import Client

        with Client(f"tcp://127.0.0.1:{self.port}", timeout=60, set_as_default=False) as client:
            return set(client.scheduler_info(n_workers=-1)["workers"])


@contextmanager
def cluster(folder: Path, workers: int = 2, threads: int = 1) -> Iterator[Cluster]:
    """Start a cluster on loopback and end all of it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started: list[psutil.Process] = []

    def start(*words: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:]]
        log = folder / f"{words[0]}-{len(started)}.log"
        # The shell ends at once, so that these are nobody's children: a test counts its own.
        script = f'"$@" >{shlex.quote(str(log))} 2>&1 & echo $!'
        said = subprocess.run(
            ["sh", "-c", script, "sh", *command], cwd=folder, capture_output=True, check=True
        )
        started.append(psutil.Process(int(said.stdout)))

    try:
        start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        for _ in range(workers):
            start(
                "dask_worker", f"tcp://127.0.0.1:{port}", "--nthreads", str(threads), "--no-dashboard",
                "--local-directory", str(folder),
            )  # fmt: skip
        _wait_for(port, workers)
        yield Cluster(port, started[0], workers)
    finally:
        started = [process for process in started if process.is_running()]
        left = [*started, *(child for process in started for child in process.children(recursive=True))]
        for process in reversed(started):
            process.terminate()
        _, alive = psutil.wait_procs(left, timeout=5)
        for process in alive:
            process.kill()


def _wait_for(port: int, workers: int) -> None:
    from distributed import Client

    deadline = time.monotonic() + 60
    while True:
        try:
            with Client(f"tcp://127.0.0.1:{port}", timeout=5, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=60)
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
