"""A plan: what shall be measured, how often and by whom. It checks itself before anything runs."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

# Options that are evaluated after the code, in the order of the contract.
REPORTED_OPTIONS = ("entries", "loss", "accuracy", "confusion", "classes", "y_true", "y_pred", "latency")
MIN_INTERVAL_S = 0.001


class PlanError(ValueError):
    """A plan that can't be run: says the parameter, what came, what is allowed and what is near."""


def nearest(word: str, allowed: Collection[str]) -> str:
    """Return `` (did you mean X?)`` for the most similar allowed word, or an empty text."""
    import difflib

    folded = {name.casefold(): name for name in allowed}
    close = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.5)
    return f" (did you mean {folded[close[0]]}?)" if close else ""


def split_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated list, as in ``--metrics cpu,memory``."""
    return tuple(part for part in re.split(r"[,\s]+", text) if part)


@dataclass(frozen=True, slots=True)
class Step:
    """One execution that a plan asks for."""

    repeat: int
    warmup: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one measured cell or function asks for.

    Parameters
    ----------
    stage : str
        The label. Any text but an empty one.
    metrics : collection of str or str, optional
        Names of collectors; None for every one that this machine can do.
    repeat, warmup : int
        Trials that are kept (at least 1) and trials thrown away first (at least 0).
    interval : float
        Seconds between samples, at least 0.001.
    target_accuracy : float, optional
        In (0, 1] or, for accuracies in percent, up to 100.
    estimate_power : pair of float, optional
        Idle and full power of the machine in W, for an estimate of the energy.
    latency_duration : float
        Seconds for which the calls of the option ``latency`` are timed, above 0.
    options : mapping
        What is evaluated after the code, by name (`REPORTED_OPTIONS`).

    Raises
    ------
    PlanError
        Names the parameter, what came and what is allowed.
    """

    stage: str = "cell"
    metrics: tuple[str, ...] | None = None
    repeat: int = 1
    warmup: int = 0
    interval: float = 0.1
    target_accuracy: float | None = None
    estimate_power: tuple[float, float] | None = None
    latency_duration: float = 2.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.stage, str) or not self.stage.strip():
            raise PlanError(
                f"stage: expected a label such as prepare, train, validate or infer, got {self.stage!r}"
            )
        object.__setattr__(self, "repeat", _whole("repeat", self.repeat, 1))
        object.__setattr__(self, "warmup", _whole("warmup", self.warmup, 0))
        object.__setattr__(self, "interval", _interval(self.interval))
        object.__setattr__(self, "latency_duration", _duration(self.latency_duration))
        if self.target_accuracy is not None:
            object.__setattr__(self, "target_accuracy", _target(self.target_accuracy))
        if self.estimate_power is not None:
            object.__setattr__(self, "estimate_power", _power(self.estimate_power))
        if isinstance(self.metrics, str):
            if not (names := split_names(self.metrics)):
                raise PlanError(f"metrics: expected names such as cpu,memory, got {self.metrics!r}")
            object.__setattr__(self, "metrics", names)
        elif self.metrics is not None:
            if not isinstance(self.metrics, Iterable) or not all(isinstance(n, str) for n in self.metrics):
                raise PlanError(f"metrics: expected names such as cpu,memory, got {self.metrics!r}")
            object.__setattr__(self, "metrics", tuple(self.metrics))
        unknown = [name for name in self.options if name not in REPORTED_OPTIONS]
        if unknown:
            own = [each.name for each in fields(self) if each.name not in ("stage", "options")]
            allowed = (*own, *REPORTED_OPTIONS)
            raise PlanError(
                f"{unknown[0]}: no such option{nearest(unknown[0], allowed)}; "
                f"allowed are {', '.join(allowed)}"
            )

    def check_collectors(self, known: Collection[str]) -> None:
        """Raise `PlanError` unless every named collector is one of `known`."""
        for name in self.metrics or ():
            if name not in known:
                allowed = sorted(set(known) - {"wall_time"})
                raise PlanError(
                    f"metrics: there is no collector {name!r}{nearest(name, allowed)}; "
                    f"allowed are {', '.join(allowed)}"
                )

    def steps(self) -> Iterator[Step]:
        """Yield the executions: warm-ups first, then the repeats, counted from 1."""
        for n in range(self.warmup):
            yield Step(n + 1, warmup=True)
        for n in range(self.repeat):
            yield Step(n + 1, warmup=False)


def run_settings(*, estimate_power: object = None, carbon: object = None) -> dict[str, Any]:
    """Check what is set for all trials of a run, and return it as plain data.

    Parameters
    ----------
    estimate_power : pair of float or str, optional
        Idle and full power in W, for trials that name none themselves.
    carbon : float, optional
        Grams of CO2 per kWh of the electricity used.

    Returns
    -------
    dict
        ``estimate_power`` (a list of two) and ``carbon_g_per_kwh``, where they are given.

    Raises
    ------
    PlanError
        Names the setting, what came and what is allowed.
    """
    settings: dict[str, Any] = {}
    if estimate_power is not None:
        settings["estimate_power"] = list(_power(estimate_power))
    if carbon is not None:
        grams = _number(carbon)
        if grams is None or not 0 <= grams < math.inf:
            raise PlanError(
                "carbon: expected grams of CO2 per kWh of your electricity, 0 or more, such as 380, "
                f"got {carbon!r}"
            )
        settings["carbon_g_per_kwh"] = grams
    return settings


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise PlanError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    number = int(value.__index__())
    if number < least:
        raise PlanError(f"{name}: expected a whole number of at least {least}, got {number}")
    return number


def _interval(value: object) -> float:
    number = _number(value)
    if number is None or not MIN_INTERVAL_S <= number < math.inf:
        raise PlanError(f"interval: expected seconds, at least {MIN_INTERVAL_S}, got {value!r}")
    return number


def _duration(value: object) -> float:
    number = _number(value)
    if number is None or not 0 < number < math.inf:
        raise PlanError(f"latency_duration: expected seconds above 0, got {value!r}")
    return number


def _target(value: object) -> float:
    number = _number(value)
    if number is None or not 0 < number <= 100:
        raise PlanError(
            f"target_accuracy: expected a number above 0 and up to 1 (up to 100 for percent), got {value!r}"
        )
    return number


def _power(value: object) -> tuple[float, float]:
    parts = value.split(",") if isinstance(value, str) else value
    try:
        idle, full = (float(part) for part in parts)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        idle = full = math.nan
    if not 0 <= idle <= full < math.inf:
        raise PlanError(
            "estimate_power: expected two numbers of watts IDLE_W,FULL_W with 0 <= idle <= full, "
            f"such as 12,65, got {value!r}"
        )
    return idle, full


def _number(value: object) -> float | None:
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        return None
    return float(value.__float__())
