"""The compare panel: runs, stage, metric and chart chosen with the mouse; table and chart follow.

What it shows is an output of the cell, not a widget: it stays in the saved notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.api.analysing import compare_in
from e2e_magic.jupyter.frontend import shows_widgets
from e2e_magic.jupyter.static_output import StaticOutput, show_widget
from e2e_magic.session import Session
from e2e_magic.storage import Selection
from e2e_magic.text import legible
from e2e_magic.views.comparison import PLOTS, Comparison

ALL_STAGES = "all stages"
USUAL = "the usual metrics"
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
        As `compare` does: the panel begins with a comparison that can be made.
    """
    first = compare_in(session, runs, stage=stage, metric=metric, baseline=baseline, everything=everything)
    if not shows_widgets(shell):
        return first
    panel = ComparePanel(shell, session, first, stage=stage, metric=metric, everything=everything)
    show_widget(panel.box, "Panel of comparisons: run this cell to use it")
    panel.static.show(panel.bundle())
    return None


class ComparePanel:
    """One panel.

    Parameters
    ----------
    shell : InteractiveShell
        Of a kernel.
    session : Session
    first : Comparison
        What is shown before anything is chosen.
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
        self.said = ""
        self.static = StaticOutput(shell)
        self._session = session
        self._everything = everything
        results = session.frame("results", Selection(everything=everything))
        names = list(dict.fromkeys([*results["run"].astype(object), first.baseline, *first.runs]))
        stages = list(dict.fromkeys(results["stage"].astype(object)))
        metrics = _metrics(results)
        # Two metrics that the line named are one choice here.
        named = ",".join(metric) if metric else None
        narrow = {"layout": widgets.Layout(width="260px"), "style": {"description_width": "70px"}}
        options = [(legible(name), name) for name in names]
        self.baseline = widgets.Dropdown(
            options=options, value=first.baseline, description="baseline", **narrow
        )
        self.runs = widgets.SelectMultiple(
            options=options, value=first.runs, rows=min(max(len(names), 3), 8), description="runs", **narrow
        )
        self.stage = widgets.Dropdown(
            options=[(ALL_STAGES, ALL_STAGES), *((legible(name), name) for name in stages)],
            value=stage or ALL_STAGES,
            description="stage",
            **narrow,
        )
        self.metric = widgets.Dropdown(
            options=list(dict.fromkeys([USUAL, *([named] if named else []), *metrics])),
            value=named or USUAL,
            description="metric",
            **narrow,
        )
        self.chart = widgets.Dropdown(options=PLOTS, value="bars", description="chart", **narrow)
        self.line = widgets.HTML()
        for control in (self.baseline, self.runs, self.stage, self.metric, self.chart):
            control.observe(self._changed, names="value")
        choices = widgets.VBox([self.baseline, self.stage, self.metric, self.chart])
        self.box = widgets.VBox(
            [widgets.HBox([choices, self.runs], layout=widgets.Layout(flex_flow="row wrap")), self.line]
        )
        self.box.add_class("e2e-compare-panel")
        self._tell_line()

    def magic(self) -> str:
        """Return the line that the panel stands for."""
        words = [_quoted(name) for name in self.runs.value if name != self.baseline.value]
        words += ["--baseline", _quoted(self.baseline.value)]
        if self.stage.value != ALL_STAGES:
            words += ["--stage", _quoted(self.stage.value)]
        if self.metric.value != USUAL:
            words += ["--metric", _quoted(self.metric.value)]
        return " ".join(["%e2e compare", *words, *(["--all"] if self._everything else [])])

    def bundle(self) -> dict[str, str]:
        """Return what is shown: the comparison with the chosen chart, or why there is none."""
        if self.said:
            return {"text/plain": self.said, "text/html": f"<div>{escape(self.said)}</div>"}
        kind = str(self.chart.value)
        return {"text/plain": repr(self.comparison), "text/html": self.comparison.html(kind)}

    def _changed(self, _: Any) -> None:
        """Compare anew. It runs in the kernel's main thread, as all widgets' events do."""
        try:
            self.comparison = compare_in(
                self._session,
                [name for name in self.runs.value if name != self.baseline.value],
                baseline=self.baseline.value,
                stage=None if self.stage.value == ALL_STAGES else self.stage.value,
                metric=None if self.metric.value == USUAL else str(self.metric.value).split(","),
                everything=self._everything,
            )
            self.said = (
                "" if set(self.runs.value) - {self.baseline.value} else "choose a run beside the baseline"
            )
        except (ValueError, OSError) as error:  # what the line would say as a UsageError
            self.said = str(error)
        self._tell_line()
        self.static.update(self.bundle())

    def _tell_line(self) -> None:
        line = self.magic()
        shown = line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"
        self.line.value = f'<code style="overflow-wrap:anywhere">{escape(shown)}</code>'


def _metrics(results: Any) -> list[str]:
    from e2e_magic.views.frames.explained import filled, numbers

    return filled(results, numbers(results))


def _quoted(word: str) -> str:
    """Put a word in quotes where a line would take it apart."""
    plain = word and not any(char.isspace() or char in "\"'()[]{}" for char in word) and word[0] != "-"
    if plain:
        return word
    return '"' + word.replace('"', '\\"') + '"'
