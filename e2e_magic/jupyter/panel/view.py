"""The panel's widgets beside the parameters: buttons, progress, log, line, export. They decide nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import ipywidgets as widgets
from IPython.core.error import UsageError

from e2e_magic.jupyter.panel.controls import show_error
from e2e_magic.jupyter.panel.settings import labelled
from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Progress
from e2e_magic.text import counted, time_left

_ERROR = "color:var(--jp-error-color1,#d32f2f)"
# Of controls and results side by side; the panel is as wide as it needs.
_BESIDE, _NARROW, _WIDE = "1 1 500px", "900px", "1500px"
_COLOURS = {"running": "#0072B2", "done": "#009E73", "failed": "#D55E00"}


# A page that wasn't loaded over HTTPS or from this machine has no clipboard: there the line is selected.
_COPY = (
    '<button class="e2e-copy" title="copy the line" style="font-size:11px;cursor:pointer;padding:0 6px;'
    "border:1px solid rgba(128,128,128,.4);border-radius:3px;background:none;color:inherit;"
    'line-height:1.6" onclick="'
    "const code = this.closest('.e2e-panel').querySelector('.e2e-line code'), showCopied = () => {"
    " this.textContent = 'copied'; setTimeout(() => { this.textContent = 'copy' }, 1500) };"
    " if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(showCopied);"
    " else { getSelection().selectAllChildren(code); document.execCommand('copy') && showCopied() }"
    '">copy</button>'
)


class SweepView:
    """All that a panel shows; buttons call the functions given to `connect`.

    Parameters
    ----------
    stage : str
    parameters : widget
        The controls of the parameters.
    settings : sequence of widget
        Rows below them.
    results : widget
        Of the trials: below the controls, or beside them where there is room.
    path : str
        Where the export goes, at first.

    Attributes
    ----------
    box : widget
    """

    def __init__(self, stage: str, parameters: Any, settings: Sequence[Any], results: Any, path: str) -> None:
        self.run = _button("Run", "play", "run all trials", "e2e-run", "primary")
        self.stop = _button(
            "Stop", "stop", "end the running trial and keep what is finished", "e2e-stop", "danger"
        )
        self.resume = _button("Resume", "forward", "run only what is missing", "e2e-resume", "")
        self.apply = _button(
            "Apply best", "check", "set the variables to the best trial's parameters", "e2e-apply", ""
        )
        self.apply.layout.width = "112px"
        self.export = _button("Export", "download", "write the trials to this file", "e2e-export", "")
        self.fold = _button("", "caret-down", "show or hide the settings", "e2e-fold", "")
        self.fold.layout.width = "34px"
        self.path = widgets.Text(
            path,
            continuous_update=False,
            tooltip="the file of the export",
            layout={"flex": "0 1 180px", "width": "auto", "min_width": "90px"},
        )
        self.path.add_class("e2e-path")
        self._count = _html("e2e-count")
        self._state = _html("e2e-state")
        self._message = _html("e2e-message")
        self._line = _html("e2e-line")
        self._exported = _html("e2e-exported")
        # Of one width, whatever is said beside it.
        self._bar = widgets.IntProgress(0, 0, 1, layout={"flex": "0 1 260px", "width": "auto"})
        self._bar.add_class("e2e-progress")
        self._numbers = _html("e2e-numbers")
        self._marked = ("", "")
        self._line.layout = {"flex": "1 1 0", "min_width": "0"}
        copied = widgets.HBox([self._line, widgets.HTML(_COPY)], layout={"flex": "1 1 0", "min_width": "0"})
        self._setup = widgets.VBox([parameters, *settings, labelled("the same line", copied)])
        self._setup.add_class("e2e-settings")
        self.fold.on_click(lambda _: self.folded(self._setup.layout.display != "none"))
        title = widgets.HTML(f'<b style="font-size:14px">Sweep of {escape(stage)}</b>')
        exporting = _line_of(self.path, self.export)
        exporting.layout.flex_flow = "row"
        self._controls = widgets.VBox(
            [
                self._setup,
                _line_of(self.run, self.stop, self.resume, self.apply, exporting),
                self._message,
                _line_of(self._bar, self._numbers, self._state),
                self._exported,
            ],
            layout={"flex": _BESIDE, "min_width": "0", "padding": "0 14px 0 0"},
        )
        self._results = results
        results.layout.display = "none"
        # Two columns where both fit, in the order of reading.
        columns = widgets.HBox(
            [self._controls, results], layout={"flex_flow": "row wrap", "overflow": "hidden"}
        )
        self.box = widgets.VBox(
            [_line_of(self.fold, title, self._count), columns],
            layout={
                "border": "1px solid rgba(128,128,128,.4)",
                "padding": "4px 12px",
                "max_width": _NARROW,
                "margin": "4px 0",
            },
        )
        self.box.add_class("e2e-panel")

    def connect(self, acts: Mapping[str, Callable[[], None]]) -> None:
        """Set what each button does: ``run``, ``stop``, ``resume``, ``apply``, ``export``."""
        for name, act in acts.items():
            getattr(self, name).on_click(partial(self._pressed, act))

    def _pressed(self, act: Callable[[], None], _button: object) -> None:
        try:
            act()
        except Exception as error:  # a traceback would land in the log of the server, where nobody looks
            self.complain(f"{type(error).__name__}: {error}")
            raise

    def folded(self, folded: bool) -> None:
        """Hide all settings behind their one line, so that the results are in sight; or show them."""
        self._setup.layout.display = "none" if folded else None
        self.fold.icon = "caret-right" if folded else "caret-down"
        self._controls.layout.flex = "1 1 100%" if folded else _BESIDE

    def show_results(self) -> None:
        """Give the results their place: from now on there are some."""
        self._results.layout.display, self.box.layout.max_width = None, _WIDE

    def enable(self, *, run: bool, stop: bool, resume: bool, apply: bool = False) -> None:
        """Set which buttons can be pressed."""
        self.run.disabled, self.stop.disabled, self.resume.disabled = not run, not stop, not resume
        self.apply.disabled = not apply

    def count(self, text: str) -> None:
        """Show, in one line, how many trials there are and of what."""
        self._count.value = f'<span style="margin-left:8px">{escape(text)}</span>'

    def line(self, text: str) -> None:
        """Show the line that the panel stands for, to copy: a click selects all of it."""
        self._line.value = (
            '<code style="user-select:all;-webkit-user-select:all;white-space:pre-wrap;'
            f'overflow-wrap:anywhere;font-size:12px;line-height:1.5;display:block">{_unbroken(text)}</code>'
        )

    def complain(self, text: str) -> None:
        """Show an error, or hide the message where the text is empty."""
        show_error(self._message, text)

    def exported(self, text: str, *, wrong: bool = False) -> None:
        """Show where the export went, or its error."""
        style = _ERROR if wrong else "opacity:.75"
        self._exported.value = f'<span style="{style};overflow-wrap:anywhere">{escape(text)}</span>'

    def state(self, word: str, text: str) -> None:
        """Show the state: a word, and a sentence."""
        if (word, text) == self._marked:
            return
        self._marked = word, text
        detail = f": {escape(text)}" if text else ""
        self._state.value = f'<span data-state="{word}" style="margin-left:12px"><b>{word}</b>{detail}</span>'

    def progress(self, progress: Progress, interrupted: int = 0) -> None:
        """Show the progress and the time left; interrupted trials don't count as done."""
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
        parts += [f"{count:,} {state}" for state, count in sorted(progress.cut.items())]
        if interrupted:
            parts.append(f"{interrupted:,} interrupted")
        left = progress.left_s
        if left is not None and progress.left and progress.running:
            parts.append(f"about {time_left(left)}")
        self._numbers.value = f'<span style="margin-left:8px">{", ".join(parts)}</span>'


def trial_count(plan: SweepPlan) -> str:
    """Return the number of trials as a text, and how it comes about."""
    trials = counted(plan.total, "trial")
    if plan.search != "grid":
        return f"{trials}: {plan.described()}"
    factors = [f"{len(axis.values):,}" for axis in plan.space.axes]
    if plan.plan.repeat > 1:
        factors.append(f"{plan.plan.repeat:,} repeats")
    return f"{trials}: {' x '.join(factors)}" if len(factors) > 1 else trials


def in_words(error: BaseException) -> str:
    """Return the sentence of an error, in the words of the panel where it is about the engine's option."""
    if not isinstance(error, UsageError | ValueError | ImportError):
        return f"{type(error).__name__}: {error}"
    if not isinstance(error, PlanError):
        return str(error)
    end = "let the trials run in this kernel" if error.in_cell else ""
    # The engine is a switch of the panel, seen to be wrong without its option's name.
    option = f"{error.option}: " if error.option not in ("", "engine") else ""
    return f"{option}{error.text}{end}"


def _line_of(*parts: Any) -> Any:
    return widgets.HBox(
        list(parts), layout={"align_items": "center", "flex_flow": "row wrap", "margin": "2px 0"}
    )


def _button(text: str, icon: str, tooltip: str, mark: str, style: str) -> Any:
    button = widgets.Button(
        description=text,
        icon=icon,
        tooltip=tooltip,
        button_style=style,
        layout={"width": "92px", "flex": "0 0 auto"},
    )
    button.add_class(mark)
    return button


def _unbroken(text: str) -> str:
    """Write a line as HTML that is broken between its words, not at the hyphens of ``--metrics``."""
    return re.sub(
        r"(?<!\S)--?[a-z][a-z-]*( [^- ]\S{0,40})?(?!\S)",
        lambda option: f'<span style="white-space:nowrap">{option[0]}</span>',
        escape(text),
    )


def _html(mark: str) -> Any:
    html = widgets.HTML()
    html.add_class(mark)
    return html
