"""A database that is slow, stopped or away: cells go on, no trial is lost, each comes once and in order."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from e2e_magic.record import Record, Run
from e2e_magic.storage import Store, StoreError, spool
from e2e_magic.storage import outbox as module
from e2e_magic.storage.outbox import Outbox, takes, without_password
from e2e_magic.storage.writer import Writer
from tests.store_contract import START, alike, record

RUN = Run("ab12cd", "first", START)
# So long a cell may wait for its trial to be kept, on a busy machine too: for a delayed server it would be
# 0.4 s, for a stopped one its time-out.
SHORT_S = 0.3
# Measures trials, and says for each how long it took to be kept, but for the time in which no core was free.
KERNEL = """
import json, sys, time
import e2e_magic as e2e
from e2e_magic.storage.writer import Writer
keep, waits = Writer.keep, []
def now():
    with open("/proc/thread-self/schedstat") as file:
        return time.perf_counter() - int(file.read().split()[1]) / 1e9
def timed(*arguments, **more):
    began = now()
    keep(*arguments, **more)
    waits.append(now() - began)
Writer.keep = timed
for n in range(int(sys.argv[1])):
    with e2e.measure("train", interval=0.01) as trial:
        e2e.log(loss=1 / (n + 1))
    loaded = sorted(name for name in ("sqlalchemy", "psycopg", "numpy", "pandas") if name in sys.modules)
    print(json.dumps([trial.records[-1].trial, waits[-1], loaded]), flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let what waits lie in a folder of the test's own, and a busy machine be no silent database."""
    monkeypatch.setattr(module, "_SILENT_S", 60.0)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "e2e_magic"


@pytest.fixture
def outbox(new_postgresql: Callable[[], str]) -> Iterator[Outbox]:
    """Make an outbox to an empty database."""
    made = Outbox(new_postgresql())
    yield made
    made.close(60.0)


def until(true: Callable[[], object], patience_s: float = 30.0) -> bool:
    """Wait until something is true, and tell whether it is."""
    end = time.monotonic() + patience_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(true())


def process_of(box: Outbox) -> psutil.Process:
    """Return the process that sends for an outbox."""
    [one] = [p for p in psutil.process_iter(["cmdline"]) if str(box.path) in (p.info["cmdline"] or [])]
    return one


def records(url: str) -> list[Record]:
    """Return what the database holds, in the order in which it came."""
    with Store(url) as store:
        return store.records()


@contextmanager
def stopped(processes: list[psutil.Process]) -> Iterator[None]:
    """Stop a server, all of its processes, as a machine that swaps or a debugger does."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


class Proxy:
    """Passes bytes on to a server, each piece later by some time; refuses connections while it is shut."""

    def __init__(self, url: str, delay_s: float) -> None:
        before, _, rest = url.rpartition("127.0.0.1:")
        port, _, name = rest.partition("/")
        self._to, self._delay_s, self.open = int(port), delay_s, True
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"{before}127.0.0.1:{self._listening.getsockname()[1]}/{name}"
        threading.Thread(target=self._accept, daemon=True, name="Thread-proxy").start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if not self.open:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._to))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=pair, daemon=True, name="Thread-pass").start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self._delay_s)
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
                each.close()


@pytest.fixture
def proxy() -> Iterator[Callable[[str, float], Proxy]]:
    """Return a function that puts a proxy before a server."""
    made: list[Proxy] = []

    def before(url: str, delay_s: float = 0.0) -> Proxy:
        made.append(Proxy(url, delay_s))
        return made[-1]

    yield before
    for each in made:
        each.close()


def kernel(url: str, trials: int, pause_s: float, state: Path) -> subprocess.Popen[str]:
    """Start a process that measures into a database."""
    return subprocess.Popen(
        [sys.executable, "-W", "always", "-c", KERNEL, str(trials), str(pause_s)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "E2E_MAGIC_STORE": url, "XDG_STATE_HOME": str(state.parent)},
    )  # fmt: skip


def ended(process: subprocess.Popen[str], patience_s: float = 60.0) -> tuple[list[Any], str]:
    """Wait for a process; return its lines and what it warned of."""
    out, err = process.communicate(timeout=patience_s)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()], err


def test_servers_are_written_to_from_elsewhere() -> None:
    """SQLite is written to here and now, however it is named; a password is shown to nobody."""
    assert takes("postgresql+psycopg://me@host/db")
    assert takes("mysql://me:pw@host/db")
    here = ("x.db", ":memory:", "sqlite:///x.db", "sqlite:///file:x?mode=ro", "file:x", "")
    assert not any(map(takes, here))
    assert without_password(" postgresql://me:s3cret@host:5432/db ") == "postgresql://me:***@host:5432/db"
    assert without_password("postgresql://me@host/db") == "postgresql://me@host/db"


def test_what_arrives_is_what_went(outbox: Outbox) -> None:
    """Curves, logs, code and reasons; a second run's trials stay its own; a new name of a run arrives."""
    other = Run("other", "second", START)
    sent = [record(1), record(2, source=None, series={}), record(3, run="other", error="no", state="failed")]
    outbox.append(sent[:2], [RUN])
    outbox.append(sent[2:], [other])
    outbox.append([record(4)], [replace(RUN, name="renamed")])

    assert outbox.flush(60.0)
    assert outbox.waiting() == 0
    back = records(outbox._to)
    assert all(alike(one, other) for one, other in zip([*sent, record(4)], back, strict=True))
    with Store(outbox._to) as store:
        assert store.names() == {"ab12cd": "renamed", "other": "second"}


def test_a_trial_that_was_sent_twice_is_there_once(outbox: Outbox) -> None:
    """The process may be killed after the database has a trial and before the file hasn't."""
    with Store(outbox._to) as store:
        store.append([record(1)], [RUN])
    outbox.append([record(1, state="failed"), record(2)], [RUN])

    assert outbox.flush(60.0)
    assert [(one.trial, one.state) for one in records(outbox._to)] == [(1, "complete"), (2, "complete")]


def test_nothing_is_left_of_an_emptied_outbox(new_postgresql: Callable[[], str], state: Path) -> None:
    """No file and no process stays behind."""
    box = Outbox(new_postgresql())
    box.append([record(1)], [RUN])
    box.flush(60.0)
    process = process_of(box)
    assert box.close(60.0) == ""

    assert until(lambda: not process.is_running() and not list(state.iterdir())), list(state.iterdir())


def test_the_measured_process_imports_no_driver(new_postgresql: Callable[[], str], state: Path) -> None:
    """Neither SQLAlchemy nor psycopg, and what they bring; all trials are there when it has ended."""
    url = new_postgresql()
    lines, err = ended(kernel(url, 5, 0.0, state))

    assert [line[2] for line in lines] == [[]] * 5
    assert "Warning" not in err
    assert [one.trial for one in records(url)] == [1, 2, 3, 4, 5]


def test_a_server_that_is_stopped_holds_no_cell_up(
    new_postgresql: Callable[[], str], server_processes: Callable[[], list[psutil.Process]], state: Path
) -> None:
    """SIGSTOP for 15 s in the middle of 40 cells: none waits, and every row is there, once and in order."""
    url = new_postgresql()
    process = kernel(url, 40, 0.5, state)
    assert process.stdout is not None
    first = [json.loads(process.stdout.readline()) for _ in range(5)]
    with stopped(server_processes()):
        during = [json.loads(process.stdout.readline()) for _ in range(30)]
    rest, err = ended(process)

    waits = [line[1] for line in [*first, *during, *rest]]
    print(f"longest wait {max(waits) * 1e3:.1f} ms, median {sorted(waits)[20] * 1e3:.1f} ms")
    assert max(waits) < SHORT_S
    assert err.count("Meanwhile trials are kept in") == 1, err
    assert until(lambda: len(records(url)) == 40)
    assert [one.trial for one in records(url)] == list(range(1, 41))


def test_a_network_that_delays_holds_no_cell_up(
    new_postgresql: Callable[[], str], proxy: Callable[..., Proxy], state: Path
) -> None:
    """200 ms each way: 30 cells don't wait, and when the process has ended their rows are there or follow."""
    url = new_postgresql()
    lines, _ = ended(kernel(proxy(url, 0.2).url, 30, 0.05, state))

    waits = [line[1] for line in lines]
    print(f"longest wait {max(waits) * 1e3:.1f} ms, median {sorted(waits)[15] * 1e3:.1f} ms")
    assert max(waits) < SHORT_S
    assert until(lambda: len(records(url)) == 30)
    assert [one.trial for one in records(url)] == list(range(1, 31))


def test_a_kernel_that_is_killed_loses_nothing(
    new_postgresql: Callable[[], str], server_processes: Callable[[], list[psutil.Process]], state: Path
) -> None:
    """SIGKILL while the server stands still: what was measured arrives without the kernel."""
    url = new_postgresql()
    process = kernel(url, 100, 0.05, state)
    assert process.stdout is not None
    [process.stdout.readline() for _ in range(3)]
    with stopped(server_processes()):
        last = [json.loads(process.stdout.readline())[0] for _ in range(10)][-1]
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)

    assert until(lambda: not list(state.glob("*.db")))
    assert [one.trial for one in records(url)][:last] == list(range(1, last + 1))


def test_a_sender_that_is_killed_is_started_again(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is in the file, not in its memory."""
    outbox.append([record(1)], [RUN])
    outbox.flush(60.0)
    process_of(outbox).kill()
    outbox.append([record(2)], [RUN])
    assert until(lambda: not outbox.flush(0.1))
    monkeypatch.setattr(outbox, "_not_before", 0.0)
    outbox.append([record(3)], [RUN])

    assert outbox.flush(30.0)
    assert [one.trial for one in records(outbox._to)] == [1, 2, 3]


def test_what_an_ended_kernel_left_is_sent_by_the_next(
    new_postgresql: Callable[[], str], state: Path
) -> None:
    """Its sender was killed too, the machine started anew: the file is found; that of a living one is not."""
    url = new_postgresql()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    one = spool.new_path(url)
    assert one is not None
    prefix = one.name.rsplit("-", 2)[0]
    for pid, trial in ((gone.pid, 1), (os.getppid(), 2)):
        file = spool.Spool(state / f"{prefix}-{pid}-00000000.db")
        file.append([record(trial)], [RUN])
        file.close()
    box = Outbox(url)
    box.append([record(3)], [RUN])

    assert box.flush(60.0)
    assert box.close(60.0) == ""
    assert [each.trial for each in records(url)] == [1, 3]
    assert [path.name for path in state.glob("*00000000.db")] == [f"{prefix}-{os.getppid()}-00000000.db"]


def test_a_failure_is_said_once_and_made_good_later(
    new_postgresql: Callable[[], str],
    proxy: Callable[..., Proxy],
    monkeypatch: pytest.MonkeyPatch,
    state: Path,
) -> None:
    """Connections are refused: trials wait in a file, whose name is said, and go when it works."""
    way = proxy(new_postgresql(), 0.0)
    way.open = False
    monkeypatch.setenv("E2E_MAGIC_STORE", way.url)
    writer, heard = Writer(lambda _: RUN), []
    for n in range(1, 6):
        writer.keep([record(n)], heard.append)
        assert isinstance(writer._file, Outbox)
        until(writer._file.late, 10)

    [text] = heard
    [path] = state.glob("*.db")
    assert text.startswith(f"the store {way.url} can't be opened: ")
    assert text.endswith(f". Meanwhile trials are kept in {path}; they are sent as soon as it works")
    assert [one.trial for one in Store(str(path)).records()] == [1, 2, 3, 4, 5]
    way.open = True
    writer.keep([record(6)], heard.append)
    assert isinstance(writer._file, Outbox)
    until(lambda: not writer._file.waiting(), 60)  # a busy machine: a read waits for less
    store = writer.reading()

    assert store is not None
    assert [one.trial for one in store.records()] == [1, 2, 3, 4, 5, 6]
    assert len(heard) == 1
    writer.close()


def test_a_database_that_is_not_there_is_an_error_of_the_word(
    new_postgresql: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    """`%e2e store URL` says at once what is wrong; the store stays the one that it was, no file is left."""
    monkeypatch.setenv("E2E_MAGIC_STORE", str(tmp_path / "here.db"))
    url = f"{new_postgresql()}x"
    writer = Writer(lambda _: RUN)

    with pytest.raises(StoreError) as caught:
        writer.set_address(url)

    assert str(caught.value).startswith(f"the store {url} can't be opened: ")
    assert writer.address == str(tmp_path / "here.db")
    assert until(lambda: not list(state.iterdir()))
    with pytest.raises(StoreError, match="names a kind of database, nosuch, that is not known"):
        writer.set_address("nosuch://me@host/db")


def test_what_waited_in_memory_goes_to_the_database_that_is_asked_for(
    new_postgresql: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured first, stored later; another store takes what comes after."""
    url = new_postgresql()
    monkeypatch.setenv("E2E_MAGIC_STORE", ":memory:")
    writer = Writer(lambda _: RUN)
    writer.keep([record(1), record(2)])
    writer.set_address(url)
    assert writer.described() == f"trials are kept in {url}: 1 run, 2 trials"
    writer.keep([record(3)])
    writer.set_address(":memory:")
    writer.keep([record(4)])

    assert [one.trial for one in records(url)] == [1, 2, 3]
    writer.close()


def test_a_value_that_the_database_refuses_holds_nobody_up(outbox: Outbox) -> None:
    """It stays in the file and is named; those after it arrive."""
    odd: Any = "a state of more than sixteen characters"
    outbox.append([record(1), record(2, state=odd), record(3)], [RUN])

    assert not outbox.flush(60.0)
    assert "value too long for type character varying(16)" in outbox.problem
    assert until(lambda: outbox.waiting() == 1)
    assert [one.trial for one in records(outbox._to)] == [1, 3]
    outbox.drop_run(RUN.id)
    assert outbox.flush(60.0)
