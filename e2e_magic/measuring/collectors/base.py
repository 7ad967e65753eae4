"""The base of every collector, built in or from another package.

A collector measures *around* the code. It is found by its name in the entry-point group
``e2e_magic.collectors``, so that another package adds one without touching this one::

    [project.entry-points."e2e_magic.collectors"]
    disk = "my_package:DiskCollector"

Such a package imports ``from e2e_magic import Collector, Metric, Probe, Unavailable``. For each trial one
instance is created, by calling the class without arguments, and used once::

    collector = DiskCollector()      # may raise Unavailable
    with collector:                  # counters are read at these two edges
        ...the user's code...
    collector.readings()             # numbers by metric name, after the exit
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import ClassVar, Literal, NamedTuple, Self

from e2e_magic.record import Metric, Reason, Series, Value

GROUP = "e2e_magic.collectors"
# The order of columns, cards and `%e2e metrics`; others follow by name.
BUILT_IN = ("wall_time", "cpu", "memory", "io", "energy", "gpu")


class Unavailable(Exception):  # noqa: N818 - it is no error: it stands where a number would
    """The reason why something can't be measured here, and a remedy: it stands where a 0 would lie.

    Parameters
    ----------
    text : str
        What is missing, in words: ``"no RAPL counters in /sys/class/powercap"``.
    remedy : str
        The next step for the user; empty where there is none.
    code : str
        The case in machine-readable form (see `Reason`).
    lasting : bool
        Whether trials need not check again until ``registered(again=True)``. False where the user may fix it
        between two cells, and checking again is cheap.
    """

    def __init__(self, text: str, remedy: str = "", *, code: str = "", lasting: bool = True) -> None:
        super().__init__(text, remedy)
        self.reason = Reason(code, text, remedy)
        self.lasting = lasting

    def __str__(self) -> str:
        return str(self.reason)


class Probe(NamedTuple):
    """The specification of one curve for the sampler process. Plain data, as it crosses a pipe.

    Attributes
    ----------
    metric : str
        The declared metric (``curve=True``) that the samples belong to.
    kind : str
        ``rss`` | ``tree_rss`` | ``tree_pss`` (MiB), ``cpu`` (percent of one core, children included),
        ``io_read`` | ``io_write`` (MiB since the start): of the kernel's process.
        ``file``: the number in the file `path`, times `scale`.
        ``counter``: the same as a rate per second; with `wrap` > 0 the counter starts again at
        0 after it, and the true increase is summed (see ``Sampler.stop``).
        ``nvml``: one quantity of NVIDIA GPUs, added over them (the highest temperature).
        ``evidence``: no curve, but what the process waited for (see ``sampler.evidence``).
    path : str
        For ``file`` and ``counter``; for ``nvml`` the driver's library.
    scale : float
        Multiplies what is read: 1e-6 turns microjoule into joule.
    wrap : float
        The counter's largest value, in the file's own unit; 0 where it never wraps.
    args : tuple of str
        For ``counter`` the paths of more counters of the same range, which are added; for ``nvml`` the
        quantity (``percent memory process_memory power temperature``) and the GPUs' UUIDs.
    step_s : float
        For ``counter``, how often it moves: a rate is computed over at least 20 of its steps, however
        short the interval between samples is.
    """

    metric: str
    kind: Literal[
        "rss", "tree_rss", "tree_pss", "cpu", "io_read", "io_write", "file", "counter", "nvml", "evidence"
    ]
    path: str = ""
    scale: float = 1.0
    wrap: float = 0.0
    args: tuple[str, ...] = ()
    step_s: float = 0.0


class Collector:
    """A measurement around one trial: the base of every collector, with what most of them share.

    Attributes
    ----------
    name : str
        The word for ``--metrics``.
    source : str
        Where the numbers come from, for ``%e2e metrics``: ``"/proc/self/status VmHWM"``.
    metrics : tuple of Metric
        All metrics that it may give, declared before anything runs.
    """

    name: ClassVar[str] = ""
    source: str = ""
    metrics: ClassVar[tuple[Metric, ...]] = ()

    def probes(self) -> tuple[Probe, ...]:
        """Return the probes to sample while the code runs. Called once, before `__enter__`."""
        return ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        return None

    def readings(self) -> Mapping[str, Value]:
        """Return the readings by metric name.

        Called once, after `__exit__`, also when the code failed or that exit was interrupted.
        """
        return {}

    def missing(self) -> Mapping[str, Reason | str]:
        """Return the reason for each declared metric that has no number in this trial; a sentence will do."""
        return {}

    def sampled(
        self,
        series: Mapping[str, Series],  # noqa: ARG002 - for who needs them
        totals: Mapping[str, float],  # noqa: ARG002 - for who needs them
    ) -> Mapping[str, Value]:
        """Return numbers that follow from the curves of its own probes (a sampled peak, say).

        `totals` holds the true increase of each ``counter`` probe, wraps included.
        """
        return {}

    def absent(self) -> Mapping[str, Reason]:
        """Return the reason for each declared metric that this machine can't give, for ``%e2e metrics``."""
        return {}


# The collectors by name: a class, or a factory of one, or the reason why there is none.
Classes = Mapping[str, Callable[[], Collector] | Unavailable]

# Both are of the process: entry points and sensors are the same for every session.
_classes: dict[str, type[Collector] | Unavailable] = {}
# Collectors that raised `Unavailable`: looking for sensors again costs each cell half a millisecond.
_refused: dict[str, Unavailable] = {}


def refuse(name: str, why: Unavailable) -> None:
    """Remember until ``registered(again=True)`` that a collector can't measure here."""
    if why.lasting:
        _refused[name] = why


def refused(name: str) -> Unavailable | None:
    """Return the remembered reason why a collector can't measure here; None where there is none."""
    return _refused.get(name)


def registered(*, again: bool = False) -> dict[str, type[Collector] | Unavailable]:
    """Find every collector, built in or installed by another package, in the order of display.

    A collector that can't be imported is included as the `Unavailable` with the reason.

    Parameters
    ----------
    again : bool
        Search again, for packages that were installed meanwhile.
    """
    if again or not _classes:
        from importlib.metadata import entry_points

        classes: dict[str, type[Collector] | Unavailable] = {}
        for entry in entry_points(group=GROUP):
            try:
                classes[entry.name] = entry.load()
            except Exception as error:  # noqa: BLE001 - another package's import may fail in any way
                classes[entry.name] = Unavailable(
                    f"{entry.value} could not be imported ({type(error).__name__}: {error})",
                    "update or remove the package that brings it",
                )
        order = {name: n for n, name in enumerate(BUILT_IN)}
        _refused.clear()
        _classes.clear()
        _classes.update(sorted(classes.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))
    return dict(_classes)
