"""A store that was written before the package was put in rooms: its frames are what they were.

`before/store.sqlite` was written by the commit 27400b8, and the JSON beside it are the frames that this
commit read from it: three runs (two of one name), repeats, a log, a failed and an interrupted trial, curves,
confusion matrices and a sweep with failed trials. Ids of runs and sweeps have 24 bits there. Since then
`cpu_percent` is missing below 1 ms, in the JSON too.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from e2e_magic.session import Session
from e2e_magic.storage import WHOLE_STORE, Selection

BEFORE = Path(__file__).parent / "before"
FRAMES = ("results", "samples", "epochs", "trials", "confusions", "runs")


@pytest.fixture
def opened(session: Session, tmp_path: Path) -> Session:
    """Give a session on a copy of the old store."""
    path = tmp_path / "old.db"
    shutil.copyfile(BEFORE / "store.sqlite", path)
    session.set_store(path)
    return session


def _plain(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the frame's values by column as JSON has them."""
    text = frame.astype(object).where(frame.notna(), None).to_json(
        orient="split", date_format="iso", double_precision=15, default_handler=str
    )  # fmt: skip
    return _by_column(json.loads(text))


def _by_column(split: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: [row[n] for row in split["data"]] for n, name in enumerate(split["columns"])}


@pytest.mark.parametrize("frame", FRAMES)
def test_frames_are_what_they_were(opened: Session, frame: str) -> None:
    """Each column that there was has each value that it had; a newer package may add columns."""
    before = _by_column(json.loads((BEFORE / f"{frame}.json").read_text()))

    now = _plain(opened.frame(frame, WHOLE_STORE))

    assert {name: now.get(name) for name in before} == before


def test_an_old_run_is_found_by_its_short_id(opened: Session) -> None:
    """Two runs of one name: the id tells them apart."""
    runs = opened.frame("runs", WHOLE_STORE)
    first, variant, last = runs["id"]

    assert [len(name) for name in (first, variant, last)] == [6, 6, 6]
    assert list(runs["run"]) == ["baseline", "variant", "baseline"]
    assert len(opened.frame("results", Selection.of(run=first, all=True))) == 6
    assert len(opened.frame("results", Selection.of(run=variant, all=True))) == 14
    assert len(opened.frame("results", Selection.of(run="baseline", all=True))) == 7


def test_new_trials_stand_beside_the_old(opened: Session) -> None:
    """The file is written to as it is; nothing of it changes."""
    before = _plain(opened.frame("results", WHOLE_STORE))
    for trial in opened.trials(_plan()):
        with trial:
            pass
    after = _plain(opened.frame("results", WHOLE_STORE))

    assert len(after["stage"]) == len(before["stage"]) + 1
    assert after["stage"][-1] == "another"
    assert {name: values[:-1] for name, values in after.items() if name in before} == before


def _plan() -> Any:
    from e2e_magic.measuring.plan import Plan

    return Plan(stage="another")
