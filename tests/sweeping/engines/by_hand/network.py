"""A Dask cluster over a network by hand: its scheduler and three workers in network namespaces of their own.

Needs Linux, root, ``ip`` and ``pip install "e2e-magic[dask]"``; ``python network.py [TRIALS]`` takes some
minutes, and its store is the folder's that it runs in. One worker has another pandas (2.3), one a clock that
is an hour ahead (which needs ``cc``). Then a link is cut for 20 s, the scheduler is killed, and a
worker comes that lacks e2e_magic. It ends with an AssertionError where something doesn't hold.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pandas as pd

import e2e_magic as e2e

BRIDGE, SUBNET = "e2ebridge", "10.213.77"
SCHEDULER, PORT = 2, 8786
ENGINE = f"dask://{SUBNET}.{SCHEDULER}:{PORT}"
WORKERS = (11, 12, 13)
CUT_S = 20
AHEAD_S = 3600
# A clock of its own for one process; libfaketime does more, and lets Python's timed waits spin.
CLOCK = """
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int status = syscall(SYS_clock_gettime, clock, now);
    if (status == 0 && clock == CLOCK_REALTIME) now->tv_sec += %d;
    return status;
}
"""
REPOSITORY = Path(e2e.__file__).parents[1]


def ip(*words: str) -> None:
    """Call ip(8)."""
    subprocess.run(["ip", *words], check=True)


class Network:
    """Namespaces on a bridge, one for each address, and what runs in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{SUBNET}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for host in (SCHEDULER, *WORKERS):
            space, link = f"e2e{host}", f"e2elink{host}"
            ip("netns", "add", space)
            ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", link, "master", BRIDGE, "up")
            ip("-n", space, "addr", "add", f"{SUBNET}.{host}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for host in list(self.running):
            self.kill(host)
        for host in (SCHEDULER, *WORKERS):
            subprocess.run(["ip", "netns", "del", f"e2e{host}"], check=False)
        subprocess.run(["ip", "link", "del", BRIDGE], check=False)

    def start(self, host: int, *words: str, **environment: str) -> None:
        """Start a program of Dask in a namespace, with a folder for its temporary files."""
        own = self.folder / str(host)
        own.mkdir(exist_ok=True)
        script = f"import sys; from dask.__main__ import main; sys.argv = ['dask', *{words!r}]; main()"
        with (own / "log").open("ab") as log:
            self.running[host] = subprocess.Popen(
                ["ip", "netns", "exec", f"e2e{host}", sys.executable, "-P", "-c", script],
                env={**os.environ, "TMPDIR": str(own), **environment},
                cwd=own,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, host: int) -> None:
        """Kill what runs in a namespace, at once."""
        started = self.running.pop(host)
        inside = subprocess.run(
            ["ip", "netns", "pids", f"e2e{host}"], capture_output=True, check=True, text=True
        ).stdout
        for pid in inside.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), 9)
        started.wait()

    def scheduler(self) -> None:
        """Start the scheduler."""
        self.start(SCHEDULER, "scheduler", "--host", f"{SUBNET}.{SCHEDULER}", "--no-dashboard")

    def worker(self, host: int, **environment: str) -> None:
        """Start a worker."""
        words = ["--host", f"{SUBNET}.{host}", "--nthreads", "1", "--no-dashboard"]
        address = f"tcp://{SUBNET}.{SCHEDULER}:{PORT}"
        self.start(host, "worker", address, *words, "--local-directory", ".", **environment)

    def cut(self, host: int, seconds: float) -> None:
        """Take a link down for so long."""
        ip("link", "set", f"e2elink{host}", "down")
        time.sleep(seconds)
        ip("link", "set", f"e2elink{host}", "up")


def other_pandas(folder: Path) -> Path:
    """Return a folder with pandas 2.3."""
    if not (folder / "pandas").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*pip, "pandas==2.3.*", "pytz"], check=True)
    return folder


def clock_ahead(folder: Path) -> str:
    """Return a library that, loaded first, sets a process's clock ahead."""
    (folder / "clock.c").write_text(CLOCK % AHEAD_S)
    library = str(folder / "clock.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, str(folder / "clock.c")], check=True)
    return library


def where(x: int) -> dict[str, Any]:
    """Return the main version of a worker's pandas."""
    import time

    import pandas as pd

    time.sleep(0.02 + 0 * x)
    return {"loss": int(pd.__version__.split(".")[0])}


def of_frame(x: pd.DataFrame) -> dict[str, float]:
    """Take a frame."""
    return {"loss": float(x["a"].sum())}


def some_time(x: int) -> dict[str, int]:
    """Take a quarter of a second."""
    import time

    time.sleep(0.25)
    return {"loss": x}


def nothing(x: int) -> dict[str, int]:
    """Do nothing."""
    return {"loss": x}


def sweep(function: Callable[..., Any], trials: int, **options: Any) -> Any:
    """Run a sweep on the cluster."""
    return e2e.sweep(function, x=list(range(trials)), engine=ENGINE, quiet=True, **options)


def check_rows(stage: str, trials: int) -> pd.DataFrame:
    """Return the rows of a stage: each trial complete, and once."""
    rows = e2e.trials(stage=stage)
    complete = rows[rows["state"] == "complete"]
    print(f"{stage}: {rows[['state', 'error']].astype(object).fillna('').value_counts().to_dict()}")
    assert sorted(complete["param_x"].astype(int)) == list(range(trials)), "each trial once"
    return rows


@contextmanager
def meanwhile(act: Callable[..., None], *args: Any) -> Iterator[None]:
    """Do something in another thread, 3 s from now."""
    thread = threading.Timer(3, act, args)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def sentence(call: Callable[[], Any]) -> str:
    """Return what a call that fails says."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is one sentence
        return f"{type(error).__name__}: {error}"
    raise AssertionError("it should have failed")


def told(call: Callable[[], Any]) -> str:
    """Return what came of a call: a sentence, or its value."""
    try:
        return str(call())
    except Exception as error:  # noqa: BLE001 - whatever it is
        return f"{type(error).__name__}: {error}"


def wait_for_workers(count: int) -> None:
    """Wait until the scheduler has so many."""
    from distributed import Client

    with Client(f"tcp://{SUBNET}.{SCHEDULER}:{PORT}", timeout=60) as client:
        while len(client.scheduler_info(n_workers=-1)["workers"]) != count:
            time.sleep(0.2)


def brief(trials: int) -> None:
    """Compare trials that do nothing with Dask's own tasks, and see what they leave in memory."""
    from distributed import Client

    with Client(f"tcp://{SUBNET}.{SCHEDULER}:{PORT}") as client:
        client.gather(client.map(nothing, range(100), pure=False))
        began, cpu = time.perf_counter(), time.process_time()
        client.gather(client.map(nothing, range(trials), pure=False))
        dask = time.perf_counter() - began
        dask_cpu = time.process_time() - cpu
    sweep(nothing, 100, stage="first")
    before = resident()
    began, cpu = time.perf_counter(), time.process_time()
    sweep(nothing, trials, stage="brief")
    ours, ours_cpu = time.perf_counter() - began, time.process_time() - cpu
    grown = resident() - before
    for name, took, busy in (("Dask", dask, dask_cpu), ("e2e", ours, ours_cpu)):
        print(f"{name}: {took / trials * 1e3:.2f} ms a trial, {busy / trials * 1e3:.2f} of CPU in the kernel")
    print(f"{ours / dask:.2f} times Dask's own; {grown / trials * 1e3:.2f} MiB per 1,000 trials")
    cpu = time.process_time()
    rows = e2e.trials(stage="brief")
    print(f"trials(): {time.process_time() - cpu:.2f} s of CPU for {len(rows):,} rows")
    check_rows("brief", trials)


def resident() -> float:
    """Return the memory of this process in MiB."""
    import gc

    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(trials: int) -> None:
    """Try it all."""
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as name, Network(Path(name)) as network:
        pandas = other_pandas(Path(os.environ.get("E2E_OTHER_PANDAS", f"{name}/pandas")))
        workers: dict[int, dict[str, str]] = {
            WORKERS[0]: {"PYTHONPATH": f"{pandas}{os.pathsep}{path}"},
            WORKERS[1]: {"PYTHONPATH": path, "LD_PRELOAD": clock_ahead(Path(name))},
            WORKERS[2]: {"PYTHONPATH": path},
        }

        def cluster() -> None:
            network.scheduler()
            for host, environment in workers.items():
                network.worker(host, **environment)

        cluster()
        wait_for_workers(3)

        sweep(where, 60)
        rows = check_rows("where", 60)
        print("pandas:", rows["loss"].value_counts().to_dict())
        ahead_s = (pd.to_datetime(rows["started_at"], utc=True) - pd.Timestamp.now("UTC")).dt.total_seconds()
        print("started_at, seconds from now:", sorted(set((ahead_s / 60).round() * 60)))
        frame = pd.DataFrame({"a": [1.0, 2.0]}, index=["x", "y"])
        print(
            "a frame as a parameter:", told(lambda: e2e.sweep(of_frame, x=[frame], engine=ENGINE, quiet=True))
        )

        with meanwhile(network.cut, WORKERS[2], CUT_S):
            sweep(some_time, 400, stage="cut")
        check_rows("cut", 400)

        wait_for_workers(3)
        with meanwhile(network.kill, SCHEDULER):
            print("scheduler killed:", sentence(lambda: sweep(some_time, 100, stage="killed")))
        print("nobody there:", sentence(lambda: sweep(some_time, 100, stage="killed", resume=True)))
        for host in WORKERS:
            network.kill(host)
        cluster()
        wait_for_workers(3)
        sweep(some_time, 100, stage="killed", resume=True)
        check_rows("killed", 100)

        brief(trials)

        for host in WORKERS:
            network.kill(host)
        wait_for_workers(0)
        # A folder that hides the package: -P keeps the working folder out of the path.
        hiding = Path(name) / "hiding"
        (hiding / "e2e_magic").mkdir(parents=True)
        (hiding / "e2e_magic/__init__.py").write_text(
            "raise ModuleNotFoundError('No module named e2e_magic')"
        )
        network.worker(WORKERS[0], PYTHONPATH=str(hiding))
        print("without e2e_magic:", sentence(lambda: sweep(nothing, 3, stage="lacking")))
    print("all of it holds")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
