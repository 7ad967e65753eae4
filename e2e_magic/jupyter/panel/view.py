"""The panel's widgets beside the parameters: buttons, progress, log, line, export. They decide nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import ipywidgets as widgets

from e2e_magic.jupyter.panel.log import TrialLog
from e2e_magic.jupyter.panel.printed import Printed
from e2e_magic.jupyter.panel.settings import labelled
from e2e_magic.sweeping.schedule import Progress
from e2e_magic.text import quantity

# The first drawing loads the fonts: it must not keep the second one away.
_LONGEST_WAIT_S = 2.0
_ERROR = "color:var(--jp-error-color1,#d32f2f)"
_COLOURS = {"running": "#0072B2", "done": "#009E73", "failed": "#D55E00"}


# A page that wasn't loaded over HTTPS or from this machine has no clipboard: there the line is selected.
_COPY = (
    '<button class="e2e-copy" title="copy the line" style="font-size:11px;cursor:pointer;padding:0 6px;'
    "border:1px solid rgba(128,128,128,.4);border-radius:3px;background:none;color:inherit;"
    'line-height:1.6" onclick="'
    "const code = this.closest('.e2e-panel').querySelector('.e2e-line code'), said = () => {"
    " this.textContent = 'copied'; setTimeout(() => { this.textContent = 'copy' }, 1500) };"
    " if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(said);"
    " else { getSelection().selectAllChildren(code); document.execCommand('copy') && said() }"
    '">copy</button>'
)


class SweepView:
    """All that a panel shows; buttons call what they are given.

    Parameters
    ----------
    stage : str
    settings : sequence of widget
        Rows below the parameters.
    names : sequence of str
        Names that may become parameters.
    path : str
        Where the export goes, at first.
    """

    def __init__(self, stage: str, settings: Sequence[Any], names: Sequence[str], path: str) -> None:
        self.run = _button("Run", "play", "run all trials", "e2e-run", "primary")
        self.stop = _button(
            "Stop", "stop", "end the running trial and keep what is finished", "e2e-stop", "danger"
        )
        self.resume = _button("Resume", "forward", "run only what is missing", "e2e-resume", "")
        self.export = _button("Export", "download", "write the trials to this file", "e2e-export", "")
        self.add = _button("", "plus", "sweep this parameter too", "e2e-add", "")
        self.add.layout.width = "34px"
        self.path = widgets.Text(path, continuous_update=False, layout={"flex": "1 1 160px", "width": "auto"})
        self.path.add_class("e2e-path")
        self.name = widgets.Combobox(
            placeholder="another parameter",
            options=list(names),
            ensure_option=False,
            layout={"width": "200px"},
        )
        self.name.add_class("e2e-add-name")
        self._params = widgets.VBox()
        self._count = _html("e2e-count")
        self._state = _html("e2e-state")
        self._message = _html("e2e-message")
        self._line = _html("e2e-line")
        self._exported = _html("e2e-exported")
        self._bar = widgets.IntProgress(
            0, 0, 1, layout={"flex": "1 1 120px", "width": "auto", "min_width": "80px"}
        )
        self._bar.add_class("e2e-progress")
        self._numbers = _html("e2e-numbers")
        self._printed = Printed()
        self._marked = ("", "")
        buttons = widgets.HBox(
            [self.run, self.stop, self.resume, self._count],
            layout={"align_items": "center", "flex_flow": "row wrap", "margin": "6px 0 2px 0"},
        )
        progress = widgets.HBox(
            [self._bar, self._numbers], layout={"align_items": "center", "flex_flow": "row wrap"}
        )
        more = labelled("add", self.name, self.add)
        self._line.layout = {"flex": "1 1 0", "min_width": "0"}
        copied = widgets.HBox([self._line, widgets.HTML(_COPY)], layout={"flex": "1 1 0", "min_width": "0"})
        saved = widgets.HBox([self.path, self.export], layout={"align_items": "center", "flex": "1 1 260px"})
        self.box = widgets.VBox(
            [
                widgets.HTML(f'<b style="font-size:14px">Sweep of {escape(stage)}</b>'),
                self._params,
                more,
                *settings,
                buttons,
                self._message,
                progress,
                self._state,
                self._printed.widget,
                labelled("the same line", copied),
                labelled("csv", saved),
                self._exported,
            ],
            layout={
                "border": "1px solid rgba(128,128,128,.4)",
                "padding": "8px 12px",
                "max_width": "900px",
                "margin": "4px 0",
            },
        )
        self.box.add_class("e2e-panel")

    def connect(self, acts: dict[str, Callable[[], None]]) -> None:
        """Let each button do its act: ``run``, ``stop``, ``resume``, ``export``, ``add``."""
        for name, act in acts.items():
            getattr(self, name).on_click(partial(self._pressed, act))

    def _pressed(self, act: Callable[[], None], _button: object) -> None:
        try:
            act()
        except Exception as error:  # a traceback would land in the log of the server, where nobody looks
            self.complain(f"{type(error).__name__}: {error}")
            raise

    def parameters(self, rows: Sequence[Any]) -> None:
        """Show a row per parameter."""
        self._params.children = list(rows)

    def enable(self, *, run: bool, stop: bool, resume: bool) -> None:
        """Say which buttons can be pressed."""
        self.run.disabled, self.stop.disabled, self.resume.disabled = not run, not stop, not resume
        self.add.disabled = self.name.disabled = stop

    def count(self, text: str) -> None:
        """Show how many trials there are."""
        self._count.value = f'<span style="margin-left:8px">{escape(text)}</span>'

    def line(self, text: str) -> None:
        """Show the line that the panel stands for, to copy: a click selects all of it."""
        self._line.value = (
            '<code style="user-select:all;-webkit-user-select:all;white-space:pre-wrap;'
            f'overflow-wrap:anywhere;font-size:12px;line-height:1.5;display:block">{_unbroken(text)}</code>'
        )

    def complain(self, text: str) -> None:
        """Show what is wrong, or nothing."""
        self._message.value = f'<span style="{_ERROR}">{escape(text)}</span>' if text else ""

    def exported(self, text: str, *, wrong: bool = False) -> None:
        """Show where the export went, or what was wrong."""
        style = _ERROR if wrong else "opacity:.75"
        self._exported.value = f'<span style="{style};overflow-wrap:anywhere">{escape(text)}</span>'

    def state(self, word: str, text: str) -> None:
        """Show the state: a word, and a sentence."""
        if (word, text) == self._marked:
            return
        self._marked = word, text
        detail = f": {escape(text)}" if text else ""
        self._state.value = f'<span data-state="{word}"><b>{word}</b>{detail}</span>'

    def progress(self, progress: Progress, interrupted: int = 0) -> None:
        """Show how far it is and how long the rest takes; what was interrupted isn't done."""
        ended = progress.done + progress.skipped - interrupted
        self._bar.max, self._bar.value = max(progress.total, 1), ended
        self._bar.style = {
            "bar_color": _COLOURS[
                "running"
                if ended < progress.total
                else "done"
                if progress.failed < progress.total
                else "failed"
            ]
        }
        parts = [f"<b>{ended:,}</b> of {progress.total:,} done"]
        if progress.skipped:
            parts.append(f"{progress.skipped:,} of them before")
        failed = f"{progress.failed:,} failed"
        parts.append(f'<b style="color:{_COLOURS["failed"]}">{failed}</b>' if progress.failed else failed)
        if interrupted:
            parts.append(f"{interrupted:,} interrupted")
        left = progress.left_s
        if left is not None and progress.left and progress.running:
            parts.append(f"about {quantity(left, 's')} left")
        self._numbers.value = f'<span style="margin-left:8px">{", ".join(parts)}</span>'

    def log(self, log: TrialLog) -> None:
        """Show what trials have printed since the last time."""
        self._printed.show(log)


class Painter:
    """Says when it is time to show what is new: not too often, and at most a fifth of the time."""

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s
        self._next = 0.0

    def due(self) -> bool:
        """Tell whether it is time."""
        return time.monotonic() >= self._next

    def done(self, began: float) -> None:
        """Plan the next time, from what this one cost."""
        now = time.monotonic()
        self._next = now + min(max(self._least_s, 4 * (now - began)), _LONGEST_WAIT_S)


def _button(text: str, icon: str, tooltip: str, mark: str, style: str) -> Any:
    made = widgets.Button(
        description=text,
        icon=icon,
        tooltip=tooltip,
        button_style=style,
        layout={"width": "92px", "flex": "0 0 auto"},
    )
    made.add_class(mark)
    return made


def _unbroken(text: str) -> str:
    """Write a line as HTML that is broken between its words, not at the hyphens of ``--metrics``."""
    return re.sub(
        r"(?<!\S)--?[a-z][a-z-]*( [^- ]\S{0,40})?(?!\S)",
        lambda option: f'<span style="white-space:nowrap">{option[0]}</span>',
        escape(text),
    )


def _html(mark: str) -> Any:
    made = widgets.HTML()
    made.add_class(mark)
    return made
