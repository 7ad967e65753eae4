"""The card of a measured cell: its costs and gains, as HTML and as plain text.

It is static and made offline. It reads records, not frames, and its pictures are SVG of our own, so that a
card leaves nothing but this package in the process that was measured.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from e2e_magic.derived import derive, provenance
from e2e_magic.derived.findings import WAITS_FOR_CORES, Finding, findings
from e2e_magic.derived.kept import kept_sentence
from e2e_magic.derived.line_shares import caveats
from e2e_magic.derived.statistics import HALF_WIDTH
from e2e_magic.measuring.inner_loop import SHORT_S
from e2e_magic.record import CUT_SHORT, Code, Reason, Record
from e2e_magic.text import digits, legible, quantity, wrapped
from e2e_magic.views import line_listing, markup
from e2e_magic.views.figures import Figure, figures, headline
from e2e_magic.views.pictures.matrix import MOST
from e2e_magic.views.pictures.trial import pictures

# The collector, whose reason is the machine's.
ENERGY = "energy"
LONGEST_TEXT = 300
# Of a note, in the narrow window too: what fits into about one line.
LONGEST_LINE = 120
# Of the wall time; less waiting for a core is no news.
LEAST_SHARE_WAITED = 0.05
# The ground of white words: no colour of words has 4.5:1 on white and on black.
_BADGES = {"failed": "#B34A00", "killed": "#8A1C1C"} | dict.fromkeys(CUT_SHORT, "#7A5A00")
# Reasons that hold on most machines, or follow from another: `%e2e metrics` lists them, the card need not.
_NO_NEWS = frozenset(
    (
        Code.NO_TORCH,
        Code.NO_DRIVER,
        Code.NO_ENERGY,
        Code.NO_SAMPLE,
        Code.NO_WAITS,
        Code.PACKAGE_COUNTED,
        Code.NO_DRAM_COUNTER,
    )
)


def html(
    records: Sequence[Record],
    *,
    images: Sequence[str] | None = None,
    folded: bool = True,
    titled: bool = True,
    said: Collection[Reason] = (),
) -> str:
    """Return the card of one measured cell (its repeats) as an HTML block.

    Parameters
    ----------
    records : sequence of Record
        The repeats, in order; the last one is shown, with the spread of all.
    images : sequence of str, optional
        HTML images to show; the cell's own pictures when left out.
    folded : bool
        Whether a long note shows its first clause only, until it is clicked; not on paper.
    titled : bool
        Whether the stage's name is its title; where the page around it has one, only a state is.
    said : collection of Reason
        Why there is no energy, as earlier cards of the kernel said: it is not said at length again.
    """
    last = records[-1]
    found = strongest(records)
    remarks = notes(records, found, said)
    if images is None:
        try:
            images = [picture.html() for picture in pictures(records)]
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            images = []  # what can't be drawn must not cost the numbers
            remarks.append(f"the pictures could not be drawn ({type(error).__name__}: {error})")
    badge = _BADGES.get(last.state)
    state = (
        f'<span style="background:{badge};color:#fff;font-weight:600;border-radius:4px;padding:0 .4em;'
        f'margin-left:.6em">{escape(last.state)}</span>'
        if badge
        else ""
    )
    error_html = (
        f'<div style="margin-top:.4em;overflow-wrap:anywhere">{escape(_text(last.error))}</div>'
        if last.error
        else ""
    )
    return markup.block(
        (markup.heading(_text(last.stage) if titled else "", state) if titled or state else "")
        + markup.flow((_tile(figure) for figure in figures(records)), ".35em 1.6em")
        + error_html
        + markup.columns(images)
        + line_listing.html(last, folded=folded)
        + (markup.folded_note(_text(found.sentence), f"try: {_text(found.next_step)}") if found else "")
        + "".join(_note(remark, folded=folded) for remark in remarks)
    )


def text(records: Sequence[Record], said: Collection[Reason] = ()) -> str:
    """Return the card as plain text, for terminals and saved notebooks; `said` as of `html`."""
    last, found = records[-1], strongest(records)
    lines = [_head(last)]
    if last.error:
        lines += wrapped(_text(last.error), "  ", "    ")
    entries = figures(records)
    width = max(len(figure.label) for figure in entries)
    for figure in entries:
        detail = f"  ({figure.detail})" if figure.detail else ""
        lines.append(f"  {figure.label:<{width}}  {figure.text}{detail}")
    lines += line_listing.text(last)
    strongest_first = [] if found is None else [f"{_text(found.sentence)} (%e2e why)"]
    for note in (*strongest_first, *notes(records, found, said)):
        lines += wrapped(note, "  ", "    ")
    return "\n".join(lines)


def line(records: Sequence[Record]) -> str:
    """Return the card in one line: the stage, how it ended, how long it took and what it gained."""
    parts = [f"{figure.label} {figure.text}" for figure in headline(records)]
    return f"{_head(records[-1])}: {', '.join(parts)}"


def _head(record: Record) -> str:
    return _text(record.stage) + ("" if record.state == "complete" else f" · {record.state}")


def strongest(records: Sequence[Record]) -> Finding | None:
    """Return what stands out most in these repeats; None where nothing does."""
    return next(iter(findings(records)), None)


def no_energy(records: Sequence[Record]) -> frozenset[Reason]:
    """Return why this machine measures no energy, which is the same for all cells of a kernel."""
    return frozenset(reason for name, reason in records[-1].missing.items() if name == ENERGY)


def notes(
    records: Sequence[Record], found: Finding | None = None, said: Collection[Reason] = ()
) -> list[str]:
    """Return the caveats of the numbers: missing ones with the reason, spread.

    Parameters
    ----------
    records : sequence of Record
    found : Finding, optional
        What the card says already.
    said : collection of Reason
        As of `html`.
    """
    last = records[-1]
    about = kept_sentence(last), _spread(records), _loop(last), _waited(last, found)
    sentences = [said for said in about if said]
    sentences += caveats(last)
    derived = derive(last)
    # Users who named the collectors get a note on each of them.
    whole = {"cpu_time_s", "peak_rss_mib"} <= last.readings.keys()
    lacking: dict[Reason, list[str]] = {}
    for name, reason in {**last.missing, **derived.missing}.items():
        if reason.code != Code.TOO_SHORT and not (whole and reason.code in _NO_NEWS):
            lacking.setdefault(reason, []).append(name)
    for reason, names in lacking.items():
        if names == [ENERGY] and reason in said:
            sentences.append("energy: not measured (%e2e metrics)")
        else:
            sentences.append(str(reason) if reason.code == Code.NAMED else f"{', '.join(names)}: {reason}")
    sentences += derived.problems
    some = {name: value for record in records for name, value in record.readings.items()}
    # the last may lack values that others have
    sentences += provenance.doubts({**some, **derived.values}, last.reported)
    if len(last.reported.get("confusion", ())) > MOST:
        sentences.append(
            f'a matrix of over {MOST} classes has no picture on a card: .plot("confusion") draws it'
        )
    if sum("wall_time_s" in record.readings for record in records) > 1:
        sentences.append(HALF_WIDTH)
    missed = _number(last.readings, "missed_samples")
    if missed > 0.05 * max(_number(last.readings, "samples"), 1):
        sentences.append(f"{missed:.0f} samples were missed: the machine was too busy for the interval")
    return [_text(note) for note in sentences]


def _spread(records: Sequence[Record]) -> str | None:
    """Return a sentence on a spread over 10 % of the median wall time, with what to do."""
    from e2e_magic.derived.statistics import stable

    walls = [
        float(record.readings["wall_time_s"])
        for record in records
        if record.state == "complete" and "wall_time_s" in record.readings
    ]
    return stable(walls) if len(walls) > 1 else None


def _loop(record: Record) -> str:
    """Return a note that values are of one of many executions, or that such short code needs many."""
    number, wall = (_number(record.readings, name) for name in ("number", "wall_time_s"))
    if number > 1:
        collected = record.readings.get("gc")
        return f"values are of one of {number:,.0f} executions, the garbage collector {collected}"
    if wall < SHORT_S and record.state == "complete":
        return "shorter than 1 ms, so that measuring is a part of it; --number auto executes it many times"
    return ""


def _waited(record: Record, found: Finding | None) -> str:
    """Return a sentence on the wait for a core, where that is neither negligible nor said already."""
    if found is not None and found.rule in WAITS_FOR_CORES:
        return ""
    wall, waited = (_number(record.readings, name) for name in ("wall_time_s", "waited_s"))
    if not (wall >= SHORT_S and waited > LEAST_SHARE_WAITED * wall):
        return ""
    return (
        f"its threads waited {quantity(waited, 's')} for a free core ({digits(100 * waited / wall)} % of "
        "the wall "
        "time): other programs used the cores, or it has more threads than there are cores"
    )


def _number(row: Mapping[str, Any], name: str) -> float:
    return float(row.get(name, float("nan")))


def _tile(figure: Figure) -> str:
    detail = (
        f' <span style="{markup.FAINT};font-size:.88em">{escape(figure.detail)}</span>'
        if figure.detail
        else ""
    )
    return (
        f'<div><div style="{markup.FAINT};font-size:.85em">{escape(figure.label)}</div>'
        f'<div style="font-variant-numeric:tabular-nums"><b>{escape(figure.text)}</b>{detail}</div></div>'
    )


def _note(note: str, *, folded: bool) -> str:
    """Return a note as one line; the rest of a long one (mostly what to do) opens by a click."""
    head, semicolon, rest = note.partition("; ")
    if not folded or len(note) <= LONGEST_LINE or not semicolon:
        return markup.note(note)
    return markup.folded_note(head, rest)


def _text(value: str) -> str:
    return legible(value, LONGEST_TEXT)
