"""The words of the package as plain, frozen data: metrics, series, records, runs.

Everything that is measured ends up here, raw. What can be computed from it (``e2e_magic.derived``)
is computed when it is read, so that a mended definition also mends old runs.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import BuiltinFunctionType, FunctionType
from typing import Any, Literal, cast

Better = Literal["lower", "higher"]
State = Literal["complete", "failed", "interrupted"]
Value = float | int | str
STATES: tuple[State, ...] = ("complete", "failed", "interrupted")

# The history of the JSON form. 1: the first.
RECORD_VERSION = 1


@dataclass(frozen=True, slots=True)
class Metric:
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
        """Make a series from any two sequences of equal length."""
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
    state : {"complete", "failed", "interrupted"}
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
        What the code handed back and what the line's options said, checked and plain:
        numbers, strings, lists (``derived`` reads these keys; see ``reported.py``).
    missing : mapping of str to str
        Metric or collector name to the reason why it has no number.
    source : str or None
        The cell's source or the function's qualified name.
    host : str
        Where it ran.
    concurrent : bool
        Whether other trials ran beside it.
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
    missing: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    host: str = ""
    concurrent: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain data for ``json.dumps(.., allow_nan=False)``; NaN and infinities survive."""
        return {
            "version": RECORD_VERSION,
            "run": self.run,
            "stage": self.stage,
            "trial": self.trial,
            "repeat": self.repeat,
            "state": self.state,
            "started_at": self.started_at.isoformat(),
            "error": self.error,
            "sweep": self.sweep,
            "params": encode(self.params),
            "readings": encode(self.readings),
            "series": {k: [encode(list(s.t_s)), encode(list(s.value))] for k, s in self.series.items()},
            "events": {
                "t_s": encode(list(self.events.t_s)),
                "epoch": encode(list(self.events.epoch)),
                "values": {k: encode(list(v)) for k, v in self.events.values.items()},
                "dropped": self.events.dropped,
            },
            "reported": encode(self.reported),
            "missing": dict(self.missing),
            "source": self.source,
            "host": self.host,
            "concurrent": self.concurrent,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """Read what `to_json` wrote, also by an older version."""
        version = data.get("version", 1)
        if version > RECORD_VERSION:
            raise ValueError(
                f"this record has version {version}, but this e2e_magic reads up to {RECORD_VERSION}: "
                "update e2e_magic"
            )
        events = data.get("events", {})
        return cls(
            run=data["run"],
            stage=data["stage"],
            trial=data["trial"],
            repeat=data["repeat"],
            state=data["state"],
            started_at=datetime.fromisoformat(data["started_at"]),
            error=data.get("error"),
            sweep=data.get("sweep"),
            params=decode(data.get("params", {})),
            readings=decode(data.get("readings", {})),
            series={k: Series.of(decode(t), decode(v)) for k, (t, v) in data.get("series", {}).items()},
            events=Events(
                array("d", decode(events.get("t_s", []))),
                array("d", decode(events.get("epoch", []))),
                {k: array("d", decode(v)) for k, v in events.get("values", {}).items()},
                events.get("dropped", 0),
            ),
            reported=decode(data.get("reported", {})),
            missing=data.get("missing", {}),
            source=data.get("source"),
            host=data.get("host", ""),
            concurrent=data.get("concurrent", False),
        )


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a run happened: captured once, missing where it can't be known."""

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


@dataclass(frozen=True, slots=True)
class Run:
    """One pass through a pipeline, in one kernel.

    `settings` is plain data that its trials carry or obey: ``carbon_g_per_kwh``, ``estimate_power``
    (idle and full, W), ``baseline_power`` (see ``idle.IdlePower``).
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
        """Show the sentence as the last value of a cell: the environment is long and stands in `runs`."""
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
    found = named(value)
    return found if isinstance(found, str) else repr(found)


def named(value: Any) -> Any:
    """Return the name of a function or class (a lambda has none); anything else as it is.

    Their text has an address, which tells nobody what was tried, and is another one in the next kernel.
    """
    if isinstance(value, type | FunctionType | BuiltinFunctionType) and "<" not in value.__qualname__:
        home = value.__module__
        return f"{home}.{value.__qualname__}" if home not in (None, *_AT_HAND) else value.__qualname__
    return value


def decode(value: Any) -> Any:
    """Undo `encode`."""
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
