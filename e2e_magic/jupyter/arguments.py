"""The grammar of the magic lines: words, options and what is wrong with them, in words.

Braces, ``$`` and quotes inside expressions are the user's: IPython's expansion is off, and a word
may hold spaces inside brackets, so that ``--loss history['my loss'][-1]`` needs no extra quotes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NoReturn

from IPython.core.error import UsageError

from e2e_magic.measuring.checks import nearest
from e2e_magic.measuring.options import Option, Way, read_real, taken_by

_CLOSING = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Word:
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
    """Tell a quote from an apostrophe: inside a plain word (``it's``) it is a letter."""
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


class HelpAsked(Exception):  # noqa: N818 - it is no error: the words after %e2e were --help
    """Carries the help of a subcommand to who shows it."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `UsageError` in words, so that a typo fails the cell."""

    def __init__(self, magic: str, description: str) -> None:
        super().__init__(
            prog=magic,
            description=description,
            add_help=False,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    @property
    def takes_value(self) -> dict[str, bool]:
        """Whether each option takes a value, by its name on the line."""
        return {name: action.nargs != 0 for action in self._actions for name in action.option_strings}

    def add_options(self, options: Iterable[Option]) -> None:
        """Add options of the table; what their reading says is wrong is said as it is."""
        for option in options:
            names = (option.short, option.flag) if option.short else (option.flag,)
            shared: dict[str, Any] = {"default": option.default, "help": option.help}
            if option.metavar:
                self.add_argument(*names, type=_reader(option.read), metavar=option.metavar, **shared)
            else:
                self.add_argument(*names, action="store_true", **shared)

    def error(self, message: str) -> NoReturn:
        where = f"{self.prog} --help" if self.prog.startswith("%e2e ") else f"{self.prog}?"
        raise UsageError(f"{self.prog}: {message}. See {where} for all options")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise UsageError(message or f"{self.prog} ended with {status}")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse words; what is not known is an error that names the nearest option.

        Raises
        ------
        HelpAsked
            For ``--help`` after a word of ``%e2e``.
        """
        if self.prog.startswith("%e2e ") and {"-h", "--help"} & set(words):
            raise HelpAsked(self.format_help())
        found, rest = self.parse_known_args(list(words))
        if rest:
            word = rest[0]
            if word.startswith("-"):
                options = list(self.takes_value)
                long = [name for name in options if name.startswith("--")]
                self.error(
                    f"there is no option {word.split('=')[0]}{nearest(word.split('=')[0], options)}; "
                    f"{'allowed are ' + ', '.join(long) if long else 'it takes none'}"
                )
            self.error(f'can\'t place the word {word!r}; a text of several words goes in quotes, "like this"')
        return found


def _reader(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse say a `ValueError` in its own words."""

    def reading(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return reading


real = _reader(read_real)


@cache
def cell_parser() -> Parser:
    """Return the grammar of ``%%e2ebench [STAGE] [options]``."""
    parser = Parser("%%e2ebench", "Measure this cell: wall time, CPU, peak memory, IO, energy, quality.")
    parser.add_argument("stage", nargs="?", default="cell", metavar="STAGE", help="label of the cell (cell)")
    parser.add_options(taken_by(Way.CELL).values())
    return parser


def read_cell_line(line: str) -> argparse.Namespace:
    """Read the line of ``%%e2ebench``; a line that was read before costs nearly nothing.

    Raises
    ------
    UsageError
        As `Parser.read`.
    """
    return argparse.Namespace(**vars(_read_cell_line(line)))


# What a line means follows from its text alone: the expressions in it are compiled, not evaluated.
@lru_cache(maxsize=64)
def _read_cell_line(line: str) -> argparse.Namespace:
    return cell_parser().read([word.text for word in split(line)])


@cache
def line_parser() -> Parser:
    """Return the grammar of ``%e2ebench [-s STAGE] [options] STATEMENT``, without the statement."""
    parser = Parser("%e2ebench", "Measure one statement: %e2ebench [-s STAGE] [options] STATEMENT")
    parser.add_argument("-s", "--stage", default="cell", metavar="STAGE", help="label (cell)")
    parser.add_options(taken_by(Way.STATEMENT).values())
    return parser


def split_statement(parser: Parser, line: str) -> tuple[argparse.Namespace, str]:
    """Read the options at the line's start; the rest of the line is the statement, untouched."""
    takes_value = parser.takes_value
    # Only the options' part is split: what follows is Python and none of this grammar's business.
    words: list[str] = []
    rest = line.lstrip()
    while rest.startswith("-"):
        first, after = _first(rest)
        if first == "--":
            rest = after
            break
        name = first.split("=")[0]
        if name not in takes_value:
            parser.read([first])
        words.append(first)
        rest = after
        if takes_value[name] and "=" not in first and rest and not rest.startswith("#"):
            value, rest = _first(rest)
            words.append(value)
    return parser.read(words), "" if rest.startswith("#") else rest


def _first(text: str) -> tuple[str, str]:
    """Take the first word off a text."""
    end = len(text)
    try:
        words = split(text)
    except UsageError:  # an open quote further on is the statement's; look for the word alone
        head = text.split(maxsplit=1)
        return split(head[0])[0].text, head[1] if len(head) > 1 else ""
    if len(words) > 1:
        end = words[1].start
    return words[0].text, text[end:]
