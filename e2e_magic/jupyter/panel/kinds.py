"""The widgets that fit the kinds of axes: log sliders, ranges, chips, lists."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from e2e_magic.sweeping.space import Axis
from e2e_magic.text import shorten

# More chips than this in a row can't be overlooked.
MOST_CHIPS = 8
_LONGEST_CHIP = 18
_MOST_VALUES = 500


class Kind:
    """A widget for one kind of axis.

    Attributes
    ----------
    widget : Widget
    parts : tuple of Widget
        Those that are set.
    hides_values : bool
        Whether it shows where the values begin and end, not the values.
    """

    widget: widgets.Widget
    parts: tuple[Any, ...]
    hides_values = False

    def __init__(self, parts: tuple[Any, ...], moved: Callable[[], None]) -> None:
        self.parts = parts
        for part in parts:
            part.observe(lambda _: moved(), "value")

    def expression(self) -> str:
        """Return the values as Python."""
        raise NotImplementedError

    def empty(self) -> bool:
        """Return whether nothing is chosen."""
        return False


def _count(value: int) -> Any:
    box = widgets.BoundedIntText(
        value,
        min=1,
        max=_MOST_VALUES,
        tooltip="how many values",
        layout={"width": "64px", "flex": "0 0 auto"},
    )
    box.add_class("e2e-param-count")
    return box


def _small(text: str) -> Any:
    return widgets.HTML(f'<span style="opacity:.75">{text}</span>', layout={"margin": "0 4px"})


def _row(*parts: Any) -> Any:
    return widgets.HBox(
        list(parts),
        layout={"align_items": "center", "flex": "1 1 auto", "flex_flow": "row wrap", "min_width": "0"},
    )


def _together(*parts: Any) -> Any:
    """Return a box of widgets that move to the next line of a narrow page together."""
    return widgets.HBox(list(parts), layout={"align_items": "center", "flex": "0 0 auto"})


# Room for a slider beside its number; in a narrow page the next one goes to the next line.
_WIDE = {"flex": "1 1 240px", "width": "auto", "min_width": "200px", "max_width": "620px"}


class _Between(Kind):
    """From one bound to another, and how many values: a function of all values, or one that draws."""

    of_all: str
    drawn: str
    hides_values = True

    def __init__(self, sliders: tuple[Any, ...], count: int | None, moved: Callable[[], None]) -> None:
        self._count = None if count is None else _count(count)
        more = () if self._count is None else (_together(_small("values"), self._count),)
        self.widget = _row(*sliders, *more)
        super().__init__((*sliders, *(() if self._count is None else (self._count,))), moved)

    def bounds(self) -> tuple[float, float]:
        """Return the bounds to which the sliders are set."""
        raise NotImplementedError

    def expression(self) -> str:
        low, high = map(_rounded, self.bounds())
        if self._count is None:
            return f"{self.drawn}({low}, {high})"
        return f"{self.of_all}({low}, {high}, {self._count.value})"


class _Logarithmic(_Between):
    """From and to on logarithmic sliders."""

    of_all, drawn = "geomspace", "loguniform"

    def __init__(self, low: float, high: float, count: int | None, moved: Callable[[], None]) -> None:
        least, most = math.floor(math.log10(low) + 1e-9) - 1, math.ceil(math.log10(high) - 1e-9) + 1
        # Plain numbers where they are short: 0.001 is read at once, the zeros of 0.00001 are counted.
        written = ".3" if low >= 1e-3 and high < 1e6 else ".2e"
        place = {"base": 10, "min": least, "max": most, "step": 0.1, "readout_format": written}
        self._low, self._high = (
            widgets.FloatLogSlider(value, continuous_update=False, layout=_WIDE, tooltip=text, **place)
            for value, text in ((low, "from"), (high, "to"))
        )
        self._low.add_class("e2e-param-from")
        self._high.add_class("e2e-param-to")
        super().__init__((self._low, self._high), count, moved)

    def bounds(self) -> tuple[float, float]:
        low, high = sorted((self._low.value, self._high.value))
        return low, high


class _Linear(_Between):
    """From and to on one slider."""

    of_all, drawn = "linspace", "uniform"

    def __init__(self, low: float, high: float, count: int | None, moved: Callable[[], None]) -> None:
        width = high - low or abs(high) or 1.0
        ends = {"min": max(0.0, low - width) if low >= 0 else low - width, "max": high + width}
        step = 10.0 ** math.floor(math.log10(width / 20))
        self._range = _range_slider(
            widgets.FloatRangeSlider, (low, high), **ends, step=step, readout_format=".4"
        )
        super().__init__((self._range,), count, moved)

    def bounds(self) -> tuple[float, float]:
        low, high = self._range.value
        return low, high


class _Whole(Kind):
    """A range of whole numbers with a step, or the bounds of `randint`."""

    hides_values = True

    def __init__(self, low: int, high: int, step: int | None, moved: Callable[[], None]) -> None:
        self._step = step
        stride = step or 1
        width = max(high - low, stride)
        least = low - width // stride * stride
        if low >= 0 > least:
            least = low % stride if low % stride or low == 0 else stride
        most = high + width // stride * stride
        self._range = _range_slider(
            widgets.IntRangeSlider, (low, high), min=min(least, low), max=most, step=stride
        )
        self.widget = _row(self._range, *(() if stride == 1 else (_small(f"step {stride}"),)))
        super().__init__((self._range,), moved)

    def expression(self) -> str:
        low, high = self._range.value
        if self._step is None:
            return f"randint({low}, {high})"
        return f"range({low}, {high + 1}{f', {self._step}' if self._step != 1 else ''})"


def _range_slider(kind: Any, value: tuple[Any, Any], **settings: Any) -> Any:
    slider = kind(value=value, continuous_update=False, tooltip="from and to", layout=_WIDE, **settings)
    slider.add_class("e2e-param-range")
    return slider


class _Listed(Kind):
    """Values of which some are chosen."""

    texts: list[str]

    def chosen(self) -> Sequence[int]:
        """Return the indices of the chosen values."""
        raise NotImplementedError

    def expression(self) -> str:
        return f"[{', '.join(self.texts[place] for place in self.chosen())}]"

    def empty(self) -> bool:
        return not self.chosen()


class _Chips(_Listed):
    """A toggle button for each value."""

    def __init__(self, texts: list[str], moved: Callable[[], None]) -> None:
        self.texts = texts
        chips = tuple(
            widgets.ToggleButton(
                value=True,
                description=shorten(text, _LONGEST_CHIP),
                tooltip=text,
                icon="check",
                layout={"width": "auto", "flex": "0 0 auto", "min_width": "44px"},
            )
            for text in texts
        )
        for chip in chips:
            chip.add_class("e2e-chip")
            chip.observe(_tick, "value")
        self.widget = _row(*chips)
        super().__init__(chips, moved)

    def chosen(self) -> Sequence[int]:
        return [place for place, chip in enumerate(self.parts) if chip.value]


class _Many(_Listed):
    """A list with multiple selection."""

    def __init__(self, texts: list[str], moved: Callable[[], None]) -> None:
        self.texts = texts
        self._list = widgets.SelectMultiple(
            options=[(shorten(text, 60), n) for n, text in enumerate(texts)],
            value=tuple(range(len(texts))),
            rows=min(len(texts), 6),
            layout={"flex": "1 1 auto", "width": "auto", "max_width": "420px"},
        )
        self._chosen = _small("")
        self.widget = widgets.HBox(
            [self._list, self._chosen], layout={"flex": "1 1 auto", "align_items": "center", "min_width": "0"}
        )
        self._show_count()
        super().__init__((self._list,), moved)
        self._list.observe(lambda _: self._show_count(), "value")

    def chosen(self) -> Sequence[int]:
        places: tuple[int, ...] = self._list.value
        return places

    def _show_count(self) -> None:
        """Show how many are chosen, and how to choose: a plain click takes one alone."""
        self._chosen.value = (
            f'<div style="opacity:.75;line-height:1.4">{len(self._list.value)} of {len(self.texts)} chosen'
            "<br>Ctrl-click: one more, one less</div>"
        )


def fitting(axis: Axis, expression: str, moved: Callable[[], None]) -> Kind | None:
    """Return the widget that fits an axis; None where its text suits it best.

    A function call keeps its kind, even with so few values that any kind would fit them.
    """
    if len(axis.names) > 1 or (axis.count or 0) > _MOST_VALUES:
        return None
    function, given = _call(expression)
    low, high = _bounds(axis, function, given)
    texts = _typed(axis, expression)
    if texts is None and low is not None and high is not None:
        kind = _KINDS.get(function, axis.kind)
        if kind in ("geometric", "loguniform") and low > 0:
            # Of 16, 32, 64 only the values themselves make sense.
            few = 0 < len(axis.values) <= MOST_CHIPS
            if not (few and all(isinstance(value, int) for value in axis.values)):
                return _Logarithmic(low, high, axis.count, moved)
        elif kind in ("integers", "randint"):
            return _Whole(int(low), int(high), _step(axis, given), moved)
        elif kind in ("linear", "uniform"):
            return _Linear(low, high, axis.count, moved)
    texts = texts or _texts(axis)
    if texts is None or len(texts) < 2:
        return None
    return _Chips(texts, moved) if len(texts) <= MOST_CHIPS else _Many(texts, moved)


# The kind of an axis by the function that its values are written with.
_KINDS: Mapping[str, str] = {
    "geomspace": "geometric",
    "logspace": "geometric",
    "linspace": "linear",
    "range": "integers",
}


def _call(expression: str) -> tuple[str, tuple[Any, ...]]:
    """Return the function that an expression calls, and its arguments where they are plain numbers."""
    node = _parsed(expression)
    if not isinstance(node, ast.Call) or node.keywords:
        return "", ()
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    try:
        given = tuple(ast.literal_eval(argument) for argument in node.args)
    except ValueError:
        return name, ()
    return name, given if all(isinstance(number, int | float) for number in given) else ()


def _parsed(expression: str) -> ast.AST | None:
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        return None


def _bounds(axis: Axis, function: str, given: tuple[Any, ...]) -> tuple[float | None, float | None]:
    """Return the least and the greatest value; of a single one between two bounds, the bounds."""
    if function in ("geomspace", "linspace") and len(given) > 1:
        return min(given[:2]), max(given[:2])
    return axis.low, axis.high


def _step(axis: Axis, given: tuple[Any, ...]) -> int | None:
    """Return the step of whole numbers; None where they are drawn."""
    if axis.distribution is not None:
        return None
    if len(axis.values) > 1:
        return abs(int(axis.values[1] - axis.values[0]))
    return abs(int(given[2])) if len(given) > 2 else 1


def _typed(axis: Axis, expression: str) -> list[str] | None:
    """Return Python for each value where the values were typed one by one, else None."""
    node = _parsed(expression)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "choice" and node.args:
        node = node.args[0]
    typed = node.elts if isinstance(node, ast.List | ast.Tuple) else []
    if len(typed) < 2 or len(typed) != len(axis.values) or any(isinstance(e, ast.Starred) for e in typed):
        return None
    return [ast.unparse(element) for element in typed]


def _texts(axis: Axis) -> list[str] | None:
    """Return Python for each value; None where one is no plain data."""
    texts = [repr(value) for value in axis.values]
    try:
        return texts if [ast.literal_eval(text) for text in texts] == list(axis.values) else None
    except (ValueError, SyntaxError):
        return None


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _tick(change: Any) -> None:
    change["owner"].icon = "check" if change["new"] else ""
