"""A worker's side of a sweep: one trial, measured where it runs, with what it printed."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, TextIO

from e2e_magic.measuring.collectors.base import Classes, Unavailable, registered
from e2e_magic.measuring.plan import Plan
from e2e_magic.measuring.streams import KeptText, StandIn, standing_in
from e2e_magic.record import Reason, Record
from e2e_magic.sweeping.engines.dask_reports import Announcing, giving_up
from e2e_magic.sweeping.engines.imports import import_all
from e2e_magic.sweeping.engines.main_module import as_main
from e2e_magic.sweeping.engines.opening import Opened
from e2e_magic.sweeping.engines.shipping import Parcel, ShippingError
from e2e_magic.sweeping.engines.tickets import Outcome, Ticket, pickled_error
from e2e_magic.sweeping.engines.watch import announce
from e2e_magic.sweeping.execution import execute, run_now

# What a trial prints is sent back up to this length, its end.
MOST_OUTPUT = 100_000
SHARED = Reason("", "other trials ran on this machine at the same time, and its energy can't be told apart")
_SHARED_GROUPS = ("energy",)
Capturing = Callable[[], AbstractContextManager[Any]]


# A worker process with several threads measures one trial at a time: CPU time, peak memory and what is
# printed belong to the process.
_one_at_a_time = threading.Lock()
# The process that has run a trial, and the one that has imported what a parcel's code imports: a forked
# child finds the numbers of its parent here. They belong to the process, as what is imported does.
_began: dict[str, int] = {}
_imported: dict[str, tuple[int, str]] = {}


def run_remotely(
    parcel: Parcel,
    ticket: Ticket,
    *,
    captured: Capturing | None = None,
    begin: Callable[[int], None] | None = None,
) -> bytes:
    """Open the job, run the turn's warm-ups and its trial, and return the sealed outcome.

    `captured` returns the context in which it runs, whose ``text()`` is the outcome's output; prints are kept
    when left out. `begin` takes the turn's number as it begins.
    """
    with _one_at_a_time:
        if ticket.folder is not None:
            announce(ticket.folder, ticket.turn.number)
        if begin is not None:
            begin(ticket.turn.number)
        return _outcome(parcel, ticket, captured or _captured).sealed()


def run_several(parcel: Parcel, tickets: Sequence[Ticket]) -> list[bytes]:
    """Run turns one after another, in a worker of Dask's."""
    with Announcing(str(tickets[0].topic), len(tickets)) as begin:
        return [run_remotely(parcel, ticket, begin=begin) for ticket in tickets]


def _outcome(parcel: Parcel, ticket: Ticket, captured: Capturing) -> Outcome:
    try:
        job = Opened(parcel).job
        ticket.params()  # whether they can be opened
    except ShippingError as problem:
        return Outcome(ticket.turn.number, None, problem=str(problem))
    warned: list[str] = []
    classes, plan = _measurable(ticket)
    # A thread of the kernel leaves the kernel's own `__main__` as it is.
    threads = captured is captured_in_thread
    cold = not threads and _is_first()
    with captured() as printed, nullcontext() if threads else as_main(job, parcel):
        if _imported.get("parcel") != (os.getpid(), parcel.id):
            _imported["parcel"] = os.getpid(), parcel.id
            import_all(job)  # before anything is measured
        work = execute(
            job,
            ticket.turn,
            ticket.params,
            plan=plan,
            classes=classes,
            identity=ticket.identity,
            seed=ticket.seed,
            cold=cold,
            limit=ticket.limit,
            mark=None if ticket.folder is None else partial(announce, ticket.folder, ticket.turn.number),
            give_up=None if ticket.topic is None else giving_up(ticket.topic, ticket.turn.number),
            report=ticket.report,
            warn=warned.append,
            around=_traceback_printed,
        )
        # An interrupt or exit must not end the worker: its error comes back with the record.
        execution = asyncio.run(work) if job.is_async else run_now(work)
    record, error = execution.record, execution.error
    if ticket.identity.concurrent:
        record = _without_shared(record, plan, ticket)
    error_sent = pickled_error(error) if error is not None and ticket.with_error else None
    return Outcome(ticket.turn.number, record, printed.text(), tuple(warned), error_sent)


def _is_first() -> bool:
    """Return whether this is the first trial of this process; a forked one begins anew."""
    first = _began.get("pid") != os.getpid()
    _began["pid"] = os.getpid()
    return first


@contextmanager
def _traceback_printed() -> Iterator[None]:
    """Print the traceback of the code's error among what the code prints."""
    try:
        yield
    except Exception as error:
        traceback.print_exception(_below(error))
        raise


def _below(error: Exception) -> Exception:
    """Leave our own frames out of the traceback that the user sees."""
    ours = __name__.partition(".")[0]
    trace = error.__traceback__
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] == ours:
        trace = trace.tb_next
    return error.with_traceback(trace) if trace is not None else error


def _measurable(ticket: Ticket) -> tuple[Classes, Plan]:
    """Leave out what can't be separated from other trials' on the same machine."""
    classes: dict[str, Any] = dict(registered())
    plan = ticket.plan
    if ticket.identity.concurrent:
        classes["energy"] = Unavailable(SHARED.text, "use --engine kernel, or local:1")
        plan = replace(plan, estimate_power=None)
    return classes, plan


def _without_shared(record: Record, plan: Plan, ticket: Ticket) -> Record:
    """Remove the energy of the whole machine from a record, and add the reason."""
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


@contextmanager
def _captured() -> Iterator[KeptText]:
    printed = KeptText(MOST_OUTPUT)
    with standing_in(StandIn(sys.stdout, printed.write), StandIn(sys.stderr, printed.write)):
        yield printed


@contextmanager
def captured_in_thread() -> Iterator[KeptText]:
    """Keep what this thread prints: others of the process, the kernel's own, print as they did."""
    thread = threading.get_ident()
    printed = KeptText(MOST_OUTPUT)

    def divided(real: TextIO) -> StandIn:
        def write(text: str) -> None:
            (printed if threading.get_ident() == thread else real).write(text)

        return StandIn(real, write)

    with standing_in(divided(sys.stdout), divided(sys.stderr)):
        yield printed
