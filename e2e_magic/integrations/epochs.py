"""The epochs of a framework's trainings, numbered through where several run in one trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from e2e_magic.measuring.events import EventLog, active, log, log_past


@dataclass(slots=True)
class _Numbering:
    """The epochs of one trial: the framework's number of the last, the one it got, and what was added."""

    given: int = 0
    last: int = 0
    before: int = 0


_numberings: WeakKeyDictionary[EventLog, _Numbering] = WeakKeyDictionary()


def log_epoch(values: Mapping[str, Any], epoch: int, *, past: bool = False) -> None:
    """Log an epoch of a training.

    Parameters
    ----------
    values : mapping of str to number
        Its metrics.
    epoch : int
        The framework's number, from 1. One that is not above the last begins another training, whose epochs
        count on from the trial's last; a training that goes on (``initial_epoch``) keeps its numbers.
    past : bool
        The epoch is over, at an unknown time: see `events.log_past`.
    """
    target = active()
    if target is None:
        return
    numbering = _numberings.setdefault(target, _Numbering())
    if epoch <= numbering.given:
        numbering.before = numbering.last
    numbering.given, numbering.last = epoch, numbering.before + epoch
    (log_past if past else log)(**{**values, "epoch": numbering.last})
