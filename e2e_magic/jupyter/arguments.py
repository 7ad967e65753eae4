"""The grammar of the magic lines: words, options and what is wrong with them, in words.

Braces, ``$`` and quotes inside expressions are the user's: IPython's expansion is off, and a word
may hold spaces inside brackets, so that ``--loss history['my loss'][-1]`` needs no extra quotes.
"""

from __future__ import annotations

import argparse
import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from types import CodeType
from typing import NoReturn

from IPython.core.error import UsageError

from e2e_magic.measuring.plan import REPORTED_OPTIONS, nearest

_CLOSING = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line, without the quotes round it, and where it starts."""

    text: str
    start: int


def split(line: str) -> list[Word]:
    """Split a line at spaces outside of quotes and brackets.

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
                options = [name for action in self._actions for name in action.option_strings]
                long = [name for name in options if name.startswith("--")]
                self.error(
                    f"there is no option {word.split('=')[0]}{nearest(word.split('=')[0], options)}; "
                    f"{'allowed are ' + ', '.join(long) if long else 'it takes none'}"
                )
            self.error(f'can\'t place the word {word!r}; a text of several words goes in quotes, "like this"')
        return found


def expression(text: str) -> CodeType:
    """Compile an EXPR of the line; what is wrong with it is said before the cell runs."""
    try:
        return compile(text.strip(), f"<{text}>", "eval")
    except (SyntaxError, ValueError) as error:
        reason = getattr(error, "msg", None) or str(error)
        raise argparse.ArgumentTypeError(f"{text!r} is no Python expression ({reason})") from None


def variable(text: str) -> str:
    """Check the name of a variable."""
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name for a variable")
    return text


def whole(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None


def real(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def add_measuring(parser: Parser) -> None:
    """Add the options that every measured cell understands."""
    add = parser.add_argument
    add("-m", "--metrics", metavar="LIST", help="collectors: cpu,memory,io,energy,gpu (default: all here)")
    add("-r", "--repeat", type=whole, default=1, metavar="N", help="measured trials (1)")
    add("-w", "--warmup", type=whole, default=0, metavar="N", help="trials thrown away first (0)")
    add("-i", "--interval", type=real, default=0.1, metavar="SECONDS", help="time between samples (0.1)")
    add("-n", "--entries", type=expression, metavar="EXPR", help="entries handled: latency, throughput")
    add("--loss", type=expression, metavar="EXPR", help="a number, or one per epoch")
    add("--accuracy", type=expression, metavar="EXPR", help="a number, or one per epoch")
    add("--target-accuracy", type=real, metavar="A", help="gives time and epochs to accuracy")
    add("--confusion", type=expression, metavar="EXPR", help="confusion matrix, rows true")
    add("--classes", type=expression, metavar="EXPR", help="its labels")
    add("--y-true", type=expression, metavar="EXPR", help="true labels")
    add("--y-pred", type=expression, metavar="EXPR", help="predicted labels, or scores")
    add("--latency", type=expression, metavar="EXPR", help="a single call, timed after the cell: p50 to p99")
    add("--latency-duration", type=real, default=2.0, metavar="SECONDS", help="how long it is timed (2)")
    add("-o", "--out", type=variable, metavar="NAME", help="put the result in this variable")
    add("--estimate-power", metavar="IDLE_W,FULL_W", help="adds estimated_energy_j (CPU share x this power)")
    add("-q", "--quiet", action="store_true", help="no card")
    add("-h", "--help", action="store_true", help="show this help; the code is not run")


@cache
def cell_parser() -> Parser:
    """Return the grammar of ``%%e2ebench [STAGE] [options]``."""
    parser = Parser("%%e2ebench", "Measure this cell: wall time, CPU, peak memory, IO, energy, quality.")
    parser.add_argument("stage", nargs="?", default="cell", metavar="STAGE", help="label of the cell (cell)")
    add_measuring(parser)
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
    add_measuring(parser)
    return parser


def split_statement(parser: Parser, line: str) -> tuple[argparse.Namespace, str]:
    """Read the options at the line's start; the rest of the line is the statement, untouched."""
    takes_value = {name: action.nargs != 0 for action in parser._actions for name in action.option_strings}
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
        if takes_value[name] and "=" not in first and rest:
            value, rest = _first(rest)
            words.append(value)
    return parser.read(words), rest


def _first(text: str) -> tuple[str, str]:
    """Take the first word off a text."""
    end = len(text)
    try:
        found = split(text)
    except UsageError:  # an open quote further on is the statement's; look for the word alone
        head = text.split(maxsplit=1)
        return split(head[0])[0].text, head[1] if len(head) > 1 else ""
    if len(found) > 1:
        end = found[1].start
    return found[0].text, text[end:]


def given_expressions(options: argparse.Namespace) -> dict[str, CodeType]:
    """Return the compiled EXPR options that were given, by name."""
    return {name: getattr(options, name) for name in REPORTED_OPTIONS if getattr(options, name) is not None}
