"""Whether the isolated process has old code loaded: asked there, before a sweep begins."""

from __future__ import annotations

import sys
import time
from pathlib import Path

_began = time.time()


def edited_modules() -> list[str]:
    """Return the user's modules that were edited since this process began.

    What is installed, and this package, is left out: it isn't edited while it is used.
    """
    ours = __name__.partition(".")[0]
    names = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or name.partition(".")[0] == ours or file.startswith((sys.prefix, sys.base_prefix)):
            continue
        try:
            if Path(file).stat().st_mtime > _began:
                names.append(name)
        except OSError:  # deleted, or inside an archive
            continue
    return names
