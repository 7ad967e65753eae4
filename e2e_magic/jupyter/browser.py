"""Refusal of a Python that runs in the browser: JupyterLite, marimo's playground."""

from __future__ import annotations

import sys

from IPython.core.error import UsageError


def refuse_browser() -> None:
    """Raise `UsageError` where Python is WebAssembly: nothing that is measured exists there."""
    if sys.platform == "emscripten":
        raise UsageError(
            "e2e_magic can't measure here: this Python runs in the browser (JupyterLite, Pyodide), which has "
            "no processes and no counters of CPU, memory, disk or energy; open the notebook in JupyterLab, "
            "VS Code or Colab"
        )
