"""The plan of a measurement: what, how often and by which collectors; validated before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, Self

from e2e_magic.measuring import grid
from e2e_magic.measuring.checks import PlanError, nearest
from e2e_magic.measuring.kinds import Names, Real, Watts
from e2e_magic.measuring.options import BY_NAME, OPTIONS, Use

split_names = Names.split
__all__ = ["Plan", "PlanError", "Step", "nearest", "run_settings", "split_names"]


CARBON = Real(
    wanted="grams of CO2 per kWh of your electricity, 0 or more, such as 380",
    allows=lambda grams: 0 <= grams < math.inf,
)


class Step(NamedTuple):
    """One execution that a plan asks for."""

    repeat: int
    warmup: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The request to measure one cell or function: collectors, repeats, options.

    Parameters
    ----------
    stage : str
        The label. Any text but an empty one.
    metrics, repeat, warmup, number, interval, target_accuracy, estimate_power
    memory_limit, latency_duration, lines
        As in the table `options.OPTIONS`.
    options : mapping
        What is evaluated on the value that the code returns, by its names in that table; None counts as not
        given.

    Raises
    ------
    PlanError
        Names the parameter, the value and what is allowed.
    """

    stage: str = "cell"
    metrics: tuple[str, ...] | None = None
    repeat: int = BY_NAME["repeat"].default
    warmup: int = BY_NAME["warmup"].default
    number: int | Literal["auto"] = BY_NAME["number"].default
    interval: float = BY_NAME["interval"].default
    target_accuracy: float | None = None
    estimate_power: tuple[float, float] | tuple[float, float, str] | None = None
    memory_limit: str | None = None
    latency_duration: float = BY_NAME["latency_duration"].default
    lines: tuple[str | Callable[..., Any], ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, stage: str, values: Mapping[str, Any]) -> Self:
        """Return the plan of a stage with these options by name."""
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
        if self.lines is not None and self.number != 1:
            raise PlanError(
                f"lines: the lines of one execution are counted, and number is {self.number!r}; leave one of "
                "the two out"
            )
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

    def check_collectors(self, registered: Collection[str]) -> None:
        """Raise `PlanError` unless every named collector is one of `registered`."""
        for name in self.metrics or ():
            if name not in registered:
                allowed = sorted(set(registered) - {"wall_time"})
                raise PlanError(
                    f"metrics: there is no collector {name!r}{nearest(name, allowed)}; "
                    f"allowed are {', '.join(allowed)}"
                )

    def check_lines(self, namespace: Mapping[str, Any]) -> None:
        """Raise `PlanError` unless all functions of which lines are wanted are in `namespace`."""
        if self.lines:
            from e2e_magic.measuring.lines.sources import functions

            functions(self.lines, namespace)

    def check_here(self, registered: Collection[str]) -> None:
        """Raise `PlanError` unless it can be measured in this process, now; nothing has run yet."""
        self.check_collectors(registered)
        if self.memory_limit is not None:
            _check_memory_limit(self.memory_limit)

    def steps(self) -> Iterator[Step]:
        """Yield the executions: warm-ups first, then the repeats, counted from 1."""
        for n in range(self.warmup):
            yield Step(n + 1, warmup=True)
        for n in range(self.repeat):
            yield Step(n + 1, warmup=False)


def _check_memory_limit(limit: str) -> None:
    from e2e_magic.measuring import memory_limit

    memory_limit.check(limit)


def run_settings(
    *,
    estimate_power: object = None,
    carbon: object = None,
    zone: object = None,
    price: object = None,
    memory_limit: object = None,
) -> dict[str, Any]:
    """Check the settings of all trials of a run, and return them as plain data.

    Parameters
    ----------
    estimate_power : pair of float or str, optional
        Idle and full power in W, for trials that name none themselves, or ``auto``.
    carbon : float, optional
        Grams of CO2 per kWh of the electricity used.
    zone : str, optional
        Where it comes from, instead of the grams: see `grid.zone`.
    price : str, optional
        Money per kWh, such as ``0.31EUR``.
    memory_limit : str or int, optional
        What the code of a trial may use, for trials that name none themselves.

    Returns
    -------
    dict
        ``estimate_power`` (a list of two, with ``auto`` also where they come from), ``carbon_g_per_kwh``,
        ``carbon_source``, ``price`` and ``memory_limit``, where they are given.

    Raises
    ------
    PlanError
        Names the setting, the value and what is allowed.
    """
    settings: dict[str, Any] = {}
    if estimate_power is not None:
        settings["estimate_power"] = list(Watts().check("estimate_power", estimate_power))
    if carbon is not None:
        settings["carbon_g_per_kwh"] = CARBON.check("carbon", carbon)
    if zone is not None:
        if carbon is not None:
            raise PlanError("zone: the grams of CO2 are given by carbon already; leave one of the two out")
        found = grid.zone(zone)
        settings |= {"carbon_g_per_kwh": found.g_per_kwh, "carbon_source": str(found)}
    if price is not None:
        settings["price"] = grid.price(price)
    if memory_limit is not None:
        settings["memory_limit"] = BY_NAME["memory_limit"].checked(memory_limit)
        _check_memory_limit(settings["memory_limit"])
    return settings
