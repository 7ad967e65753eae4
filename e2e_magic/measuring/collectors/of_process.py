"""What collectors of this process's own numbers share: their end may come in a forked child."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from e2e_magic.measuring.collectors.base import Collector
from e2e_magic.record import Reason


class OfProcess(Collector):
    """Reads the process at both edges into ``_start`` and ``_end``; without an end it has no number."""

    # Why the end of a child is none.
    in_a_child: ClassVar[str] = ""
    _end: Any = None

    def __init__(self) -> None:
        self._pid = 0
        self._reason = Reason("", "the end of the code could not be measured")

    def __enter__(self) -> Self:
        self._pid = os.getpid()
        return self

    def is_forked(self) -> bool:
        """Tell whether this is a child that the code forked: its numbers began at its own birth."""
        forked = os.getpid() != self._pid
        if forked:
            self._reason = Reason("", f"the code came to its end in a forked child, {self.in_a_child}")
        return forked

    def missing(self) -> Mapping[str, Reason]:
        if self._end is not None:
            return {}
        return {metric.name: self._reason for metric in self.metrics if not metric.curve}
