"""The compare panel: what is chosen is compared, and said as a line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from e2e_magic.api.analysing import compare_in
from e2e_magic.jupyter.compare_panel.panel import ComparePanel, show
from e2e_magic.jupyter.magic_line import split
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record
from e2e_magic.views.comparison import Comparison

START = datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.fixture
def three_runs(session: Any) -> Any:
    """Give a session with runs a, b and "c d", each twice as slow as the one before."""
    for k, name in enumerate(("a", "b", "c d")):
        run = session.start_run(name)
        session.records += [
            Record(
                run.id, stage, n + 1, n + 1, "complete", START + timedelta(seconds=100 * k + n),
                readings={"wall_time_s": 2.0**k * (1 + n / 100), "peak_rss_mib": 100.0 + n},
            )
            for stage in ("train", "infer")
            for n in range(5)
        ]  # fmt: skip
    return session


@pytest.fixture
def panel(three_runs: Any, shell: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a panel, as a page would show it; what it would send is kept in `sent`."""
    made = ComparePanel(shell, three_runs, compare_in(three_runs, ("a", "b")))
    made.sent = []  # type: ignore[attr-defined]
    monkeypatch.setattr(made.output, "show", made.sent.append)  # type: ignore[attr-defined]
    return made


def test_without_a_page_it_is_the_comparison(three_runs: Any, shell: Any) -> None:  # noqa: ARG001
    """In a terminal, nbclient or papermill nobody could choose: the line returns what it compares."""
    made = shell.run_line_magic("e2e", "compare a b --panel --metric wall_time_s")

    assert isinstance(made, Comparison)
    assert made.frame["metric"].tolist() == ["wall_time_s", "wall_time_s"]


def test_a_choice_is_compared_and_shown(panel: Any) -> None:
    """Another stage, another metric, another run: table, chart and line follow."""
    assert panel.magic() == "%e2e compare b --baseline a"

    panel.stage.value = "infer"
    panel.metric.value = "wall_time_s"
    panel.runs.chosen = {"baseline": 0, "ticked": [1, 2]}

    assert panel.magic() == ('%e2e compare b "c d" --baseline a --stage infer --metric wall_time_s')
    assert panel.comparison.frame["stage"].tolist() == ["infer", "infer"]
    assert panel.comparison.frame["ratio"].tolist() == pytest.approx([2, 4])
    assert "c d: infer 4x slower" in panel.sent[-1]["text/plain"]
    assert panel.magic() in panel.line.value.replace("&quot;", '"')


def test_the_line_does_what_the_panel_shows(panel: Any, shell: Any) -> None:
    """Copied into a cell it gives the same frame."""
    panel.runs.chosen = {"baseline": 1, "ticked": [2]}
    words = panel.magic().removeprefix("%e2e ")
    again = shell.run_line_magic("e2e", words)

    assert again.frame.equals(panel.comparison.frame)
    assert [word.text for word in split(words)][1] == "c d"


def test_a_choice_that_cannot_be_compared_is_said(panel: Any) -> None:
    """Only the baseline chosen: a sentence, no traceback; the next choice works."""
    panel.runs.chosen = {"baseline": 0, "ticked": []}
    assert panel.sent[-1]["text/plain"] == "choose a run beside the baseline"

    panel.runs.chosen = {"baseline": 0, "ticked": [1]}
    assert panel.sent[-1]["text/plain"].startswith("compared with a:")


def test_the_chart_can_be_chosen(panel: Any) -> None:
    """Each of the charts is drawn; a run without a curve says so in the picture."""
    for kind in ("loss", "cost", "accuracy", "bars"):
        panel.chart.value = kind
        assert "<img" in panel.sent[-1]["text/html"]
        assert "could not be drawn" not in panel.sent[-1]["text/html"]


def _write(panel: Any, place: int, what: str, text: str) -> None:
    """Send what the page sends where a person writes in the list."""
    panel.runs._handle_custom_msg({"place": place, "what": what, "text": text}, [])


def test_a_run_is_renamed_and_noted_in_place(panel: Any, three_runs: Any) -> None:
    """The new name stands in list, line and comparison; the note is the run's description."""
    _write(panel, 1, "name", "wider")
    _write(panel, 1, "description", "twice the width")

    assert [(run.name, run.description) for run in three_runs.runs][1] == ("wider", "twice the width")
    assert panel.magic() == "%e2e compare wider --baseline a"
    assert (panel.runs.rows[1]["name"], panel.runs.rows[1]["note"]) == ("wider", "twice the width")
    [said] = [line for line in panel.sent[-1]["text/plain"].splitlines() if line.startswith("  wider: ")]
    assert "infer 2x slower" in said


def test_a_name_that_cannot_be_is_refused_in_words(panel: Any) -> None:
    """The list has the name from before, and the comparison stays."""
    _write(panel, 1, "name", "")

    assert "runs: expected a new name, such as baseline, got &#x27;&#x27;" in panel.line.value
    assert panel.runs.rows[1]["name"] == "b"
    assert panel.sent[-1]["text/plain"].startswith("compared with a:")


def test_runs_of_one_name_are_one_line_and_renamed_together(panel: Any, three_runs: Any) -> None:
    """As they are compared together; a run that was given the baseline's name joins it."""
    _write(panel, 2, "name", "a")

    assert [row["name"] for row in panel.runs.rows] == ["a", "b"]
    assert panel.magic() == "%e2e compare b --baseline a"
    _write(panel, 0, "name", "both")
    assert [run.name for run in three_runs.runs] == ["both", "b", "both"]


def test_the_list_has_the_colours_of_the_chart(panel: Any) -> None:
    """Of the runs that are compared, by their places."""
    panel.runs.chosen = {"baseline": 2, "ticked": [0]}

    assert list(panel.runs.colours) == ["2", "0"]
    assert len(set(panel.runs.colours.values())) == 2


def test_the_panel_starts_with_what_can_be_compared(session: Any, shell: Any) -> None:
    """Wrong words are an error of the line, as without the panel."""
    with pytest.raises(PlanError, match=r"^compare: two runs are needed, but no run has trials"):
        show(shell, session)
