from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.jupyter.panel.controls import Control
from e2e_magic.sweeping.space import HELPERS, Space, SpaceError


def evaluate(expression: str, helpers: Any) -> Any:
    """Evaluate with a user's name beside the helpers."""
    return eval(expression, {"mine": [object(), object()], **helpers})


def made(word: str) -> tuple[Control, list[str]]:
    """Make a control, and the list of its words after each change."""
    seen: list[str] = []
    control = Control(word, evaluate, lambda: seen.append(control.word))
    return control, seen


def inner(control: Control, kind: type) -> list[Any]:
    """Return the widgets of one kind in the control's own part."""

    def walk(widget: Any) -> Any:
        if isinstance(widget, kind):
            yield widget
        for child in getattr(widget, "children", ()):
            yield from walk(child)

    return list(walk(control._body))


@pytest.mark.parametrize(
    ("word", "kind", "count"),
    [
        ("lr=geomspace(1e-4,1e-1,4)", widgets.FloatLogSlider, 2),
        ("lr=loguniform(1e-4,1e-1)", widgets.FloatLogSlider, 2),
        ("epochs=range(1, 10)", widgets.IntRangeSlider, 1),
        ("epochs=range(0, 100, 25)", widgets.IntRangeSlider, 1),
        ("epochs=randint(-3, 9)", widgets.IntRangeSlider, 1),
        ("dropout=linspace(0, 0.5, 6)", widgets.FloatRangeSlider, 1),
        ("dropout=uniform(0, 0.5)", widgets.FloatRangeSlider, 1),
        ("dropout=uniform(-1, -0.5)", widgets.FloatRangeSlider, 1),
        ("batch_size=16,32,64", widgets.ToggleButton, 3),
        ("batch_size=[2**k for k in range(3, 6)]", widgets.ToggleButton, 3),
        ("layers=[(8,), (8, 8)]", widgets.ToggleButton, 2),
        ("act=choice(['relu', 'tanh'])", widgets.ToggleButton, 2),
        ("letter=list('abcdefghijkl')", widgets.SelectMultiple, 1),
        ("epochs=5", widgets.Text, 1),
        ("(lr, n)=zip([0.1, 0.2], [1, 2])", widgets.Text, 1),
        ("model=mine", widgets.Text, 1),
    ],
)
def test_the_control_fits_and_untouched_gives_its_word_back(word: str, kind: type, count: int) -> None:
    """Each kind of axis has its widget; until it is touched the word is the user's own."""
    control, seen = made(word)

    assert len(inner(control, kind)) == count
    assert control.word == word
    assert control.read().names == Space.parse([word], evaluate).axes[0].names
    assert seen == []


def test_moving_a_log_slider_changes_the_word() -> None:
    """Both ends and the count are in the word, and the order of the ends doesn't matter."""
    control, seen = made("lr=geomspace(1e-4,1e-1,4)")
    low, high = inner(control, widgets.FloatLogSlider)
    high.value = 1.0
    low.value = 10.0
    [count] = inner(control, widgets.BoundedIntText)
    count.value = 3

    assert seen == [
        "lr=geomspace(0.0001, 1.0, 4)",
        "lr=geomspace(1.0, 1.0, 4)" if low.value == 1.0 else "lr=geomspace(1.0, 10.0, 4)",
        seen[2],
    ]
    assert control.read().count == 3


def test_moving_a_range_changes_the_word() -> None:
    """A range of integers is a range of Python, its last value included."""
    control, seen = made("epochs=range(0, 100, 25)")
    [slider] = inner(control, widgets.IntRangeSlider)
    slider.value = (25, 100)

    assert seen == ["epochs=range(25, 101, 25)"]
    assert control.read().values == (25, 50, 75, 100)


def test_chips_are_taken_and_left() -> None:
    """The word has the chosen values as they were typed; with none chosen that is said."""
    control, seen = made("layers=[(8,), (2 * 4, 8)]")
    first, second = inner(control, widgets.ToggleButton)
    first.value = False

    assert seen == ["layers=[(2 * 4, 8)]"]
    assert control.read().values == ((8, 8),)

    second.value = False
    with pytest.raises(SpaceError, match=r"^layers: choose at least one value$"):
        control.read()

    assert "layers: choose at least one value" in control._said.value
    assert control._said.layout.display is None


def test_a_choice_of_objects_keeps_its_text() -> None:
    """What has no text of its own can't be a chip, unless it was typed one by one."""
    control, _ = made("model=[len, print]")
    first, _ = inner(control, widgets.ToggleButton)
    first.value = False

    assert control.word == "model=[print]"
    assert control.read().values == (print,)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("geomspace(1,", "lr: 'geomspace(1,' is no Python expression ('(' was never closed)"),
        ("nothing", "lr: 'nothing' could not be evaluated (NameError: name 'nothing' is not defined)"),
        ("[]", "lr: expected at least one value, got []"),
        ("", "parameters: expected NAME=VALUES such as lr=0.1,0.01, got 'lr='"),
    ],
)
def test_what_is_typed_wrong_is_said_beside_it(text: str, sentence: str) -> None:
    """The error is in words below the control, the control stays a text, and a right one mends it."""
    control, _ = made("lr=geomspace(1e-4,1e-1,4)")
    control._as_text.value = True
    control._text.value = text

    with pytest.raises(SpaceError) as caught:
        control.read()

    assert str(caught.value) == sentence
    assert inner(control, widgets.Text) == [control._text]

    control._text.value = "linspace(0, 1, 5)"
    control._as_text.value = False

    assert control._said.layout.display == "none"
    assert len(inner(control, widgets.FloatRangeSlider)) == 1


def test_locked_nothing_can_be_changed() -> None:
    """While a sweep runs the parts are disabled, and enabled after it."""
    control, _ = made("lr=geomspace(1e-4,1e-1,4)")
    control.lock(True)

    assert all(slider.disabled for slider in inner(control, widgets.FloatLogSlider))

    control.lock(False)

    assert not any(slider.disabled for slider in inner(control, widgets.FloatLogSlider))


numbers = st.floats(1e-6, 1e6)


@settings(deadline=None)
@given(
    low=numbers,
    high=numbers,
    count=st.integers(2, 40),
    how=st.sampled_from(["geomspace", "linspace", "uniform", "loguniform", "range", "randint"]),
    moves=st.lists(st.floats(0, 1), min_size=2, max_size=2),
)
def test_every_word_of_a_moved_control_is_a_space(
    low: float, high: float, count: int, how: str, moves: list[float]
) -> None:
    """Wherever the sliders are put, the word can be read, and its values lie between the slider's ends."""
    low, high = sorted((low, high))
    if how in ("range", "randint"):
        low, high = int(low), int(high) + 2
    word = f"x={how}({low!r}, {high!r}" + (f", {count})" if how in ("geomspace", "linspace") else ")")
    if how == "range" and high - low > 400:
        word = f"x=range({low}, {high}, {(high - low) // 20})"
    control, _ = made(word)
    for kind in (widgets.FloatLogSlider, widgets.IntRangeSlider, widgets.FloatRangeSlider):
        for slider, share in zip(inner(control, kind), moves, strict=False):
            if kind is widgets.FloatLogSlider:
                slider.value = 10 ** (slider.min + share * (slider.max - slider.min))
            else:
                ends = sorted(slider.min + move * (slider.max - slider.min) for move in moves)
                slider.value = tuple(map(int, ends)) if kind is widgets.IntRangeSlider else tuple(ends)
    axis = control.read()

    assert set(HELPERS) >= {"geomspace", "uniform"}
    assert axis.low is not None
    assert axis.high is not None
    assert axis.low <= axis.high
    assert Space.parse([control.word]).axes == (axis,)
