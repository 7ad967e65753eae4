"""A clock for calls that take no time to be tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e_magic.measuring import energy_span
from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.latency import Clock

MS = 1_000_000


class Simulated(Clock):
    """A clock that moves only when somebody works or waits."""

    def __init__(self) -> None:
        self.time_ns = 0
        self.now = lambda: self.time_ns

    def wait(self, until_ns: int) -> None:
        self.time_ns = max(self.time_ns, until_ns)

    def call(self, *costs_ns: int) -> Callable[[Any], None]:
        """Return a call that takes these times in turn."""
        count = 0

        def work(_batch: object) -> None:
            nonlocal count
            self.time_ns += costs_ns[count % len(costs_ns)]
            count += 1

        return work

    def answer(self, first_ms: float, next_ms: float) -> Callable[[str], Iterator[str]]:
        """Return a model that takes this long for its first word and for each further one."""

        def generate(prompt: str) -> Iterator[str]:
            for n, word in enumerate(prompt.split()):
                self.time_ns += round((next_ms if n else first_ms) * MS)
                yield word

        return generate


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Simulated:
    """Give a simulated clock; no energy is read beside it."""
    monkeypatch.setattr(
        energy_span, "registered", lambda: {"energy": Unavailable("no counters in a simulation")}
    )
    return Simulated()
