"""Trials that came back together are written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from e2e_magic.storage.writer import Writer


@contextmanager
def together(writer: Writer, warn: Callable[[str], None] | None = None) -> Iterator[None]:
    """Write what is kept meanwhile at the end, at once."""
    writer.held = True
    try:
        yield
    finally:
        writer.held = False
        writer.keep((), warn)
