"""What a word after ``%e2e`` is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from e2e_magic.jupyter.auto import Auto
from e2e_magic.session import Session
from e2e_magic.text import legible_lines


@dataclass(frozen=True, slots=True)
class Line:
    """The words behind the subcommand, and what it may act on."""

    words: list[str]
    session: Session
    auto: Auto
    shell: InteractiveShell


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One word after ``%e2e``: how it is used, what it does in one line, and the doing."""

    usage: str
    summary: str
    act: Callable[[Line], Any]


def say(text: str) -> None:
    """Show a sentence as plain text, in the order of the cell's output."""
    display({"text/plain": legible_lines(text)}, raw=True)
