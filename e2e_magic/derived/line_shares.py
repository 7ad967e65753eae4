"""What a record's lines tell: each one's share of the time, the hottest, what the counting took."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from e2e_magic.record import Lines, Record
from e2e_magic.text import percent

HOTTEST = 5
# A smaller share of the time is not worth a sentence.
LEAST_COUNTING = 0.01


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a listing.

    Attributes
    ----------
    number : int
        In the cell, or in its file.
    source : str
        As it was typed.
    hits : int
        How often it ran; 0 for one that did not.
    wall_s, share : float
        Its own time, and what share it is of that of all lines.
    peak_mib, delta_mib : float
        NaN where it was not read.
    hot : bool
        Whether it is one of the `HOTTEST` of its trial.
    """

    number: int
    source: str
    hits: int = 0
    wall_s: float = 0.0
    share: float = 0.0
    peak_mib: float = float("nan")
    delta_mib: float = float("nan")
    hot: bool = False


def listings(lines: Lines) -> list[tuple[str, list[Line]]]:
    """Return each listing's name and its lines, those that did not run too."""
    total = sum(lines.wall_s) or 1.0
    hottest = set(sorted(range(len(lines.line)), key=lambda n: -lines.wall_s[n])[:HOTTEST])
    found: list[tuple[str, list[Line]]] = []
    for place, (name, first, code) in enumerate(lines.listings):
        texts = dict(enumerate(code.split("\n"), first))
        rows = {number: Line(number, text) for number, text in texts.items()}
        for n in range(len(lines.line)):
            if lines.place[n] == place:
                number = int(lines.line[n])
                rows[number] = Line(
                    number,
                    texts.get(number, ""),
                    int(lines.hits[n]),
                    lines.wall_s[n],
                    lines.wall_s[n] / total,
                    lines.peak_mib[n],
                    lines.delta_mib[n],
                    n in hottest,
                )
        if any(row.hits for row in rows.values()):
            found.append((name, _without_blank_ends([rows[number] for number in sorted(rows)])))
    return found


def _without_blank_ends(rows: list[Line]) -> list[Line]:
    """Return the lines from the first to the last that has text."""
    written = [n for n, row in enumerate(rows) if row.source.strip() or row.hits]
    return rows[written[0] : written[-1] + 1] if written else []


def caveats(record: Record) -> list[str]:
    """Return in sentences what the counting took of the time, and what was not counted."""
    lines = record.lines
    if lines is None:
        return []
    wall = float(record.readings.get("wall_time_s", 0.0))
    sentences = list(lines.notes)
    if wall > 0 and not isnan(lines.counting_s) and lines.counting_s > LEAST_COUNTING * wall:
        share = percent(min(lines.counting_s / wall, 1.0))
        sentences.insert(0, f"about {share} of this time is the counting of lines; theirs are without it")
    return sentences
