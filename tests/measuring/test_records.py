"""Records kept packed are the same records."""

from __future__ import annotations

import math
import threading
from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from e2e_magic.measuring.records import PACK, Records
from e2e_magic.record import Events, Lines, Reason, Record, Series

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


def record(n: int, **more: Any) -> Record:
    """Return a record that has something of everything."""
    return Record(
        run="r",
        stage="train",
        trial=n,
        repeat=1,
        state="complete",
        started_at=NOW + timedelta(seconds=n),
        params={"lr": n / 10, "name": "a", "none": None},
        readings={"wall_time_s": n / 7, "samples": n, "energy_source": "rapl"},
        series={"rss_mib": Series.of([0.0, 0.1], [float(n), 2.0]), "none": Series.of([], [])},
        reported={"loss": float(n), "cold": n == 0, "classes": ["a", "b"]},
        missing={"gpu": Reason("no GPU", "no GPU")},
        source="x",
        **more,
    )


class Unpicklable:
    """A parameter that stays the object that it is."""

    def __reduce__(self) -> str:
        raise TypeError("not this one")


def test_older_records_come_back_as_they_were() -> None:
    """Whatever a record has, a log, lines, parameters that can't be pickled: it is there again."""
    alike = [record(n) for n in range(2 * PACK)]
    alike[3] = replace(
        alike[3], events=Events(array("d", [0.5]), array("d", [1.0]), {"loss": array("d", [2.0])})
    )
    alike[4] = replace(alike[4], lines=Lines(*[array("d", [1.0])] * 6, (("f", 1, "x"),), 0.1), error="No: no")
    alike[5] = replace(alike[5], readings={}, series={}, missing={}, params={})
    alike[6] = replace(alike[6], params={"model": Unpicklable(), "f": lambda: 1})
    kept = Records(alike)

    assert len(kept._packs) == 1, "half of them are packed"
    assert list(kept) == alike
    assert kept == alike
    assert kept[-1] is alike[-1]
    assert kept[0] == alike[0]
    assert kept[PACK - 1 : PACK + 1] == alike[PACK - 1 : PACK + 1]
    assert kept[6].params["model"] is alike[6].params["model"]
    assert dict(kept[0].series) == dict(alike[0].series)


def test_a_packed_record_takes_a_twentieth_of_its_memory() -> None:
    """It takes less than 300 bytes; as an object it takes 6 KiB."""
    kept = Records(record(n) for n in range(2 * PACK))
    assert len(kept._packs[0]._data) / PACK < 300


def test_nan_and_infinity_come_back() -> None:
    """Numbers are kept as they are."""
    kept = Records(
        [replace(record(n), readings={"loss": math.nan, "much": math.inf}) for n in range(2 * PACK)]
    )
    assert math.isnan(kept[0].readings["loss"])  # type: ignore[arg-type]
    assert kept[0].readings["much"] == math.inf


def test_records_that_cannot_be_packed_stay() -> None:
    """Nothing is lost where a value can't be pickled."""
    odd = [replace(record(n), reported={"loss": Unpicklable()}) for n in range(2 * PACK)]
    kept = Records(odd)
    assert list(kept) == odd
    assert kept[0] is odd[0]


def test_records_are_exchanged_and_dropped() -> None:
    """A cell's record is exchanged when its display is over; a run may be deleted."""
    kept = Records(record(n) for n in range(2 * PACK))
    last = kept[-1]
    other = replace(last, error="E: other")
    kept.exchange(last, other)
    assert kept[-1] is other
    kept.drop(lambda each: each.trial % 2 == 0)
    assert [each.trial for each in kept] == list(range(1, 2 * PACK, 2))


def test_threads_add_while_another_reads() -> None:
    """A reader misses none of those that were there when it began."""
    kept = Records()
    threads = [
        threading.Thread(target=lambda: [kept.append(record(n)) for n in range(PACK)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen = len(kept)
        assert len(list(kept)) >= seen
    assert len(kept) == len(list(kept)) == 4 * PACK
