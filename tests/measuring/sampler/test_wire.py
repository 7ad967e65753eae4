"""Frames between the kernel and the sampler process."""

from __future__ import annotations

import marshal
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.measuring.sampler.wire import LONGEST, Decoder, FramingError, encode

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
messages = st.lists(st.tuples(st.text(), st.integers(), plain), max_size=6)


@given(messages, st.lists(st.integers(0, 10_000), max_size=20))
def test_messages_survive_any_chunking(sent: list[tuple[object, ...]], cuts: list[int]) -> None:
    """However the bytes are cut, the messages come out whole and in order."""
    data = b"".join(map(encode, sent))
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    decoder = Decoder()
    got = [m for a, b in pairwise(edges) for m in decoder.feed(data[a:b])]

    assert sent == got


def test_messages_survive_single_bytes() -> None:
    """One byte at a time, a message comes out at its last byte and not before."""
    decoder = Decoder()
    data = encode(("start", 1, b"x" * 300))
    got = [decoder.feed(data[i : i + 1]) for i in range(len(data))]

    assert [[]] * (len(data) - 1) + [[("start", 1, b"x" * 300)]] == got


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"HTTP/1.1 200", "expected a frame, got b'HTTP/1'"),
        (struct.pack("<2sI", b"e2", LONGEST + 1), r"expected a frame, got b'e2\x01\x00\x00\x04'"),
        (struct.pack("<2sI", b"e2", 1) + marshal.dumps(None), None),
        (struct.pack("<2sI", b"e2", 3) + b"\xff\xff\xff", None),
    ],
)
def test_noise_is_an_error(data: bytes, text: str | None) -> None:
    """Bytes that are no frames are told from frames, whatever they are."""
    with pytest.raises(FramingError) as caught:
        Decoder().feed(data)

    assert text is None or text == str(caught.value)
