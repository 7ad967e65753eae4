"""``ab``: functions measured in balanced order and compared block by block."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType
from typing import TYPE_CHECKING, Any

from e2e_magic.api.by_parameter import beside
from e2e_magic.api.signatures import taking
from e2e_magic.api.sweeps import SWEEP_TAKES, open_sweep
from e2e_magic.measuring.cell import codes_of
from e2e_magic.measuring.checks import PlanError, nearest
from e2e_magic.measuring.inner_loop import InnerLoop
from e2e_magic.measuring.options import functions_of, planned
from e2e_magic.measuring.plan import Plan
from e2e_magic.measuring.reported.arrays import describe
from e2e_magic.session import current
from e2e_magic.sweeping.jobs import source_of
from e2e_magic.sweeping.options import SWEEP_OPTIONS
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.sweep import Sweep

if TYPE_CHECKING:
    from e2e_magic.views.comparison import Comparison

VARIANT = "variant"
# What a sweep takes besides: it is settled here, or of no use to a comparison.
_NOT_TAKEN = frozenset(
    ("target", "maximize", "search", "trials", "order", "shuffle", "fail_fast", "fail_after", "engine",
     "resume", "prune", "repeat", "seed", "quiet")
)  # fmt: skip
_TAKES = {name: option for name, option in SWEEP_TAKES.items() if name not in _NOT_TAKEN}


@dataclass(frozen=True)
class VariantsJob:
    """Functions by name, of which the parameter `VARIANT` chooses one.

    Parameters
    ----------
    functions : mapping of str to callable
        Each is called without arguments.
    expressions : mapping of str to object
        What they handled and gained: a value, or a function of what they returned.
    """

    functions: Mapping[str, Callable[[], Any]]
    expressions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return "\n".join(map(source_of, self.functions.values()))

    @property
    def is_async(self) -> bool:
        return any(map(inspect.iscoroutinefunction, self.functions.values()))

    @property
    def options(self) -> Mapping[str, Callable[[Any], object]]:
        return functions_of(self.expressions)

    @property
    def codes(self) -> tuple[CodeType, ...]:
        return tuple(code for function in self.functions.values() for code in codes_of(function))

    @property
    def names(self) -> Mapping[str, Any]:
        return {
            name: value
            for function in self.functions.values()
            for name, value in getattr(inspect.unwrap(function), "__globals__", {}).items()
        }

    @contextmanager
    def around(self, params: Mapping[str, Any]) -> Iterator[None]:  # noqa: ARG002 - it is no variable
        yield

    def call(self, params: Mapping[str, Any], loop: InnerLoop) -> Any:
        __tracebackhide__ = True
        function = self.functions[params[VARIANT]]
        return _awaited(function, loop) if self.is_async else loop.call(function)


async def _awaited(function: Callable[[], Any], loop: InnerLoop) -> Any:
    """Call a function of which another one beside it is async."""
    __tracebackhide__ = True
    if inspect.iscoroutinefunction(function):
        return await loop.await_call(function)
    return loop.call(function)


@taking(_TAKES.values())
def ab(
    *functions: Callable[[], Any],
    repeat: int = 20,
    names: Sequence[str] | None = None,
    stage: str = "ab",
    metric: str | Sequence[str] | None = None,
    least: float | str | None = None,
    seed: int | None = None,
    **options: Any,
) -> Comparison | Coroutine[Any, Any, Comparison]:
    """Measure functions in balanced order and compare them with the first one, block by block.

    Each block calls every function once, in random order (AB or BA, each as often): a machine that warms up
    or gets busy meanwhile does so for all of them.

    Parameters
    ----------
    *functions : callable
        Two or more, each without arguments; ``lambda: predict(model, X)`` binds some. What they return counts
        as `measure` says.
    repeat : int
        Calls of each function, and blocks. Fewer than 8 see large differences only.
    names : sequence of str, optional
        What they are called in the result; the functions' names when left out.
    stage : str
        The label of the trials.
    metric : str or sequence of str, optional
        Only these are compared; the usual ones that have values when left out.
    least : float or str, optional
        The smallest difference that matters, such as ``"5%"``: see `compare`.
    seed : int, optional
        Decides the order, and with each call's number seeds Python, numpy and torch before it. A fresh order
        when left out.
    {options}

    Returns
    -------
    Comparison
        With ``.frame``, ``.plot()``, ``.plot("drift")`` (the values in the order of the calls), ``.results``
        (the trials) and a text in words. Of async functions, where an event loop runs (in a notebook), a
        coroutine that gives it: ``await e2e.ab(f, g)``.

    Raises
    ------
    PlanError
        Names the parameter, what came and what is allowed.
    BaseException
        The first error of a function; the rows up to it are kept.

    Notes
    -----
    The ratio is the Hodges-Lehmann estimate from the ratios of the blocks, the test Wilcoxon's signed rank:
    see `e2e_magic.derived.paired.paired`, which says how often they err.

    Examples
    --------
    >>> import e2e_magic as e2e
    >>> def before():
    ...     return sum([n * n for n in range(20_000)])
    >>> def after():
    ...     return sum(n * n for n in range(2_000))
    >>> e2e.ab(before, after, repeat=6, metric="cpu_time_s").frame["verdict"].item()
    'faster'
    """
    __tracebackhide__ = True
    named = _named(functions, names)
    for name in options:
        if name not in _TAKES:
            raise PlanError(f"{name}: ab() has no such option{nearest(name, [*_TAKES, 'repeat', 'names'])}")
    sweep = _opened(named, stage, repeat, seed, options)
    how = {"metric": metric, "least": least}
    if not sweep.job.is_async:
        for _ in sweep.run():
            pass
        return beside(sweep.records, VARIANT, **how)
    comparison = _compared(sweep, how)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(comparison)
    return comparison


async def _compared(sweep: Sweep, how: Mapping[str, Any]) -> Comparison:
    __tracebackhide__ = True
    async for _ in sweep.run_async():
        pass
    return beside(sweep.records, VARIANT, **how)


def _opened(
    functions: Mapping[str, Callable[[], Any]],
    stage: str,
    repeat: int,
    seed: int | None,
    options: Mapping[str, Any],
) -> Sweep:
    """Return the sweep over the functions' names; nothing runs yet."""
    if not isinstance(stage, str):
        raise PlanError(f"stage: expected a label such as infer, got {describe(stage)}")
    plan = SweepPlan(
        plan=Plan.of(stage, {**planned(options), "repeat": repeat}),
        space=Space.of({VARIANT: list(functions)}),
        **{**planned(options, SWEEP_OPTIONS), "order": "balanced", "seed": seed, "fail_fast": True},
    )
    job = VariantsJob(functions, plan.plan.options)
    return open_sweep(current(), plan, job)


def _named(functions: Sequence[Any], names: Sequence[str] | None) -> dict[str, Callable[[], Any]]:
    """Return the functions by their names; those that have none of their own are a, b, c .."""
    if len(functions) < 2:
        raise PlanError(
            f"ab: expected two functions or more, such as ab(before, after), got {len(functions)}"
        )
    for function in functions:
        if not callable(function):
            raise PlanError(
                f"ab: expected functions without arguments, got {describe(function)}; "
                "hand over lambda: f(x) instead of f(x)"
            )
        _check_arguments(function)
    if names is None:
        found = [str(getattr(function, "__name__", "<lambda>")) for function in functions]
        own = len(set(found)) == len(found) and "<lambda>" not in found
        chosen = found if own else [_letter(place) for place in range(len(functions))]
    else:
        chosen = [names] if isinstance(names, str) else list(names)
        if len(set(chosen)) != len(functions) or not all(isinstance(n, str) and n.strip() for n in chosen):
            raise PlanError(
                f"names: expected {len(functions)} different names, one a function, got {names!r}"
            )
    return dict(zip(chosen, functions, strict=True))


def _check_arguments(function: Callable[..., Any]) -> None:
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        label = getattr(function, "__name__", type(function).__name__)
        raise PlanError(
            f"ab: {label}() can't be called without arguments ({error}); "
            f"hand over lambda: {'f' if label == '<lambda>' else label}(..)"
        ) from None
    except ValueError:  # written in C
        return


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"function {place + 1}"
