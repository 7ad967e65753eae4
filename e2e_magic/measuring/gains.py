"""What a trial gained: the line's options evaluated on the code's value, and single calls timed.

All of it happens after the measurement, and nothing of it may cost the trial: what goes wrong is a
problem in words, and an interrupt goes on as soon as the trial is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from e2e_magic.measuring import latency, reported
from e2e_magic.measuring.plan import Plan
from e2e_magic.record import Reason

Options = Mapping[str, Callable[[Any], object]]


@dataclass(slots=True)
class Gains:
    """Plain data for ``Record.reported``, and what there is to say about it.

    Attributes
    ----------
    values : dict
        See `reported.Reported`; ``latency`` as in `latency.Timed`.
    problems : dict of str to str
        By key: a sentence for the user.
    missing : dict of str to Reason
        By key: why it was not asked for.
    interrupt : BaseException or None
        What ended the evaluation early, ``KeyboardInterrupt`` above all.
    """

    values: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    missing: dict[str, Reason] = field(default_factory=dict)
    interrupt: BaseException | None = None


def gather(value: object, options: Options, given: Mapping[str, object]) -> Gains:
    """Evaluate the options and check all that was handed over; ``latency`` is left to `time_calls`.

    Parameters
    ----------
    value : object
        What the code handed back.
    options : mapping of str to callable
        Functions of that value.
    given : mapping
        What is known beside it, by the keys of `reported.collect`; the options win.
    """
    found = Gains()
    evaluated = dict(given)
    for name, function in options.items():
        if name == "latency":
            continue
        try:
            evaluated[name] = function(value)
        except Exception as error:  # the user's expression may fail in any way
            found.problems[name] = f"{name}: could not be evaluated ({error_text(error)})"
        except BaseException as interrupt:
            found.interrupt = interrupt
            found.problems[name] = f"{name}: was interrupted while it was evaluated"
            break
    try:
        collected = reported.collect(value, evaluated)
    except Exception as error:  # an odd object of the user's must not cost the trial
        found.problems["value"] = f"the value handed back could not be read ({error_text(error)})"
        return found
    found.values = dict(collected.values)
    found.problems = {**collected.problems, **found.problems}
    return found


def time_calls(
    call: Callable[[Any], object], value: object, plan: Plan, found: Gains, *, last: bool, energy: bool
) -> None:
    """Time the single calls of ``latency``: once per plan, for they are the same after each repeat.

    Parameters
    ----------
    call : callable
        A function of the code's value: one call.
    value : object
    plan : Plan
        Says for how long.
    found : Gains
        Takes the numbers or the reason.
    last : bool
        Whether this is the last repeat.
    energy : bool
        Whether to read the machine's energy beside it.
    """
    if found.interrupt is not None:
        found.missing["latency"] = Reason("", "no calls were timed, for it was interrupted")
        return
    if not last:
        found.missing["latency"] = Reason("", "calls are timed after the last repeat only")
        return
    timed = latency.time_calls(call, value, plan.latency_duration, energy=energy, clock=latency.Clock())
    if timed.raw:
        found.values["latency"] = timed.raw
    if timed.error is None:
        return
    count = f"{timed.raw.get('calls', 0):,} timed calls"
    if isinstance(timed.error, Exception):
        found.problems["latency"] = f"latency: a call failed after {count} ({error_text(timed.error)})"
    else:
        found.problems["latency"] = f"latency: was interrupted after {count}"
        found.interrupt = timed.error


def error_text(error: BaseException) -> str:
    """Return ``TypeName: message`` of an error, whose class may be a user's and fail to say itself."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception as broken:
        text = f"<its text could not be made: {type(broken).__name__}>"
    return f"{name}: {text}" if text else name
