"""Readers of numbers in files, and what all readers share."""

from __future__ import annotations

import os
import sys

from .rates import Rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .descendants import Descendants


# A rate over so few steps of a counter is off by a twentieth at most; there is one from half of it on.
_STEPS = 40


class Spec:
    """A probe as it came over the wire, and what it is about."""

    __slots__ = ("args", "interval_ns", "kind", "metric", "path", "pid", "scale", "step_s", "tree", "wrap")

    def __init__(
        self,
        metric: str,
        kind: str,
        path: str = "",
        scale: float = 1.0,
        wrap: float = 0.0,
        args: tuple[str, ...] = (),
        step_s: float = 0.0,
        *,
        pid: int = 0,
        interval_ns: int = 0,
        tree: Descendants | None = None,
    ) -> None:
        self.metric = metric
        self.kind = kind
        self.path = path
        self.scale = scale
        self.wrap = wrap
        self.args = args
        self.step_s = step_s
        self.pid = pid  # of the measured process
        self.interval_ns = interval_ns
        self.tree = tree  # one look for all readers of a recording


class Reader:
    """Reads one metric."""

    # A counter must be read before it can wrap twice, however long the interval is.
    watched = False

    def read(self, now_ns: int, *, last: bool = False) -> float | None:
        """Return the value now; None where there is none yet or for a moment.

        Raises
        ------
        OSError, ValueError
            Where there will be no value any more.
        """
        raise NotImplementedError

    def watch(self) -> None:
        """Look at a `watched` quantity between samples."""

    def total(self) -> float | None:
        """Return the true increase since the start; None where there is no such thing."""
        return None

    def close(self) -> None:
        """Give up what is held open."""


class KeptFile:
    """A small file that stays open and is read from its start each time."""

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def data(self) -> bytes:
        """Read it."""
        if sys.platform == "win32":
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            return os.read(self._descriptor, 4096)
        return os.pread(self._descriptor, 4096, 0)

    def reopen_if_replaced(self) -> None:
        """Follow a file that another one was moved over; a file that was removed is an error."""
        if not os.fstat(self._descriptor).st_nlink:
            fresh = os.open(self._path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            os.close(self._descriptor)
            self._descriptor = fresh

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


class File(Reader):
    """The number in a file, times a scale."""

    def __init__(self, spec: Spec) -> None:
        self._path = spec.path
        self._scale = spec.scale
        self._file = KeptFile(spec.path)

    def read(self, _now_ns: int, *, last: bool = False) -> float | None:  # noqa: ARG002 - the signature
        raw = self._raw()
        return None if raw is None else raw * self._scale

    def close(self) -> None:
        self._file.close()

    def _raw(self) -> float | None:
        self._file.reopen_if_replaced()
        try:
            text = self._file.data().strip()
        except BlockingIOError:  # a sensor that is busy has a number the next time
            return None
        if not text:  # being written anew
            return None
        try:
            return float(text)
        except ValueError:
            raise ValueError(f"{self._path} holds {text[:40]!r}, not a number") from None


class Counter(File):
    """The rate of a counter in a file, per second, and its true increase."""

    watched = True

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._wrap = spec.wrap
        self._rate = Rate(max(spec.interval_ns, round(_STEPS * spec.step_s * 1e9)))
        self._before: float | None = None
        self._increase = 0.0

    def read(self, now_ns: int, *, last: bool = False) -> float | None:
        return self._rate.at(now_ns, last=last) if self._advance() else None

    def watch(self) -> None:
        self._advance()

    def total(self) -> float | None:
        return None if self._before is None else self._increase * self._scale

    def _advance(self) -> bool:
        raw = self._raw()
        if raw is None:
            return False
        if self._before is not None:
            increase = raw - self._before
            if increase < 0:
                if not self._wrap:
                    raise ValueError(
                        f"{self._path} went back from {self._before:.15g} to {raw:.15g}, "
                        "and its range is not known"
                    )
                increase += self._wrap
            self._increase += increase
            self._rate.grow(increase * self._scale)
        self._before = raw
        return True


class Counters(Reader):
    """Several counters of one range, added: a socket each."""

    watched = True

    def __init__(self, spec: Spec) -> None:
        self._parts: list[Counter] = []
        try:
            for path in (spec.path, *spec.args):
                one = (spec.metric, spec.kind, path, spec.scale, spec.wrap, (), spec.step_s)
                self._parts.append(Counter(Spec(*one, interval_ns=spec.interval_ns)))
        except OSError:
            self.close()
            raise

    def read(self, now_ns: int, *, last: bool = False) -> float | None:
        return _sum([part.read(now_ns, last=last) for part in self._parts])

    def watch(self) -> None:
        for part in self._parts:
            part.watch()

    def total(self) -> float | None:
        return _sum([part.total() for part in self._parts])

    def close(self) -> None:
        for part in self._parts:
            part.close()


def _sum(parts: list[float | None]) -> float | None:
    """Add numbers; None where one is not known."""
    numbers = [part for part in parts if part is not None]
    return sum(numbers) if len(numbers) == len(parts) else None


def counter(spec: Spec) -> Reader:
    """Make the reader of one counter or of several that are added."""
    return Counters(spec) if spec.args else Counter(spec)
