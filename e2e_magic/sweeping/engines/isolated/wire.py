"""Messages between a kernel and its isolated process: pickled, each behind its lengths.

Arrays travel beside the pickle, not inside it, so that 200 MB are neither copied nor joined on the way.
"""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

_COUNT = struct.Struct("!I")
_LENGTH = struct.Struct("!Q")
# Buffers smaller than this go inside the pickle: a part of their own costs more than the copy.
_APART = 4096


def dumps(value: Any) -> list[Any]:
    """Pickle a value with cloudpickle: the pickle first, then the buffers that go beside it.

    Raises
    ------
    Exception
        Whatever an object raises that can't be pickled.
    """
    import cloudpickle

    apart: list[Any] = []

    def within(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _APART:
            return True
        apart.append(raw)
        return False

    return [cloudpickle.dumps(value, protocol=5, buffer_callback=within), *apart]


def loads(parts: list[bytearray]) -> Any:
    """Undo `dumps`; arrays are writable."""
    return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301 - both ends are ours


def send(link: socket.socket, parts: list[Any]) -> None:
    """Send the parts of one message."""
    sizes = [memoryview(part).nbytes for part in parts]
    head = _COUNT.pack(len(parts)) + b"".join(map(_LENGTH.pack, sizes))
    if sum(sizes) < 65_536:
        link.sendall(b"".join((head, *parts)))
        return
    link.sendall(head)
    for part in parts:
        link.sendall(part)


def receive(link: socket.socket) -> list[bytearray]:
    """Wait for one message and return its parts.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    (count,) = _COUNT.unpack(_exactly(link, _COUNT.size))
    lengths = _exactly(link, count * _LENGTH.size)
    return [_exactly(link, size) for (size,) in _LENGTH.iter_unpack(lengths)]


def _exactly(link: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        try:
            got = link.recv_into(rest)
        except ConnectionResetError:
            got = 0
        if not got:
            raise EOFError("the other process is gone")
        rest = rest[got:]
    return data
