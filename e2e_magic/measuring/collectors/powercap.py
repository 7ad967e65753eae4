"""RAPL's energy counters as Linux exposes them: the powercap tree, and why it can't be read here.

Every folder of the tree that has a ``name`` and an ``energy_uj`` is a zone. Zones are nested: a
package holds its ``core``, ``uncore`` and, on servers, ``dram``. A package's counter
already includes its cores, and ``psys`` includes the package, so only zones of one kind are added.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.record import Code

ROOT = "/sys/class/powercap"
_ZONE = re.compile(r"^(?P<control>[A-Za-z_][\w-]*)(:\d+)+$")
_PACKAGE = re.compile(r"^package-(?P<package>\d+)(-die-(?P<die>\d+))?$")
# A counter file that is being written (a scripted tree's) may be empty for an instant.
_TRIES = 20
# One processor's lines of cpuinfo; making them for hundreds takes the kernel milliseconds.
_ENOUGH = 8192


# Of the machine, by root: the same for all sessions, and searching again costs a trial 4 ms.
_zones: dict[str, tuple[Zone, ...]] = {}


@dataclass(frozen=True, slots=True)
class Zone:
    """One energy counter.

    Attributes
    ----------
    path : str
        Its folder, links resolved.
    control : str
        The driver's name for the family: ``intel-rapl`` (also on AMD), ``intel-rapl-mmio``.
    kind : str
        ``package``, ``dram``, ``core``, ``uncore``, ``psys`` or any other name of the kernel's.
    package : int or None
        The socket to which it belongs; None for ``psys``.
    die : int or None
        The die, where a socket has several counters.
    wrap_uj : int
        The counter starts again at 0 after this value; 0 where the kernel gives no range.
    """

    path: str
    control: str
    kind: str
    package: int | None
    die: int | None
    wrap_uj: int

    @property
    def file(self) -> str:
        """The path of the file with the counter's value, in microjoule."""
        return f"{self.path}/energy_uj"

    def read(self) -> int:
        """Return the counter in microjoule.

        Raises
        ------
        OSError
            Where the file can't be read.
        """
        for _ in range(_TRIES):
            text = proc.read(self.file)
            if text:
                return int(text)
        raise OSError(f"{self.file} is empty")


def zones_of(root: str = ROOT) -> tuple[Zone, ...]:
    """Return the zones below a root; the search is done once, or at each call where there are none."""
    if root not in _zones:
        tree = zones(root)
        if not tree:
            return ()
        _zones[root] = tree
    return _zones[root]


def forget(root: str) -> None:
    """Drop the cached zones of a root, as one has gone: the next call searches again."""
    _zones.pop(root, None)


def zones(root: str = ROOT) -> tuple[Zone, ...]:
    """Find every RAPL zone below `root`, each once, however many links lead to it."""
    by_folder: dict[str, Zone] = {}
    for folder, package, within in _folders(Path(root), None, None, set()):
        control = folder.name.partition(":")[0]
        try:
            name = (folder / "name").read_text("utf-8").strip()
            named = _PACKAGE.match(name)
            by_folder[str(folder)] = Zone(
                path=str(folder),
                control=control,
                kind="package" if named else name,
                package=int(named["package"]) if named else package,
                die=_die(named) if named else within,
                wrap_uj=_wrap(folder),
            )
        except (OSError, ValueError):
            continue  # not a zone, or gone between two looks
    for path, zone in by_folder.items():
        # Laid out flat, a zone's package follows from its number only: intel-rapl:0:1 is in intel-rapl:0.
        above = by_folder.get(path.rpartition(":")[0])
        if zone.package is None and above is not None:
            by_folder[path] = replace(zone, package=above.package, die=above.die)
    return tuple(sorted(by_folder.values(), key=_order))


def counted(tree: Sequence[Zone], kind: str) -> tuple[Zone, ...]:
    """Return the zones of one kind whose counters are to be added.

    Each driver shows the same package once (``intel-rapl`` reads its register, and
    ``intel-rapl-mmio`` its copy in memory): of each package one driver's zones are kept.
    """
    wanted = [zone for zone in tree if zone.kind == kind]
    best: dict[int | None, str] = {}
    for zone in wanted:
        kept = best.setdefault(zone.package, zone.control)
        if (zone.control != "intel-rapl", zone.control) < (kept != "intel-rapl", kept):
            best[zone.package] = zone.control
    return tuple(zone for zone in wanted if zone.control == best[zone.package])


def nested(reads: Sequence[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    """Return the pairs of zones that show one and the same counter, by position.

    Some kernels (6.9 to 6.11 on AMD) show a socket's one counter as one zone for each die. The zones
    are read forwards and then backwards: a mirror of an earlier zone then lies between that zone's two
    values, which counters of their own, years of joules apart, do not.

    Parameters
    ----------
    reads : sequence of (int, int)
        The value of each zone on the way forth and on the way back, microjoule.
    """
    return frozenset(
        (i, j)
        for j, (low, high) in enumerate(reads)
        for i, (first, last) in enumerate(reads[:j])
        if first <= low <= high <= last
    )


def permission(closed: Sequence[Zone]) -> Unavailable:
    """Return the error for counters that only root may read, with the commands that open these zones."""
    rule = r"\n".join(f"z {zone.file} 0444 root root -" for zone in closed)
    return Unavailable(  # checked again at each trial: a user who has just opened them need not wait
        f"RAPL is there, but only root may read {closed[0].file}"
        + (f" and {len(closed) - 1} more" if len(closed) > 1 else ""),
        f"to open it to all, now and after every start: printf '{rule}\\n' | "
        "sudo tee /etc/tmpfiles.d/e2e-magic-rapl.conf && "
        "sudo systemd-tmpfiles --create /etc/tmpfiles.d/e2e-magic-rapl.conf"
        + (" (on the host, outside this container)" if _container() else ""),
        lasting=False,
    )


def absence(
    root: str = ROOT, system: str = sys.platform, machine: str = "", procfs: str = "/proc"
) -> Unavailable:
    """Return the error with the most likely reason why there are no RAPL counters below `root`.

    Parameters
    ----------
    root : str
        The powercap tree.
    system : str
        As ``sys.platform``.
    machine : str
        The processor's family, as ``platform.machine()``, which is used where it is left out.
    procfs : str
        The mount point of the proc file system.
    """
    machine = machine or platform.machine()
    if system == "darwin":
        return _none("macOS shows no energy counters to programs that are not root's")
    if not system.startswith("linux"):
        return _none("energy counters (RAPL) are read through Linux only")
    if "microsoft" in _text(f"{procfs}/sys/kernel/osrelease").lower():
        return _none(f"no RAPL counters in {root}: WSL is a virtual machine and gets none")
    if machine.lower() not in {"x86_64", "amd64", "i386", "i686"}:
        return _none(f"no RAPL counters in {root}: {machine} processors have none")
    if re.search(r"^flags\s*:.*\bhypervisor\b", _text(f"{procfs}/cpuinfo"), re.MULTILINE):
        return _none(
            f"no RAPL counters in {root}: this is a virtual machine, and its host keeps them to itself"
        )
    hidden = [path for path in _children(Path(root)) if path.is_symlink() and not path.exists()]
    if _container() and (hidden or not Path(root).exists() or not _children(Path(root))):
        return _none(
            f"no RAPL counters in {root}: the container hides them",
            "start it with `-v /sys/devices/virtual/powercap:/sys/devices/virtual/powercap:ro`",
        )
    return _none(
        f"no RAPL counters in {root}: the kernel's driver is not loaded or does not know this processor",
        "try `sudo modprobe intel_rapl_msr` (for AMD too)",
    )


def unsupported(tree: Sequence[Zone], root: str = ROOT) -> Unavailable:
    """Return the error for a tree with counters, none of which covers a whole package."""
    kinds = ", ".join(sorted({zone.kind for zone in tree}))
    return _none(f"RAPL in {root} has no counter for a whole package, only for {kinds}")


def _none(text: str, first: str = "measure on the bare machine") -> Unavailable:
    """Return the error for a machine without counters; its remedy offers an estimate instead."""
    return Unavailable(
        text, f"{first}, or ask for an estimate: --estimate-power IDLE_W,FULL_W", code=Code.NO_ENERGY_COUNTER
    )


def _folders(
    folder: Path, package: int | None, die: int | None, seen: set[Path]
) -> Iterator[tuple[Path, int | None, int | None]]:
    """Yield every zone's folder with the package and the die that it lies in, outer ones first."""
    for child in sorted(_children(folder)):
        is_zone = _ZONE.match(child.name)
        if "rapl" not in child.name or not child.is_dir():
            continue
        # The flat links lead to nested folders: only from above is a zone's package determined.
        real = child.resolve()
        if is_zone and _ZONE.match(real.parent.name) and real.parent != folder.resolve():
            continue
        if real in seen:
            continue
        seen.add(real)
        if not is_zone:
            yield from _folders(real, package, die, seen)
            continue
        yield real, package, die
        named = _PACKAGE.match(_text(f"{real}/name").strip())
        inner = (int(named["package"]), _die(named)) if named else (package, die)
        yield from _folders(real, *inner, seen)


def _die(named: re.Match[str]) -> int | None:
    return int(named["die"]) if named["die"] else None


def _order(zone: Zone) -> tuple[bool, int, int, str]:
    return zone.package is None, zone.package or 0, zone.die or 0, zone.path


def _wrap(folder: Path) -> int:
    text = _text(f"{folder}/max_energy_range_uj").strip()
    return int(text) if text.isdigit() else 0


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - half of pathlib's cost
            return file.read(_ENOUGH)
    except OSError:
        return ""


def _container() -> bool:
    return any(os.path.exists(mark) for mark in ("/.dockerenv", "/run/.containerenv"))  # noqa: PTH110
