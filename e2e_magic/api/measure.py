"""``measure``: the measured cell for scripts, as a context manager and as a decorator; ``baseline``."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from e2e_magic.api.signatures import taking
from e2e_magic.measuring.cell import codes_of
from e2e_magic.measuring.checks import PlanError
from e2e_magic.measuring.options import Way, functions_of, taken_by
from e2e_magic.measuring.plan import Plan
from e2e_magic.measuring.trial import MeasurementWarning, Trial
from e2e_magic.record import Record
from e2e_magic.session import current
from e2e_magic.views.result import Result

if TYPE_CHECKING:
    from e2e_magic.measuring.idle import IdlePower

_F = TypeVar("_F", bound=Callable[..., Any])


class Measurement(Result):
    """The result of ``with measure(..) as trial``: empty until the block ends."""

    def __init__(self) -> None:
        self._kept: list[Record] = []
        super().__init__(self._kept)
        self._trial: Trial | None = None

    def open(self, trial: Trial) -> None:
        """Attach a trial that is about to start."""
        self._trial = trial
        self.set_names(current().names())

    def close(self) -> None:
        """Take no more reports."""
        self._trial = None

    def keep(self, record: Record) -> None:
        """Take a finished record."""
        self._kept.append(record)

    def report(self, **values: object) -> None:
        """Report numbers of the block: ``loss``, ``accuracy``, ``num_entries``, ``y_true`` ..

        Parameters
        ----------
        **values
            The keys of the dict that a measured function returns, and the options of `measure`.
        """
        if self._trial is None:
            raise RuntimeError("report(..) belongs inside the `with measure(..)` block")
        self._trial.report(**values)


@taking(taken_by(Way.MEASURE).values())
class measure:  # noqa: N801 - a function to the user: used as `with measure(..)` and `@measure(..)`
    """Measure a block of code or a function: what it costs and what it gains.

    Parameters
    ----------
    stage : str
        The label: ``prepare``, ``train``, ``validate``, ``infer`` or any other text.
    {options}

    Raises
    ------
    PlanError
        If an option is wrong: names it, what came and what is allowed.

    Notes
    -----
    An option that is a function is called with the returned value, after the measured time. A function is
    called `warmup` + `repeat` times, and the value of the last call is returned; a block runs once.

    Works on functions, ``async def``, generators and async generators. A generator's trial lasts
    from its first item to its end, the consumer's work between two items included.

    Examples
    --------
    >>> import e2e_magic as e2e
    >>> with e2e.measure("prepare", metrics="cpu,memory") as trial:
    ...     squares = [n * n for n in range(1000)]
    >>> trial.frame["state"].item()
    'complete'
    """

    def __init__(self, stage: str = "cell", **options: Any) -> None:
        if inspect.isroutine(stage) or inspect.isclass(stage):
            raise PlanError(
                f'stage: expected a label such as train, got a function; write @measure("{stage.__name__}")'
            )
        self._plan = Plan.of(stage, options)
        self._open: list[tuple[Trial, Measurement]] = []

    def _trials(
        self, keep: Callable[[Record], None] | None = None, source: str | None = None
    ) -> Iterator[Trial]:
        options = functions_of(self._plan.options)
        return current().trials(self._plan, options=options, source=source, keep=keep)

    def _one(self, keep: Callable[[Record], None] | None = None, source: str | None = None) -> Trial:
        if self._plan.repeat != 1 or self._plan.warmup or self._plan.number != 1:
            raise PlanError(
                "repeat, warmup, number: a block and a generator run once and can't be repeated; "
                "put the code into a function and decorate that"
            )
        return next(self._trials(keep, source))

    def _watching(self, trial: Trial, function: Callable[..., Any]) -> Trial:
        """Return the trial, with the function's lines counted where that is asked for."""
        if self._plan.lines is not None:
            names = getattr(inspect.unwrap(function), "__globals__", {})
            self._plan.check_lines(names)
            trial.watch(codes_of(function), names)
        return trial

    def __enter__(self) -> Measurement:
        measurement = Measurement()
        trial = self._one(measurement.keep)
        if self._plan.lines is not None:
            frame = sys._getframe(1)
            names = {**frame.f_globals, **frame.f_locals}
            self._plan.check_lines(names)
            trial.watch((frame.f_code,), names, frame=frame)
        measurement.open(trial)
        self._open.append((trial, measurement))
        trial.__enter__()
        return measurement

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        trial, measurement = self._open.pop()
        trial.__exit__(kind, error, trace)
        measurement.close()

    def __call__(self, function: _F) -> _F:
        source = getattr(function, "__qualname__", repr(function))
        wrapper: Any
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            self._one()  # says at decoration what can't be repeated
        if inspect.isasyncgenfunction(function):

            async def wrapper(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
                __tracebackhide__ = True
                with self._watching(self._one(source=source), function):
                    async for item in function(*args, **kwargs):
                        yield item

        elif inspect.isgeneratorfunction(function):

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                with self._watching(self._one(source=source), function) as trial:
                    trial.value = yield from function(*args, **kwargs)
                return trial.value

        elif inspect.iscoroutinefunction(function):

            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                value = None
                for trial in self._trials(source=source):
                    with self._watching(trial, function):
                        value = trial.value = await trial.loop.await_call(function, *args, **kwargs)
                return value

        else:

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                value = None
                for trial in self._trials(source=source):
                    with self._watching(trial, function):
                        value = trial.value = trial.loop.call(function, *args, **kwargs)
                return value

        return cast("_F", functools.wraps(function)(wrapper))


def baseline(seconds: float = 10.0) -> IdlePower:
    """Measure the power of the idle machine: from now on, the trials of this run have ``net_energy_j``.

    Let nothing else run meanwhile. Where there is no counter it returns at once, and its text says why.

    Parameters
    ----------
    seconds : float
        How long, at least 0.5.

    Returns
    -------
    IdlePower
        ``watts`` by part (package, dram, gpu), ``source``, ``missing`` with the reasons; its text says
        it in a sentence.

    Raises
    ------
    PlanError
        For a time that is none, or too short for the counters to step.
    """
    power = current().measure_baseline(seconds)
    if power.warning:
        warnings.warn(power.warning, MeasurementWarning, stacklevel=2)
    return power
