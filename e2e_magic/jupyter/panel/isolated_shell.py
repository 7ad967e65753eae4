"""IPython within the isolated process: what a trial displays there reaches the panel.

The shell there knows ``display``, the magics, and matplotlib's inline pictures, as the notebook's does;
it has no history, and shows no values.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from e2e_magic.jupyter.display import Ticker
from e2e_magic.jupyter.panel.results.columns import logged
from e2e_magic.measuring import events

if TYPE_CHECKING:
    from e2e_magic.sweeping.engines.isolated.child import Mouth

PREPARE = "e2e_magic.jupyter.panel.isolated_shell:prepare"


# What the running trial logs is sent twice a second; a log this long is looked at no more, as it is copied.
_LOGGED_EVERY_S = 0.5
_MOST_LOGGED = 20_000


class _Logged:
    """Sends that the trial itself has begun, and what it has logged so far, where that is more."""

    def __init__(self, mouth: Mouth) -> None:
        self._mouth = mouth
        self._sent = -1

    def send(self) -> None:
        log = events.active()
        if log is None:
            return
        if self._sent < 0:
            self._sent = 0
            self._mouth.send("begun")
        if self._sent < log.rows <= _MOST_LOGGED:
            self._sent = log.rows
            self._mouth.send("logged", logged(log.peek()))


class _Publisher(DisplayPublisher):
    """Hand what is displayed to the kernel."""

    mouth: Mouth

    def publish(self, data: Any, metadata: Any = None, *_: Any, **__: Any) -> None:
        encoded = {
            mime: base64.b64encode(content).decode() if isinstance(content, bytes) else content
            for mime, content in data.items()
        }
        self.mouth.display(encoded, metadata)

    def clear_output(self, wait: bool = False) -> None:
        """Leave what was displayed: the panel keeps the output of several trials."""


class _Shell(InteractiveShell):
    display_pub_class = _Publisher


def style_of_kernel() -> dict[str, Any]:
    """Return the settings of matplotlib that were changed in this process, from `sys.modules` alone."""
    matplotlib: Any = sys.modules.get("matplotlib")
    # While a thread imports it, it is there without them.
    usual, now = getattr(matplotlib, "rcParamsDefault", None), getattr(matplotlib, "rcParams", None)
    if usual is None or now is None:
        return {}
    # The backend is each process's own; to ask for it would choose one.
    names = [name for name in now if not name.startswith(("backend", "interactive", "webagg", "toolbar"))]
    return {name: now[name] for name in names if now[name] != usual.get(name)}


def dress(style: Mapping[str, Any]) -> None:
    """Let figures look as they do in the notebook."""
    if style:
        import matplotlib as mpl

        settings: Any = mpl.rcParams  # typed by the names of all settings
        settings.update(style)


def _png(figure: Any) -> Any:
    """Draw a figure as the notebook does; pyplot's inline backend replaces this once it is loaded."""
    from IPython.core.pylabtools import print_figure

    return print_figure(figure, base64=True)


def prepare(mouth: Mouth) -> Callable[[], AbstractContextManager[None]]:
    """Create the shell; return a function that gives the context to enter around each trial."""
    config = Config()
    config.HistoryManager.enabled = False
    shell = _Shell.instance(config=config, colors="nocolor")
    publisher: Any = shell.display_pub
    publisher.mouth = mouth
    # Whatever shows the kernel's figures (a window, a widget), from here only pictures reach the panel.
    if find_spec("matplotlib_inline"):
        os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    # A figure that pyplot doesn't know, too: by its name, so that matplotlib isn't loaded for those who
    # don't draw.
    formats: Any = shell.display_formatter
    formats.formatters["image/png"].for_type_by_name("matplotlib.figure", "Figure", _png)

    import_module("e2e_magic.sweeping.engines.isolated.engine")  # of it is what the first trial is sent

    @contextmanager
    def around() -> Iterator[None]:
        sending = Ticker(
            _Logged(mouth).send, "e2e-isolated-curves", after_s=_LOGGED_EVERY_S, every_s=_LOGGED_EVERY_S
        )
        with sending, shell.builtin_trap:
            try:
                yield
            finally:
                if "matplotlib.pyplot" in sys.modules:
                    shell.events.trigger("post_execute")  # matplotlib's inline backend shows its figures then

    return around
