"""``for batch in e2e.track(loader)``: counts the entries that a loop is handed. Works without torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from operator import index
from typing import Any, Generic, TypeVar

from e2e_magic.integrations.batches import length
from e2e_magic.measuring import clocks, events

_Batch = TypeVar("_Batch")
_END: Any = object()


class Tracked(Generic[_Batch]):
    """A loader whose entries are counted: made by `track`, with the attributes of the loader."""

    def __init__(self, loader: Iterable[_Batch], entries: int | Callable[[_Batch], int]) -> None:
        self._loader, self._entries = loader, entries

    def __iter__(self) -> Iterator[_Batch]:
        warned = False
        came_ns = asked_ns = clocks.perf_counter_ns()
        batches = iter(self._loader)  # starts the workers of a `DataLoader`
        while True:
            batch = next(batches, _END)
            stepped_ns, came_ns = asked_ns - came_ns, clocks.perf_counter_ns()
            events.loop_time(came_ns - asked_ns, stepped_ns)
            if batch is _END:
                return
            try:
                events.count(index(self._entries(batch) if callable(self._entries) else self._entries))
            except Exception as error:  # noqa: BLE001 - whatever is raised, the loop goes on
                if not warned:
                    warnings.warn(
                        f"track: the entries of a batch could not be counted ({error}); "
                        "say them with entries=.., a number or a function of the batch",
                        stacklevel=2,
                    )
                warned = True
            yield batch
            asked_ns = clocks.perf_counter_ns()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copy and pickle ask before `_loader` is there
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._loader, name)


class SizedTracked(Tracked[_Batch]):
    """A `Tracked` loader with a length: its number of batches."""

    def __len__(self) -> int:
        return len(self._loader)  # type: ignore[arg-type]


def track(
    loader: Iterable[_Batch], *, entries: int | Callable[[_Batch], int] | None = None
) -> Tracked[_Batch]:
    """Iterate over batches and count their entries for the running trial: its rates follow from them.

    Parameters
    ----------
    loader : iterable
        A PyTorch ``DataLoader``, a ``tf.data.Dataset``, a generator, a list: any batches.
    entries : int or callable, optional
        The entries of each batch, or a function of the batch. When left out: the length of the first
        array or tensor within, else of the first list. A batch without a length gives one warning.

    Notes
    -----
    A batch counts when it is handed over, in every epoch. ``--entries`` and ``num_entries`` win.

    Examples
    --------
    >>> for batch in track([[1, 2], [3]]): ...
    """
    if not isinstance(loader, Iterable) and not hasattr(loader, "__getitem__"):
        came = type(loader).__name__
        raise TypeError(f"track(loader): expected an iterable of batches, such as a DataLoader, got {came}")
    if entries is not None and not callable(entries) and (type(entries) is not int or entries < 1):
        raise TypeError(f"track(entries=..): expected a number above 0 or a function, got {entries!r}")
    return (SizedTracked if hasattr(loader, "__len__") else Tracked)(loader, entries or length)
