"""Watch what a cell outputs, so that a card behind it takes nothing of it away.

``clear_output(wait=True)`` makes the next output take the place of all before it. At the end of a loop of
``display(figure); clear_output(wait=True)`` none comes, and the last figure stays; a card would be that next
output. So what was output since the last clearing is output once more, and then the card.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, TextIO

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.running import overriding
from e2e_magic.measuring.streams import StandIn

# Characters: more is not kept, lest measuring a cell of many pictures takes memory.
_MOST = 2_000_000


class Outputs:
    """The outputs of the cell that runs now.

    Parameters
    ----------
    shell : InteractiveShell
        Elsewhere than in a kernel nothing is watched: a terminal clears at once.

    Attributes
    ----------
    cleared : bool
        Whether the cell has cleared its output.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.cleared = False
        self._publisher: Any = shell.display_pub
        self._pending = False
        self._kept: list[Callable[[], object]] = []
        self._size = 0
        self._stack = ExitStack()

    def watch(self) -> None:
        """Watch from now on, up to `restore`."""
        if hasattr(self._publisher, "register_hook"):
            self._publisher.register_hook(self._watch)
            self._stack.callback(self._publisher.unregister_hook, self._watch)
            # The hooks aren't asked: in older kernels a clearing doesn't pass them.
            clear = partial(self._clear, self._publisher.clear_output)
            self._stack.enter_context(overriding(self._publisher, clear_output=clear))

    def restore(self, *, unless: bool) -> None:
        """Output once more what the next output would take away, and stop watching.

        `unless` a value or an error, which isn't watched, has come and has taken it away already.
        """
        self._stack.close()
        kept, self._kept = self._kept, []
        if self._pending and not unless:
            self._pending = False
            for show in kept:
                show()

    def _clear(self, clear: Callable[[bool], None], wait: bool = False) -> None:
        """Clear, and note it."""
        if not self.cleared:
            self.cleared = True
            self._watch_streams()
        self._pending = bool(wait)
        if not self._pending:
            self._forget()
        clear(wait)

    def _watch(self, message: dict[str, Any]) -> dict[str, Any]:
        """Note a message on its way to the front end."""
        content = message["content"]
        if message["msg_type"] == "display_data":
            size = sum(len(value) for value in content["data"].values() if isinstance(value, str))
            self._keep(partial(self._show, content), size)
        return message

    def _watch_streams(self) -> None:
        """Watch what is printed too, from the first clearing on."""
        out, err = (
            StandIn(stream, partial(self._printed, stream), stream.flush)
            for stream in (sys.stdout, sys.stderr)
        )
        self._stack.callback(self._stop_streams, out, err)
        sys.stdout, sys.stderr = out, err

    def _stop_streams(self, out: StandIn, err: StandIn) -> None:
        for name, stream in (("stdout", out), ("stderr", err)):
            stream.release()
            if getattr(sys, name) is stream:  # what the code put there meanwhile stays
                setattr(sys, name, stream.real)

    def _printed(self, stream: TextIO, text: str) -> None:
        self._keep(partial(stream.write, text), len(text))
        stream.write(text)

    def _keep(self, show: Callable[[], object], size: int) -> None:
        if self._pending:
            self._pending = False
            self._forget()
        self._size += size
        if self._size > _MOST:
            self._kept.clear()
        else:
            self._kept.append(show)

    def _forget(self) -> None:
        self._kept.clear()
        self._size = 0

    def _show(self, content: Mapping[str, Any]) -> None:
        self._publisher.publish(
            content["data"], content["metadata"], transient=content.get("transient") or {}
        )
