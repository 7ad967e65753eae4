"""Nothing may stay behind after a test: no child, thread, figure, changed setting or directory."""

from __future__ import annotations

import os

# Before numpy is imported: two cores shared by parallel BLAS threads make every timing worse.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test, and no kernel of one, leaves a store in the directory that it runs in.
os.environ["E2E_MAGIC_STORE"] = ":memory:"
# The debugger of a kernel writes three lines of warning on a Python with frozen modules: 3.11 and later.
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"

import atexit
import compileall
import gc
import importlib.util
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import settings

# A shell's background job ignores SIGINT; so would every kernel and terminal that the tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nor a notice or spool in the user's state folder. A worker of xdist takes the folder of who started it.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="e2e-magic-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)
    # Once, not by each of some hundred kernels and workers where Python is told to write no bytecode.
    _ours = importlib.util.find_spec("e2e_magic")
    for _folder in (_ours and _ours.submodule_search_locations) or ():
        compileall.compile_dir(_folder, quiet=2)


# What takes longest begins first, so that the workers end together.
_LONG = ("tests/browser/", "tests/kernel/", "tests/notebooks/", "tests/sweeping/engines/")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the files in the order of `pytest_collection_modifyitems`; let no test fail for being slow."""
    config.option.loadscopereorder = False
    settings.register_profile("busy machine", deadline=None)
    settings.load_profile("busy machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first."""
    items.sort(key=lambda item: next((n for n, room in enumerate(_LONG) if item.nodeid.startswith(room)), 9))


def pytest_collection_finish() -> None:
    """Leave what collecting made out of each later look for garbage: a million objects."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return two workers a core: each waits for its kernels, pages and engines half of its time."""
    process = psutil.Process()
    return 2 * (len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else 2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that gives a worker whole files, and one worker all that needs the browser."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        """A file's tests share its kernel, the browser's tests one JupyterLab and one Chromium."""

        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith("tests/notebooks/"):  # each has a kernel of its own
                return nodeid
            return _LONG[0] if nodeid.startswith(_LONG[0]) else nodeid.partition("::")[0]

    return ByFile(config, log)


def need(present: object, what: str) -> None:
    """Skip a test that needs something absent, with the reason; where CI=true it fails instead."""
    if present:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"needs {what}")


@pytest.fixture(scope="session", name="need")
def _need() -> Any:
    return need


def _threads() -> set[str]:
    # IPython's history writer and zmq's own threads live as long as the process.
    known = ("MainThread", "IPythonHistorySavingThread", "Thread-", "asyncio", "pytest_timeout")
    # Dask's client keeps its loop and its pools for the next client.
    known += ("IO loop", "Dask-", "TCP-Executor")
    return {t.name for t in threading.enumerate() if t.is_alive() and not t.name.startswith(known)}


def _children() -> set[psutil.Process]:
    # psutil reads every process of the machine, for each test twice; most tests have none.
    try:
        if not any(task.joinpath("children").read_text() for task in Path("/proc/self/task").iterdir()):
            return set()
    except OSError:  # not Linux, or a thread ended meanwhile
        pass
    return set(psutil.Process().children(recursive=True))


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def _settings() -> dict[str, Any] | None:
    if "matplotlib" not in sys.modules:
        return None
    found = sys.modules["matplotlib"].rcParams
    # A plain dict's items but for what is chosen when it is asked for: each look-up takes its time.
    return {**dict(dict.items(found)), "backend": found["backend"]}


def _soon(held: Callable[[], bool]) -> None:
    """Wait until something holds, for a bounded while: a thread that was told to end takes its time."""
    end = time.monotonic() + _ENDING_S
    while not held() and time.monotonic() < end:
        time.sleep(0.01)


_ENDING_S = 10.0
# What a first test of its kind may open for good: the sampler's pipe and pidfd, IPython's history.
_FIRST_OPENED = 8


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    session_wide = {"kernel", "lab"} & set(request.fixturenames)
    threads, children, cwd, files = _threads(), _children(), Path.cwd(), _open_files()
    rc = _settings()
    yield
    assert Path.cwd() == cwd
    if not session_wide:
        _, alive = psutil.wait_procs(_children() - children, timeout=_ENDING_S)
        assert not alive, f"child processes left: {alive}"
        _soon(lambda: not _threads() - threads)
        assert not _threads() - threads
        _soon(lambda: _open_files() - files <= _FIRST_OPENED)
        assert _open_files() - files <= _FIRST_OPENED
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []
    if rc is not None:
        assert _settings() == rc


@pytest.fixture(autouse=True)
def _every_collector_may_try() -> None:
    """Forget who couldn't measure here: another test's fake of the same name must be asked anew."""
    from e2e_magic.measuring.collectors import base

    # Without `monkeypatch`: asked for here, it would be undone only after the guard above has looked.
    base._refused.clear()


@pytest.fixture(scope="session", autouse=True)
def _sampler_ends_with_the_session() -> Iterator[None]:
    yield
    from e2e_magic.measuring.sampler import close_sampler

    close_sampler()


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give each test a session of its own, used by all of the package meanwhile."""
    from e2e_magic import session as module

    fresh = module.Session()
    monkeypatch.setattr(module, "_session", fresh)
    yield fresh
    fresh.close()


@pytest.fixture
def shell(
    session: Any,  # noqa: ARG001 - the magics must see the fresh one
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """Give a real IPython shell with the extension loaded; afterwards nothing of it may be left."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
    config = Config()
    config.HistoryManager.enabled = False
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(config=config, colors="nocolor")
    hooks = {name: list(found) for name, found in made.events.callbacks.items()}
    transformers = list(made.input_transformers_post)
    made.extension_manager.load_extension("e2e_magic")
    yield made
    made.extension_manager.unload_extension("e2e_magic")
    assert {name: list(found) for name, found in made.events.callbacks.items()} == hooks
    assert made.input_transformers_post == transformers
    assert not {"e2e", "e2ebench"} & set(made.magics_manager.magics["line"])
    made.restore_sys_module_state()
    InteractiveShell.clear_instance()
    # It would be kept until the process ends, and then collect the garbage of all tests: for each shell anew.
    atexit.unregister(made.atexit_operations)
