"""The cells of a frame as Python's own values, and text that UTF-8 can hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

if TYPE_CHECKING:
    import pandas as pd

_EXTRA = 'pip install "e2e-magic[export]"'


@contextmanager
def text_of(handle: BinaryIO) -> Iterator[TextIO]:
    r"""Write text as UTF-8 with ``\n``; what UTF-8 can't hold, a lone surrogate, is spelled out."""
    text = TextIOWrapper(handle, encoding="utf-8", errors="backslashreplace", newline="")
    try:
        yield text
        text.flush()
    finally:
        _let_go(text)


def _let_go(text: TextIOWrapper) -> None:
    """Detach the binary file for its owner, even when buffered text can't be written."""
    try:
        text.detach()
    except (OSError, ValueError):
        # The original error is already propagating, or flush() has raised this same one.
        return


def utf8(value: str) -> str:
    r"""Spell lone surrogates as ``\ud800``, which UTF-8 can hold."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def uncontrolled(value: str) -> str:
    r"""Spell control characters, which no document takes, as ``\x07``."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", lambda match: f"\\x{ord(match[0]):02x}", value)


def columns(frame: pd.DataFrame) -> list[pd.Series[Any]]:
    """Return the columns by position, for names may repeat."""
    return [frame.iloc[:, n] for n in range(frame.shape[1])]


def plain(column: pd.Series[Any]) -> list[Any]:
    """Return a column as Python's own values, None where missing, aware times in UTC."""
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert("UTC")
    absent = column.isna().to_numpy(dtype=bool)
    values = column.astype(object).tolist()
    return [None if gone else _own(value) for value, gone in zip(values, absent.tolist(), strict=True)]


def _own(value: Any) -> Any:
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value


def need(package: str, form: str) -> Any:
    """Return an optional package, or say how to install it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(f"writing {form} needs {package}: {_EXTRA}", name=package) from error
