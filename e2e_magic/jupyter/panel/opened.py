"""The panels of this kernel: one a stage, all of them closed with the extension."""

from __future__ import annotations

import atexit

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.panel.offer import Offer
from e2e_magic.jupyter.panel.panel import SweepPanel
from e2e_magic.session import Session

# One panel a stage: where its cell is run again, the one before has no page to be seen on.
_open: dict[str, SweepPanel] = {}


def open_panel(shell: InteractiveShell, session: Session, offer: Offer) -> SweepPanel:
    """Show a panel in the cell that runs; the stage's panel before it is closed."""
    before = _open.pop(offer.stage, None)
    if before is not None:
        before.close()
    panel = SweepPanel(shell, session, offer, lambda: _cool(offer.stage))
    _open[offer.stage] = panel
    panel.show()
    return panel


def _cool(stage: str) -> None:
    """Leave one warm process at a time: this stage's."""
    for other, panel in list(_open.items()):
        if other != stage:
            panel.cool()


def close_panels() -> None:
    """Stop what runs in any panel; no thread and no process is left."""
    while _open:
        _open.popitem()[1].close()


atexit.register(close_panels)
