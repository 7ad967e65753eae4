"""Load and unload: everything that is put into the shell is taken out again."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.completion import matcher_for, matchers_of
from e2e_magic.jupyter.magics import E2EMagics
from e2e_magic.jupyter.transform import MAGICS
from e2e_magic.measuring.sampler import close_sampler
from e2e_magic.storage.folders import killed_folder

_NAME = "_e2e_magic_magics"


def load(shell: InteractiveShell) -> None:
    """Register the magics and the rewriting of their lines."""
    if getattr(shell, _NAME, None) is not None:
        unload(shell)
    magics = E2EMagics(shell)
    shell.register_magics(magics)
    magics.matcher = matcher_for(magics.notebook)
    matchers_of(shell).insert(0, magics.matcher)
    magics.hooks.install()
    magics.shutdown.install()
    shell.events.register("post_run_cell", magics.notebook.memory.note)
    for transformer, those in magics.transformers:
        those.append(transformer)
    setattr(shell, _NAME, magics)
    folder = killed_folder()
    if folder is not None and folder.is_dir():  # as it is for nearly nobody
        from e2e_magic.jupyter.subcommands.last import say_killed

        say_killed(magics.notebook)


def unload(shell: InteractiveShell) -> None:
    """Remove what `load` added, and end panels, sampler and store; rows stay."""
    magics = getattr(shell, _NAME, None)
    if magics is None:
        return
    if magics.matcher in matchers_of(shell):
        matchers_of(shell).remove(magics.matcher)
    magics.hooks.remove()
    magics.shutdown.remove()
    shell.events.unregister("post_run_cell", magics.notebook.memory.note)
    for transformer, those in magics.transformers:
        if transformer in those:
            those.remove(transformer)
    for kind in ("line", "cell"):
        for name in (*MAGICS, "e2e"):
            shell.magics_manager.magics[kind].pop(name, None)
    shell.magics_manager.registry.pop(type(magics).__name__, None)
    setattr(shell, _NAME, None)
    magics.notebook.close()
    close_sampler()
