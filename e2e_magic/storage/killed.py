"""Rows of trials whose process ended within them: from the sampler's files into the store, with a notice.

In comes what ``measuring/sampler/boxes.py`` wrote. `deliver` runs in a process that the sampler starts;
`take_up` does the same later, from a kernel, for what could not be delivered. A notice stays in a file's
place until the next kernel of the notebook has said it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from e2e_magic.measuring.black_box import key_of
from e2e_magic.measuring.left_behind import read, record_of, sentence_of
from e2e_magic.record import Environment, Run, decode
from e2e_magic.storage import spool
from e2e_magic.storage.appending import Appending
from e2e_magic.storage.folders import killed_folder
from e2e_magic.storage.local_file import LocalFile, path_of
from e2e_magic.storage.outbox import takes

# A notice that no kernel of its notebook has said for so long (s) is none any more.
_STALE_S = 30 * 86400.0
# The end of the name of a file of which the notice has been said.
_TOLD = ".told.json"


def deliver(files: Iterable[str]) -> None:
    """Put the rows of these files into their stores; what can't be put there waits for `take_up`."""
    for file in map(Path, files):
        with suppress(Exception):  # nobody would hear of it here; the file stays
            content = read(file)
            store = _opened(content["place"]["store"])
            if store is not None:
                try:
                    _put(file, content, store)
                finally:
                    store.close()
    _remove_if_empty()


def take_up(destination: str, opened: Callable[[], Appending]) -> None:
    """Put rows that wait for a store (its address without a password) into it."""
    for file in _files("*.json"):
        with suppress(Exception):  # one that is damaged, or being delivered by another process
            content = read(file)
            if content["place"]["store"] == destination:
                _put(file, content, opened())


def notices(notebook: str) -> Iterator[str]:
    """Yield what is to be said to the next kernel of a notebook, the newest first; each is said once."""
    for file in _files("*.notice"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > _STALE_S:
                file.unlink()
    mine = _files(f"{key_of(notebook)}-*")
    files = [file for file in mine if file.suffix in (".notice", ".json") and not _is_told(file)]
    for file in sorted(files, key=_modified, reverse=True):
        with suppress(OSError, ValueError, LookupError, TypeError):
            if file.suffix == ".json":  # on its way into the store, which is no matter here
                content = read(file)
                sentence = sentence_of(content)
                if content["place"]["notebook"] == notebook:
                    file.rename(file.with_suffix(_TOLD))
                    yield sentence
                continue
            notice = json.loads(file.read_text())
            if notice["notebook"] == notebook:
                file.unlink()
                yield str(notice["sentence"])
    _remove_if_empty()


def _remove_if_empty() -> None:
    """Remove the folder where nothing waits in it, so that loading has nothing to look into."""
    folder = killed_folder()
    if folder is not None:
        with suppress(OSError):  # not empty, or not there
            folder.rmdir()


def _put(file: Path, content: Mapping[str, Any], store: Appending) -> None:
    """Put a file's row into a store, and leave its notice in the file's place where the row is new."""
    record = record_of(content)
    if store.append_killed(record, _run_of(content["place"]["run"])):
        place = content["place"]
        # A script has no next kernel; where the file is gone or told, a kernel has said it meanwhile.
        if place["notebook"] and file.exists() and not _is_told(file):
            notice = {"notebook": place["notebook"], "sentence": sentence_of(content)}
            file.with_suffix(".part").write_text(json.dumps(notice))
            file.with_suffix(".part").replace(file.with_suffix(".notice"))
    file.unlink(missing_ok=True)


def _run_of(plain: Mapping[str, Any]) -> Run:
    run: dict[str, Any] = decode(plain)
    environment = Environment(**run.pop("environment"))
    started_at = datetime.fromisoformat(run.pop("started_at"))
    return Run(**run, started_at=started_at, environment=environment)


def _opened(address: str) -> Appending | None:
    """Return the store of an address; of a server the file in which trials wait for it."""
    if (path := path_of(address)) is not None:
        return LocalFile(path)
    if takes(address):
        waiting = spool.new_path(address)
        return None if waiting is None else spool.Spool(waiting)
    if "***" in address:  # the password isn't in the file
        return None
    from e2e_magic.storage.database import Store

    return Store(address)


def _is_told(file: Path) -> bool:
    return file.name.endswith(_TOLD)


def _files(pattern: str) -> Sequence[Path]:
    folder = killed_folder()
    return [] if folder is None else list(folder.glob(pattern))


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
