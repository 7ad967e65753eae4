"""An output of a cell that goes on being replaced after the cell has ended, from any thread.

It is what stays in the saved notebook: widgets don't survive a reload. ``display`` would send it to
whichever cell runs at that time, so the message is made here, for the cell that it belongs to.
"""

from __future__ import annotations

import os
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from e2e_magic.jupyter.frontend import request


def show_widget(widget: Any, sentence: str) -> None:
    """Show a widget; where the notebook is read without its kernel, the sentence stands there."""
    display({**widget._repr_mimebundle_(), "text/plain": sentence}, raw=True)


class StaticOutput:
    """One display of the cell that runs now.

    Parameters
    ----------
    shell : InteractiveShell
        Of a kernel.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.display_id = f"e2e-{os.urandom(6).hex()}"
        self._kernel: Any = getattr(shell, "kernel", None)
        self._parent = dict(request(shell))

    def show(self, data: dict[str, str]) -> None:
        """Show it for the first time, in the cell that runs."""
        display(data, raw=True, display_id=self.display_id)

    def update(self, data: dict[str, str]) -> None:
        """Replace it, wherever it is shown."""
        kernel = self._kernel
        if kernel is None or kernel.iopub_socket is None:
            return
        kernel.session.send(
            kernel.iopub_socket,
            "update_display_data",
            {"data": data, "metadata": {}, "transient": {"display_id": self.display_id}},
            parent=self._parent,
            ident=b"display_data",
        )
