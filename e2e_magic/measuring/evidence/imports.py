"""The time that first imports of modules take, by package: nothing is imported or run twice for it.

While measured code runs a finder stands first in ``sys.meta_path``. It is asked only for modules that are not
loaded yet, lets the other finders find, and hands their spec on with another class until the module is
executed: the import system sets ``_initializing`` on it just before and just after that. So no loader is
wrapped, no frame of ours is in a traceback, and the module holds the very spec and loader that it would hold
without us.

Of imports within imports only the outermost is timed, as the cumulative column of ``python -X importtime``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType

from e2e_magic.measuring import clocks

_FLAG = "_initializing"
# What a user's call of ours imports is not of the user's code.
_OURS = "e2e_magic"


class Imports:
    """The imports between `start` and `stop`."""

    def __init__(self) -> None:
        self.ns: dict[str, int] = {}

    def start(self) -> None:
        """Time imports from now on."""
        _finder.add(self)

    def stop(self) -> None:
        """Time them no longer."""
        _finder.remove(self)

    def seconds(self) -> dict[str, float]:
        """Return the seconds by top-level package, longest first."""
        ns = {name: took for name, took in self.ns.items() if name != _OURS}
        return {name: round(took / 1e9, 6) for name, took in sorted(ns.items(), key=lambda item: -item[1])}


class _TimedSpec(ModuleSpec):
    """A spec whose module is not executed yet; it becomes a plain `ModuleSpec` again when that is done."""

    @property
    def _initializing(self) -> bool:
        return bool(self.__dict__.get(_FLAG, False))

    @_initializing.setter
    def _initializing(self, value: bool) -> None:
        self.__dict__[_FLAG] = value
        if value:
            _finder.begun(self)
        else:
            _finder.done(self)


# As if it were not there, also for code that looks during its own import.
_TimedSpec.__name__ = _TimedSpec.__qualname__ = "ModuleSpec"
_TimedSpec.__module__ = ModuleSpec.__module__


class _Finder:
    """The finder of the process; it stands in ``sys.meta_path`` while anybody listens.

    Attributes
    ----------
    waiting : dict of int to (spec, int)
        By id, the specs handed out whose modules are not executed, and since when, ns.
    outermost : ModuleSpec or None
        Of the module in execution: what is imported meanwhile is part of it.
    """

    def __init__(self) -> None:
        self.waiting: dict[int, tuple[ModuleSpec, int]] = {}
        self._listeners: list[Imports] = []
        self.outermost: ModuleSpec | None = None

    def add(self, listener: Imports) -> None:
        self._listeners.append(listener)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def remove(self, listener: Imports) -> None:
        with suppress(ValueError):
            self._listeners.remove(listener)
        if self._listeners:
            return
        with suppress(ValueError):  # the code may have cleared the list
            sys.meta_path.remove(self)
        for spec, _ in self.waiting.values():  # found and never loaded: `importlib.util.find_spec`
            spec.__class__ = ModuleSpec
        self.waiting.clear()
        self.outermost = None

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the other finders' spec of a module that nothing imports but the code itself, else None."""
        if target is not None or self.outermost is not None:
            return None
        since_ns = clocks.perf_counter_ns()
        for finder in sys.meta_path[:]:
            if finder is self:
                continue
            find = getattr(finder, "find_spec", None)
            if find is None:  # of an older kind: the import system knows what to do
                return None
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                if type(spec) is ModuleSpec and spec.loader is not None:
                    spec.__class__ = _TimedSpec
                    self.waiting[id(spec)] = spec, since_ns
                return spec
        return None

    def begun(self, spec: ModuleSpec) -> None:
        if self.outermost is None:
            self.outermost = spec

    def done(self, spec: ModuleSpec) -> None:
        spec.__class__ = ModuleSpec
        _, since_ns = self.waiting.pop(id(spec), (None, None))
        if self.outermost is not spec or since_ns is None:
            return
        self.outermost = None
        took_ns = clocks.perf_counter_ns() - since_ns
        package = spec.name.partition(".")[0]
        for listener in self._listeners:
            listener.ns[package] = listener.ns.get(package, 0) + took_ns


_finder = _Finder()


def running() -> bool:
    """Return whether a module is being executed for the first time."""
    return _finder.outermost is not None
