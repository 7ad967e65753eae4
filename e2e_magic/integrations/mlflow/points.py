"""A trial in MLflow's terms: steps, moments, names, texts of allowed length."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from e2e_magic.record import Record, Series
from e2e_magic.text import shorten

# The most characters of MLflow's texts.
LONGEST_NAME = 250
LONGEST_PARAM = 500
LONGEST_TAG = 5000
# Of all samples of an export; each curve keeps its peaks.
MOST_SAMPLES = 40_000
MOST_PER_CURVE = 200
LEAST_PER_CURVE = 20


def trial_key(record: Record) -> str:
    """Return the key that identifies a trial within its run."""
    return cut(f"{record.trial} {record.stage}", LONGEST_TAG)


def milliseconds(record: Record) -> int:
    """Return when a trial began, in milliseconds since 1970."""
    return round((record.started_at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def after(start: int, seconds: float) -> int:
    """Return a moment in milliseconds; the start itself where the seconds are no time to add."""
    return start + round(1000 * seconds) if 0 <= seconds < 1e9 else start


def curves_of(record: Record) -> Iterator[tuple[str, tuple[list[int], list[float], list[float]]]]:
    """Yield what was logged or handed back per epoch: steps, seconds, values."""
    events = record.events
    epochs = [round(e) if math.isfinite(e) else n + 1 for n, e in enumerate(events.epoch)]
    for name, column in events.values.items():
        rows = [n for n, value in enumerate(column) if not math.isnan(value)]
        if rows:
            yield (
                name,
                ([epochs[n] for n in rows], [events.t_s[n] for n in rows], [column[n] for n in rows]),
            )
    for name in ("loss", "accuracy"):
        listed = record.reported.get(name)
        if isinstance(listed, list) and listed and name not in events.values:
            yield name, (list(range(1, len(listed) + 1)), [0.0] * len(listed), [float(v) for v in listed])


def thinned(series: Series, most: int) -> Iterator[tuple[float, float]]:
    """Yield at most `most` points of a curve: of each stretch its lowest and its highest."""
    points = [(t, value) for t, value in series if not math.isnan(value)]
    if len(points) <= most:
        yield from points
        return
    stretches = most // 2
    for n in range(stretches):
        part = points[n * len(points) // stretches : (n + 1) * len(points) // stretches]
        ends = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        yield from sorted(ends)


class Names:
    """Spell names as MLflow accepts them, no two alike."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def of(self, name: str) -> str:
        """Return the name, or the nearest spelling that is allowed and free."""
        plain = re.sub(r"[^\w.\- ]", "_", name, flags=re.ASCII)[: LONGEST_NAME - 8].strip() or "_"
        plain = plain if plain.strip(".") else "_"
        spelling, n = plain, 2
        while spelling in self.taken:
            spelling, n = f"{plain}_{n}", n + 1
        self.taken.add(spelling)
        return spelling


def tags_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags as MLflow takes them; empty ones are left out."""
    return {name: cut(value, LONGEST_TAG) for name, value in tags.items() if value}


def spelled_out(value: object) -> str:
    """Return a parameter's value as text."""
    return value if isinstance(value, str) else repr(value)


def cut(text: str, longest: int) -> str:
    """Return a text that UTF-8 can hold, of at most so many characters."""
    printable = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "�")
    return shorten(printable, longest)


def quoted(text: str) -> str:
    """Return a text with quotes replaced, which MLflow's search has no way to escape."""
    return text.replace("'", "_")
