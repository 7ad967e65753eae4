"""Where a store's file may lie: which file systems let SQLite keep a log, and where else there is room."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
# A write-ahead log needs memory that all its readers and writers share, and locks that hold. SQLite's own
# page on it (sqlite.org/wal.html) rules out network file systems; those of virtual machines and of FUSE
# differ from one driver to the next.
_WITHOUT_LOG = frozenset(
    (
        "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "fhgfs", "fuse", "fuseblk",
        "gfs2", "glusterfs", "gpfs", "lustre", "mmfs", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs",
        "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "wekafs",
    )
)  # fmt: skip
_OCTAL = re.compile(r"\\([0-7]{3})")
_NAME = "e2e_magic"


def takes_log(path: Path) -> bool:
    """Return whether a file's file system supports a write-ahead log.

    Linux reports the type of each mount. Elsewhere only Windows' network paths are recognized.
    """
    if os.name == "nt":
        return not str(path).startswith("\\\\")
    kind = file_system(path)
    return kind not in _WITHOUT_LOG and not kind.startswith("fuse.")


def file_system(path: Path) -> str:
    """Return the type of the mount that a path lies on, as Linux calls it; empty where it is unknown."""
    kind, deepest = "", -1
    real = Path(os.path.realpath(path))
    for point, mounted in _mounts():
        # What is mounted later at the same place hides what is there.
        if len(point.parts) >= deepest and real.is_relative_to(point):
            kind, deepest = mounted, len(point.parts)
    return kind


def _mounts() -> Iterator[tuple[Path, str]]:
    """Yield mount points with their types; proc(5) describes the fields of a line."""
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, types = before.split(), after.split()
        if len(fields) > 4 and types:
            yield Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])), types[0]


def writable(path: Path) -> bool:
    """Return whether a file can be written or created there; a missing folder may still be created."""
    try:
        if path.exists():
            return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        return not path.parent.is_dir() or os.access(path.parent, os.W_OK | os.X_OK)
    except PermissionError:  # it lies in a folder that can't be entered
        return False


def state_folder() -> Path | None:
    """Return the user's state folder, created if it is missing; None where none can be created.

    As the XDG base directory specification, macOS and Windows have it; where there is no home, or it can't
    be written, it is `temporary_folder`.
    """
    return _first(_homes()) or temporary_folder()


def killed_folder() -> Path | None:
    """Return the folder for trials whose process ended within them; nothing is created.

    It lies where `state_folder` is, or would be made.
    """
    for folder in filter(None, (*_homes(), _temporary())):
        there: Path | None = folder
        while there is not None and not os.access(there, os.F_OK):  # also not where it can't be entered
            there = None if there == there.parent else there.parent
        if there is not None and os.access(there, os.W_OK | os.X_OK) and (there != folder or _mine(there)):
            return folder / "killed"
    return None


def temporary_folder() -> Path | None:
    """Return a temporary folder of this user's own, created if it is missing; None where there is none."""
    folder = _temporary()
    return None if folder is None else _first([folder])


def _temporary() -> Path | None:
    user = os.getuid() if hasattr(os, "getuid") else "mine"
    try:
        return Path(tempfile.gettempdir()) / f"{_NAME}-{user}"
    except OSError:  # none of the temporary folders can be written
        return None


def _homes() -> Iterator[Path]:
    if os.name == "nt":
        if local := os.environ.get("LOCALAPPDATA"):
            yield Path(local) / _NAME
        return
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if state.is_absolute():
        yield state / _NAME
    with suppress(RuntimeError):  # no HOME, and a user whom the system doesn't know
        mac = sys.platform == "darwin"
        yield Path.home() / ("Library/Application Support" if mac else ".local/state") / _NAME


def _first(candidates: Iterable[Path]) -> Path | None:
    """Return the first folder that is this user's, or can be created as such, and can be written."""
    for folder in candidates:
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK) and _mine(folder):
                return folder
    return None


def _mine(folder: Path) -> bool:
    """Return whether a folder is this user's: among the temporary ones another may have created it."""
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
