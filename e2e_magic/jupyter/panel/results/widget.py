"""The kernel's half of the results: it sends what is new as columns, and what one trial left when asked.

The page sorts, filters and draws by itself, so the kernel is idle however many trials there are.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from e2e_magic.derived.declarations import unit_of
from e2e_magic.jupyter.panel.ledger import MOST_MARKS, Entry, Ledger
from e2e_magic.jupyter.panel.page import summary
from e2e_magic.jupyter.panel.results.columns import logged, plain, thinned
from e2e_magic.record import Events
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.space import Axis
from e2e_magic.text import words

_HERE = Path(__file__).parent
# One module without imports of its own: four files that a person can read, in this order.
_PARTS = ("trials.js", "charts.js", "labels.js", "view.js")
_MODULE = "\n".join((_HERE / name).read_text("utf-8") for name in _PARTS)
# The page takes up a message of so many rows without a pause that a person would notice.
MOST_ROWS = 1000
MOST_OVERLAID = 40
_CURVES = ("val_loss", "loss", "val_accuracy", "accuracy")


class Results(anywidget.AnyWidget):
    """The widget of a panel's results. Any thread may call `show` and `running`.

    Parameters
    ----------
    mark : str
        The class of the static page, which the page hides while the widget stands there.
    stage : str
    printed : callable
        ``(entry) -> str``: what a trial printed.

    Attributes
    ----------
    alive : bool
        Whether a page has shown it: where none does, the static page is all that there is.
    wide : bool
        Whether there is room for controls and results side by side.
    """

    _esm = _MODULE
    _css = (_HERE / "results.css").read_text("utf-8")
    about = traitlets.Dict().tag(sync=True)
    alive = traitlets.Bool(False).tag(sync=True)
    wide = traitlets.Bool(False).tag(sync=True)

    def __init__(self, mark: str, stage: str, printed: Callable[[Entry], str]) -> None:
        self._mark, self._stage, self._printed = mark, stage, printed
        self._lock = threading.RLock()
        self._ledger: Ledger | None = None
        self._axes: Sequence[Axis] = ()
        self._total = 0
        self._sent = 0
        self._sweep = 0
        self._metrics: list[str] = []
        self._curve = ""
        super().__init__(about=self._described(""), layout={"flex": "1 1 560px", "min_width": "0"})
        self.add_class("e2e-results")
        self.on_msg(self._asked)

    def show(self, ledger: Ledger, axes: Sequence[Axis], total: int) -> None:
        """Send the trials that are new since the last call."""
        with self._lock, ledger.held():
            target = [ledger.goal.name] if ledger.goal.name is not None and len(ledger) else []
            metrics = [*target, *(name for name in ledger.columns if name not in target)]
            if ledger is not self._ledger or metrics != self._metrics:
                self._sent, self._sweep = 0, self._sweep + 1
            if ledger is not self._ledger:
                self._curve = ""
            self._ledger, self._axes, self._total, self._metrics = ledger, axes, total, metrics
            new = ledger.entries[self._sent :]
            if not self._curve:
                self._curve = next((name for entry in new if (name := self._curve_of(entry))), "")
            self.about = self._described(summary(self._stage, ledger, total) if len(ledger) else "")
            self._send_rows(self._sent)
            self._sent = len(ledger)

    def running(self, turn: Turn | None, logged: Mapping[str, Any] | None = None) -> None:
        """Show the curve of the trial that runs, or that none does."""
        if turn is None or logged is None:
            self.send({"kind": "running", "trial": 0})
            return
        with self._lock:
            if not self._curve:
                self._curve = self._chosen(logged["curves"])
                self.about = {**self.about, "curve": self._curve}
        self.send({"kind": "running", "trial": turn.trial, "label": turn.label, **logged})

    def _described(self, finding: str) -> dict[str, Any]:
        params = [name for axis in self._axes for name in axis.names]
        goal = self._ledger.goal if self._ledger is not None else None
        target = self._metrics[0] if self._metrics and goal is not None and goal.name else ""
        names = dict.fromkeys([*self._metrics, *([self._curve] if self._curve else [])])
        titled = {
            name: f"{words(name)} ({unit})" if (unit := unit_of(name)) else words(name) for name in names
        }
        return {
            "mark": self._mark,
            "finding": finding,
            "total": self._total,
            "target": target,
            "maximize": goal is not None and goal.maximize,
            "params": params,
            "metrics": self._metrics,
            "titles": titled,
            "axes": {axis.names[0]: _axis(axis) for axis in self._axes if len(axis.names) == 1},
            "curve": self._curve,
        }

    def _asked(self, _widget: Any, content: Mapping[str, Any], _buffers: Any) -> None:
        """Answer the page: rows that it lacks, or what one trial left."""
        with self._lock:
            if self._ledger is None:
                return
            if "want" in content:
                self._send_rows(int(content["want"]), upto=self._sent)
            elif 0 <= (row := int(content.get("detail", -1))) < self._sent:
                entry = self._ledger.entries[row]
                detail = {"kind": "detail", "row": row, "error": entry.record.error or ""}
                self.send({**detail, **logged(entry.record.events), "prints": self._printed(entry)})

    def _send_rows(self, start: int, upto: int | None = None) -> None:
        ledger = self._ledger
        if ledger is None:
            return
        entries = ledger.entries[:upto]
        params = self.about["params"]
        for first in range(start, len(entries), MOST_ROWS):
            some = entries[first : first + MOST_ROWS]
            curves = [self._overlaid(entry.record.events) for entry in some]
            message = {
                "kind": "rows",
                "sweep": self._sweep,
                "start": first,
                "more": first + MOST_ROWS < len(entries),
                "columns": {
                    "trial": [entry.record.trial for entry in some],
                    "state": [entry.record.state for entry in some],
                    **{name: [plain(entry.values.get(name)) for entry in some] for name in self._metrics},
                    **{name: [plain(entry.record.params.get(name)) for entry in some] for name in params},
                },
                "errors": {n: e.record.error for n, e in enumerate(some) if e.record.error},
                "lengths": [len(curve) // 2 for curve in curves],
            }
            self.send(message, [b"".join(curve.tobytes() for curve in curves)])

    def _curve_of(self, entry: Entry) -> str:
        return self._chosen(entry.record.events.values)

    def _chosen(self, names: Mapping[str, Any]) -> str:
        """Return which of the logged names is drawn: the target's, else what is usual, else the first."""
        target = self._ledger.goal.name if self._ledger is not None else None
        usual = [name for name in (target, f"val_{target}", *_CURVES) if name in names]
        return str(next(iter([*usual, *names]), ""))

    def _overlaid(self, events: Events) -> array[float]:
        """Return the trial's curve, thinned: epoch and value in turn."""
        values, points = events.values.get(self._curve, ()), array("f")
        known = [n for n, value in enumerate(values) if math.isfinite(value)]
        for n in thinned(known, MOST_OVERLAID):
            points.extend((events.epoch[n], values[n]))
        return points


def _axis(axis: Axis) -> dict[str, Any]:
    few = 0 < len(axis.values) <= MOST_MARKS
    return {
        "log": axis.kind in ("geometric", "loguniform"),
        "values": [plain(value) for value in axis.values] if few else None,
    }
