"""A worker's side of a sweep: one trial, measured where it runs, with what it printed."""

from __future__ import annotations

import asyncio
import io
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from e2e_magic.measuring.collectors.base import Classes, Unavailable, registered
from e2e_magic.measuring.plan import Plan, Step
from e2e_magic.measuring.trial import Identity, Trial
from e2e_magic.record import Reason, Record
from e2e_magic.sweeping.engines.shipping import Opened, Parcel, ShippingError, cloudpickle
from e2e_magic.sweeping.engines.watch import announce
from e2e_magic.sweeping.schedule import Turn
from e2e_magic.sweeping.seeding import seeded

# What a trial prints is sent back up to this length, its end.
MOST_OUTPUT = 100_000
SHARED = Reason("", "other trials ran on this machine at the same time, and its energy can't be told apart")
_SHARED_GROUPS = ("energy",)


@dataclass(frozen=True)
class Ticket:
    """One trial for a worker.

    Attributes
    ----------
    turn : Turn
    plan : Plan
        Without the line's options: the parcel has them.
    identity : Identity
    seed : int or None
    with_error : bool
        Whether the error itself is wanted back.
    folder : str or None
        Where a worker on this machine says what it runs.
    topic : str or None
        Under which a Dask worker says what it runs.
    """

    turn: Turn
    plan: Plan
    identity: Identity
    seed: int | None = None
    with_error: bool = False
    folder: str | None = None
    topic: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a worker sends back.

    Attributes
    ----------
    turn : int
        The number of its turn.
    record : Record or None
        None where the job couldn't be opened; `problem` says why.
    output : str
        What was printed.
    warned : tuple of str
        Sentences for the user.
    error : bytes or None
        The pickled exception, where it was wanted.
    """

    turn: int
    record: Record | None
    output: str = ""
    warned: tuple[str, ...] = ()
    error: bytes | None = None
    problem: str = ""


# A worker process with several threads measures one trial at a time: CPU time, peak memory and what is
# printed belong to the process.
_one_at_a_time = threading.Lock()


def run_remotely(
    parcel: Parcel, ticket: Ticket, *, captured: Callable[[], AbstractContextManager[Any]] | None = None
) -> Outcome:
    """Open the job, run the turn's warm-ups and its trial, and return what came of it.

    `captured` gives the context in which it runs, whose ``text()`` is the outcome's output; prints are kept
    when left out.
    """
    with _one_at_a_time:
        if ticket.folder is not None:
            announce(ticket.folder, ticket.turn.number)
        if ticket.topic is not None:
            _announce_to_dask(ticket.topic, ticket.turn)
        try:
            job = Opened(parcel).job
        except ShippingError as error:
            return Outcome(ticket.turn.number, None, problem=str(error))
        kept: list[Record] = []
        warned: list[str] = []
        failure: BaseException | None = None
        turn = ticket.turn
        classes, plan = _measurable(ticket)
        with (
            (captured or _captured)() as printed,
            job.around(turn.params),
            seeded(ticket.seed, turn.number) as sow,
        ):
            try:
                steps = [Step(n + 1, warmup=True) for n in range(turn.warmups)]
                for step in [*steps, Step(turn.repeat, warmup=False)]:
                    sow()
                    trial = Trial(
                        plan,
                        step,
                        classes=classes,
                        options=job.options,
                        identity=lambda: ticket.identity,
                        keep=kept.append,
                        warn=warned.append,
                    )
                    with trial:
                        value = job.call(turn.params)
                        trial.value = asyncio.run(value) if job.is_async else value
            except BaseException as error:  # the row says it; an interrupt or exit must not end the worker
                if not kept:
                    raise
                failure = error
                if isinstance(error, Exception):
                    traceback.print_exception(_below(error))
        record = _without_shared(kept[-1], plan, ticket) if ticket.identity.concurrent else kept[-1]
        error_sent = _pickled(failure) if failure is not None and ticket.with_error else None
        return Outcome(turn.number, record, printed.text(), tuple(warned), error_sent)


def _announce_to_dask(topic: str, turn: Turn) -> None:
    from distributed import get_worker

    worker = get_worker()
    worker.log_event(topic, {"turn": turn.number, "worker": worker.address})


def _below(error: Exception) -> Exception:
    """Leave our own frames out of the traceback that the user sees."""
    ours = __name__.partition(".")[0]
    trace = error.__traceback__
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] == ours:
        trace = trace.tb_next
    return error.with_traceback(trace) if trace is not None else error


def _measurable(ticket: Ticket) -> tuple[Classes, Plan]:
    """Leave out what can't be told apart from other trials' on the same machine."""
    classes: dict[str, Any] = dict(registered())
    plan = ticket.plan
    if ticket.identity.concurrent:
        classes["energy"] = Unavailable(SHARED.text, "use --engine kernel, or local:1")
        plan = replace(plan, estimate_power=None)
    return classes, plan


def _without_shared(record: Record, plan: Plan, ticket: Ticket) -> Record:
    """Take the energy of the whole machine out of a record, and say why."""
    shared = {
        metric.name
        for cls in registered().values()
        if not isinstance(cls, Unavailable)
        for metric in getattr(cls, "metrics", ())
        if metric.group in _SHARED_GROUPS
    }
    missing = dict(record.missing)
    if plan.metrics is None or "energy" in plan.metrics:
        missing["energy"] = SHARED
    if ticket.plan.estimate_power is not None:
        missing["estimated_energy_j"] = SHARED
    missing |= {name: SHARED for name in record.readings if name in shared}
    return replace(
        record,
        readings={name: value for name, value in record.readings.items() if name not in shared},
        series={name: series for name, series in record.series.items() if name not in shared},
        missing=missing,
    )


def _pickled(error: BaseException) -> bytes:
    try:
        found: bytes = cloudpickle().dumps(error)
        pickle.loads(found)  # noqa: S301 - our own; an exception class may refuse to be made again
    except Exception:  # noqa: BLE001 - whatever the user's exception class raises
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return found


class _Printed(io.TextIOBase):
    """Keeps the end of what is written."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._parts.append(text)
        self._length += len(text)
        if self._length > 2 * MOST_OUTPUT:
            self._parts = [self.text()]
            self._length = len(self._parts[0])
        return len(text)

    def text(self) -> str:
        """Return it, with a note where its beginning is lost."""
        whole = "".join(self._parts)
        return whole if len(whole) <= MOST_OUTPUT else f"[..]\n{whole[-MOST_OUTPUT:]}"


@contextmanager
def _captured() -> Iterator[_Printed]:
    streams = sys.stdout, sys.stderr
    printed = _Printed()
    sys.stdout = sys.stderr = printed
    try:
        yield printed
    finally:
        sys.stdout, sys.stderr = streams


@contextmanager
def captured_in_thread() -> Iterator[_Printed]:
    """Keep what this thread prints: where others of the process, the kernel's own, print as they did."""
    streams = sys.stdout, sys.stderr
    printed = _Printed()
    sys.stdout, sys.stderr = (_Divided(printed, stream) for stream in streams)
    try:
        yield printed
    finally:
        sys.stdout, sys.stderr = streams


class _Divided:
    """A stream of which one thread's part goes elsewhere."""

    def __init__(self, printed: _Printed, stream: Any) -> None:
        self._thread = threading.get_ident()
        self._printed = printed
        self._stream = stream

    def write(self, text: str) -> Any:
        stream = self._printed if threading.get_ident() == self._thread else self._stream
        return stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def sent_error(outcome: Outcome) -> BaseException | None:
    """Return the error that a worker sent along."""
    if outcome.error is None:
        return None
    error: BaseException = pickle.loads(outcome.error)  # noqa: S301 - made by this package in our own worker
    return error
