"""Which cell made a name: by its object's address, kept without the object."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from datetime import UTC, datetime
from typing import Any

import pytest

from e2e_magic.measuring.holders.making import Made, Names

AT = datetime(2026, 11, 29, tzinfo=UTC)


class Thing:
    pass


def test_what_is_new_or_another_object_was_made_by_the_cell_that_ended() -> None:
    """Also after a name was deleted; what stays the same keeps its cell."""
    space: dict[str, Any] = {"before": Thing()}
    names = Names(space)
    space |= {"a": Thing(), "b": Thing()}
    names.note(Made(1, AT, "run", "prepare"))
    old = space["a"]
    space["a"] = Thing()
    assert names.changed() == ["a"]
    names.note(Made(2, AT))
    del space["before"]
    space["c"] = old
    names.note(Made(3, AT))
    names.note(Made(4, AT))

    assert {name: made.cell for name, made in names.made.items()} == {"a": 2, "b": 1, "c": 3}
    assert names.made["b"] == Made(1, AT, "run", "prepare")


def test_no_object_is_kept_alive() -> None:
    """What a name no longer holds goes away at once."""
    space: dict[str, Any] = {"a": Thing()}
    names = Names(space)
    names.note(Made(1, AT))
    gone = weakref.ref(space["a"])
    gc.disable()
    try:
        space["a"] = None
        assert gone() is None
    finally:
        gc.enable()


def test_imported_packages_are_those_of_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of most modules first; neither Python's own nor this one."""
    names = Names({})
    for name in ("alpha", "beta", "beta.one", "beta.two", "_private", "this", "e2e_magic.new"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))

    assert names.imported() == ["beta", "alpha"]
    names.note(Made(1, AT))
    assert names.imported() == []
