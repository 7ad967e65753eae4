"""A comparison as HTML: a line per run, the chart, only what differs, and the rest folded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from e2e_magic.derived.comparison import OPEN, amount
from e2e_magic.derived.comparison_headlines import decided, restating
from e2e_magic.derived.declarations import unit_of
from e2e_magic.text import counted, digits, legible, quantity, words
from e2e_magic.views import markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from e2e_magic.views.comparison import Comparison

MOST_ROWS = 300  # of a table; the rest is counted
_CLEAR = "margin:0;padding:0 0 0 1.2em"


def page(comparison: Comparison, kinds: Sequence[str] = ()) -> str:
    """Return the finding, charts (see `Comparison.html`), what differs, the rest.

    All text is escaped.
    """
    heads = comparison.headlines()
    lines = "".join(f'<div style="font-weight:600">{escape(line)}</div>' for line in heads)
    rows = list(comparison.frame.itertuples())
    apart, alike = decided(rows), [row for row in rows if row.verdict in OPEN]
    again = restating(rows)
    told = _listed([*comparison.unlike, *comparison.untold(), *comparison.order, *comparison.notes])
    table = _table(comparison, apart) if apart else ""
    folded = ""
    if alike or again:
        said = [counted(len(alike), "row") + " without a claimed difference"] if alike else []
        said += [counted(len(again), "row") + " that only restate the wall time"] if again else []
        folded = (
            '<details style="margin-top:.5em"><summary style="cursor:pointer">'
            f"{', '.join(said)}</summary>{_table(comparison, [*alike, *again])}</details>"
        )
    foot = ""
    if rows:
        tests = ", ".join(dict.fromkeys(comparison.frame["test"].dropna()))
        foot = markup.note(f"{f'test: {tests}; ' if tests else ''}all columns: .frame")
    return (
        f'<div class="e2e-comparison" style="{markup.FONT}"><div style="overflow-wrap:anywhere">'
        f"<div>compared with {escape(legible(comparison.baseline))}:</div>{lines}</div>"
        f"{_charts(comparison, kinds, heads)}"
        f'<div style="overflow-wrap:anywhere">{told}</div>{table}{folded}{foot}</div>'
    )


def _listed(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return f'<ul style="{_CLEAR}">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>'


def _charts(comparison: Comparison, kinds: Sequence[str], heads: Sequence[str]) -> str:
    """Return the charts, whose alternative text says the finding."""
    if comparison.frame.empty:
        return ""
    try:
        from e2e_magic.views.charts.style import image

        kinds = kinds or ["bars", *(["drift"] if comparison.frame.attrs.get("in_blocks") else [])]
        said = f"compared with {legible(comparison.baseline)}: {' '.join(heads)}"
        return "".join(image(_drawn(comparison, each), f"{each}: {said}") for each in kinds)
    except Exception as error:  # noqa: BLE001 - a chart that can't be drawn must not cost the words
        return escape(f"the chart could not be drawn ({type(error).__name__}: {error})")


def _drawn(comparison: Comparison, kind: str) -> Axes:
    """Return a chart for below the headlines: the bars don't say them again."""
    if kind != "bars":
        return comparison.plot(kind)
    from e2e_magic.views import charts

    return charts.comparison(comparison.frame, headed=False)


def _table(comparison: Comparison, rows: Sequence[Any]) -> str:
    """Return rows as a table that fits a page: values with their units, the difference in words."""
    several = len(comparison.runs) > 1
    heads = ["metric", "stage", *(["run"] if several else []), legible(comparison.baseline, 24)]
    heads += ["its" if several else legible(comparison.runs[0], 24), "difference", "95 % interval", "n"]
    left, cells = 3 if several else 2, []
    for row in rows[:MOST_ROWS]:
        unit = unit_of(row.metric)
        size, within = amount(row.verdict, row.ratio, row.ratio_low, row.ratio_high)
        if not within and not math.isnan(row.ratio_low):
            within = f"{digits(row.ratio_low)}x to {digits(row.ratio_high)}x"
        texts = [words(row.metric), legible(row.stage, 40), *([legible(row.run, 40)] if several else [])]
        texts += [quantity(row.median_baseline, unit), quantity(row.median, unit), size, within or "-"]
        texts.append(str(row.n) if row.n == row.n_baseline else f"{row.n_baseline}, {row.n}")
        cells.append(
            [
                markup.cell(text, left=n < left, title=row.metric if n == 0 else "")
                for n, text in enumerate(texts)
            ]
        )
    more = markup.note(f"{len(rows) - MOST_ROWS} more rows: .frame") if len(rows) > MOST_ROWS else ""
    return markup.table(heads, cells, left=left) + more
