"""A Python in the browser: the error at loading says why not, and what instead."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from IPython.core.error import UsageError

import e2e_magic


def test_loading_in_jupyterlite_says_why_not(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pyodide's platform is emscripten; the name is all that can be had of it here."""
    monkeypatch.setattr(sys, "platform", "emscripten")
    with pytest.raises(UsageError) as caught:
        e2e_magic.load_ipython_extension(shell)

    assert str(caught.value) == (
        "e2e_magic can't measure here: this Python runs in the browser (JupyterLite, Pyodide), which has no "
        "processes and no counters of CPU, memory, disk or energy; open the notebook in JupyterLab, VS Code "
        "or Colab"
    )
