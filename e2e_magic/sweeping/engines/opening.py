"""A packed job opened in a worker: fresh objects for each trial, the block of bytes mapped once."""

from __future__ import annotations

import builtins
import mmap
import pickle
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from e2e_magic.measuring.cell import Cell
from e2e_magic.sweeping.engines.shipping import LEAST_BUFFER, Parcel, ShippingError
from e2e_magic.sweeping.jobs import CellJob, FunctionJob, Job


class Opened:
    """A job opened in a worker: fresh objects for each trial."""

    def __init__(self, parcel: Parcel) -> None:
        content = _load(parcel)
        self._function: Callable[..., Any] | None = content.get("function")
        if self._function is not None:
            self.job: Job = FunctionJob(self._function, content["expressions"])
            return
        namespace: dict[str, Any] = content["anchor"].__globals__
        namespace.setdefault("__name__", "__main__")
        namespace |= content["globals"]
        if not hasattr(builtins, "display"):  # the isolated process has IPython's
            namespace.setdefault("display", _display)
        self.job = CellJob(
            _compiled(content["python"]),
            content["source"],
            content["python"],
            namespace,
            content["expressions"],
        )


def _display(*values: object) -> None:
    """Stand in for IPython's display: a worker has only text."""
    for value in values:
        sys.stdout.write(f"{value!r}\n")


# Of the worker process, which runs one sweep at a time.
_cells: dict[str, Cell] = {}


def _compiled(python: str) -> Cell:
    """Compile a cell once per worker."""
    if python not in _cells:
        import linecache

        _cells.clear()
        filename = "<the sweep's cell>"
        linecache.cache[filename] = (len(python), None, python.splitlines(keepends=True), filename)
        _cells[python] = Cell.of(python, filename)
    return _cells[python]


# The block of the parcel that this process opened last, in a file without a name.
_kept: dict[str, BinaryIO] = {}


def _load(parcel: Parcel) -> dict[str, Any]:
    view = memoryview(_mapped(parcel))
    (start, end), *rest = parcel.cuts
    try:
        content: dict[str, Any] = pickle.loads(  # noqa: S301 - packed by this package in the user's kernel
            view[start:end], buffers=[view[first:last] for first, last in rest]
        )
    except Exception as error:  # a module that is not there, a class that has changed
        remedy = ""
        if isinstance(error, ImportError | AttributeError):
            remedy = "; install it where the workers run, or define it in the notebook"
        raise ShippingError(
            f"the worker can't open what the code needs ({type(error).__name__}: {error}){remedy}"
        ) from error
    return content


def _mapped(parcel: Parcel) -> Any:
    """Map the block privately: what is written there is seen by this trial only."""
    if parcel.path is None and parcel.size < LEAST_BUFFER:
        whole = BytesIO()
        parcel.write(whole)
        return whole.getbuffer()
    if parcel.id not in _kept:
        close_parcels()
        if parcel.path is not None:
            _kept[parcel.id] = Path(parcel.path).open("rb")  # noqa: SIM115 - kept for the next trials
        else:
            _kept[parcel.id] = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115
            parcel.write(_kept[parcel.id])
    return mmap.mmap(_kept[parcel.id].fileno(), 0, access=mmap.ACCESS_COPY)


def close_parcels() -> None:
    """Close the file of the parcel that this process opened last."""
    for file in _kept.values():
        file.close()
    _kept.clear()
