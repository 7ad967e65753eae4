"""How many entries a batch holds."""

from __future__ import annotations

from collections import OrderedDict, UserDict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.integrations.batches import length

X, Y = np.zeros((32, 3)), np.zeros(32)


@pytest.mark.parametrize(
    ("batch", "entries"),
    [
        (X, 32),
        ((X, Y), 32),
        ([X, Y], 32),
        ({"image": X, "label": Y}, 32),
        (UserDict(ids=X, mask=Y), 32),
        ([{"image": X}, Y], 32),
        (("train", X), 32),
        ((np.float64(0.5), X), 32),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), 2),
        ([1, 2, 3], 3),
        (["a", "b"], 2),
        (([1, 2, 3], [0, 1, 0]), 3),
        ([[1, 2, 3], [4, 5, 6]], 2),
        (OrderedDict(text=["a", "b"], label=[0, 1]), 2),
        ((5, 6, 7), 3),
        (range(4), 4),
        (np.zeros((0, 3)), 0),
        ([], 0),
    ],
)
def test_the_first_array_else_the_first_list_says_the_length(batch: Any, entries: int) -> None:
    """Fields of tuples and dicts are looked into; plain lists hold entries."""
    assert length(batch) == entries


IMAGE, MASK, BOXES = np.zeros((3, 8, 8)), np.zeros((1, 8, 8)), {"boxes": np.zeros((2, 4)), "label": 1}


@pytest.mark.parametrize(
    ("samples", "collate"),
    [
        (samples, collate)
        for samples in (
            [(IMAGE, BOXES)] * 5,
            [(IMAGE, 1)] * 5,
            [(IMAGE, MASK)] * 5,
            [(IMAGE, IMAGE)] * 5,
            [(np.zeros((n, 4)), "text") for n in range(1, 6)],
            [(np.zeros((n, 4)), np.zeros(n)) for n in range(1, 6)],
        )
        for collate in (lambda batch: tuple(zip(*batch, strict=True)), list)
    ]
    + [
        ([(IMAGE, 1)] * 5, tuple),
        ([(IMAGE, 1)] * 5, lambda batch: list(zip(*batch, strict=True))),
        ([(IMAGE, BOXES)] * 5, lambda batch: [list(field) for field in zip(*batch, strict=True)]),
        ([{"image": IMAGE, "label": 3}] * 5, list),
        ([IMAGE] * 5, lambda images: {"image": images}),
        ([IMAGE] * 5, lambda images: {"image": images, "label": np.zeros(5)}),
        ([IMAGE] * 5, lambda images: {"image": images, "mask": [MASK] * 5}),
        ([IMAGE] * 5, lambda images: (images, np.zeros(5))),
        ([IMAGE] * 5, lambda images: [images, np.zeros(5)]),
        ([np.zeros(n) for n in range(1, 6)], lambda tokens: {"ids": tokens, "label": np.zeros(5)}),
    ],
)
def test_entries_that_are_not_stacked_are_counted(samples: list[Any], collate: Any) -> None:
    """Beside each other, as `collate_fn` zips them or leaves them: five entries, not three channels."""
    assert length(collate(samples)) == 5


@pytest.mark.parametrize(
    "batch",
    [
        ((X, X), (Y, Y)),
        [[X, X], [Y, Y]],
        [(X, X), (Y, Y)],
        [{"x": X}, {"x": X}],
        ((X, X), Y),
        [[X, X], Y],
        {"x": [X, X], "y": Y},
        {"x": [X, X], "y": [Y, Y]},
    ],
)
def test_stacked_fields_of_several_inputs_are_no_entries(batch: Any) -> None:
    """Two inputs and two outputs of 32 entries each are 32 entries."""
    assert length(batch) == 32


@pytest.mark.parametrize("batch", [3, "text", None, np.float64(1.5), {"a": 1}, {}, SimpleNamespace(x=X)])
def test_what_has_no_length_is_said(batch: Any) -> None:
    """A batch that holds nothing with a length is an error with its type, not a count of 0 or 1."""
    with pytest.raises(TypeError, match=rf"^nothing in a {type(batch).__name__} has a length$"):
        length(batch)


@given(
    st.integers(0, 50),
    st.recursive(st.just("leaf"), lambda inner: st.tuples(st.sampled_from((tuple, list, dict)), inner)),
)
def test_any_nesting_of_one_array_has_its_length(entries: int, nesting: Any) -> None:
    """Tuples, lists and dicts around an array change nothing."""
    batch: Any = np.zeros((entries, 2))
    while nesting != "leaf":
        kind, nesting = nesting
        batch = {"x": batch} if kind is dict else kind([batch])

    assert length(batch) == entries
