"""Who asked for the cell that runs: a page that shows widgets, or a program that only collects outputs.

ipywidgets can't tell: nbclient opens widgets too and never answers, and while a cell runs no answer of a
page would reach it. What can be read at once is the request itself, by two signs:

- ``allow_stdin``: nbclient, papermill and nbconvert execute with it off; pages have it on.
- the message's id: Python clients (jupyter_client: console, qtconsole, scripts) write
  ``SESSION_PID_NUMBER``; JupyterLab, Notebook 7, VS Code and others in a page write a UUID.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

NOBODY = "nobody shows widgets here (a terminal, nbclient or papermill)"
_PYTHON_CLIENT = re.compile(r"[0-9a-fA-F-]{16,}_\d+_\d+$")


def request(shell: InteractiveShell) -> Mapping[str, Any]:
    """Return the execute request that runs now; empty outside of a kernel."""
    kernel = getattr(shell, "kernel", None)
    parent = kernel.get_parent() if kernel is not None else None
    return parent if isinstance(parent, Mapping) else {}


def shows_widgets(shell: InteractiveShell) -> bool:
    """Return whether the front end that asked for this cell shows widgets and sends their events."""
    parent = request(shell)
    if not parent.get("content", {}).get("allow_stdin"):
        return False
    return not _PYTHON_CLIENT.match(str(parent.get("header", {}).get("msg_id", "")))
