"""The controls of the swept parameters, and the words of the magic line that they stand for.

The panel's space is always read from these words, so that the line shown is the sweep that runs. A
control that was not touched gives back the word that it was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from html import escape
from typing import Any

import ipywidgets as widgets

from e2e_magic.jupyter.panel.kinds import Kind, fitting
from e2e_magic.jupyter.panel.ledger import MOST_MARKS, text_of
from e2e_magic.jupyter.panel.settings import labelled
from e2e_magic.sweeping.space import Axis, Space, SpaceError

Evaluate = Callable[[str, Mapping[str, Any]], Any]


class Control:
    """The control of one axis: a widget of its own kind, or its values as Python text.

    Parameters
    ----------
    word : str
        ``NAME=VALUES`` of the line.
    evaluate : callable
        ``(expression, helpers) -> values``, in the user's namespace.
    changed : callable
        Called after each change.
    remove : callable
        Called with the control whose parameter is to be swept no more.

    Attributes
    ----------
    row : widget
        Its line in the panel.
    """

    def __init__(
        self,
        word: str,
        evaluate: Evaluate,
        changed: Callable[[], None],
        remove: Callable[[Control], None],
    ) -> None:
        self.name, _, expression = (part.strip() for part in word.partition("="))
        self._evaluate = evaluate
        self._changed = changed
        self._text = widgets.Text(expression, continuous_update=False, layout={"flex": "1 1 auto"})
        self._text.add_class("e2e-param-text")
        self._body = widgets.Box(layout={"flex": "1 1 240px", "align_items": "center", "min_width": "0"})
        self._values = widgets.HTML(layout={"display": "none", "margin": "0 0 2px 110px"})
        self._values.add_class("e2e-param-values")
        self._error = widgets.HTML(layout={"display": "none", "margin": "0 0 2px 0"})
        self._error.add_class("e2e-param-error")
        narrow = {"width": "40px", "flex": "0 0 auto"}
        self._as_text = widgets.ToggleButton(
            icon="pencil", tooltip=f"type the values of {self.name} as Python", layout=narrow
        )
        self._as_text.add_class("e2e-as-text")
        self._remove = widgets.Button(icon="times", tooltip=f"don't sweep {self.name}", layout=narrow)
        self._remove.add_class("e2e-remove")
        self._remove.on_click(lambda _: remove(self))
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
        title.add_class("e2e-name")
        # In a page too narrow for both, the values stand below the name and its buttons.
        line = widgets.HBox(
            [title, self._body, self._as_text, self._remove],
            layout={"align_items": "center", "overflow": "hidden", "flex_flow": "row wrap"},
        )
        self.row = widgets.VBox([line, self._values, self._error])
        self.row.add_class("e2e-param")
        self.row.add_class(f"e2e-param-{''.join(c if c.isalnum() else '-' for c in self.name)}")

    @property
    def word(self) -> str:
        """The current ``NAME=VALUES``."""
        return f"{self.name}={self._text.value.strip()}"

    def read(self) -> Axis:
        """Return the axis.

        Raises
        ------
        SpaceError
            If the values are wrong; its text is shown beside the control too.
        """
        try:
            if self._kind is not None and not self._as_text.value and self._kind.empty():
                raise _nothing_chosen(self.name)
            [axis] = Space.parse([self.word], self._evaluate).axes
        except SpaceError as error:
            show_error(self._error, str(error))
            raise
        show_error(self._error, "")
        return axis

    def lock(self, locked: bool) -> None:
        """Disable all controls, or enable them again."""
        self._text.disabled = self._as_text.disabled = self._remove.disabled = locked
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
        self._lay_out()

    def _lay_out(self) -> None:
        """Show the fitting widget, or the text where there is none or the user types."""
        typing = self._kind is None or self._as_text.value
        self._body.children = [self._text if self._kind is None or typing else self._kind.widget]
        self._as_text.disabled = self._kind is None
        self._mark()

    def _mark(self) -> None:
        """Show the values that lie between the sliders' ends, where they are few."""
        values: tuple[Any, ...] = ()
        if self._kind is not None and not self._as_text.value and self._kind.hides_values:
            with suppress(SpaceError):
                values = self.read().values
        marks = " · ".join(text_of(value) for value in values)
        self._values.value = f'<span style="opacity:.75;font-size:12px">{escape(marks)}</span>'
        self._values.layout.display = None if 0 < len(values) <= MOST_MARKS else "none"

    def _moved(self) -> None:
        """Set the text to what the fitting widget stands for."""
        if self._kind is not None:
            self._setting = True
            try:
                self._text.value = self._kind.expression()
            finally:
                self._setting = False
            self._mark()
            self._changed()

    def _typed(self, _change: object) -> None:
        if not self._setting:
            self._rebuild()
            self._changed()

    def _switched(self, _change: object) -> None:
        self._lay_out()
        self._changed()


class Parameters:
    """The controls of all parameters, in the order of the line; more can be added, each can be removed.

    Parameters
    ----------
    words : sequence of str
        ``NAME=VALUES`` of the line.
    evaluate : callable
        As of `Control`.
    changed : callable
        Called after each change.
    values : callable
        Returns, by their names, the variables that may become parameters: their values as Python.

    Attributes
    ----------
    widget : widget
    """

    def __init__(
        self,
        words: Sequence[str],
        evaluate: Evaluate,
        changed: Callable[[], None],
        values: Callable[[], Mapping[str, str]],
    ) -> None:
        self._evaluate = evaluate
        self._changed = changed
        self._values = values
        self._rows = widgets.VBox()
        self._name = widgets.Combobox(
            placeholder="another parameter", ensure_option=False, layout={"width": "200px"}
        )
        self._name.add_class("e2e-add-name")
        self._add = widgets.Button(icon="plus", tooltip="sweep this parameter too", layout={"width": "34px"})
        self._add.add_class("e2e-add")
        self._add.on_click(lambda _: self.add(self._name.value.strip()))
        self._error = widgets.HTML(layout={"display": "none"})
        self._error.add_class("e2e-add-error")
        self.widget = widgets.VBox([self._rows, labelled("add", self._name, self._add), self._error])
        self._controls: list[Control] = []
        self._show([self._control(word) for word in words])

    @property
    def words(self) -> list[str]:
        """The current ``NAME=VALUES`` of each parameter."""
        return [control.word for control in self._controls]

    def check(self) -> None:
        """Read all of them, so that each shows what is wrong with it.

        Raises
        ------
        SpaceError
            That of the first parameter whose values are wrong.
        """
        wrong: list[SpaceError] = []
        for control in self._controls:
            try:
                control.read()
            except SpaceError as error:
                wrong.append(error)
        if wrong:
            raise wrong[0]

    def add(self, name: str) -> None:
        """Sweep one more parameter, which begins with the value of its variable."""
        wrong = not name.isidentifier() or name in [control.name for control in self._controls]
        expected = "add: expected the name of another variable that the cell reads, got "
        show_error(self._error, f"{expected}{name!r}" if wrong else "")
        if not wrong:
            self._name.value = ""
            self._show([*self._controls, self._control(f"{name}={self._values().get(name, name)}")])
            self._changed()

    def lock(self, locked: bool) -> None:
        """Disable all controls, or enable them again."""
        self._name.disabled = self._add.disabled = locked
        for control in self._controls:
            control.lock(locked)

    def _control(self, word: str) -> Control:
        return Control(word, self._evaluate, self._changed, self._remove)

    def _remove(self, control: Control) -> None:
        self._show([other for other in self._controls if other is not control])
        self._changed()

    def _show(self, controls: list[Control]) -> None:
        self._controls = controls
        self._rows.children = [control.row for control in controls]
        # Zipped parameters are one control: each of their names is taken.
        taken = {name.strip(" ()") for control in controls for name in control.name.split(",")}
        self._name.options = [name for name in self._values() if name not in taken]


def show_error(widget: Any, text: str) -> None:
    """Show an error, or hide the widget where the text is empty."""
    widget.value = f'<span style="color:var(--jp-error-color1,#d32f2f)">{escape(text)}</span>'
    widget.layout.display = None if text else "none"


def _nothing_chosen(name: str) -> SpaceError:
    return SpaceError(f"{name}: choose at least one value")
