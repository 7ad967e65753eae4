"""What a piece of code imports: a fresh process imports it first, so that no trial pays for it."""

from __future__ import annotations

import ast
import dis
import importlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any

from e2e_magic.sweeping.engines.free_names import cell_reads, code_reads, codes_of, reachable
from e2e_magic.sweeping.jobs import CellJob, FunctionJob, Job


def import_all(job: Job) -> None:
    """Import what a job's code and the functions that it calls import; what fails is left to the code."""
    for code in _codes(job):
        for module, names in imports_of(code):
            with suppress(Exception):
                imported = importlib.import_module(module)
                for name in names:
                    if name != "*" and not hasattr(imported, name):
                        importlib.import_module(f"{module}.{name}")


def imports_of(code: CodeType) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each module that compiled code imports, and the names that it takes from it."""
    level: Any = None
    names: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            if level == 0:
                yield str(instruction.argval), tuple(names or ())
        elif instruction.opname.startswith("LOAD_") and "argval" in instruction._fields:
            level, names = names, instruction.argval  # the two constants that stand before an import
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from imports_of(constant)


def _codes(job: Job) -> Iterable[CodeType]:
    """Yield the code of a job, and of all functions of the notebook that it may call."""
    if isinstance(job, CellJob):
        tree = ast.parse(job.python)
        yield compile(tree, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        namespace, names = job.namespace, cell_reads(tree)
    elif isinstance(job, FunctionJob) and isinstance(job.function, FunctionType):
        code = job.function.__code__
        yield code
        namespace, names = job.function.__globals__, code_reads(code)
    else:
        return
    for name in reachable(names, namespace):
        yield from codes_of(namespace.get(name), namespace)
