"""The options of a line that are functions of the code's value: evaluated after the measurement.

An interrupt in one of them is raised again as soon as the trial is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from e2e_magic.measuring.latency import Clock, time_calls
from e2e_magic.measuring.plan import Plan
from e2e_magic.measuring.reported import Reported
from e2e_magic.measuring.reported.values import collect
from e2e_magic.record import Reason
from e2e_magic.text import error_text

Options = Mapping[str, Callable[[Any], object]]


def evaluate(value: object, options: Options, given: Mapping[str, object]) -> Reported:
    """Evaluate the options and check all given values; ``latency`` is left to `add_latency`.

    Parameters
    ----------
    value : object
        The value that the code returned.
    options : mapping of str to callable
        Functions of that value.
    given : mapping
        Values from elsewhere, such as counted entries, by the keys of `values.collect`; the options win.
    """
    evaluated = dict(given)
    problems: dict[str, str] = {}
    interrupt = None
    for name, function in options.items():
        if name == "latency":
            continue
        try:
            evaluated[name] = function(value)
        except Exception as error:  # noqa: BLE001 - the user's expression or object may fail in any way
            problems[name] = f"{name}: could not be evaluated ({' '.join(error_text(error).split())})"
        except BaseException as error:  # noqa: BLE001 - the trial raises it when its row is kept
            interrupt = error
            problems[name] = f"{name}: was interrupted while it was evaluated"
            break
    try:
        reported = collect(value, evaluated)
    except Exception as error:  # noqa: BLE001 - the user's expression or object may fail in any way
        problems["value"] = f"the value handed back could not be read ({' '.join(error_text(error).split())})"
        reported = Reported()
    except BaseException as error:  # noqa: BLE001 - the trial raises it when its row is kept
        problems["value"] = "the value handed back could not be read: it was interrupted"
        reported, interrupt = Reported(), interrupt or error
    reported.problems |= problems
    reported.interrupt = interrupt
    return reported


def add_latency(
    reported: Reported,
    call: Callable[[Any], object],
    value: object,
    plan: Plan,
    *,
    last: bool,
    energy: bool,
) -> None:
    """Time the single calls of ``latency``: once per plan, as they are the same after each repeat.

    Parameters
    ----------
    reported : Reported
        Receives the numbers or the reason.
    call : callable
        A function of the code's value: one call.
    value : object
    plan : Plan
        Its ``latency_duration`` sets the time.
    last : bool
        Whether this is the last repeat.
    energy : bool
        Whether to read the machine's energy meanwhile.
    """
    if reported.interrupt is not None:
        reported.missing["latency"] = Reason("", "no calls were timed, for it was interrupted")
        return
    if not last:
        reported.missing["latency"] = Reason("", "calls are timed after the last repeat only")
        return
    latency, error = time_calls(call, value, plan.latency_duration, energy=energy, clock=Clock())
    if latency:
        reported.values["latency"] = latency
    if error is None:
        return
    count = f"{latency.get('calls', 0):,} timed calls"
    if isinstance(error, Exception):
        reported.problems["latency"] = f"latency: a call failed after {count} ({error_text(error)})"
    else:
        reported.problems["latency"] = f"latency: was interrupted after {count}"
        reported.interrupt = error
