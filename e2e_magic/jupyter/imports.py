"""Packages that a subcommand imported into the kernel, other than the standard library and this one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from e2e_magic.measuring.collectors import proc
from e2e_magic.text import quantity

_OURS = "e2e_magic"
# The number of names that fit on a line.
_MOST = 8


@dataclass
class Imports:
    """The foreign packages imported by words of ``%e2e``, in order.

    Attributes
    ----------
    sentences : list of str
        One for each word that imported some.
    """

    sentences: list[str] = field(default_factory=list)

    @contextmanager
    def of(self, word: str) -> Iterator[None]:
        """Note the packages imported meanwhile, and the memory that the process takes for them."""
        before, mib = foreign(), resident_mib()
        try:
            yield
        finally:
            names = sorted(foreign() - before)
            if names:
                now = resident_mib()
                took = "" if mib is None or now is None else f": {quantity(max(now - mib, 0.0), 'MiB')}"
                some = ", ".join(names[:_MOST]) + (f" and {len(names) - _MOST} more" * (len(names) > _MOST))
                self.sentences.append(f"%e2e {word} brought in {some}{took}")


def foreign() -> set[str]:
    """Return the top-level packages that are loaded and neither Python's own nor this one."""
    tops = {name.partition(".")[0] for name in list(sys.modules)}
    return {name for name in tops if not name.startswith("_")} - sys.stdlib_module_names - {_OURS}


def resident_mib() -> float | None:
    """Return the resident memory of this process, MiB; None on Linux without ``/proc``."""
    if proc.LINUX:
        return proc.resident_here_mib()
    return float(proc.psutil().Process().memory_info().rss / 2**20)
