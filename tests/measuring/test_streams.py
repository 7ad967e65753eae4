"""A stand-in for a stream behaves as the stream it stands for, also after its time."""

from __future__ import annotations

import copy
import gc
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from e2e_magic.measuring.streams import KeptText, StandIn, standing_in


class Real(io.TextIOWrapper):
    """A stream of a file, with an attribute of its own, as ipykernel's has."""

    topic = b"stream.stdout"


@pytest.fixture
def real(tmp_path: Path) -> Iterator[TextIO]:
    """Give a text stream with a file descriptor and an encoding that isn't the default."""
    with Real((tmp_path / "out").open("wb"), encoding="latin-1", errors="replace") as stream:
        yield stream


def written(real: TextIO) -> str:
    """Return what has reached the real stream."""
    real.flush()
    return Path(real.name).read_text("latin-1")


def test_it_answers_as_the_real_stream(real: TextIO) -> None:
    """Encoding, errors, descriptor, terminal or not, and attributes that only some streams have."""
    stand_in: Any = StandIn(real, KeptText().write)

    assert (stand_in.encoding, stand_in.errors) == ("latin-1", "replace")
    assert stand_in.fileno() == real.fileno()
    assert (stand_in.isatty(), stand_in.writable(), stand_in.closed) == (False, True, False)
    assert (stand_in.topic, stand_in.name, stand_in.line_buffering) == (Real.topic, real.name, False)
    with pytest.raises(AttributeError):
        _ = stand_in.no_such_attribute
    with pytest.raises(TypeError, match="must be str, not int"):
        stand_in.write(3)


def test_a_stream_without_a_descriptor_says_so() -> None:
    """``subprocess`` and ``faulthandler`` know this error; buffer is asked for with ``hasattr``."""
    stand_in = StandIn(io.StringIO(), KeptText().write)

    with pytest.raises(io.UnsupportedOperation):
        stand_in.fileno()
    assert not hasattr(stand_in, "buffer")


def test_a_process_without_streams() -> None:
    """``pythonw`` has None in their place."""
    kept = KeptText()
    stand_in = StandIn(None, kept.write)
    stand_in.write("a")
    stand_in.flush()
    stand_in.release()
    stand_in.write("b")

    assert (kept.text(), stand_in.encoding, stand_in.isatty()) == ("a", "utf-8", False)


def test_bytes_below_are_taken_as_text(real: TextIO) -> None:
    """What is written to ``sys.stdout.buffer`` is held back like the rest, a character in two halves too."""
    kept = KeptText()
    stand_in = StandIn(real, kept.write)
    stand_in.write("a")
    assert stand_in.buffer.write(b"\xe4\n") == 2
    print("b", file=io.TextIOWrapper(stand_in.buffer, encoding="latin-1", write_through=True))
    gc.collect()

    assert kept.text() == "aä\nb\n"
    assert stand_in.buffer.fileno() == real.fileno()
    stand_in.release()
    stand_in.buffer.write(b"c")
    assert written(real) == "c"


def test_a_child_process_may_write_to_it(real: TextIO) -> None:
    """Its descriptor is the real one's."""
    with standing_in(StandIn(real, KeptText().write), StandIn(real, KeptText().write)):
        subprocess.run(["echo", "of a child"], stdout=sys.stdout, check=True)

    assert written(real) == "of a child\n"


def test_who_holds_on_to_it_writes_to_the_real_stream_afterwards(
    real: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A logging handler keeps the stream that it was made with."""
    monkeypatch.setattr(sys, "stderr", real)
    kept, log = KeptText(), logging.getLogger("made meanwhile")
    with standing_in(StandIn(sys.stdout, kept.write), StandIn(sys.stderr, kept.write)):
        log.addHandler(logging.StreamHandler())
        log.warning("first")
    log.warning("second")
    log.handlers.clear()

    assert kept.text() == "first\n"
    assert written(real) == "second\n"
    assert sys.stderr is real


def test_a_stream_that_the_code_put_around_it_stays(real: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does without a stand-in: who replaces ``sys.stdout`` by a tee means it."""

    class Tee(io.StringIO):
        def write(self, text: str) -> int:
            below.write(text.upper())
            return len(text)

    monkeypatch.setattr(sys, "stdout", real)
    with standing_in(StandIn(sys.stdout, KeptText().write), StandIn(sys.stderr, KeptText().write)):
        below, sys.stdout = sys.stdout, Tee()
    print("loud")

    assert written(real) == "LOUD\n"


def test_the_real_stream_stays_open(real: TextIO) -> None:
    """The interpreter closes a stream that is collected; code may close what it thinks is its own."""
    stand_in = StandIn(real, KeptText().write)
    stand_in.close()
    del stand_in
    gc.collect()

    assert not real.closed


def test_a_copy_does_not_recurse(real: TextIO) -> None:
    """An object that holds the stream may be copied: it fails as the real stream does."""
    with pytest.raises(TypeError):
        copy.deepcopy(StandIn(real, KeptText().write))


def test_the_end_of_a_long_text_is_kept() -> None:
    """With a note where its beginning is lost."""
    kept = KeptText(most=10)
    for n in range(1000):
        kept.write(f"{n}\n")

    assert kept.text() == "[..]\n7\n998\n999\n"
