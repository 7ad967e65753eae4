"""IPython within the isolated process: what a trial displays there reaches the panel.

The shell there knows ``display``, the magics, and matplotlib's inline pictures, as the notebook's does;
it has no history, and shows no values.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

if TYPE_CHECKING:
    from e2e_magic.isolated.child import Mouth

PREPARE = "e2e_magic.jupyter.panel.isolated_shell:prepare"


class _Publisher(DisplayPublisher):
    """Hands what is displayed to the kernel."""

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


def prepare(mouth: Mouth) -> Callable[[], AbstractContextManager[None]]:
    """Make the shell and return what is entered around each trial."""
    config = Config()
    config.HistoryManager.enabled = False
    shell = _Shell.instance(config=config, colors="nocolor")
    publisher: Any = shell.display_pub
    publisher.mouth = mouth

    @contextmanager
    def around() -> Iterator[None]:
        with shell.builtin_trap:
            try:
                yield
            finally:
                shell.events.trigger("post_execute")  # matplotlib's inline backend shows its figures then

    return around
