"""All benchmarks, one table: ``python tests/benchmarks/run_all.py [--peers] [--markdown FILE] [NAME ...]``.

Each ``bench_NAME.py`` beside this file has ``run() -> list[dict]`` with the keys ``what``, ``value``
(a number, a text or None), ``unit`` and ``target`` (``<= 1``, ``>= 95`` or empty); ``noise``, where there
is one, is how far off the value may be: a target within it is neither met nor missed. They compare
timings: run them alone on the machine. The exit status is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
# The other tools are slow to measure, and an extra has to be installed for them.
PEERS = "peers"


def main() -> int:
    """Run what was asked for and print the table."""
    names = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all but {PEERS}")
    parser.add_argument(
        "--peers", action="store_true", help="measure the other tools too (extra: benchmarks)"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there as well")
    asked = parser.parse_args()
    unknown = [name for name in asked.only if name not in names]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; allowed are {', '.join(names)}")
    wanted = asked.only or [name for name in names if name != PEERS]
    if asked.peers and PEERS not in wanted:
        wanted.append(PEERS)

    sys.path.insert(0, str(FOLDER))
    rows: list[dict[str, Any]] = []
    for name in wanted:
        began = time.monotonic()
        print(f"{name} ..", file=sys.stderr, flush=True)
        rows += figures(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    page = table(rows)
    print(page)
    if asked.markdown:
        asked.markdown.write_text(f"# Benchmarks\n\n{machine()}\n\n{page}\n", encoding="utf-8")
    return 1 if any(met(row) == "no" for row in rows) else 0


def figures(name: str) -> list[dict[str, Any]]:
    """Return one benchmark's rows; one that can't run here is a row that says why."""
    try:
        return list(importlib.import_module(f"bench_{name}").run())
    except Exception as error:  # noqa: BLE001 - a benchmark that fails must not cost the others' figures
        return [
            {"what": name, "value": f"skipped: {type(error).__name__}: {error}", "unit": "", "target": ""}
        ]


def met(row: dict[str, Any]) -> str:
    """Return yes, no, noise, or an empty text where there is no target or no number."""
    target = re.fullmatch(r"\s*(<=|>=|<|>)\s*([\d.]+).*", str(row["target"] or ""))
    if target is None or not isinstance(row["value"], int | float):
        return ""
    value, limit = float(row["value"]), float(target[2])
    if abs(value - limit) < float(row.get("noise") or 0):
        return "noise"
    holds = {"<=": value <= limit, "<": value < limit, ">=": value >= limit, ">": value > limit}
    return "yes" if holds[target[1]] else "no"


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table with columns of equal width."""
    lines = [("what", "value", "target", "met")]
    lines += [(str(row["what"]), worded(row), str(row["target"] or ""), met(row)) for row in rows]
    widths = [min(max(len(line[n]) for line in lines), 100) for n in range(4)]
    lines.insert(1, tuple("-" * width for width in widths))  # type: ignore[arg-type]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def worded(row: dict[str, Any]) -> str:
    """Return the value with its unit, to three digits."""
    value = row["value"]
    if value is None:
        return "none"
    if isinstance(value, int | float):
        digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        return f"{digits} {row['unit']}".strip()
    return " ".join(str(value).split()).replace("|", "/")


def machine() -> str:
    """Say on what this was measured, and how busy that was."""
    busy = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs{busy}."
    )


if __name__ == "__main__":
    sys.exit(main())
