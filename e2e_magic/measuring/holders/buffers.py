"""Memory that an object holds outside of Python's objects: buffers of arrays, tensors, tables and models.

A library's objects are recognised by the names of their classes and asked for addresses and sizes: nothing is
imported, computed, copied or brought to another device.
"""

from __future__ import annotations

import gc
import mmap
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

CPU = "cpu"


class Extent(NamedTuple):
    """A stretch of memory: its device, the address of its first byte, its bytes.

    Where a library doesn't tell it, see `apart`.
    """

    device: str
    address: int
    size: int


def apart(value: Any, device: str, size: int) -> Extent:
    """Return memory of an object whose address is not told: far from all others, known by the object."""
    return Extent(device, (1 + id(value)) << 64, size)


@dataclass(slots=True)
class Parts:
    """The memory of one object of a library.

    Attributes
    ----------
    extents : iterable of Extent
    inner : iterable of object
        What else it holds.
    whole : bool
        Whether this is all; an object of C++ may hold more than it tells.
    """

    extents: Iterable[Extent] = ()
    inner: Iterable[Any] = ()
    whole: bool = True


@dataclass(slots=True)
class _Device:
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)


class Coverage:
    """The memory that was counted already, so that what several objects share counts once."""

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}

    def claim(self, extent: Extent, owner: int) -> tuple[int, set[int]]:
        """Return the bytes of the extent that nobody claimed before, and the owners of the others."""
        known = self._devices.setdefault(extent.device, _Device())
        starts, ends, owners = known.starts, known.ends, known.owners
        at, end = extent.address, extent.address + extent.size
        place = bisect_right(starts, at) - 1
        place = place if place >= 0 and ends[place] > at else place + 1
        new, others = 0, set()
        while at < end:
            if place < len(starts) and starts[place] <= at:  # a claimed stretch
                others.add(owners[place])
                at = ends[place]
            else:  # up to the next claimed stretch
                gap = min(end, starts[place]) if place < len(starts) else end
                starts.insert(place, at)
                ends.insert(place, gap)
                owners.insert(place, owner)
                new, at = new + gap - at, gap
            place += 1
        return new, others - {owner}


class Families:
    """Tell which family of a library's classes a class belongs to, by names; keeps no reference to it."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[tuple[str, str], ...]] = {}

    def of(self, cls: type) -> tuple[tuple[str, str], ...]:
        """Return (top package, name) of the class and its bases, in their order."""
        names = self._of.get(id(cls))
        if names is None:
            mro = type.__dict__["__mro__"].__get__(cls)
            names = tuple((str(base.__module__).partition(".")[0], base.__name__) for base in mro)
            self._of[id(cls)] = names
        return names


def numpy_root(value: Any) -> tuple[Any, Any]:
    """Return the array at the end of an array's bases, and the object that owns its memory, else None."""
    root = value
    while (base := root.base) is not None and hasattr(base, "__array_interface__") and hasattr(base, "base"):
        root = base
    while type(base) is memoryview:
        base = base.obj
    return root, base


def _numpy(value: Any) -> Parts:
    root, base = numpy_root(value)
    inner: list[Iterable[Any]] = [] if base is None else [(base,)]
    if type(value).__module__ != "numpy":  # a subclass: a mask, an attribute
        inner.append(gc.get_referents(value))
    if root.dtype == object:
        inner.append(root.flat)
    whole = root.dtype == object or not root.dtype.hasobject
    if isinstance(base, (mmap.mmap, bytes, bytearray, array)):  # a file's pages; a Python object's bytes
        return Parts((), chain(*inner), whole)
    return Parts((Extent(CPU, root.__array_interface__["data"][0], root.nbytes),), chain(*inner), whole)


def _torch(value: Any) -> Parts:
    inner = gc.get_referents(value)
    if value.is_leaf and value.grad is not None:
        inner.append(value.grad)
    # What a graph of autograd has saved, only C++ knows.
    return Parts(_torch_extents(value), inner, whole=value.grad_fn is None)


def _torch_extents(value: Any) -> Iterator[Extent]:
    device = str(value.device)
    if device == "meta":
        return
    layout = str(value.layout)
    if layout == "torch.strided":
        storage = value.untyped_storage()
        yield Extent(device, storage.data_ptr(), storage.nbytes())
        return
    names = {
        "torch.sparse_coo": ("_indices", "_values"),
        "torch.sparse_csr": ("crow_indices", "col_indices", "values"),
        "torch.sparse_bsr": ("crow_indices", "col_indices", "values"),
        "torch.sparse_csc": ("ccol_indices", "row_indices", "values"),
        "torch.sparse_bsc": ("ccol_indices", "row_indices", "values"),
    }
    for name in names.get(layout, ()):
        yield from _torch_extents(getattr(value, name)().detach())


def _tensorflow(value: Any) -> Parts:
    count = value.shape.num_elements()
    fixed = value.dtype.name not in ("string", "variant", "resource")
    size = count * value.dtype.size if count and fixed else 0
    return Parts((apart(value, tensorflow_device(value), size),), whole=fixed and count is not None)


def tensorflow_device(value: Any) -> str:
    """Return the device of a tensor of TensorFlow: ``cpu``, ``gpu:0``."""
    kind, _, number = str(value.device).rpartition("device:")[2].lower().partition(":")
    return CPU if kind in ("", CPU) else f"{kind}:{number}"


def _keras(value: Any) -> Parts:
    optimizer = vars(value).get("optimizer")
    return Parts(inner=[*value.weights, *(optimizer.variables if optimizer is not None else ())])


def _keras_variable(value: Any) -> Parts:
    return Parts(inner=[vars(value).get("_value")])


def _keras_optimizer(value: Any) -> Parts:
    return Parts(inner=list(value.variables))


def _arrow(value: Any) -> Parts:
    buffers = [buffer for buffer in value.buffers() if buffer is not None]
    return Parts(
        [Extent(CPU if b.is_cpu else "cuda", b.address, b.size) for b in buffers],
        [value.dictionary] if hasattr(value, "dictionary") else (),
    )


def _arrow_buffer(value: Any) -> Parts:
    return Parts([Extent(CPU if value.is_cpu else "cuda", value.address, value.size)])


def _sklearn_tree(value: Any) -> Parts:
    return Parts(inner=[value.feature, value.value])


def _polars(value: Any) -> Parts:
    return Parts([apart(value, CPU, value.estimated_size())], whole=False)


def _unseen(value: Any) -> Parts:
    return Parts(inner=gc.get_referents(value), whole=False)


LIBRARIES: Mapping[tuple[str, str], Callable[[Any], Parts]] = {
    ("numpy", "ndarray"): _numpy,
    ("torch", "Tensor"): _torch,
    ("tensorflow", "EagerTensor"): _tensorflow,
    ("tensorflow", "BaseResourceVariable"): _tensorflow,
    ("keras", "Layer"): _keras,
    ("keras", "Variable"): _keras_variable,
    ("keras", "BaseOptimizer"): _keras_optimizer,
    ("pyarrow", "Array"): _arrow,
    ("pyarrow", "ChunkedArray"): lambda value: Parts(inner=value.chunks),
    ("pyarrow", "_Tabular"): lambda value: Parts(inner=value.columns),
    ("pyarrow", "Buffer"): _arrow_buffer,
    ("sklearn", "Tree"): _sklearn_tree,
    ("polars", "DataFrame"): _polars,
    ("polars", "Series"): _polars,
    ("xgboost", "Booster"): _unseen,
    ("xgboost", "DMatrix"): _unseen,
    ("lightgbm", "Booster"): _unseen,
    ("lightgbm", "Dataset"): _unseen,
    ("_ctypes", "_SimpleCData"): _unseen,
}
