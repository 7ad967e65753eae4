"""What each line of measured code cost: hits and times by a clock of our own, memory by real arrays."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import e2e_magic as e2e
from e2e_magic.measuring import clocks
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.checks import PlanError
from e2e_magic.measuring.collectors import memory
from e2e_magic.measuring.lines.counting import counting
from e2e_magic.measuring.lines.sources import Table, Watched, functions
from e2e_magic.measuring.plan import Plan, Step
from e2e_magic.measuring.trial import Trial
from e2e_magic.record import Lines, Record

SECOND = 1_000_000_000
# In a cell with one of these Python 3.11 has its tracer.
FUNCTION = re.compile(r"\b(def|lambda|class|await|async)\b")


class Clock:
    """A clock that only the measured code turns: `work` takes whole seconds."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns

    def work(self, seconds: float = 1) -> float:
        self.ns += int(seconds * SECOND)
        return seconds


def run(source: str, *, names: tuple[Any, ...] = (), memory_too: bool = False, **space: Any) -> Record:
    """Run a cell whose lines are counted, and return its record; an error of its own is swallowed.

    With memory, on the real clock.
    """
    kept: list[Record] = []
    turned = Clock()
    clock: Callable[[], int] = clocks.perf_counter_ns if memory_too else turned
    space = {"work": turned.work, **space}
    classes = {"memory": memory.Memory} if memory_too else {}
    cell = Cell.of(source)
    plan = Plan(lines=names)
    trial = Trial(plan, Step(1, warmup=False), classes=classes, keep=kept.append, clock=clock)
    trial.watch(cell.codes, space, text=source)
    with suppress(ValueError, ArithmeticError), trial:
        asyncio.run(cell.run_async(space)) if cell.is_async else trial.loop.run_cell(cell, (space, None))
    assert sys.gettrace() is None
    if sys.version_info >= (3, 12):
        assert not any(sys.monitoring.get_tool(tool) for tool in range(6))
    return kept[0]


def table(record: Record) -> dict[int, tuple[int, int]]:
    """Return the hits and the whole seconds of the lines that ran, by number."""
    lines = record.lines
    assert lines is not None
    return {int(n): (int(h), round(s)) for n, h, s in zip(lines.line, lines.hits, lines.wall_s, strict=True)}


CELLS: dict[str, tuple[str, dict[int, tuple[int, int]]]] = {
    "one line": ("work(3)", {1: (1, 3)}),
    "loop": ("for _ in range(3):\n    work(2)\nwork()", {1: (4, 0), 2: (3, 6), 3: (1, 1)}),
    "loop on one line": ("for _ in range(3): work(2)", {1: (1, 6)}),
    "while on one line": ("n = 0\nwhile n < 3: n += work()", {1: (1, 0), 2: (1, 3)}),
    "function": (
        "def f(n):\n    work(n)\n    return n\nwork(f(2) + f(3))",
        {1: (1, 0), 2: (2, 5), 3: (2, 0), 4: (1, 5)},
    ),
    "after a call": ("def f():\n    work()\n(f(), work(4))", {1: (1, 0), 2: (1, 1), 3: (1, 4)}),
    "recursion": (
        "def f(n):\n    work()\n    return f(n - 1) if n else 0\nf(3)",
        {1: (1, 0), 2: (4, 4), 3: (4, 0), 4: (1, 0)},
    ),
    "lambda": ("f = lambda n: work(n)\nf(2)\nf(3)", {1: (3, 5), 2: (1, 0), 3: (1, 0)}),
    "recursive lambda": ("f = lambda n: f(n - work()) if n else 0\nf(3)", {1: (5, 3), 2: (1, 0)}),
    "comprehension": ("[work() for _ in range(4)]\n{work() for _ in range(2)}", {1: (1, 4), 2: (1, 2)}),
    "generator expression": ("sum(work() for _ in range(4))", {1: (1, 4)}),
    "statement over lines": (
        "work(\n    work(2) +\n    work(3)\n)",
        {1: (1, 5), 2: (1, 2), 3: (1, 3)},
    ),
    "generator": (
        "def g():\n    work()\n    yield 1\n    work(2)\n    yield 2\nfor n in g():\n    work(10)",
        {1: (1, 0), 2: (1, 1), 3: (1, 0), 4: (1, 2), 5: (1, 0), 6: (3, 0), 7: (2, 20)},
    ),
    "generator that goes on within a line": (
        "def g():\n    yield work(1) + (yield) + work(2)\nit = g()\nnext(it)\nit.send(4)\nwork(10)",
        {1: (1, 0), 2: (1, 3), 3: (1, 0), 4: (1, 0), 5: (1, 0), 6: (1, 10)},
    ),
    "generator that is thrown at": (
        "def g():\n    try:\n        yield\n    except KeyError:\n        work(2)\n        yield\n"
        "it = g()\nnext(it)\nit.throw(KeyError()), work(7)",
        {1: (1, 0), 2: (1, 0), 3: (1, 0), 4: (1, 0), 5: (1, 2), 6: (1, 0), 7: (1, 0), 8: (1, 0), 9: (1, 7)},
    ),
    "caught": (
        "def f():\n    work(1 / 0)\ntry:\n    f()\nexcept ZeroDivisionError:\n    work(3)\nwork(4)",
        {1: (1, 0), 2: (1, 0), 3: (1, 0), 4: (1, 0), 5: (1, 0), 6: (1, 3), 7: (1, 4)},
    ),
    "caught elsewhere": ("def f():\n    raise KeyError\nwork(guarded(f))", {1: (1, 0), 2: (1, 0), 3: (1, 8)}),
    "raise": ("work(2)\nraise ValueError(work(3))\nwork()", {1: (1, 2), 2: (1, 3)}),
    "raise in a function": (
        "def f():\n    work(2)\n    1 / 0\nf()",
        {1: (1, 0), 2: (1, 2), 3: (1, 0), 4: (1, 0)},
    ),
    "class": (
        "class A:\n    x = work(2)\n    def f(self):\n        return work(3)\nA().f()",
        {1: (1, 0), 2: (1, 2), 3: (1, 0), 4: (1, 3), 5: (1, 0)},
    ),
    "decorator": (
        "def d(f):\n    def g():\n        work()\n        return f()\n    return g\n"
        "@d\ndef h():\n    work(5)\nh()",
        {1: (1, 0), 2: (1, 0), 3: (1, 1), 4: (1, 0), 5: (1, 0), 6: (1, 0), 7: (1, 0), 8: (1, 5), 9: (1, 0)},
    ),
    "with and finally": (
        "from contextlib import suppress\nwith suppress(KeyError):\n    work(2)\n    raise KeyError\n"
        "try:\n    work(3)\nfinally:\n    work(4)",
        {1: (1, 0), 2: (2, 0), 3: (1, 2), 4: (1, 0), 5: (1, 0), 6: (1, 3), 8: (1, 4)},
    ),
    "await": (
        "import asyncio\nasync def f(n):\n    work(n)\n    await asyncio.sleep(0)\n    return work(n)\n"
        "await asyncio.gather(f(1), f(2))\nwork(9)",
        {1: (1, 0), 2: (1, 0), 3: (2, 3), 4: (2, 0), 5: (2, 3), 6: (1, 0), 7: (1, 9)},
    ),
    "async for": (
        "async def g():\n    for n in (1, 2):\n        yield work(n)\nasync for n in g():\n    work(n)",
        {1: (1, 0), 2: (3, 0), 3: (2, 3), 4: (3, 0), 5: (2, 3)},
    ),
    "3,000 lines": ("\n".join(["work()"] * 3_000), dict.fromkeys(range(1, 3001), (1, 1))),
    "comments and blank lines": ("# one\n\nwork(2)  # two\n\n\nwork()", {3: (1, 2), 6: (1, 1)}),
    "match": (
        "match work(2):\n    case 1:\n        work()\n    case n:\n        work(3)",
        {1: (1, 2), 2: (1, 0), 4: (1, 0), 5: (1, 3)},
    ),
}


@pytest.mark.parametrize("name", CELLS)
def test_each_line_has_its_hits_and_the_time_that_it_took(name: str) -> None:
    """Its own: what a line calls counts in the lines that are called, or in it where these aren't watched."""
    source, expected = CELLS[name]

    def guarded(function: Callable[[], object]) -> int:
        try:
            function()
        except KeyError:
            return 8
        return 0

    record = run(source, guarded=guarded)

    assert record.missing.get("lines") is None
    assert table(record) == expected
    assert record.lines is not None
    others = [note for note in record.lines.notes if "slower while these were counted" not in note]
    assert others == [] or "memory" in others[0]
    slower = len(others) < len(record.lines.notes)
    assert slower == (sys.version_info < (3, 12) and bool(FUNCTION.search(source)))


def test_a_million_hits_are_all_counted() -> None:
    """And the time of all lines and the counting together is that of the cell: on the real clock."""
    with e2e.measure("hot", lines=True) as trial:
        for n in range(500_000):
            m = n
    del m
    lines = trial.lines
    record = trial.records[0]

    assert lines["hits"].tolist()[1:3] == [500_001, 500_000]
    assert lines["source"].str.strip().tolist()[1:3] == ["for n in range(500_000):", "m = n"]
    assert record.lines is not None
    assert 0 < record.lines.counting_s < record.readings["wall_time_s"]
    assert lines["wall_time_s"].sum() + record.lines.counting_s <= record.readings["wall_time_s"]
    assert (lines["wall_time_s"] > 0).all()
    assert "is the counting of lines" in repr(trial)


def test_while_a_report_stood_still_another_program_had_the_core() -> None:
    """That is no part of the counting: the line that runs has waited, as it had in its own middle."""
    code = compile("a = 1\nb = 2", "<cell>", "exec")
    instants = iter([0, 1_000, 2_000, 3_000, 5_003_000, 5_004_000, 5_005_000])
    reports, count = counting(Table(Watched((code,))), None, lambda: next(instants))

    reports.begin(True)
    reports.line(code, 1)
    reports.line(code, 2)
    reports.end()

    assert count.spent == [1_000, 1_000, 5_001_000]
    assert count.seen_ns == 2_000


def test_peaks_are_of_the_line_and_the_trial_keeps_its_own() -> None:
    """50 MB arrays, one of them let go within its line: each line's peak within 1 % of the truth."""
    size = 50_000_000
    mib = size / 2**20
    source = (
        "import numpy as np\n"
        f"a = np.ones({size}, dtype='u1')\n"
        f"np.ones({4 * size}, dtype='u1').sum()\n"
        "del a\n"
        f"sum(range(2_000_000))\n"
        f"def f():\n    b = np.ones({2 * size}, dtype='u1')\n    return b.sum()\n"
        "f()\n"
    )
    record = run(source, memory_too=True)
    lines = record.lines
    assert lines is not None
    if not np.isfinite(lines.peak_mib).any():
        pytest.skip("needs clear_refs")
    start = float(record.readings["rss_start_mib"])
    peak = {int(n): p - start for n, p in zip(lines.line, lines.peak_mib, strict=True)}
    kept = {int(n): d for n, d in zip(lines.line, lines.delta_mib, strict=True)}

    assert peak[2] == pytest.approx(mib, rel=0.01, abs=0.5)
    assert peak[3] == pytest.approx(5 * mib, rel=0.01)
    assert peak[5] < 0.1 * mib
    assert peak[7] == pytest.approx(2 * mib, rel=0.01)
    assert peak[9] == pytest.approx(2 * mib, rel=0.01)
    assert peak[9] >= peak[7]  # what its call held, and some pages that the sum or the return touched
    assert kept[2] == pytest.approx(mib, rel=0.01, abs=0.5)
    assert kept[4] == pytest.approx(-mib, rel=0.01, abs=0.5)
    assert float(record.readings["peak_rss_mib"]) - start == pytest.approx(5 * mib, rel=0.01)


def test_a_trial_inside_keeps_its_peak_and_so_does_the_line_around_it() -> None:
    """Both set the one mark back; neither loses by the other."""
    inner: list[Record] = []

    def inside() -> None:
        with Trial(Plan(), Step(1, warmup=False), classes={"memory": memory.Memory}, keep=inner.append):
            np.ones(60_000_000, dtype="u1").sum()

    record = run("inside()\nsum(range(10))", memory_too=True, inside=inside)
    assert record.lines is not None
    if not np.isfinite(record.lines.peak_mib).any():
        pytest.skip("needs clear_refs")

    grown = float(inner[0].readings["peak_rss_mib"]) - float(inner[0].readings["rss_start_mib"])
    assert grown == pytest.approx(60e6 / 2**20, rel=0.02)
    assert record.lines.peak_mib[0] >= float(inner[0].readings["peak_rss_mib"])
    assert float(record.readings["peak_rss_mib"]) >= float(inner[0].readings["peak_rss_mib"])


def test_named_functions_are_listed_with_the_lines_of_their_file() -> None:
    """Functions, methods, classes and what decorators wrap; of a statement those that it calls."""
    import statistics

    record = run("statistics.mean([1, 2])", names=("statistics.mean",), statistics=statistics)
    lines: Any = record.lines

    assert [name for name, _, _ in lines.listings] == ["", "statistics.mean"]
    _, first, text = lines.listings[1]
    ran = {int(n) for n, place in zip(lines.line, lines.place, strict=True) if place == 1}
    assert text.startswith("def mean(data):")
    assert ran <= set(range(first, first + text.count("\n") + 1))
    assert list(functions(["statistics.NormalDist.pdf"], {"statistics": statistics})) == [
        "statistics.NormalDist.pdf"
    ]
    assert "statistics.NormalDist.pdf" in functions(["statistics.NormalDist"], {"statistics": statistics})


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            ("preproces",),
            "lines: there is no function 'preproces' yet (did you mean preprocess?); define or import it in "
            "a cell before. Functions that the cell itself defines need no name, and a stage goes before "
            "--lines",
        ),
        (("os.nope",), "lines: 'os.nope' has no 'nope' (did you mean open?)"),
        (
            ("len",),
            "lines: len has no lines, as it is no function written in Python; expected names of functions or "
            "classes such as preprocess or my_module.preprocess",
        ),
    ],
)
def test_a_name_without_lines_is_an_error_before_the_code(names: tuple[str, ...], sentence: str) -> None:
    """It says what there is."""
    with pytest.raises(PlanError) as caught:
        Plan(lines=names).check_lines({"os": os, "preprocess": lambda: None})

    assert str(caught.value) == sentence


def test_lines_and_an_inner_loop_exclude_each_other() -> None:
    """The values of a loop are of one execution, those of its lines would be of all."""
    with pytest.raises(PlanError) as caught:
        Plan(lines=(), number=3)

    assert str(caught.value) == (
        "lines: the lines of one execution are counted, and number is 3; leave one of the two out"
    )
    assert Plan(lines=False).lines is None
    assert Plan(lines=True).lines == ()
    assert Plan(lines="f, m.g").lines == ("f", "m.g")


def test_another_threads_lines_are_left_out_and_said() -> None:
    """They would run in the time of the line that waits for them."""
    source = "def f():\n    return 1\nthread = Thread(target=f)\nthread.start()\nthread.join()\nwork(2)"
    record = run(source, Thread=threading.Thread)

    assert table(record) == {1: (1, 0), 3: (1, 0), 4: (1, 0), 5: (1, 0), 6: (1, 2)}
    assert record.lines is not None
    if sys.version_info >= (3, 12):
        assert "lines that other threads ran are not counted" in record.lines.notes[0]


def test_whoever_holds_the_trace_is_left_alone() -> None:
    """Before the code: no lines, with the reason. Within it: what was counted up to then."""

    def tracer(*_: object) -> None: ...

    sys.settrace(tracer)
    try:
        with e2e.measure("traced", lines=True) as trial:
            pass
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(None)

    assert trial.records[0].lines is None
    assert "a debugger or coverage" in trial.missing["lines"]
    assert "is left alone" in trial.missing["lines"]

    if sys.version_info < (3, 12):
        with e2e.measure("takes over", lines=True) as trial:
            sys.settrace(tracer)
        assert sys.gettrace() is tracer
        sys.settrace(None)
        assert trial.records[0].lines is not None
        assert "took over the trace" in trial.records[0].lines.notes[-1]


def test_one_trials_lines_at_a_time() -> None:
    """The inner one says why it has none, and the outer one goes on."""
    with e2e.measure("outer", lines=True) as outer:
        with e2e.measure("inner", lines=True) as inner:
            a = 1
        b = a

    assert inner.records[0].lines is None
    assert "one at a time" in inner.missing["lines"]
    assert "b = a" in outer.lines["source"].str.strip().tolist()
    assert b == 1


def test_every_kind_of_function_has_its_lines() -> None:
    """`measure` as a decorator: plain, async, generators; repeats have their own."""

    @e2e.measure("plain", lines=True, repeat=2)
    def plain(n: int) -> int:
        return n + 1

    @e2e.measure("items", lines=True)
    def items() -> Any:
        yield 1
        yield 2

    @e2e.measure("waits", lines=True)
    async def waits() -> int:
        await asyncio.sleep(0)
        return 1

    e2e.run("functions")
    plain(1)
    list(items())
    asyncio.run(waits())
    found = e2e.lines(run="functions")

    assert list(found.columns) == (
        ["run", "stage", "trial", "line", "source", "hits", "wall_time_s", "peak_rss_mib", "rss_delta_mib"]
    )
    assert found.attrs["units"] == {"wall_time_s": "s", "peak_rss_mib": "MiB", "rss_delta_mib": "MiB"}
    assert [*zip(found["stage"], found["trial"], found["source"].str.strip(), strict=True)] == [
        ("plain", 1, "return n + 1"),
        ("plain", 2, "return n + 1"),
        ("items", 1, "yield 1"),
        ("items", 1, "yield 2"),
        ("waits", 1, "await asyncio.sleep(0)"),
        ("waits", 1, "return 1"),
    ]


def test_an_interrupt_in_the_code_leaves_nothing_on() -> None:
    """It comes through, and the lines up to it are kept."""
    with suppress(KeyboardInterrupt), e2e.measure("interrupted", lines=True) as trial:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10**9):
            pass

    assert trial.records[0].state == "interrupted"
    assert isinstance(trial.records[0].lines, Lines)
    assert sys.gettrace() is None
    with e2e.measure("after", lines=True) as after:
        pass
    assert after.records[0].missing.get("lines") is None
