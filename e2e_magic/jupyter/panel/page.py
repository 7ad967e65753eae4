"""A panel's result as one static page: the summary, two charts, the best trials. It needs no widget.

It is replaced as the sweep grows, and what stands there last is what the saved notebook holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from e2e_magic.derived.declarations import unit_of
from e2e_magic.jupyter.panel.ledger import Entry, Ledger
from e2e_magic.record import CUT_SHORT
from e2e_magic.sweeping.space import Axis
from e2e_magic.text import counted, digits, quantity, shorten, words
from e2e_magic.views import markup

# Read without a kernel, JupyterLab says "model not found" in the place of each widget: this page says more.
_UNLOADED = (
    "<style>.jp-OutputArea:has(.e2e-sweep) .jp-OutputArea-output.jupyter-widgets:not(:has(*))"
    "{display:none}</style>"
)
BEST = 10
EARLY = 3


def page(stage: str, ledger: Ledger, axes: Sequence[Axis], total: int, mark: str = "") -> dict[str, str]:
    """Return the page as HTML and as plain text.

    Parameters
    ----------
    stage : str
    ledger : Ledger
    axes : sequence of Axis
        The first is the chart's horizontal axis.
    total : int
        Trials of the whole sweep.
    mark : str
        A class of the page's own, by which the widget of the same trials hides it while it is shown.
    """
    if not len(ledger):
        return {"text/html": "", "text/plain": ""}
    pictures = "".join(_pictures(ledger, axes))
    with ledger.held():  # trials may come meanwhile: sentence and table are of one instant
        sentence, rows, text = summary(stage, ledger, total), table(ledger), plain(stage, ledger, total)
    html = (
        f'{_UNLOADED if mark else ""}<div class="{f"e2e-sweep {mark}".strip()}" style="{markup.FONT}">'
        f'<div style="margin:.3em 0">{escape(sentence)}</div>'
        f"{markup.flow([pictures])}{rows}</div>"
    )
    return {"text/html": html, "text/plain": text}


def summary(stage: str, ledger: Ledger, total: int) -> str:
    """Return a sentence: how many trials there are of how many, and the best.

    An interrupted one is not done, as beside the panel's bar.
    """
    done = len(ledger) - ledger.count("interrupted")
    counts = [f"{done:,} of {counted(max(total, done), 'trial')}"]
    counts += [f"{n:,} {state}" for state in ("failed", *CUT_SHORT) if (n := ledger.count(state))]
    best = next(iter(ledger.best(1)), None)
    gain = ""
    if best is not None and ledger.goal.name is not None:
        value = quantity(float(best.values[ledger.goal.name]), unit_of(ledger.goal.name))
        gain = f"; best {words(ledger.goal.name)} {value} at {_params(best)}"
    return f"{stage}: {', '.join(counts)}{gain}"


def table(ledger: Ledger) -> str:
    """Return the best trials and the last that ended early, as an HTML table."""
    head, lines = _lines(ledger)
    rows = [
        [*(markup.cell(text) for text in texts), _state(entry)]
        for entry, texts in zip(_listed(ledger), lines, strict=True)
    ]
    return markup.table([*head, "state"], rows, name="e2e-table") + _below(ledger, len(rows))


def plain(stage: str, ledger: Ledger, total: int) -> str:
    """Return the same as text, for a terminal."""
    head, lines = _lines(ledger)
    states = [entry.record.state for entry in _listed(ledger)]
    lines = [[*texts, state] for texts, state in zip([head, *lines], ["state", *states], strict=True)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ["  ".join(t.rjust(w) for t, w in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([summary(stage, ledger, total), *rows])


def _lines(ledger: Ledger) -> tuple[list[str], list[list[str]]]:
    """Return the heads and, per trial that is listed, the texts: its number, parameters and metrics."""
    entries = _listed(ledger)
    names = list(dict.fromkeys(name for entry in entries for name in entry.record.params))
    target = [ledger.goal.name] if ledger.goal.name is not None else []
    metrics = [*target, *(name for name in ledger.columns if name not in target)]
    lines = [
        [
            str(entry.record.trial),
            *(_value(entry.record.params.get(name)) for name in names),
            *(_number(entry, name) for name in metrics),
        ]
        for entry in entries
    ]
    return ["trial", *names, *map(_title, metrics)], lines


def load_charts() -> None:
    """Import the chart library, and have it find its fonts."""
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


def _listed(ledger: Ledger) -> list[Entry]:
    return [*ledger.best(BEST), *ledger.ended_early(EARLY)]


def _below(ledger: Ledger, listed: int) -> str:
    rest = len(ledger) - listed
    more = f"; {rest:,} more in %e2e trials" if rest > 0 else ""
    number, _, word = counted(len(ledger), "row").partition(" ")
    count = f'<span class="e2e-rows">{number}</span> {word}'
    return f'<div style="{markup.FAINT};font-size:12px">{count}{more}</div>'


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
    return shorten(text, 40)


def _state(entry: Entry) -> str:
    error = entry.record.error or ""
    short = shorten(error, 60)
    detail = (
        f' <span style="{markup.FAINT}">{escape(short)}</span>'
        if error and entry.record.state in ("failed", "over limit")
        else ""
    )
    return markup.cell(entry.record.state, left=True, more=detail, title=error)
