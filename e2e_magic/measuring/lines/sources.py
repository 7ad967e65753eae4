"""Which code is watched: a cell's own and that of named functions, with their text and a slot per line."""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

from e2e_magic.measuring.cell import codes_of
from e2e_magic.measuring.checks import PlanError, nearest

# Code of its own that is written inside a line: on one line its time is that line's, and so is its hit.
_WITHIN = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)
Name = str | Callable[..., Any]
# The name of a function from elsewhere, else nothing; the number of the first line; the text.
Listing = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Watched:
    """The code that a trial is about to run.

    Attributes
    ----------
    codes : tuple of CodeType
        What is run; the functions and classes that it defines belong to it.
    namespace : mapping
        Where named functions are looked up.
    text : str
        The code as it was typed; that of the file where it is empty.
    frame : FrameType or None
        The frame that runs the code already, of a block.
    also : tuple of callable
        Functions that belong to it, though they are defined elsewhere.
    """

    codes: tuple[CodeType, ...]
    namespace: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    frame: FrameType | None = None
    also: tuple[Callable[..., Any], ...] = ()


def functions(names: Iterable[Name], namespace: Mapping[str, Any]) -> dict[str, CodeType]:
    """Return the code of named functions, by their names; a class stands for all of its functions.

    Parameters
    ----------
    names : iterable of str or callable
        Names as in the code that is measured, ``preprocess`` or ``package.module.function``.
    namespace : mapping
        Where they are looked up.

    Raises
    ------
    PlanError
        For a name that there is not, or that is no function in Python.
    """
    found: dict[str, CodeType] = {}
    for name in names:
        label = name if isinstance(name, str) else getattr(name, "__qualname__", repr(name))
        codes = dict(_codes_of(label, _looked_up(name, namespace) if isinstance(name, str) else name))
        if not codes:
            raise PlanError(
                f"lines: {label} has no lines, as it is no function written in Python; expected names of "
                "functions or classes such as preprocess or my_module.preprocess"
            )
        found.update(codes)
    return found


def _looked_up(name: str, namespace: Mapping[str, Any]) -> object:
    first, *rest = name.split(".")
    if first not in namespace and hasattr(builtins, first):
        namespace = vars(builtins)
    if first not in namespace:
        candidates = [each for each, value in namespace.items() if callable(value) and each[:1] != "_"]
        raise PlanError(
            f"lines: there is no function {name!r} yet{nearest(first, candidates)}; define or import it in a "
            "cell before. Functions that the cell itself defines need no name, and a stage goes before "
            "--lines"
        )
    value = namespace[first]
    for part in rest:
        if not hasattr(value, part):
            raise PlanError(f"lines: {name!r} has no {part!r}{nearest(part, dir(value))}")
        value = getattr(value, part)
    return value


def _codes_of(label: str, value: Any) -> Iterator[tuple[str, CodeType]]:
    if isinstance(value, type):
        for name, member in vars(value).items():
            if not isinstance(member, type):
                yield from _codes_of(f"{label}.{name}", member)
        return
    if isinstance(value, property):
        value = value.fget
    value = getattr(value, "__func__", value)  # of a method, a class method, a static one
    while isinstance(inner := getattr(value, "__wrapped__", None) or getattr(value, "func", None), Callable):  # type: ignore[arg-type]
        value = getattr(inner, "__func__", inner)
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        yield label, code


def nested(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those inside it; a comprehension on one line is a part of that line."""
    if code.co_name not in _WITHIN or len(lines_of(code)) > 1:
        yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


def lines_of(code: CodeType) -> set[int]:
    """Return the numbers of the lines that a code object has instructions of."""
    return {line for _, _, line in code.co_lines() if line}


class Table:
    """A slot for each line of the watched code; slot 0 is for the time before the first one.

    Parameters
    ----------
    watched : Watched
    names : iterable of str or callable
        Functions from elsewhere.

    Attributes
    ----------
    codes : list of CodeType
        All that is watched.
    slots : dict of int to dict of int to int
        By the id of a code object, the slot of each of its lines.
    roots : set of int
        The ids of the code objects that are run.
    within : set of int
        The ids of comprehensions, bodies of classes and the like, which run within a line.
    lines : list of (int, int)
        By slot, the listing and the line.
    heads : list of int
        By slot, for the later lines of a statement that of the line with which it begins; else -1.
    once : set of int
        The slots of such later lines that run no more often than their statement: it has no loop in it.
    listings : list of Listing
    """

    def __init__(self, watched: Watched, names: Iterable[Name] = ()) -> None:
        self.codes: list[CodeType] = []
        self.slots: dict[int, dict[int, int]] = {}
        self.roots = {id(code) for code in watched.codes}
        self.within: set[int] = set()
        self.lines: list[tuple[int, int]] = [(0, 0)]
        self.heads = [-1]
        self.once: set[int] = set()
        self.listings: list[Listing] = []
        several = [code for code in watched.codes if code.co_flags & inspect.CO_OPTIMIZED]
        if len(several) > 1:  # functions, each with a place of its own
            for code in several:
                self._add(code.co_qualname, list(nested(code)), "")
        else:
            self._add("", [code for root in watched.codes for code in nested(root)], watched.text)
        for label, code in functions((*watched.also, *names), watched.namespace).items():
            if id(code) not in self.slots:
                self._add(label, list(nested(code)), "")

    def _add(self, name: str, codes: Sequence[CodeType], text: str) -> None:
        numbers = sorted({line for code in codes for line in lines_of(code)})
        if not numbers:
            self.listings.append((name, 1, text))
            return
        listing, parsed = _listing(name, codes[0], numbers, text)
        place, first = len(self.listings), len(self.lines)
        self.listings.append(listing)
        slots = {number: first + n for n, number in enumerate(numbers)}
        self.lines += [(place, number) for number in numbers]
        for number in numbers:
            head, loops = _statements(parsed).get(number - listing[1] + 1, (0, True))
            self.heads.append(slots.get(head + listing[1] - 1, -1) if head else -1)
            if not loops:
                self.once.add(slots[number])
        for code in codes:
            self.codes.append(code)
            self.slots[id(code)] = slots
            if code.co_name in _WITHIN or not code.co_flags & inspect.CO_OPTIMIZED:
                self.within.add(id(code))


def _listing(name: str, code: CodeType, numbers: Sequence[int], text: str) -> tuple[Listing, str]:
    """Return the text of code whose lines have these numbers, and the same as Python parses it."""
    lines = [line.rstrip("\n") for line in linecache.getlines(code.co_filename)]
    compiled = "\n".join(lines).rstrip()
    if text and (not lines or text.rstrip().count("\n") == compiled.count("\n")):
        return (name, 1, text), compiled or text  # with its magics as they were typed
    if not code.co_flags & inspect.CO_OPTIMIZED:  # a module or a cell
        return (name, 1, compiled), compiled
    first = min(code.co_firstlineno, numbers[0])
    part = "\n".join(lines[first - 1 : numbers[-1]])
    return (name, first, part), part


@lru_cache(maxsize=1)
def _statements(text: str) -> dict[int, tuple[int, bool]]:
    """Return for each later line of a statement its first line, and whether a loop is in it; from 1 on."""
    try:
        tree = ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[int, tuple[int, bool]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            decorators = [each.lineno for each in getattr(node, "decorator_list", ())]
            first = min([node.lineno, *decorators])
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            if last > first:
                loops = isinstance(node, ast.While) or (not body and _has_loop(node))
                found.update(dict.fromkeys(range(first + 1, last + 1), (first, loops)))
    return found


def _has_loop(node: ast.stmt) -> bool:
    return any(isinstance(each, _COMPREHENSIONS) for each in ast.walk(node))


def called_by(codes: Iterable[CodeType], namespace: Mapping[str, Any]) -> tuple[Callable[..., Any], ...]:
    """Return the functions written in Python that code names: of a statement, what its lines are in."""
    names = [name for code in codes for name in code.co_names]
    found = [namespace[name] for name in names if name in namespace]
    return tuple(each for each in found if callable(each) and codes_of(each))
