"""Many executions in one trial: how many there were, what one took, what the loop costs."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.collectors.base import registered
from e2e_magic.measuring.inner_loop import InnerLoop
from e2e_magic.measuring.plan import Plan, PlanError, Step
from e2e_magic.measuring.trial import Trial
from e2e_magic.record import Record

BASE = {"wall_time": registered()["wall_time"], "cpu": registered()["cpu"], "io": registered()["io"]}


def run(source: str, number: Any, **space: Any) -> Record:
    """Run a cell in a trial without samples, and return its record."""
    trial = Trial(Plan(number=number), Step(1, warmup=False), classes=BASE, keep=lambda _: None)
    try:
        with trial:
            trial.value = trial.loop.run_cell(Cell.of(source), (space, None))
    except ZeroDivisionError:
        pass
    assert trial.record is not None
    return trial.record


def seconds(record: Record, name: str = "cpu_time_s") -> float:
    """Return CPU time: other programs don't move it."""
    return float(record.readings[name])


def test_values_are_of_one_execution() -> None:
    """Ten executions of 50 ms read 50 ms, not 500, and their bytes are those of one."""
    space = {"time": time, "done": []}
    record = run("open('/dev/null', 'wb').write(b'1' * 2**20)\ndone.append(time.sleep(0.05))", 10, **space)

    assert len(space["done"]) == 10
    assert record.readings["number"] == 10
    assert 0.05 <= seconds(record, "wall_time_s") < 0.5
    assert 0.9 < seconds(record, "write_mib") < 1.2


def test_short_code_reads_what_it_takes_and_nothing_reads_nearly_nothing() -> None:
    """An addition takes less than 0.2 µs; alone it would read several microseconds."""
    alone = min(seconds(run("x = 1 + y", 1, y=1)) for _ in range(5))
    short = min(seconds(run("x = 1 + y", 50_000, y=1)) for _ in range(3))
    nothing = min(seconds(run("pass", 50_000)) for _ in range(3))

    assert short < 0.3e-6 < alone
    assert nothing < 0.1e-6


@pytest.mark.parametrize("source", ["x = 1", "1 + 1", "x = 1\nx + 1"])
def test_auto_takes_about_a_fifth_of_a_second(source: str) -> None:
    """However many that are; the last value is the cell's."""
    record = run(source, "auto")
    number = int(record.readings["number"])

    assert number & (number - 1) == 0
    assert number > 1000
    assert record.readings["gc"] == "on"


def test_auto_executes_long_code_once() -> None:
    """Nothing is executed for the sake of counting."""
    done: list[int] = []
    record = run("import time; time.sleep(0.21); done.append(1)", "auto", done=done)

    assert done == [1]
    assert record.readings["number"] == 1


def test_a_failure_counts_the_executions_that_were_begun() -> None:
    """The numbers are of one of them, of the failed one too."""
    record = run("n.append(1)\n1 / (len(n) - 5)", 100, n=[])

    assert (record.state, record.readings["number"]) == ("failed", 5)
    record = run("n.append(1)\n1 / (len(n) - 5)", "auto", n=[])
    assert (record.state, record.readings["number"]) == ("failed", 5)


def test_whether_garbage_was_collected_is_recorded() -> None:
    """In a loop it is a part of the time or left out; a single execution has no such word."""
    gc.disable()
    try:
        assert run("1", 10).readings["gc"] == "off"
    finally:
        gc.enable()
    assert "gc" not in run("1", 1).readings


def test_entries_that_were_counted_are_those_of_one_execution() -> None:
    """`track` counts all of them."""
    record = run("for _ in track([[1, 2], [3]]): pass", 4, track=e2e.track)

    assert record.reported["entries"] == 3


def test_functions_and_coroutines_go_through_it_too() -> None:
    """A measured function is called so often, with its arguments, and returns its last value."""
    calls: list[int] = []

    @e2e.measure("f", metrics="cpu", number=7, repeat=2)
    def function(n: int, function: int = 0) -> int:
        calls.append(n * function)
        return len(calls)

    @e2e.measure("g", metrics="cpu", number=5)
    async def coroutine(n: int) -> int:
        await asyncio.sleep(0)
        calls.append(n)
        return n

    assert function(3, function=1) == 14
    assert asyncio.run(coroutine(4)) == 4
    assert len(calls) == 19
    assert e2e.results()["number"].tolist() == [7, 7, 5]


def test_a_sweep_loops_in_each_trial() -> None:
    """Over functions here; the option is the same."""
    calls: list[int] = []

    def fit(n: int) -> None:
        calls.append(n)

    result = e2e.sweep(fit, stage="s", n=[1, 2], number=3, metrics="cpu", quiet=True)

    assert calls == [1, 1, 1, 2, 2, 2]
    assert result.frame["number"].tolist() == [3, 3]


def test_a_cell_that_awaits() -> None:
    """It is awaited in each turn."""
    done: list[int] = []
    loop = InnerLoop(6)
    cell = Cell.of("import asyncio\nawait asyncio.sleep(0)\ndone.append(1)\nlen(done)")

    assert asyncio.run(loop.await_cell(cell, ({"done": done}, None))) == 6
    assert loop.executions == 6


@pytest.mark.parametrize(
    ("number", "came"), [(0, "0"), (-3, "-3"), ("often", "'often'"), (True, "True"), (1.5, "1.5")]
)
def test_a_wrong_number_is_said_in_one_sentence(number: Any, came: str) -> None:
    """What is allowed, and what came."""
    with pytest.raises(PlanError) as caught:
        Plan(number=number)

    assert str(caught.value) == f"number: expected a whole number of at least 1, or auto, got {came}"


def test_a_share_of_cpu_needs_a_millisecond_of_all_executions() -> None:
    """Below it the edges of CPU time are wider than those of wall time: a reason and no number."""
    from e2e_magic.derived import derive

    short, looped = derive(run("1", 1)), derive(run("1", "auto"))

    assert "cpu_percent" not in short.values
    assert str(short.missing["cpu_percent"]) == (
        "the code took less than 1 ms, and CPU time is read some microseconds outside of the wall time's "
        "edges; "
        "--number auto measures many executions at once"
    )
    assert looped.values["cpu_percent"] <= 110
    assert "cpu_percent" not in looped.missing
