"""A report of runs: one self-contained page, read on screen (light and dark) and on paper.

Input: runs and records. Output: one page of HTML.

What was found comes first, then the stages with their source, machines and packages last. Nothing is loaded
from anywhere; the one script in it sorts tables and is all that its policy lets run. It stays below 5 MB:
beyond a number of charts, stages and rows it lists what it left out.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.record import Record, Run
from e2e_magic.text import counted
from e2e_magic.views.report import page, sections
from e2e_magic.views.report.page import Pictures, escaped
from e2e_magic.views.report.sections import MOST_RUNS, MOST_STAGES
from e2e_magic.views.writers.atomic import write_whole

__all__ = ["render", "write"]

_SUFFIXES = (".html", ".htm")


def write(path: str | os.PathLike[str], runs: Sequence[Run], records: Sequence[Record]) -> Path:
    """Write a report to a file, whole or not at all, and return its absolute path.

    Parameters
    ----------
    path : path-like
        Ends with ``.html``; ``~`` is the home folder.
    runs, records
        As in `render`.

    Raises
    ------
    PlanError
        If the suffix is another, or there is nothing to report.
    WriteError
        An OSError: if the folder is missing or not writable, or the disk is full.
    """
    target = Path(path).expanduser().absolute()
    if target.suffix.lower() not in _SUFFIXES:
        got = f"{target.suffix!r}{nearest(target.suffix, _SUFFIXES[:1])}" if target.suffix else "no suffix"
        raise PlanError(f"path: a report is a page of HTML: expected a name such as report.html, got {got}")
    text = render(runs, records).encode("utf-8", "backslashreplace")
    return write_whole(target, lambda handle: handle.write(text))


def render(runs: Sequence[Run], records: Sequence[Record]) -> str:
    """Return the page; where there are several runs they are compared with the first.

    Parameters
    ----------
    runs : sequence of Run
        Those without a trial are left out.
    records : sequence of Record
        Their trials, in the order in which they ran.

    Raises
    ------
    PlanError
        If there is no trial.
    """
    if not records:
        raise PlanError("report: there is nothing to report yet; measure a cell first")
    by_run: dict[str, list[Record]] = {}
    for record in records:
        by_run.setdefault(record.run, []).append(record)
    by_id = {run.id: run for run in runs}
    reported = [by_id.get(key) or Run(key, key, members[0].started_at) for key, members in by_run.items()]
    reported.sort(key=lambda run: run.started_at)
    return _Page(reported, by_run).text()


class _Page:
    """The parts of a page in order, after a list of contents."""

    def __init__(self, runs: Sequence[Run], by_run: Mapping[str, list[Record]]) -> None:
        self.runs = runs
        self.by_run = by_run
        shared = Counter(run.name for run in runs)
        self.names = {
            run.id: run.name if shared[run.name] == 1 else f"{run.name} ({run.id[:8]})" for run in runs
        }
        self.pictures = Pictures()
        self._contents: list[str] = []
        self._stages = self._latest_stages()
        self._without = 0
        self._found: list[str] = []

    def text(self) -> str:
        trials = sum(map(len, self.by_run.values()))
        names = ", ".join(self.names[run.id] for run in self.runs[:3]) + (", …" if len(self.runs) > 3 else "")
        title = f"What each stage cost and gained: {names}"
        body = [self._compared()] if len(self.runs) > 1 else []
        body += [self._run(n, run) for n, run in enumerate(self.runs, 1)]
        body.append(self._environments())
        now = datetime.now(UTC)
        many = f"{counted(len(self.runs), 'run')}, {counted(trials, 'trial')}"
        # What the page has found: of several runs how they differ, of one its bottleneck.
        found = "".join(f'<p class="finding">{escaped(line, 1000)}</p>' for line in self._found[:MOST_RUNS])
        head = (
            f"<header><h1>{escaped(title, 300)}</h1>"
            f'<p class="faint">{many}. Made by e2e_magic on {now:%Y-%m-%d at %H:%M} UTC.</p>'
            f"{found}</header>"
        )
        listed = "".join(self._contents)
        contents = f'<nav aria-label="contents"><ul>{listed}</ul></nav>'
        return page.whole(title, f"{head}{contents}<main>{''.join(body)}</main>{self._left_out()}")

    def _latest_stages(self) -> set[tuple[str, str]]:
        """Choose the stages that are shown in full: those of the newest runs, as many as fit."""
        stages = [
            (run.id, stage)
            for run in reversed(self.runs)
            for stage in dict.fromkeys(record.stage for record in self.by_run[run.id])
        ]
        return set(stages[:MOST_STAGES])

    def _heading(self, level: int, anchor: str, text: str, depth: int = 0) -> str:
        """Return a heading and add it to the list of contents."""
        inner = f'<a href="#{anchor}">{escaped(text)}</a>'
        self._contents.append(f'<li class="inner">{inner}</li>' if depth else f"<li>{inner}</li>")
        return f'<h{level} id="{anchor}">{escaped(text)}</h{level}>'

    def _compared(self) -> str:
        """Return the runs side by side; nothing where they have no stage in common."""
        records = [record for run in self.runs[-MOST_RUNS:] for record in self.by_run[run.id]]
        self._found, part = sections.comparison(records, self.names, self.pictures)
        if not part:
            return ""
        return f"<section>{self._heading(2, 'comparison', 'Runs side by side')}{part}</section>"

    def _run(self, n: int, run: Run) -> str:
        members = self.by_run[run.id]
        sentence, overview = sections.overview(members, self.names, self.pictures)
        if len(self.runs) == 1:
            self._found = [sentence]
        parts = [
            self._heading(2, f"run-{n}", f"Run {self.names[run.id]}"),
            sections.beginning(run),
            f"<p>{escaped(sentence, 1000)}</p>" if len(self.runs) > 1 else "",
            overview,
        ]
        by_stage: dict[str, list[Record]] = {}
        for record in members:
            by_stage.setdefault(record.stage, []).append(record)
        for m, (name, trials) in enumerate(by_stage.items(), 1):
            if (run.id, name) not in self._stages:
                self._without += 1
                continue
            anchor = f"run-{n}-stage-{m}"
            parts.append(self._heading(3, anchor, name, depth=1))
            parts.append(sections.stage(trials, self.names, self.pictures))
        return f"<section>{''.join(parts)}</section>"

    def _environments(self) -> str:
        """Return where the runs took place, once for all that share it."""
        alike: dict[str, list[str]] = {}
        for run in self.runs:
            alike.setdefault(sections.environment(run), []).append(self.names[run.id])
        parts = [
            (f"<h3>{escaped(', '.join(names), 300)}</h3>" if len(alike) > 1 else "") + place
            for place, names in alike.items()
        ]
        return f"<section>{self._heading(2, 'machine', 'Machine and packages')}{''.join(parts)}</section>"

    def _left_out(self) -> str:
        """Return a note on what the page left out to stay readable and within its size limit."""
        notes = list(dict.fromkeys(self.pictures.failed))
        if self._without:
            notes.append(
                f"{counted(self._without, 'stage')} of earlier runs stand in the tables only: a report shows "
                f"{MOST_STAGES} in full; report one run, or fewer, to see them"
            )
        if self.pictures.left_out:
            notes.append(
                f"charts of {counted(self.pictures.left_out, 'card')} were left out, to keep the page small "
                "and quickly made; report one run, or fewer, to see them"
            )
        if not notes:
            return ""
        return f"<footer>{''.join(page.note(text) for text in notes)}</footer>"
