"""Array-likes of any library as numpy arrays, without importing any of those libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    """Make a numpy array of anything array-like, without importing any framework."""
    import numpy as np

    try:
        array = np.asarray(bare(value))
    except (TypeError, ValueError, RuntimeError) as error:
        # ragged lists, objects that refuse
        raise WrongValueError(
            f"expected numbers or labels in an array-like, got {describe(value)} ({error})"
        ) from None
    if array.dtype.kind == "O" and array.size:
        # a list of tensors or of 0-d arrays: unpack each
        try:
            array = np.asarray([bare(item) for item in array.reshape(-1)]).reshape(array.shape)
        except (TypeError, ValueError):
            return array
    return array


def bare(value: object) -> Any:
    """Take torch's tensors off the gradient and the GPU, TensorFlow's into numpy, also within lists."""
    if isinstance(value, list | tuple):
        return [bare(item) for item in value]
    detach = getattr(value, "detach", None)
    if detach is not None:
        value = detach().cpu()
        if str(getattr(value, "dtype", "")) == "torch.bfloat16":  # numpy has no such type
            value = value.float()  # type: ignore[attr-defined]
    to_numpy = getattr(value, "numpy", None)
    if to_numpy is not None:
        return to_numpy()
    if hasattr(value, "to_numpy"):
        return value.to_numpy()
    return value


def describe(value: object) -> str:
    """Say what came in a few words: type and shape, or the value itself where it is short."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} of shape {tuple(int(n) for n in shape)}"
    if isinstance(value, list | tuple):
        inner = next((len(item) for item in value if isinstance(item, list | tuple)), None)
        size = f"{len(value)} x {inner}" if inner is not None else f"{len(value)} items"
        return f"a {type(value).__name__} of {size}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
