"""Load and unload: everything that is put into the shell is taken out again."""

from __future__ import annotations

import sys

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.magics import E2EMagics
from e2e_magic.jupyter.panel.offer import forget
from e2e_magic.jupyter.transform import MAGICS, make_transformer
from e2e_magic.measuring.sampler import close_sampler

_NAME = "_e2e_magic_magics"


def load(shell: InteractiveShell) -> None:
    """Register the magics and the rewriting of their lines."""
    if getattr(shell, _NAME, None) is not None:
        unload(shell)
    magics = E2EMagics(shell)
    shell.register_magics(magics)
    transformer = make_transformer(shell)
    shell.input_transformers_post.append(transformer)
    magics.transformer = transformer
    setattr(shell, _NAME, magics)


def unload(shell: InteractiveShell) -> None:
    """Take out what `load` put in: panels and what runs in them, the sampler, the store. Rows stay."""
    magics = getattr(shell, _NAME, None)
    if magics is None:
        return
    if (panels := sys.modules.get("e2e_magic.jupyter.panel.opened")) is not None:
        panels.close_panels()
    forget()
    magics.auto.switch(False)
    if magics.transformer in shell.input_transformers_post:
        shell.input_transformers_post.remove(magics.transformer)
    for kind in ("line", "cell"):
        for name in (*MAGICS, "e2e"):
            shell.magics_manager.magics[kind].pop(name, None)
    shell.magics_manager.registry.pop(type(magics).__name__, None)
    setattr(shell, _NAME, None)
    close_sampler()
    magics.session.notebook = str
    magics.session.close()
