"""One look at all that may hold memory: what each holds, shared memory once, largest first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from e2e_magic.measuring.holders import kinds
from e2e_magic.measuring.holders.buffers import CPU, Families
from e2e_magic.measuring.holders.making import LIMIT_S, Made
from e2e_magic.measuring.holders.roots import Root, Roots, Where
from e2e_magic.measuring.holders.walk import Count, Walk

# Of what is left: one huge container leaves time for the others.
_SHARE = 0.25
# Below this, that something is held twice is no news (bytes): a number, a short text.
_SMALL = 4096
_ATOMS = (int, float, complex, bool, str, bytes, type(None))


@dataclass(frozen=True, slots=True)
class Holder:
    """One name, or other holder, and the memory that it holds.

    Attributes
    ----------
    name : str
    where : {"name", "history", "traceback", "figure"}
    kind, type, shape : str
        See `kinds`.
    held : mapping of str to int
        Bytes by device, of what no holder before it holds: shared memory counts once.
    device : str
        The devices of its memory, joined by ``+``.
    at_least : bool
        Whether there may be more: the time was too short, or a library hides it.
    shared_with : tuple of str
        The holders that hold some of it too, and for which that is counted.
    made : Made or None
        The cell that made it; None where that was not seen.
    """

    name: str
    where: Where
    kind: str
    type: str
    shape: str
    held: Mapping[str, int]
    device: str
    at_least: bool
    shared_with: tuple[str, ...]
    made: Made | None

    @property
    def held_mib(self) -> float:
        """What it holds on all devices, MiB."""
        return sum(self.held.values()) / 2**20


def holders(roots: Roots, limit_s: float = LIMIT_S, among: Iterable[str] | None = None) -> list[Holder]:
    """Return what each root holds, largest first.

    Parameters
    ----------
    roots : Roots
    limit_s : float
        Seconds after which what was not yet seen is left out; it is said by ``at_least``.
    among : iterable of str, optional
        Only the names of this set are looked into; of the others only their own buffers are taken off.
    """
    return _Look(roots, time.monotonic() + limit_s).found(None if among is None else set(among))


class _Look:
    """One look at all roots."""

    def __init__(self, roots: Roots, until: float) -> None:
        self._roots = roots.roots
        self._until = until
        self._families = Families()
        self._kinds = [self._kind(root) for root in self._roots]
        values: dict[int, int] = {}
        for place, root in enumerate(self._roots):
            if not (type(root.value) in _ATOMS and root.value.__sizeof__() < _SMALL):
                values.setdefault(id(root.value), place)
        self._walk = Walk(values, roots.bounds)

    def found(self, among: set[str] | None) -> list[Holder]:
        """Count all roots, owners of memory first."""
        order = sorted(range(len(self._roots)), key=self._rank)
        found = []
        for place in order:
            root = self._roots[place]
            wanted = among is None or root.name in among
            if not wanted and self._kinds[place] not in kinds.RANKS:
                continue
            count = self._walk.count(root.value, place, self._turn())
            if wanted:
                found.append(self._holder(place, root, count))
        return sorted(found, key=lambda holder: -sum(holder.held.values()))

    def _kind(self, root: Root) -> str:
        try:
            return "call" if root.where == "traceback" else kinds.kind_of(root.value, self._families)
        except Exception:  # noqa: BLE001 - whatever a user's class raises when it is asked for its class
            return "object"

    def _rank(self, place: int) -> tuple[bool, int]:
        """Return the order: what has a name first, among them owners of memory."""
        return self._roots[place].where != "name", kinds.RANKS.get(self._kinds[place], kinds.LAST)

    def _turn(self) -> float:
        """Return until when the next root may be looked into."""
        now = time.monotonic()
        return now + _SHARE * max(self._until - now, 0.0)

    def _holder(self, place: int, root: Root, count: Count) -> Holder:
        kind = self._kinds[place]
        held = {device: size for device, size in count.held.items() if size}
        call = root.where == "traceback"
        try:
            shape = "" if call else kinds.shape_of(root.value, kind)
            own = kinds.device_of(root.value, self._families)
        except Exception:  # noqa: BLE001 - whatever a library raises: a deleted tensor, a shape that is unknown
            shape, own = "", ""
        # The object of a tensor is on the CPU, whatever its device.
        devices = [own] if own else sorted(device for device in held if len(held) == 1 or device != CPU)
        return Holder(
            name=root.name,
            where=root.where,
            kind=kind,
            type="" if call else kinds.type_name(root.value),
            shape=shape,
            held=held,
            device="+".join(devices),
            at_least=not count.whole,
            shared_with=_names(self._roots, count.shared),
            made=root.made,
        )


def _names(roots: Sequence[Root], places: Iterable[Any]) -> tuple[str, ...]:
    return tuple(roots[place].name for place in sorted(places))
