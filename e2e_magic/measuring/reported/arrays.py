"""Array-likes of any library as plain values, without importing any of those libraries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, KeysView, Sequence, ValuesView
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLAIN = frozenset((bool, int, float, str))
_MISSING = ("NoneType", "NAType", "NaTType", "MaskedConstant")  # also without a pandas or numpy to ask
_NUMBERS = frozenset((int, float))


class WrongValueError(Exception):
    """Error for a value that is not of the expected kind; its text lacks the key."""


@dataclass(frozen=True, slots=True)
class Values:
    """The values of an array-like, in row-major order.

    Attributes
    ----------
    shape : tuple of int
        Empty for a single value.
    entries : list or array
        A flat list of `PLAIN` values, of marks of a missing one (`absent`), and of objects that are
        neither; or a flat numpy array of truth values, numbers or text where one was given.
    order : sequence or None
        The categories in their order, where the array-like has a meaningful one.
    """

    shape: tuple[int, ...]
    entries: list[Any] | NDArray[Any]
    order: Sequence[Any] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def items(self) -> list[Any]:
        """The values as a list."""
        return self.entries if isinstance(self.entries, list) else self.entries.tolist()

    @property
    def kind(self) -> str:
        """``numbers`` (missing ones among them), ``text``, ``truth values`` or ``objects``."""
        if not isinstance(self.entries, list):
            return {"b": "truth values", "U": "text"}.get(self.entries.dtype.kind, "numbers")
        types = frozenset(each for each in set(map(type, self.entries)) if each.__name__ not in _MISSING)
        if types and types <= _NUMBERS:
            return "numbers"
        return {frozenset((str,)): "text", frozenset((bool,)): "truth values"}.get(types, "objects")

    def floats(self) -> list[float]:
        """Return the numbers as floats, NaN where one is missing.

        Raises
        ------
        WrongValueError
            For a whole number that is too large for a float.
        """
        try:
            return [float("nan") if absent(item) else float(item) for item in self.items]
        except OverflowError:
            raise WrongValueError("expected numbers up to 1.8e308, got a larger one") from None


def absent(value: object) -> bool:
    """Return whether a value marks a missing one: None, NaN, pandas' NA and NaT, numpy's masked."""
    kind = type(value)
    return value != value if kind is float else kind.__name__ in _MISSING


def plain(label: Any) -> Any:
    """Return a label as plain data: 3.0 as the class 3, a value that is not plain as its text."""
    if type(label) is float and label.is_integer():
        return int(label)
    return label if type(label) in PLAIN else str(label)


def values_of(value: object) -> Values:
    """Return the values of anything array-like, or of a single value.

    Raises
    ------
    WrongValueError
        If `value` has none: a ragged list, a symbolic tensor, an object that refuses.
    """
    try:
        return _converted(value)
    except Exception as error:  # noqa: BLE001 - another library's object may refuse in any way
        came = describe(value)
        if "different lengths" not in came:
            came += f" ({(str(error).splitlines() or [type(error).__name__])[0]})"
        raise WrongValueError(f"expected numbers or labels in an array-like, got {came}") from None


def single(value: object) -> float:
    """Return the number of a single value, of any shape that holds one; truth values count as 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If it is not a single number, or is missing.
    """
    values = _converted(value)
    if len(values) != 1:
        raise ValueError(f"it holds {len(values):,} values")
    item = values.items[0]
    if absent(item) and type(item) is not float:
        raise ValueError("it is missing")
    if type(item) is str:  # float("3") would guess
        raise TypeError("text is no number")
    return float(item)


def _converted(value: Any) -> Values:
    if type(value) in PLAIN or value is None:
        return Values((), [value])
    if isinstance(value, list | tuple):
        return _nested(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return _of_numpy(numpy, value)
    for name, convert in _CONVERTERS.items():
        if hasattr(type(value), name):
            return replace(_converted(convert(value)), order=_order(value))
    if isinstance(value, Sequence | KeysView | ValuesView) and not isinstance(value, str | bytes):
        return _nested(list(value))
    return Values((), [_scalar(value)])


def _scalar(value: Any) -> Any:
    """Return a Decimal, a Fraction, bytes or a member of an enum of numbers as plain data."""
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real | Decimal):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _nested(items: Collection[Any]) -> Values:
    types = set(map(type, items))
    if all(each in PLAIN or each.__name__ in _MISSING for each in types):  # a million of them is common
        return Values((len(items),), list(items))
    numpy = sys.modules.get("numpy")
    if numpy is not None and all(issubclass(each, numpy.number | int | float) for each in types - {bool}):
        return _of_numpy(numpy, numpy.array(items))
    parts = [_converted(item) for item in items]
    shapes = {part.shape for part in parts}
    if len(shapes) > 1:
        raise ValueError("it is made of parts of different lengths")
    return Values((len(parts), *shapes.pop()), list(chain.from_iterable(part.items for part in parts)))


def _of_numpy(numpy: Any, value: Any) -> Values:
    masked: Any = sys.modules.get("numpy.ma")
    mask = None
    if masked is not None and isinstance(value, masked.MaskedArray) and value.mask.any():
        mask = masked.getmaskarray(value).reshape(-1).tolist()
    array = numpy.asarray(value)
    kind, flat = array.dtype.kind, array.reshape(-1)
    if (kind == "V" and array.dtype.names is None) or (kind == "f" and array.dtype.itemsize > 8):
        flat = flat.astype(numpy.float64)  # bfloat16, float8 and int4 of ml_dtypes; long double
    elif kind in "mM":
        flat = flat.astype(f"{kind}8[us]").astype(object)
    if mask is not None:
        items = [masked.masked if out else item for item, out in zip(flat.tolist(), mask, strict=True)]
    elif flat.dtype.kind in "biufU":
        return Values(array.shape, flat)
    else:
        items = flat.tolist()
    parts = _nested(items)
    return Values((*array.shape, *parts.shape[1:]), parts.entries)


def _of_torch(tensor: Any) -> Any:
    """Return a tensor detached from gradient and GPU, in a type and layout that numpy has."""
    tensor = tensor.detach().cpu()
    if getattr(tensor, "is_quantized", False):
        tensor = tensor.dequantize()
    if str(getattr(tensor, "layout", "torch.strided")) != "torch.strided":
        tensor = tensor.to_dense()
    if any(name in str(tensor.dtype) for name in ("bfloat16", "float8")):
        tensor = tensor.float()
    if hasattr(tensor, "resolve_neg"):
        tensor = tensor.resolve_conj().resolve_neg()
    return tensor.numpy() if "numpy" in sys.modules else tensor.tolist()


def _of_arrow(array: Any) -> Any:
    if "numpy" in sys.modules and array.null_count == 0:
        return array.to_numpy() if hasattr(array, "chunks") else array.to_numpy(zero_copy_only=False)
    return array.to_pylist()


def _of_pandas(column: Any) -> Any:
    """Return a column, categories decoded by number: a million texts are slow to convert one by one."""
    if type(getattr(column, "dtype", None)).__name__ != "CategoricalDtype":
        return column.to_numpy()
    names = _converted(column.dtype.categories).items
    codes = getattr(column, "cat", column).codes
    return [None if code < 0 else names[code] for code in codes.tolist()]


def _of_polars(frame: Any) -> Any:
    return frame.rows() if hasattr(frame, "rows") else frame.to_list()


def _of_sparse_tensor(tensor: Any) -> Any:
    return sys.modules["tensorflow"].sparse.to_dense(tensor).numpy()


def _of_protocol(value: Any) -> Any:
    import numpy as np  # its protocol: the value's own library has imported it

    return np.asarray(value)


# An attribute that array-likes of one library have, and how their values are taken; the first counts.
_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "detach": _of_torch,
    "as_py": lambda scalar: scalar.as_py(),  # pyarrow
    "to_pydict": lambda table: list(zip(*table.to_pydict().values(), strict=True)),
    "to_pylist": _of_arrow,
    "null_count": _of_polars,
    "to_numpy": _of_pandas,
    "numpy": lambda tensor: tensor.numpy(),  # TensorFlow
    "dense_shape": _of_sparse_tensor,
    "toarray": lambda matrix: matrix.toarray(),  # scipy.sparse
    "__cuda_array_interface__": lambda array: array.get(),  # cupy
    "__array__": _of_protocol,  # JAX and others
    "tolist": lambda array: array.tolist(),  # array.array, memoryview
}


def _order(value: Any) -> Sequence[Any] | None:
    """Return the categories of an ordered categorical of pandas or pyarrow, of an Enum of polars."""
    kind: Any = getattr(value, "dtype", None)
    if kind is None:
        kind = getattr(value, "type", None)
    if getattr(kind, "ordered", False) is True:
        categories = getattr(kind, "categories", None)
        if categories is None:  # pyarrow keeps them with the values
            categories = next((chunk.dictionary for chunk in getattr(value, "chunks", [value])), [])
        return _converted(categories).items
    if type(kind).__name__ == "Enum" and type(kind).__module__.startswith("polars"):
        return _converted(kind.categories).items
    return None


def describe(value: object) -> str:
    """Return a short description of a value: type and shape, or the value where it is short; never raise."""
    try:
        return _described(value)
    except Exception:  # noqa: BLE001 - another library's object may refuse in any way
        return f"a {type(value).__name__}"


def _described(value: object) -> str:
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if shape is not None and not callable(shape):
        try:
            sizes = ", ".join(str(int(size)) for size in shape)
        except (TypeError, ValueError):  # the size of a symbolic tensor may be undefined yet
            return f"{kind} of shape {shape}"
        return f"{kind} of shape ({sizes}{',' if sizes and ',' not in sizes else ''})"
    if hasattr(value, "to_pylist"):
        return f"{kind} of {len(value)} items"  # type: ignore[arg-type]
    if isinstance(value, list | tuple):
        inner = {len(item) if isinstance(item, list | tuple) else None for item in value}
        if inner <= {None}:
            size = f"{len(value)} items"
        else:
            size = (
                f"{len(value)} x {inner.pop()}" if len(inner) == 1 else f"{len(value)} of different lengths"
            )
        return f"a {kind} of {size}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
