"""Wall time on a clock of our own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.measuring.collectors.wall_time import WallTime
from e2e_magic.record import sentences
from tests.contracts import CollectorContract


class TestWallTime(CollectorContract):
    collector = WallTime
    units = frozenset({"s"})


def ticking(*nanoseconds: int) -> Callable[[], int]:
    """Make a clock that shows these times, one after the other."""
    times = iter(nanoseconds)
    return lambda: next(times)


def test_wall_time_is_the_difference_of_the_two_edges() -> None:
    """The clock is read exactly twice, and its nanoseconds are given in seconds."""
    with WallTime(ticking(5_000_000_000, 6_500_000_000)) as collector:
        pass

    assert collector.readings() == {"wall_time_s": 1.5}
    assert collector.missing() == {}


@given(start=st.integers(0, 2**62), elapsed=st.integers(0, 10**15))
def test_a_late_start_of_the_clock_costs_no_precision(start: int, elapsed: int) -> None:
    """After years of uptime a nanosecond is still a nanosecond, as the difference is taken in integers."""
    with WallTime(ticking(start, start + elapsed)) as collector:
        pass

    assert collector.readings() == {"wall_time_s": elapsed / 1e9}


def test_a_trial_without_an_end_has_no_wall_time() -> None:
    """Before the exit the wall time is missing, with a reason."""
    collector = WallTime(ticking(1)).__enter__()

    assert collector.readings() == {}
    assert sentences(collector.missing()) == {"wall_time_s": "the code did not reach its end"}


class _Driver:
    """A GPU that nothing was handed to."""

    def ctxGetCurrent(self) -> int:  # noqa: N802
        return 0


def test_what_stands_between_the_edges_and_the_code_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """From where it begins to the last pause; without a pause, or with a GPU to wait for, to the edge."""
    for name in ("torch", "jax", "cupy"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def timed(*steps: str, begun: int = 10) -> float:
        """Take those steps, at 20, 30, 40 .. ns; the edges are at 0 and 100."""
        times = iter([0, begun, *range(20, 20 + 10 * steps.count("pause"), 10), 100])
        clock = WallTime(lambda: next(times))
        with clock:
            clock.begin()
            for step in steps:
                getattr(clock, step)()
        return float(clock.readings()["wall_time_s"]) * 1e9

    assert timed("pause") == pytest.approx(10)
    assert timed("pause", "resume", "pause") == pytest.approx(20)
    assert timed() == pytest.approx(90)
    assert timed("pause", "resume") == pytest.approx(90)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(driver=_Driver())))
    assert timed("pause") == pytest.approx(90)
