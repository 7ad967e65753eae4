"""What electricity costs, in grams of CO2 by a dated table of zones and in money by the user's price."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from e2e_magic.measuring.checks import PlanError, nearest

_TABLE = "CodeCarbon 3.3.2, MIT licence"
_STATES = f"EPA eGRID2023, from {_TABLE}"
_PRICE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]{3})\s*")


class Zone(NamedTuple):
    """The electricity of a country or a state of the US.

    Attributes
    ----------
    code : str
        ISO 3166, as in ``DE`` or ``US-CA``.
    name : str
    g_per_kwh : float
        Grams of CO2 per kWh, the mean of the year.
    year : int
    source : str
    """

    code: str
    name: str
    g_per_kwh: float
    year: int
    source: str

    def __str__(self) -> str:
        return f"{self.name} {self.year}, {self.g_per_kwh:g} g/kWh ({self.source})"


def zone(word: object) -> Zone:
    """Return the zone of a code (``DE``, ``DEU``, ``US-CA``) or a name.

    Raises
    ------
    PlanError
        If the table has none of that name.
    """
    import csv

    from e2e_magic.measuring.zones import TABLE

    known: dict[str, Zone] = {}
    names: list[str] = []
    for row in csv.DictReader(TABLE.splitlines()):
        source = _STATES if "-" in row["zone"] else _TABLE
        found = Zone(row["zone"], row["name"], float(row["g_per_kwh"]), int(row["year"]), source)
        for name in (row["zone"], row["alpha_3"], row["name"]):
            if name:  # countries come first: Georgia is the country, US-GA the state
                known.setdefault(name.casefold(), found)
                names.append(name)
    if not isinstance(word, str) or word.strip().casefold() not in known:
        near = nearest(word, names) if isinstance(word, str) and len(word) > 3 else ""
        raise PlanError(
            f"zone: there is no zone {word!r}{near}; expected a country by code or name, such as DE, or a "
            "state of the US, such as US-CA; or give the grams yourself: carbon 380"
        )
    return known[word.strip().casefold()]


def price(value: Any) -> dict[str, Any]:
    """Read a price per kWh such as ``0.31EUR`` as plain data: ``per_kwh`` and ``currency``.

    Raises
    ------
    PlanError
        For anything else.
    """
    match = _PRICE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not math.isfinite(float(match[1])):
        raise PlanError(
            f"price: expected money per kWh with its currency's three letters, such as 0.31EUR, got {value!r}"
        )
    return {"per_kwh": float(match[1]), "currency": match[2].upper()}
