"""A line of ``%e2e``: the words behind a subcommand, and the options that select trials."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.auto import Auto
from e2e_magic.session import Session
from e2e_magic.storage import Selection
from e2e_magic.text import legible_lines

_SELECTION: dict[str, dict[str, Any]] = {
    "run": {"metavar": "RUN", "help": "only this run, by name or id"},
    "stage": {"metavar": "STAGE", "help": "only this stage"},
    "all": {"action": "store_true", "help": "read the whole store"},
    "since": {
        "metavar": "WHEN",
        "help": "only from then on: 2026-08-01, 2026-08-01T09:30, 7d, 24h or 30m ago",
    },
}


def add_selection(parser: Parser, *options: str) -> None:
    """Add the options that select trials: all four, or those that are named."""
    for option in options or ("run", "stage", "all", "since"):
        parser.add_argument(f"--{option}", **_SELECTION[option])


@dataclass(frozen=True, slots=True)
class Line:
    """The words behind the subcommand, and what it may act on."""

    words: list[str]
    session: Session
    auto: Auto
    shell: InteractiveShell

    def selection(self, options: argparse.Namespace) -> Selection:
        """Return what the options select; a run that only the store has is read there, and it is said."""
        chosen = {name: value for name, value in vars(options).items() if name in _SELECTION}
        return self.session.reader.resolve(Selection.of(**chosen), say)


@dataclass(frozen=True, slots=True)
class Subcommand:
    """How a subcommand is used, what it does in one line, and the function that does it."""

    usage: str
    summary: str
    act: Callable[[Line], Any]


def say(text: str) -> None:
    """Show a sentence as plain text, in the order of the cell's output."""
    display({"text/plain": legible_lines(text)}, raw=True)
