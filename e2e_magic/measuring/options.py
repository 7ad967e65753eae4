"""The options of a measured cell: one table that defines the grammar, checks and help of each entry point.

An option is one entry of `OPTIONS`. The parser of the magics, the signatures of ``measure`` and ``sweep``,
the checks of `Plan` and the line that a panel writes follow from it. What a trial needs before it starts has
a field in `Plan` too, under the same name.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, Flag, auto
from functools import partial
from typing import Any

from e2e_magic.measuring import kinds
from e2e_magic.measuring.kinds import Kind
from e2e_magic.measuring.latency import check_call

MIN_INTERVAL_S = 0.001


class Way(Flag):
    """An entry point through which an option can be given."""

    CELL = auto()  # the line of %%e2ebench
    STATEMENT = auto()  # %e2ebench
    SWEEP_CELL = auto()  # the line of %%e2esweep
    PANEL = auto()  # the line that a sweep panel writes
    MEASURE = auto()  # e2e.measure(..)
    SWEEP = auto()  # e2e.sweep(..)


LINES = Way.CELL | Way.STATEMENT | Way.SWEEP_CELL
EVERY_WAY = LINES | Way.PANEL | Way.MEASURE | Way.SWEEP


class Use(Enum):
    """The destination of an option's value."""

    PLAN = auto()  # it is a field of the plan
    REPORT = auto()  # it is evaluated on the value that the code returns
    SHOW = auto()  # it decides on the display and on the variables that stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option.

    Attributes
    ----------
    name : str
        In Python; with hyphens and ``--`` before it on a line.
    kind : Kind
        The kind of its value, which reads, checks, writes and completes it.
    help : str
        Its meaning, on one line.
    use : Use
    ways : Way
        The entry points that take it.
    short : str
        ``-r``, where it has a short name.
    metavar : str
        The placeholder of its value in the help; empty for a flag.
    default : object
    bare : object
        The value where it stands on a line without one; None where it needs one.
    details : str
        Text that appears only in the docstring of a function that takes it.
    """

    name: str
    kind: Kind
    help: str
    use: Use = Use.PLAN
    ways: Way = EVERY_WAY
    short: str = ""
    metavar: str = ""
    default: Any = None
    bare: Any = None
    details: str = ""

    @property
    def flag(self) -> str:
        """The option's name on a line."""
        return "--" + self.name.replace("_", "-")

    @property
    def typed(self) -> str:
        """The type in the docstring of a function that takes it."""
        return self.kind.typed + (", optional" if self.default is None else "")

    def checked(self, value: Any) -> Any:
        """Return a value as it is kept; None is not checked where it is the default.

        Raises
        ------
        PlanError
            Names the option, the value and what is allowed.
        """
        return value if value is None and self.default is None else self.kind.check(self.name, value)


def _call(name: str, value: object) -> None:
    check_call(name, value, "a function that makes one call", "")


def _reported(name: str, text: str, kind: Kind = kinds.Python(), **more: Any) -> Option:  # noqa: B008
    """Return an option that is evaluated on the value that the code returns."""
    return Option(name=name, kind=kind, help=text, use=Use.REPORT, metavar="EXPR", **more)


OPTIONS = (
    Option(
        name="metrics",
        short="-m",
        metavar="LIST",
        help="collectors: cpu,memory,io,energy,gpu (default: all here)",
        kind=kinds.Names(),
    ),
    Option(
        name="repeat",
        short="-r",
        metavar="N",
        help="measured trials (1)",
        default=1,
        kind=kinds.Whole(least=1),
    ),
    Option(
        name="warmup",
        short="-w",
        metavar="N",
        help="trials thrown away first (0)",
        default=0,
        kind=kinds.Whole(),
    ),
    Option(
        name="number",
        metavar="N|auto",
        help="executions per trial, for short code; values are of one (1)",
        default=1,
        kind=kinds.Count(),
        details='Or ``"auto"``: until they took 0.2 s. Times, energy and bytes are those of one execution, '
        "the empty loop's time taken off. Functions only: a block runs once.",
    ),
    Option(
        name="interval",
        short="-i",
        metavar="SECONDS",
        help="time between samples (0.1)",
        default=0.1,
        kind=kinds.Real(
            wanted=f"seconds, at least {MIN_INTERVAL_S}",
            allows=lambda seconds: MIN_INTERVAL_S <= seconds < math.inf,
        ),
        details=f"In seconds, at least {MIN_INTERVAL_S}.",
    ),
    _reported("entries", "entries handled: latency, throughput", short="-n"),
    _reported("loss", "a number, or one per epoch"),
    _reported("accuracy", "a number, or one per epoch"),
    Option(
        name="target_accuracy",
        metavar="A",
        help="gives time and epochs to accuracy",
        kind=kinds.SHARE,
        details="The time needs ``log`` calls.",
    ),
    _reported("confusion", "confusion matrix, rows true"),
    _reported("classes", "the labels of its rows and columns"),
    _reported("y_true", "true labels"),
    _reported("y_pred", "predicted labels, or scores"),
    _reported(
        "latency",
        "a single call, timed after the cell: p50 to p99",
        kinds.Python("callable", _call),
        details="Such as ``lambda: model.predict(X[:1])``, or a function of the returned value. It is called "
        "again and again after the last repeat, outside the measured time.",
    ),
    Option(
        name="latency_duration",
        metavar="SECONDS",
        help="how long the call is timed (2)",
        default=2.0,
        kind=kinds.SECONDS,
        details="In seconds.",
    ),
    Option(
        name="out",
        use=Use.SHOW,
        ways=LINES | Way.PANEL,
        short="-o",
        metavar="NAME",
        help="put the result in this variable",
        kind=kinds.Variable(),
    ),
    Option(
        name="estimate_power",
        metavar="IDLE_W,FULL_W|auto",
        help="adds estimated_energy_j (CPU share x this power)",
        kind=kinds.Watts(),
        details="Idle and full power of the machine in W, or ``auto``: by the processor's model.",
    ),
    Option(
        name="lines",
        metavar="NAME,..",
        help="time, hits and peak memory of each line, also of these functions",
        kind=kinds.Functions(),
        bare=(),
        details="True, or functions from elsewhere (or their names) to count beside the measured code.",
    ),
    Option(
        name="memory_limit",
        metavar="SIZE|PERCENT",
        help="a MemoryError in the cell instead of a killed kernel",
        kind=kinds.Memory(),
        details='``"12GiB"``, or ``"90%"`` of what this process may use; a number is bytes. Linux only.',
    ),
    Option(
        name="quiet",
        use=Use.SHOW,
        ways=LINES | Way.PANEL | Way.SWEEP,
        short="-q",
        kind=kinds.Flag(),
        help="no card",
        default=False,
        details="No prints of trials in workers, no warnings of failed ones, the result in one line.",
    ),
    Option(
        name="help",
        use=Use.SHOW,
        ways=LINES,
        short="-h",
        kind=kinds.Flag(),
        help="show this help; the code is not run",
        default=False,
    ),
)


BY_NAME = {option.name: option for option in OPTIONS}


def taken_by(way: Way, table: Iterable[Option] = OPTIONS) -> dict[str, Option]:
    """Return the options that an entry point takes, by name."""
    return {option.name: option for option in table if way in option.ways}


def planned(values: Mapping[str, Any], table: Iterable[Option] = OPTIONS) -> dict[str, Any]:
    """Return the values for a plan: those of `Use.SHOW` are left out."""
    mine = (option.name for option in table if option.use is not Use.SHOW)
    return {name: values[name] for name in mine if name in values}


def functions_of(reports: Mapping[str, Any]) -> dict[str, Callable[[Any], object]]:
    """Return the reports given in Python as functions of the value that the code returns.

    A constant becomes a function that ignores that value; a single call may take that value, or nothing.
    """
    functions = {
        name: value if callable(value) else partial(_constant, value) for name, value in reports.items()
    }
    if "latency" in functions:
        functions["latency"] = _single_call(functions["latency"])
    return functions


def _constant(value: object, _returned: object) -> object:
    return value


def _single_call(function: Callable[..., object]) -> Callable[[Any], object]:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):  # it takes the value; or it is a built-in without a signature
        return function
    return lambda _returned: function()
