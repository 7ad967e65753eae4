"""What a call names (runs, stages, metrics, parameters), checked against what there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.text import legible


def no_such(
    what: str, name: object, valid: Iterable[object], otherwise: str, *, listed: Iterable[object] = ()
) -> PlanError:
    """Return the error for an unknown name, with the nearest valid name and the list of all.

    Parameters
    ----------
    what : str
        What is named, after the call that names it: ``compare: there is no metric``.
    valid : iterable
        The allowed names.
    otherwise : str
        The end of the sentence where there are no valid names at all.
    listed : iterable, optional
        Those of them that the message lists; all when empty.
    """
    names = list(dict.fromkeys(map(str, valid)))
    allowed = ", ".join(map(legible, dict.fromkeys(map(str, listed)))) or ", ".join(map(legible, names))
    absent = f"{what} {legible(str(name))!r}"
    if not names:
        return PlanError(f"{absent}{otherwise}")
    return PlanError(f"{absent}{nearest(str(name), names)}; there are {allowed}")


def chosen(
    what: str,
    value: str | Sequence[str] | None,
    valid: Iterable[object],
    otherwise: str,
    *,
    listed: Iterable[object] = (),
) -> list[str]:
    """Return the chosen names as a list; parameters and error as in `no_such`.

    Raises
    ------
    PlanError
        For a name that is not among those valid.
    """
    names = [value] if isinstance(value, str) else list(value or ())
    allowed = set(map(str, valid := list(valid)))
    for name in names:
        if str(name) not in allowed:
            raise no_such(what, name, valid, otherwise, listed=listed)
    return names
