"""What ends a trial in its middle on purpose: code sees an error that ``except Exception`` lets pass."""

from __future__ import annotations

from typing import ClassVar

from e2e_magic.record import State


class TrialEnd(BaseException):
    """The trial is ended here; its row bears the state of the class, and what it measured so far.

    Attributes
    ----------
    state : {"over limit", "pruned"}
    """

    state: ClassVar[State]


class OverLimit(TrialEnd):
    """The trial took more time or memory than a trial of its sweep may."""

    state: ClassVar[State] = "over limit"


class Pruned(TrialEnd):
    """The trial was behind the others of its sweep by what it logged."""

    state: ClassVar[State] = "pruned"
