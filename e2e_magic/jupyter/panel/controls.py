"""A control per swept parameter, and the word of the magic line that it stands for.

The panel's space is always read from these words, so that the line shown is the sweep that runs. A
control that was not touched gives back the word that it was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import ipywidgets as widgets

from e2e_magic.jupyter.panel.kinds import Kind, fitting
from e2e_magic.sweeping.space import Axis, Space, SpaceError

Evaluate = Callable[[str, Mapping[str, Any]], Any]


class Control:
    """What sets one axis: a widget of its own kind, and the text of its values for whatever that can't say.

    Parameters
    ----------
    word : str
        ``NAME=VALUES`` of the line.
    evaluate : callable
        ``(expression, helpers) -> values``, in the user's namespace.
    changed : callable
        Called after each change.

    Attributes
    ----------
    row : widget
        Its line in the panel.
    """

    def __init__(self, word: str, evaluate: Evaluate, changed: Callable[[], None]) -> None:
        self.name, _, expression = (part.strip() for part in word.partition("="))
        self._evaluate = evaluate
        self._changed = changed
        self._text = widgets.Text(expression, continuous_update=False, layout={"flex": "1 1 auto"})
        self._text.add_class("e2e-param-text")
        self._body = widgets.Box(layout={"flex": "1 1 auto", "align_items": "center", "min_width": "0"})
        self._said = widgets.HTML(layout={"display": "none", "margin": "0 0 2px 0"})
        self._said.add_class("e2e-param-error")
        self._as_text = widgets.ToggleButton(
            icon="pencil", tooltip="type the values as Python", layout={"width": "40px", "flex": "0 0 auto"}
        )
        self._kind: Kind | None = None
        self._setting = False
        self._rebuild()
        self._text.observe(self._typed, "value")
        self._as_text.observe(self._switched, "value")
        title = widgets.HTML(
            f'<b title="{escape(self.name)}" style="display:block;overflow:hidden;text-overflow:ellipsis;'
            f'white-space:nowrap">{escape(self.name)}</b>',
            layout={"width": "110px", "flex": "0 0 auto"},
        )
        line = widgets.HBox(
            [title, self._body, self._as_text], layout={"align_items": "center", "overflow": "hidden"}
        )
        self.row = widgets.VBox([line, self._said])
        self.row.add_class("e2e-param")
        self.row.add_class(f"e2e-param-{''.join(c if c.isalnum() else '-' for c in self.name)}")

    @property
    def word(self) -> str:
        """``NAME=VALUES`` as it stands now."""
        return f"{self.name}={self._text.value.strip()}"

    def read(self) -> Axis:
        """Return the axis.

        Raises
        ------
        SpaceError
            In words: what is wrong with the values. It is shown beside the control too.
        """
        try:
            if self._kind is not None and not self._as_text.value and self._kind.empty():
                raise _nothing_chosen(self.name)
            [axis] = Space.parse([self.word], self._evaluate).axes
        except SpaceError as error:
            self.say(str(error))
            raise
        self.say("")
        return axis

    def say(self, text: str) -> None:
        """Show what is wrong, or nothing."""
        self._said.value = f'<span style="color:var(--jp-error-color1,#d32f2f)">{escape(text)}</span>'
        self._said.layout.display = None if text else "none"

    def lock(self, locked: bool) -> None:
        """Let nothing be changed while a sweep runs."""
        self._text.disabled = self._as_text.disabled = locked
        if self._kind is not None:
            for part in self._kind.parts:
                part.disabled = locked

    def _rebuild(self) -> None:
        """Choose the widget that fits the values which the text stands for."""
        try:
            axis = self.read()
        except SpaceError:
            self._kind = None
        else:
            self._kind = fitting(axis, self._text.value, self._moved)
        if self._kind is None or self._as_text.value:
            self._body.children = [self._text]
        else:
            self._body.children = [self._kind.widget]
        self._as_text.disabled = self._kind is None

    def _moved(self) -> None:
        """Let the text follow the fitting widget, which was moved."""
        if self._kind is not None:
            self._setting = True
            try:
                self._text.value = self._kind.expression()
            finally:
                self._setting = False
            self._changed()

    def _typed(self, _change: object) -> None:
        if not self._setting:
            self._rebuild()
            self._changed()

    def _switched(self, _change: object) -> None:
        self._rebuild()
        self._changed()


def _nothing_chosen(name: str) -> SpaceError:
    return SpaceError(f"{name}: choose at least one value")
