"""Count what an object holds: all that can be reached from it, each thing once, for a bounded time."""

from __future__ import annotations

import gc
import sys
import time
import types
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from e2e_magic.measuring.holders.buffers import CPU, LIBRARIES, Coverage, Families, Parts

# Objects between two looks at the clock.
_BETWEEN_LOOKS = 256
_NOT_HELD = (
    types.ModuleType, types.FrameType, types.CodeType, types.BuiltinFunctionType, types.MethodDescriptorType,
    types.WrapperDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
    weakref.ReferenceType, weakref.ProxyType, weakref.CallableProxyType,
)  # fmt: skip
# Frames of these belong to nobody's code.
_MACHINERY = frozenset({"IPython", "ipykernel", "e2e_magic", "asyncio", "runpy", "threading", "concurrent"})
_ATOMS: frozenset[type] = frozenset((int, float, complex, bool, str, bytes, bytearray, type(None)))
# Of a module's names: what the walk doesn't enter anyway, and what may be another object in a moment.
_NO_MATTER = _ATOMS | {type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType}
_C_FUNCTIONS = (types.MethodDescriptorType, types.WrapperDescriptorType)

Visit = Callable[[Any], Iterable[Any] | None]


@dataclass(slots=True)
class Count:
    """What one holder holds that no holder before it does.

    Attributes
    ----------
    held : dict of str to int
        Bytes by device.
    shared : set of int
        The places of the holders that hold some of it too.
    whole : bool
        Whether everything was seen: neither was the time too short nor did a library hide anything.
    """

    held: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    shared: set[int] = field(default_factory=set)
    whole: bool = True


class Walk:
    """Count holders one after another.

    Parameters
    ----------
    values : mapping of int to int
        By the address of a holder's own value its place: another holder that reaches it shares it.
    bounds : iterable of object
        What belongs to nobody: the walk stops there. Modules and what their names hold belong to nobody
        anyway.
    """

    def __init__(self, values: Mapping[int, int], bounds: Iterable[Any] = ()) -> None:
        self._values = values
        self._coverage = Coverage()
        self._families = Families()
        self._bounds = {id(value) for value in bounds}
        self._seen = self._bounds | (_of_modules() - values.keys())
        self._visits: dict[type, Visit] = {}
        self._parts: dict[type, Callable[[Any], Parts]] = {}
        # What a library makes for this look only must not give its address to something else.
        self._made: list[Any] = []
        self._place = 0
        self._count = Count()

    def count(self, value: Any, place: int, until: float) -> Count:
        """Count what a value holds, at most until then (`time.monotonic`, s)."""
        self._place, self._count = place, Count()
        if id(value) not in self._bounds:
            self._seen.discard(id(value))
        stack: list[Iterator[Any]] = [iter((value,))]
        steps = 0
        seen, values, held, getsizeof = self._seen, self._values, self._count.held, sys.getsizeof
        while stack:
            try:
                for one in stack[-1]:
                    steps += 1
                    if not steps % _BETWEEN_LOOKS and time.monotonic() > until:
                        self._count.whole = False
                        return self._count
                    if type(one) in _ATOMS and id(one) not in values:  # millions of them, mostly
                        if id(one) not in seen:
                            seen.add(id(one))
                            held[CPU] += getsizeof(one)
                        continue
                    inner = self._visit(one)
                    if inner is not None:
                        stack.append(iter(inner))
                        break
                else:
                    stack.pop()
            except RuntimeError:  # a thread changed the container meanwhile
                self._count.whole = False
                stack.pop()
        return self._count

    def _visit(self, value: Any) -> Iterable[Any] | None:
        key = id(value)
        owner = self._values.get(key, self._place)
        cls = type(value)
        if owner != self._place:
            if cls is not types.FunctionType and not issubclass(cls, type):  # code is no memory to speak of
                self._count.shared.add(owner)
            return None
        if key in self._seen:
            if cls in self._parts:  # its buffers tell whose it is
                self._add(0, self._parts[cls], value)
            return None
        self._seen.add(key)
        visit = self._visits.get(cls)
        if visit is None:
            visit = self._visits[cls] = self._visit_of(cls)
        return visit(value)

    def _visit_of(self, cls: type) -> Visit:
        """Return what is done with objects of a class."""
        if issubclass(cls, type):
            return _of_class
        if issubclass(cls, _NOT_HELD) or self._is_nobodys(cls):
            return lambda _: None
        for family in self._families.of(cls):
            if family in LIBRARIES:
                parts, size = LIBRARIES[family], _size_of(cls, buffered=True)
                self._parts[cls] = parts
                return lambda value: self._add(size(value), parts, value)
        size = _size_of(cls)
        inside = _INSIDE.get(cls, gc.get_referents)

        def visit(value: Any) -> Iterable[Any] | None:
            self._count.held[CPU] += size(value)
            return inside(value)

        return visit

    def _is_nobodys(self, cls: type) -> bool:
        families = self._families.of(cls)
        if ("logging", "Filterer") in families or ("logging", "Manager") in families:
            return True
        tops = {top for top, _ in families}
        return ("traitlets", "HasTraits") in families and bool(tops & {"IPython", "ipykernel"})

    def _add(self, size: int, parts_of: Callable[[Any], Parts], value: Any) -> Iterable[Any]:
        """Count an object of a library, and return what else it holds; a failure of it hides its memory."""
        self._count.held[CPU] += size
        try:
            parts = parts_of(value)
            for extent in parts.extents:
                new, owners = self._coverage.claim(extent, self._place)
                self._count.held[extent.device] += new
                self._count.shared |= owners
        except Exception:  # noqa: BLE001 - whatever a library raises: a deleted buffer, a tensor without storage
            self._count.whole = False
            return ()
        self._count.whole &= parts.whole
        return self._keeping(parts.inner)

    def _keeping(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            if type(value).__module__ != "builtins":
                self._made.append(value)
            yield value


def _of_class(cls: Any) -> Iterable[Any] | None:
    """Return what a class of the notebook's own holds; a module's belongs to nobody."""
    return list(vars(cls).values()) if cls.__module__ == "__main__" else None


def _of_function(function: types.FunctionType) -> Iterable[Any]:
    """Return what a function holds: its closure, its defaults, its attributes; not its module."""
    return [one for one in gc.get_referents(function) if one is not function.__globals__]


def _of_traceback(trace: types.TracebackType) -> Iterable[Any]:
    return chain((trace.tb_next,), locals_of(trace.tb_frame).values())


def locals_of(frame: types.FrameType) -> Mapping[str, Any]:
    """Return the variables of a call of the user's code; none of a module's or a shell's frame."""
    machinery = str(frame.f_globals.get("__name__", "")).partition(".")[0] in _MACHINERY
    return {} if machinery or frame.f_locals is frame.f_globals else frame.f_locals


def _of_dict(value: dict[Any, Any]) -> Iterable[Any]:
    return chain(value.keys(), value.values())


# Without a copy of what they refer to. What isn't here has few referents of its own.
_INSIDE: Mapping[type, Callable[[Any], Iterable[Any] | None]] = {
    list: iter,
    tuple: iter,
    set: iter,
    frozenset: iter,
    dict: _of_dict,
    types.FunctionType: _of_function,
    types.TracebackType: _of_traceback,
    **dict.fromkeys(_ATOMS, lambda _: None),
}


def _size_of(cls: type, *, buffered: bool = False) -> Callable[[Any], int]:
    """Return the function for the bytes of an object of a class, without what it refers to.

    A class's own ``__sizeof__`` in Python may compute for long (that of pandas), and one of a library counts
    its buffers: then the size is that of the object alone.
    """
    mro = type.__dict__["__mro__"].__get__(cls)
    own = next(vars(base)["__sizeof__"] for base in mro if "__sizeof__" in vars(base))
    if isinstance(own, _C_FUNCTIONS) and not buffered:
        return sys.getsizeof
    return object.__sizeof__


def _of_modules() -> set[int]:
    """Return the addresses of the namespaces of all modules and of what these hold by name."""
    found = {id(sys.modules)}
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType):
            names = module.__dict__
            found.add(id(names))
            if names.get("__name__") != "__main__":
                found.update(id(value) for value in list(names.values()) if type(value) not in _NO_MATTER)
    return found
