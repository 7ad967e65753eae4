"""What a run knows of its machine and software."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from e2e_magic.measuring import environment
from e2e_magic.measuring.runs import Runs


def test_threads_are_what_was_set_and_torchs_own_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that are not set are left out; torch only where it is loaded; one that is half loaded too."""
    for name in environment.THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert environment.threads() == {"MKL_NUM_THREADS": "3"}

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(get_num_threads=lambda: 2))
    assert environment.threads() == {"MKL_NUM_THREADS": "3", "torch": "2"}

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())
    assert environment.threads() == {"MKL_NUM_THREADS": "3"}


def test_a_run_notices_when_torch_is_given_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next trial, though nothing was imported."""
    torch = SimpleNamespace(get_num_threads=lambda: 2)
    monkeypatch.setitem(sys.modules, "torch", torch)
    runs = Runs()
    run = runs.start("a")
    torch.get_num_threads = lambda: 1
    now = runs.up_to_date(run.id)

    assert (run.environment.threads or {})["torch"] == "2"
    assert now is not None
    assert (now.environment.threads or {})["torch"] == "1"
