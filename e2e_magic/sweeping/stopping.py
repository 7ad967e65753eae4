"""Why and when a sweep starts no further trial: its limits, its user, the first failure."""

from __future__ import annotations

from collections.abc import Callable

from e2e_magic.sweeping.schedule import Schedule


class Stopping:
    """Decides whether a sweep goes on.

    Parameters
    ----------
    schedule : Schedule
    stop, abort : callable or None
        As `Sweep` says.

    Attributes
    ----------
    reason : str
        Why the sweep ended before its last trial; empty while it didn't.
    failure : BaseException or None
        The error of a trial that ends the sweep.
    """

    def __init__(
        self, schedule: Schedule, stop: Callable[[], bool] | None, abort: Callable[[], bool] | None
    ) -> None:
        self.reason = ""
        self.failure: BaseException | None = None
        self._schedule = schedule
        self._stop = stop
        self._abort = abort

    def due(self) -> bool:
        """Return whether no further trial shall start; `reason` then says why."""
        if self.reason:
            return True
        self.reason = self._schedule.limit_reached()
        if self.reason:
            return True
        if (self._stop is not None and self._stop()) or self.aborted():
            self.reason = "it was stopped"
        elif self.failure is not None:
            self.reason = "a trial failed"
        return bool(self.reason)

    def aborted(self) -> bool:
        """Return whether the trials that run shall be ended too."""
        return self._abort is not None and self._abort()

    def raise_failure(self) -> None:
        """Raise the error that ended the sweep, if one did."""
        __tracebackhide__ = True
        if self.failure is not None:
            raise self.failure
