"""The panel's settings beside the parameters: what is measured, how often, what it is about, and where."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as widgets

from e2e_magic.measuring.collectors.base import Unavailable, refused, registered
from e2e_magic.measuring.plan import split_names
from e2e_magic.sweeping.engines.isolated.calls import Isolated
from e2e_magic.sweeping.order import FEW_VALUES, ORDERS
from e2e_magic.sweeping.space.search import DEFAULT_TRIALS

ISOLATED, KERNEL, ENGINE = "isolated", "kernel", "engine"
_ANY = "loss, accuracy or time"
_USUAL = (
    "loss", "accuracy", "f1", "wall_time_s", "peak_rss_mib", "package_energy_j", "throughput_per_s",
    "time_to_accuracy_s",
)  # fmt: skip
_TIP = {
    ISOLATED: "in a warm process of its own: Stop ends a trial at any instant",
    KERNEL: "on this kernel's main thread, with its live objects: Stop acts between two trials",
    ENGINE: "on workers: local:2, dask://HOST:PORT, or a backend of joblib",
}


class Settings:
    """The widgets of the settings, and the options that they stand for.

    Parameters
    ----------
    options : Namespace
        As the line was read.
    targets : sequence of str
        The metrics that a sweep may be about.
    changed : callable
        Called after each change.
    here : bool
        Whether the cell can run in this kernel only.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        targets: list[str],
        changed: Callable[[], None],
        *,
        here: bool = False,
    ) -> None:
        chosen = None if options.metrics is None else split_names(options.metrics)
        self._collectors = dict(_boxes(chosen))
        self._all = chosen is None
        self._repeat = widgets.BoundedIntText(options.repeat, min=1, max=10_000, layout={"width": "70px"})
        self._target = widgets.Dropdown(
            options=[(_ANY, ""), *((name, name) for name in _usual_first(targets))],
            value=options.target if options.target in targets else "",
            layout={"width": "190px"},
        )
        self._trials = widgets.BoundedIntText(
            options.trials or DEFAULT_TRIALS, min=1, max=1_000_000, layout={"width": "80px"}
        )
        self._line_order = options.order or ("shuffle" if options.shuffle else "")
        self._order = widgets.Dropdown(
            options=[("as fits", ""), *((name, name) for name in ORDERS)],
            value=self._line_order,
            tooltip=f"as fits: balanced for 2 to {FEW_VALUES} values of one parameter, "
            "else one after another",
            layout={"width": "110px"},
        )
        self._drawn = options.search != "grid"
        self._chosen = options.trials is not None
        self._where = widgets.ToggleButtons(
            options=[("isolated", ISOLATED), ("this kernel", KERNEL), ("workers", ENGINE)],
            value=ENGINE
            if options.engine != "kernel"
            else ISOLATED
            if Isolated.available() is None and not here
            else KERNEL,
            tooltips=list(_TIP.values()),
            style={"button_width": "100px"},
        )
        self._engine = widgets.Text(
            options.engine if options.engine != "kernel" else "local:2",
            placeholder="local:2",
            continuous_update=False,
            layout={"width": "150px"},
        )
        self.parts = [
            self._repeat, self._target, self._where, self._engine, self._trials, self._order,
            *(box for box in self._collectors.values() if not box.disabled),
        ]  # fmt: skip
        names = ("repeat", "target", "where", "engine", "trials", "order")
        for part, name in zip(self.parts, names, strict=False):
            part.add_class(f"e2e-{name}")
        for part in self.parts:
            part.observe(lambda _: self._update(changed), "value")
        self._show_engine()
        drawn = (beside(f"{options.search} trials", self._trials),) if self._drawn else ()
        self.rows = [
            labelled("measure", *self._collectors.values()),
            labelled(
                "repeats", self._repeat, beside("order", self._order), *drawn, beside("target", self._target)
            ),
            labelled("run in", self._where, self._engine),
        ]

    @property
    def where(self) -> str:
        """`ISOLATED`, `KERNEL` or `ENGINE`."""
        return str(self._where.value)

    def described(self) -> str:
        """Return a short description: the sweep's target where one is chosen, and where it runs."""
        where = {ISOLATED: "isolated", KERNEL: "in this kernel", ENGINE: f"on {self._engine.value.strip()}"}
        return ", ".join(filter(None, (self._target.value, where[self.where])))

    def values(self) -> dict[str, Any]:
        """Return the options that are set here, by their names."""
        boxes = {name: box.value for name, box in self._collectors.items() if not box.disabled}
        # All of them, and none named on the line: that is the default, which follows the machine.
        everything = self._all and all(boxes.values())
        return {
            "metrics": None if everything else ",".join(n for n, on in boxes.items() if on) or "wall_time",
            "repeat": self._repeat.value,
            "target": self._target.value or None,
            "engine": self._engine.value.strip() if self.where == ENGINE else "kernel",
            **({"trials": self._chosen_trials()} if self._drawn else {}),
            **({} if self._order.value == self._line_order else self._chosen_order()),
        }

    def _chosen_order(self) -> dict[str, Any]:
        return {"order": self._order.value or None, "shuffle": False}

    def _chosen_trials(self) -> int | None:
        """Return the number of trials; None where it is the default and was not chosen."""
        self._chosen = self._chosen or self._trials.value != DEFAULT_TRIALS
        return int(self._trials.value) if self._chosen else None

    def lock(self, locked: bool) -> None:
        """Disable all controls, or enable them again."""
        for part in self.parts:
            part.disabled = locked

    def _update(self, changed: Callable[[], None]) -> None:
        self._show_engine()
        changed()

    def _show_engine(self) -> None:
        self._engine.layout.display = None if self.where == ENGINE else "none"


def _usual_first(targets: list[str]) -> list[str]:
    """Return the targets, the usual ones first; what is no number is left out."""
    usual = [name for name in _USUAL if name in targets]
    return usual + [name for name in targets if name not in usual and not name.endswith("_source")]


def _boxes(chosen: tuple[str, ...] | None) -> list[tuple[str, Any]]:
    boxes = []
    for name, cls in registered().items():
        if name == "wall_time":  # always measured
            continue
        why = cls if isinstance(cls, Unavailable) else refused(name)
        if why is None and not isinstance(cls, Unavailable):
            try:
                cls()
            except Unavailable as unavailable:
                why = unavailable
        box = widgets.Checkbox(
            value=why is None and (chosen is None or name in chosen),
            description=name,
            disabled=why is not None,
            tooltip=f"not here: {why.reason.text}" if why is not None else name,
            indent=False,
            layout={"width": "auto", "margin": "0 12px 0 2px"},
        )
        box.add_class(f"e2e-collector-{name}")
        boxes.append((name, box))
    return boxes


def beside(text: str, part: Any) -> Any:
    """Return a widget behind a quiet word, in the row of another."""
    word = widgets.HTML(f'<span style="opacity:.75">{escape(text)}</span>', layout={"margin": "0 4px 0 12px"})
    return widgets.HBox([word, part], layout={"align_items": "center", "flex": "0 1 auto", "min_width": "0"})


def labelled(label: str, *parts: Any) -> Any:
    """Return widgets in a row behind a label, in line with the parameters."""
    title = widgets.HTML(
        f'<span style="opacity:.75">{escape(label)}</span>', layout={"width": "110px", "flex": "0 0 auto"}
    )
    body = widgets.HBox(
        list(parts),
        layout={"flex_flow": "row wrap", "align_items": "center", "flex": "1 1 0", "min_width": "0"},
    )
    title.add_class("e2e-label")
    return widgets.HBox([title, body], layout={"align_items": "center"})
