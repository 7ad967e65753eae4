"""``%e2e store`` and ``%e2e runs``: where trials are kept, and the runs they belong to."""

from __future__ import annotations

from typing import Any

from IPython.core.error import StdinNotImplementedError

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.subcommands.line import Line, add_selection, say
from e2e_magic.storage import WHOLE_STORE
from e2e_magic.text import counted


def store(line: Line) -> None:
    """Set the store, or show where it is and how much it holds."""
    parser = Parser("%e2e store", "Keep trials in a database: a path (SQLite), an SQLAlchemy URL, :memory:.")
    parser.add_argument("url", metavar="URL", nargs="?")
    chosen = parser.read(line.words)
    if chosen.url is not None:
        line.session.set_store(chosen.url)
    say(line.session.writer.described())


def runs(line: Line) -> Any:
    """List, rename, note or delete runs."""
    parser = Parser("%e2e runs", "Return runs as a DataFrame; rename, note or delete one.")
    add_selection(parser)
    parser.add_argument("--rename", nargs=2, metavar=("OLD", "NEW"), help="give a run another name")
    parser.add_argument("--note", nargs=2, metavar=("RUN", "TEXT"), help="give a run another description")
    parser.add_argument("--delete", metavar="RUN", help="delete a run, by name or id, and all its trials")
    parser.add_argument("--yes", action="store_true", help="don't ask before deleting")
    chosen = parser.read(line.words)
    if chosen.rename is not None:
        old, new = chosen.rename
        renamed = line.session.change(old, name=new)
        say(f"run {old} is now named {renamed.name} ({renamed.id})")
        return None
    if chosen.note is not None:
        noted = line.session.change(chosen.note[0], description=chosen.note[1])
        say(f"run {noted.name} ({noted.id}) is now described as {noted.description!r}")
        return None
    if chosen.delete is not None:
        _delete(line, parser, chosen.delete, sure=chosen.yes)
        return None
    from e2e_magic.views.frames import TidyFrame

    return TidyFrame.of(line.session.frame("runs", line.selection(chosen)))


def _delete(line: Line, parser: Parser, name: str, *, sure: bool) -> None:
    run = line.session.reader.find(name)
    trials = sum(line.session.reader.counts(WHOLE_STORE).get(run.id, {}).values())
    what = f"run {run.name} ({run.id}, {run.started_at:%Y-%m-%d %H:%M} UTC) with {counted(trials, 'trial')}"
    if not sure:
        try:
            answer = input(f"Delete {what} for good? [y/N] ")
        except (StdinNotImplementedError, EOFError):
            parser.error(f"nobody can answer here; to delete {what}, add --yes")
        if answer.strip().lower() not in ("y", "yes"):
            say(f"{what} stays")
            return
    line.session.delete(run.id)
    say(f"{what} is deleted")
