"""What a holder is, in words: its kind, its type, its shape, its device."""

from __future__ import annotations

import mmap
import types
from collections import deque
from typing import Any

from e2e_magic.measuring.holders.buffers import CPU, Families, numpy_root, tensorflow_device

_MODELS = frozenset(
    (
        ("torch", "Module"),
        ("keras", "Layer"),
        ("sklearn", "BaseEstimator"),
        ("xgboost", "Booster"),
        ("lightgbm", "Booster"),
    )
)
_BY_FAMILY = {
    ("pandas", "DataFrame"): "DataFrame",
    ("pandas", "Series"): "Series",
    ("pandas", "Index"): "Index",
    ("polars", "DataFrame"): "DataFrame",
    ("polars", "Series"): "Series",
    ("pyarrow", "_Tabular"): "table",
    ("pyarrow", "Array"): "array",
    ("pyarrow", "ChunkedArray"): "array",
    ("scipy", "_spbase"): "sparse matrix",
    ("scipy", "spmatrix"): "sparse matrix",
    ("tensorflow", "Tensor"): "tensor",
    ("tensorflow", "BaseResourceVariable"): "tensor",
    ("keras", "Variable"): "tensor",
    ("matplotlib", "Figure"): "figure",
    **dict.fromkeys(_MODELS, "model"),
}
_PLAIN: tuple[tuple[type | tuple[type, ...], str], ...] = (
    ((bool, int, float, complex), "number"),
    ((str, bytes, bytearray), "text"),
    ((list, tuple, set, frozenset, dict, deque), "container"),
    (type, "class"),
    ((types.FunctionType, types.BuiltinFunctionType, types.MethodType), "function"),
    (BaseException, "exception"),
)
# The order in which holders are counted: who owns memory first, views and what refers to others last.
RANKS = {
    "array": 0, "tensor": 0, "DataFrame": 1, "Series": 1, "Index": 1, "table": 1, "sparse matrix": 1,
    "model": 2, "view": 3, "file-backed array": 3,
}  # fmt: skip
LAST = 4


def kind_of(value: Any, families: Families) -> str:
    """Return the kind of a value: ``array``, ``view``, ``DataFrame``, ``tensor``, ``container`` .."""
    found = families.of(type(value))
    if ("numpy", "ndarray") in found:
        return _numpy_kind(value)
    if ("torch", "Tensor") in found:
        return "tensor" if value._base is None else "view"
    for family in found:
        if family in _BY_FAMILY:
            return _BY_FAMILY[family]
    return next((kind for plain, kind in _PLAIN if issubclass(type(value), plain)), "object")


def _numpy_kind(value: Any) -> str:
    base = numpy_root(value)[1]
    if isinstance(base, mmap.mmap):
        return "file-backed array"
    return "array" if value.base is None else "view"


def type_name(value: Any) -> str:
    """Return the name of a value's class with its package: ``numpy.ndarray``, ``list``."""
    cls = type(value)
    top = str(cls.__module__).partition(".")[0]
    return cls.__name__ if top in ("builtins", "__main__") else f"{top}.{cls.__name__}"


def shape_of(value: Any, kind: str) -> str:
    """Return a value's shape in words: ``1000 x 64 float64``, ``3 items``; empty where it has none."""
    if kind == "container":
        return f"{len(value):,} item{'' if len(value) == 1 else 's'}"
    if kind in ("model", "figure") or kind not in RANKS:
        return ""
    shape = getattr(value, "shape", None)
    if shape is None:
        return f"{len(value):,}" if hasattr(value, "__len__") else ""
    sizes = " x ".join(str(size) for size in shape) or "scalar"
    dtype = getattr(value, "dtype", None) if kind != "DataFrame" else None
    return f"{sizes} {getattr(dtype, 'name', dtype)}" if dtype is not None else sizes


def device_of(value: Any, families: Families) -> str:
    """Return the device that a tensor names, also where it holds nothing there; else empty."""
    found = families.of(type(value))
    if ("torch", "Tensor") in found:
        return str(value.device)
    if ("tensorflow", "EagerTensor") in found or ("tensorflow", "BaseResourceVariable") in found:
        return tensorflow_device(value)
    return CPU if found[0][0] == "numpy" else ""
