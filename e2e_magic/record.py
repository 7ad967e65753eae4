"""The data model of the package as plain, frozen data: metrics, series, records, runs.

Everything that is measured ends up here, raw. What can be computed from it (``e2e_magic.derived``)
is computed when it is read, so that a corrected definition also corrects old runs.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import BuiltinFunctionType, FunctionType
from typing import Any, Literal, NamedTuple, cast

Better = Literal["lower", "higher"]
State = Literal["complete", "failed", "interrupted", "killed", "over limit", "pruned"]
Value = float | int | str
STATES: tuple[State, ...] = ("complete", "failed", "interrupted", "killed", "over limit", "pruned")
# Ended on purpose in its middle: neither complete nor a failure of the code.
CUT_SHORT: tuple[State, ...] = ("interrupted", "over limit", "pruned")


class Code(StrEnum):
    """Codes of the reasons on which the program decides something."""

    NAMED = "named"  # the text itself names the number it is about
    NO_DRAM_COUNTER = "no DRAM counter"
    NO_DRIVER = "no GPU driver"
    NO_ENERGY = "no energy"  # nothing was measured from which it could follow
    NO_ENERGY_COUNTER = "no energy counter"  # an estimate may stand in
    NO_SAMPLE = "no sample"
    NO_TORCH = "torch not in use"
    NO_WAITS = "waits not counted"
    OVER_LIMIT = "over limit"  # the trial's process was ended
    PACKAGE_COUNTED = "package counted"  # so the whole platform is not
    TOO_SHORT = "too short"
    STOPPED = "stopped"  # the sweep was, in the middle of the trial
    UNREADABLE = "unreadable"  # what the worker sent back could not be opened
    WORKER_DIED = "worker died"


# A card's line of text is not longer than this (characters).
LONGEST_BRIEF = 250


class Reason(NamedTuple):
    """Why a number is missing, something was refused or a trial ended.

    Attributes
    ----------
    code : str
        For decisions of the program, one of `Code` or another package's own; empty where there are none.
    text : str
        For people: what is not there, in words.
    remedy : str
        The next step for the user; empty where there is none.
    """

    code: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.remedy}" if self.remedy else self.text

    @property
    def brief(self) -> Reason:
        """The reason as it fits on a card: a remedy of several commands stands where there is room."""
        if len(str(self)) <= LONGEST_BRIEF:
            return self
        return self._replace(remedy="%e2e metrics shows what to do")

    @classmethod
    def of(cls, data: Reason | str | Mapping[str, str]) -> Reason:
        """Read what `plain` wrote, what an older version wrote (a sentence), or take a reason as it is."""
        if isinstance(data, Reason):
            return data
        if isinstance(data, str):
            return cls("", data)
        return cls(data.get("code", ""), data.get("text", ""), data.get("remedy", ""))

    def plain(self) -> str | dict[str, str]:
        """Return plain data for a store: the sentence where there is nothing else."""
        if not self.code and not self.remedy:
            return self.text
        return {"code": str(self.code), "text": self.text, "remedy": self.remedy}


# What else follows from energy has no other reason.
NO_ENERGY = Reason(Code.NO_ENERGY, "no energy was measured")


def sentences(reasons: Mapping[str, Reason]) -> dict[str, str]:
    """Return the reasons in words, by the same names."""
    return {name: str(reason) for name, reason in reasons.items()}


class Metric(NamedTuple):
    """A named quantity with one unit, declared once, before anything runs.

    Attributes
    ----------
    name : str
        The column's name; it ends with the unit where there is one (``wall_time_s``).
    unit : str
        For people and charts: ``s``, ``MiB``, ``%``, ``J``, ``W``; empty for a plain number.
    group : str
        The group of columns in the results frame: ``time``, ``cpu``, ``memory`` ..
    better : {"lower", "higher"} or None
        Which direction is an improvement; None where neither is.
    description : str
        One line for ``%e2e metrics``.
    curve : bool
        True for a gauge that is sampled into a `Series`, False for a number per trial.
    """

    name: str
    unit: str
    group: str
    better: Better | None = "lower"
    description: str = ""
    curve: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """A sampled curve: parallel arrays of seconds since the trial's start and values."""

    t_s: array[float]
    value: array[float]

    @classmethod
    def of(cls, t_s: Sequence[float], value: Sequence[float]) -> Series:
        """Return a series of any two sequences of equal length."""
        if len(t_s) != len(value):
            raise ValueError(f"a series needs as many times as values, got {len(t_s)} and {len(value)}")
        return cls(array("d", t_s), array("d", value))

    def __len__(self) -> int:
        return len(self.t_s)

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return iter(zip(self.t_s, self.value, strict=True))


@dataclass(frozen=True, slots=True)
class Events:
    """What ``log`` reported, as columns: a row per call, NaN where a key was not given.

    Attributes
    ----------
    t_s : array of float
        Seconds since the trial's start; NaN where nobody knows (an epoch of a training that was over).
    epoch : array of float
        The epoch that was given, else the count of calls, from 1.
    values : mapping of str to array of float
        A column per logged key, each as long as `t_s`.
    dropped : int
        Calls that were thinned out of a very long log (see ``events.MAX_ROWS``).
    """

    t_s: array[float] = field(default_factory=lambda: array("d"))
    epoch: array[float] = field(default_factory=lambda: array("d"))
    values: Mapping[str, array[float]] = field(default_factory=dict)
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.t_s)


class Lines(NamedTuple):
    """What lines cost: a place per line that ran, NaN where memory was not read (see `measuring.lines`)."""

    place: array[float]  # of its listing
    line: array[float]
    hits: array[float]
    wall_s: array[float]  # its own, without the counting
    peak_mib: array[float]
    delta_mib: array[float]
    listings: tuple[tuple[str, int, str], ...]  # the function's name, the number of the first line, the text
    counting_s: float  # an estimate, part of the trial's wall time
    notes: tuple[str, ...] = ()  # what was not counted


@dataclass(frozen=True, slots=True)
class Record:
    """One finished trial, raw.

    Attributes
    ----------
    run : str
        The run's id.
    stage : str
        The label of the measured cell.
    trial : int
        Counts the trials of this stage in this run, from 1.
    repeat : int
        Counts the trials that share parameters, from 1.
    state : {"complete", "failed", "interrupted", "killed", "over limit", "pruned"}
        ``killed``: the process ended in it.
    started_at : datetime
        Timezone-aware, UTC.
    error : str or None
        ``TypeName: message`` of what ended the trial early.
    sweep : str or None
        The sweep's id, for a trial that belongs to one.
    params : mapping
        The swept parameters.
    readings : mapping of str to number or str
        What collectors read, by metric name. What is absent was not measured.
    series : mapping of str to Series
        Sampled curves, by metric name.
    events : Events
        What ``log`` reported.
    reported : mapping of str to plain data
        What the code and the line's options reported, checked, as plain data: numbers, strings, lists
        (its keys: `measuring.reported.Reported`).
    missing : mapping of str to Reason
        Metric or collector name to why it has no number.
    source : str or None
        The cell's source or the function's qualified name.
    host : str
        Where it ran.
    concurrent : bool
        Whether other trials ran beside it.
    lines : Lines or None
        What its lines cost, where that was asked for.
    """

    run: str
    stage: str
    trial: int
    repeat: int
    state: State
    started_at: datetime
    error: str | None = None
    sweep: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    readings: Mapping[str, Value] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    events: Events = field(default_factory=Events)
    reported: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, Reason] = field(default_factory=dict)
    source: str | None = None
    host: str = ""
    concurrent: bool = False
    lines: Lines | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and the software of a run, captured once; None and empty where unavailable."""

    host: str = ""
    os: str = ""
    python: str = ""
    cpu: str = ""
    cores: int | None = None
    cores_usable: int | None = None
    ram_mib: float | None = None
    gpu: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    notebook: str | None = None
    threads: Mapping[str, str] | None = None
    memory_limit_mib: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One pass through a pipeline, in one kernel.

    `settings` is plain data that its trials carry or obey: `plan.run_settings`, `idle.IdlePower`.
    """

    id: str
    name: str
    started_at: datetime
    description: str = ""
    environment: Environment = field(default_factory=Environment)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"run {self.name} ({self.id}), started {self.started_at:%Y-%m-%d %H:%M:%S} UTC"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Print the sentence as the last value of a cell; `runs` has the environment."""
        printer.text(str(self))


# JSON knows no NaN, no infinities, no tuples: each is written as a one-key object under a name no
# user's key takes, so that a round trip gives back what went in.
_FLOAT = "__float__"
_TUPLE = "__tuple__"
_PAIRS = "__pairs__"
_MARKS = (_FLOAT, _TUPLE, _PAIRS)
# What the user has there needs no longer name.
_AT_HAND = ("__main__", "builtins")


def encode(value: Any) -> Any:
    """Turn plain data into what JSON can hold; numpy scalars and arrays become numbers and lists."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_FLOAT: repr(value)}
    if isinstance(value, Mapping):
        if all(isinstance(k, str) for k in value) and not any(mark in value for mark in _MARKS):
            return {k: encode(v) for k, v in value.items()}
        return {_PAIRS: [[encode(k), encode(v)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {_TUPLE: [encode(v) for v in value]}
    if isinstance(value, list | set | frozenset | array | range):
        return [encode(v) for v in value]
    if hasattr(value, "tolist"):  # a numpy scalar or array
        return encode(value.tolist())
    name = named(value)
    return name if isinstance(name, str) else repr(name)


def named(value: Any) -> Any:
    """Return the name of a function or class (a lambda has none); anything else as it is.

    Their text has an address, which identifies nothing and changes with the next kernel.
    """
    if isinstance(value, type | FunctionType | BuiltinFunctionType) and "<" not in value.__qualname__:
        home = value.__module__
        return f"{home}.{value.__qualname__}" if home not in (None, *_AT_HAND) else value.__qualname__
    return value


def decode(value: Any) -> Any:
    """Return the data that `encode` was given."""
    if isinstance(value, list):
        return [decode(v) for v in value]
    if isinstance(value, dict):
        if len(value) == 1:
            [(key, inner)] = value.items()
            if key == _FLOAT:
                return float(inner)
            if key == _TUPLE:
                return tuple(decode(v) for v in inner)
            if key == _PAIRS:
                return {cast("Any", decode(k)): decode(v) for k, v in inner}
        return {k: decode(v) for k, v in value.items()}
    return value
