"""The base of collectors of this process's own numbers, whose end may come in a forked child."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from e2e_magic.measuring.collectors.base import Collector
from e2e_magic.record import Reason


class OfProcess(Collector):
    """A collector that reads the process at both edges, ``_start`` and ``_end``; no end means no number."""

    # The reason why an edge read in a child does not count.
    in_a_child: ClassVar[str] = ""
    _end: Any = None

    def __init__(self) -> None:
        self._pid = 0
        self._reason = Reason("", "the end of the code could not be measured")

    def __enter__(self) -> Self:
        self._pid = os.getpid()
        return self

    def is_forked(self) -> bool:
        """Return whether this is a child that the code forked: its numbers began at its own start."""
        forked = os.getpid() != self._pid
        if forked:
            self._reason = Reason("", f"the code came to its end in a forked child, {self.in_a_child}")
        return forked

    def missing(self) -> Mapping[str, Reason]:
        if self._end is not None:
            return {}
        return {metric.name: self._reason for metric in self.metrics if not metric.curve}
