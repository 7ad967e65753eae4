"""A plan: what shall be measured, how often and by whom. It checks itself before anything runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from e2e_magic.measuring import checks
from e2e_magic.measuring.checks import PlanError, nearest, split_names
from e2e_magic.measuring.options import BY_NAME, OPTIONS, Use

__all__ = ["Plan", "PlanError", "Step", "nearest", "run_settings", "split_names"]


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
    metrics, repeat, warmup, interval, target_accuracy, estimate_power, latency_duration
        As the table `options.OPTIONS` says.
    options : mapping
        What is evaluated on what the code hands back, by the names that the table has for it; None is not
        given.

    Raises
    ------
    PlanError
        Names the parameter, what came and what is allowed.
    """

    stage: str = "cell"
    metrics: tuple[str, ...] | None = None
    repeat: int = BY_NAME["repeat"].default
    warmup: int = BY_NAME["warmup"].default
    interval: float = BY_NAME["interval"].default
    target_accuracy: float | None = None
    estimate_power: tuple[float, float] | None = None
    latency_duration: float = BY_NAME["latency_duration"].default
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, stage: str, values: Mapping[str, Any]) -> Self:
        """Make a plan from options by name."""
        settings = {option.name for option in OPTIONS if option.use is Use.PLAN}
        return cls(
            stage=stage,
            options={name: value for name, value in values.items() if name not in settings},
            **{name: value for name, value in values.items() if name in settings},
        )

    def __post_init__(self) -> None:
        if not isinstance(self.stage, str) or not self.stage.strip():
            raise PlanError(
                f"stage: expected a label such as prepare, train, validate or infer, got {self.stage!r}"
            )
        for option in OPTIONS:
            if option.use is Use.PLAN:
                object.__setattr__(self, option.name, option.checked(getattr(self, option.name)))
        reports = [option.name for option in OPTIONS if option.use is Use.REPORT]
        for name in self.options:
            if name not in reports:
                own = [each.name for each in fields(self) if each.name not in ("stage", "options")]
                allowed = (*own, *reports)
                raise PlanError(
                    f"{name}: no such option{nearest(name, allowed)}; allowed are {', '.join(allowed)}"
                )
        given = {name: value for name, value in self.options.items() if value is not None}
        checked = {name: BY_NAME[name].checked(value) for name, value in given.items()}
        object.__setattr__(self, "options", checked)

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
        settings["estimate_power"] = list(checks.watts("estimate_power", estimate_power))
    if carbon is not None:
        settings["carbon_g_per_kwh"] = checks.real(
            "carbon",
            carbon,
            "grams of CO2 per kWh of your electricity, 0 or more, such as 380",
            lambda grams: 0 <= grams < math.inf,
        )
    return settings
