"""``%e2e last``: the card of the last trial, also of one that its kernel did not outlive."""

from __future__ import annotations

from IPython.display import display

from e2e_magic.jupyter.arguments import Parser
from e2e_magic.jupyter.notebook import Notebook
from e2e_magic.jupyter.subcommands.line import Line, add_selection, say
from e2e_magic.text import wrapped


def last(line: Line) -> None:
    """Show the card of the last trial with its repeats: of this kernel, else of the store."""
    parser = Parser(
        "%e2e last", "Show the card of the last trial: of this kernel, or where it has none of the store."
    )
    add_selection(parser)
    records = line.session.reader.last(line.selection(parser.read(line.words)))
    if not records:
        say("nothing was measured yet: %%e2ebench STAGE on a cell measures it")
        return
    from e2e_magic.views.result import Result

    result = Result(records, {})
    result.set_names(line.session.names())
    display(result)


def say_killed(notebook: Notebook) -> None:
    """Say of each trial of this notebook that its kernel did not outlive what is known, once."""
    from e2e_magic.storage import killed

    kernel = "kernel" if hasattr(notebook.shell, "kernel") else "IPython"
    for sentence in killed.notices(notebook.session.boxes.notebook):
        said = f"the {kernel} before this one {sentence}: %e2e last"
        say(said if kernel == "kernel" else "\n".join(wrapped(said, then="  ")))
