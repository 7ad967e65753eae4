"""Looks at worker processes from outside: code that its own process can't end is ended with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from e2e_magic.measuring.ending import OverLimit
from e2e_magic.sweeping.engines.watch import announced
from e2e_magic.sweeping.limits import Limit, resident_mib

# A process has so long to end its code itself, which keeps what was measured.
GRACE_S = 3.0
# So much over its limit of memory a process is ended at once.
_FAR_OVER = 1.25


class Guard:
    """Finds the processes that are over a limit and don't end their code themselves.

    Parameters
    ----------
    limit : Limit
    """

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        # Since when each process runs an execution of a turn, and since when it holds too much.
        self._since: dict[tuple[int, int, int], float] = {}
        self._over_since: dict[tuple[int, int, int], float] = {}

    def exceeded(self, folder: Path) -> Iterator[tuple[int, int, OverLimit]]:
        """Yield (process, turn, why) of those that are to be ended, of all that announce themselves there."""
        for path in folder.iterdir():
            with suppress(OSError, ValueError):  # no worker's file, or gone meanwhile
                pid, (turn, execution) = int(path.name), announced(path)
                if execution and (over := self._over((pid, turn, execution))) is not None:
                    yield pid, turn, over

    def _over(self, which: tuple[int, int, int]) -> OverLimit | None:
        limit, now = self._limit, time.monotonic()
        seconds = now - self._since.setdefault(which, now)
        if limit.seconds is not None and seconds > limit.seconds + GRACE_S:
            return limit.exceeded(seconds, None)
        mib = None if limit.mib is None else resident_mib(which[0])
        if mib is None or limit.mib is None or mib <= limit.mib:
            self._over_since.pop(which, None)
            return None
        since = self._over_since.setdefault(which, now)
        if mib > _FAR_OVER * limit.mib or now - since > GRACE_S:
            return limit.exceeded(0.0, mib)
        return None
