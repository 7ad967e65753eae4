"""Charts of frames as files, and the functions that write them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record, Run, Series
from e2e_magic.session import Session
from e2e_magic.storage import WHOLE_STORE
from e2e_magic.views import FRAMES, exporting

START = datetime(2026, 8, 1, tzinfo=UTC)
BEGINS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def filled(session: Session) -> Session:
    """Give a session a run with everything that has a chart."""
    times = [0.0, 0.1, 0.2]
    records = [
        Record(
            run="aaaa",
            stage="train",
            trial=n,
            repeat=1,
            state="complete",
            started_at=START,
            sweep="s1" if n > 1 else None,
            params={"lr": 10.0**-n} if n > 1 else {},
            readings={"wall_time_s": float(n)},
            series={"rss_mib": Series.of(times, [1.0, 2.0, 3.0])},
            reported={"accuracy": [0.5, 0.5 + n / 10], "confusion": [[4, 1], [1, 4]]},
        )
        for n in (1, 2, 3)
    ]
    session.adopt([Run("aaaa", "a run", START)], records)
    return session


@pytest.mark.parametrize("frame", exporting.CHARTS)
@pytest.mark.parametrize("suffix", list(BEGINS))
def test_a_pictures_suffix_writes_the_frames_chart(
    session: Session, tmp_path: Path, frame: str, suffix: str
) -> None:
    """Each frame that has a chart is written as png, svg and pdf."""
    filled(session)
    path = e2e.export(tmp_path / f"chart{suffix}", frame, run="a run")

    assert path == tmp_path / f"chart{suffix}"
    assert path.read_bytes().startswith(BEGINS[suffix])
    assert path.stat().st_size > 2000


@pytest.mark.parametrize("frame", sorted({*FRAMES} - {*exporting.CHARTS}))
def test_a_frame_without_a_chart_is_said(session: Session, tmp_path: Path, frame: str) -> None:
    """The error names the frames that have one."""
    filled(session)
    with pytest.raises(PlanError) as caught:
        e2e.export(tmp_path / "x.png", frame)

    assert str(caught.value) == (
        f"frame: {frame} has no chart; those of results, pipeline, samples, epochs, confusions, trials can "
        "be written as .png, .svg, .pdf"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_magic_writes_a_chart(shell: Any, session: Session, tmp_path: Path, capsys: Any) -> None:
    """``%e2e export x.svg --frame confusions`` writes the heat map."""
    filled(session)
    shell.run_line_magic("e2e", f"export {tmp_path / 'x.svg'} --frame confusions --run aaaa")

    assert f"confusions written to {tmp_path / 'x.svg'}" in capsys.readouterr().out
    assert b"<svg" in (tmp_path / "x.svg").read_bytes()


def test_what_is_adopted_is_kept_in_the_store(session: Session, tmp_path: Path) -> None:
    """Imported trials go to the store like measured ones: another session reads them, once."""
    for fresh in (session, Session()):
        fresh.set_store(tmp_path / "kept.db")
        filled(fresh)
        fresh.close()
    other = Session()
    other.set_store(tmp_path / "kept.db")

    found = other.frame("results", WHOLE_STORE)
    assert found["run"].tolist() == ["a run"] * 3
    assert [len(other.runs_and_records(WHOLE_STORE)[1]), *other.names(WHOLE_STORE).values()] == [3, "a run"]
    other.close()


def test_adopting_keeps_the_current_run(session: Session) -> None:
    """What is measured next goes to the run that was current before."""
    current = session.start_run("mine")
    filled(session)

    assert session.run is current
    assert [run.name for run in session.runs_of()] == ["a run", "mine"]
    again = session.adopt([replace(Run("aaaa", "another name", START))], session.records[:1])
    assert again == []
    assert session.names()["aaaa"] == "a run"
