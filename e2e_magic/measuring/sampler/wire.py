"""Frames on the wire between the kernel and the sampler process; both sides import this file.

A frame is a mark, the length of its body, and the body: plain data as `marshal` writes it. `marshal` is
built in (json would cost the child 1 MiB), and both ends are the same interpreter, so its version is no
matter.
"""

from __future__ import annotations

import marshal
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HEAD = struct.Struct("<2sI")
_MARK = b"e2"
# The number of a recording whose row is kept, as it goes through the pipe beside the socket.
KEPT = struct.Struct("<Q")
# Far above any reply: eight curves of 8,192 points are 1 MiB. A longer frame is noise, not data.
LONGEST = 64 * 2**20


class FramingError(Exception):
    """Error for bytes that are not a frame: the other side is broken, or is not the sampler's."""


def encode(message: tuple[Any, ...]) -> bytes:
    """Return a message as a frame."""
    body = marshal.dumps(message)
    return _HEAD.pack(_MARK, len(body)) + body


class Decoder:
    """An assembler of messages from bytes that arrive in pieces of any size."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[Any, ...]]:
        """Add received bytes and return the messages that they complete.

        Raises
        ------
        FramingError
            If the bytes are not frames; nothing that follows can be read then.
        """
        buffer = self._buffer
        buffer += data
        messages: list[tuple[Any, ...]] = []
        while len(buffer) >= _HEAD.size:
            mark, length = _HEAD.unpack_from(buffer)
            if mark != _MARK or length > LONGEST:
                raise FramingError(f"expected a frame, got {bytes(buffer[: _HEAD.size])!r}")
            end = _HEAD.size + length
            if len(buffer) < end:
                break
            try:
                message = marshal.loads(bytes(buffer[_HEAD.size : end]))  # noqa: S302 - a private socket
            except (ValueError, EOFError, TypeError) as error:
                raise FramingError(f"a frame of {length} bytes can't be read: {error}") from error
            if not isinstance(message, tuple):
                raise FramingError(f"expected a tuple in a frame, got {type(message).__name__}")
            messages.append(message)
            del buffer[:end]
        return messages
