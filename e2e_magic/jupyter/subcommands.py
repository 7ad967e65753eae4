"""``%e2e SUBCOMMAND``: a table of words, each a function of the rest of the line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError
from IPython.display import display

from e2e_magic.collectors.base import registered
from e2e_magic.jupyter.arguments import Parser, split
from e2e_magic.jupyter.auto import Auto
from e2e_magic.plan import nearest
from e2e_magic.session import FRAMES, Session


@dataclass(frozen=True, slots=True)
class _Line:
    words: list[str]
    session: Session
    auto: Auto


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One word after ``%e2e``."""

    usage: str
    summary: str
    act: Callable[[_Line], Any]


def run(text: str, session: Session, auto: Auto) -> Any:
    """Do what a ``%e2e`` line says; its value is the line's value."""
    words = [word.text for word in split(text)]
    if not words:
        display({"text/plain": overview(), "text/html": _overview_html()}, raw=True)
        return None
    name, *rest = words
    if name not in SUBCOMMANDS:
        raise UsageError(
            f"%e2e: there is no subcommand {name!r}{nearest(name, SUBCOMMANDS)}; "
            f"allowed are {', '.join(SUBCOMMANDS)}"
        )
    return SUBCOMMANDS[name].act(_Line(rest, session, auto))


def collector_names() -> list[str]:
    """Return the words that ``--metrics`` takes."""
    return list(registered())


def overview() -> str:
    """Return the list of subcommands with one line each."""
    width = max(len(sub.usage) for sub in SUBCOMMANDS.values()) + 6
    lines = [f"  {'%e2e ' + sub.usage:<{width}} {sub.summary}" for sub in SUBCOMMANDS.values()]
    return "\n".join(
        [
            "e2e_magic: what each stage of a pipeline costs and gains.",
            "",
            "  %%e2ebench [STAGE]  measures a cell; %e2ebench STATEMENT measures a statement",
            "",
            *lines,
        ]
    )


def _overview_html() -> str:
    from html import escape

    rows = "".join(
        f'<tr><td style="text-align:left;font-family:monospace;padding-right:1.5em">%e2e {escape(sub.usage)}'
        f'</td><td style="text-align:left">{escape(sub.summary)}</td></tr>'
        for sub in SUBCOMMANDS.values()
    )
    return (
        "<div><b>e2e_magic</b>: <code>%%e2ebench [STAGE]</code> measures a cell, "
        f"<code>%e2ebench STATEMENT</code> a statement.<table>{rows}</table></div>"
    )


def _frame(name: str) -> Callable[[_Line], Any]:
    def show(line: _Line) -> Any:
        parser = Parser(f"%e2e {name}", f"Return {name} as a DataFrame.")
        if name != "metrics":
            parser.add_argument("--run", metavar="RUN", help="only this run, by name or id")
        if name not in ("metrics", "runs", "pipeline"):
            parser.add_argument("--stage", metavar="STAGE", help="only this stage")
        from e2e_magic.frames import TidyFrame

        chosen = vars(parser.read(line.words))
        frame = line.session.frame(name, **chosen)
        if name == "pipeline" and len(frame):
            _show_pipeline(frame)
        return TidyFrame.of(frame)

    return show


def _show_pipeline(frame: Any) -> None:
    """Show the bottleneck in words and the chart; the frame itself is the value of the line."""
    from e2e_magic import charts
    from e2e_magic.jupyter.pictures import show_chart

    show_chart(charts.pipeline(frame), frame.attrs.get("summary", ""))


def _run(line: _Line) -> None:
    parser = Parser("%e2e run", "Start the next run: a variant, a tool to compare.")
    parser.add_argument("name", metavar="NAME", nargs="?")
    parser.add_argument("--description", default="", metavar="TEXT")
    chosen = parser.read(line.words)
    started = line.session.start_run(chosen.name, chosen.description)
    _say(f"run {started.name} started ({started.id})")


def _export(line: _Line) -> None:
    parser = Parser("%e2e export", "Write a frame to a file: csv, json, parquet, xlsx, md or tex by suffix.")
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("--frame", default="results", metavar="NAME", help=", ".join(FRAMES))
    parser.add_argument("--run", metavar="RUN")
    parser.add_argument("--stage", metavar="STAGE")
    chosen = parser.read(line.words)
    written = line.session.export(chosen.path, chosen.frame, run=chosen.run, stage=chosen.stage)
    _say(f"{chosen.frame} written to {written}")


def _auto(line: _Line) -> None:
    parser = Parser("%e2e auto", "Measure every cell without annotation, as stage cell-N.")
    parser.add_argument("switch", metavar="on|off")
    chosen: argparse.Namespace = parser.read(line.words)
    if chosen.switch not in ("on", "off"):
        parser.error(f"expected on or off, got {chosen.switch!r}")
    line.auto.switch(chosen.switch == "on")
    _say(
        "every cell is measured from the next one on, as stage cell-N; see %e2e pipeline"
        if line.auto.on
        else "cells are measured only where a line says so"
    )


def _say(text: str) -> None:
    display({"text/plain": text}, raw=True)


SUBCOMMANDS = {
    "results": Subcommand("results", "a row per trial: cost and gain", _frame("results")),
    "samples": Subcommand("samples", "the sampled curves", _frame("samples")),
    "epochs": Subcommand("epochs", "what was logged per epoch", _frame("epochs")),
    "trials": Subcommand("trials", "the results of sweeps, best first", _frame("trials")),
    "confusions": Subcommand("confusions", "the confusion matrices", _frame("confusions")),
    "runs": Subcommand("runs", "a row per run, with its environment", _frame("runs")),
    "metrics": Subcommand("metrics", "what can be measured here, and what can't and why", _frame("metrics")),
    "run": Subcommand("run NAME [--description TEXT]", "start the next run", _run),
    "pipeline": Subcommand("pipeline", "the stages side by side, the bottleneck named", _frame("pipeline")),
    "export": Subcommand("export PATH [--frame NAME]", "write a frame to a file", _export),
    "auto": Subcommand("auto on|off", "measure every cell, as stage cell-N", _auto),
}
