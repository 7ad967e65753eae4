"""What a Dask worker tells the sweep while a trial runs, over the scheduler, and what it is answered.

It tells which turn begins, what that logs, and that it can't end code that is over its limit: as events of
the sweep's topic, as a worker may not reach the machine of the sweep itself. The answer comes as a call of
`deliver` in the worker's process.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from e2e_magic.measuring.ending import OverLimit

# A sweep that doesn't answer for so long is gone, or busy: the trial goes on, and asks no more.
ANSWER_S = 10.0
# A sweep takes back the turn of a worker that is about to end in less.
TAKE_BACK_S = 2.0
# How often it is looked whether a turn is still the one that it was.
BRIEF_S = 0.1

_answers: dict[tuple[str, int], _Answer] = {}


class _Answer:
    """What a trial waits for."""

    def __init__(self) -> None:
        self.given = threading.Event()
        self.ends = False


@dataclass
class Line:
    """The trial's end: calls it with a row, and waits for the answer. Sent along with a ticket."""

    topic: str
    _silent: bool = field(default=False, repr=False)

    def __call__(self, turn: int, row: Mapping[str, float]) -> bool:
        from distributed import get_worker

        if self._silent:
            return False
        try:
            worker: Any = get_worker()
        except ValueError:  # logged by a thread of the code's own
            return False
        answer = _answers[self.topic, turn] = _Answer()
        try:
            worker.log_event(self.topic, {"turn": turn, "worker": worker.address, "row": dict(row)})
            self._silent = not answer.given.wait(ANSWER_S)
        finally:
            del _answers[self.topic, turn]
        return answer.ends


class Announcing:
    """Tells, in a worker, which turn of a task it is at: the first, one that takes time, and all after that.

    A message costs the scheduler as much as a task, and most turns of a task of several are over sooner.
    """

    def __init__(self, topic: str, turns: int) -> None:
        from distributed import get_worker

        self._worker: Any = get_worker()
        self._topic = topic
        self._lock = threading.Lock()
        self._at = self._told = self._lasting = 0
        self._each = turns == 1  # whether each turn is told
        self._over = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._look, name="e2e_magic turns", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def __call__(self, turn: int) -> None:
        """Say that this turn begins."""
        with self._lock:
            self._at = turn
            if self._each or not self._told:
                self._tell()

    def _look(self) -> None:
        seen = 0
        while not self._over.wait(BRIEF_S):
            with self._lock:
                if seen == self._at != self._lasting:
                    self._each, self._lasting = True, seen
                    self._tell()
                seen = self._at

    def _tell(self) -> None:
        self._told = self._at
        message: dict[str, Any] = {"turn": self._at}
        message["lasts"] = self._at == self._lasting
        message["worker"] = self._worker.address
        self._worker.log_event(self._topic, message)


def giving_up(topic: str, turn: int) -> Callable[[OverLimit], None]:
    """Return what ends this worker's process, where the code of its turn can't be ended otherwise.

    The sweep hears of it first and takes the turn back, so that no other worker begins it anew. A worker
    without a nanny, which would start another, stays: its code goes on, and nobody takes its result.
    """
    from distributed import get_worker

    worker = get_worker()

    def give_up(end: OverLimit) -> None:
        worker.log_event(topic, {"turn": turn, "worker": worker.address, "over": str(end)})
        if worker.nanny is not None:
            time.sleep(TAKE_BACK_S)
            os._exit(1)

    return give_up


async def deliver(topic: str, turn: int, ends: bool) -> None:
    """Give the trial that waits its answer, on the loop of its worker."""
    answer = _answers.get((topic, turn))
    if answer is not None:
        answer.ends = ends
        answer.given.set()
