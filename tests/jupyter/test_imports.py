"""What words of %e2e bring into the kernel is noted and said."""

from __future__ import annotations

import subprocess
import sys
import types
from typing import Any

import pytest

from e2e_magic.jupyter import imports
from e2e_magic.jupyter.imports import Imports, foreign, resident_mib


def test_a_word_is_told_with_what_it_brought_and_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages once, by their own names; the standard library and ours are no guests."""
    levels = iter((100.0, 161.0, 161.0, 160.0))
    monkeypatch.setattr(imports, "resident_mib", lambda: next(levels))
    noted = Imports()
    with noted.of("results"):
        for name in ("guest", "guest.inner", "another", "_private", "e2e_magic.guest"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    with noted.of("runs"):
        pass

    assert noted.sentences == ["%e2e results brought in another, guest: 61 MiB"]


def test_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line stays a line."""
    monkeypatch.setattr(imports, "resident_mib", lambda: 1.0)
    noted = Imports()
    with noted.of("report"):
        for n in range(10):
            monkeypatch.setitem(sys.modules, f"guest{n}", types.ModuleType("guest"))

    assert noted.sentences == [
        "%e2e report brought in guest0, guest1, guest2, guest3, guest4, guest5, guest6, guest7 and 2 more: "
        "0 MiB"
    ]


def test_without_proc_no_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The word runs all the same."""

    def unread() -> float:
        raise FileNotFoundError(2, "No such file or directory", "/proc/self/statm")

    monkeypatch.setattr(imports.proc, "LINUX", True)
    monkeypatch.setattr(imports.proc, "resident_mib", unread)
    noted = Imports()
    with noted.of("why"):
        monkeypatch.setitem(sys.modules, "guest", types.ModuleType("guest"))

    assert noted.sentences == ["%e2e why brought in guest"]


def test_metrics_says_it(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """After its own table, as it brings some itself."""
    notebook = shell.magics_manager.registry["E2EMagics"].notebook
    notebook.imports.sentences.append("%e2e results brought in pandas: 60 MiB")
    shell.run_line_magic("e2e", "metrics")

    assert "%e2e results brought in pandas: 60 MiB" in capsys.readouterr().out


def test_this_process_has_guests_and_memory() -> None:
    """The test runner is one."""
    assert "pytest" in foreign()
    assert not foreign() & {"os", "e2e_magic"}
    assert (resident_mib() or 0) > 10


def test_loading_brings_no_sweep_and_no_store() -> None:
    """Both come in when a line asks for them: %load_ext is waited for in every notebook."""
    script = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance().run_line_magic('load_ext', 'e2e_magic')\n"
        "late = ('sweeping.sweep', 'sweeping.engines', 'storage.database', 'views.report', 'api.sweeps')\n"
        "print([name for name in late if f'e2e_magic.{name}' in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
