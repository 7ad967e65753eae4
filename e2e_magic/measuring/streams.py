"""Stand-ins for ``sys.stdout`` and ``sys.stderr``: they capture writes and delegate the rest."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class StandIn(io.TextIOBase):
    """A text stream in the place of another.

    Encoding, file descriptor, terminal or not, and every other attribute are those of the real stream. Code
    may keep it, as a logging handler does: once released, it writes to the real stream, or to the
    stand-in that is in its place by then.

    Parameters
    ----------
    real : text stream or None
        The stream in whose place it stands; None where the process has none.
    take : callable
        Takes each text that is written, up to `release`.
    flush : callable, optional
        Called by `flush`, up to `release`; that of the real stream when left out.

    Attributes
    ----------
    real : text stream or None
    """

    def __init__(
        self, real: TextIO | None, take: Callable[[str], object], flush: Callable[[], object] | None = None
    ) -> None:
        super().__init__()
        self.real = real
        self._take: Callable[[str], object] | None = take
        self._flush = flush
        self._bytes: _Bytes | None = None

    def release(self) -> None:
        """Pass everything on to the real stream from now on."""
        self._take = self._flush = None

    def write(self, text: str) -> int:
        """Pass a text to its current receiver, and return its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._take is not None:
            if text:
                self._take(text)
        elif (stream := self._in_place()) is not None:
            stream.write(text)
        return len(text)

    def _in_place(self) -> TextIO | StandIn | None:
        """Return the real stream, or the stand-in now in its place: that of the next repeat."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, StandIn) and stream is not self and stream.real is self.real:
                return stream
        return self.real

    def flush(self) -> None:
        """Flush the captured text, or the real stream."""
        if self._flush is not None:
            self._flush()
        elif self.real is not None:
            self.real.flush()

    def close(self) -> None:
        """Do not close the real stream: the interpreter closes each stream that is garbage-collected."""

    @property
    def closed(self) -> bool:
        """Whether the real stream is closed."""
        return self.real is not None and self.real.closed

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether the real stream is a terminal."""
        return self.real is not None and self.real.isatty()

    def fileno(self) -> int:
        """Return the real stream's file descriptor; raise `io.UnsupportedOperation` where it has none."""
        return super().fileno() if self.real is None else self.real.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The real stream's encoding."""
        return getattr(self.real, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """The error handler of the real stream's encoding."""
        return getattr(self.real, "errors", None)

    @property
    def newlines(self) -> Any:  # type: ignore[override]
        """The line endings that the real stream has translated."""
        return getattr(self.real, "newlines", None)

    @property
    def buffer(self) -> Any:
        """The stream of bytes below, where the real stream has one."""
        below = self.real.buffer  # type: ignore[union-attr]
        if self._take is None:
            return below
        if self._bytes is None:
            self._bytes = _Bytes(self, below)
        return self._bytes

    def __getattr__(self, name: str) -> Any:
        if name == "real":  # during copying, before there is one
            raise AttributeError(name)
        return getattr(self.real, name)


class _Bytes(io.BufferedIOBase):
    """The bytes below a `StandIn`."""

    def __init__(self, text: StandIn, real: Any) -> None:
        super().__init__()
        self._text = text
        self._real = real
        self._decoder = codecs.getincrementaldecoder(text.encoding)("replace")

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._text.write(self._decoder.decode(bytes(data)))
        return size

    def flush(self) -> None:
        self._text.flush()

    def close(self) -> None:
        """Do not close the real stream."""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._text.isatty()

    def fileno(self) -> int:
        return self._text.fileno()

    def __getattr__(self, name: str) -> Any:
        if name == "_real":
            raise AttributeError(name)
        return getattr(self._real, name)


class KeptText:
    """The written text, or its end.

    Parameters
    ----------
    most : int, optional
        The length of the end that is kept, in characters; everything when left out.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._parts: list[str] = []
        self._length = 0

    def write(self, text: str) -> None:
        """Append a text."""
        self._parts.append(text)
        self._length += len(text)
        if self._most is not None and self._length > 2 * self._most:
            self._parts = [self.text()]
            self._length = len(self._parts[0])

    def text(self) -> str:
        """Return the kept text, with ``[..]`` where its beginning is lost."""
        whole = "".join(self._parts)
        if self._most is None or len(whole) <= self._most:
            return whole
        return f"[..]\n{whole[-self._most :]}"


@contextmanager
def standing_in(out: StandIn, err: StandIn) -> Iterator[None]:
    """Put stand-ins in the place of ``sys.stdout`` and ``sys.stderr``.

    A stream that the code put there meanwhile, wrapping one of these, stays.
    """
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        if sys.stdout is out:
            sys.stdout = out.real
        if sys.stderr is err:
            sys.stderr = err.real
        out.release()
        err.release()
