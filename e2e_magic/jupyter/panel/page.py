"""A panel's result as one static page: the summary, two charts, the best trials. It needs no widget.

It is replaced as the sweep grows, and what stands there last is what the saved notebook holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from e2e_magic.derived.declarations import unit_of
from e2e_magic.jupyter.panel.ledger import Entry, Ledger
from e2e_magic.sweeping.space import Axis
from e2e_magic.text import digits, quantity, words
from e2e_magic.views import markup

BEST = 10
EARLY = 3


def page(stage: str, ledger: Ledger, axes: Sequence[Axis], total: int) -> dict[str, str]:
    """Return the page as HTML and as plain text.

    Parameters
    ----------
    stage : str
    ledger : Ledger
    axes : sequence of Axis
        The first is the chart's horizontal axis.
    total : int
        Trials of the whole sweep.
    """
    if not len(ledger):
        return {"text/html": "", "text/plain": ""}
    pictures = "".join(_pictures(ledger, axes))
    with ledger.held():  # trials may come meanwhile: what is said and the table are of one instant
        said, rows, text = summary(stage, ledger, total), table(ledger), plain(stage, ledger, total)
    html = (
        f'<div class="e2e-sweep" style="{markup.FONT}"><div style="margin:.3em 0">{escape(said)}</div>'
        f"{markup.flow([pictures])}{rows}</div>"
    )
    return {"text/html": html, "text/plain": text}


def summary(stage: str, ledger: Ledger, total: int) -> str:
    """Say how far it is and what is best, in a sentence."""
    counts = [f"{len(ledger):,} of {max(total, len(ledger)):,} trials"]
    counts += [f"{n:,} {state}" for state in ("failed", "interrupted") if (n := ledger.count(state))]
    best = next(iter(ledger.best(1)), None)
    gain = ""
    if best is not None and ledger.goal.name is not None:
        value = quantity(float(best.values[ledger.goal.name]), unit_of(ledger.goal.name))
        gain = f"; best {words(ledger.goal.name)} {value} at {_params(best)}"
    return f"{stage}: {', '.join(counts)}{gain}"


def table(ledger: Ledger) -> str:
    """Return the best trials and the last that ended early, as an HTML table."""
    shown = _shown(ledger)
    names = _names(shown)
    columns = _columns(ledger)
    head = ["trial", *names, *(_title(name) for name in columns), "state"]
    rows = []
    for entry in shown:
        texts = [str(entry.record.trial), *(_value(entry.record.params.get(name)) for name in names)]
        texts += [_number(entry, name) for name in columns]
        rows.append([*(markup.cell(text) for text in texts), _state(entry)])
    return markup.table(head, rows, name="e2e-table") + _below(ledger, len(shown))


def plain(stage: str, ledger: Ledger, total: int) -> str:
    """Return the same as text, for a terminal."""
    shown = _shown(ledger)
    names, columns = _names(shown), _columns(ledger)
    lines = [["trial", *names, *(_title(name) for name in columns), "state"]]
    for entry in shown:
        texts = [_value(entry.record.params.get(name)) for name in names]
        texts += [_number(entry, name) for name in columns]
        lines.append([str(entry.record.trial), *texts, entry.record.state])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ["  ".join(t.rjust(w) for t, w in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([summary(stage, ledger, total), *rows])


def load_charts() -> None:
    """Import what draws, and let it find its fonts."""
    from e2e_magic.jupyter.panel import charts
    from e2e_magic.views.charts.style import png

    png(charts.empty())


def _pictures(ledger: Ledger, axes: Sequence[Axis]) -> list[str]:
    from e2e_magic.jupyter.panel import charts
    from e2e_magic.views.charts.style import image

    named = {
        "target by parameter": charts.by_parameter(ledger, axes),
        "best so far": charts.over_trials(ledger),
    }
    # They keep their height, so that the page does while a new picture comes.
    return [image(figure, name, shrinks=False) for name, figure in named.items() if figure is not None]


def _shown(ledger: Ledger) -> list[Entry]:
    return [*ledger.best(BEST), *ledger.ended_early(EARLY)]


def _names(shown: Sequence[Entry]) -> list[str]:
    return list(dict.fromkeys(name for entry in shown for name in entry.record.params))


def _columns(ledger: Ledger) -> list[str]:
    target = [ledger.goal.name] if ledger.goal.name is not None else []
    return [*target, *(name for name in ledger.columns if name not in target)]


def _below(ledger: Ledger, shown: int) -> str:
    rest = len(ledger) - shown
    more = f"; {rest:,} more in %e2e trials" if rest > 0 else ""
    count = f'<span class="e2e-rows">{len(ledger):,}</span>'
    return f'<div style="{markup.FAINT};font-size:12px">{count} rows{more}</div>'


def _title(metric: str) -> str:
    unit = unit_of(metric)
    # These are scaled with their unit beside each number.
    return words(metric) if unit in ("", "s", "MiB", "J", "W") else f"{words(metric)} ({unit})"


def _number(entry: Entry, metric: str) -> str:
    value = entry.values.get(metric)
    if value is None or isinstance(value, str):
        return "-"
    unit = unit_of(metric)
    return quantity(float(value), unit) if unit in ("", "s", "MiB", "J", "W") else digits(float(value))


def _params(entry: Entry) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in entry.record.params.items())


def _value(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _state(entry: Entry) -> str:
    error = entry.record.error or ""
    short = error if len(error) <= 60 else f"{error[:59]}…"
    detail = (
        f' <span style="{markup.FAINT}">{escape(short)}</span>'
        if error and entry.record.state == "failed"
        else ""
    )
    return markup.cell(entry.record.state, left=True, more=detail, title=error)
