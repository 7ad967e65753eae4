"""Each rule at its threshold and just below it; on real code: `tests/measuring/test_evidence.py`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived import findings as rules
from e2e_magic.derived.findings import Finding, findings, verdict
from e2e_magic.record import Events, Record, Series

# Half a core for a second, on a machine with four: nothing stands out.
READINGS = {"wall_time_s": 1.0, "cpu_time_s": 0.6, "waited_s": 0.0, "peak_rss_mib": 100.0}
EVIDENCE = {
    "cores": 4,
    "looked_s": 1.0,
    "ran_s": 0.6,
    "ready_s": 0.0,
    "threads": 8,
    "threads_running": 1.0,
    "started_threads": 1,
    "disk_share": 0.0,
    "io_stall_s": 0.0,
    "memory_limit_mib": 1000.0,
    "swapped_mib": 0.0,
    "voluntary_switches": 5,
    "involuntary_switches": 5,
    "major_faults": 0,
    "gc_s": 0.01,
    "collections": 3,
}
Numbers = dict[str, Any]


def record(repeat: int = 1, **numbers: Any) -> Record:
    """Make a trial; what is not named is as in a cell in which nothing stands out."""
    read = {**READINGS, **{n: v for n, v in numbers.items() if n not in EVIDENCE}}
    own = {"events", "series", "concurrent", "state"}
    more = {"throttled_s", "cpu_limit", "loading_s", "loop_s", "imports", "pools"}
    seen = {**EVIDENCE, **{n: v for n, v in numbers.items() if n in EVIDENCE or n in more}}
    return Record(
        run="r",
        stage="train",
        trial=repeat,
        repeat=repeat,
        state=numbers.get("state", "complete"),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        readings={n: v for n, v in read.items() if n not in own | more},
        series=numbers.get("series", {}),
        events=numbers.get("events", Events()),
        reported={"evidence": seen},
        concurrent=numbers.get("concurrent", False),
    )


def names(*records: Record) -> list[str]:
    """Return the rules that speak, the largest first."""
    return [each.rule for each in findings(records)]


def epochs(steps: list[float], start: float = 100.0) -> Numbers:
    """Make a training of an epoch a second, whose memory grows by these steps (MiB), one an epoch."""
    sizes = [start]
    for step in steps:
        sizes.append(sizes[-1] + step)
    ends = [float(n) for n in range(1, len(steps) + 1)]
    curve = Series.of(
        [0.0, *(t for end in ends for t in (end - 0.5, end))], [start, *(s for s in sizes[1:] for _ in "ab")]
    )
    log = Events(Series.of(ends, ends).t_s, Series.of(ends, ends).value, {})
    return {"events": log, "series": {"rss_mib": curve}, "wall_time_s": float(len(steps)), "cpu_time_s": 3.0}


LOCKED = {"threads_running": 1.7, "voluntary_switches": 100, "cpu_time_s": 1.0, "ran_s": 1.0}
SERIAL = {"cpu_time_s": 0.8, "ran_s": 0.8}
CROWD = {
    "waited_s": 0.2, "cpu_time_s": 1.8, "cores": 2, "ran_s": 1.8, "ready_s": 0.71, "threads_running": 2.1,
}  # fmt: skip
BUSY = {"waited_s": 0.1, "cpu_time_s": 0.6, "ready_s": 0.1}
LIMITED = {"throttled_s": 0.1, "cpu_limit": 0.5, "cpu_time_s": 0.5, "ran_s": 0.5}
LOADER = {"loading_s": 0.3, "loop_s": 1.0}
IDLE = {"cpu_time_s": 0.25, "waited_s": 0.25, "ran_s": 0.25}
DISK = {"cpu_time_s": 0.1, "ran_s": 0.1, "disk_share": 0.2, "read_mib": 30.0}
FAULTS = {"cpu_time_s": 0.1, "ran_s": 0.1, "major_faults": 100}
GPU = {"gpu_percent": 29.9, "torch_peak_memory_mib": 500.0}
IMPORTING = {"imports": {"pandas": 0.3, "torch": 0.2}}
STEADY = [9.0, 9.0, 5.0, 5.0, 5.0, 5.0]
GROWING = {**epochs(STEADY), "ran_s": 0.6, "cpu_time_s": 3.0}

# Rule, numbers at which it speaks, and changes of them, each of which silences it.
CASES: list[tuple[str, Numbers, list[Numbers]]] = [
    (
        "interpreter lock",
        LOCKED,
        [
            {"threads_running": 1.69},
            {"started_threads": 0},  # those of a C library
            {"voluntary_switches": 99},
            {"cores": 1},
            {"ran_s": 1.21, "cpu_time_s": 1.0},  # they ran side by side
            {"ran_s": 0.7, "ready_s": 0.0},
            {"ran_s": 1.0, "ready_s": 0.41},  # other programs had the cores
            {"cpu_time_s": 1.21},  # children worked beside it
        ],
    ),
    (
        "one core",
        SERIAL,
        [
            {"cpu_time_s": 0.79},
            {"cpu_time_s": 1.21},
            {"wall_time_s": 0.99},
            {"cores": 1},
            {"cpu_limit": 1.0},
            {"waited_s": 0.11},
            {"concurrent": True},
            {"gpu_percent": 30.0},
            {"imports": {"numpy": 0.01}},  # less than a second is left
            LOCKED,
        ],
    ),
    (
        "more threads than cores",
        CROWD,
        [
            {"ready_s": 0.69},
            {"threads_running": 2.0},
            {"cpu_limit": 0.5, "ran_s": 0.5, "ready_s": 0.9},  # one thread and a half
            {"waited_s": 0.19},
            {"throttled_s": 0.1, "cpu_limit": 2.0},
        ],
    ),
    ("waiting for a core", BUSY, [{"waited_s": 0.099}, {"cpu_time_s": 0.91}, LIMITED, CROWD]),
    ("CPU limit", LIMITED, [{"throttled_s": 0.099}]),
    ("waiting for the loader", LOADER, [{"loading_s": 0.299}, {"loading_s": 0.09, "loop_s": 0.099}]),
    (
        "waiting",
        IDLE,
        [
            {"cpu_time_s": 0.251},
            {"waited_s": 0.251},
            {"disk_share": 0.2},
            {"gpu_percent": 30.0},
            LOADER,
        ],
    ),
    ("waiting for a disk", DISK, [{"disk_share": 0.19}, {"cpu_time_s": 0.51}]),
    ("waiting for a disk", FAULTS, [{"major_faults": 99}]),
    ("idle GPU", GPU, [{"gpu_percent": 30.0}, {"torch_peak_memory_mib": 0.0}]),
    ("close to the memory limit", {"peak_rss_mib": 900.0}, [{"peak_rss_mib": 899.0}]),
    ("close to the memory limit", {"peak_tree_pss_mib": 900.0}, [{"peak_tree_pss_mib": 899.0}]),
    ("swapping", {"swapped_mib": 32.0, "major_faults": 50}, [{"swapped_mib": 31.9}, {"major_faults": 49}]),
    (
        "memory grows",
        GROWING,
        [
            epochs([0.0, 0.0, 4.9, 4.9, 5.0, 5.0]),  # 19.8 MiB in all
            epochs([9.0, 9.0, 50.0, 0.4, 0.4, 0.4]),
            epochs([9.0, 9.0, 20.0, 20.0, 9.0, 9.0]),  # a cache that fills
            epochs([9.0, 9.0, 30.0, -1.0, 30.0, -1.0]),
            epochs([9.0, 9.0, 30.0, 30.0, 30.0]),  # too few epochs
        ],
    ),
    ("import", IMPORTING, [{"imports": {"pandas": 0.499}}, {"wall_time_s": 1.01}]),
    ("garbage collection", {"gc_s": 0.1}, [{"gc_s": 0.099}]),
]


@pytest.mark.parametrize(("rule", "at", "below"), CASES, ids=[case[0] for case in CASES])
def test_a_rule_speaks_at_its_threshold_and_not_below(rule: str, at: Numbers, below: list[Numbers]) -> None:
    """From both sides, one number at a time."""
    assert rule in names(record(**at))
    for change in below:
        assert rule not in names(record(**{**at, **change})), change


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_code_shorter_than_two_looks_is_not_judged(case: tuple[str, Numbers, list[Numbers]]) -> None:
    """Everything a hundred times as short, with the same shares, says nothing; at 0.2 s it would."""
    _, at, _ = case
    short = record(**{**at, "wall_time_s": 0.199})

    assert not findings([short])
    assert verdict([short]) == "too short to tell (199 ms, and 200 ms are needed)"


def test_nothing_stands_out_is_an_answer() -> None:
    """As in most cells; and without evidence, as in rows of before, no rule guesses."""
    old = record()
    bare = Record("r", "s", 1, 1, "complete", old.started_at, readings=READINGS)

    assert findings([old]) == findings([bare]) == findings([]) == []
    assert verdict([old]) == verdict([bare]) == "nothing stands out"
    assert verdict([Record("r", "s", 1, 1, "failed", old.started_at)]) == "its time was not measured"


WARM = (0.75, 0.5, 0.5)


@pytest.mark.parametrize(
    ("walls", "speaks"),
    [
        (WARM, True),
        ((0.749, 0.5, 0.5), False),
        ((0.75, 0.5), False),
        ((0.75, 0.5, 0.5, 0.63), False),  # others are nearly as long
        ((0.029, 0.0191, 0.0191), False),  # less than 10 ms more
        ((0.0301, 0.02, 0.02), True),
    ],
)
def test_the_first_repeat_against_the_others(walls: tuple[float, ...], speaks: bool) -> None:
    """Half as much again, above the longest of the others, and by more than nobody would wait for."""
    repeats = [record(n, wall_time_s=wall, cpu_time_s=wall * 0.6) for n, wall in enumerate(walls, 1)]

    assert ("warm-up" in names(*repeats)) is speaks


@pytest.mark.parametrize(("waited_s", "speaks"), [(0.126, False), (0.124, True)])
def test_a_first_repeat_that_waited_for_a_core_is_no_warm_up(waited_s: float, speaks: bool) -> None:
    """Where other programs took half of its excess, running it once unmeasured would help nothing."""
    first = record(1, wall_time_s=0.75, cpu_time_s=0.3, waited_s=waited_s)
    others = [record(n, wall_time_s=0.5, cpu_time_s=0.3, waited_s=0.0) for n in (2, 3)]

    assert ("warm-up" in names(first, *others)) is speaks


def test_a_warm_up_that_imported_says_what() -> None:
    """Else the caches, compilers and connections of the code did it; a repeat that failed is no measure."""
    first = record(1, wall_time_s=1.2, imports={"pandas": 0.9}, cpu_time_s=0.6)
    others = [record(n, wall_time_s=0.3, cpu_time_s=0.2) for n in (2, 3)]

    assert [each.sentence for each in findings([first, *others])] == [
        "the first of 3 repeats took 4 times as long as the others (1.2 s against 300 ms): it imported pandas"
    ]
    assert not findings([record(1, wall_time_s=1.2, state="failed"), *others])


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (
            LOCKED,
            "about 2 threads took turns on one core of 4 (100 switches a second): Python's interpreter lock "
            "lets one run at a time",
        ),
        (SERIAL, "one core of 4 was busy for the 1 s (80 % of one)"),
        (
            {**CROWD, "pools": {"openblas": 32}},
            "its threads wanted 2.51 cores and 2 are there: they waited 10 % of the time they could have run "
            "(pools of threads: openblas 32)",
        ),
        (
            BUSY,
            "it waited 100 ms for a free core, 14 % of the time it could have run: other programs used them",
        ),
        (
            {**BUSY, "waited_s": 1.4},
            "its threads together waited 1.4 s for a free core, 70 % of the time it could have run: other "
            "programs used them",
        ),
        (
            {**BUSY, "concurrent": True},
            "it waited 100 ms for a free core, 14 % of the time it could have run: other trials, or other "
            "programs, used them",
        ),
        (
            LIMITED,
            "the limit of 0.5 cores of its control group stopped it for 100 ms, added over cores",
        ),
        (LOADER, "the loader took 30 % of the loop (300 ms of 1 s inside next() of track)"),
        (
            IDLE,
            "nothing was computed for 50 % of the 1 s: it waited for a network, a sleep, a lock or another "
            "process",
        ),
        (
            {**IDLE, "io_stall_s": 0.2},
            "nothing was computed for 50 % of the 1 s: it waited for a network, a sleep, a lock or another "
            "process, or for a disk (programs stood still for one 20 % of the time)",
        ),
        (
            {**DISK, **FAULTS},
            "nothing was computed for 90 % of the 1 s: it waited for a disk (seen at 20 % of the looks, "
            "100 faults a second that read a page, 30 MiB read and written)",
        ),
        (GPU, "the GPU worked 29.9 % of the time, though torch holds 500 MiB on it"),
        (
            {"peak_rss_mib": 900.0},
            "the peak of 900 MiB is 90 % of the 1,000 MiB that it may use: a little more, and the kernel is "
            "killed",
        ),
        (
            {"swapped_mib": 32.0, "major_faults": 1500},
            "32 MiB of its memory were swapped out, and 1,500 pages came back from disk one by one",
        ),
        (GROWING, "memory grew by about 5 MiB in each of 4 epochs: something keeps what an epoch makes"),
        (IMPORTING, "50 % of the time is import: pandas 300 ms, torch 200 ms"),
        (
            {"imports": {"json": 0.01, "torch": 0.4, "pandas": 0.3, "numpy": 0.1, "scipy": 0.09}},
            "90 % of the time is import: torch 400 ms, pandas 300 ms, numpy 100 ms",
        ),
        (
            {"gc_s": 0.2, "collections": 700},
            "the garbage collector took 20 % of the time (700 collections, 200 ms)",
        ),
    ],
)
def test_the_sentence_has_the_numbers_it_rests_on(numbers: Numbers, sentence: str) -> None:
    """Whole, as it stands on the card; each has a next step."""
    said = {each.sentence: each for each in findings([record(**numbers)])}

    assert sentence in said
    assert said[sentence].next_step
    assert said[sentence].numbers


def test_the_largest_comes_first() -> None:
    """By the share of the time that is at stake."""
    found = findings([record(**{**IMPORTING, "waited_s": 0.4, "cpu_time_s": 0.6})])

    assert [each.rule for each in found] == ["import", "waiting for a core"]


anything = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-5, 10**12)


packages = st.dictionaries(st.text(), anything, max_size=5)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys([*READINGS, "gpu_percent", "number"], anything)),
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys([*EVIDENCE, "loading_s", "loop_s", "throttled_s", "cpu_limit"], anything),
            "imports": packages,
            "pools": packages,
        },
    ),
)
def test_no_number_breaks_a_rule(readings: Numbers, evidence: Numbers) -> None:
    """A store is data from anybody: a rule speaks or is silent, with a share between 0 and 1."""
    old = record()
    any_record = Record(
        "r", "s", 1, 1, "complete", old.started_at, readings=readings, reported={"evidence": evidence}
    )

    for each in findings([any_record]):
        assert isinstance(each, Finding)
        assert 0 <= each.share <= 1
    assert verdict([any_record])


def test_each_rule_names_its_source() -> None:
    """In its docstring, for who doubts it."""
    for rule in (*rules.RULES, rules.overheads.warm_up):
        assert "Source" in str(rule.__doc__), rule
