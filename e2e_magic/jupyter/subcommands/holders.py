"""``%e2e holders``: which variable holds the memory; ``--free`` drops what only the history holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError

from e2e_magic.jupyter.arguments import Parser, real
from e2e_magic.jupyter.subcommands.line import Line, add_selection, say
from e2e_magic.measuring.collectors import proc
from e2e_magic.measuring.holders.making import LIMIT_S
from e2e_magic.measuring.plan import PlanError
from e2e_magic.text import quantity, shorten

if TYPE_CHECKING:
    from e2e_magic.measuring.holders.look import Holder

# What is less is no gain, and may still be of use as Out[N] (MiB).
_WORTH_MIB = 0.1
_LONGEST_LIST = 400


def holders(line: Line) -> Any:
    """Return what holds memory as a DataFrame, or drop what only the history holds."""
    parser = Parser("%e2e holders", "Return the user's names, and what else holds memory, largest first.")
    add_selection(parser)
    parser.add_argument("--limit", metavar="SECONDS", type=real, default=LIMIT_S, help="to look for")
    parser.add_argument(
        "--free", action="store_true", help="drop what only the history holds, after a question"
    )
    parser.add_argument("--yes", action="store_true", help="don't ask before dropping")
    chosen = parser.read(line.words)
    if chosen.limit <= 0:
        raise PlanError(f"limit: expected seconds above 0, such as 2, got {chosen.limit:g}")
    if chosen.yes and not chosen.free:
        raise PlanError("holders: --yes answers the question of --free; say both")
    if chosen.free:
        _free(line, chosen.limit, sure=chosen.yes)
        return None
    from e2e_magic.views import held
    from e2e_magic.views.frames import TidyFrame

    table = held.frame(line.session.roots, line.session.reader, line.selection(chosen), chosen.limit)
    say(table.attrs["summary"])
    return TidyFrame.of(table)


def _free(line: Line, limit_s: float, *, sure: bool) -> None:
    from e2e_magic.measuring.holders.look import holders as look

    roots = line.notebook.memory.roots()
    found = look(roots, limit_s)
    del roots  # it holds what is to be dropped
    some = [each for each in found if each.where in ("history", "traceback") and each.held_mib >= _WORTH_MIB]
    if not some:
        say("the history alone holds nothing worth dropping: names or open figures hold the memory")
        return
    # What shares it would keep it alive.
    chosen = {each.name for each in some}
    aliases = [each for each in found if each.where == "history" and chosen & {*each.shared_with}]
    listed = shorten(", ".join(f"{each.name} {_size(each)}" for each in some), _LONGEST_LIST)
    if not sure:
        try:
            answer = input(f"Drop {listed}? [y/N] ")
        except (StdinNotImplementedError, EOFError):
            say(f"only the history holds {listed}; nobody can answer here, so nothing is dropped: add --yes")
            return
        if answer.strip().lower() not in ("y", "yes"):
            say(f"{listed}: all stays")
            return
    before = proc.resident_here_mib()
    line.notebook.memory.drop([*some, *aliases])
    freed = ""
    now = proc.resident_here_mib()
    if before is not None and now is not None:
        freed = f"; this process had {quantity(before, 'MiB')} resident and has {quantity(now, 'MiB')}"
    say(f"dropped: {listed}{freed}")


def _size(holder: Holder) -> str:
    return f"{'at least ' if holder.at_least else ''}{quantity(holder.held_mib, 'MiB')}"
