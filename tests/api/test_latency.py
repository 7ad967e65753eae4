"""Single calls, timed: exact numbers on a simulated clock, and a real model."""

from __future__ import annotations

import math
from array import array
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

import e2e_magic as e2e
from e2e_magic.api.latency import Latencies, scenarios
from e2e_magic.api.latency.batches import MOST_BATCHES, batches_of
from e2e_magic.derived.percentiles import order_interval
from e2e_magic.measuring import energy_span
from e2e_magic.measuring import latency as timing
from e2e_magic.measuring.collectors.base import Collector, Unavailable
from e2e_magic.measuring.latency import Clock, Timings
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Metric
from tests.api.conftest import MS, Simulated


def timed(clock: Simulated, *costs_ns: int, size: Any = 1, **options: Any) -> Latencies:
    """Run `latency` without warm-up on a call with these costs."""
    return e2e.latency(
        clock.call(*costs_ns), list(range(64)), batch_size=size, clock=clock, **{"warmup": 0, **options}
    )


def test_percentiles_are_exact(clock: Simulated) -> None:
    """Calls of 1 to 1,000 ms in any order give numpy's percentiles, their mean and their rate."""
    costs = [int(n) * MS for n in np.random.default_rng(0).permutation(1000) + 1]
    found = timed(clock, *costs, size=4, duration=500.5).frame.iloc[0]

    assert (found["scenario"], found["batch_size"], found["calls"], found["entries"]) == (
        "single_stream", 4, 1000, 4000,
    )  # fmt: skip
    for q in (50, 90, 95, 99):
        assert found[f"p{q}_s"] == pytest.approx(np.percentile(np.arange(1, 1001), q) / 1e3)
        low, high = order_interval(1000, q)
        # Those of the ranks, or a little wider: in no order calls are slow together by chance.
        assert low / 1e3 - 0.02 <= found[f"p{q}_low_s"] <= low / 1e3 + 1e-9
        assert (high or 0) / 1e3 - 1e-9 <= found[f"p{q}_high_s"] <= (high or 0) / 1e3 + 0.02
    assert found["mean_s"] == pytest.approx(0.5005)
    assert found["throughput_per_s"] == pytest.approx(4000 / 500.5)
    assert math.isnan(found["rate_per_s"])
    assert found["seed"] is pd.NA


def test_a_row_per_batch_size(clock: Simulated) -> None:
    """Each batch size has its row, in the given order, twice the same only once."""
    frame = timed(clock, 10 * MS, size=[8, 1, 8], duration=0.1).frame

    assert frame["batch_size"].tolist() == [8, 1]
    assert frame["throughput_per_s"].tolist() == pytest.approx([800, 100])
    assert list(frame.columns) == [
        "scenario", "batch_size", "calls", "entries", "p50_s", "p90_s", "p95_s", "p99_s", "mean_s",
        "throughput_per_s", "energy_per_entry_j", "rate_per_s", "p50_low_s", "p50_high_s", "p90_low_s",
        "p90_high_s", "p95_low_s", "p95_high_s", "p99_low_s", "p99_high_s", "seed",
    ]  # fmt: skip
    assert frame.attrs["units"] == {
        "p50_s": "s", "p90_s": "s", "p95_s": "s", "p99_s": "s", "mean_s": "s",
        "throughput_per_s": "entries/s",
        "energy_per_entry_j": "J", "rate_per_s": "1/s", "p50_low_s": "s", "p50_high_s": "s",
        "p90_low_s": "s", "p90_high_s": "s", "p95_low_s": "s", "p95_high_s": "s", "p99_low_s": "s",
        "p99_high_s": "s",
    }  # fmt: skip


@pytest.mark.parametrize(("entries", "sizes"), [(1, [1]), (31, [1, 8]), (32, [1, 8, 32]), (500, [1, 8, 32])])
def test_the_usual_batch_sizes_are_those_that_fit(clock: Simulated, entries: int, sizes: list[int]) -> None:
    """A few inputs are no error, where no batch size was asked for."""
    found = e2e.latency(clock.call(MS), range(entries), duration=0.001, warmup=0, clock=clock)

    assert found.frame["batch_size"].tolist() == sizes


def test_too_few_calls_give_no_percentile(clock: Simulated) -> None:
    """A percentile from too few calls is missing, and says how many it needs and how to get them."""
    found = timed(clock, 100 * MS, duration=15.0)
    row = found.frame.iloc[0]

    assert row["p95_s"] == pytest.approx(0.1)
    assert math.isnan(row["p99_s"])
    assert found.missing[1]["p99_s"] == "p99 needs at least 662 calls, got 150: raise duration to about 73 s"
    assert "no p99: p99 needs at least 662 calls, got 150: raise duration to about 73 s" in repr(found)


def test_a_slow_call_is_timed_once(clock: Simulated) -> None:
    """A call longer than the duration is let finish and counted."""
    row = timed(clock, 5_000 * MS, duration=0.5).frame.iloc[0]

    assert (row["calls"], row["mean_s"]) == (1, 5.0)
    assert math.isnan(row["p50_s"])


def test_more_calls_than_the_first_room(clock: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Latencies are kept beyond the room that was made first."""
    monkeypatch.setattr(timing, "_ROOM", 7)
    row = timed(clock, *(n * MS for n in range(1, 1001)), duration=500.5).frame.iloc[0]

    assert row["calls"] == 1000
    assert row["p99_s"] == pytest.approx(0.99001)


def test_warm_up_is_thrown_away(clock: Simulated) -> None:
    """The first calls, however slow, are in no number."""
    row = timed(clock, 900 * MS, 800 * MS, *[10 * MS] * 1000, warmup=2, duration=7.0).frame.iloc[0]

    assert (row["calls"], row["p99_s"]) == (700, pytest.approx(0.01))


def test_warm_up_is_no_longer_than_the_duration(clock: Simulated) -> None:
    """Ten warm-ups of a call of 1 s end after the 2 s that it is measured."""
    timed(clock, 1_000 * MS, warmup=10, duration=2.0)

    assert clock.time_ns == (2 + 2) * 1_000 * MS


def test_offline_counts_what_goes_through(clock: Simulated) -> None:
    """Offline gives throughput and mean, ends close to the duration, and says why it has no percentile."""
    found = timed(clock, 3 * MS, size=16, duration=1.0, scenario="offline")
    row = found.frame.iloc[0]

    assert row["calls"] == 334
    assert row["mean_s"] == pytest.approx(0.003)
    assert row["throughput_per_s"] == pytest.approx(16 / 0.003)
    assert math.isnan(row["p50_s"])
    assert found.missing[16]["p50_s"] == (
        "offline counts what goes through; single calls are timed by single_stream and server"
    )


@given(st.integers(1, 50 * MS), st.integers(1, 2000))
def test_offline_never_runs_over_by_more_than_a_call(cost_ns: int, duration_ms: int) -> None:
    """Whatever a call costs, calls are made until the duration is over, and not one more."""
    clock, load = Simulated(), Timings()
    cost_ns = max(cost_ns, duration_ms * MS // 5000)
    scenarios.offline(clock.call(cost_ns), iter(int, 1), duration_ms * MS, clock, load)

    assert load.calls == -(-duration_ms * MS // cost_ns)
    assert load.elapsed_ns == load.calls * cost_ns


def test_server_counts_the_queue(clock: Simulated) -> None:
    """A call that waits for the one before has its wait in its latency; one in an idle time hasn't."""
    load = Timings()
    due_ns = array("q", [10 * MS, 12 * MS, 13 * MS, 90 * MS])
    scenarios.server(clock.call(5 * MS), iter(int, 1), 100 * MS, clock, load, due_ns=due_ns)

    assert load.laps_ns.tolist() == [5 * MS, 8 * MS, 12 * MS, 5 * MS]
    assert (load.calls, load.elapsed_ns, load.unserved) == (4, 100 * MS, 0)


def test_server_follows_queueing_theory(clock: Simulated) -> None:
    """Poisson arrivals at a constant service time wait as Pollaczek and Khinchine say."""
    row = timed(clock, 5 * MS, duration=400.0, scenario="server", rate=100).frame.iloc[0]

    # M/D/1 at a load of 0.5: the mean wait is rho / (2 (1 - rho)) service times.
    assert row["mean_s"] == pytest.approx(0.005 * 1.5, rel=0.03)
    assert row["throughput_per_s"] == pytest.approx(100, rel=0.03)
    assert row["rate_per_s"] == 100
    assert row["p50_s"] < row["p90_s"] < row["p99_s"]


def test_a_server_that_is_given_too_much_says_so(clock: Simulated) -> None:
    """Latencies of an endless queue are missing: those served first would flatter it."""
    found = timed(clock, 10 * MS, duration=1.0, scenario="server", rate=1000)
    row = found.frame.iloc[0]
    due = 1000
    calls, left = int(row["calls"]), due - int(row["calls"])

    # 100 calls came before, of which 10 were served; the queue is given up after twice the duration.
    assert calls == pytest.approx(200 - 90, abs=2)
    assert row[["p50_s", "p99_s", "mean_s"]].isna().all()
    assert row["throughput_per_s"] == pytest.approx(100, rel=0.01)
    assert found.missing[1]["p99_s"] == (
        f"{left:,} of {due:,} calls were still to be served when it was given up after 2 s: this call serves "
        "about 100 a second, so lower rate"
    )


@given(st.integers(0, 2**32), st.floats(0.5, 5000))
def test_arrivals_are_as_many_as_the_rate_says(seed: int, rate: float) -> None:
    """Whatever the seed: within the duration, ascending, those that fill the queue before it."""
    at = np.frombuffer(scenarios.arrivals(rate, 2.0, seed), dtype=np.int64)

    assert (at >= 0).sum() == max(1, round(2 * rate))
    assert (at < 0).sum() == round(0.1 * max(1, round(2 * rate)))
    assert (np.diff(at) >= 0).all()
    assert at[0] >= -0.2e9
    assert at[-1] <= 2e9


def test_arrivals_are_a_poisson_process() -> None:
    """Given how many come, they are uniform; the gaps are exponential."""
    at = np.frombuffer(scenarios.arrivals(1000, 100.0, 3), dtype=np.int64)
    within = at[at >= 0] / 100e9

    assert kstest(within, "uniform").pvalue > 0.01
    assert kstest(np.diff(within) * 1e5, "expon").pvalue > 0.01


def test_what_is_free_is_served_at_the_rate(clock: Simulated) -> None:
    """Not at the rate of a lucky seed."""
    found = [timed(clock, 0, duration=2.0, scenario="server", rate=200).frame.iloc[0] for _ in range(20)]

    assert {row["throughput_per_s"] for row in found} == {200}
    assert {row["rate_per_s"] for row in found} == {200}
    assert len({row["seed"] for row in found}) == 20


def test_a_row_can_be_measured_again(clock: Simulated) -> None:
    """With its seed."""
    [first, other, again] = [
        timed(clock, 5 * MS, duration=10.0, scenario="server", rate=150, **seed).frame
        for seed in ({}, {}, {"seed": 0})
    ]
    seed = first["seed"].item()
    same = timed(clock, 5 * MS, duration=10.0, scenario="server", rate=150, seed=int(seed)).frame

    assert same["p99_s"].item() == first["p99_s"].item() != other["p99_s"].item()
    assert again["seed"].item() == 0


def test_the_seed_decides_the_arrivals() -> None:
    """The same seed gives the same arrivals, another one others."""
    assert scenarios.arrivals(50, 2.0, 1) == scenarios.arrivals(50, 2.0, 1) != scenarios.arrivals(50, 2.0, 2)


@given(st.floats(1.0, 1e4), st.floats(1.01, 1e3), st.floats(0.0, 1.2))
def test_bisection_finds_the_edge(low: float, span: float, where: float) -> None:
    """The rate that is found holds, and one higher by the precision doesn't."""
    high = low * span
    edge = low * span**where * (1 if where else 0.5)
    found = scenarios.highest(lambda rate: rate <= edge, low, high)

    if edge < low:
        assert found is None
    else:
        assert found is not None
        assert found <= edge
        assert found == high or found * scenarios.PRECISION * (1 + 1e-9) >= edge


def test_highest_rate_within_a_bound(clock: Simulated) -> None:
    """The rate that is found keeps p99 under the bound, and the note says how sure that is."""
    found = timed(clock, 5 * MS, duration=20.0, scenario="server", p99_bound=0.02)
    row = found.frame.iloc[0]

    assert row["p99_s"] <= 0.02
    assert 50 < row["rate_per_s"] <= 1.1 * HIGHEST["constant"]
    [note] = found.notes
    assert note.startswith("batch 1: ")
    assert note.endswith(
        " rates tried that keep p99 within 20 ms, with a confidence of 99 % and again with 2 other arrivals"
    )


# The rate at which the true p99 of calls of 5 ms is the bound, by 2,000,000 simulated calls for M/D/1 within
# 20 ms, and by -ln(0.01) / (1 / 0.005 - rate) = bound for M/M/1 within 50 ms.
HIGHEST = {"constant": 92.8, "exponential": 200 - math.log(100) / 0.05}
BOUNDS = {"constant": 0.02, "exponential": 0.05}


@pytest.mark.parametrize("service", HIGHEST)
def test_the_rate_that_is_found_holds(clock: Simulated, service: str) -> None:
    """Against M/D/1 and M/M/1, 200 searches: its true p99 is over the bound in at most 5 %."""
    costs = [5 * MS]
    if service == "exponential":
        costs = [round(cost) for cost in np.random.default_rng(1).exponential(5 * MS, 100_003)]
    works = clock.call(*costs)
    rates = [
        e2e.latency(
            works, range(8), batch_size=1, warmup=0, clock=clock, duration=12.0, scenario="server",
            p99_bound=BOUNDS[service], seed=seed,
        ).frame["rate_per_s"].item()
        for seed in range(200)
    ]  # fmt: skip

    assert sum(rate > HIGHEST[service] for rate in rates) <= 10
    assert np.isfinite(rates).mean() > 0.8
    assert np.nanmedian(rates) > 0.7 * HIGHEST[service]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"rate": 40}, "the given rate"),
        ({"p99_bound": 60}, "all that this call serves one after another"),
    ],
)
def test_a_bound_that_is_never_reached_is_said(clock: Simulated, options: Any, what: str) -> None:
    """Where the highest rate tried holds, the note says what that rate is."""
    found = timed(clock, 5 * MS, duration=40.0, scenario="server", **{"p99_bound": 0.05, **options})
    rate = options.get("rate", 200)

    assert found.frame["rate_per_s"].item() == pytest.approx(rate)
    assert found.notes[0].endswith(f"; it is {what}, higher ones were not tried")


def test_a_bound_below_the_call_itself(clock: Simulated) -> None:
    """No rate keeps p99 under less than the call takes: the reason says what was seen."""
    found = timed(clock, 5 * MS, duration=20.0, scenario="server", p99_bound=0.001)

    assert math.isnan(found.frame["rate_per_s"].item())
    why = found.missing[1]["rate_per_s"]
    assert why.startswith(
        "already at 33.1 calls/s, the lowest rate tried, it can't be told with a confidence of 99 % that p99 "
        "keeps the bound: it is "
    )
    assert why.endswith("; raise p99_bound, or duration for more calls")


def test_a_bound_needs_calls_enough(clock: Simulated) -> None:
    """A duration too short for a p99 at any rate is said, with the one that is needed."""
    found = timed(clock, 50 * MS, duration=2.0, scenario="server", p99_bound=1.0)

    assert found.missing[1]["p99_s"] == (
        "a p99 needs 662 calls, and up to 20 calls/s bring too few of them in 2 s: "
        "raise duration to about 66.2 s"
    )


class ModelError(RuntimeError):
    """The user's own exception."""


@pytest.mark.parametrize("scenario", ["single_stream", "offline", "server"])
@pytest.mark.parametrize("kind", [ModelError, KeyboardInterrupt])
def test_an_exception_keeps_what_was_measured(
    clock: Simulated, scenario: str, kind: type[BaseException]
) -> None:
    """The user's exception comes through as it is, with all that was timed until then on it."""
    works, calls = clock.call(10 * MS), 0

    def call(batch: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 150:
            raise kind("out of luck")
        works(batch)

    rate = {"rate": 90} if scenario == "server" else {}
    with pytest.raises(kind, match="out of luck") as raised:
        e2e.latency(
            call, range(64), batch_size=[1, 2], duration=1.0, warmup=0, scenario=scenario, clock=clock, **rate
        )
    assert str(raised.value) == "out of luck"
    kept = raised.value.e2e_latency.frame  # type: ignore[attr-defined]

    # Of a server's calls, 9 fill the queue before each batch size.
    assert kept["calls"].sum() == (149 - 2 * 9 if scenario == "server" else 149)
    assert kept["mean_s"].notna().all()
    [note] = raised.value.__notes__
    assert note.startswith(
        f"e2e.latency: {kept['calls'].iloc[-1]} calls of batch size {kept['batch_size'].iloc[-1]} had been "
        f"timed when {kind.__name__} came up. What was measured until then:\nlatency, {scenario}\n"
    )


class Meter(Collector):
    """A collector that counts 6 J of the package and 2 J of the GPU in each window."""

    name: ClassVar[str] = "energy"
    source = "a test"
    metrics: ClassVar[tuple[Metric, ...]] = ()

    def readings(self) -> dict[str, float]:  # type: ignore[override]
        return {"package_energy_j": 6.0, "gpu_energy_j": 2.0}


class Broken(Meter):
    """A collector that fails at its first edge."""

    def __enter__(self) -> Any:
        raise OSError("counter gone")


def test_energy_per_entry(clock: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Joules between the first call and the last are shared among the entries; what counts is said."""
    monkeypatch.setattr(energy_span, "registered", lambda: {"energy": Meter})
    found = timed(clock, 10 * MS, size=8, duration=1.0)

    assert found.frame["energy_per_entry_j"].item() == pytest.approx(8 / 800)
    assert found.notes == ["energy counts package + gpu of the whole machine, other programs included"]


@pytest.mark.parametrize(
    ("meter", "why"),
    [
        (Unavailable("no counters"), "no counters"),
        (Broken, "the collector energy failed at start (OSError: counter gone)"),
    ],
)
def test_no_energy_has_a_reason(clock: Simulated, monkeypatch: Any, meter: Any, why: str) -> None:
    """Energy that can't be read is missing with the reason; all else is measured."""
    monkeypatch.setattr(energy_span, "registered", lambda: {"energy": meter})
    found = timed(clock, 10 * MS, duration=1.0)

    assert math.isnan(found.frame["energy_per_entry_j"].item())
    assert found.missing[1]["energy_per_entry_j"] == why
    assert found.frame["p90_s"].item() == pytest.approx(0.01)


def seen(inputs: Any, size: int) -> list[Any]:
    """Return the batches that a call is handed over six calls."""
    clock, got = Simulated(), []

    def call(batch: Any) -> None:
        got.append(batch)
        clock.time_ns += MS

    e2e.latency(call, inputs, batch_size=size, duration=0.006, warmup=0, clock=clock)
    return got


def test_batches_are_slices_in_turn() -> None:
    """Batches are slices of the given size, cycled; a rest that fills none is left out."""
    assert seen(list(range(7)), 2) == [[0, 1], [2, 3], [4, 5]] * 2
    assert seen(range(3), 1) == [range(1), range(1, 2), range(2, 3)] * 2


def test_batches_keep_their_type() -> None:
    """Arrays, frames, series, sparse matrices and tensors are sliced as they are, along the first axis."""
    sparse = pytest.importorskip("scipy.sparse")
    torch = pytest.importorskip("torch")
    rows = np.arange(12).reshape(6, 2)
    frame = pd.DataFrame(rows, index=list("fedcba"))

    np.testing.assert_array_equal(seen(rows, 3)[1], rows[3:])
    pd.testing.assert_frame_equal(seen(frame, 3)[1], frame.iloc[3:])
    pd.testing.assert_series_equal(seen(frame[0], 1)[5], frame[0].iloc[5:])
    np.testing.assert_array_equal(seen(sparse.csr_matrix(rows), 3)[1].toarray(), rows[3:])
    assert torch.equal(seen(torch.tensor(rows), 3)[1], torch.tensor(rows[3:]))


def test_fields_are_sliced_together() -> None:
    """A dict of arrays, as tokenizers give, and a tuple of arrays are sliced field by field."""
    ids, mask = np.arange(6), np.arange(6) % 2

    assert {k: v.tolist() for k, v in seen({"ids": ids, "mask": mask}, 2)[1].items()} == {
        "ids": [2, 3], "mask": [0, 1],
    }  # fmt: skip
    assert [part.tolist() for part in seen((ids, mask), 2)[2]] == [[4, 5], [0, 1]]


def test_many_entries_give_a_bounded_number_of_batches() -> None:
    """Of very many entries, batches are spread evenly over all of them."""
    batches = batches_of(range(1_000_000), 3)

    assert len(batches) == MOST_BATCHES
    assert all(len(batch) == 3 for batch in batches)
    assert batches[0][0] == 0
    assert batches[-1][0] > 998_000


class Model:
    """A model that is no function itself."""

    def predict(self, batch: Any) -> Any:
        return batch

    def __repr__(self) -> str:
        return "Model()"


async def answers(_batch: object) -> None:
    """Do nothing, later."""


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"call": Model()}, "call: expected a function of one batch, got Model(): hand over its method predict"),
    ({"call": 3}, "call: expected a function of one batch, got 3"),
    (
        {"call": answers},
        "call: expected a function that is done when it returns, got an async function, which only begins: "
        "hand over lambda batch: asyncio.run(f(batch))",
    ),
    (
        {"inputs": 5},
        "inputs: expected entries that can be sliced (an array, tensor, frame or list, or a dict or tuple of "
        "arrays), got 5",
    ),
    ({"inputs": []}, "inputs: expected at least one entry, got none in a list of 0 items"),
    ({"inputs": {"a": [1, 2], "b": [1]}}, "inputs: expected parts of one length, got 2, 1"),
    (
        {"batch_size": 0},
        "batch_size: expected a whole number of entries per call or several, each at least 1, got 0",
    ),
    (
        {"batch_size": [1, 2.5]},
        "batch_size: expected a whole number of entries per call or several, each at least 1, "
        "got a list of 2 items",
    ),
    (
        {"batch_size": []},
        "batch_size: expected a whole number of entries per call or several, each at least 1, got []",
    ),
    (
        {"batch_size": [1, 32]},
        "batch_size: expected up to 4, the entries in inputs, got 32; hand over more inputs or "
        "smaller batches",
    ),
    ({"duration": 0}, "duration: expected seconds above 0, got 0"),
    ({"duration": "2"}, "duration: expected seconds above 0, got '2'"),
    ({"warmup": -1}, "warmup: expected a whole number of at least 0, got -1"),
    ({"seed": 0.5}, "seed: expected a whole number of at least 0, got 0.5"),
    (
        {"scenario": "ofline"},
        "scenario: expected one of single_stream, offline, server, got 'ofline' (did you mean offline?)",
    ),
    ({"scenario": None}, "scenario: expected one of single_stream, offline, server, got None"),
    (
        {"rate": 10},
        "rate: belongs to scenario 'server', got 10 with scenario 'single_stream'; leave it out or say "
        "scenario='server'",
    ),
    (
        {"scenario": "offline", "p99_bound": 0.1},
        "p99_bound: belongs to scenario 'server', got 0.1 with scenario 'offline'; leave it out or say "
        "scenario='server'",
    ),
    (
        {"scenario": "server"},
        "rate: scenario 'server' needs the calls per second that arrive, rate=100, or p99_bound=0.05 to find "
        "the highest rate that keeps p99 under so many seconds; got neither",
    ),
    ({"scenario": "server", "rate": -1}, "rate: expected calls per second above 0, got -1"),
    (
        {"scenario": "server", "p99_bound": math.nan},
        "p99_bound: expected seconds above 0, got nan",
    ),
    (
        {"scenario": "server", "rate": 1e7},
        "rate: expected up to 5,000,000 calls in all, got 1e+07 calls per second for 2 s; "
        "lower rate or duration",
    ),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_a_wrong_argument_is_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    """Each wrong argument is named with what came and what is allowed; nothing is called."""
    called: list[object] = []
    options = {"call": called.append, "inputs": [1, 2, 3, 4], "batch_size": 1, **wrong}
    with pytest.raises(PlanError) as raised:
        e2e.latency(options.pop("call"), options.pop("inputs"), **options)

    assert (str(raised.value), called) == (sentence, [])
    assert isinstance(raised.value, ValueError)


def test_inputs_that_refuse_to_be_sliced() -> None:
    """A data set that knows single entries only is said, with what would do."""

    class Data:
        def __len__(self) -> int:
            return 4

        def __getitem__(self, at: int) -> int:
            return [1, 2, 3, 4].index(at)

    with pytest.raises(PlanError) as raised:
        e2e.latency(len, Data(), batch_size=2)

    assert str(raised.value) == (
        "inputs: a Data can't be sliced as inputs[0:2] (ValueError: slice(0, 2, None) is not in list); "
        "hand over an array, tensor, frame or list"
    )


def test_the_text_form(clock: Simulated) -> None:
    """In a terminal the result is a table with the reasons below it."""
    assert repr(timed(clock, 10 * MS, size=[1, 8], duration=10.0)) == (
        "latency, single_stream\n"
        "  batch  calls    p50    p90    p95    p99   mean     throughput\n"
        "      1  1,000  10 ms  10 ms  10 ms  10 ms  10 ms  100 entries/s\n"
        "      8  1,000  10 ms  10 ms  10 ms  10 ms  10 ms  800 entries/s\n"
        "  no energy per entry: no counters in a simulation\n"
        "  MLPerf's counts that 1,000 calls meet: p90 early stopping, p99 early stopping (early stopping: 64 "
        "and 662; full: 24,576 and 270,336)"
    )


def test_the_card_and_the_chart(clock: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook the result is a table with a picture; a chart that fails costs only itself."""
    found = timed(clock, 10 * MS, size=[1, 8], duration=1.0)
    ax = found.plot()

    assert [text.get_text() for text in ax.texts] == ["batch 1", "batch 8"]
    assert ax._repr_html_().startswith('<img class="e2e-chart" alt="')  # type: ignore[attr-defined]
    html = found._repr_html_()
    assert ">800 entries/s</td>" in html
    assert "data:image/png;base64," in html
    monkeypatch.setattr(found, "plot", lambda: 1 / 0)
    assert "the chart could not be drawn (ZeroDivisionError: division by zero)" in found._repr_html_()


def test_a_gpu_is_waited_for(clock: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that a framework has only handed to a GPU is in the latency."""
    monkeypatch.setattr(timing, "hands_work_on", lambda: True)
    monkeypatch.setattr(timing.cuda_work, "synchronise", clock.call(30 * MS).__get__(0))

    assert timed(clock, 10 * MS, duration=6.0).frame["p95_s"].item() == pytest.approx(0.04)


def test_the_real_clock_waits_for_the_moment() -> None:
    """Waiting ends at the moment, never before it, and soon after."""
    clock = Clock()
    late = []
    for _ in range(20):
        until = clock.now() + 2 * MS
        clock.wait(until)
        late.append(clock.now() - until)

    assert min(late) >= 0
    assert np.median(late) < MS


def test_a_real_model() -> None:
    """A scikit-learn classifier is timed over its batch sizes, with all percentiles and a chart."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(7)
    x = rng.normal(size=(256, 8))
    model = LogisticRegression().fit(x, (x[:, 0] > 0).astype(int))
    found = e2e.latency(model.predict, x, duration=0.5)
    frame = found.frame

    assert frame["batch_size"].tolist() == [1, 8, 32]
    assert (frame["calls"] > 10).all()
    assert (frame["p50_s"] > 0).all()
    assert (frame["p50_s"] <= frame["p90_s"]).all()
    assert (frame["p90_s"] <= frame["p99_s"].fillna(np.inf)).all()
    assert len(found.plot().texts) == 3
    served = e2e.latency(
        model.predict, x, batch_size=8, duration=0.5, scenario="server", rate=300
    ).frame.iloc[0]
    assert served["throughput_per_s"] > 0
    assert served["p50_s"] > 0
