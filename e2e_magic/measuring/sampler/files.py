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
# A counter that seems to have gone round by more than this a second, W, was set back to 0: no processor takes
# as much. It may be read this much later than it stepped, s.
_MOST_PER_S = 1000.0
_SLACK_S = 1.0


class Spec:
    """A probe as it came over the wire, and the process that it measures."""

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
    """A reader of one metric."""

    # A counter must be read before it can wrap twice, however long the interval is.
    watched = False

    def read(self, now_ns: int, *, last: bool = False) -> float | None:
        """Return the value now; None where there is none yet, or none for a moment.

        Raises
        ------
        OSError, ValueError
            Where there will be no further value.
        """
        raise NotImplementedError

    def watch(self, now_ns: int) -> None:
        """Read a `watched` quantity between samples."""

    def total(self) -> float | None:
        """Return the true increase since the start; None for a quantity that has none."""
        return None

    def close(self) -> None:
        """Close the open files."""


class KeptFile:
    """A small file that stays open and is read from its start each time."""

    __slots__ = ("_at_ns", "_data", "_descriptor", "_path", "_users")

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self._users = 1
        self._at_ns = -1
        self._data = b""

    @classmethod
    def shared(cls, path: str) -> KeptFile:
        """Return the open file of this path, for all readers that want it; each closes it once."""
        file = _shared.get(path)
        if file is None:
            file = _shared[path] = cls(path)
        else:
            file._users += 1
        return file

    def at(self, now_ns: int) -> bytes:
        """Return the file's content at an instant, read once for all readers of one sample."""
        if now_ns != self._at_ns:
            self._data = self.data()
            self._at_ns = now_ns
        return self._data

    def data(self) -> bytes:
        """Return the file's content."""
        if sys.platform == "win32":
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            return os.read(self._descriptor, 4096)
        return os.pread(self._descriptor, 4096, 0)

    def reopen_if_replaced(self) -> None:
        """Reopen the file if another one was moved over it; a file that was removed is an error."""
        if not os.fstat(self._descriptor).st_nlink:
            fresh = os.open(self._path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            os.close(self._descriptor)
            self._descriptor = fresh

    def close(self) -> None:
        """Close the file once no other reader holds it."""
        self._users -= 1
        if not self._users:
            if _shared.get(self._path) is self:
                del _shared[self._path]
            os.close(self._descriptor)


_shared: dict[str, KeptFile] = {}


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
        if not text:  # being rewritten
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
        self._before_ns = 0
        self._increase = 0.0

    def read(self, now_ns: int, *, last: bool = False) -> float | None:
        return self._rate.at(now_ns, last=last) if self._advance(now_ns) else None

    def watch(self, now_ns: int) -> None:
        self._advance(now_ns)

    def total(self) -> float | None:
        return None if self._before is None else self._increase * self._scale

    def _advance(self, now_ns: int) -> bool:
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
                took_s = (now_ns - self._before_ns) / 1e9
                if increase * self._scale > _MOST_PER_S * (took_s + _SLACK_S):
                    raise ValueError(f"{self._path} started anew at 0: its range would be too much at once")
            self._increase += increase
            self._rate.grow(increase * self._scale)
        self._before, self._before_ns = raw, now_ns
        return True


class Counters(Reader):
    """Several counters of one range, one per socket, added."""

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

    def watch(self, now_ns: int) -> None:
        for part in self._parts:
            part.watch(now_ns)

    def total(self) -> float | None:
        return _sum([part.total() for part in self._parts])

    def close(self) -> None:
        for part in self._parts:
            part.close()


def _sum(parts: list[float | None]) -> float | None:
    """Return the sum of numbers; None where one is missing."""
    numbers = [part for part in parts if part is not None]
    return sum(numbers) if len(numbers) == len(parts) else None


def counter(spec: Spec) -> Reader:
    """Return the reader of one counter or of several that are added."""
    return Counters(spec) if spec.args else Counter(spec)
