"""The store: every finished trial in a database, one transaction each; SQLite by default.

Input: finished records and their runs. Output: the same from any kernel, selected by run, stage and time.

This module is light: SQLAlchemy is loaded with `Store`, when the first trial is kept or read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from e2e_magic.storage.errors import StoreError
from e2e_magic.storage.selection import HERE, WHOLE_STORE, Selection

if TYPE_CHECKING:
    from e2e_magic.storage.database import Store

__all__ = ["HERE", "WHOLE_STORE", "Selection", "Store", "StoreError"]


def __getattr__(name: str) -> Any:
    if name != "Store":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from e2e_magic.storage.database import Store

    return Store
