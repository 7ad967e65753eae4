"""One shell with the extension loaded: its session, and the state kept between its cells."""

from __future__ import annotations

import argparse
import ast
import atexit
import os
from pathlib import Path
from typing import NamedTuple, Protocol

from IPython.core.interactiveshell import InteractiveShell

from e2e_magic.jupyter.auto import Auto
from e2e_magic.jupyter.cell_names import CellNames
from e2e_magic.jupyter.imports import Imports
from e2e_magic.jupyter.remembered import Remembered
from e2e_magic.jupyter.sweep_arguments import read
from e2e_magic.jupyter.transform import Transformed
from e2e_magic.measuring.plan import PlanError, nearest
from e2e_magic.record import Reason
from e2e_magic.session import Session

_LONGEST_VALUE = 200


class MagicCell(NamedTuple):
    """A measured or swept cell: its line, and the body below it.

    Attributes
    ----------
    options : Namespace
        The line's, as `sweep_arguments.read` gives them.
    body : str
    """

    options: argparse.Namespace
    body: str

    @property
    def stage(self) -> str:
        """The stage's label."""
        return str(self.options.stage)

    def values(self, shell: InteractiveShell) -> dict[str, str]:
        """Return the plain-data variables that the cell reads: their values as Python source, by name."""
        values = {name: _plain(shell.user_ns.get(name)) for name in sorted(self._reads(shell))}
        return {name: text for name, text in values.items() if text}

    def needs_kernel(self, shell: InteractiveShell) -> bool:
        """Return whether the cell uses a magic or ``!shell``, which only this kernel has."""
        return "get_ipython" in self._reads(shell)

    def _reads(self, shell: InteractiveShell) -> set[str]:
        from e2e_magic.sweeping.engines.free_names import cell_reads

        try:
            return cell_reads(ast.parse(shell.transform_cell(self.body)))
        except SyntaxError:
            return set()


def _plain(value: object) -> str:
    """Return a value as Python source for one value; empty where it is too long or not plain data."""
    if not isinstance(value, bool | int | float | str | list | tuple):
        return ""
    text = repr(value if not isinstance(value, list | tuple) else [value])
    return text if len(text) <= _LONGEST_VALUE else ""


class Panel(Protocol):
    """The interface of an open panel."""

    def close(self) -> None:
        """Stop what runs in it; no thread and no process is left."""

    def cool(self) -> None:
        """End its warm process where nothing runs in it."""


class Notebook:
    """The state that the magics of one shell share.

    Parameters
    ----------
    shell : InteractiveShell
    session : Session

    Attributes
    ----------
    auto : Auto
    transformed : Transformed
        The shell's transformation of the body that is about to run.
    imports : Imports
        The packages imported by words of ``%e2e``.
    panels : dict
        The open panels by stage: where its cell runs again, the one before has no page to be seen on.
    said : set of Reason
        Why there is no energy, as a card has said already.
    """

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        self.shell = shell
        self.session = session
        # VS Code's name for the notebook, and that of ipykernel where Jupyter's server gives one.
        session.runs.notebook = lambda: str(
            shell.user_ns.get("__vsc_ipynb_file__") or shell.user_ns.get("__session__") or ""
        )
        session.boxes.notebook = _identity(shell)
        if hasattr(shell, "kernel"):
            session.writer.place.begin_in(_folder(shell))
        self.auto = Auto(session, CellNames(lambda: _file(shell)))
        self.transformed = Transformed(shell)
        self.panels: dict[str, Panel] = {}
        self.said: set[Reason] = set()
        self.imports = Imports()
        self.memory = Remembered(shell, session)
        session.roots = self.memory.roots
        self._cells: dict[str, MagicCell] = {}
        atexit.register(self.close_panels)

    def remember(self, options: argparse.Namespace, body: str) -> None:
        """Keep a cell that is measured or swept: its stage's last one, for ``%e2e panel``."""
        self._cells.pop(options.stage, None)
        self._cells[options.stage] = MagicCell(options, body)

    def remembered(self, stage: str | None) -> MagicCell:
        """Return the last cell, or the last one of a stage.

        Raises
        ------
        PlanError
            If there is none.
        """
        if not self._cells:
            raise PlanError(
                "panel: no cell was measured or swept yet; run one under %%e2ebench or %%e2esweep first"
            )
        if stage is None:
            stage = next(reversed(self._cells))
        if stage not in self._cells:
            raise PlanError(
                f"panel: no cell of stage {stage!r} was measured or swept in this kernel"
                f"{nearest(stage, self._cells)}; there are {', '.join(self._cells)}"
            )
        cell = self._cells[stage]
        if hasattr(cell.options, "parameters"):
            return cell
        # Of %%e2ebench: a sweep that measures the same, without parameters yet.
        return MagicCell(argparse.Namespace(**{**vars(read("")), **vars(cell.options)}), cell.body)

    def close_panels(self) -> None:
        """Stop what runs in any panel; no thread and no process is left."""
        while self.panels:
            self.panels.popitem()[1].close()

    def close(self) -> None:
        """Close the panels, the measuring of every cell and the store; rows stay."""
        self.close_panels()
        atexit.unregister(self.close_panels)
        self.auto.switch(False)
        self.session.runs.notebook = str
        self.session.roots = None
        self.session.boxes.notebook = ""
        self.session.close()


def _identity(shell: InteractiveShell) -> str:
    """Return what names the notebook to its next kernel: the front end's name for it, else its folder."""
    given = _file(shell)
    kind = "kernel" if hasattr(shell, "kernel") else "terminal"
    return f"notebook {given}" if given else f"{kind} in {shell.starting_dir}"


def _file(shell: InteractiveShell) -> str:
    """Return the notebook's path as VS Code or Jupyter's server tells it; empty where nobody does."""
    return str(shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or "")


def _folder(shell: InteractiveShell) -> Path:
    """Return the notebook's folder: an earlier cell may have changed the working directory."""
    file = shell.user_ns.get("__vsc_ipynb_file__")
    return Path(file).parent if file else Path(shell.starting_dir)
