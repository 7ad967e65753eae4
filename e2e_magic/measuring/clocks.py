"""The clocks used for measuring, from a private instance of the module ``time``.

A library that replaces a program's clocks (freezegun) replaces the names in ``time`` and in each module that
holds the same function; a module imported meanwhile would keep the false one for good.
"""

from __future__ import annotations

import time as _shared
from collections.abc import Callable
from importlib.machinery import BuiltinImporter
from importlib.util import module_from_spec
from types import BuiltinFunctionType, ModuleType


def _own() -> ModuleType:
    """Return a separate instance of the module, with functions that no other module holds."""
    spec = BuiltinImporter.find_spec("time")
    if spec is None:  # no CPython
        return _shared
    module = module_from_spec(spec)
    BuiltinImporter.exec_module(module)
    return module if isinstance(module.perf_counter_ns, BuiltinFunctionType) else _shared


_time = _own()
perf_counter_ns: Callable[[], int] = _time.perf_counter_ns
perf_counter: Callable[[], float] = _time.perf_counter
thread_time_ns: Callable[[], int] = _time.thread_time_ns
monotonic: Callable[[], float] = _time.monotonic
