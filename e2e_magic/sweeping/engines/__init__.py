"""Where trials run: this process, a process beside it, worker processes, a Dask cluster, joblib's backends.

Input: the turns of a sweep, as tickets. Output: futures of what came of them. `Sweep` has the only loop, and
each engine is one class with the methods of `Engine`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor, CancelledError
from typing import TYPE_CHECKING, Any, Protocol

from e2e_magic.measuring.ending import OverLimit

if TYPE_CHECKING:
    from e2e_magic.sweeping.engines.tickets import Outcome, Ticket


class EngineLost(RuntimeError):  # noqa: N818 - it is what happened
    """No worker is left."""


class Future(Protocol):
    """A turn at an engine: ``concurrent.futures.Future``, or Dask's.

    Its error is how the turn ended without an outcome: ``KeyboardInterrupt`` where it was interrupted,
    ``BrokenExecutor`` or ``CancelledError`` where a worker died, anything else where something could not be
    opened.
    """

    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def exception(self, timeout: float | None = None) -> BaseException | None: ...
    def result(self, timeout: float | None = None) -> Outcome | bytes: ...


class Engine(Protocol):
    """Runs tickets. One thread, the sweep's, calls everything but `stop`.

    Attributes
    ----------
    width : int
        How many turns run at a time.
    depth : int
        How many brief turns a worker may have, the one that it runs included: it never waits for the next.
    concurrent : bool
        Whether trials share a machine.
    breaks : bool
        Whether a worker's death ends all that runs.
    here : bool
        Whether trials run on this machine.
    """

    @property
    def width(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def concurrent(self) -> bool: ...
    @property
    def breaks(self) -> bool: ...
    @property
    def here(self) -> bool: ...

    def open(self) -> None:
        """Get ready for the first turn.

        Raises
        ------
        PlanError
            What can't be sent, what is not installed, who doesn't answer. Nothing is left open then.
        """

    def submit(self, ticket: Ticket) -> Future:
        """Take a turn; it starts at once or in the next `wait`."""

    async def wait(self, seconds: float) -> None:
        """Wait for an outcome, or so long; an engine without workers runs the turn, however long it takes.

        Raises
        ------
        BaseException
            What ends the sweep: ``KeyboardInterrupt`` in this process, `EngineLost`, `PlanError`.
        """

    def victims(self) -> set[int] | None:
        """Return the turns whose worker died, after a future failed; None where it may be each of them."""

    def over(self) -> Mapping[int, OverLimit]:
        """Return the turns whose worker the engine ended, as they were over their limit, and why."""

    def begun(self) -> set[int] | None:
        """Return the turns that have begun; None where that can't be determined."""

    def restarted(self) -> set[int]:
        """Return the turns that the engine itself has started anew since it was last asked."""

    def mend(self) -> None:
        """Make it work again after a worker died."""

    def close(self, *, kill: bool = False) -> None:
        """End the workers that are ours; with `kill` also those in the middle of a trial."""


class EndsNone:
    """What those engines answer that end no turn by themselves and start none anew."""

    def over(self) -> Mapping[int, OverLimit]:
        """Return none: it ends no worker."""
        return {}

    def restarted(self) -> set[int]:
        """Return none: it starts no turn anew."""
        return set()

    def mend(self) -> None:
        """Leave it as it is: the next turn has what it needs."""


class OneAtATime(EndsNone):
    """What those engines share that run one turn at a time, in `wait`."""

    width = 1
    depth = 1
    concurrent = False
    breaks = False
    here = True

    def victims(self) -> set[int] | None:
        """Return None: there is but one turn."""
        return None


class Cluster(EndsNone):
    """What those engines share whose cluster replaces a dead worker by itself: Ray, Spark.

    A thread of the cluster's, or of ours, sets `woken` once it has set a future, and adds to `died` the turn
    whose worker died.
    """

    breaks = False

    def __init__(self) -> None:
        self.width = 1
        self.here = False
        self.concurrent = False
        self.woken = threading.Event()
        self.died: set[int] = set()

    async def wait(self, seconds: float) -> None:
        """Wait for an outcome, or so long."""
        self.woken.wait(seconds)
        self.woken.clear()

    def victims(self) -> set[int] | None:
        """Return the turns whose worker died since it was last asked."""
        died, self.died = self.died, set()
        return died


def failure_of(future: Any) -> BaseException | None:
    """Return why a future that is done has no result; None where it has one."""
    if getattr(future, "status", None) == "finished":  # Dask would ask its event loop for the error
        return None
    if future.cancelled():
        return CancelledError()
    error: BaseException | None = future.exception()
    return error


def worker_died(error: BaseException) -> bool:
    """Return whether a future's error means that a worker died under it, or under a turn beside it."""
    # loky and Python name what can't be unpickled as a cause; Dask's KilledWorker: died too often.
    broken = isinstance(error, BrokenExecutor) and error.__cause__ is None
    return broken or isinstance(error, CancelledError) or type(error).__name__ == "KilledWorker"
