"""Write the magic line that some options stand for, so that reading it gives the same options again."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from IPython.core.error import UsageError

from e2e_magic.jupyter.arguments import split
from e2e_magic.measuring.expression import Expression
from e2e_magic.measuring.options import OPTIONS, Way, taken_by
from e2e_magic.sweeping.options import SWEEP_OPTIONS


def magic_line(magic: str, stage: str, words: Sequence[str], options: argparse.Namespace) -> str:
    """Return the line.

    Parameters
    ----------
    magic : str
        ``%%e2esweep``.
    stage : str
    words : sequence of str
        ``NAME=VALUES``.
    options : Namespace
        As the parser reads them; what stands at its default is left out.
    """
    parts = [magic, quoted(stage), *map(quoted, words)]
    for option in taken_by(Way.PANEL, OPTIONS + SWEEP_OPTIONS).values():
        value = getattr(options, option.name, None)
        if value is None or value is False or value == option.default:
            continue
        parts.append(f"{option.flag} {quoted(_text(value))}" if option.metavar else option.flag)
    return " ".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)


def quoted(word: str) -> str:
    """Put a word in quotes where the line would read it differently without."""
    for candidate in (word, f'"{word}"', f"'{word}'", '"' + word.replace('"', '\\"') + '"'):
        try:
            words = [part.text for part in split(candidate)]
        except UsageError:
            continue
        if words == [word] and not (candidate == word and word.startswith("-")):
            return candidate
    return word


def changed(options: argparse.Namespace, values: Mapping[str, Any]) -> argparse.Namespace:
    """Return the options with some of them set."""
    return argparse.Namespace(**{**vars(options), **values})
