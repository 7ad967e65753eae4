"""What ``__main__`` is while a trial runs in another process: it has the notebook's names, as there.

``multiprocessing`` and pickle look the notebook's functions up there, also those that a forked child calls. A
child that is started anew (``spawn``) runs the file of ``__main__``: a small script, which opens the parcel
and what the code has defined since. A function that it lacks all the same raises: unknown to pickle, it would
end the child, and a pool would start another one, for ever.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from e2e_magic.sweeping.engines.shipping import Parcel
from e2e_magic.sweeping.jobs import CellJob, FunctionJob, Job

_SCRIPT = """\
from e2e_magic.sweeping.engines.main_module import lacking, names_of_child

globals().update(names_of_child({parcel!r}, {defined!r}))


def __getattr__(name):
    return lacking(name)
"""


class _Main(ModuleType):
    """A module whose attributes are the names of a namespace, as they are when it is asked."""

    def __init__(self, names: Mapping[str, Any], parcel: Parcel) -> None:
        super().__init__("__main__")
        sent = parcel.path is not None
        self.__dict__.update(
            _names=names,
            _known=dict(names) if sent else {},
            _parcel=(parcel.id, parcel.cuts, parcel.path) if sent else None,
        )

    @property
    def __file__(self) -> str:  # type: ignore[override]
        """The script that a child runs, written as it is asked for: only who starts a child asks."""
        folder = _folder(self._parcel)
        defined, script = folder / f"main-{os.getpid()}", folder / f"main-{os.getpid()}.py"
        new = {name: value for name, value in self._names.items() if value is not self._known.get(name)}
        packed = _packed({name: value for name, value in new.items() if _is_defined(value)})
        _put(defined, packed)
        _put(script, _SCRIPT.format(parcel=self._parcel, defined=str(defined)).encode())
        return str(script)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_names"][name]
        except KeyError:
            raise AttributeError(f"module '__main__' has no attribute {name!r}") from None


@contextmanager
def as_main(job: Job, parcel: Parcel) -> Iterator[None]:
    """Let ``__main__`` have the names of a job."""
    main = _Main(namespace_of(job), parcel)
    before = sys.modules["__main__"]
    sys.modules["__main__"] = main
    try:
        yield
    finally:
        sys.modules["__main__"] = before


# Of a process that was sent its parcels in memory; it lasts as long as the process, as joblib's children do.
_own: dict[int, tempfile.TemporaryDirectory[str]] = {}


def _folder(parcel: tuple[str, Any, str] | None) -> Path:
    """Return where the script is: the sweep's folder, which outlives its workers, or one of this process."""
    if parcel is not None:
        return Path(parcel[2]).parent
    if os.getpid() not in _own:
        _own[os.getpid()] = tempfile.TemporaryDirectory(prefix="e2e-main-")
    return Path(_own[os.getpid()].name)


def _put(path: Path, content: bytes) -> None:
    """Write a file that a child may be reading."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


def _is_defined(value: object) -> bool:
    return isinstance(value, FunctionType | type) and value.__module__ == "__main__"


def _packed(names: Mapping[str, Any]) -> bytes:
    """Pickle definitions, each with what it reads; those that can't be are left out."""
    from cloudpickle import dumps

    with suppress(Exception):  # together they share their globals, as here
        return bytes(dumps(names))
    those = {}
    for name, value in names.items():
        with suppress(Exception):  # it holds a lock, say
            dumps(value)
            those[name] = value
    return bytes(dumps(those))


def names_of_child(parcel: tuple[str, Any, str] | None, defined: str) -> dict[str, Any]:
    """Return the names of ``__main__`` in a child that is started anew.

    Parameters
    ----------
    parcel : (id, cuts, path) or None
    defined : str
        The file with what was defined since it was packed.
    """
    from e2e_magic.sweeping.engines.opening import Opened

    names: dict[str, Any] = {}
    if parcel is not None:
        sent, cuts, path = parcel
        names |= namespace_of(Opened(Parcel(sent, cuts, path=path)).job)
    names |= pickle.loads(Path(defined).read_bytes())  # noqa: S301 - by our own parent
    return {name: value for name, value in names.items() if not name.startswith("__")}


def lacking(name: str) -> Any:
    """Return what stands for a name that a child doesn't have: a function that says so."""
    if name.startswith("_"):
        raise AttributeError(f"module '__main__' has no attribute {name!r}")

    def fail(*_: object, **__: object) -> None:
        raise NameError(
            f"{name}: a process that is started anew (spawn) lacks this name of the notebook; define it "
            "in a module, or start the processes by fork"
        )

    return fail


def namespace_of(job: Job) -> Mapping[str, Any]:
    """Return the names that a job's code sees."""
    if isinstance(job, CellJob):
        return job.namespace
    function = job.function if isinstance(job, FunctionJob) else None
    names: Mapping[str, Any] = getattr(function, "__globals__", {})
    return names
