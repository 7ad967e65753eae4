from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from e2e_magic.sweeping.engines.isolated.calls import Isolated
from e2e_magic.sweeping.engines.isolated.process import IsolatedLost

pytestmark = pytest.mark.skipif(os.name != "posix", reason="an isolated process needs a POSIX system")


@pytest.fixture
def isolated() -> Iterator[Isolated]:
    """Give a process, which is gone afterwards."""
    made = Isolated()
    yield made
    pid = made.pid
    made.kill()
    assert pid is None or gone(pid)


def gone(pid: int, within_s: float = 20.0) -> bool:
    """Wait until a process is gone; a zombie, which its new parent will bury, is."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.005)
    return False


def in_a_thread(function: Any, *args: Any) -> tuple[threading.Thread, list[Any]]:
    """Call in a thread of its own; the list gets the value, or the error and when it came."""
    got: list[Any] = []

    def call() -> None:
        try:
            got.append(function(*args))
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            got.extend((error, time.monotonic()))

    thread = threading.Thread(target=call, name="Thread-test")
    thread.start()
    return thread, got


def wait_for(condition: Any, within_s: float = 20.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_process_stays_warm(isolated: Isolated) -> None:
    """Calls run in one other process, and what one call imported is there for the next."""

    def first() -> tuple[int, bool]:
        import sys

        before = "fractions" in sys.modules
        import fractions  # noqa: F401

        return os.getpid(), before

    pid, before = isolated.call(first)

    assert pid == isolated.pid != os.getpid()
    assert not before
    assert isolated.call(first) == (pid, True)
    assert pid not in [child.pid for child in psutil.Process().children(recursive=True)]


def test_the_function_is_sent_once(isolated: Isolated) -> None:
    """The second call of the same object sends only its arguments; arrays arrive whole and writable."""
    data = np.arange(1_000_000.0)

    def total(array: Any, times: int) -> float:
        array[0] += 1
        return float(array.sum() * times)

    bound = functools.partial(total, data)
    first = isolated.call(bound, 1)
    second = isolated.call(bound, 1)

    # The same array there, one more in it; ours is untouched.
    assert second == first + 1
    assert data[0] == 0


def test_prints_come_as_they_are_written(isolated: Isolated) -> None:
    """What is printed is heard before the call ends, in order, from C code and programs too."""
    heard: list[tuple[float, str, str]] = []

    def hear(kind: str, content: Any) -> None:
        if kind == "streams":
            heard.extend((time.monotonic(), name, text) for name, text in content)

    def talk() -> float:
        print("first")
        print("aside", file=sys.stderr)
        time.sleep(0.6)
        print("last")
        os.system("echo from a program")
        return time.monotonic()

    isolated.call(os.getpid)
    ended = isolated.call(talk, hear=hear)
    said = [(name, text) for _, name, text in heard if "program" not in text]

    assert said == [("stdout", "first\n"), ("stderr", "aside\n"), ("stdout", "last\n")]
    assert heard[0][0] < ended - 0.3
    assert any("from a program" in text for _, _, text in heard)


def test_errors_come_back(isolated: Isolated) -> None:
    """An exception of the function is raised here; one that can't be sent comes in words."""

    class OddError(Exception):
        def __reduce__(self) -> Any:
            raise TypeError("not me")

    def odd() -> None:
        raise OddError("in words")

    with pytest.raises(ZeroDivisionError, match="division by zero"):
        isolated.call(lambda: 1 / 0)
    with pytest.raises(RuntimeError, match="OddError: in words"):
        isolated.call(odd)
    with pytest.raises(SystemExit):
        isolated.call(sys.exit, 3)

    assert isolated.call(len, "still here") == 10


def test_what_cannot_be_sent_is_an_error_and_harms_nothing(isolated: Isolated) -> None:
    """A thread's lock can't be pickled: that is said, and the next call works."""
    lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        isolated.call(lambda: lock)

    assert isolated.call(abs, -1) == 1


@pytest.mark.parametrize("how", ["sleep", "a call that holds the GIL"])
def test_kill_amid_a_call(isolated: Isolated, how: str) -> None:
    """Killed from another thread, the call ends at once, and so do its children and theirs."""

    def sleep() -> None:
        subprocess.Popen(["sleep", "600"])
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        print("begun")
        time.sleep(600)

    def hold() -> None:
        import itertools

        subprocess.Popen(["sleep", "600"])
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        time.sleep(0.2)
        sum(itertools.repeat(1))

    isolated.call(os.getpid)
    pid = isolated.pid
    assert pid is not None
    process = psutil.Process(pid)
    thread, got = in_a_thread(isolated.call, sleep if how == "sleep" else hold)
    wait_for(lambda: len(process.children(recursive=True)) == 2)
    children = [child.pid for child in process.children(recursive=True)]
    time.sleep(0.3)
    isolated.kill()
    thread.join(20)
    error, _ = got

    assert isinstance(error, IsolatedLost)
    assert error.killed
    assert str(error) == "the isolated process was ended"
    assert gone(pid)
    assert all(gone(child) for child in children)
    assert isolated.pid is None
    assert isolated.call(os.getpid) != pid


def test_kill_while_it_starts(isolated: Isolated) -> None:
    """Killed before it has begun to work, the call ends too."""
    isolated.start()
    thread, got = in_a_thread(isolated.call, time.sleep, 600)
    wait_for(isolated._calling.locked)
    isolated.kill()
    thread.join(5)

    assert not thread.is_alive()
    assert isinstance(got[0], IsolatedLost)


def test_interrupt(isolated: Isolated) -> None:
    """An interrupt is a KeyboardInterrupt in the call, and nothing between two calls."""

    def nap() -> str:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            return "woken"
        return "slept"

    pid = isolated.call(os.getpid)
    isolated.interrupt()

    assert isolated.call(os.getpid) == pid

    thread, got = in_a_thread(isolated.call, nap)
    time.sleep(0.3)
    isolated.interrupt()
    thread.join(5)

    assert got == ["woken"]


def test_a_crash_is_said_and_the_next_call_has_a_new_process(isolated: Isolated) -> None:
    """Where the process ends by itself, the call says so."""
    pid = isolated.call(os.getpid)
    with pytest.raises(IsolatedLost, match=r"^the isolated process ended by itself: out of memory") as caught:
        isolated.call(os._exit, 3)

    assert not caught.value.killed
    assert isolated.call(os.getpid) != pid


def test_a_signal_to_the_group_does_not_disturb(isolated: Isolated) -> None:
    """It is in a session of its own: Ctrl-C in the kernel's terminal isn't its."""
    pid = isolated.call(os.getpid)

    assert os.getsid(pid) == pid != os.getsid(0)
    assert os.getpgid(pid) == pid


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends when Python next runs a thread")
def test_it_ends_with_its_kernel(busy: bool) -> None:
    """A kernel killed with SIGKILL takes it along, also amid a call that holds the GIL."""
    script = (
        "import sys, threading, time\n"
        "from e2e_magic.sweeping.engines.isolated.calls import Isolated\n"
        "made = Isolated()\n"
        "def hold():\n"
        "    import itertools\n"
        "    sum(itertools.repeat(1))\n"
        "made.call(len, '')\n"
        f"if {busy}: threading.Thread(target=made.call, args=(hold,)).start(); time.sleep(0.5)\n"
        "print(made.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout is not None
        pid = int(kernel.stdout.readline())
        kernel.send_signal(signal.SIGKILL)
        kernel.wait(10)

    assert gone(pid)


def test_the_sampler_of_a_killed_process_ends(isolated: Isolated) -> None:
    """A sampler that was started there is nobody's child, and ends all the same."""

    def sampled() -> int | None:
        from e2e_magic.measuring.collectors.base import Probe
        from e2e_magic.measuring.sampler import sampler

        sampler().start([Probe("rss_mib", "rss")], 0.1).peek()
        return sampler().pid

    pid = isolated.call(sampled)

    assert pid is not None
    assert psutil.pid_exists(pid)

    isolated.kill()

    assert gone(pid)


class TestRefresh:
    def test_what_is_as_it_was_stays_warm(self, isolated: Isolated) -> None:
        """Between two sweeps nothing has changed: the process stays, with what it imported."""
        isolated.refresh()  # where there is none it does nothing
        assert isolated.pid is None
        pid = isolated.call(os.getpid)
        isolated.refresh()

        assert isolated.call(os.getpid) == pid

    @pytest.mark.parametrize("what", ["folder", "variable", "path"])
    def test_it_follows_its_kernel(
        self, isolated: Isolated, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, what: str
    ) -> None:
        """Another folder, environment variable or ``sys.path`` is there in the next sweep."""
        isolated.call(os.getpid)
        if what == "folder":
            monkeypatch.chdir(tmp_path)
        elif what == "variable":
            monkeypatch.setenv("E2E_TEST_VARIABLE", "new")
        else:
            monkeypatch.syspath_prepend(tmp_path)
        isolated.refresh()

        assert isolated.call(os.getcwd) == str(Path.cwd())
        assert isolated.call(os.environ.get, "E2E_TEST_VARIABLE") == os.environ.get("E2E_TEST_VARIABLE")
        assert isolated.call(eval, "__import__('sys').path") == sys.path

    def test_an_edited_module_is_imported_anew(
        self, isolated: Isolated, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        """A user's module that was edited after it was loaded there runs as it now is."""
        monkeypatch.syspath_prepend(tmp_path)
        module = tmp_path / "e2e_edited_model.py"
        module.write_text("def answer(): return 1\n")
        ask = "__import__('e2e_edited_model').answer()"

        assert isolated.call(eval, ask) == 1

        module.write_text("def answer(): return 2 + 0\n")
        ahead = time.time() + 5
        os.utime(module, (ahead, ahead))
        isolated.refresh()

        assert isolated.call(eval, ask) == 2
