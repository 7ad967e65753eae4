"""A job as data for another process: packed here once, opened there for each trial.

Pickle gives the large buffers (arrays, also those inside data frames) separately; all of them go into one
block of bytes. A worker keeps that block in a file that it maps privately for each trial: nothing is copied,
and what a trial writes into an array stays its own.
"""

from __future__ import annotations

import ast
import os
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import _lru_cache_wrapper, cache, cached_property, lru_cache
from io import BytesIO
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, BinaryIO

from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.engines.free_names import OPAQUE, cell_reads, code_reads, reachable
from e2e_magic.sweeping.jobs import CellJob, FunctionJob, Job
from e2e_magic.sweeping.space import Space

# Smaller buffers stay in the pickle.
LEAST_BUFFER = 2**16
_ALIGN = 64
_ANCHOR = compile("0", "<anchor>", "eval")
# IPython's own: whatever was displayed, which may be anything.
_HISTORY = {"In", "Out"}


class ShippingError(RuntimeError):
    """A job that a worker can't open; the text names what is missing there."""


@dataclass(frozen=True)
class Parcel:
    """A packed job.

    Attributes
    ----------
    id : str
    cuts : tuple of (int, int)
        Start and end of the pickle and then of each buffer, in the block of bytes.
    parts : tuple of buffers
        The pickle and the buffers, as they are in this process: sent without a copy.
    path : str or None
        The file that holds the block, in place of the parts.
    """

    id: str
    cuts: tuple[tuple[int, int], ...]
    parts: tuple[Any, ...] = ()
    path: str | None = None

    @property
    def size(self) -> int:
        """Bytes of the block."""
        return self.cuts[-1][1]

    def __sizeof__(self) -> int:
        # Ray asks, to decide what to send to each worker once and what along with each call.
        return object.__sizeof__(self) + (self.size if self.parts else 0)

    def write(self, file: BinaryIO) -> None:
        """Write the block."""
        at = 0
        for (start, end), part in zip(self.cuts, self.parts, strict=True):
            file.write(b"\0" * (start - at))
            file.write(part)
            at = end
        file.flush()

    def in_file(self, path: Path) -> Parcel:
        """Write the block to a file, and return the parcel that has its path."""
        with path.open("wb") as file:
            self.write(file)
        return Parcel(self.id, self.cuts, path=str(path))


def pack(job: Job, params: Iterable[str] = ()) -> Parcel:
    """Pack a job with the globals that it needs, and no others.

    Parameters
    ----------
    job : Job
    params : iterable of str
        The parameters: what the namespace has under these names stays here.

    Raises
    ------
    PlanError
        Names the variable that can't be sent, and what to do.
    """
    content = _content(job, set(params))
    buffers: list[pickle.PickleBuffer] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < LEAST_BUFFER:
            return True
        buffers.append(buffer)
        return False

    try:
        main = _dumps(content, beside)
    except Exception as error:  # noqa: BLE001 - whatever the user's objects raise
        raise _culprit(job, content, error) from None
    cuts: list[tuple[int, int]] = []
    end = 0
    for size in (len(main), *(buffer.raw().nbytes for buffer in buffers)):
        start = -(-end // _ALIGN) * _ALIGN
        end = start + size
        cuts.append((start, end))
    return Parcel(os.urandom(6).hex(), tuple(cuts), (main, *buffers))


def check_values(space: Space) -> None:
    """Raise `PlanError` for a value of a parameter that can't be sent to another process."""
    for axis in space.axes:
        try:
            _dumps(axis.values)
            continue
        except Exception as error:  # noqa: BLE001 - whatever the user's objects raise
            whole = error
        for value in axis.values:
            try:
                _dumps(value)
            except Exception as error:  # noqa: BLE001 - as above
                raise PlanError(
                    f"{axis.name}: the value {_short(value)} can't be sent to another process "
                    f"({type(error).__name__}: {error}); sweep over a name or number and make it from "
                    "that in the code, or ",
                    "use the engine kernel",
                ) from None
        raise PlanError(
            f"{axis.name}: its values can't be sent to another process ({type(whole).__name__}: {whole}); ",
            "use the engine kernel",
        )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _dumps(content: Any, callback: Callable[[pickle.PickleBuffer], bool] | None = None) -> bytes:
    file = BytesIO()
    _pickler()(file, protocol=5, buffer_callback=callback).dump(content)
    return file.getvalue()


@cache
def _pickler() -> Any:
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Cloudpickle's, which knows nothing of what functools caches for the notebook's own code."""

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, _lru_cache_wrapper) and obj.__module__ == "__main__":
                return _cached, (obj.__wrapped__, obj.cache_parameters())
            if type(obj) is cached_property:  # up to Python 3.11 it holds a lock
                return _cached_property, (obj.func, obj.attrname)
            return super().reducer_override(obj)

    return Pickler


def _cached(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    """Return an empty cached function, as ``functools.cache`` or ``lru_cache`` makes it."""
    return lru_cache(**parameters)(function)


def _cached_property(function: Callable[[Any], Any], name: str | None) -> Any:
    copy = cached_property(function)
    copy.attrname = name
    return copy


def _content(job: Job, params: set[str]) -> dict[str, Any]:
    if isinstance(job, FunctionJob):
        return {"function": job.function, "expressions": dict(job.expressions)}
    if not isinstance(job, CellJob):
        raise PlanError(f"only a cell or a function can be sent to a worker, got {job!r}", option="engine")
    namespace = job.namespace
    reads = cell_reads(ast.parse(job.python))
    for expression in job.expressions.values():
        reads |= code_reads(expression.code)
    if "get_ipython" in reachable(reads, namespace):
        raise PlanError(
            "the cell uses a magic, !shell or get_ipython(), which only this kernel has; leave it out or ",
            "use --engine kernel",
            option="engine",
        )
    if reads & OPAQUE - {"__import__"}:
        names = {name for name in namespace if not name.startswith("_")} - _HISTORY
        reads |= {name for name in names if _plain(namespace[name])}
    needed = {name: namespace[name] for name in reads if name in namespace and name not in params}
    return {
        "python": job.python,
        "source": job.source,
        "expressions": dict(job.expressions),
        "globals": needed,
        # All functions of a namespace are opened with one dict as their globals; this identifies it.
        "anchor": FunctionType(_ANCHOR, namespace),
    }


def _plain(value: Any) -> bool:
    """Return whether a global may go with code that can read any name: data, not the machinery."""
    return isinstance(value, bool | int | float | str | bytes | list | tuple | dict | set) or hasattr(
        value, "dtype"
    )


def _culprit(job: Job, content: Mapping[str, Any], error: Exception) -> PlanError:
    """Return the error that names the variable that can't be pickled."""
    if isinstance(job, CellJob):
        namespace: Mapping[str, Any] = job.namespace
        names = reachable(content["globals"], namespace)
        inside, engine = "make it inside the cell, or ", "use --engine kernel"
    else:
        function = content["function"]
        namespace = getattr(function, "__globals__", {})
        code: CodeType | None = getattr(function, "__code__", None)
        names = reachable(code_reads(code) if code else (), namespace)
        closed = zip(
            code.co_freevars if code else (), getattr(function, "__closure__", None) or (), strict=False
        )
        namespace = {**namespace, **{name: cell.cell_contents for name, cell in closed}}
        names |= set(code.co_freevars) if code else set()
        inside, engine = "make it inside the function, or ", 'use engine="kernel"'
    # Of a function or class it is mostly its globals that can't be sent: these are looked at first.
    values = [(name, namespace.get(name)) for name in sorted(names)]
    values.sort(key=lambda item: isinstance(item[1], FunctionType | type))
    for name, value in values:
        try:
            _dumps(value)
        except Exception as reason:  # noqa: BLE001 - whatever the user's objects raise
            return PlanError(
                f"{name}: this variable can't be sent to another process "
                f"({type(reason).__name__}: {reason}); {inside}",
                engine,
            )
    return PlanError(
        f"the code can't be sent to another process ({type(error).__name__}: {error}); {inside}",
        engine,
        option="engine",
    )
