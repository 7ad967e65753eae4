"""What measuring adds to a trial beyond its code: what comes after its record was made is added to it."""

from __future__ import annotations

from e2e_magic.measuring import clocks
from e2e_magic.record import Record


def add(record: Record, since_ns: int) -> int:
    """Add the time from then to now to a record that is being kept, and return now."""
    now_ns = clocks.perf_counter_ns()
    readings = record.readings
    if isinstance(readings, dict) and "overhead_s" in readings:
        readings["overhead_s"] += max(now_ns - since_ns, 0) * 1e-9
    return now_ns
