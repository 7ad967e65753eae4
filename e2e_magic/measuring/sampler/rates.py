"""Conversion of the increase since the last sample into a rate over time."""

from __future__ import annotations


class Rate:
    """The rate of a growing quantity between samples.

    An increase over a very short time is kept for the next sample: a counter that steps every
    millisecond, read 20 µs after the last sample, would show fifty times the power. Only where there is
    no value yet is the last sample's short time used.

    Parameters
    ----------
    interval_ns : int
        The time between samples; from half of it on there is a value.
    ceiling : float
        The highest possible rate per second; the excess is carried over to the following samples. CPU time
        of a child that ended comes in all at once.
    """

    __slots__ = ("_ceiling", "_interval_ns", "_pending", "_since_ns", "_valued")

    def __init__(self, interval_ns: int, ceiling: float = float("inf")) -> None:
        self._interval_ns = interval_ns
        self._ceiling = ceiling
        self._pending = 0.0
        self._since_ns: int | None = None
        self._valued = False

    def grow(self, increase: float) -> None:
        """Add an increase since the last call."""
        self._pending += increase

    def at(self, now_ns: int, *, last: bool = False) -> float | None:
        """Return the rate per second up to now; None at the first sample and after too short a time."""
        if self._since_ns is None:
            self._since_ns = now_ns
            self._pending = 0.0
            return None
        elapsed_ns = now_ns - self._since_ns
        soon = 2 * elapsed_ns < self._interval_ns and not (last and not self._valued)
        if elapsed_ns <= 0 or soon:
            return None
        seconds = elapsed_ns / 1e9
        used = min(self._pending, self._ceiling * seconds)
        self._pending -= used
        self._since_ns = now_ns
        self._valued = True
        return used / seconds
