"""Hooks for ML frameworks: each calls only ``log`` or ``count``, and nothing inside imports them.

Input: the callbacks of a framework. Output: calls of ``log``.

A framework is imported when its hook is first used, never before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from e2e_magic.integrations.pytorch import track

__all__ = ["based_on", "free", "made_when_asked", "renamed", "track"]

# A top-k accuracy is another quantity and keeps its name.
_ACCURACIES = ("acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")
_SAME = {
    prefix + spelling: prefix + "accuracy" for prefix in ("", "val_", "train_") for spelling in _ACCURACIES
}


def renamed(
    values: Mapping[str, Any] | Iterable[tuple[str, Any]], same: Mapping[str, str] = _SAME
) -> dict[str, Any]:
    """Return metrics under the names that the frames use: ``loss accuracy val_loss val_accuracy``.

    Parameters
    ----------
    values : mapping or pairs of str and number
        As the framework names them. A metric under a name of the frames goes before its synonyms,
        the first synonym before the second; one that comes too late keeps its own name, and of two that
        share one the second is ``NAME_2``.
    same : mapping of str to str
        Synonym to name.
    """
    pairs = list(values.items()) if isinstance(values, Mapping) else list(values)
    taken = {name for name, _ in pairs}
    metrics: dict[str, Any] = {}
    for own, value in pairs:
        name = same.get(own, own)
        if name != own and name in taken:
            name = own
        taken.add(name)
        metrics[free(name, metrics)] = value
    return metrics


def free(name: str, metrics: Mapping[str, Any]) -> str:
    """Return a name that none of the metrics has: itself, else with a number behind it."""
    number = 1
    while (numbered := name if number == 1 else f"{name}_{number}") in metrics:
        number += 1
    return numbered


def made_when_asked(
    home: str, hook: type, homes: Sequence[str], base: str, install: str
) -> Callable[[str], type[Any]]:
    """Return the ``__getattr__`` of a hook's module, which makes its public class when first asked for it.

    Parameters
    ----------
    home : str
        The module's ``__name__``.
    hook, homes, base, install
        As of `based_on`.
    """
    public = hook.__name__.removeprefix("_")

    def public_class(name: str) -> type[Any]:
        if name != public:
            raise AttributeError(f"module {home!r} has no attribute {name!r}")
        cls = based_on(hook, homes, base, install)
        setattr(sys.modules[home], public, cls)
        return cls

    return public_class


def based_on(hook: type, homes: Sequence[str], base: str, install: str) -> type[Any]:
    """Make the public class of a hook: its methods, on the framework's own base class.

    Parameters
    ----------
    hook : type
        The methods; its name is the public one after an underscore.
    homes : sequence of str
        Modules that may hold the base class; one that the user has imported already goes first.
    base : str
        The base class.
    install : str
        What pip is to install where no home can be imported.

    Raises
    ------
    ImportError
        If there is no such module: says why and which pip command brings it.
    """
    name = hook.__name__.removeprefix("_")
    reasons = []
    for home in sorted(homes, key=lambda module: module not in sys.modules):
        try:
            module = import_module(home)
        except ImportError as error:
            reasons.append(f"{home}: {error}")
            continue
        return type(
            name, (hook, getattr(module, base)), {"__module__": hook.__module__, "__doc__": hook.__doc__}
        )
    raise ImportError(f"{name} can't be used here ({'; '.join(reasons)}); install it: pip install {install}")
