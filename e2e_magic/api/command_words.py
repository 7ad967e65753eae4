"""The words of the command line ``e2e-magic``: a parser, and options that commands share."""

from __future__ import annotations

import argparse
from typing import NoReturn

from e2e_magic.measuring.plan import nearest

WRONG = 2


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line, with the nearest word."""

    def error(self, message: str) -> NoReturn:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and "invalid choice" in message:
                word = message.split("'")[1]
                words = ", ".join(action.choices)
                message = f"there is no command {word!r}{nearest(word, action.choices)}; there are {words}"
        self.exit(WRONG, f"{self.prog}: {message}; see {self.prog} --help\n")


def judging(parser: argparse.ArgumentParser) -> None:
    """Add the options of a comparison and its guard."""
    parser.add_argument("--stage", metavar="STAGE", help="only this stage")
    parser.add_argument("--metric", metavar="LIST", help="only these metrics, comma-separated")
    parser.add_argument(
        "--fail-over",
        metavar="SHARE",
        help="exit with 1 if a metric is worse by more, such as 10%%, and with 3 if that can't be told",
    )
    parser.add_argument("--on-doubt", choices=("pass", "fail"), help="exit with 0 or 1 instead of 3")
    parser.add_argument("--least", metavar="SHARE", help="the smallest difference that matters, such as 5%%")
    as_json(parser)


def as_json(parser: argparse.ArgumentParser) -> None:
    """Add the option for other programs."""
    parser.add_argument("--json", action="store_true", help="one JSON document on the standard output")


def some(parser: argparse.ArgumentParser) -> None:
    """Add the options that name trials."""
    parser.add_argument("--run", metavar="RUN", help="only this run, by name or id")
    parser.add_argument("--since", metavar="TIME", help="only trials from then on: 2026-08-01, 7d, 3h")


def seconds(text: str) -> float:
    """Read a time in seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text!r}")
    return number


def whole(text: str) -> int:
    """Read a number of times."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)
