"""Completion of our lines: subcommands, options, stages, runs, metrics, parameters; of ``e2e.`` its names.

Python code and file names are left to IPython's own completion.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from IPython.core import completer
from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.derived import UNREAD
from e2e_magic.jupyter import arguments
from e2e_magic.jupyter.arguments import HelpAsked, Parser
from e2e_magic.jupyter.magic_line import quoted
from e2e_magic.jupyter.notebook import MagicCell, Notebook
from e2e_magic.jupyter.subcommands import SUBCOMMANDS
from e2e_magic.jupyter.subcommands.line import Line
from e2e_magic.jupyter.sweep_arguments import read, sweep_parser
from e2e_magic.measuring.options import OPTIONS
from e2e_magic.storage import HERE, WHOLE_STORE

_MAGIC = re.compile(r"\s*(%%?e2ebench|%%e2esweep|%e2e)\s(.*)", re.DOTALL)
_ATTRIBUTE = re.compile(r"(?<![\w.])(\w+)\.(\w*)$")
# The part that may be half typed: of a list, its last name.
_FRAGMENT = re.compile(r"[^\s,]*$")

_PACKAGE = sys.modules[__name__.partition(".")[0]]  # whose module imports this one: no import goes up

_TAKES_CONTEXT = hasattr(completer, "CompletionContext")  # from IPython 8.6 on

Words = Iterable[str]
Matcher = Callable[[Any], Any]


def matchers_of(shell: InteractiveShell) -> list[Any]:
    """Return where a shell looks for our matcher: before IPython 8.6, where it shuts out all others."""
    matchers: list[Any] = (
        shell.Completer.custom_matchers if _TAKES_CONTEXT else shell.Completer.magic_arg_matchers
    )
    return matchers


def matcher_for(notebook: Notebook) -> Matcher:
    """Return the matcher that stands in `matchers_of` the shell.

    IPython from 8.6 on gives it a context; before, only the line.
    """

    def match(context: completer.CompletionContext) -> completer.SimpleMatcherResult:
        before = context.text_until_cursor
        fragment, words = _completed(notebook, before, context.full_text)
        ours = _MAGIC.match(before) is not None
        completions = [
            completer.SimpleCompletion(text=word, type="magic" if ours else _kind(word)) for word in words
        ]
        return {
            "completions": completions,
            "matched_fragment": fragment,
            "ordered": True,
            "suppress": bool(completions),
        }

    def match_line(_: str) -> list[str]:
        ours = notebook.shell.Completer
        before: str = ours.text_until_cursor
        fragment, words = _completed(notebook, before, before)
        start = ours.splitter.split_line(before).removesuffix(fragment)
        return [start + word for word in words]

    if not _TAKES_CONTEXT:
        return match_line
    matcher: Matcher = completer.context_matcher(identifier="e2e_magic", priority=1000)(match)
    return matcher


def _kind(name: str) -> str:
    """Return the kind of a public name, as front ends mark it."""
    return "class" if name[0].isupper() else "function"


def _completed(notebook: Notebook, before: str, cell: str) -> tuple[str, list[str]]:
    """Return the half-typed text at the cursor, and the words that begin with it."""
    words: Words = ()
    fragment = ""
    if (line := _MAGIC.match(before)) is not None:
        fragment = _fragment(before)
        words = _on_line(notebook, line[1], line[2], cell)
    elif (attribute := _ATTRIBUTE.search(before)) is not None:
        fragment = attribute[2]
        words = _of_module(notebook.shell.user_ns.get(attribute[1]))
    return fragment, [word for word in words if word.startswith(fragment)]


def _fragment(text: str) -> str:
    match = _FRAGMENT.search(text)
    return match[0] if match is not None else ""


def _of_module(value: object) -> Words:
    """Return the public names of this package where the value is the package; none for any other value."""
    return value.__all__ if isinstance(value, ModuleType) and value is _PACKAGE else ()


def _on_line(notebook: Notebook, magic: str, text: str, cell: str) -> Words:
    """Return the words that may stand at the cursor, behind a magic and the text after it."""
    half = re.split(r"\s", text)[-1]
    before = text[: len(text) - len(half)].split()
    if magic == "%e2e":
        if not before:
            return SUBCOMMANDS
        parser = _parser_of(before[0], notebook)
        return () if parser is None else _of_parser(notebook, parser, before[1:], half)
    if magic == "%e2ebench":
        options, statement = _statement_begins(before)
        return () if statement else _of_parser(notebook, arguments.line_parser(), options, half)
    parser = arguments.cell_parser() if magic == "%%e2ebench" else sweep_parser()
    words = list(_of_parser(notebook, parser, before, half))
    if magic == "%%e2esweep" and not words and before and "=" not in half:
        body = cell.partition("\n")[2]
        words = [f"{name}=" for name in MagicCell(read(""), body).values(notebook.shell)]
    return words


def _statement_begins(before: list[str]) -> tuple[list[str], bool]:
    """Return the options of a measured line, and whether its statement has begun behind them."""
    takes_value = arguments.line_parser().takes_value
    words = iter(before)
    for word in words:
        if word not in takes_value:
            return before, True
        if takes_value[word]:
            next(words, None)
    return before, False


def _parser_of(name: str, notebook: Notebook) -> Parser | None:
    """Return the grammar of a subcommand, obtained by a request for its help."""
    if name not in SUBCOMMANDS:
        return None
    try:
        SUBCOMMANDS[name].act(Line(["--help"], notebook))
    except HelpAsked as asked:
        return asked.parser
    return None


def _of_parser(notebook: Notebook, parser: Parser, before: list[str], half: str) -> Words:
    """Return the words that a grammar allows next."""
    actions = {name: action for action in parser._actions for name in action.option_strings}
    option = actions.get(before[-1]) if before else None
    left_out = option is not None and option.nargs == "?" and half.startswith("-")
    if option is not None and option.nargs != 0 and not left_out:
        return _values(notebook, parser, option, before)
    if half.startswith("-"):
        return [name for name in actions if name.startswith("--") or half == "-"]
    taken = [word for n, word in enumerate(before) if not _belongs_to_option(actions, before, n)]
    places = [action for action in parser._actions if not action.option_strings]
    if not places:
        return ()
    place = places[min(len(taken), len(places) - 1)]
    if len(taken) >= len(places) and place.nargs != "*":
        return ()
    return _values(notebook, parser, place, before)


def _belongs_to_option(actions: Mapping[str, argparse.Action], before: list[str], place: int) -> bool:
    """Return whether a word is an option, or the value of the one before it."""
    word, previous = before[place], actions.get(before[place - 1]) if place else None
    return word.startswith("-") or (previous is not None and previous.nargs != 0)


def _values(notebook: Notebook, parser: Parser, action: argparse.Action, before: list[str]) -> Words:
    """Return the values that an option or a place of a line may have; none where they can't be determined."""
    if action.choices:
        return [str(choice) for choice in action.choices]
    from e2e_magic.sweeping.options import SWEEP_OPTIONS

    option = next((option for option in (*OPTIONS, *SWEEP_OPTIONS) if option.name == action.dest), None)
    if option is not None and option.kind.choices:
        return option.kind.choices
    source = _SOURCES.get(_OF_SUBCOMMAND.get((parser.prog, action.dest), action.dest))
    return () if source is None else [quoted(word) for word in source(notebook, before)]


def _runs(notebook: Notebook, before: list[str]) -> Words:
    selection = WHOLE_STORE if "--all" in before else HERE
    named = set(before)
    return [name for name in dict.fromkeys(notebook.session.names(selection).values()) if name not in named]


def _stages(notebook: Notebook, _: list[str]) -> Words:
    return dict.fromkeys(record.stage for record in notebook.session.records)


def _parameters(notebook: Notebook, _: list[str]) -> Words:
    return dict.fromkeys(name for record in notebook.session.records for name in record.params)


def _metrics(notebook: Notebook, _: list[str]) -> Words:
    """Return the metrics of the trials, then the others that can be measured."""
    from e2e_magic.api.sweeps import declared_metrics

    have = (name for record in notebook.session.records for name in (*record.reported, *record.readings))
    return dict.fromkeys([*(name for name in have if name not in UNREAD), *declared_metrics()])


def _functions(notebook: Notebook, _: list[str]) -> Words:
    """Return the user's functions."""
    hidden = notebook.shell.user_ns_hidden
    return [
        name
        for name, value in notebook.shell.user_ns.items()
        if isinstance(value, FunctionType) and not name.startswith("_") and hidden.get(name) is not value
    ]


def _collectors(_: Notebook, __: list[str]) -> Words:
    from e2e_magic.measuring.collectors.base import registered

    return registered()


def _frames(_: Notebook, __: list[str]) -> Words:
    from e2e_magic.views import FRAMES

    return FRAMES


def _fixed(*words: str) -> Callable[[Notebook, list[str]], Words]:
    return lambda _, __: words


# Where the values of an option come from, by its name.
_SOURCES: Mapping[str, Callable[[Notebook, list[str]], Words]] = {
    **dict.fromkeys(("run", "runs", "baseline", "delete", "rename"), _runs),
    "stage": _stages,
    **dict.fromkeys(("metric", "target", "y"), _metrics),
    "parameters": _parameters,
    "metrics": _collectors,
    "frame": _frames,
    "lines": _functions,
    "engine": _fixed("kernel", "local:2"),
    "switch": _fixed("on", "off"),
    "kind": _fixed("line", "heatmap", "surface", "parallel", "curves"),
    "axis": _fixed("epoch", "t_s"),
}
# Those whose name means something else there.
_OF_SUBCOMMAND: Mapping[tuple[str, str], str] = {
    ("%e2e influence", "x"): "parameters",
    ("%e2e pareto", "x"): "metric",
    ("%e2e pareto", "more"): "metric",
    ("%e2e curves", "x"): "axis",
    ("%e2e curves", "target"): "",  # a number
}
