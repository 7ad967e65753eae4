"""Which runs are meant: names that several have, ids, this kernel's and the store's."""

from __future__ import annotations

from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from IPython.utils.capture import capture_output

import e2e_magic as e2e
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Events, Record, Run
from e2e_magic.session import Session
from e2e_magic.storage import Store
from e2e_magic.views.comparison import RegressionError

NOW = datetime.now(UTC)
FIRST = Run("aaa111", "candidate", NOW - timedelta(days=2))
SECOND = Run("bbb222", "candidate", NOW - timedelta(days=1))
RELEASE = Run("ccc333", "release", NOW - timedelta(days=3))


def trials(run: Run, wall: float, count: int = 6, **fields: Any) -> list[Record]:
    """Make trials of about this wall time."""
    given: dict[str, Any] = {"stage": "train", "state": "complete", **fields}
    return [
        Record(
            run=run.id,
            trial=n,
            repeat=n,
            started_at=run.started_at + timedelta(seconds=n),
            readings={"wall_time_s": wall * (1 + n / 1000)},
            **given,
        )
        for n in range(1, count + 1)
    ]


@pytest.fixture
def stored(session: Session, tmp_path: Path) -> Session:
    """Give a session whose store holds two runs of one name and a release."""
    path = tmp_path / "e2ebench.db"
    with Store(str(path)) as store:
        for run, wall in ((FIRST, 1.0), (SECOND, 2.0), (RELEASE, 1.0)):
            store.append(trials(run, wall), [run])
    session.set_store(path)
    return session


def test_runs_of_one_name_are_taken_together_and_said(stored: Session) -> None:
    """Whoever pools is told so, with the ids that tell them apart."""
    del stored
    made = e2e.compare("release", "candidate", metric="wall_time_s")

    assert made.frame["n"].tolist() == [12]
    assert made.notes == ("2 runs are named candidate and are taken together: aaa111, bbb222",)
    assert repr(made).endswith("\n  2 runs are named candidate and are taken together: aaa111, bbb222")


def test_ids_tell_runs_of_one_name_apart(stored: Session) -> None:
    """Each stands alone, and its name says which it is; what has a name of its own keeps that."""
    del stored
    made = e2e.compare("aaa111", "bbb222", "ccc333", metric="wall_time_s")

    assert made.baseline == "candidate (aaa111)"
    assert made.runs == ("candidate (bbb222)", "release")
    assert made.frame["verdict"].tolist() == ["slower", "no difference seen"]
    assert made.notes == ()


def test_a_run_without_a_trial_is_said(session: Session) -> None:
    """It is there, by name and by id, but there is nothing to compare yet."""
    session.adopt([FIRST], trials(FIRST, 1.0))
    started = session.start_run("next one")

    for name in ("next one", started.id):
        with pytest.raises(PlanError) as caught:
            e2e.compare("candidate", name)
        assert str(caught.value) == (f"compare: the run {name} has no trial yet; measure a cell in it first")


def test_where_all_runs_share_one_name_each_stands_alone(session: Session) -> None:
    """Measured again under the same name: nothing named, there is still something to compare."""
    for run, wall in ((FIRST, 1.0), (SECOND, 2.0)):
        session.adopt([run], trials(run, wall))
    made = e2e.compare(metric="wall_time_s")

    assert (made.baseline, made.runs) == ("candidate (aaa111)", ("candidate (bbb222)",))
    assert made.frame["verdict"].tolist() == ["slower"]
    assert made.notes == ()


def test_a_guard_judges_this_kernels_run_only(stored: Session) -> None:
    """Older runs of its name, that were fast, don't hide that it is slow now."""
    now = stored.start_run("candidate")
    stored.records += trials(replace(now, started_at=NOW), 3.0)

    with pytest.raises(RegressionError, match="candidate is 3x slower in wall_time_s"):
        e2e.compare(baseline="release", fail_over="10%", metric="wall_time_s")
    with pytest.raises(RegressionError, match="candidate is 3x slower in wall_time_s"):
        e2e.compare("candidate", baseline="release", fail_over="10%", metric="wall_time_s")
    everything = e2e.compare("release", "candidate", metric="wall_time_s", all=True)
    earlier = e2e.compare("candidate", baseline="bbb222", metric="wall_time_s")

    assert everything.frame["n"].tolist() == [18]
    assert earlier.baseline == "candidate (bbb222)"
    assert earlier.frame["n"].tolist() == [6]


def test_what_failed_is_left_out_and_said(session: Session) -> None:
    """Three of a run's trials came to no end: the reader knows why there are fewer."""
    for name, states in (("a", ["complete"]), ("b", ["complete", "failed", "interrupted"])):
        run = session.start_run(name)
        for k, state in enumerate(states):
            made = trials(run, 1.0, 6 if state == "complete" else k, state=state)
            session.records += [replace(record, trial=10 * k + record.trial) for record in made]

    found = e2e.compare("a", "b")

    assert found.frame["n"].tolist() == [6]
    assert found.notes == ("trials that did not complete are left out: 1 failed of b, 2 interrupted of b",)


@pytest.fixture
def swept(stored: Session) -> Session:
    """Give a session whose store, and nothing else, has a sweep."""
    run = Run("ddd444", "swept", NOW - timedelta(hours=2))
    made = [
        replace(record, sweep="s", params={"lr": rate}, reported={"accuracy": 0.9 - rate})
        for rate, record in zip((0.1, 0.2, 0.3, 0.1, 0.2, 0.3), trials(run, 1.0), strict=True)
    ]
    assert stored.store is not None
    stored.store.append(made, [run])
    return stored


@pytest.mark.parametrize(
    "where", [{"all": True}, {"run": "swept"}, {"run": "ddd444"}, {"since": "3h", "all": True}]
)
@pytest.mark.filterwarnings("ignore:run '.*' is not of this kernel")
def test_sweeps_of_the_store_are_explained(swept: Session, where: dict[str, Any]) -> None:
    """By influence and pareto alike; without a word about the store only this kernel's count."""
    del swept
    explained = e2e.influence(y="accuracy", **where)
    settled = e2e.pareto("wall_time_s", "accuracy", **where)

    assert explained["param"].tolist() == ["lr"]
    assert explained["share"].tolist() == [pytest.approx(1.0)]
    assert settled["param_lr"].tolist()[0] == 0.1
    assert len(e2e.influence()) == len(e2e.pareto("wall_time_s", "accuracy")) == 0
    assert len(e2e.influence(run="release")) == 0


@pytest.mark.parametrize("words", ["--all", "--run swept", "--since 3h --all", "train --all"])
def test_sweeps_of_the_store_are_shown(swept: Session, shell: Any, words: str) -> None:
    """As a line says it, with the chart."""
    del swept
    with capture_output() as shown:
        explained = shell.run_line_magic("e2e", f"influence -y accuracy {words}")
        settled = shell.run_line_magic(
            "e2e", f"pareto wall_time_s accuracy {words.replace('train', '--stage train')}"
        )

    assert explained["param"].tolist() == ["lr"]
    assert len(settled) == 3
    charts = [output for output in shown.outputs if "text/html" in output.data]
    assert [output.data["text/plain"] for output in charts] == [
        "train, spread of accuracy: lr explains 100 %, but 6 trials are too few to tell it from chance "
        "(p = 0.053)",
        settled.attrs["summary"],
    ]
    assert all("image/png" in output.data["text/html"] for output in charts)
    notices = [output.data["text/plain"] for output in shown.outputs if "text/html" not in output.data]
    there = "run 'swept' is not of this kernel: it is read from the store "
    assert [text.startswith(there) for text in notices] == [True] * 2 * ("--run" in words)


@pytest.fixture
def learned(session: Session) -> Session:
    """Give a session whose runs fast and slow log three epochs each, a target of 0.8 among them."""
    for name, scale in (("fast", 1.0), ("slow", 2.0)):
        run = session.start_run(name)
        events = Events(
            array("d", [scale, 2 * scale, 3 * scale]),
            array("d", [1, 2, 3]),
            {"loss": array("d", [3, 2, scale]), "accuracy": array("d", [0.5, 0.9, 0.7])},
        )
        [record] = trials(run, 3 * scale, 1, events=events, reported={"target_accuracy": 0.8})
        session.records.append(record)
    return session


def drawn(ax: Any) -> dict[str, list[float]]:
    """Give the x of each curve with points, by its name in the legend."""
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    return {
        name.partition(":")[0]: list(map(float, line.get_xdata()))
        for name, line in zip(names, lines, strict=False)
    }


def test_curves_of_runs_lie_over_each_other(learned: Session) -> None:  # noqa: ARG001
    """Loss and accuracy, a panel each, from a common zero; where the trials' own target was reached."""
    loss, accuracy = e2e.curves(x="t_s")
    [over_epochs] = e2e.curves("slow", "fast", y="loss")

    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    assert drawn(loss) == {"fast": [1, 2, 3], "slow": [2, 4, 6]}
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == [
        "fast: target reached at 2 s", "slow: target reached at 4 s", "target 0.8",
    ]  # fmt: skip
    assert drawn(over_epochs) == {"slow": [1, 2, 3], "fast": [1, 2, 3]}
    assert list(drawn(over_epochs)) == ["slow", "fast"]


def test_a_target_is_the_accuracys_unless_something_is_named(learned: Session) -> None:  # noqa: ARG001
    """0.6 of the accuracy says nothing about the loss."""
    loss, accuracy = e2e.curves(target=0.6)
    [named] = e2e.curves(y="loss", target=2.5)

    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["fast", "slow"]
    assert accuracy.get_legend().get_texts()[-1].get_text() == "target 0.6"
    assert named.get_legend().get_texts()[0].get_text() == "fast: target reached at epoch 2"


def test_curves_show_themselves(learned: Session) -> None:  # noqa: ARG001
    """As the last value of a cell, both panels are one picture."""
    assert e2e.curves()._repr_html_().startswith("<img")


def test_curves_of_one_name_stay_apart(learned: Session) -> None:
    """Two runs of one name, each with a trial 1, are two curves: drawn alone and in a comparison."""
    again = learned.start_run("fast")
    first = learned.records[0]
    learned.records.append(replace(first, run=again.id))
    [ax] = e2e.curves("fast", y="loss")
    compared = e2e.compare("slow", "fast")

    assert sorted(drawn(ax)) == sorted(f"fast ({run})" for run in (first.run, again.id))
    assert all(x == [1, 2, 3] for x in drawn(ax).values())
    assert compared.epochs.groupby(["run", "trial"], observed=True).size().tolist() == [3, 3, 3]


def test_nothing_logged_is_said_in_the_chart(session: Session) -> None:  # noqa: ARG001
    """No error: there is only nothing to draw."""
    [ax] = e2e.curves()

    assert ax.texts[0].get_text().startswith("no loss:")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"y": "los"}, "logged name 'los' (did you mean loss?); there are loss, accuracy"),
        ({"runs": ["fats"]}, "run 'fats' (did you mean fast?); there are fast, slow"),
        ({"stage": "trian"}, "stage with curves 'trian' (did you mean train?); there are train"),
    ],
)
def test_what_is_not_there_is_said(learned: Session, asked: dict[str, Any], sentence: str) -> None:  # noqa: ARG001
    """With the nearest word."""
    with pytest.raises(e2e.PlanError) as caught:
        e2e.curves(*asked.pop("runs", ()), **asked)

    assert str(caught.value) == f"curves: there is no {sentence}"


def test_curves_of_the_store(stored: Session) -> None:
    """A run that only the store has is looked up there, with what it logged."""
    events = Events(array("d", [1, 2, 3]), array("d", [1, 2, 3]), {"loss": array("d", [3, 2, 1])})
    other = Run("ddd444", "older", NOW - timedelta(days=4))
    stored.store.append(trials(other, 1.0, 1, events=events), [other])  # type: ignore[union-attr]
    [ax] = e2e.curves("older", y="loss")

    assert ax.lines[0].get_ydata().tolist() == [3, 2, 1]
