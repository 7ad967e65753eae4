from __future__ import annotations

import html
from typing import Any

import ipywidgets as widgets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.jupyter.panel.controls import Control, Parameters
from e2e_magic.sweeping.space import HELPERS, Space, SpaceError


def evaluate(expression: str, helpers: Any) -> Any:
    """Evaluate with a user's name beside the helpers."""
    return eval(expression, {"mine": [object(), object()], "np": np, **helpers})


def made(word: str) -> tuple[Control, list[str]]:
    """Make a control, and the list of its words after each change."""
    seen: list[str] = []
    control = Control(word, evaluate, lambda: seen.append(control.word), lambda _: None)
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


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("lr=geomspace(0.001, 0.1, 4)", widgets.FloatLogSlider),
        ("lr=np.geomspace(0.001, 0.1, 4)", widgets.FloatLogSlider),
        ("lr=logspace(-3, -1, 4)", widgets.FloatLogSlider),
        ("dropout=linspace(0, 0.5, 6)", widgets.FloatRangeSlider),
        ("epochs=range(0, 100, 25)", widgets.IntRangeSlider),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_control_keeps_its_function_with_few_values(word: str, kind: type, count: int) -> None:
    """Two values fit any kind, one none: what is written with a function stays what it was."""
    control, _ = made(word)
    function = word.partition("=")[2].partition("(")[0].removeprefix("np.")
    kept = "geomspace" if function == "logspace" else function
    if kind is widgets.IntRangeSlider:
        [slider] = inner(control, kind)
        slider.value = (0, 25 * (count - 1))
    else:
        [number] = inner(control, widgets.BoundedIntText)
        number.value = count

    assert control.read().count == count

    again, seen = made(control.word)  # the line is copied, or typed into
    for slider in inner(again, kind):
        low, high = slider.min, slider.max
        slider.value = (low, high) if isinstance(slider.value, tuple) else 10.0**high

    assert len(inner(again, kind)) == len(inner(control, kind))
    assert seen
    assert all(word.partition("=")[2].startswith(f"{kept}(") for word in seen)


def test_ends_that_meet_can_be_drawn_apart() -> None:
    """Values that are all the same are still a space between two ends."""
    control, _ = made("lr=geomspace(1.0, 1.0, 4)")

    assert len(inner(control, widgets.FloatLogSlider)) == 2


def test_switching_to_text_and_back_keeps_the_slider() -> None:
    """Its ends stay where they were: only what is typed makes it anew."""
    control, _ = made("lr=geomspace(1e-4,1e-1,4)")
    sliders = inner(control, widgets.FloatLogSlider)
    control._as_text.value = True

    assert inner(control, widgets.Text) == [control._text]

    control._as_text.value = False

    assert inner(control, widgets.FloatLogSlider) == sliders


def test_few_values_are_marked() -> None:
    """Up to eight values stand below their slider and follow it; chips show their own."""
    control, _ = made("lr=geomspace(1e-4,1e-1,4)")

    assert "0.0001 · 0.001 · 0.01 · 0.1" in control._values.value
    assert control._values.layout.display is None

    [count] = inner(control, widgets.BoundedIntText)
    count.value = 3

    assert "0.0001 · 0.00316228 · 0.1" in control._values.value

    count.value = 9

    assert control._values.layout.display == "none"
    assert made("lr=0.1,0.2")[0]._values.layout.display == "none"
    assert made("lr=uniform(0, 1)")[0]._values.layout.display == "none"


def test_a_control_can_be_removed() -> None:
    """Its button hands the control to who shows it; while a sweep runs it can't be pressed."""
    removed: list[Control] = []
    control = Control("lr=0.1,0.2", evaluate, lambda: None, removed.append)
    control._remove.click()

    assert removed == [control]
    assert control._remove.tooltip == "don't sweep lr"

    control.lock(True)

    assert control._remove.disabled


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

    assert "layers: choose at least one value" in control._error.value
    assert control._error.layout.display is None


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

    assert control._error.layout.display == "none"
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


class TestParameters:
    def parameters(self, *words: str) -> tuple[Parameters, list[list[str]]]:
        """Make parameters of some words, and the list of all words after each change."""
        seen: list[list[str]] = []
        values = {"lr": "0.5", "layers": "[[8, 8]]", "n": "3"}
        made = Parameters(words, evaluate, lambda: seen.append(made.words), lambda: values)
        return made, seen

    def test_an_added_one_begins_with_the_value_of_its_variable(self) -> None:
        """It is right at once: no error stands beside it; the name is offered no more."""
        made, seen = self.parameters("n=1,2")

        assert made._name.options == ("lr", "layers")

        made._name.value = "layers"
        made._add.click()

        assert seen == [["n=1,2", "layers=[[8, 8]]"]]
        made.check()
        assert made._controls[1]._error.layout.display == "none"
        assert (made._name.value, made._name.options) == ("", ("lr",))

    def test_one_whose_value_is_no_plain_data_begins_with_its_variable(self) -> None:
        """The variable itself is its value."""
        made, _ = self.parameters()
        made.add("mine")

        assert made.words == ["mine=mine"]
        made.check()

    def test_a_removed_one_is_swept_no_more(self) -> None:
        """Its row and its word are gone, and its name is offered again; the last one may go too."""
        made, seen = self.parameters("n=1,2", "lr=0.1,0.2")
        made._controls[0]._remove.click()

        assert seen == [["lr=0.1,0.2"]]
        assert list(made._rows.children) == [made._controls[0].row]
        assert made._name.options == ("layers", "n")

        made._controls[0]._remove.click()

        assert made.words == []

    @pytest.mark.parametrize("name", ["n", "2n", ""])
    def test_what_can_not_be_added_is_told(self, name: str) -> None:
        """A name that is there already, that is none, or no name at all."""
        made, seen = self.parameters("n=1,2")
        made.add(name)

        assert seen == []
        assert (
            f"add: expected the name of another variable that the cell reads, got {name!r}"
            in html.unescape(made._error.value)
        )

        made.add("lr")

        assert made._error.layout.display == "none"

    def test_each_that_is_wrong_shows_it(self) -> None:
        """The first one's sentence is raised, all of them are shown."""
        made, _ = self.parameters("n=", "lr=nothing")

        with pytest.raises(SpaceError, match=r"^parameters: expected NAME=VALUES"):
            made.check()

        assert all(control._error.layout.display is None for control in made._controls)

    def test_locked_nothing_can_be_added_or_removed(self) -> None:
        """While a sweep runs."""
        made, _ = self.parameters("n=1,2")
        made.lock(True)

        assert made._add.disabled
        assert made._name.disabled
        assert made._controls[0]._remove.disabled
