"""`%e2e compare`, `influence` and `pareto` in a real shell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output

import e2e_magic as e2e
from e2e_magic.record import Record
from e2e_magic.storage import Store
from e2e_magic.views.comparison import RegressionError

START = datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.fixture
def two_runs(session: Any) -> Any:
    """Give a session with runs a and b; b takes twice as long, and both sweep a learning rate."""
    for k, name in enumerate(("a", "b")):
        run = session.start_run(name)
        for n in range(8):
            fields: dict[str, Any] = {"readings": {"wall_time_s": 2.0**k * (1 + n / 100)}}
            session.records.append(
                Record(
                    run.id,
                    "infer",
                    n + 1,
                    n + 1,
                    "complete",
                    START + timedelta(seconds=100 * k + n),
                    **fields,
                )
            )
            rate = [0.1, 0.01][n % 2]
            session.records.append(
                Record(
                    run.id,
                    "train",
                    n + 1,
                    n // 2 + 1,
                    "complete",
                    START + timedelta(seconds=100 * k + n),
                    sweep=f"s{k}",
                    params={"lr": rate},
                    reported={"accuracy": 0.9 - rate},
                    **fields,
                )
            )
    return session


def test_compare_is_the_value_of_its_line(two_runs: Any, shell: Any) -> None:  # noqa: ARG001
    """Its text says it in words."""
    made = shell.run_line_magic("e2e", "compare a b --stage infer --metric wall_time_s")

    assert repr(made) == (
        "compared with a:\n  b: infer 2x slower\n  wall_time_s: infer 2x slower (1.94 to 2.06)\n"
        "  measured one after the other: a drift of this machine would look the same; ab() tells them apart"
    )


def test_a_sweep_is_compared_by_the_values_of_a_parameter(shell: Any, session: Any) -> None:  # noqa: ARG001
    """A few values are measured in balanced blocks, and compared by the block; the first is the baseline."""
    swept = shell.run_cell(
        "%%e2esweep infer model=8,2 --repeat 8 -m cpu\nsum(n * n for n in range(model * 20_000))"
    ).result
    made = shell.run_line_magic("e2e", "compare --by model --metric cpu_time_s")

    assert made.frame.loc[0, ["stage", "baseline", "run", "n", "verdict"]].tolist() == [
        "infer", "8", "2", 8, "faster",
    ]  # fmt: skip
    assert "%e2e compare --by model compares them block by block" in repr(swept)
    assert made.order == [
        "measured in blocks and compared block by block: a drift of this machine is on every side"
    ]
    assert shell.run_line_magic("e2e", "compare --by model --baseline 2 --metric cpu_time_s").baseline == "2"


def test_the_guard_fails_the_cell(two_runs: Any, shell: Any) -> None:  # noqa: ARG001
    """As nbclient sees it: an error that is no UsageError; a pass gives the comparison."""
    with pytest.raises(
        RegressionError, match=r"^compare: worse than the baseline a by more than 10 %: infer: b"
    ):
        shell.run_line_magic("e2e", "compare --baseline a --stage infer --fail-over 10%")
    made = shell.run_line_magic("e2e", "compare --baseline b --stage infer --fail-over 10%")

    assert made.baseline == "b"
    ran = shell.run_cell("%e2e compare --baseline a --fail-over 10%\nafter = 1")
    assert isinstance(ran.error_in_exec, RegressionError)
    assert "after" not in shell.user_ns


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "compare --baseline a --fail-over 10",
            "fail_over: expected a share such as 10% or 0.1 (150% for more than all of it), got '10'",
        ),
        ("compare a bb", "compare: there is no run 'bb' (did you mean b?); there are a, b"),
        ("compare --panel --fail-over 1%", "compare: --panel shows, --fail-over guards: take one of them"),
        (
            "pareto accuracy",
            "%e2e pareto: the following arguments are required: Y. See %e2e pareto --help for all options",
        ),
        (
            "influence -y acuracy",
            "there is no metric 'acuracy' (did you mean accuracy?); "
            "there are wall_time_s, accuracy, best_accuracy, epochs",
        ),
    ],
)
def test_a_wrong_line_is_a_usage_error(two_runs: Any, shell: Any, line: str, said: str) -> None:  # noqa: ARG001
    """In one or two lines, with what is allowed."""
    with pytest.raises(UsageError) as caught:
        shell.run_line_magic("e2e", line)

    assert str(caught.value).startswith(said.removesuffix(", epochs"))


def test_influence_shows_a_chart_and_gives_the_table(two_runs: Any, shell: Any) -> None:  # noqa: ARG001
    """The sentence stands above the chart; the value is the frame."""
    with capture_output() as shown:
        found = shell.run_line_magic("e2e", "influence train -y accuracy")

    assert found["param"].tolist() == ["lr"]
    [chart] = shown.outputs
    assert chart.data["text/plain"] == (
        "train, spread of accuracy: lr explains 100 % (100 to 100 %, p = 0.002)"
    )
    assert "image/png" in chart.data["text/html"]


def test_pareto_shows_a_chart_and_gives_the_table(two_runs: Any, shell: Any) -> None:  # noqa: ARG001
    """Those that nothing beats stand first."""
    with capture_output() as shown:
        found = shell.run_line_magic("e2e", "pareto wall_time_s accuracy best_accuracy")

    assert found["unbeaten"].tolist() == [True, True] or found["unbeaten"].tolist() == [True, False]
    assert (
        shown.outputs[0]
        .data["text/plain"]
        .endswith("beaten by none (less wall_time_s, more accuracy, more best_accuracy)")
    )


@pytest.mark.parametrize("line", ["influence", "pareto loss accuracy"])
def test_without_a_sweep_it_says_how_to_make_one(session: Any, shell: Any, line: str) -> None:  # noqa: ARG001
    """An empty frame and a sentence."""
    with capture_output() as shown:
        found = shell.run_line_magic("e2e", line)

    assert len(found) == 0
    assert shown.outputs[0].data["text/plain"] == (
        "no trials of a sweep: %%e2esweep STAGE NAME=VALUES makes some"
    )


def test_curves_are_one_word(session: Any, shell: Any) -> None:  # noqa: ARG001
    """The picture of all runs, a sentence in a terminal, and the table of what each trial came to."""
    shell.run_cell("import e2e_magic as e2e", store_history=False)
    for name in ("before", "after"):
        shell.run_line_magic("e2e", f"run {name}")
        shell.run_cell_magic("e2ebench", "train -q", "for n in range(3): e2e.log(loss=1 / (n + 1))")
    with capture_output() as shown:
        made = shell.run_line_magic("e2e", "curves")
    with pytest.raises(UsageError) as caught:
        shell.run_line_magic("e2e", "curves -x seconds")

    [picture] = shown.outputs
    assert "data:image/png;base64," in picture.data["text/html"]
    assert picture.data["text/plain"] == "2 trials of 2 runs, each from its start"
    assert made[["run", "epochs", "best_loss"]].astype(object).to_numpy().tolist() == [
        ["before", 3, pytest.approx(1 / 3)],
        ["after", 3, pytest.approx(1 / 3)],
    ]
    assert str(caught.value) == (
        "x must be 'epoch' or 't_s', got 'seconds': take 'epoch' for a curve over epochs, "
        "'t_s' for one over seconds"
    )


def test_no_curves_yet(session: Any, shell: Any) -> None:  # noqa: ARG001
    """A sentence says how to get some."""
    with capture_output() as shown:
        made = shell.run_line_magic("e2e", "curves")

    assert len(made) == 0
    assert shown.outputs[-1].data["text/plain"] == (
        "no curves yet: call e2e.log(loss=.., accuracy=..) once per epoch in a measured cell"
    )


@pytest.mark.parametrize("line", ["curves", "influence train -y accuracy", "pareto loss accuracy"])
def test_the_store_is_read_once(shell: Any, tmp_path: Path, line: str) -> None:
    """Table and chart are made of the same records."""
    shell.run_line_magic("e2e", f"store {tmp_path}/kept.db")
    shell.run_cell("import e2e_magic as e2e", store_history=False)
    shell.run_cell_magic("e2esweep", "train lr=1,2,3 -q", "e2e.log(loss=lr, accuracy=1 / lr)")
    store = e2e.store()
    assert store is not None
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    sa.event.listen(store._engine, "before_cursor_execute", note)
    with capture_output() as shown:
        shell.run_line_magic("e2e", f"{line} --all")

    assert sum("e2e_trials.params" in statement for statement in statements) == 1
    assert "image/png" in shown.outputs[-1].data["text/html"]


@pytest.mark.parametrize(
    "line",
    ["curves --all", "influence --all", "pareto wall_time_s accuracy --all", "compare a b --all"],
)
def test_the_stores_trials_are_read_once(
    line: str, two_runs: Any, shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frame, chart and table come of one scan, whatever they show and whichever runs are named."""
    with Store(str(tmp_path / "e2ebench.db")) as store:
        store.append(list(two_runs.records), two_runs.runs_of())
    two_runs.set_store(tmp_path / "e2ebench.db")
    counted = []
    for name in ("iterate", "blocks"):
        scan = getattr(Store, name)
        monkeypatch.setattr(
            Store, name, lambda self, *a, _scan=scan, **k: counted.append((a, k)) or _scan(self, *a, **k)
        )
    with capture_output():
        shell.run_line_magic("e2e", line)

    assert len(counted) == 1
