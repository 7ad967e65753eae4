"""The panel: its choices, what they stand for as a line, and the comparison that follows them.

What it shows is an output of the cell, not a widget: it stays in the saved notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.api.analysing import compare_in
from e2e_magic.jupyter.compare_panel.runs import Row, RunsList
from e2e_magic.jupyter.display import CellDisplay, show_widget
from e2e_magic.jupyter.frontend import shows_widgets
from e2e_magic.jupyter.magic_line import quoted
from e2e_magic.session import Session
from e2e_magic.storage import Selection
from e2e_magic.text import legible, shorten
from e2e_magic.views.comparison import PLOTS, Comparison

ALL_STAGES = "all stages"
USUAL = "the usual metrics"
BARS_AND_CURVES = "bars and curves"
LONGEST_LINE = 400


def show(
    shell: InteractiveShell,
    session: Session,
    runs: Sequence[str] = (),
    *,
    stage: str | None = None,
    metric: Sequence[str] | None = None,
    baseline: str | None = None,
    everything: bool = False,
) -> Comparison | None:
    """Show the panel; where no front end can answer, return the comparison itself.

    Raises
    ------
    PlanError
        As `compare` does: the panel begins with a valid comparison.
    """
    first = compare_in(session, runs, stage=stage, metric=metric, baseline=baseline, everything=everything)
    if not shows_widgets(shell):
        return first
    panel = ComparePanel(shell, session, first, stage=stage, metric=metric, everything=everything)
    show_widget(panel.box, "Panel of comparisons: run this cell to use it")
    panel.output.show(panel.bundle())
    return None


class ComparePanel:
    """One panel.

    Parameters
    ----------
    shell : InteractiveShell
        Of a kernel.
    session : Session
    first : Comparison
        The comparison shown before any choice.
    stage, metric : str, sequence of str, optional
        What the line named.
    everything : bool
        Whether the store's runs may be chosen too.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        session: Session,
        first: Comparison,
        *,
        stage: str | None = None,
        metric: Sequence[str] | None = None,
        everything: bool = False,
    ) -> None:
        import ipywidgets as widgets

        self.comparison = first
        self.problem = ""
        self.output = CellDisplay(shell)
        self._session = session
        self._selection = Selection(everything=everything)
        results = session.frame("results", self._selection)
        stages = list(dict.fromkeys(results["stage"].astype(object)))
        # Two metrics that the line named are one choice here.
        named = ",".join(metric) if metric else None
        narrow = {"layout": widgets.Layout(width="260px"), "style": {"description_width": "70px"}}
        rows = self._rows()
        places = {row.name: place for place, row in enumerate(rows)}
        ticked = [places[name] for name in first.runs]
        self.runs = RunsList(rows, places[first.baseline], ticked, self._rewrite)
        self.stage = widgets.Dropdown(
            options=[(ALL_STAGES, ALL_STAGES), *((legible(name), name) for name in stages)],
            value=stage or ALL_STAGES,
            description="stage",
            **narrow,
        )
        self.metric = widgets.Dropdown(
            options=list(dict.fromkeys([USUAL, *([named] if named else []), *_metrics(results)])),
            value=named or USUAL,
            description="metric",
            **narrow,
        )
        self.chart = widgets.Dropdown(
            options=[BARS_AND_CURVES, *PLOTS], value=BARS_AND_CURVES, description="chart", **narrow
        )
        self.line = widgets.HTML()
        self.runs.observe(self._changed, names="chosen")
        for control in (self.stage, self.metric, self.chart):
            control.observe(self._changed, names="value")
        choices = widgets.VBox([self.stage, self.metric, self.chart])
        self.box = widgets.VBox(
            [widgets.HBox([self.runs, choices], layout=widgets.Layout(flex_flow="row wrap")), self.line]
        )
        self.box.add_class("e2e-compare-panel")
        self._show_choice()

    def magic(self) -> str:
        """Return the line that the panel stands for."""
        words = [quoted(name) for name in self.runs.ticked]
        words += ["--baseline", quoted(self.runs.baseline)]
        if self.stage.value != ALL_STAGES:
            words += ["--stage", quoted(self.stage.value)]
        if self.metric.value != USUAL:
            words += ["--metric", quoted(self.metric.value)]
        return " ".join(["%e2e compare", *words, *(["--all"] if self._selection.everything else [])])

    def bundle(self) -> dict[str, str]:
        """Return the output by MIME type: the comparison with the chosen charts, or why there is none."""
        if self.problem:
            return {"text/plain": self.problem, "text/html": f"<div>{escape(self.problem)}</div>"}
        kinds = ["bars", *self._curves()] if self.chart.value == BARS_AND_CURVES else [str(self.chart.value)]
        return {"text/plain": repr(self.comparison), "text/html": self.comparison.html(*kinds)}

    def _curves(self) -> list[str]:
        """Return which curves the chosen runs logged."""
        epochs = self.comparison.epochs
        return [
            kind
            for kind in ("loss", "accuracy")
            if any(name in epochs and epochs[name].notna().any() for name in (kind, f"val_{kind}"))
        ]

    def _rows(self) -> list[Row]:
        """Return what can be compared: runs of one name are one, unless the comparison has them apart."""
        shown, rows = (self.comparison.baseline, *self.comparison.runs), dict[str, Row]()
        own, everything = self._session.names(), self._selection.everything
        selection = self._session.reader.including(self._selection, *shown)
        counts = self._session.reader.counts(selection)
        for run in self._session.reader.runs(selection):
            apart = f"{run.name} ({run.id})"
            named = apart in shown or (run.name in shown and run.name not in own.values())
            if not (everything or run.id in own or named):
                continue
            trials = sum(counts.get(run.id, {}).values())
            key, name = (run.id, apart) if apart in shown else (run.name, run.name)
            started = f"{run.started_at:%Y-%m-%d %H:%M}"
            one = Row((run.id,), key, name, run.description, trials, started)
            if (before := rows.get(key)) is not None:
                one = one._replace(ids=(*before.ids, run.id), trials=before.trials + trials)
            if one.trials:
                rows[key] = one
        return list(rows.values())

    def _rewrite(self, row: Row, what: str, text: str) -> None:
        """Give runs another name or note, here and in the store."""
        refused = ""
        try:
            for run in row.ids:
                self._session.change(run, **{what: text})
        except (ValueError, OSError) as error:
            refused = str(error)
        self.runs.replace(self._rows())
        self._changed(None)
        if refused:
            self.line.value += f"<div>{escape(refused)}</div>"

    def _changed(self, _: Any) -> None:
        """Compare again; runs in the kernel's main thread, as all widget events do."""
        try:
            self.comparison = compare_in(
                self._session,
                self.runs.ticked,
                baseline=self.runs.baseline,
                stage=None if self.stage.value == ALL_STAGES else self.stage.value,
                metric=None if self.metric.value == USUAL else str(self.metric.value).split(","),
                everything=self._selection.everything,
            )
            self.problem = "" if self.runs.ticked else "choose a run beside the baseline"
        except (ValueError, OSError) as error:  # what the line would raise as a UsageError
            self.problem = str(error)
        self._show_choice()
        self.output.show(self.bundle())

    def _show_choice(self) -> None:
        """Show the line, and the colours that the runs have in the charts."""
        from e2e_magic.views.charts.run_colours import run_colours

        compared = self.comparison
        if not self.problem:
            self.runs.colour(run_colours(compared.frame, [compared.baseline, *compared.runs]))
        line = shorten(self.magic(), LONGEST_LINE)
        self.line.value = f'<code style="overflow-wrap:anywhere">{escape(line)}</code>'


def _metrics(results: Any) -> list[str]:
    from e2e_magic.views.frames import schema

    return schema.filled(results, schema.numbers(results))
