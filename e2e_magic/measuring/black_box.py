"""The black box of trials: what the sampler process needs to write the row of one that outlives its kernel.

It goes to the sampler as text with the start of a trial's recording and is taken back when the row is kept;
``sampler/boxes.py`` has the form of the file that is written, ``storage/killed.py`` reads it.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic.measuring.sampler.descendants import started_at
from e2e_magic.record import Run, encode

if TYPE_CHECKING:
    from datetime import datetime

    from e2e_magic.measuring.plan import Step


def key_of(notebook: str) -> str:
    """Return the beginning of the names of a notebook's files."""
    return f"{zlib.crc32(notebook.encode(errors='surrogateescape')):08x}"


@dataclass(frozen=True, slots=True)
class BlackBox:
    """Where the rows of a run's trials go whose process ends within them.

    Attributes
    ----------
    place : str
        JSON: ``store`` (an address without a password), ``folder`` (of the files), ``run`` (the run's
        fields), ``notebook`` (what names it to its next kernel), ``notebook_key``, ``python`` and ``path``
        (what starts a Python like this one), ``owner`` (process and start of the kernel that writes the row
        while it lives, of a worker's trial; else null).
    known : mapping, optional
        What is known of the trial before it starts, of one that belongs to a sweep.
    """

    place: str
    known: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, run: Run, *, store: str, folder: str, notebook: str) -> BlackBox:
        """Return the box of a run's trials in this process."""
        place = {
            "store": store,
            "folder": folder,
            "run": encode({**asdict(run), "started_at": run.started_at.isoformat()}),
            "notebook": notebook,
            "notebook_key": key_of(notebook),
            "python": sys.executable,
            "path": [entry for entry in sys.path if Path(entry).is_absolute()],
            "owner": None,
        }
        return cls(json.dumps(place))

    def of_sweep(self, known: Mapping[str, Any]) -> BlackBox:
        """Return the box of one trial of a sweep, which has its number before its warm-ups."""
        return BlackBox(self.place, known)

    def of_worker(self, known: Mapping[str, Any]) -> BlackBox:
        """Return the box of a sweep's trial in a worker; while this process lives, it writes the row."""
        return BlackBox(_owned(self.place, os.getpid()), known)

    def text(self, stage: str, step: Step, known: Mapping[str, Any], started_at: datetime) -> tuple[str, str]:
        """Return place and trial as the sampler takes them.

        A warm-up has no number: the row of one gets the next that is free.
        """
        trial: dict[str, Any] = {
            "stage": stage,
            "repeat": step.repeat,
            "warmup": step.warmup,
            "started_at": started_at.isoformat(),
            **(self.known or known),
        }
        if step.warmup and self.known is None:
            trial["trial"] = None
        return self.place, json.dumps(trial)


@lru_cache(maxsize=1)
def _owned(place: str, pid: int) -> str:
    return json.dumps(json.loads(place) | {"owner": [pid, started_at(pid)]})
