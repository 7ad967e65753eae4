"""The trials' prints and plots in the panel: an output each, the newest on top.

Each of a fixed number of outputs is replaced only when its own trial says something. One output for all
would be emptied and filled at each line, and throw whoever reads further down back to the top.
"""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from e2e_magic.jupyter.panel.log import MOST_TRIALS, TrialLog

# How high it gets: of prints some lines, of a plot all.
_OF_TEXT, _OF_PICTURES = "150px", "340px"


class Printed:
    """What shows a `TrialLog`.

    Attributes
    ----------
    widget : widget
    """

    def __init__(self) -> None:
        self._box = widgets.VBox(layout={"max_height": _OF_TEXT, "overflow": "auto"})
        self._box.add_class("e2e-output")
        self.widget = widgets.Accordion(
            [self._box], titles=["prints and plots of the trials"], selected_index=None
        )
        self.widget.layout.display = "none"
        self._outputs: dict[int, Any] = {}
        self._sweeps = 0

    def show(self, log: TrialLog) -> None:
        """Show what trials have said since the last time."""
        if log.sweeps != self._sweeps:
            self._sweeps = log.sweeps
            for output in self._outputs.values():
                output.outputs, output.layout.display = (), "none"
            self._box.layout.max_height = _OF_TEXT
            self.widget.layout.display = "none"
        for place, outputs in log.taken():
            shown = self._output(place % MOST_TRIALS)
            shown.layout.order, shown.layout.display = str(-place), None
            shown.outputs = outputs
            if any(output["output_type"] == "display_data" for output in outputs):
                self._box.layout.max_height = _OF_PICTURES
            if self.widget.layout.display == "none":
                self.widget.layout.display = None
                self.widget.selected_index = 0

    def _output(self, slot: int) -> Any:
        if slot not in self._outputs:
            made = widgets.Output(layout={"flex": "0 0 auto"})
            made.add_class("e2e-trial-output")
            self._outputs[slot] = made
            self._box.children = (*self._box.children, made)
        return self._outputs[slot]
