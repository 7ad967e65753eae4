"""Hypothesis strategies for the package's words: records as a kernel may leave them, and worse."""

from __future__ import annotations

from array import array
from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from e2e_magic.record import STATES, Events, Reason, Record, Series

# Any float, with those that JSON doesn't know.
numbers = st.floats()
# Text that breaks formats: markup, separators, formulas, controls, lone halves of characters left out.
hostile = st.sampled_from(
    [
        "",
        " ",
        "nan",
        "__float__",
        "__tuple__",
        "__pairs__",
        "<b>&",
        "'; --",
        "=1+1",
        "a,b\n",
        "\0",
        "\u202e",
        "é",
        "🐍",
    ]
)
words = hostile | st.text(max_size=8)
reasons = st.builds(Reason, words, words, words)
scalars = st.none() | st.booleans() | st.integers() | numbers | words


def plain_data(keys: st.SearchStrategy[Any] = words) -> st.SearchStrategy[Any]:
    """Make what a record may hold: scalars, lists, tuples and mappings of them."""
    return st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(keys, inner, max_size=3)
        ),
        max_leaves=6,
    )


@st.composite
def series(draw: st.DrawFn) -> Series:
    """Make a sampled curve, also an empty one."""
    points = draw(st.lists(st.tuples(st.floats(0, 1e6), numbers), max_size=5))
    return Series.of([t for t, _ in points], [value for _, value in points])


@st.composite
def events(draw: st.DrawFn, keys: st.SearchStrategy[str] = words) -> Events:
    """Make a log whose times never go back; a row may lack a key (NaN)."""
    times = sorted(draw(st.lists(st.floats(0, 1e6), max_size=5)))
    epochs = draw(
        st.lists(st.floats(1, 1e6) | st.just(float("nan")), min_size=len(times), max_size=len(times))
    )
    values = draw(
        st.dictionaries(
            keys,
            st.lists(numbers, min_size=len(times), max_size=len(times)).map(lambda v: array("d", v)),
            max_size=3,
        )
    )
    return Events(array("d", times), array("d", epochs), values, draw(st.integers(0, 3)))


counts = st.integers(0, 1000)
matrices = st.integers(1, 4).flatmap(
    lambda size: st.lists(st.lists(counts, min_size=size, max_size=size), min_size=size, max_size=size)
)
shares = st.floats(0, 1)
# What `reported.collect` lets into a record.
reported = st.fixed_dictionaries(
    {},
    optional={
        "loss": numbers | st.lists(numbers, min_size=1, max_size=4),
        "accuracy": numbers | st.lists(numbers, min_size=1, max_size=4),
        "target_accuracy": st.floats(0, 100, exclude_min=True),
        "entries": st.integers(1, 10**9),
        "confusion": matrices,
        "binary": st.dictionaries(
            st.sampled_from(["TP", "TN", "FP", "FN", "0_class", "1_class"]), counts.map(float)
        )
        | st.dictionaries(st.sampled_from(["recall", "precision", "accuracy", "f1_score"]), shares),
        "scores": st.fixed_dictionaries({"roc_auc": shares}),
    },
)
_measured = st.floats(0, 1e9)
readings = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("wall_time_s", "cpu_time_s", "rss_start_mib", "rss_end_mib", "package_energy_j", "gpu_energy_j"),
            _measured,
        ),
        "energy_source": words,
    },
)


def records(
    reported: st.SearchStrategy[Any] = reported, logged: st.SearchStrategy[str] = words
) -> st.SearchStrategy[Record]:
    """Make any record: each part may be empty, odd or hostile."""
    return st.builds(
        Record,
        run=words,
        stage=words,
        trial=st.integers(1, 10**6),
        repeat=st.integers(1, 10**6),
        state=st.sampled_from(STATES),
        started_at=st.datetimes(timezones=st.just(UTC)),
        error=st.none() | words,
        sweep=st.none() | words,
        params=st.dictionaries(words, plain_data(), max_size=3),
        readings=readings,
        series=st.dictionaries(words, series(), max_size=3),
        events=events(logged),
        reported=reported,
        missing=st.dictionaries(words, reasons, max_size=3),
        source=st.none() | words,
        host=words,
        concurrent=st.booleans(),
    )
