"""Parameters as values: a copy of its own for each execution, and distinguished by their content."""

from __future__ import annotations

import copy
import hashlib
import marshal
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from e2e_magic.measuring.plan import PlanError
from e2e_magic.measuring.reported.arrays import values_of
from e2e_magic.record import named
from e2e_magic.sweeping.space import Space

# The key of `Record.reported` under which a trial carries what `Digests.of` returns.
CONTENTS = "param_contents"
# What can't change, or is one for the whole process.
_SHARED = (type(None), bool, int, float, complex, str, bytes, range, type, ModuleType)
# JSON holds these as they are; the others' text is their content.
_PLAIN = (type(None), bool, int, float, str)
_SPELLED = (complex, bytes, range, ModuleType)
_SPELLED_MODULES = {"datetime", "decimal", "enum", "fractions", "pathlib", "uuid"}
_LONGEST = 40


def copied(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as objects of their own: what code changes in them, no other trial sees.

    Raises
    ------
    PlanError
        Names the parameter whose value can't be copied.
    """
    copies: dict[int, Any] = {}
    return {name: _copied(name, value, copies) for name, value in params.items()}


def _copied(name: str, value: Any, copies: dict[int, Any]) -> Any:
    if isinstance(value, _SHARED):
        return value
    try:
        return copy.deepcopy(value, copies)
    except Exception as error:  # noqa: BLE001 - whatever the user's objects raise
        raise _refused(name, value, "each trial gets a copy of its own", "copied", error) from None


def _refused(name: str, value: Any, why: str, what: str, error: Exception) -> PlanError:
    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return PlanError(
        f"{name}: {why}, and {type(value).__name__} can't be {what} ({reason}); "
        "sweep over a name or number and make it from that in the code"
    )


class Digests:
    """The contents of a sweep's values, each looked at once.

    Text, numbers, truths, and lists, tuples and dicts of them stand for themselves, and so does what is
    written as what it is (a date, a path, a function of an installed module). Anything else, such as a data
    frame, a model or a function of the notebook, is identified by a digest of its content.
    """

    def __init__(self) -> None:
        self._digests: dict[int, tuple[Any, str]] = {}  # with the value, so that no other gets its id

    def of(self, params: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """Return ``digest`` and ``label`` of those parameters that don't stand for themselves.

        Raises
        ------
        PlanError
            Names the parameter whose content can't be determined.
        """
        contents = {}
        for name, value in params.items():
            if not _stands_for_itself(value):
                digest = self._digest(name, value)
                contents[name] = {"digest": digest, "label": _label(value, digest)}
        return contents

    def check(self, space: Space) -> None:
        """Raise `PlanError` for a parameter with a value whose content can't be determined."""
        for axis in space.axes:
            for place in range(axis.count or 0):
                self.of(axis.at(place))

    def _digest(self, name: str, value: Any) -> str:
        if id(value) not in self._digests:
            try:
                self._digests[id(value)] = value, digest_of(value)
            except Exception as error:  # noqa: BLE001 - whatever the user's objects raise
                why = "trials are told apart by the content of their parameters"
                raise _refused(name, value, why, "pickled", error) from None
        return self._digests[id(value)][1]


def _stands_for_itself(value: Any) -> bool:
    if type(value) in (list, tuple):
        return all(map(_stands_for_itself, value))
    if type(value) is dict:
        return all(map(_stands_for_itself, (*value, *value.values())))
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return isinstance(named(value), str) and not _of_the_notebook(value)
    kinds = type(value).__mro__
    return (
        type(value) in _PLAIN
        or isinstance(value, _SPELLED)
        or any(k.__module__ in _SPELLED_MODULES for k in kinds)
    )


def _of_the_notebook(value: Any) -> bool:
    """Return whether a function or class may be another one under the same name in a later session."""
    module = sys.modules.get(value.__module__ or "")
    return value.__module__ == "__main__" or "<" in value.__qualname__ or module is None


def _label(value: Any, digest: str) -> str:
    """Return the label for people: a short text of the value, and the beginning of its digest."""
    name = named(value)
    if isinstance(name, str) and not isinstance(value, str):
        return name
    text = repr(value)
    if len(text) > _LONGEST or "\n" in text or " at 0x" in text:
        text = type(value).__name__
        text += "".join(f" {'x'.join(map(str, shape))}" for shape in _shapes(value))
    return f"{text} #{digest[:6]}"


def _shapes(value: Any) -> Iterator[tuple[Any, ...]]:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        yield shape


def digest_of(value: Any) -> str:
    """Return a digest of a value's content: of its pickled bytes, of functions and classes their code.

    Raises
    ------
    Exception
        Whatever an object raises that can't be pickled.
    """
    if isinstance(value, FunctionType) and not value.__closure__ and not value.__defaults__:
        return hashlib.md5(_code(value.__code__), usedforsecurity=False).hexdigest()  # without joblib
    digest: str = _hasher("numpy" in sys.modules)().hash(value)
    return digest


@cache
def _hasher(numpy: bool) -> Any:
    """Return joblib's hasher, which knows functions and classes of the notebook by their code."""
    from joblib import hashing

    base: Any = hashing.NumpyHasher if numpy else hashing.Hasher

    class Hasher(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(hash_name="md5")
            self._within: set[int] = set()

        def save(self, obj: Any) -> None:
            if isinstance(obj, FunctionType | type) and _of_the_notebook(obj):
                if id(obj) in self._within:  # a method that names its own class
                    obj = obj.__qualname__
                else:
                    self._within.add(id(obj))
                    obj = (obj.__qualname__, _parts(obj))
            elif isinstance(obj, ModuleType):
                obj = obj.__name__
            super().save(_content(obj))

    return Hasher


def _content(value: Any) -> Any:
    """Return what is content of a value whose pickled bytes hold more: addresses, padding, caches, order."""
    if isinstance(value, frozenset):
        return "frozenset", set(value)
    torch, numpy, pandas = map(sys.modules.get, ("torch", "numpy", "pandas"))
    if torch is not None and isinstance(value, torch.Tensor):
        held = values_of(value)
        kind = (type(value).__qualname__, str(value.dtype), str(value.layout), value.requires_grad)
        return kind, held.shape, held.entries
    if numpy is not None and isinstance(value, numpy.ma.MaskedArray):
        return "masked", value.data, numpy.ma.getmaskarray(value), value.fill_value
    if numpy is not None and isinstance(value, numpy.ndarray) and value.dtype.names:
        return {name: value[name].copy() for name in value.dtype.names}
    if pandas is not None and isinstance(value, pandas.CategoricalDtype):
        return "categories", value.categories, value.ordered
    if pandas is not None and isinstance(value, pandas.api.extensions.ExtensionDtype):
        return type(value).__qualname__, str(value)
    if pandas is not None and isinstance(value, pandas.api.extensions.ExtensionArray):
        return value.view()
    if "keras" in sys.modules and hasattr(value, "get_config") and not isinstance(value, type):
        weights = value.weights if hasattr(value, "weights") else getattr(value, "variables", ())
        return type(value).__qualname__, value.get_config(), [each.numpy() for each in weights]
    return value


def _parts(value: Any) -> Any:
    """Return what a function or class of the notebook consists of, as what can be pickled."""
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return _code(value.__code__), value.__defaults__, value.__kwdefaults__, cells
    unwrapped = {
        name: getattr(each, "__func__", getattr(each, "fget", each)) for name, each in vars(value).items()
    }
    left_out = ("__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__")
    return value.__bases__, {name: each for name, each in unwrapped.items() if name not in left_out}


def _code(code: CodeType) -> bytes:
    """Return compiled code as bytes, without where it stood."""
    return marshal.dumps(_placeless(code))


def _placeless(code: CodeType) -> CodeType:
    constants = tuple(_placeless(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(
        co_filename="", co_firstlineno=1, co_linetable=b"", co_qualname="", co_name="", co_consts=constants
    )
