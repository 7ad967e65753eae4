"""Why stages take their time: all findings in words, as HTML, as plain text and as a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from e2e_magic.derived.findings import Finding, findings, last_execution, verdict
from e2e_magic.record import Record
from e2e_magic.text import counted, legible, wrapped
from e2e_magic.views import markup

if TYPE_CHECKING:
    import pandas as pd

_NO_NAMES: Mapping[str, str] = {}
_NONE_YET = "nothing to look at yet: measure a cell first"
LONGEST_TEXT = 600
# Its frame looks like a card's; a card is of one measured cell.
_FRAME = "e2e-why"


@dataclass(frozen=True, slots=True)
class StageDiagnosis:
    """What stands out in one stage of a run.

    Attributes
    ----------
    run : str
        Its name.
    stage : str
    looked_at : str
        Which of its trials, where it is a sweep.
    found : sequence of Finding
        The largest first.
    verdict : str
        What to say where there is none.
    """

    run: str
    stage: str
    looked_at: str
    found: Sequence[Finding]
    verdict: str


class Diagnosis:
    """The answer of ``why``: per stage what stands out, with the numbers behind it and a next step.

    Parameters
    ----------
    stages : sequence of StageDiagnosis
        In the order in which they ran.
    """

    def __init__(self, stages: Sequence[StageDiagnosis]) -> None:
        self.stages = tuple(stages)

    @classmethod
    def of(cls, records: Sequence[Record], names: Mapping[str, str] = _NO_NAMES) -> Diagnosis:
        """Look at the last execution of each stage; of a stage that was only swept, at its longest trial.

        Parameters
        ----------
        records : sequence of Record
            In the order in which they ran, with the curves of `derived.findings.CURVES`.
        names : mapping of str to str
            The runs' names by id.
        """
        by_stage: dict[tuple[str, str], list[Record]] = {}
        for record in records:
            by_stage.setdefault((record.run, record.stage), []).append(record)
        stages = []
        for (run, stage), members in by_stage.items():
            single = [record for record in members if record.sweep is None]
            looked_at = ""
            if single:
                repeats = last_execution(single)
            else:
                sweep = [record for record in members if record.sweep == members[-1].sweep]
                longest = max(sweep, key=lambda record: float(record.readings.get("wall_time_s", 0.0)))
                repeats = [longest]
                looked_at = f"trial {longest.trial}, the longest of {counted(len(sweep), 'trial')}"
            stages.append(
                StageDiagnosis(names.get(run, run), stage, looked_at, findings(repeats), verdict(repeats))
            )
        return cls(stages)

    @property
    def frame(self) -> pd.DataFrame:
        """A row per finding: ``run stage rule share finding next_step numbers``; one for a stage without any.

        ``share`` is the part of the wall time at stake at most, 0 to 1; ``numbers`` are what the rule
        compared.
        """
        from e2e_magic.views.frames import diagnoses

        return diagnoses(self.stages)

    def _heading(self, stage: StageDiagnosis) -> str:
        several = len({each.run for each in self.stages}) > 1
        head = f"{stage.run}: {stage.stage}" if several else stage.stage
        return legible(f"{head} ({stage.looked_at})" if stage.looked_at else head)

    def _repr_html_(self) -> str:
        if not self.stages:
            return markup.block(markup.note(_NONE_YET), name=_FRAME)
        parts = []
        for stage in self.stages:
            said = "".join(map(_item, stage.found)) or markup.note(stage.verdict)
            heading = markup.heading(self._heading(stage))
            parts.append(f'<div style="margin-bottom:.7em">{heading}{said}</div>')
        return markup.block("".join(parts), name=_FRAME)

    def __repr__(self) -> str:
        if not self.stages:
            return _NONE_YET
        lines = []
        for stage in self.stages:
            if not stage.found:
                lines.append(f"{self._heading(stage)}: {stage.verdict}")
                continue
            lines.append(self._heading(stage))
            for each in stage.found:
                lines += wrapped(legible(each.sentence, LONGEST_TEXT), "  - ", "    ")
                lines += wrapped(legible(each.next_step, LONGEST_TEXT), "    try: ", "      ")
        return "\n".join(lines)


def _item(finding: Finding) -> str:
    return (
        f'<div style="margin:.35em 0 .5em;overflow-wrap:anywhere"><div>{escape(finding.sentence)}</div>'
        f'<div style="{markup.FAINT};font-size:.92em">try: {escape(finding.next_step)}</div></div>'
    )
