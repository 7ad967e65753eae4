"""The loop that times single calls, and what a trial keeps of it."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import e2e_magic as e2e
from e2e_magic.measuring import energy_span, latency
from e2e_magic.measuring.collectors.base import Collector, Unavailable
from e2e_magic.measuring.latency import Clock, time_calls
from e2e_magic.measuring.plan import PlanError
from e2e_magic.views import card

MS = 1_000_000


class Simulated(Clock):
    """A clock that moves only when a call works."""

    def __init__(self) -> None:
        self.time_ns = 0
        self.now = lambda: self.time_ns
        self.made = 0

    def call(self, *costs_ns: int) -> Callable[[Any], None]:
        """Return a call that takes these times in turn, then the last one for ever."""
        costs = itertools.chain(costs_ns, itertools.repeat(costs_ns[-1]))

        def work(_value: object) -> None:
            self.time_ns += next(costs)
            self.made += 1

        return work


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Simulated:
    """Give a simulated clock; no energy is read beside it."""
    monkeypatch.setattr(
        energy_span, "registered", lambda: {"energy": Unavailable("no counters in a simulation")}
    )
    return Simulated()


def test_calls_fill_the_duration_after_a_warm_up(clock: Simulated) -> None:
    """Ten calls are thrown away, the latencies are kept ascending, and the mean is that of all."""
    raw, _ = time_calls(clock.call(*[9 * MS] * 10, 4 * MS, 2 * MS), None, 1.0, energy=True, clock=clock)

    assert raw["calls"] == 499
    assert clock.made == 509
    assert raw["laps_s"][:2] == pytest.approx([0.002, 0.002])
    assert raw["laps_s"][-1] == pytest.approx(0.004)
    assert raw["mean_s"] == pytest.approx((498 * 0.002 + 0.004) / 499)
    assert raw["elapsed_s"] == pytest.approx(1.0)
    assert "energy_j" not in raw


def test_a_slow_call_warms_up_once(clock: Simulated) -> None:
    """A warm-up ends after a tenth of the duration; one call is timed even if it takes longer."""
    raw, _ = time_calls(clock.call(3000 * MS), None, 1.0, energy=False, clock=clock)

    assert (clock.made, raw["calls"], raw["laps_s"]) == (2, 1, [3.0])


@given(st.integers(latency.KEPT + 1, 20_000), st.integers(0, 2**32))
def test_what_is_thinned_keeps_its_percentiles(count: int, seed: int) -> None:
    """Of many calls at most 1,001 are kept: the fastest, the slowest and every thousandth part."""
    laps_ns = np.random.default_rng(seed).integers(1, 10_000, count)
    raw = latency._plain(latency.Timings(count, int(laps_ns.sum()), array("q", laps_ns.tobytes())))

    assert (raw["calls"], len(raw["laps_s"])) == (count, latency.KEPT)
    ranked = np.sort(laps_ns) * 1e-9
    assert (raw["laps_s"][0], raw["laps_s"][-1]) == (ranked[0], ranked[-1])
    for place in (500, 900, 950, 990):
        rank = place / 1000 * (count - 1)
        low, high = ranked[max(0, int(rank - 0.5))], ranked[min(count - 1, int(rank + 1))]
        assert low <= raw["laps_s"][place] <= high
    assert raw["mean_s"] == pytest.approx(laps_ns.mean() * 1e-9)


def test_so_many_calls_and_no_more(clock: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call of nearly no time ends the timing early: memory is bounded."""
    monkeypatch.setattr(latency, "_ROOM", 100)
    monkeypatch.setattr(latency, "MOST_CALLS", 300)
    raw, _ = time_calls(clock.call(1), None, 1.0, energy=False, clock=clock)

    assert raw["calls"] == 300


def test_energy_beside_the_calls(clock: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """What collectors of energy read between the edges is kept, unless others run beside."""

    class Meter(Collector):
        name = "energy"

        def readings(self) -> dict[str, float]:  # type: ignore[override]
            return {"package_energy_j": 6.0, "gpu_energy_j": 2.0}

    monkeypatch.setattr(energy_span, "registered", lambda: {"energy": Meter})

    alone, _ = time_calls(clock.call(MS), None, 0.1, energy=True, clock=clock)
    beside, _ = time_calls(clock.call(MS), None, 0.1, energy=False, clock=clock)

    assert alone["energy_j"] == 8.0
    assert "energy_j" not in beside


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize(("good", "kept"), [(3, 0), (13, 3)])
def test_a_call_that_fails_leaves_what_was_timed(
    clock: Simulated, kind: type[BaseException], good: int, kept: int
) -> None:
    """The error is handed over, not raised; in the warm-up nothing has been timed."""
    count = 0

    def call(_value: object) -> None:
        nonlocal count
        count += 1
        clock.time_ns += MS
        if count > good:
            raise kind("enough")

    raw, error = time_calls(call, None, 1.0, energy=False, clock=clock)

    assert isinstance(error, kind)
    assert raw.get("calls", 0) == kept


class Model:
    """What a user may hand over instead of its method."""

    def predict(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "Model()"


class TestMeasured:
    """``latency=`` of a measured function."""

    def test_it_is_timed_after_the_code(self, session: Any) -> None:
        """Percentiles stand beside the other columns; the calls are not in the wall time."""

        @e2e.measure("infer", metrics="cpu", latency=lambda: sum(range(100)), latency_duration=0.2)
        def infer() -> None:
            pass

        infer()
        row = e2e.results().iloc[0]
        [record] = session.records

        assert row["wall_time_s"] < 0.2  # the calls took as much
        assert row["latency_calls"] == record.reported["latency"]["calls"] >= 100
        assert (
            0 < row["latency_p50_s"] <= row["latency_p90_s"] <= row["latency_p95_s"] <= row["latency_p99_s"]
        )
        assert row["latency_calls"] / row["latency_throughput_per_s"] >= 0.2  # the time that was asked for
        assert np.isnan(row["latency_s"])  # no entries were said

    def test_it_may_take_the_returned_value(self, session: Any) -> None:
        """A function of one argument is called with what the code returned."""
        seen: list[object] = []

        def call(model: object) -> None:
            seen.append(model)

        @e2e.measure("train", metrics="cpu", latency=call, latency_duration=0.01)
        def train() -> str:
            return "model"

        train()

        assert set(seen) == {"model"}
        assert len(seen) > session.records[0].reported["latency"]["calls"]

    def test_only_the_last_repeat_times_calls(self, session: Any) -> None:
        """The others say so."""

        @e2e.measure("infer", metrics="cpu", repeat=3, latency=lambda: None, latency_duration=0.01)
        def infer() -> None:
            pass

        infer()
        frame = e2e.results()

        assert frame["latency_calls"].notna().tolist() == [False, False, True]
        assert str(session.records[0].missing["latency"]) == "calls are timed after the last repeat only"

    def test_code_that_fails_times_none(self, session: Any) -> None:
        """There may be no model to call."""
        made: list[int] = []
        with (
            pytest.raises(ZeroDivisionError),
            e2e.measure("infer", metrics="cpu", latency=lambda: made.append(1), latency_duration=0.01),
        ):
            1 / 0  # noqa: B018

        assert not made
        assert str(session.records[0].missing["latency"]) == (
            "the code did not come to its end, so no calls were timed"
        )

    def test_an_interrupt_goes_on_after_the_row_is_kept(self, session: Any) -> None:
        """The code was complete and its numbers stay; what was asked for afterwards is cut short."""

        def call() -> None:
            raise KeyboardInterrupt

        with (
            pytest.raises(KeyboardInterrupt),
            pytest.warns(e2e.MeasurementWarning, match="latency: was interrupted after 0 timed calls"),
            e2e.measure("infer", metrics="cpu", latency=call),
        ):
            pass

        [record] = session.records
        assert record.state == "complete"
        assert record.readings["wall_time_s"] > 0

    def test_an_interrupt_while_an_option_is_evaluated_keeps_the_row(self, session: Any) -> None:
        """Any option may take long; none costs the trial, and the calls are then not timed."""

        def interrupted(_value: object) -> None:
            raise KeyboardInterrupt

        with (
            pytest.raises(KeyboardInterrupt),
            pytest.warns(e2e.MeasurementWarning, match="accuracy: was interrupted while it was evaluated"),
            e2e.measure("infer", metrics="cpu", accuracy=interrupted, latency=lambda: None),
        ):
            pass

        assert str(session.records[0].missing["latency"]) == "no calls were timed, for it was interrupted"

    @pytest.mark.parametrize(
        ("latency", "sentence"),
        [
            (3, "latency: expected a function that makes one call, got 3"),
            (
                Model(),
                "latency: expected a function that makes one call, got Model(): hand over its method predict",
            ),
        ],
    )
    def test_what_is_no_call_is_said(self, latency: Any, sentence: str) -> None:
        """Before anything runs, with the next step."""
        with pytest.raises(PlanError) as raised:
            e2e.measure("infer", latency=latency)

        assert str(raised.value) == sentence

    def test_an_async_call_only_begins(self) -> None:
        """It would time the making of a coroutine."""

        async def call() -> None: ...

        with pytest.raises(PlanError) as raised:
            e2e.measure("infer", latency=call)

        assert str(raised.value) == (
            "latency: expected a function that is done when it returns, got an async function, which only "
            "begins: hand over lambda: asyncio.run(f())"
        )


class TestCell:
    """``--latency EXPR``."""

    def test_a_cell_times_its_call(self, shell: Any) -> None:
        """EXPR is one call, evaluated again and again in the user's namespace."""
        shell.run_cell(
            "%%e2ebench infer -q -o found -m cpu --latency model(3) --latency-duration 0.1\n"
            "model = lambda n: n * n"
        )
        found = shell.user_ns["found"]
        [row] = found.latency.to_dict("records")

        assert (row["stage"], row["trial"]) == ("infer", 1)
        assert row["calls"] == found.frame["latency_calls"].item() >= 100
        assert row["p99_s"] == found.frame["latency_p99_s"].item() > 0
        assert found.latency.attrs["units"]["p99_s"] == "s"
        assert "single call, p50" in card.text(found.records)
        assert "calls that took less" in found.plot("latency").get_xlabel()

    def test_an_expression_that_fails_costs_only_itself(self, shell: Any, capsys: Any) -> None:
        """It is said in one line, and the value of the cell is shown as ever."""
        shell.run_cell("%%e2ebench infer -q -o found --latency 1/0\n7")

        assert (
            "infer: latency: a call failed after 0 timed calls (ZeroDivisionError" in capsys.readouterr().err
        )
        assert shell.user_ns["_"] == 7
        assert len(shell.user_ns["found"].latency) == 0

    def test_a_wrong_duration_is_said_before_the_cell_runs(self, shell: Any, capsys: Any) -> None:
        """As any other option."""
        shell.run_cell("%%e2ebench infer --latency 1 --latency-duration 0\nran = True")

        assert "latency_duration: expected seconds above 0, got 0.0" in capsys.readouterr().err
        assert "ran" not in shell.user_ns
