"""The runs of this process: start, update and change them; threads share them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from e2e_magic.measuring import environment
from e2e_magic.measuring.plan import PlanError, run_settings
from e2e_magic.record import Run

# A run without a name is called by its notebook or script and a number, else by this many digits of its id.
_SHORT = 8
_LONGEST_STEM = 40


class Runs(list[Run]):
    """Runs in the order of their start; the last one is the current one.

    Attributes
    ----------
    lock : RLock
        Held while runs change.
    notebook : callable
        Returns the notebook's name, where the kernel gives it to its user's code and not to the environment.
    taken : callable
        Returns the names of the store's runs that begin with a text; None where it can't be asked quickly.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()
        self.notebook: Callable[[], str] = str
        self.taken: Callable[[str], Sequence[str] | None] = lambda _: ()
        self._modules = 0
        self._numbered: dict[tuple[str, str], int] = {}

    @property
    def current(self) -> Run:
        """The current run; the first one is started automatically."""
        with self.lock:  # threads that measure at once start one run, not one each
            return self[-1] if self else self.start()

    def start(
        self,
        name: str | None = None,
        description: str = "",
        **settings: object,
    ) -> Run:
        """Start the next run and return it; for the settings see `plan.run_settings`.

        Raises
        ------
        PlanError
            If the name or a setting is not valid.
        """
        if name is not None and not (isinstance(name, str) and name.strip()):
            raise PlanError(f"run: expected a name, such as baseline or lightgbm, got {name!r}")
        checked = run_settings(**settings)
        key = os.urandom(8).hex()
        place = environment.capture(self.notebook())
        run = Run(
            key, name or self._readable(key, place.notebook), datetime.now(UTC), description, place, checked
        )
        with self.lock:
            self.append(run)
        return run

    def _readable(self, key: str, notebook: str | None) -> str:
        """Return the name of a run that was given none: ``quickstart-3``, or the beginning of its id."""
        stem = (notebook or environment.script()).rpartition(".")[0].strip()[:_LONGEST_STEM]
        if not stem:
            return key[:_SHORT]
        start = f"{stem}-"
        taken = self.taken(start)
        if taken is None:
            return f"{start}{key[:_SHORT]}"
        here = [run.name for run in self]
        numbers = [
            int(end)
            for end in (name.removeprefix(start) for name in (*taken, *here) if name.startswith(start))
            if end.isascii() and end.isdigit() and len(end) < _SHORT
        ]
        return f"{start}{max(numbers, default=0) + 1}"

    def next_trial(self, key: str, stage: str) -> int:
        """Return the number of the next trial of a run (its id) and stage; the first is 1."""
        with self.lock:
            number = self._numbered.get((key, stage), 0) + 1
            self._numbered[key, stage] = number
        return number

    def settings(self, key: str) -> Mapping[str, Any]:
        """Return the settings of a run (its id); empty for a run of another process."""
        return next((run.settings for run in self if run.id == key), {})

    def insert_before(self, key: str, runs: Iterable[Run]) -> None:
        """Insert runs that are not here yet before the run of this id."""
        with self.lock:
            ids = {run.id for run in self}
            place = self._place(key)
            self[place:place] = [run for run in runs if run.id not in ids]

    def up_to_date(self, key: str) -> Run | None:
        """Return a run (its id), or None; the current one includes what was imported since."""
        with self.lock:
            place = self._place(key)
            if place == len(self):
                return None
            if place == len(self) - 1:
                machine = now = self[place].environment
                imported = len(sys.modules) != self._modules
                if imported:
                    self._modules = len(sys.modules)
                    now = replace(now, packages={**machine.packages, **environment.packages()})
                # Libraries are told their threads when they are imported, torch at any time.
                if (imported or "torch" in sys.modules) and (threads := environment.threads()) != now.threads:
                    now = replace(now, threads=threads)
                if now != machine:
                    self.change(key, environment=now)
            return self[place]

    def change(self, key: str, **changes: Any) -> None:
        """Change a run (its id), if it belongs to this process."""
        with self.lock:
            place = self._place(key)
            if place < len(self):
                self[place] = replace(self[place], **changes)

    def _place(self, key: str) -> int:
        """Return the index of a run (its id), the number of runs if absent; the caller holds the lock."""
        return next((n for n, run in enumerate(self) if run.id == key), len(self))
