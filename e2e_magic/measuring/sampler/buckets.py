"""A curve of any length in bounded memory: buckets that keep their lowest and highest sample and double."""

from __future__ import annotations

from array import array

# Samples are kept as they are up to this count: 41 s at 100 Hz. After that a bucket holds 2, 4, 8 ..
BUCKETS = 4096


class Buckets:
    """A curve that keeps its shape: all extremes with their own times, the first and the last sample.

    Parameters
    ----------
    most : int
        Buckets before they are merged in pairs; even. One takes 32 bytes.
    """

    __slots__ = (
        "_filled",
        "_first",
        "_high",
        "_high_t",
        "_last",
        "_low",
        "_low_t",
        "_most",
        "_width",
        "highs",
        "lows",
    )

    def __init__(self, most: int = BUCKETS) -> None:
        if most < 2 or most % 2:
            raise ValueError(f"most must be an even number from 2, got {most}")
        self._most = most
        self._width = 1  # samples in a whole bucket
        self._filled = 0  # samples in the open bucket
        self._low = self._low_t = self._high = self._high_t = 0.0
        self._first: tuple[float, float] | None = None
        self._last = (0.0, 0.0)
        self.lows = array("d")  # time, value, time, value ..: one pair per whole bucket
        self.highs = array("d")

    def add(self, t_s: float, value: float) -> None:
        """Add a sample, time in s; times must not decrease."""
        if self._first is None:
            self._first = (t_s, value)
        self._last = (t_s, value)
        if not self._filled:
            self._low_t = self._high_t = t_s
            self._low = self._high = value
        elif value < self._low:
            self._low_t, self._low = t_s, value
        elif value > self._high:
            self._high_t, self._high = t_s, value
        self._filled += 1
        if self._filled == self._width:
            self._filled = 0
            self.lows.extend((self._low_t, self._low))
            self.highs.extend((self._high_t, self._high))
            if len(self.lows) == 2 * self._most:
                self.lows = _merged(self.lows, lowest=True)
                self.highs = _merged(self.highs, lowest=False)
                self._width *= 2

    def points(self) -> tuple[array[float], array[float]]:
        """Return times and values, in order: each bucket's two extremes, the first and the last sample."""
        times, values = array("d"), array("d")
        if self._first is None:
            return times, values

        def put(t_s: float, value: float) -> None:
            if not times or t_s > times[-1] or (t_s == times[-1] and value != values[-1]):
                times.append(t_s)
                values.append(value)

        lows, highs = self.lows, self.highs
        if self._filled:
            lows = lows + array("d", (self._low_t, self._low))
            highs = highs + array("d", (self._high_t, self._high))
        put(*self._first)
        for i in range(0, len(lows), 2):
            if lows[i] <= highs[i]:
                put(lows[i], lows[i + 1])
                put(highs[i], highs[i + 1])
            else:
                put(highs[i], highs[i + 1])
                put(lows[i], lows[i + 1])
        put(*self._last)
        return times, values


def _merged(pairs: array[float], *, lowest: bool) -> array[float]:
    merged = array("d")
    for i in range(0, len(pairs), 4):
        second = pairs[i + 3] < pairs[i + 1] if lowest else pairs[i + 3] > pairs[i + 1]
        j = i + 2 if second else i
        merged.extend(pairs[j : j + 2])
    return merged
