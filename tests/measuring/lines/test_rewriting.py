"""Code with calls where its lines begin: it does the same, and the calls are those that a tracer has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

if sys.version_info >= (3, 12):
    pytest.skip("Python reports lines itself, cheaply", allow_module_level=True)

from e2e_magic.measuring.lines.rewriting import Calls, rewritten
from e2e_magic.measuring.lines.sources import lines_of

PROGRAMS = {
    "loops": (
        "for a in range(3):\n    b = a\nelse:\n    c = 1\n"
        "while b:\n    b -= 1\n    if b == 1:\n        continue\n"
        "for d in (): pass\nfor e in 'ab': f = e\nwhile False:\n    pass"
    ),
    "errors": (
        "try:\n    1 / 0\nexcept ValueError:\n    a = 1\n"
        "except (ZeroDivisionError,\n        KeyError) as b:\n    a = 2\n"
        "else:\n    a = 3\nfinally:\n    c = 4\n"
        "try:\n    raise ValueError\nexcept* ValueError as d:\n    e = 5"
    ),
    "error that comes out": "try:\n    a = [\n        1,\n        1 / 0,\n    ]\nfinally:\n    b = 2\nc = 3",
    "error in a handler": "try:\n    {}['x']\nexcept KeyError:\n    1 / 0",
    "with": (
        "from contextlib import suppress, nullcontext\n"
        "with suppress(KeyError), nullcontext(\n    2\n) as a:\n"
        "    b = a\n    raise KeyError\nc = 3"
    ),
    "call over lines": (
        "a = dict(\n    b=1,\n    c=int(\n        '2',\n    ),\n    **{'d':\n       3},\n)\n"
        "e = sorted(\n    [3, 1],\n    key=abs,\n)"
    ),
    "match": (
        "for a in (1, 'x', [1, 2], {'k': 3}):\n    match a:\n        case 1:\n            b = 1\n"
        "        case [c, *d]:\n            b = 2\n        case {'k': e} if e > 2:\n            b = 3\n"
        "        case _:\n            b = 4"
    ),
    "parts of a statement": (
        "a = 0\nb = (a and\n     1 or\n     2)\nc = (3 if b else\n     4)\n"
        "d = a < \\\n    b < \\\n    c\nassert (d or\n        b), (\n    'no')"
    ),
    "far jumps": "for a in range(2):\n    if a:\n" + "        b = a\n" * 9_000 + "c = a",
    "far constants": "".join(f"a{n} = {n + 1000}\n" for n in range(400)),
    "nothing": "",
}


def run(code: CodeType) -> tuple[dict[str, Any], str]:
    """Run code; return what it leaves, and where its error came from."""
    space: dict[str, Any] = {}
    error = ""
    try:
        exec(code, space)
    except Exception as problem:  # noqa: BLE001 - each way of ending
        trace = problem.__traceback__
        assert trace is not None
        assert trace.tb_next is not None
        places = [*trace.tb_next.tb_frame.f_code.co_positions()]
        error = f"{problem!r} {problem.__context__!r} {places[trace.tb_next.tb_lasti // 2]}"
        del problem, trace
    return {n: v for n, v in space.items() if isinstance(v, int | str | list | dict) and n[0] != "_"}, error


def traced(code: CodeType) -> tuple[list[int], tuple[dict[str, Any], str]]:
    """Return the lines that a tracer sees."""
    seen: list[int] = []

    def local(frame: FrameType, event: str, _value: object) -> Callable[..., Any]:
        if event == "line":
            seen.append(frame.f_lineno)
        return local

    sys.settrace(lambda frame, *_: local if frame.f_code is code else None)
    try:
        left = run(code)
    finally:
        sys.settrace(None)
    return [number for number, _ in groupby(seen) if number], left


@pytest.mark.parametrize("name", PROGRAMS)
def test_its_calls_are_the_lines_that_a_tracer_sees(name: str) -> None:
    """And what it leaves, and the place of its error to the column, are those of the code itself."""
    code = compile(PROGRAMS[name], "<program>", "exec")
    seen: list[int] = []
    edges: list[str] = []
    calls = Calls(
        lambda _, number: seen.append(number),
        lambda _: edges.append("enter"),
        lambda _: edges.append("leave"),
    )

    other = rewritten(code, calls, sorted(lines_of(code)))
    left = run(other)

    expected, left_by_itself = traced(code)
    assert [number for number, _ in groupby(seen)] == expected
    assert left == left_by_itself
    assert edges == (["enter"] if left[1] else ["enter", "leave"])
    assert list(dict.fromkeys(other.co_positions())) == list(dict.fromkeys(code.co_positions()))


@pytest.mark.parametrize("module", ["typing", "dataclasses", "tarfile", "inspect"])
def test_modules_of_python_come_to_the_same(module: str) -> None:
    """Code that nobody wrote for a test: each defines the same names."""
    path = __import__(module).__file__
    assert path is not None
    code = compile(Path(path).read_bytes(), path, "exec")
    calls = Calls(lambda *_: None, lambda _: None, lambda _: None)
    space: dict[str, Any] = {"__name__": module}
    other: dict[str, Any] = {"__name__": module}

    exec(code, space)
    exec(rewritten(code, calls, sorted(lines_of(code))), other)

    assert list(other) == list(space)
