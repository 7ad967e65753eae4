from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import e2e_magic as e2e
from e2e_magic.api.sweeps import open_sweep
from e2e_magic.measuring.cell import Cell
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.record import Record
from e2e_magic.session import Session
from e2e_magic.sweeping.jobs import CellJob, FunctionJob, lent
from e2e_magic.sweeping.plan import SweepPlan
from e2e_magic.sweeping.schedule import Progress, Turn, key_of
from e2e_magic.sweeping.space import Space
from e2e_magic.sweeping.sweep import Sweep


def cell_job(source: str, namespace: dict[str, Any]) -> CellJob:
    """Return a cell as a job."""
    return CellJob(Cell.of(source), source, source, namespace)


def opened(
    session: Session,
    job: Any,
    space: dict[str, Any],
    *,
    stage: str = "train",
    callbacks: dict[str, Any] | None = None,
    plan: dict[str, Any] | None = None,
    **settings: Any,
) -> Sweep:
    """Return a sweep of the session, not yet run."""
    made = Plan(stage=stage, metrics="cpu", **(plan or {}))
    return open_sweep(
        session, SweepPlan(plan=made, space=Space.of(space), **settings), job, **(callbacks or {})
    )


def test_a_sweep_runs_each_combination_and_keeps_it(session: Session) -> None:
    """Every combination is a row with its parameters, numbered in order, of one sweep, in the session."""
    namespace: dict[str, Any] = {}
    sweep = opened(
        session, cell_job("seen = (lr, b)\n{'loss': lr * b}", namespace), {"lr": [0.1, 0.2], "b": [1, 2]}
    )
    records = list(sweep.run())

    assert session.records == records == sweep.records
    assert [record.trial for record in records] == [1, 2, 3, 4]
    assert [tuple(r.params.values()) for r in records] == [(0.1, 1), (0.1, 2), (0.2, 1), (0.2, 2)]
    assert {sweep.id} == {record.sweep for record in records}
    assert {"complete"} == {record.state for record in records}
    assert {False} == {record.concurrent for record in records}
    assert namespace.keys() - {"__builtins__"} == {"seen"}
    assert (
        sweep.progress.done, sweep.progress.failed, sweep.progress.running, sweep.progress.left
    ) == (4, 0, 0, 0)  # fmt: skip
    assert sweep.progress.best is records[0]
    assert (sweep.progress.target, sweep.progress.best_value) == ("loss", 0.1)


def test_trial_numbers_go_on_over_sweeps(session: Session) -> None:
    """Trials are numbered across the stage's sweeps."""
    job = FunctionJob(lambda x: {"loss": x})
    for _ in range(2):
        list(opened(session, job, {"x": [1, 2]}).run())

    assert [record.trial for record in session.records] == [1, 2, 3, 4]
    assert len({record.sweep for record in session.records}) == 2


@pytest.mark.parametrize(
    ("order", "called", "rows"),
    [
        ("sequential", [1, 1, 1, 2, 2, 2], [(1, 1), (1, 2), (2, 1), (2, 2)]),
        (None, [1, 1, 2, 2, 2, 1], [(1, 1), (2, 1), (2, 2), (1, 2)]),
    ],
)
def test_repeats_and_warmups_are_per_combination(
    session: Session, order: str | None, called: list[int], rows: list[tuple[int, int]]
) -> None:
    """Each combination is warmed up before its first trial; by default in blocks."""
    calls: list[int] = []

    def counted(x: int) -> None:
        calls.append(x)

    plan = {"repeat": 2, "warmup": 1}
    sweep = opened(session, FunctionJob(counted), {"x": [1, 2]}, plan=plan, order=order)
    records = list(sweep.run())

    assert calls == called
    assert [(r.params["x"], r.repeat) for r in records] == rows


@pytest.mark.parametrize("order", ["shuffle", "balanced"])
def test_mixed_repeats_resume_where_they_stopped(session: Session, order: str) -> None:
    """A sweep that stopped in a block goes on with what is left: each combination ends with its repeats."""
    job, space = FunctionJob(lambda x: x), {"x": [1, 2, 3]}
    how: dict[str, Any] = {"plan": {"repeat": 4}, "order": order}
    stopping = opened(session, job, space, callbacks={"stop": lambda: len(stopping.records) == 5}, **how)
    first = list(stopping.run())
    rest = list(opened(session, job, space, resume=True, **how).run())

    assert (len(first), len(rest)) == (5, 7)
    assert sorted((r.params["x"], r.repeat) for r in first + rest) == [
        (x, n) for x in (1, 2, 3) for n in (1, 2, 3, 4)
    ]


def test_the_same_parameters_twice_are_repeats(session: Session) -> None:
    """A value that stands twice on an axis counts on as a repeat."""
    records = list(opened(session, FunctionJob(lambda x: x), {"x": [1, 1]}).run())

    assert [record.repeat for record in records] == [1, 2]


def test_failed_trials_leave_a_row_and_the_sweep_goes_on(session: Session) -> None:
    """An error or exit costs its own trial."""

    def work(x: int) -> Any:
        if x == 1:
            raise ValueError("no")
        if x == 2:
            raise SystemExit(3)
        return {"loss": x}

    sweep = opened(session, FunctionJob(work), {"x": [0, 1, 2, 3]})
    records = list(sweep.run())

    assert [record.state for record in records] == ["complete", "failed", "failed", "complete"]
    assert [record.error for record in records] == [None, "ValueError: no", "SystemExit: 3", None]
    assert sweep.progress.failed == 2


def test_fail_fast_raises_the_users_error(session: Session) -> None:
    """With fail-fast the first failed trial ends the sweep with its own error; its row is kept."""
    error = ValueError("no")

    def work(x: int) -> None:
        if x == 2:
            raise error

    with pytest.raises(ValueError, match="no") as caught:
        list(opened(session, FunctionJob(work), {"x": [1, 2, 3]}, fail_fast=True).run())

    assert error is caught.value
    assert [record.state for record in session.records] == ["complete", "failed"]


def test_an_interrupt_ends_the_sweep_and_keeps_the_rows(session: Session) -> None:
    """KeyboardInterrupt goes on to the caller; the rows so far and the interrupted one stay."""

    def work(x: int) -> None:
        if x == 2:
            raise KeyboardInterrupt

    sweep = opened(session, FunctionJob(work), {"x": [1, 2, 3]})
    with pytest.raises(KeyboardInterrupt):
        list(sweep.run())

    assert [record.state for record in session.records] == ["complete", "interrupted"]
    assert sweep.progress.running == 0


def test_a_failing_warmup_costs_its_trial(session: Session) -> None:
    """A combination whose warm-up fails has one failed row, and the next one runs."""

    def work(x: int) -> None:
        if x == 1:
            raise ValueError("cold")

    records = list(opened(session, FunctionJob(work), {"x": [1, 2]}, plan={"warmup": 1}).run())

    assert [(r.state, r.params["x"]) for r in records] == [("failed", 1), ("complete", 2)]


def test_stop_is_asked_between_trials(session: Session) -> None:
    """`stop` ends the sweep after the trial that runs."""
    sweep = opened(
        session,
        FunctionJob(lambda x: x),
        {"x": [1, 2, 3, 4]},
        callbacks={"stop": lambda: len(session.records) >= 2},
    )
    list(sweep.run())

    assert len(session.records) == 2
    assert (sweep.ended, sweep.progress.left) == ("it was stopped", 2)


def test_the_budget_starts_no_further_trial(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the budget's seconds nothing new starts."""
    now = itertools.count()
    monkeypatch.setattr(Progress, "elapsed_s", property(lambda _: float(next(now))))
    sweep = opened(session, FunctionJob(lambda x: x), {"x": range(50)}, budget=5)
    list(sweep.run())

    assert 1 <= len(session.records) <= 5
    assert sweep.ended == "the budget of 5 s is used up"


def test_the_same_error_over_and_over_ends_a_sweep(session: Session) -> None:
    """After N trials that failed alike nothing new starts; other errors and what works count apart."""

    def work(x: int) -> dict[str, float]:
        if x % 2:
            raise ValueError("no such column")
        if x == 2:
            raise ValueError("another")
        return {"loss": 1.0}

    sweep = opened(session, FunctionJob(work), {"x": list(range(20))}, fail_after=3)
    records = list(sweep.run())

    assert [record.params["x"] for record in records] == [0, 1, 2, 3, 4, 5]
    assert [record.state for record in records].count("failed") == 4
    assert sweep.ended == "3 trials failed with the same error (ValueError: no such column)"


@pytest.mark.parametrize("wrong", [0, 1.5, "two"])
def test_a_wrong_number_of_failures_is_said(session: Session, wrong: Any) -> None:
    """Before the first trial."""
    with pytest.raises(PlanError) as caught:
        opened(session, FunctionJob(lambda x: x), {"x": [1]}, fail_after=wrong)

    assert str(caught.value) == f"fail_after: expected a whole number of at least 1, got {wrong!r}"


def test_callbacks_follow_the_sweep(session: Session) -> None:
    """A panel hears of each start and each record, in order."""
    heard: list[tuple[str, Any]] = []
    callbacks: dict[str, Callable[..., None]] = {
        "on_start": lambda turn: heard.append(("start", turn.label)),
        "on_record": lambda turn, record: heard.append(("record", (turn.trial, record.state))),
    }
    list(opened(session, FunctionJob(lambda x: x), {"x": [1, 2]}, callbacks=callbacks).run())

    assert heard == [
        ("start", "trial 1: x=1"),
        ("record", (1, "complete")),
        ("start", "trial 2: x=2"),
        ("record", (2, "complete")),
    ]


def test_a_seed_makes_a_sweep_reproducible(session: Session) -> None:
    """With a seed each trial draws the same again; each trial draws other numbers."""

    def work(x: int) -> dict[str, float]:
        # numpy's legacy generator: the one that a seed reaches.
        return {"loss": random.random() + float(np.random.random()) + 0 * x}  # noqa: NPY002

    job = FunctionJob(work)

    def losses(seed: int | None) -> list[float]:
        return [r.reported["loss"] for r in opened(session, job, {"x": [1, 2, 3]}, seed=seed).run()]

    first = losses(7)

    assert losses(7) == first
    assert losses(8) != first
    assert len(set(first)) == 3


def test_a_resumed_sweep_runs_what_is_missing(session: Session) -> None:
    """What is complete with this stage, code and parameters is left out; failed trials run again."""
    broken = {2}

    def work(x: Any) -> Any:
        if x in broken:
            raise ValueError("no")
        return {"loss": 1.0}

    job = FunctionJob(work)
    space = {"x": [1, 2, (3, 4)]}
    list(opened(session, job, space).run())
    broken.clear()
    resumed = opened(session, job, {"x": [1, 2, (3, 4), 5]}, resume=True)
    again = list(resumed.run())

    assert [record.params["x"] for record in again] == [2, 5]
    assert (resumed.progress.skipped, resumed.progress.done, resumed.progress.left) == (2, 2, 0)
    assert list(opened(session, FunctionJob(work), {"x": [1, 2]}, resume=True).run()) == []
    assert len(list(opened(session, job, {"x": [1]}, resume=True, stage="other").run())) == 1


def test_resume_counts_repeats(session: Session) -> None:
    """Of three repeats that one more asks for, the two that are there are left out."""
    job = FunctionJob(lambda x: x)
    list(opened(session, job, {"x": [1, 2]}, plan={"repeat": 2}).run())
    more = list(opened(session, job, {"x": [1, 2]}, plan={"repeat": 3}, resume=True).run())

    assert sorted((r.params["x"], r.repeat) for r in more) == [(1, 3), (2, 3)]


@settings(deadline=None, max_examples=30)
@given(
    before=st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=4),
    swept=st.lists(st.sampled_from("abcd"), min_size=1, unique=True),
    body=st.sampled_from(["pass", "a = 5", "del globals()['a']", "1 / 0", "b = a"]),
    error=st.sampled_from([None, ValueError, KeyboardInterrupt, SystemExit]),
)
def test_the_users_variables_come_back(
    before: dict[str, int], swept: list[str], body: str, error: type[BaseException] | None
) -> None:
    """What stood under the parameters' names stands there afterwards, and nothing else, whatever happens."""
    namespace: dict[str, Any] = dict(before)
    params = dict.fromkeys(swept, 99)
    try:
        with lent(namespace, params):
            assert params.items() <= namespace.items()
            exec(body, namespace)
            _raise(error)
    except (Exception, KeyboardInterrupt, SystemExit):  # noqa: BLE001 - as the sweep does
        pass

    for name in swept:
        assert (name in before) == (name in namespace)
        assert before.get(name) == namespace.get(name)


@settings(deadline=None, max_examples=25)
@given(
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    repeat=st.integers(1, 2),
    stop=st.integers(0, 12),
    fails=st.sets(st.integers(0, 12)),
)
def test_interrupted_and_resumed_no_trial_is_lost_or_done_twice(
    counts: list[int], repeat: int, stop: int, fails: set[int]
) -> None:
    """Whatever fails or stops it: resumed, each combination is complete as often as asked."""
    session = Session()
    session.set_store(":memory:")
    calls = itertools.count()
    job = FunctionJob(_failing(calls, fails))
    space = {f"p{n}": list(range(count)) for n, count in enumerate(counts)}
    size = len(list(Space.of(space).grid()))
    for attempt in range(3):
        sweep = opened(
            session,
            job,
            space,
            plan={"repeat": repeat},
            resume=True,
            callbacks={"stop": lambda n=attempt: n == 0 and len(session.records) >= stop},
        )
        list(sweep.run())
        if attempt:
            fails.clear()

    complete = [record for record in session.records if record.state == "complete"]
    assert len(complete) == size * repeat
    assert {repeat} == {
        sum(key_of(r.params) == key for r in complete) for key in map(key_of, Space.of(space).grid())
    }


def _raise(error: type[BaseException] | None) -> None:
    if error is not None:
        raise error


def _failing(calls: Any, fails: set[int]) -> Callable[..., Any]:
    def work(**_: Any) -> None:
        if next(calls) in fails:
            raise ValueError("now")

    return work


def test_tpe_is_told_what_came_out(session: Session) -> None:
    """Tpe walks towards the best, of the metric that the sweep is about."""
    job = FunctionJob(lambda x: {"accuracy": 1 - (x - 0.7) ** 2})
    from e2e_magic.sweeping.space import uniform

    sweep = opened(session, job, {"x": uniform(0, 1)}, search="tpe", trials=30, seed=1, target="accuracy")
    records = list(sweep.run())
    late = [abs(record.params["x"] - 0.7) for record in records[-10:]]

    assert sum(late) / 10 < 0.15
    assert sweep.progress.best is not None
    assert abs(sweep.progress.best.params["x"] - 0.7) < 0.05


def test_awaiting_code_runs_on_the_loop(session: Session) -> None:
    """A cell that awaits runs with run_async; run says so."""
    import asyncio

    source = "import asyncio\nawait asyncio.sleep(0)\n{'loss': x}"

    async def drive() -> list[Record]:
        sweep = opened(session, cell_job(source, {}), {"x": [1, 2]})
        return [record async for record in sweep.run_async()]

    assert [record.reported["loss"] for record in asyncio.run(drive())] == [1, 2]
    with pytest.raises(PlanError) as caught:
        list(opened(session, cell_job(source, {}), {"x": [1]}).run())
    assert str(caught.value) == (
        "engine: code that awaits at its top level runs here on the kernel's own event loop; "
        "use run_async(), or engine local:1"
    )


def test_any_logged_name_is_a_target(session: Session) -> None:
    """By its last value, in the direction that its name says; it has a column in the trials."""

    def train(x: int) -> None:
        e2e.log(val_f1=0.9, loss=x)
        e2e.log(val_f1=x / 10, loss=x)

    sweep = opened(session, FunctionJob(train), {"x": [1, 3, 2]}, target="val_f1")
    list(sweep.run())
    ranked = session.frame("trials")

    assert sweep.progress.best_value == 0.3
    assert ranked["val_f1"].tolist() == [0.3, 0.2, 0.1]
    assert (ranked.attrs["metric"], ranked.attrs["maximize"]) == ("val_f1", True)


def test_validation_ranks_before_training(session: Session) -> None:
    """Where nothing was said: the least loss of training is the least fitted to others."""
    job = FunctionJob(lambda x: e2e.log(loss=x, val_loss=-x))
    sweep = opened(session, job, {"x": [1, 3, 2]})
    list(sweep.run())

    assert (sweep.progress.target, sweep.progress.best_value) == ("val_loss", -3)
    assert session.frame("trials")["param_x"].tolist() == [3, 2, 1]


def test_an_unknown_target_is_said(session: Session) -> None:
    """A mistyped metric is an error before the first trial."""
    with pytest.raises(PlanError) as caught:
        opened(session, FunctionJob(lambda x: x), {"x": [1]}, target="los")

    assert str(caught.value) == (
        "target: there is no metric 'los' (did you mean loss?); %e2e metrics lists them"
    )


def test_turns_say_who_they_are() -> None:
    """A label has the trial's number and its parameters, short."""
    turn = Turn(1, {"lr": 0.1, "layers": tuple(range(50))}, 1, 0, trial=3)

    assert turn.label == "trial 3: lr=0.1, layers=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11..."
