"""Array-likes of any library as numpy arrays, without importing any of those libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Lists of nothing else go to numpy as they are: a million of them is common, and unpacking each is slow.
_PLAIN = frozenset((bool, int, float, str))


class WrongValueError(Exception):
    """What was expected and what came, without the key."""


def plain(label: Any) -> Any:
    """Make one label plain: 3.0 and numpy's 3 are the class 3."""
    if hasattr(label, "item"):
        label = label.item()
    if isinstance(label, float) and label.is_integer():
        return int(label)
    if isinstance(label, bytes):
        return label.decode("utf-8", "replace")
    return label if isinstance(label, str | int | float | bool) else str(label)


def array_of(value: object) -> NDArray[Any]:
    """Make a numpy array of anything array-like, without importing any framework.

    Raises
    ------
    WrongValueError
        If `value` can't be one: a ragged list, a symbolic tensor, an object that refuses.
    """
    import numpy as np

    try:
        array = np.asarray(bare(value))
        if array.dtype.kind == "O" and array.size:
            # Decimals, fractions, numbers that pandas kept as objects, 0-d arrays of several types.
            items = [bare(item) for item in array.reshape(-1)]
            unpacked = np.asarray(items)
            # One None makes objects of all, and text among numbers would make text of all: those stay.
            if unpacked.size == array.size and unpacked.dtype.kind not in "USO":
                array = unpacked.reshape(array.shape)
    except Exception as error:  # noqa: BLE001 - another library's object may refuse in any way
        came = describe(value)
        if "different lengths" not in came:
            came += f" ({(str(error).splitlines() or [type(error).__name__])[0]})"
        raise WrongValueError(f"expected numbers or labels in an array-like, got {came}") from None
    return array


def bare(value: object) -> Any:
    """Take torch's tensors off the gradient and the GPU, TensorFlow's into numpy, also within lists."""
    if isinstance(value, list | tuple):
        return value if set(map(type, value)) <= _PLAIN else [bare(item) for item in value]
    detach = getattr(value, "detach", None)
    if detach is not None:
        value = detach().cpu()
        if str(getattr(value, "dtype", "")) == "torch.bfloat16":  # numpy has no such type
            value = value.float()  # type: ignore[attr-defined]
    for name in ("numpy", "to_numpy", "toarray"):  # TensorFlow and torch, pandas, scipy's sparse matrices
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    return value


def describe(value: object) -> str:
    """Say what came in a few words: type and shape, or the value itself where it is short."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        try:
            sizes = ", ".join(str(int(size)) for size in shape)
        except (TypeError, ValueError):  # a size that a symbolic tensor doesn't know yet
            return f"{type(value).__name__} of shape {shape}"
        return f"{type(value).__name__} of shape ({sizes}{',' if sizes and ',' not in sizes else ''})"
    if isinstance(value, list | tuple):
        inner = {len(item) if isinstance(item, list | tuple) else None for item in value}
        if inner <= {None}:
            size = f"{len(value)} items"
        else:
            size = (
                f"{len(value)} x {inner.pop()}" if len(inner) == 1 else f"{len(value)} of different lengths"
            )
        return f"a {type(value).__name__} of {size}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
