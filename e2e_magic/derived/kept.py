"""A sentence on who holds what a cell kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e_magic.record import Record
from e2e_magic.text import counted, digits, legible, quantity


def kept_sentence(record: Record) -> str:
    """Return who holds what a cell kept, sizes in MiB; empty where that was not worth a look.

    Examples
    --------
    ``+223 MiB kept: digits 30, X_train 24, 49 others 49, 120 unnamed (imports of this cell: sklearn)``
    """
    told: Mapping[str, Any] | None = record.reported.get("kept")
    if told is None:
        return ""
    number, *others = told["others"]
    held = [*told["names"], [counted(number, "other"), *others]]
    parts = [
        f"{legible(name, 40)} {'at least ' if more else ''}{_whole(mib)}"
        for name, mib, more in held
        if mib >= 0.5
    ]
    unnamed = told["unnamed_mib"]
    if unnamed >= 0.5:
        packages = ", ".join(legible(name, 40) for name in told["imported"])
        why = f" (imports of this cell: {packages})" if packages else ""
        parts.append(f"{_whole(unnamed)} unnamed{why}")
    return f"+{quantity(told['kept_mib'], 'MiB')} kept: {', '.join(parts)}" if parts else ""


def _whole(mib: float) -> str:
    """Write MiB without the unit, which the sentence names once."""
    return f"{mib:,.0f}" if mib >= 10 else digits(float(f"{mib:.1f}"))
