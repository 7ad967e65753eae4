"""Which store is meant: what was asked for, else the environment's, else a file beside the notebook."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from e2e_magic.storage.folders import killed_folder, state_folder, writable
from e2e_magic.storage.local_file import path_of
from e2e_magic.storage.outbox import without_password

if TYPE_CHECKING:
    from e2e_magic.measuring.black_box import BlackBox
    from e2e_magic.record import Run

ENVIRONMENT = "E2E_MAGIC_STORE"
DEFAULT = "e2ebench.db"
NONE = ":memory:"


class Place:
    """The address of a session's store.

    Attributes
    ----------
    asked : str or None
        The address that was asked for; None leaves it to the environment and the folder.
    why : str
        Why trials are kept in another folder than the one that is meant; empty where they aren't.
    """

    def __init__(self) -> None:
        self.asked: str | None = None
        self.why = ""
        self._folder = _here()
        self._meant = self._address = ""
        self._known = "", ""  # an address with its destination
        self._from: tuple[Path | None, str] | None = None  # what the address was derived from

    def ask_for(self, address: str) -> None:
        """Set the address from now on."""
        self.asked, self.why = address, ""

    def begin_in(self, folder: Path) -> None:
        """Keep the default file in this folder: a kernel's, which knows where its notebook is."""
        with suppress(PermissionError):  # a folder above it can't be entered
            if folder.is_dir():
                self._folder = folder

    @property
    def address(self) -> str:
        """The address; a file that can't be created at its place lies in the user's state folder.

        What is decided for an address holds, whatever becomes of its folder.
        """
        if self.asked:
            return self.asked
        named = os.environ.get(ENVIRONMENT, "").strip()
        if (self._folder, named) == self._from:  # as for each trial
            return self._address
        # A cell may change the directory: a relative path stays where the session began.
        meant = placed(self._folder, named or DEFAULT)
        if meant != self._meant:
            self._meant, self._address, self.why = meant, *_reachable(meant, named=bool(named))
        self._from = self._folder, named
        return self._address

    @property
    def destination(self) -> str:
        """The address as another process may have it, without a password; empty for nowhere."""
        address = self.address
        if address != self._known[0]:
            path = path_of(address)
            named = "" if address == NONE else without_password(address) if path is None else str(path)
            self._known = address, named
        return self._known[1]


class BoxPlaces:
    """The black box of the current run; made anew where the run, the store or the notebook is another.

    Attributes
    ----------
    notebook : str
        What names the notebook to its next kernel; empty in a script.
    """

    def __init__(self, place: Place) -> None:
        self.notebook = ""
        self._place = place
        self._made: tuple[object, BlackBox | None] = (None, None)

    def of(self, run: Run) -> BlackBox | None:
        """Return the box of a run's trials; None where they are kept nowhere."""
        key = (run.id, self._place.destination, self.notebook)
        if self._made[0] != key:
            folder = killed_folder() if key[1] else None
            box = None
            if folder is not None:
                from e2e_magic.measuring.black_box import BlackBox

                box = BlackBox.of(run, store=key[1], folder=str(folder), notebook=self.notebook)
            self._made = key, box
        return self._made[1]


def _reachable(meant: str, *, named: bool) -> tuple[str, str]:
    """Return the address, or that of a file of this name in the state folder and why it is there."""
    path = path_of(meant)
    if path is None:
        return meant, ""
    if not path.is_absolute():
        why = "the working directory is gone"
    elif not writable(path):
        why = f"{path if os.access(path, os.F_OK) else path.parent} can't be written"
    elif not path.parent.is_dir():
        if named:  # a disk that is mounted later, a folder that was mistyped: the error says so
            return meant, ""
        why = f"the folder {path.parent} is gone"
    else:
        return meant, ""
    folder = state_folder()
    return (meant, "") if folder is None else (str(folder / path.name), why)


def placed(folder: Path | None, address: str) -> str:
    """Return an address whose path, where it is a relative one, is taken from a folder."""
    scheme = "sqlite:///" if address.startswith("sqlite:///") else ""
    path = address.removeprefix(scheme)
    if folder is None or path in ("", NONE) or "://" in path or path.startswith("file:"):
        return address
    return f"{scheme}{folder / Path(path).expanduser()}"


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # the directory is gone
        return None
