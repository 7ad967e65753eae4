"""Show what the last trials print and display: an output for each trial, the newest line in sight.

Each of a fixed number of outputs is replaced only when its own trial prints something. One output for all
would be emptied and filled at each line, and throw whoever reads further down back to the top.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import ipywidgets as widgets

from e2e_magic.sweeping.schedule import Turn

MOST_TRIALS = 12
# Of one trial: its displays, and the end of its text.
MOST_OUTPUTS = 20
MOST_TEXT = 20_000
# To look a trial up later: the end of its text, of so many trials.
MOST_KEPT, KEPT_TEXT = 1000, 4000
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# How high it gets: of prints some lines, of a plot all.
_OF_TEXT, _OF_PICTURES = "150px", "340px"
_Output = dict[str, Any]


@dataclass
class _TrialOutputs:
    """One trial: its place in the order of those that printed, and its outputs."""

    place: int
    trial: int
    outputs: list[_Output] = field(default_factory=list)
    new: bool = True


class TrialLog:
    """Outputs in the form of a notebook's, as an Output widget takes them. Any thread may add.

    Attributes
    ----------
    sweeps : int
        How often it was cleared for a new sweep.
    """

    def __init__(self) -> None:
        self.sweeps = 0
        self._lock = threading.Lock()
        self._trials: deque[_TrialOutputs] = deque(maxlen=MOST_TRIALS)
        self._count = 0
        self._kept: dict[int, str] = {}

    def add(self, turn: Turn, kind: str, content: Any) -> None:
        """Add what a trial printed or displayed, or its error with the lines of its traceback."""
        with self._lock:
            entry = self._of(turn)
            self._keep(turn.trial, kind, content)
            if kind == "streams":
                for name, text in content:
                    _append(entry.outputs, name, text)
            elif kind == "display":
                data, metadata = content
                entry.outputs.append({"output_type": "display_data", "data": data, "metadata": metadata})
            elif kind == "error":
                error, lines = content
                words = {"ename": type(error).__name__, "evalue": str(error), "traceback": list(lines)}
                entry.outputs.append({"output_type": "error", **words})
            del entry.outputs[1 : len(entry.outputs) - MOST_OUTPUTS]  # its heading stays
            entry.new = True

    def warn(self, sentence: str) -> None:
        """Add a warning of ours."""
        with self._lock:
            if not self._trials:
                self._begin(0)
            _append(self._trials[-1].outputs, "stderr", f"{sentence}\n")
            self._trials[-1].new = True

    def clear(self) -> None:
        """Drop all outputs, and count one more sweep."""
        with self._lock:
            self._trials.clear()
            self._kept.clear()
            self.sweeps += 1

    def printed(self, trial: int) -> str:
        """Return the end of what a trial printed, its traceback too; of the last `MOST_KEPT` that did."""
        with self._lock:
            return self._kept.get(trial, "")

    def take_new(self) -> list[tuple[int, tuple[_Output, ...]]]:
        """Return the trials that printed something since the last call, in their order.

        Each is its place among all trials that printed, which grows, and all of its outputs.
        """
        with self._lock:
            new = [entry for entry in self._trials if entry.new]
            for entry in new:
                entry.new = False
            return [(entry.place, tuple(dict(output) for output in entry.outputs)) for entry in new]

    def _keep(self, trial: int, kind: str, content: Any) -> None:
        text = ""
        if kind == "streams":
            text = "".join(written for _, written in content)
        elif kind == "error":
            text = "\n".join(content[1])
        if text:
            self._kept[trial] = (self._kept.get(trial, "") + _ANSI.sub("", text))[-KEPT_TEXT:]
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    def _of(self, turn: Turn) -> _TrialOutputs:
        for entry in reversed(self._trials):
            if entry.trial == turn.trial:
                return entry
        entry = self._begin(turn.trial)
        entry.outputs.append({"output_type": "stream", "name": "stdout", "text": f"▸ {turn.label}\n"})
        return entry

    def _begin(self, trial: int) -> _TrialOutputs:
        self._count += 1
        self._trials.append(_TrialOutputs(self._count, trial))
        return self._trials[-1]


def _append(outputs: list[_Output], name: str, text: str) -> None:
    last = outputs[-1] if len(outputs) > 1 else {}
    if last.get("name") == name:
        text = outputs.pop()["text"] + text
    outputs.append(
        {
            "output_type": "stream",
            "name": name,
            "text": text if len(text) <= MOST_TEXT else f"[..]\n{text[-MOST_TEXT:]}",
        }
    )


class Printed:
    """The widget of a `TrialLog`.

    Attributes
    ----------
    widget : widget
    """

    def __init__(self) -> None:
        # Laid out from its end, so that it stands at the newest line, and where a reader has scrolled to.
        self._box = widgets.VBox(
            layout={"max_height": _OF_TEXT, "overflow": "auto", "flex_flow": "column-reverse"}
        )
        self._box.add_class("e2e-output")
        self.widget = widgets.Accordion(
            [self._box], titles=["prints and plots of the trials"], selected_index=None
        )
        self.widget.layout.display = "none"
        self._outputs: dict[int, Any] = {}
        self._sweeps = 0

    def show(self, log: TrialLog) -> bool:
        """Show what trials have printed since the last time; return whether it is the first of all."""
        first = not self._outputs
        if log.sweeps != self._sweeps:
            self._sweeps = log.sweeps
            for output in self._outputs.values():
                output.outputs, output.layout.display = (), "none"
            self._box.layout.max_height = _OF_TEXT
            self.widget.layout.display = "none"
        for place, outputs in log.take_new():
            slot = self._output(place % MOST_TRIALS)
            slot.layout.order, slot.layout.display = str(-place), None
            slot.outputs = outputs
            if any(output["output_type"] == "display_data" for output in outputs):
                self._box.layout.max_height = _OF_PICTURES
            if self.widget.layout.display == "none":
                self.widget.layout.display = None
                self.widget.selected_index = 0
        return first and bool(self._outputs)

    def _output(self, slot: int) -> Any:
        if slot not in self._outputs:
            output = widgets.Output(layout={"flex": "0 0 auto"})
            output.add_class("e2e-trial-output")
            self._outputs[slot] = output
            self._box.children = (*self._box.children, output)
        return self._outputs[slot]
