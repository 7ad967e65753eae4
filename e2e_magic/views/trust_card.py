"""What this machine can be trusted with: the same code against itself, as a card, a text and a frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from e2e_magic.derived.same_against_same import (
    PAIRS_NEEDED,
    POWER,
    REPEATS,
    SameAgainstSame,
    share_interval,
)
from e2e_magic.text import counted, digits, percent, quantity, words
from e2e_magic.views import markup

if TYPE_CHECKING:
    import pandas as pd

# More false verdicts than chance gives, at least: the 95 % interval of their share is above this.
_FALSE = 0.05
_WAITED = 0.05


@dataclass(frozen=True)
class Trust:
    """The same code measured again and again on this machine and compared with itself.

    Attributes
    ----------
    judged : mapping of str to SameAgainstSame
        By metric.
    seconds : float
        How long it was measured.
    trials : int
    trial_s : float
        Median wall time of one, s.
    drift : float
        By which share the last quarter of the trials took longer than the first.
    empty_cell_s, empty_cell_cost_s : float
        What an empty cell reads, and what measuring it costs besides, s.
    clock_step_s, cpu_clock_step_s : float
        The smallest step of the clock of wall time and of CPU time, s.
    load : float or None
        Runnable threads of the machine, mean over the last minute; None where there is no such figure.
    cores : int
        Those that this process may use.
    waited : float
        The median share of its wall time that a trial waited for a core; NaN where that isn't counted.
    """

    judged: Mapping[str, SameAgainstSame]
    seconds: float
    trials: int
    trial_s: float
    drift: float
    empty_cell_s: float
    empty_cell_cost_s: float
    clock_step_s: float
    cpu_clock_step_s: float
    load: float | None
    cores: int
    waited: float

    @property
    def frame(self) -> pd.DataFrame:
        """A row per metric and order, with the share of false verdicts and its 95 % interval.

        Columns: ``metric order pairs false_verdicts false_share false_share_low false_share_high
        smallest_difference``; the last, a share, of blocks only.
        """
        from e2e_magic.views.frames import TidyFrame, columns

        rows = [
            (metric, order, one.pairs, count, *share_interval(count, one.pairs), smallest)
            for metric, one in self.judged.items()
            for order, count, smallest in (
                ("sequential", one.in_turn, math.nan),
                ("balanced", one.in_blocks, one.smallest),
            )
        ]
        metric, order, pairs, false, low, high, smallest = zip(*rows, strict=True)
        shares = [count / of if of else math.nan for count, of in zip(false, pairs, strict=True)]
        table = columns.frame(
            {
                "metric": columns.text(metric),
                "order": columns.text(order),
                "pairs": pairs,
                "false_verdicts": false,
                "false_share": shares,
                "false_share_low": low,
                "false_share_high": high,
                "smallest_difference": smallest,
            }
        )
        table.attrs["summary"] = self.verdict
        return TidyFrame.of(table)

    @property
    def verdict(self) -> str:
        """What follows, in a sentence."""
        few = max((one.pairs for one in self.judged.values()), default=0)
        if few < PAIRS_NEEDED:
            return (
                f"too short to tell: {counted(few, 'pair')}, {PAIRS_NEEDED} are needed; give it more "
                "seconds, as in %e2e trust 60"
            )
        in_turn, in_blocks = (
            " and ".join(words(name) for name, one in self.judged.items() if _too_many(one, blocks=blocks))
            for blocks in (False, True)
        )
        if in_blocks:
            return (
                f"in {in_blocks} this machine makes differences of nothing even in blocks: close what "
                "else runs"
            )
        if in_turn:
            return (
                f"measured one after the other, differences in {in_turn} can't be trusted here; measure in "
                "blocks: e2e.ab(f, g), or --order balanced and %e2e compare --by"
            )
        return "no more false verdicts than chance gives; in blocks a later drift does no harm either"

    def _rows(self) -> list[tuple[str, str, str, str]]:
        """Return a row per metric: its name, false verdicts in both orders, the smallest difference."""
        return [
            (
                words(metric),
                _share(one.in_turn, one.pairs),
                _share(one.in_blocks, one.pairs),
                f"{digits(100 * one.smallest)} %" if math.isfinite(one.smallest) else "-",
            )
            for metric, one in self.judged.items()
        ]

    def _head(self) -> str:
        pairs = max((one.pairs for one in self.judged.values()), default=0)
        return (
            f"the same code against itself: {counted(pairs, 'pair')} of {REPEATS} and {REPEATS} repeats of "
            f"{quantity(self.trial_s, 's')}, in {quantity(self.seconds, 's')}"
        )

    def _notes(self) -> list[str]:
        cost = quantity(self.empty_cell_cost_s, "s")
        steps = quantity(self.clock_step_s, "s"), quantity(self.cpu_clock_step_s, "s")
        notes = [
            f"an empty cell reads {quantity(self.empty_cell_s, 's')}, and measuring it costs {cost}",
            f"the clock steps by {steps[0]}, that of CPU time by {steps[1]}",
        ]
        if self.load is not None:
            busy = f"load {self.load:.3g} on {counted(self.cores, 'core')}"
            waits = ""
            if self.waited >= _WAITED:
                waits = f"; trials waited {percent(self.waited)} of their time for one"
            notes.append(busy + waits)
        if math.isfinite(self.drift) and abs(self.drift) >= 0.01:
            slower = "slower" if self.drift > 0 else "faster"
            notes.append(f"the machine got {digits(100 * abs(self.drift))} % {slower} meanwhile")
        return notes

    def __repr__(self) -> str:
        rows = [_HEADS, *self._rows()]
        widths = [max(len(row[n]) for row in rows) for n in range(len(_HEADS))]
        table = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows
        ]
        lines = [
            *(f"  {line.rstrip()}" for line in table),
            *(f"  {line}" for line in (_LEGEND, *self._notes())),
        ]
        return "\n".join([f"trust: {self._head()}", *lines, f"  {self.verdict}"])

    def _repr_html_(self) -> str:
        cells = ([markup.cell(text, left=not n) for n, text in enumerate(row)] for row in self._rows())
        table = markup.table(_HEADS, cells)
        said = f'<div style="margin-top:.4em;overflow-wrap:anywhere"><b>{escape(self.verdict)}</b></div>'
        notes = "".join(map(markup.note, (self._head(), _LEGEND, *self._notes())))
        return markup.block(markup.heading("trust") + said + table + notes, name="e2e-trust")


_HEADS = ("metric", "false one after the other", "false in blocks", "smallest seen")
_LEGEND = (
    "false: pairs called different, and the 95 % interval of their share; smallest: the difference that "
    f"{10 * POWER:.0f} of 10 comparisons in blocks see"
)


def _too_many(one: SameAgainstSame, *, blocks: bool) -> bool:
    """Return whether more pairs were called different than chance explains."""
    return share_interval(one.in_blocks if blocks else one.in_turn, one.pairs)[0] > _FALSE


def _share(count: int, of: int) -> str:
    if not of:
        return "-"
    low, high = share_interval(count, of)
    return f"{count} of {of} ({100 * low:.0f} to {100 * high:.0f} %)"
