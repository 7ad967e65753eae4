"""Which cell made a name: the names whose object is another one after it, without a reference to any."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import compress, islice
from operator import ne
from typing import Any

# Of a whole look, in seconds: containers of millions of objects hold "at least" what was seen by then.
LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Made:
    """Where a name got its object.

    Attributes
    ----------
    cell : int
        N of the cell ``In [N]``.
    at : datetime
        When that cell ended; UTC.
    run, stage : str or None
        The run's id and the stage, where that cell was measured.
    """

    cell: int
    at: datetime
    run: str | None = None
    stage: str | None = None


class Names:
    """The names of a namespace as they were after the last cell, and the cell that made each.

    Of an object only its address is kept: what is thrown away and made anew at the same address, in one cell,
    is taken for the same.

    Parameters
    ----------
    space : mapping of str to object
        The namespace, which goes on changing.
    """

    def __init__(self, space: Mapping[str, Any]) -> None:
        self._space = space
        self._names, self._addresses = self._now()
        self._modules = len(sys.modules)
        self.made: dict[str, Made] = {}

    def changed(self) -> list[str]:
        """Return the names that are new, or have another object, since the last `note`."""
        return self._differing(*self._now())

    def note(self, made: Made) -> None:
        """Remember that what has changed was made there."""
        names, addresses = self._now()
        self.made.update(dict.fromkeys(self._differing(names, addresses), made))
        self._names, self._addresses = names, addresses
        self._modules = len(sys.modules)

    def _now(self) -> tuple[list[str], list[int]]:
        return list(self._space), list(map(id, self._space.values()))

    def _differing(self, names: list[str], addresses: list[int]) -> list[str]:
        kept = len(self._names)
        if names[:kept] == self._names:  # as nearly always: nothing was deleted
            others = compress(names, map(ne, addresses, self._addresses))
            return [*others, *names[kept:]]
        before = dict(zip(self._names, self._addresses, strict=True))
        return [name for name, key in zip(names, addresses, strict=True) if before.get(name) != key]

    def imported(self) -> list[str]:
        """Return the packages imported since the last `note`, that of most modules first."""
        new = list(islice(sys.modules, self._modules, None))
        tops = Counter(name.partition(".")[0] for name in new)
        known = {*sys.stdlib_module_names, "e2e_magic"}
        return [top for top, _ in tops.most_common() if not top.startswith("_") and top not in known]
