"""One recording: when samples are due, which are missed, what counters add up to, what gets lost."""

from __future__ import annotations

import os
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.measuring.sampler.descendants import Pace
from e2e_magic.measuring.sampler.files import Spec
from e2e_magic.measuring.sampler.rates import Rate
from e2e_magic.measuring.sampler.readers import READERS
from e2e_magic.measuring.sampler.recorder import WATCH_NS, Recorder

S = 1_000_000_000


def write(path: Path, text: object) -> None:
    """Replace the file at once, as a reader of /sys would see it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{text}\n")
    fresh.replace(path)


def numbers(data: bytes) -> list[float]:
    """Unpack what goes over the wire."""
    found = array("d")
    found.frombytes(data)
    return list(found)


def recorder(*specs: Spec, interval_ns: int = S, now_ns: int = 0) -> Recorder:
    """Make a recording on a clock by hand."""
    return Recorder(specs, READERS, interval_ns, 0, now_ns)


def counter(path: Path, wrap: float = 0.0, scale: float = 1.0) -> Spec:
    """Make the probe of a counter."""
    return Spec("power", "counter", str(path), scale, wrap, interval_ns=S)


@given(st.lists(st.integers(1, 5 * S), max_size=30), st.integers(S // 1000, S))
def test_every_due_instant_is_taken_or_missed(waits: list[int], interval_ns: int) -> None:
    """However late the wakes come, samples and missed ones add up to the instants that were due."""
    one = recorder(interval_ns=interval_ns)
    now = 0
    for wait in waits:
        now += wait
        if now >= one.next_ns():
            one.wake(now)

    assert now // interval_ns + 1 == one.samples + one.missed
    assert now < one.next_ns() <= now + interval_ns


def test_the_last_sample_is_extra() -> None:
    """A stop between two due instants takes one more sample and misses none."""
    one = recorder()
    one.sample(S // 2, last=True)

    assert (one.samples, one.missed) == (2, 0)


@pytest.mark.parametrize(
    ("reads", "total"),
    [
        ([100, 350, 900], 800.0),
        ([100, 900, 50], 950.0),
        ([100, 900, 700, 500, 300], 3200.0),
    ],
    ids=["no wrap", "one wrap", "three wraps"],
)
def test_a_counter_adds_up_over_wraps(tmp_path: Path, reads: list[int], total: float) -> None:
    """A counter of range 1000 that starts again at 0 none, one or three times gives its true increase."""
    path = tmp_path / "energy_uj"
    write(path, reads[0])
    one = recorder(counter(path, wrap=1000, scale=0.5))
    for n, value in enumerate(reads[1:], 1):
        write(path, value)
        one.wake(n * S)
    state = one.state()
    times, rates = map(numbers, state["series"]["power"])

    assert {"power": total / 2} == state["totals"]
    assert list(map(float, range(1, len(reads)))) == times
    assert sum(rates) == total / 2
    assert state["lost"] == {}


def test_a_rate_is_told_over_many_steps_of_its_counter(tmp_path: Path) -> None:
    """Sampled as often as it moves, a counter shows two steps or none: no power was ever twice as high."""
    path = tmp_path / "energy_uj"
    write(path, 0)
    spec = Spec("power", "counter", str(path), 1e-6, step_s=0.001, interval_ns=S // 1000)
    one = recorder(spec, interval_ns=S // 1000)
    moved = 0
    for ms in range(1, 101):
        moved += (2 if ms % 2 else 0) * 50_000  # 50 J each second, in uneven steps
        write(path, moved)
        one.wake(ms * S // 1000)

    t_s, watts = map(numbers, one.state()["series"]["power"])
    assert t_s == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert watts == pytest.approx([50] * 5)


def test_a_counter_that_runs_backwards_without_a_range_is_lost(tmp_path: Path) -> None:
    """Without a known range a fall can't be counted: no total, and the reason is told."""
    path = tmp_path / "energy_uj"
    write(path, 900)
    one = recorder(counter(path))
    write(path, 20)
    one.wake(S)
    state = one.state()

    assert state["totals"] == {}
    assert {"power": f"{path} went back from 900 to 20, and its range is not known"} == state["lost"]


def test_a_slow_recording_still_watches_its_counters(tmp_path: Path) -> None:
    """At one sample a minute a counter is read each 10 s, so no wrap in between is missed."""
    path = tmp_path / "energy_uj"
    write(path, 0)
    one = recorder(counter(path, wrap=1000), interval_ns=60 * S)
    for n in range(1, 7):
        write(path, (n * 700) % 1000)

        assert n * WATCH_NS >= one.next_ns()
        one.wake(n * WATCH_NS)

    assert one.state()["totals"] == {"power": 4200.0}
    assert one.samples == 2


def test_a_file_is_scaled_and_followed(tmp_path: Path) -> None:
    """The number in a file, times the scale, also after the file was replaced."""
    path = tmp_path / "temperature"
    write(path, 41_000)
    one = recorder(Spec("celsius", "file", str(path), 0.001))
    write(path, 42_500)
    one.wake(S)

    assert list(map(numbers, one.state()["series"]["celsius"])) == [[0.0, 1.0], [41.0, 42.5]]


@pytest.mark.parametrize("kind", ["file", "counter"])
def test_a_vanished_file_ends_its_metric_only(tmp_path: Path, kind: str) -> None:
    """What was read before is kept, no total is given, the reason is told, other metrics go on."""
    gone, stays = tmp_path / "gone", tmp_path / "stays"
    write(gone, 1)
    write(stays, 2)
    one = recorder(Spec("a", kind, str(gone), interval_ns=S), Spec("b", "file", str(stays)))
    gone.unlink()
    one.wake(S)
    one.wake(2 * S)
    state = one.state()

    assert {"a": f"{gone} can't be read: No such file or directory"} == state["lost"]
    assert state["totals"] == {}
    assert numbers(state["series"]["b"][1]) == [2.0, 2.0, 2.0]


def test_what_never_was_there_is_lost_from_the_start(tmp_path: Path) -> None:
    """A missing file, a text and an unknown kind each cost their own metric and say why."""
    text = tmp_path / "text"
    write(text, "hot")
    one = recorder(
        Spec("a", "file", str(tmp_path / "none")), Spec("b", "file", str(text)), Spec("c", "telepathy")
    )

    assert {
        "a": f"{tmp_path / 'none'} can't be read: No such file or directory",
        "b": f"{text} holds b'hot', not a number",
        "c": "the sampler has no reader of kind 'telepathy'",
    } == one.lost


def test_a_file_that_is_being_written_costs_one_sample(tmp_path: Path) -> None:
    """An empty moment is no loss."""
    path = tmp_path / "slow"
    path.write_text("5\n")
    one = recorder(Spec("a", "file", str(path)))
    path.write_text("")
    one.wake(S)
    path.write_text("6\n")
    one.wake(2 * S)

    assert list(map(numbers, one.state()["series"]["a"])) == [[0.0, 2.0], [5.0, 6.0]]
    assert one.lost == {}


def test_a_closed_recording_holds_no_file() -> None:
    """Descriptors are given back."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    specs = [
        Spec(k, k, pid=os.getpid(), interval_ns=S) for k in ("rss", "tree_rss", "cpu", "io_read", "io_write")
    ]
    one = recorder(*specs)

    assert one.lost == {}
    assert before + 3 == len(list(Path("/proc/self/fd").iterdir()))  # statm, stat and io, once each
    one.close()
    assert before == len(list(Path("/proc/self/fd").iterdir()))


def test_a_rate_holds_back_what_came_too_fast() -> None:
    """A read right after the last sample gives no value, and its increase is in the next one."""
    rate = Rate(S)
    rate.at(0)
    rate.grow(3.0)
    first = rate.at(S)
    rate.grow(1.0)
    soon = rate.at(S + S // 1000, last=True)
    rate.grow(1.0)

    assert (first, soon, rate.at(2 * S)) == (3.0, None, 2.0)


def test_a_short_recording_has_one_rate() -> None:
    """Where start and stop are all there is, they give a value, however close they are."""
    rate = Rate(S)
    rate.at(0)
    rate.grow(1.0)

    assert rate.at(S // 100, last=True) == 100.0


def test_a_rate_above_its_ceiling_comes_in_parts() -> None:
    """Two seconds of a child's CPU time that arrive at once are not shown as more cores than there are."""
    rate = Rate(S, ceiling=1.0)
    rate.at(0)
    rate.grow(1.5)

    assert [rate.at(n * S) for n in (1, 2, 3)] == [1.0, 0.5, 0.0]


def test_a_costly_look_is_not_repeated_soon() -> None:
    """A look that used 2 ms waits for 200 ms from its start, whatever asks, however long it took."""
    instants = iter([0, 100_000_000, 199_999_999, 200_000_000])
    used = iter([7_000_000, 9_000_000, 9_000_000])
    pace = Pace(clock=lambda: next(instants), used=lambda: next(used))
    first = pace.due()
    pace.done()

    assert [first, *(pace.due() for _ in range(3))] == [True, False, False, True]
