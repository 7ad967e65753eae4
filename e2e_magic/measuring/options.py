"""The options of a measured cell: one table, from which each way in has its grammar, checks and help.

An option is one entry of `OPTIONS`. The parser of the magics, the signatures of ``measure`` and ``sweep``,
the checks of `Plan` and the line that a panel writes follow from it. What a trial must know before it starts
has a field in `Plan` too, under the same name.
"""

from __future__ import annotations

import inspect
import keyword
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, Flag, auto
from functools import partial
from typing import Any

from e2e_magic.measuring import checks
from e2e_magic.measuring.expression import Expression
from e2e_magic.measuring.latency import check_call

MIN_INTERVAL_S = 0.001


class Way(Flag):
    """A way in, by which an option can be given."""

    CELL = auto()  # the line of %%e2ebench
    STATEMENT = auto()  # %e2ebench
    SWEEP_CELL = auto()  # the line of %%e2esweep
    PANEL = auto()  # the line that a sweep panel writes
    MEASURE = auto()  # e2e.measure(..)
    SWEEP = auto()  # e2e.sweep(..)


LINES = Way.CELL | Way.STATEMENT | Way.SWEEP_CELL
EVERY_WAY = LINES | Way.PANEL | Way.MEASURE | Way.SWEEP


class Use(Enum):
    """What becomes of an option's value."""

    PLAN = auto()  # it is a field of the plan
    REPORT = auto()  # it is evaluated on what the code hands back
    SHOW = auto()  # it says what is shown and left behind


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option.

    Attributes
    ----------
    name : str
        In Python; with hyphens and ``--`` before it on a line.
    help : str
        What it means, on one line.
    use : Use
    ways : Way
        Who takes it.
    short : str
        ``-r``, where it has a short name.
    metavar : str
        Stands for its value in the help; empty for a switch.
    default : object
    read : callable
        Makes the value of a word of the line, or raises `ValueError` in words.
    check : callable or None
        ``(name, value) -> value``, or raises `PlanError`; not asked for a value of None that is the default.
    typed : str
        The type in the docstring of a function that takes it.
    details : str
        What only such a docstring says.
    """

    name: str
    help: str
    use: Use = Use.PLAN
    ways: Way = EVERY_WAY
    short: str = ""
    metavar: str = ""
    default: Any = None
    read: Callable[[str], Any] = str
    check: Callable[[str, Any], Any] | None = None
    typed: str = "bool"
    details: str = ""

    @property
    def flag(self) -> str:
        """The name on a line."""
        return "--" + self.name.replace("_", "-")

    def checked(self, value: Any) -> Any:
        """Return a value as it is kept, or raise `PlanError`."""
        if self.check is None or (value is None and self.default is None):
            return value
        return self.check(self.name, value)


def _read(convert: Callable[[str], Any], wanted: str, text: str) -> Any:
    try:
        return convert(text)
    except ValueError:
        raise ValueError(f"expected {wanted}, got {text!r}") from None


read_whole = partial(_read, int, "a whole number")
read_real = partial(_read, float, "a number")


def read_variable(text: str) -> str:
    """Read the name of a variable."""
    if not text.isidentifier() or keyword.iskeyword(text):
        raise ValueError(f"{text!r} is no name for a variable")
    return text


def _interval(name: str, value: object) -> float:
    wanted = f"seconds, at least {MIN_INTERVAL_S}"
    return checks.real(name, value, wanted, lambda seconds: MIN_INTERVAL_S <= seconds < math.inf)


def _share(name: str, value: object) -> float:
    wanted = "a number above 0 and up to 1 (up to 100 for percent)"
    return checks.real(name, value, wanted, lambda share: 0 < share <= 100)


def _call(name: str, value: object) -> object:
    if not isinstance(value, Expression):  # what that gives is known after the code only
        check_call(name, value, "a function that makes one call", "")
    return value


def _reported(name: str, text: str, **more: Any) -> Option:
    """Return an option whose value is a Python expression, or in Python an object or a function."""
    typed = "object or callable, optional"
    return Option(
        **{"use": Use.REPORT, "metavar": "EXPR", "read": Expression.of, "typed": typed, **more},
        name=name,
        help=text,
    )


OPTIONS = (
    Option(
        name="metrics",
        short="-m",
        metavar="LIST",
        help="collectors: cpu,memory,io,energy,gpu (default: all here)",
        check=checks.names,
        typed="str or sequence of str, optional",
    ),
    Option(
        name="repeat",
        short="-r",
        metavar="N",
        help="measured trials (1)",
        default=1,
        read=read_whole,
        check=partial(checks.whole, least=1),
        typed="int",
    ),
    Option(
        name="warmup",
        short="-w",
        metavar="N",
        help="trials thrown away first (0)",
        default=0,
        read=read_whole,
        check=partial(checks.whole, least=0),
        typed="int",
    ),
    Option(
        name="interval",
        short="-i",
        metavar="SECONDS",
        help="time between samples (0.1)",
        default=0.1,
        read=read_real,
        check=_interval,
        typed="float",
        details=f"In seconds, at least {MIN_INTERVAL_S}.",
    ),
    _reported("entries", "entries handled: latency, throughput", short="-n"),
    _reported("loss", "a number, or one per epoch"),
    _reported("accuracy", "a number, or one per epoch"),
    Option(
        name="target_accuracy",
        metavar="A",
        help="gives time and epochs to accuracy",
        read=read_real,
        check=_share,
        typed="float, optional",
        details="The time needs ``log`` calls.",
    ),
    _reported("confusion", "confusion matrix, rows true"),
    _reported("classes", "the labels of its rows and columns"),
    _reported("y_true", "true labels"),
    _reported("y_pred", "predicted labels, or scores"),
    _reported(
        "latency",
        "a single call, timed after the cell: p50 to p99",
        check=_call,
        typed="callable, optional",
        details="Such as ``lambda: model.predict(X[:1])``, or a function of the returned value. It is called "
        "again and again after the last repeat, outside the measured time.",
    ),
    Option(
        name="latency_duration",
        metavar="SECONDS",
        help="how long the call is timed (2)",
        default=2.0,
        read=read_real,
        check=checks.above_zero,
        typed="float",
        details="In seconds.",
    ),
    Option(
        name="out",
        use=Use.SHOW,
        ways=LINES | Way.PANEL,
        short="-o",
        metavar="NAME",
        help="put the result in this variable",
        read=read_variable,
    ),
    Option(
        name="estimate_power",
        metavar="IDLE_W,FULL_W",
        help="adds estimated_energy_j (CPU share x this power)",
        check=checks.watts,
        typed="(float, float), optional",
        details="Idle and full power of the machine in W.",
    ),
    Option(
        name="quiet",
        use=Use.SHOW,
        ways=LINES | Way.PANEL | Way.SWEEP,
        short="-q",
        help="no card",
        default=False,
        details="No prints of trials in workers, no warnings of failed ones, the result in one line.",
    ),
    Option(
        name="help",
        use=Use.SHOW,
        ways=LINES,
        short="-h",
        help="show this help; the code is not run",
        default=False,
    ),
)


BY_NAME = {option.name: option for option in OPTIONS}


def taken_by(way: Way, table: Iterable[Option] = OPTIONS) -> dict[str, Option]:
    """Return the options that can be given in a way, by name."""
    return {option.name: option for option in table if way in option.ways}


def planned(values: Mapping[str, Any], table: Iterable[Option] = OPTIONS) -> dict[str, Any]:
    """Return the values that a plan is made from: not those which only say what is shown."""
    mine = (option.name for option in table if option.use is not Use.SHOW)
    return {name: values[name] for name in mine if name in values}


def functions_of(reports: Mapping[str, Any]) -> dict[str, Callable[[Any], object]]:
    """Return what the code reports, as given in Python, as functions of what it hands back.

    A value stays itself whatever comes back; a single call may take what comes back, or nothing.
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
    except (TypeError, ValueError):  # it takes the value; or it is a built-in that doesn't say
        return function
    return lambda _returned: function()
