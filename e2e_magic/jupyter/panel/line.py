"""Write the magic line that some options stand for, so that reading it gives the same options again."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from types import CodeType
from typing import Any

from IPython.core.error import UsageError

from e2e_magic.jupyter.arguments import Parser, split


def magic_line(
    magic: str,
    stage: str,
    words: Sequence[str],
    options: argparse.Namespace,
    parser: Parser,
    *,
    without: Iterable[str] = (),
) -> str:
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
    parser : Parser
    without : iterable of str
        Options to leave out, by their names in `options`.
    """
    parts = [magic, quoted(stage), *map(quoted, words)]
    left_out = {"help", "panel", *without}
    for action in parser._actions:
        if not action.option_strings or action.dest in left_out:
            continue
        value = getattr(options, action.dest, action.default)
        if value is None or value == action.default or value is False:
            continue
        name = max(action.option_strings, key=len)
        parts.append(name if action.nargs == 0 else f"{name} {quoted(_text(value))}")
    return " ".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, CodeType):
        return value.co_filename[1:-1]  # `arguments.expression` names the code so
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)


def quoted(word: str) -> str:
    """Put a word in quotes where the line would read it differently without."""
    for candidate in (word, f'"{word}"', f"'{word}'", '"' + word.replace('"', '\\"') + '"'):
        try:
            found = split(candidate)
        except UsageError:
            continue
        if len(found) == 1 and found[0].text == word and not (candidate == word and word.startswith("-")):
            return candidate
    return word


def changed(options: argparse.Namespace, values: Mapping[str, Any]) -> argparse.Namespace:
    """Return the options with some of them set."""
    return argparse.Namespace(**{**vars(options), **values})
