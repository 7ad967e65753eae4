"""The grammar of the magic lines: words, options, and errors as sentences.

Braces, ``$`` and quotes inside expressions are the user's: IPython's expansion is off, and a word
may hold spaces inside brackets, so that ``--loss history['my loss'][-1]`` needs no extra quotes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from typing import Any, NoReturn

from IPython.core.error import UsageError

from e2e_magic.jupyter.magic_line import split
from e2e_magic.measuring.checks import nearest
from e2e_magic.measuring.kinds import Real
from e2e_magic.measuring.options import Option, Way, taken_by


class HelpAsked(Exception):  # noqa: N818 - it is no error: the words after %e2e were --help
    """Carry the grammar of a subcommand to the code that shows its help or completes its line."""

    def __init__(self, parser: Parser) -> None:
        super().__init__(parser.format_help())
        self.parser = parser


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
        """Whether each option needs the word behind it as its value, by its name on the line."""
        return {
            name: action.nargs not in (0, "?") for action in self._actions for name in action.option_strings
        }

    def add_options(self, options: Iterable[Option]) -> None:
        """Add options of the table; an error raised by an option's reader keeps its text."""
        for option in options:
            names = (option.short, option.flag) if option.short else (option.flag,)
            shared: dict[str, Any] = {"default": option.default, "help": option.help}
            if option.bare is not None:
                shared |= {"nargs": "?", "const": option.bare}
            if option.metavar:
                self.add_argument(*names, type=_reader(option.kind.read), metavar=option.metavar, **shared)
            else:
                self.add_argument(*names, action="store_true", **shared)

    def error(self, message: str) -> NoReturn:
        where = f"{self.prog} --help" if self.prog.startswith("%e2e ") else f"{self.prog}?"
        raise UsageError(f"{self.prog}: {message}. See {where} for all options")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise UsageError(message or f"{self.prog} ended with {status}")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse words; raise `UsageError` for a misplaced word or an unknown option, naming the nearest one.

        Raises
        ------
        HelpAsked
            For ``--help`` after a word of ``%e2e``.
        """
        if self.prog.startswith("%e2e ") and {"-h", "--help"} & set(words):
            raise HelpAsked(self)
        options, rest = self.parse_known_args(list(words))
        if rest:
            word = rest[0]
            if word.startswith("-"):
                names = list(self.takes_value)
                long = [name for name in names if name.startswith("--")]
                self.error(
                    f"there is no option {word.split('=')[0]}{nearest(word.split('=')[0], names)}; "
                    f"{'allowed are ' + ', '.join(long) if long else 'it takes none'}"
                )
            self.error(f'can\'t place the word {word!r}; a text of several words goes in quotes, "like this"')
        return options


def _reader(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader for argparse that keeps the sentence of a `ValueError`."""

    def reading(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return reading


real = _reader(Real().read)


@cache
def cell_parser(magic: str = "%%e2ebench") -> Parser:
    """Return the grammar of ``%%e2ebench [STAGE] [options]``, shared by ``%e2e stage``."""
    parser = Parser(magic, "Measure this cell: wall time, CPU, peak memory, IO, energy, quality.")
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
    """Split a text into its first word and the rest."""
    end = len(text)
    try:
        words = split(text)
    except UsageError:  # an open quote further on is the statement's; look for the word alone
        head = text.split(maxsplit=1)
        return split(head[0])[0].text, head[1] if len(head) > 1 else ""
    if len(words) > 1:
        end = words[1].start
    return words[0].text, text[end:]
