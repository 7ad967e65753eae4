"""The list of runs as a widget: ticked by a click, one the baseline, name and note written in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import traitlets

from e2e_magic.text import counted, legible

_HERE = Path(__file__).parent
# A name is shown whole; what is longer was no name for people.
_MOST_SHOWN = 300
_MOST_WRITTEN = 10_000


class Row(NamedTuple):
    """What is compared as one.

    Attributes
    ----------
    ids : tuple of str
        Those of the runs: more than one where they share a name.
    key : str
        The word for it in a line: a name, or an id.
    name, note : str
    trials : int
    started : str
    """

    ids: tuple[str, ...]
    key: str
    name: str
    note: str
    trials: int
    started: str


class RunsList(anywidget.AnyWidget):
    """The list of runs.

    Parameters
    ----------
    rows : sequence of Row
    baseline : int
        A place in it.
    ticked : sequence of int
        The places of the others that are compared.
    rewrite : callable
        ``(row, what, text) -> None``: a person gave it another ``name`` or ``description``.

    Attributes
    ----------
    chosen : dict
        ``baseline`` and ``ticked``.
    colours : dict
        That of a run in the charts, by its place.
    """

    _esm = (_HERE / "runs.js").read_text("utf-8")
    _css = (_HERE / "runs.css").read_text("utf-8")
    rows: Any = traitlets.List().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        rows: Sequence[Row],
        baseline: int,
        ticked: Sequence[int],
        rewrite: Callable[[Row, str, str], None],
    ) -> None:
        self._rows = tuple(rows)
        self._rewrite = rewrite
        super().__init__(
            rows=list(map(_shown, rows)),
            chosen={"baseline": baseline, "ticked": list(ticked)},
            layout={"flex": "1 1 480px", "min_width": "0"},
        )
        self.on_msg(self._told)

    def replace(self, rows: Sequence[Row]) -> None:
        """Show other names and notes; the same runs stay chosen."""
        places = {run: place for place, row in enumerate(rows) for run in row.ids}
        moved = [places[row.ids[0]] for row in self._rows]
        ticked = sorted({moved[place] for place in self.chosen["ticked"]})
        with self.hold_sync():
            self._rows, self.colours = tuple(rows), {}
            self.rows = list(map(_shown, rows))
            self.chosen = {"baseline": moved[self.chosen["baseline"]], "ticked": ticked}

    @property
    def baseline(self) -> str:
        """The run that the others are compared with, as in a line."""
        place: int = self.chosen["baseline"]
        return self._rows[place].key

    @property
    def ticked(self) -> list[str]:
        """The others, as in a line."""
        return [self._rows[place].key for place in self.chosen["ticked"] if place != self.chosen["baseline"]]

    def colour(self, colours: Sequence[str]) -> None:
        """Show the colours that the baseline and the others have in the charts."""
        places = dict.fromkeys([self.chosen["baseline"], *self.chosen["ticked"]])
        self.colours = dict(zip(map(str, places), colours, strict=False))

    def _told(self, _widget: Any, content: Mapping[str, Any], _buffers: Any) -> None:
        place, what, text = content.get("place"), content.get("what"), content.get("text")
        if what in ("name", "description") and isinstance(place, int) and isinstance(text, str):
            self._rewrite(self._rows[place], str(what), text[:_MOST_WRITTEN])


def _shown(row: Row) -> dict[str, str]:
    about = f"{counted(row.trials, 'trial')}, {row.started}"
    return {"name": legible(row.name, _MOST_SHOWN), "note": legible(row.note, _MOST_SHOWN), "about": about}
