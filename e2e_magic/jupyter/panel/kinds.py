"""The widgets that fit the kinds of axes: log sliders, ranges, chips, lists."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from e2e_magic.sweeping.space import Axis

# More chips than this in a row can't be overlooked.
MOST_CHIPS = 8
_LONGEST_CHIP = 18
_MOST_VALUES = 500


class Kind:
    """A widget for one kind of axis."""

    widget: widgets.Widget
    parts: tuple[Any, ...]

    def __init__(self, parts: tuple[Any, ...], moved: Callable[[], None]) -> None:
        self.parts = parts
        for part in parts:
            part.observe(lambda _: moved(), "value")

    def expression(self) -> str:
        """Return the values as Python."""
        raise NotImplementedError

    def empty(self) -> bool:
        """Tell whether nothing is chosen."""
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


def _together(*parts: Any, wide: bool = False) -> Any:
    """Return widgets that go to the next line of a narrow page together."""
    return widgets.HBox(
        list(parts),
        layout={"align_items": "center", "flex": "1 1 150px" if wide else "0 0 auto", "min_width": "0"},
    )


_WIDE = {"flex": "1 1 150px", "width": "auto", "min_width": "120px", "max_width": "420px"}


class _Logarithmic(Kind):
    """From and to on logarithmic sliders, and how many values between them."""

    def __init__(self, low: float, high: float, count: int | None, moved: Callable[[], None]) -> None:
        least, most = math.floor(math.log10(low) + 1e-9) - 1, math.ceil(math.log10(high) - 1e-9) + 1
        # Plain numbers where they are short: 0.001 is read at once, the zeros of 0.00001 are counted.
        written = ".3" if low >= 1e-3 and high < 1e6 else ".2e"
        place = {"base": 10, "min": least, "max": most, "step": 0.1, "readout_format": written}
        self._low = widgets.FloatLogSlider(low, continuous_update=False, layout=_WIDE, **place)
        self._high = widgets.FloatLogSlider(high, continuous_update=False, layout=_WIDE, **place)
        self._low.add_class("e2e-param-from")
        self._high.add_class("e2e-param-to")
        self._count = None if count is None else _count(count)
        shown = [self._low, _together(_small("to"), self._high, wide=True)]
        if self._count is not None:
            shown.append(_together(_small("values"), self._count))
        self.widget = _row(*shown)
        super().__init__((self._low, self._high, *(() if self._count is None else (self._count,))), moved)

    def expression(self) -> str:
        low, high = sorted((_rounded(self._low.value), _rounded(self._high.value)))
        if self._count is None:
            return f"loguniform({low}, {high})"
        return f"geomspace({low}, {high}, {self._count.value})"


class _Whole(Kind):
    """A range of whole numbers with a step, or the bounds of `randint`."""

    def __init__(self, low: int, high: int, step: int | None, moved: Callable[[], None]) -> None:
        self._step = step
        stride, width = step or 1, max(high - low, 1)
        least = low - width // stride * stride
        if low >= 0 > least:
            least = low % stride if low % stride or low == 0 else stride
        self._range = widgets.IntRangeSlider(
            value=(low, high),
            min=min(least, low),
            max=high + width // stride * stride,
            step=stride,
            continuous_update=False,
            layout={**_WIDE, "max_width": "620px"},
        )
        self._range.add_class("e2e-param-range")
        self.widget = _row(self._range, *(() if stride == 1 else (_small(f"step {stride}"),)))
        super().__init__((self._range,), moved)

    def expression(self) -> str:
        low, high = self._range.value
        if self._step is None:
            return f"randint({low}, {high})"
        return f"range({low}, {high + 1}{f', {self._step}' if self._step != 1 else ''})"


class _Linear(Kind):
    """From and to on one slider, and how many values between them; or the bounds of `uniform`."""

    def __init__(self, low: float, high: float, count: int | None, moved: Callable[[], None]) -> None:
        width = high - low or abs(high) or 1.0
        least = max(0.0, low - width) if low >= 0 else low - width
        step = 10.0 ** math.floor(math.log10(width / 20))
        self._range = widgets.FloatRangeSlider(
            value=(low, high),
            min=least,
            max=high + width,
            step=step,
            readout_format=".4",
            continuous_update=False,
            layout={**_WIDE, "max_width": "620px"},
        )
        self._range.add_class("e2e-param-range")
        self._count = None if count is None else _count(count)
        values = () if self._count is None else (_together(_small("values"), self._count),)
        self.widget = _row(self._range, *values)
        super().__init__((self._range, *(() if self._count is None else (self._count,))), moved)

    def expression(self) -> str:
        low, high = map(_rounded, self._range.value)
        if self._count is None:
            return f"uniform({low}, {high})"
        return f"linspace({low}, {high}, {self._count.value})"


class _Chips(Kind):
    """A button per value, to be taken or left."""

    def __init__(self, texts: list[str], moved: Callable[[], None]) -> None:
        self._texts = texts
        chips = tuple(
            widgets.ToggleButton(
                value=True,
                description=_short(text),
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

    def expression(self) -> str:
        return (
            f"[{', '.join(text for text, chip in zip(self._texts, self.parts, strict=True) if chip.value)}]"
        )

    def empty(self) -> bool:
        return not any(chip.value for chip in self.parts)


class _Many(Kind):
    """A list of which several may be chosen."""

    def __init__(self, texts: list[str], moved: Callable[[], None]) -> None:
        self._texts = texts
        self._list = widgets.SelectMultiple(
            options=[(_short(text, 60), n) for n, text in enumerate(texts)],
            value=tuple(range(len(texts))),
            rows=min(len(texts), 6),
            layout={"flex": "1 1 auto", "width": "auto", "max_width": "420px"},
        )
        self._chosen = _small("")
        self.widget = widgets.HBox(
            [self._list, self._chosen], layout={"flex": "1 1 auto", "align_items": "center", "min_width": "0"}
        )
        self._tell()
        super().__init__((self._list,), moved)
        self._list.observe(lambda _: self._tell(), "value")

    def expression(self) -> str:
        return f"[{', '.join(self._texts[n] for n in self._list.value)}]"

    def _tell(self) -> None:
        """Say how many are chosen, and how to choose: a plain click takes one alone."""
        self._chosen.value = (
            f'<div style="opacity:.75;line-height:1.4">{len(self._list.value)} of {len(self._texts)} chosen'
            "<br>Ctrl-click: one more, one less</div>"
        )

    def empty(self) -> bool:
        return not self._list.value


def fitting(axis: Axis, expression: str, moved: Callable[[], None]) -> Kind | None:
    """Return the widget that fits an axis; None where its text says it best."""
    kind, low, high = axis.kind, axis.low, axis.high
    if len(axis.names) > 1 or (axis.count or 0) > _MOST_VALUES:
        return None
    typed = _typed(axis, expression)
    if typed is not None or kind in ("fixed", "choice", "numbers") or low is None or high is None:
        texts = typed or _texts(axis)
        if texts is None or len(texts) < 2:
            return None
        return _Chips(texts, moved) if len(texts) <= MOST_CHIPS else _Many(texts, moved)
    if (
        kind == "geometric"
        and all(isinstance(v, int) for v in axis.values)
        and len(axis.values) <= MOST_CHIPS
    ):
        return _Chips([repr(value) for value in axis.values], moved)  # 16, 32, 64: what lies between is none
    if kind in ("geometric", "loguniform"):
        return _Logarithmic(low, high, axis.count, moved)
    if kind in ("integers", "randint"):
        step = abs(axis.values[1] - axis.values[0]) if kind == "integers" else None
        return _Whole(int(low), int(high), step, moved)
    return _Linear(low, high, axis.count, moved)


def _typed(axis: Axis, expression: str) -> list[str] | None:
    """Return Python for each value where the values were typed one by one, else None."""
    try:
        node: ast.AST = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        return None
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "choice"
        and node.args
    ):
        node = node.args[0]
    typed = node.elts if isinstance(node, ast.List | ast.Tuple) else []
    if len(typed) < 2 or len(typed) != len(axis.values) or any(isinstance(e, ast.Starred) for e in typed):
        return None
    return [ast.unparse(element) for element in typed]


def _texts(axis: Axis) -> list[str] | None:
    """Return Python for each value; None where one is no plain data."""
    texts = [repr(value) for value in axis.values]
    try:
        same = all(ast.literal_eval(t) == v for t, v in zip(texts, axis.values, strict=True))
    except (ValueError, SyntaxError):
        return None
    return texts if same else None


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _short(text: str, longest: int = _LONGEST_CHIP) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _tick(change: Any) -> None:
    change["owner"].icon = "check" if change["new"] else ""
