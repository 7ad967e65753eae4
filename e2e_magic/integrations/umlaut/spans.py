"""Which executions a moment lies in.

Input: drafts of trials. Output: those around a moment, in a time that a file from anybody can't make long.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np

from e2e_magic.integrations.umlaut.drafts import Draft

# The offset between threads and clocks: the suite logs a trial some milliseconds after its end.
_SLACK_S = 0.05
# Executions are not nested deeper, but in a file that was made to be slow.
_DEEPEST = 100


class Spans:
    """The executions of a run.

    Parameters
    ----------
    drafts : iterable of Draft
        The first of them; one without a wall time is none.
    most : int
        How many there will be at most.
    """

    def __init__(self, drafts: Iterable[Draft], most: int) -> None:
        self._drafts: list[Draft] = []
        self._begins, self._ends = np.empty(most), np.empty(most)
        for draft in drafts:
            self.add(draft)

    def add(self, draft: Draft) -> None:
        """Add an execution."""
        if (span := draft.span) is not None:
            self._begins[len(self._drafts)], self._ends[len(self._drafts)] = span
            self._drafts.append(draft)

    def around(self, moment: datetime | None) -> list[Draft]:
        """Return the executions that this moment of logging lies in, the shortest first."""
        if moment is None:
            return []
        at, many = moment.timestamp(), len(self._drafts)
        begins, ends = self._begins[:many], self._ends[:many]
        found = np.flatnonzero((begins - _SLACK_S <= at) & (at <= ends + _SLACK_S))
        shortest = found[np.argsort((ends - begins)[found], kind="stable")[:_DEEPEST]]
        return [self._drafts[index] for index in shortest]
