"""What passes between a sweep and an engine: a ticket for each turn, an outcome for each ticket."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from e2e_magic.measuring.identity import Identity
from e2e_magic.measuring.plan import Plan
from e2e_magic.record import Record
from e2e_magic.sweeping.engines.shipping import ShippingError
from e2e_magic.sweeping.limits import Limit
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.pruning import Pruner, Report
from e2e_magic.sweeping.schedule import Turn

_PLAIN = (int, float, str, bool, type(None))


@dataclass(frozen=True)
class Ticket:
    """One turn for an engine.

    Attributes
    ----------
    turn : Turn
    plan : Plan
    identity : Identity
    bare : Plan
        The plan without what the parcel has; tickets that are sent together share it.
    seed : int or None
    with_error : bool
        Whether the error itself is wanted back.
    folder : str or None
        Where a worker on this machine announces what it runs.
    topic : str or None
        Under which a Dask worker announces what it runs.
    limit : Limit or None
        What each execution may take.
    report : callable or None
        Takes what the trial logs; sealed, a way to it that can be pickled.
    values : bytes
        The pickled parameters, once it is sealed.
    """

    turn: Turn
    plan: Plan
    identity: Identity
    bare: Plan
    seed: int | None = None
    with_error: bool = False
    folder: str | None = None
    topic: str | None = None
    limit: Limit | None = None
    report: Report | None = None
    values: bytes = b""

    @classmethod
    def of(cls, plan: SweepPlan, turn: Turn, identity: Identity, pruner: Pruner | None) -> Ticket:
        """Return the ticket of a turn of a sweep."""
        report = None if pruner is None else pruner.report
        return cls(
            turn,
            plan.plan,
            identity,
            plan.bare,
            plan.seed,
            plan.fail_fast,
            limit=plan.trial_limit,
            report=report,
        )

    def sealed(
        self,
        *,
        folder: str | None = None,
        topic: str | None = None,
        report: Report | None = None,
        here: bool = False,
    ) -> Ticket:
        """Return it as it is sent to another process: the parameters pickled, without what the parcel has.

        `report` takes the place of its own, where it has one. One on this machine (`here`) has a black
        box: this process may end before it.
        """
        box = self.identity.black_box
        box = box.of_worker(self.identity.known()) if box is not None and here else None
        return replace(
            self,
            turn=replace(self.turn, params={}),
            plan=self.bare,
            identity=replace(self.identity, params={}, source=None, black_box=box),
            values=_pickled(self.turn.params),
            folder=folder,
            topic=topic,
            report=report if self.report is not None else None,
        )

    def params(self) -> dict[str, Any]:
        """Return the parameters of a sealed ticket, new objects at each call.

        Raises
        ------
        ShippingError
            If they can't be opened here.
        """
        try:
            params: dict[str, Any] = pickle.loads(self.values)  # noqa: S301 - packed in the user's kernel
        except Exception as error:  # a module that is not there, a class that has changed
            raise ShippingError(
                f"the worker can't open the parameters ({type(error).__name__}: {error}); install what "
                "they need where the workers run, or sweep over names or numbers"
            ) from error
        return params


def _pickled(params: Mapping[str, Any]) -> bytes:
    # Making a pickler that knows functions takes longer than all else about most parameters.
    if all(type(value) in _PLAIN for value in params.values()):
        return pickle.dumps(dict(params), protocol=5)
    import cloudpickle

    pickled: bytes = cloudpickle.dumps(dict(params), protocol=5)
    return pickled


@dataclass(frozen=True)
class Outcome:
    """What came of a turn.

    Attributes
    ----------
    turn : int
        The number of its turn.
    record : Record or None
        None where the job couldn't be opened; `problem` has the reason.
    output : str
        What was printed.
    warned : tuple of str
        Sentences for the user.
    error : BaseException, bytes or None
        What ended the trial early, where it was wanted; pickled by another process.
    problem : str
        Why there is no record.
    """

    turn: int
    record: Record | None
    output: str = ""
    warned: tuple[str, ...] = ()
    error: BaseException | bytes | None = None
    problem: str = ""

    def sealed(self) -> bytes:
        """Return it as it is sent back."""
        return pickle.dumps(self, protocol=5)

    @property
    def raised(self) -> BaseException | None:
        """The error that was sent along; a ``RuntimeError`` of its text where its class is missing here."""
        if not isinstance(self.error, bytes):
            return self.error
        try:
            error: BaseException = pickle.loads(self.error)  # noqa: S301 - pickled in our own worker
        except Exception:  # noqa: BLE001 - a module that is not there, a class that has changed
            return RuntimeError(self.record.error if self.record is not None else self.problem)
        return error


def outcome_of(result: Outcome | bytes) -> Outcome:
    """Return the outcome that a future holds.

    Raises
    ------
    Exception
        Whatever stands in the way of opening what another process sent.
    """
    if isinstance(result, Outcome):
        return result
    outcome: Outcome = pickle.loads(result)  # noqa: S301 - pickled by this package in our own worker
    return outcome


def pickled_error(error: BaseException) -> bytes:
    """Pickle an error; one that can't be pickled or unpickled, as a ``RuntimeError`` of its text."""
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(error)
        pickle.loads(pickled)  # noqa: S301 - our own; an exception class may refuse to be unpickled
    except Exception:  # noqa: BLE001 - whatever the user's exception class raises
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return pickled
