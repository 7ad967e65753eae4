"""The time that the garbage collector took, by its own callbacks; within imports it is theirs."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import Any

from e2e_magic.measuring import clocks
from e2e_magic.measuring.evidence import imports


class Collections:
    """The collections between `start` and `stop`.

    Attributes
    ----------
    ns : int
        Their time, ns.
    count : int
    """

    def __init__(self) -> None:
        self.ns = 0
        self.count = 0
        self._since_ns = 0

    def start(self) -> None:
        """Count from now on."""
        gc.callbacks.append(self._called)

    def stop(self) -> None:
        """Count no longer."""
        with suppress(ValueError):  # the code may have cleared the list
            gc.callbacks.remove(self._called)

    def _called(self, phase: str, _info: dict[str, Any]) -> None:
        now_ns = clocks.perf_counter_ns()
        if phase == "start":
            self._since_ns = 0 if imports.running() else now_ns
        elif self._since_ns:
            self.ns += now_ns - self._since_ns
            self.count += 1
            self._since_ns = 0
