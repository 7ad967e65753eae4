"""Hooks for ML frameworks: each calls only ``log`` or ``count``, and nothing inside imports them.

In come the callbacks of a framework; out go calls of ``log``.

A framework is imported when its hook is first used, never before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from e2e_magic.integrations.pytorch import track

__all__ = ["based_on", "renamed", "track"]

# A top-k accuracy is another quantity and keeps its name.
_ACCURACIES = ("acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy")
_SAME = {
    prefix + spelling: prefix + "accuracy" for prefix in ("", "val_", "train_") for spelling in _ACCURACIES
}


def renamed(
    values: Mapping[str, Any] | Iterable[tuple[str, Any]], same: Mapping[str, str] = _SAME
) -> dict[str, Any]:
    """Give metrics the names that the frames know: ``loss accuracy val_loss val_accuracy``.

    Parameters
    ----------
    values : mapping or pairs of str and number
        As the framework names them. A metric under a name of the frames goes before its synonyms,
        the first synonym before the second; one that comes too late keeps its own name.
    same : mapping of str to str
        Synonym to name.
    """
    given = dict(values)
    taken = set(given)
    found: dict[str, Any] = {}
    for name, value in given.items():
        known = same.get(name, name)
        if known != name and known in taken:
            known = name
        taken.add(known)
        found[known] = value
    return found


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
