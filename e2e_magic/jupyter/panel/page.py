"""A panel's result as one static page: the summary, two charts, the best trials. It needs no widget.

It is replaced as the sweep grows, and what stands there last is what the saved notebook holds.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

from e2e_magic.jupyter.panel.ledger import Entry, Ledger
from e2e_magic.sweeping.space import Axis
from e2e_magic.text import digits, quantity, unit_of, words

BEST = 10
EARLY = 3
_FONT = "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.4"
_CELL = "padding:2px 10px 2px 0;text-align:right;white-space:nowrap;background:none"
_FAINT = "opacity:.72"


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
        f'<div class="e2e-sweep" style="{_FONT}"><div style="margin:.3em 0">{escape(said)}</div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:.4em 1em">{pictures}</div>'
        f'<div style="overflow-x:auto;max-width:100%">{rows}</div></div>'
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
        rows.append("".join(f'<td style="{_CELL}">{escape(text)}</td>' for text in texts) + _state(entry))
    heads = "".join(f'<th style="{_CELL};font-weight:600">{escape(text)}</th>' for text in head)
    return (
        '<table class="e2e-table" style="border-collapse:collapse;font-size:12px;margin:.3em 0;'
        f'font-variant-numeric:tabular-nums"><thead><tr>{heads}</tr></thead><tbody>'
        f"{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>{_below(ledger, len(shown))}"
    )


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
    from e2e_magic.views.charts.style import png, size_px

    found = []
    for name, figure in (
        ("target by parameter", charts.by_parameter(ledger, axes)),
        ("best so far", charts.over_trials(ledger)),
    ):
        if figure is None:
            continue
        data = base64.b64encode(png(figure)).decode()
        width, height = size_px(figure)
        # Both sizes are said, so that the page keeps its height while a new picture comes.
        found.append(
            f'<img class="e2e-chart" alt="{name}" src="data:image/png;base64,{data}" width="{width}" '
            f'height="{height}" style="width:{width}px;height:{height}px;max-width:none;'
            'background:transparent">'
        )
    return found


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
    return (
        f'<div style="{_FAINT};font-size:12px"><span class="e2e-rows">{len(ledger):,}</span> rows{more}</div>'
    )


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
        f' <span style="{_FAINT}">{escape(short)}</span>' if error and entry.record.state == "failed" else ""
    )
    style = f"{_CELL};text-align:left"
    return f'<td title="{escape(error)}" style="{style}">{escape(entry.record.state)}{detail}</td>'
