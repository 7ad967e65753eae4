"""A line of ``%e2e``: the words behind a subcommand, and the options that select trials."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.auto import Auto
from e2e_magic.jupyter.notebook import Notebook
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


class Line(NamedTuple):
    """The words behind the subcommand, and what it may act on."""

    words: list[str]
    notebook: Notebook

    @property
    def session(self) -> Session:
        """The session of the notebook."""
        return self.notebook.session

    @property
    def auto(self) -> Auto:
        """The measuring of every cell, on or off."""
        return self.notebook.auto

    @property
    def shell(self) -> InteractiveShell:
        """The shell that runs the line."""
        return self.notebook.shell

    def selection(self, options: argparse.Namespace) -> Selection:
        """Return what the options select; a run that only the store has is read there, with a notice."""
        chosen = {name: value for name, value in vars(options).items() if name in _SELECTION}
        return self.session.reader.resolve(Selection.of(**chosen), say)


class Subcommand(NamedTuple):
    """How a subcommand is used, what it does in one line, and the function that does it."""

    usage: str
    summary: str
    act: Callable[[Line], Any]


def say(text: str) -> None:
    """Show a sentence as plain text, in the order of the cell's output."""
    display({"text/plain": legible_lines(text)}, raw=True)
