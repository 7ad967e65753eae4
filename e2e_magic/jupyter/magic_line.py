"""A magic line: split into words, and written so that reading it gives the same words and options again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NamedTuple

from IPython.core.error import UsageError

from e2e_magic.measuring.options import OPTIONS, Way, taken_by

_CLOSING = {")": "(", "]": "[", "}": "{"}


class Word(NamedTuple):
    """One word of a line, without the quotes round it, and where it starts."""

    text: str
    start: int


def split(line: str) -> list[Word]:
    """Split a line at spaces outside of quotes and brackets; a word that begins with ``#`` ends it.

    Raises
    ------
    UsageError
        If the line ends inside a quote or a bracket.
    """
    words: list[Word] = []
    start: int | None = None
    quote = ""
    opened: list[str] = []
    escaped = False
    for n, char in enumerate(line):
        if escaped:
            escaped = False
        elif quote:
            if char == "\\":
                escaped = True
            elif char == quote:
                quote = ""
        elif char.isspace() and not opened:
            if start is not None:
                words.append(_word(line, start, n))
                start = None
            continue
        elif char == "#" and start is None:
            break
        elif char in "\"'" and _opens_quote(line, start, n, opened):
            quote = char
        elif char in "([{":
            opened.append(char)
        elif char in _CLOSING and opened and opened[-1] == _CLOSING[char]:
            opened.pop()
        if start is None:
            start = n
    if quote or opened:
        raise UsageError(
            f"the line ends inside {quote or opened[-1]} : close it, or put the whole word in quotes"
        )
    if start is not None:
        words.append(_word(line, start, len(line)))
    return words


def _opens_quote(line: str, start: int | None, n: int, opened: list[str]) -> bool:
    """Return whether a character opens a quote: inside a plain word (``it's``) it is an apostrophe."""
    return start is None or bool(opened) or not line[n - 1].isalnum()


def _word(line: str, start: int, end: int) -> Word:
    text = line[start:end]
    option, equals, value = text.partition("=")
    if equals and option.startswith("--") and value:  # --loss="a b" is --loss "a b"
        return Word(f"{option}={_unquoted(value)}", start)
    return Word(_unquoted(text), start)


def _unquoted(text: str) -> str:
    quote = text[0]
    if len(text) >= 2 and quote in "\"'" and text[-1] == quote:
        inner = text[1:-1]
        if quote not in inner.replace("\\" + quote, ""):
            return inner.replace("\\" + quote, quote)
    return text


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
    from e2e_magic.sweeping.options import SWEEP_OPTIONS

    parts = [magic, quoted(stage), *map(quoted, words)]
    for option in taken_by(Way.PANEL, OPTIONS + SWEEP_OPTIONS).values():
        value = getattr(options, option.name, option.default)
        if value is None or value is False or value == option.default:
            continue
        alone = not option.metavar or value == option.bare
        parts.append(option.flag if alone else f"{option.flag} {quoted(option.kind.write(value))}")
    return " ".join(parts)


def quoted(word: str) -> str:
    """Return a word, in quotes where a line would read it differently without."""
    for candidate in (word, f'"{word}"', f"'{word}'", '"' + word.replace('"', '\\"') + '"'):
        try:
            words = [part.text for part in split(candidate)]
        except UsageError:
            continue
        if words == [word] and not (candidate == word and word.startswith("-")):
            return candidate
    return word
