"""``%e2e SUBCOMMAND``: the table of subcommands, each a function of the rest of the line.

Input: the line after ``%e2e``. Output: a frame, a chart or a sentence.
"""

from __future__ import annotations

from html import escape
from typing import Any

from IPython.core.error import UsageError
from IPython.display import display

from e2e_magic.jupyter.arguments import HelpAsked
from e2e_magic.jupyter.magic_line import split
from e2e_magic.jupyter.notebook import Notebook
from e2e_magic.jupyter.subcommands import (
    comparing,
    energy,
    files,
    frames,
    holders,
    last,
    panel,
    running,
    store,
    sweeps,
    trusting,
    why,
)
from e2e_magic.jupyter.subcommands.line import Line, Subcommand, say
from e2e_magic.measuring.plan import nearest

SUBCOMMANDS = {
    "results": Subcommand("results", "a row per trial: cost and gain", frames.frame("results")),
    "samples": Subcommand("samples", "the sampled curves", frames.frame("samples")),
    "epochs": Subcommand("epochs", "what was logged per epoch", frames.frame("epochs")),
    "trials": Subcommand("trials", "the results of sweeps, best first", frames.frame("trials")),
    "confusions": Subcommand("confusions", "the confusion matrices", frames.frame("confusions")),
    "lines": Subcommand(
        "lines", "time, hits and peak memory of each line, of cells with --lines", frames.frame("lines")
    ),
    "runs": Subcommand(
        "runs [--all] [--rename OLD NEW] [--note RUN TEXT] [--delete RUN]",
        "a row per run, with its environment",
        store.runs,
    ),
    "metrics": Subcommand(
        "metrics", "what can be measured here, and what can't and why", frames.frame("metrics")
    ),
    "holders": Subcommand(
        "holders [--free]", "which variable holds the memory, and which cell made it", holders.holders
    ),
    "run": Subcommand(
        "run NAME [--description TEXT] [--zone DE]", "start the next run; CO2 of that zone", running.run
    ),
    "last": Subcommand(
        "last", "the card of the last trial, also of one that its kernel did not outlive", last.last
    ),
    "pipeline": Subcommand(
        "pipeline", "the stages side by side, the bottleneck named", frames.frame("pipeline")
    ),
    "why": Subcommand("why [STAGE]", "why it takes its time: what stands out, and what to try", why.why),
    "compare": Subcommand(
        "compare [RUN ...] [--by PARAM] [--baseline NAME] [--fail-over 10%]",
        "runs side by side: faster, slower, or no difference seen",
        comparing.compare,
    ),
    "curves": Subcommand(
        "curves [RUN ...] [-y METRIC] [-x t_s]",
        "loss and accuracy of several runs over each other, from a common zero",
        comparing.curves,
    ),
    "influence": Subcommand(
        "influence [STAGE] [-x PARAM] [-y METRIC] [--all]",
        "what a sweep's parameters explain",
        sweeps.influence,
    ),
    "pareto": Subcommand(
        "pareto X Y [Z [W]] [--all]", "the settings of a sweep that nothing beats", sweeps.pareto
    ),
    "panel": Subcommand("panel [STAGE]", "sweep a measured cell with sliders, Stop and Resume", panel.panel),
    "export": Subcommand(
        "export PATH [--frame NAME]", "write a frame or its chart; export mlflow logs to MLflow", files.export
    ),
    "report": Subcommand("report PATH.html", "one page of everything, for screen and paper", files.report),
    "import": Subcommand("import PATH", "read a database of UMLAUT or e2ebench", files.import_),
    "store": Subcommand("store [URL]", "where trials are kept; a path, a URL or :memory:", store.store),
    "baseline": Subcommand(
        "baseline [SECONDS]", "measure the idle machine's power, for net_energy_j", energy.baseline
    ),
    "trust": Subcommand(
        "trust [SECONDS]",
        "the same code against itself: which differences this machine can show",
        trusting.trust,
    ),
    "stage": Subcommand(
        "stage STAGE [options]",
        "as the first line: measure the cell, which stays plain Python",
        running.stage,
    ),
    "auto": Subcommand("auto on|off", "measure every cell, named by its heading or first line", running.auto),
}


def act(text: str, notebook: Notebook) -> Any:
    """Call the subcommand that a ``%e2e`` line names, and return the value of the line."""
    words = [word.text for word in split(text)]
    if not words or words[0] in ("help", "-h", "--help"):
        display({"text/plain": overview(), "text/html": _overview_html()}, raw=True)
        return None
    name, *rest = words
    if name not in SUBCOMMANDS:
        raise UsageError(
            f"%e2e: there is no subcommand {name!r}{nearest(name, SUBCOMMANDS)}; "
            f"allowed are {', '.join(SUBCOMMANDS)}"
        )
    try:
        with notebook.imports.of(name):
            value = SUBCOMMANDS[name].act(Line(rest, notebook))
    except HelpAsked as asked:
        say(str(asked))
        return None
    if name == "metrics" and notebook.imports.sentences:
        say("\n".join(notebook.imports.sentences))
    return value


def overview() -> str:
    """Return the list of subcommands with one line each."""
    width = max(len(sub.usage) for sub in SUBCOMMANDS.values()) + 6
    lines = [f"  {'%e2e ' + sub.usage:<{width}} {sub.summary}" for sub in SUBCOMMANDS.values()]
    return "\n".join(
        [
            "e2e_magic: what each stage of a pipeline costs and gains.",
            "",
            "  %%e2ebench [STAGE]  measures a cell; %e2ebench STATEMENT measures a statement",
            "  %%e2esweep STAGE NAME=VALUES  runs a cell once per combination; --panel: with sliders",
            "",
            *lines,
        ]
    )


def _overview_html() -> str:
    rows = "".join(
        f'<tr><td style="text-align:left;font-family:monospace;padding-right:1.5em">%e2e {escape(sub.usage)}'
        f'</td><td style="text-align:left">{escape(sub.summary)}</td></tr>'
        for sub in SUBCOMMANDS.values()
    )
    return (
        "<div><b>e2e_magic</b>: <code>%%e2ebench [STAGE]</code> measures a cell, "
        "<code>%e2ebench STATEMENT</code> a statement; <code>%%e2esweep STAGE NAME=VALUES</code> runs a cell "
        f"once per combination, with <code>--panel</code> by sliders.<table>{rows}</table></div>"
    )
