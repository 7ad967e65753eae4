"""`measure` in scripts: as a context manager and as a decorator."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import e2e_magic as e2e


def test_a_block_is_a_row(session: Any) -> None:
    """The handle has the frame when the block has ended."""
    with e2e.measure("prepare", metrics="cpu,memory") as trial:
        sum(range(10_000))

    assert trial.frame["stage"].tolist() == ["prepare"]
    assert trial.frame["state"].tolist() == ["complete"]
    assert trial.frame["wall_time_s"].item() > 0
    assert trial.frame["read_mib"].isna().all()  # io was not asked for: missing, not 0
    assert len(session.records) == 1


def test_an_error_in_a_block_comes_through_and_leaves_a_row(session: Any) -> None:
    """What was measured so far is kept."""
    with pytest.raises(ZeroDivisionError), e2e.measure("broken"):
        1 / 0  # noqa: B018

    [row] = session.records
    assert (row.state, row.error) == ("failed", "ZeroDivisionError: division by zero")
    assert row.readings["wall_time_s"] > 0


def test_a_block_reports_what_it_gains(session: Any) -> None:  # noqa: ARG001
    """A block has no value to return, so it says."""
    with e2e.measure("train", target_accuracy=0.5) as trial:
        trial.report(num_entries=10, loss=[2.0, 1.0], accuracy=[0.4, 0.6])

    row = trial.frame.iloc[0]
    assert (row["entries"], row["loss"], row["best_accuracy"], row["epochs_to_accuracy"]) == (10, 1.0, 0.6, 2)
    with pytest.raises(
        RuntimeError, match=r"^report\(\.\.\) belongs inside the `with measure\(\.\.\)` block$"
    ):
        trial.report(loss=1)


def test_a_report_of_something_unknown_is_said(
    session: Any,  # noqa: ARG001
    recwarn: pytest.WarningsRecorder,
) -> None:
    """With the nearest word; all else that was reported is kept, and the block goes on."""
    with e2e.measure("train") as trial:
        trial.report(los=3, accuracy=0.5)

    assert [str(warning.message) for warning in recwarn] == [
        "train: los: is nothing that can be reported (did you mean loss?); known are loss, accuracy, "
        "num_entries, confusion_matrix, confusion matrix, classes, TP, TN, FP, FN, 0_class, 1_class, recall, "
        "precision, f1_score, entries, target_accuracy, confusion, y_true, y_pred"
    ]
    assert recwarn[0].filename == __file__  # the user's own line
    assert trial.frame["accuracy"].item() == 0.5


def test_what_is_wrong_is_warned_of_at_the_users_line(session: Any) -> None:  # noqa: ARG001
    """A decorated function shows no card: a contradiction is a warning too, and names the user's line."""

    @e2e.measure("validate")
    def validate() -> dict[str, Any]:
        return {"TP": 8, "FN": 2, "recall": 0.5, "loss": "low"}

    with pytest.warns(e2e.MeasurementWarning) as caught:
        validate()

    assert [str(warning.message) for warning in caught] == [
        "validate: loss: expected a number, or one number per epoch, got 'low'",
        "validate: recall = 0.5 contradicts TP = 8, FN = 2, from which recall = 0.8 follows "
        "(a difference up to 0.005 is taken for rounding)",
    ]
    assert {warning.filename for warning in caught} == {__file__}


def test_a_function_keeps_its_name_and_value(session: Any) -> None:
    """The decorator changes nothing for the caller; an option may be a function of the value."""

    @e2e.measure("train", entries=len, repeat=3, warmup=1)
    def double(numbers: list[int]) -> list[int]:
        """Double them."""
        calls.append(1)
        return [2 * n for n in numbers]

    calls: list[int] = []

    assert double([1, 2]) == [2, 4]
    assert (double.__name__, double.__doc__) == ("double", "Double them.")
    assert len(calls) == 4
    assert [r.repeat for r in session.records] == [1, 2, 3]
    assert [r.reported["entries"] for r in session.records] == [2, 2, 2]


def test_the_returned_dict_counts(session: Any) -> None:  # noqa: ARG001
    """The keys of the contract are read from what a function returns."""

    @e2e.measure("train")
    def train() -> dict[str, Any]:
        return {"loss": [3.0, 1.5], "accuracy": 0.9, "num_entries": 100}

    train()
    row = e2e.results(stage="train").iloc[0]

    assert (row["loss"], row["best_loss"], row["accuracy"], row["entries"]) == (1.5, 1.5, 0.9, 100)
    assert row["throughput_per_s"] == pytest.approx(100 / row["wall_time_s"])
    assert row["latency_s"] == pytest.approx(row["wall_time_s"] / 100)


def test_coroutines_and_generators_are_measured(session: Any) -> None:
    """`async def`, generators and async generators behave as they do without the decorator."""

    @e2e.measure("coroutine")
    async def wait() -> int:
        await asyncio.sleep(0.01)
        return 5

    @e2e.measure("generator")
    def numbers() -> Iterator[int]:
        yield 1
        yield 2

    @e2e.measure("async generator")
    async def anumbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def collect() -> list[int]:
        return [n async for n in anumbers()]

    assert asyncio.run(wait()) == 5
    assert list(numbers()) == [1, 2]
    assert asyncio.run(collect()) == [1, 2]
    assert [r.stage for r in session.records] == ["coroutine", "generator", "async generator"]
    assert session.records[0].readings["wall_time_s"] >= 0.01


def test_a_generator_that_is_left_early_is_complete(session: Any) -> None:
    """A consumer that has had enough is no failure."""

    @e2e.measure("generator")
    def numbers() -> Iterator[int]:
        yield 1
        yield 2

    for _ in numbers():
        break
    import gc

    gc.collect()

    assert [r.state for r in session.records] == ["complete"]


def test_what_runs_once_cannot_repeat() -> None:
    """Said in a sentence, with what to do."""
    with pytest.raises(e2e.PlanError) as caught, e2e.measure("x", repeat=2):
        pass

    assert str(caught.value) == (
        "repeat, warmup, number: a block and a generator run once and can't be repeated; "
        "put the code into a function and decorate that"
    )


def test_a_closed_generator_has_no_error(session: Any) -> None:
    """A consumer that has had enough is no failure."""

    @e2e.measure("numbers")
    def numbers() -> Any:
        yield 1
        yield 2

    running = numbers()
    next(running)
    running.close()

    assert [(record.state, record.error) for record in session.records] == [("complete", None)]


def test_a_decorator_without_its_brackets_says_what_to_write() -> None:
    """`@measure` alone would take the function for the label."""
    with pytest.raises(e2e.PlanError) as caught:

        @e2e.measure  # type: ignore[arg-type]
        def fit() -> None: ...

    assert str(caught.value) == (
        'stage: expected a label such as train, got a function; write @measure("fit")'
    )


def test_a_misspelt_option_names_the_nearest() -> None:
    """Among all options, not only those that are evaluated."""
    with pytest.raises(
        e2e.PlanError, match=r"^reapet: no such option \(did you mean repeat\?\); allowed are "
    ):
        e2e.measure("x", reapet=3)


def test_log_lands_in_the_epochs_frame(session: Any) -> None:  # noqa: ARG001
    """Also after an error in the middle of training."""
    with pytest.raises(ValueError, match="diverged"), e2e.measure("train"):  # noqa: PT012 - it logs first
        e2e.log(loss=2.0)
        e2e.log(loss=1.0)
        raise ValueError("diverged")

    assert e2e.epochs()["loss"].tolist() == [2.0, 1.0]
    assert e2e.epochs()["epoch"].tolist() == [1, 2]


def test_threads_that_measure_at_once_share_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the very first trial on: one session, one run, every number once."""
    from e2e_magic import session
    from e2e_magic.measuring import environment

    both = threading.Barrier(2)

    def meet() -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.3)  # two that are in here at once meet; one alone goes on after a while
            both.reset()

    class Slow(session.Session):
        def __init__(self) -> None:
            meet()
            super().__init__()

    def capture(notebook: str = "") -> Any:
        meet()
        return known(notebook)

    known = environment.capture
    monkeypatch.setattr(environment, "capture", capture)
    monkeypatch.setattr(session, "Session", Slow)
    monkeypatch.setattr(session, "_session", None)

    def work() -> None:
        with e2e.measure("work", metrics=()):
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(session.current().runs) == 1
    assert sorted(record.trial for record in session.current().records) == [1, 2, 3, 4]


def test_a_plain_script_starts_no_ipython(tmp_path: Any) -> None:
    """Measuring loads neither IPython nor widgets, nor pandas before a frame is asked for."""
    script = textwrap.dedent(
        """
        import sys
        import e2e_magic as e2e
        with e2e.measure("work") as trial:
            sum(range(1000))
        heavy = {"IPython", "ipywidgets", "pandas", "matplotlib", "seaborn", "sklearn", "sqlalchemy", "torch"}
        print(sorted(heavy & set(sys.modules)))
        print(e2e.results()["stage"].tolist())
        print(e2e.export("out.csv").name)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=True
    )

    assert done.stdout.splitlines() == ["[]", "['work']", "out.csv"]
    assert (tmp_path / "out.csv").read_text().count("\n") == 2
