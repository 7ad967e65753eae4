from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.measuring.options import OPTIONS, Way, taken_by
from e2e_magic.measuring.plan import PlanError
from e2e_magic.session import Session
from e2e_magic.storage import WHOLE_STORE
from e2e_magic.sweeping.options import SWEEP_OPTIONS
from e2e_magic.sweeping.space import uniform


def train(lr: float, batch_size: int = 16, epochs: int = 2) -> dict[str, Any]:
    """Pretend to train; too high a rate diverges."""
    if lr > 1:
        raise ValueError("diverged")
    return {"loss": [lr * batch_size / n for n in range(1, epochs + 1)], "num_entries": 100}


def test_a_function_is_swept(session: Session) -> None:
    """A row per combination; a scalar is fixed for all of them, and a parameter too."""
    result = e2e.sweep(train, lr=[0.2, 0.1], batch_size=(16, 32), epochs=5, metrics="cpu")
    frame = result.frame

    assert frame["stage"].tolist() == ["train"] * 4
    assert list(zip(frame["param_lr"], frame["param_batch_size"], strict=True)) == [
        (0.2, 16),
        (0.2, 32),
        (0.1, 16),
        (0.1, 32),
    ]
    assert frame["param_epochs"].tolist() == [5] * 4
    assert result.best == {"lr": 0.1, "batch_size": 16, "epochs": 5}
    assert pytest.approx(result.trials["loss"].tolist()) == [0.32, 0.64, 0.64, 1.28]
    assert pytest.approx(e2e.trials()["loss"].tolist()) == [0.32, 0.64, 0.64, 1.28]
    assert len(result.epochs) == 20
    assert {result.id} == set(frame["sweep"])
    assert len(session.records) == 4


def test_the_summary_has_medians_and_spread(session: Session) -> None:  # noqa: ARG001
    """Repeats of a combination are one row: the median, how far they spread, how many failed."""
    losses = iter([1.0, 2.0, 4.0, 5.0, 5.0, 5.0])

    def work(x: int) -> dict[str, float]:
        if x == 3:
            raise ValueError("no")
        return {"loss": next(losses)}

    summary = e2e.sweep(work, x=[1, 2, 3], repeat=3, metrics="cpu", order="sequential").summary

    assert summary["param_x"].tolist() == [1, 2, 3]
    assert summary["repeats"].tolist() == [3, 3, 0]
    assert summary["failed"].tolist() == [0, 0, 3]
    assert summary["loss"].tolist()[:2] == [2.0, 5.0]
    assert summary["loss_mad"].tolist()[:2] == [1.0, 0.0]
    assert summary["loss"].isna().tolist() == [False, False, True]
    assert summary.attrs["units"]["wall_time_s"] == "s"


def test_the_result_shows_itself(session: Session, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    """Text and HTML: the best, a table best first, a chart; failures are said when they come."""
    result = e2e.sweep(train, lr=[0.2, 2.0, 0.1], metrics="cpu")
    text, page = repr(result), result._repr_html_() or ""
    lines = text.splitlines()

    assert lines[0] == "train: 3 of 3 trials (1 failed); best loss 0.8 at lr=0.1"
    assert lines[1].split() == ["lr", "failed", "loss", "wall_time_s"]
    assert [line.split()[0] for line in lines[2:]] == ["0.1", "0.2", "2"]
    assert "data:image/png;base64," in page
    assert "best loss 0.8 at lr=0.1" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert capsys.readouterr().err == "e2e_magic: trial 2: lr=2 failed: ValueError: diverged\n"


def test_a_quiet_sweep_says_nothing(session: Session, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    """With quiet there is one line, and nothing on the way."""
    result = e2e.sweep(train, lr=[0.2, 2.0], quiet=True, metrics="cpu")

    assert repr(result) == "train: 2 of 2 trials (1 failed); best loss 1.6 at lr=0.2"
    assert result._repr_html_() is None
    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.parametrize(
    "axes", [{"lr": [0.1, 0.2]}, {"lr": [0.1, 0.2], "batch_size": [1, 2], "epochs": [1, 3]}]
)
def test_the_result_is_drawn(session: Session, axes: dict[str, Any]) -> None:  # noqa: ARG001
    """`plot` draws the target over the parameters, whichever number there is of them."""
    result = e2e.sweep(train, metrics="cpu", **axes)
    drawn = result.plot()

    assert "data:image/png" in drawn._repr_html_()  # type: ignore[attr-defined]
    assert "wall" in result.plot(x="lr", y="wall_time_s").get_ylabel()


def exec_function(argument: str) -> Any:
    """Return ``work(lr, argument)``."""
    space: dict[str, Any] = {}
    exec(f"def work(lr, {argument}):\n    return {{}}", space)
    return space["work"]


@pytest.mark.parametrize(
    ("function", "space", "sentence"),
    [
        (
            train,
            {"lr": [1], "engin": "local:2"},
            "engin: there is no such option (did you mean engine?), and train() has no such argument; "
            "it takes lr, batch_size, epochs",
        ),
        (train, {"rate": [1]}, "rate: train() has no such argument; it takes lr, batch_size, epochs"),
        (
            train,
            {"lr": [1], "batchsize": [1]},
            "batchsize: train() has no such argument (did you mean batch_size?); "
            "it takes lr, batch_size, epochs",
        ),
        (
            train,
            {"batch_size": [1]},
            "lr: train() needs this argument; give it a value, such as sweep(train, lr=[..])",
        ),
        (
            exec_function("stage"),
            {"lr": [1], "stage": "a"},
            "stage: work() needs this argument; give it a value, such as sweep(work, "
            'parameters={"stage": [..]})',
        ),
        (
            exec_function("loss='mse'"),
            {"lr": [1], "loss": "mae"},
            "loss: as an option it can't be 'mae'; for the argument loss of work() write "
            "parameters={\"loss\": 'mae'}",
        ),
        (
            train,
            {"lr": [1], "parameters": [1, 2]},
            'parameters: expected a mapping such as {"loss": ["mse", "mae"]}, got a list of 2 items',
        ),
        (5, {"x": [1]}, "sweep: expected a function with the parameters as arguments, got 5"),
        (lambda: 1, {}, "parameters: a sweep needs at least one, NAME=VALUES such as lr=0.1,0.01"),
    ],
)
def test_a_wrong_call_is_said_before_the_first_trial(
    session: Session, function: Any, space: dict[str, Any], sentence: str
) -> None:
    """A function without the argument, a missing one, no parameter at all."""
    with pytest.raises(PlanError) as caught:
        e2e.sweep(function, **space)

    assert str(caught.value) == sentence
    assert not session.records


def test_functions_that_take_anything(session: Session) -> None:
    """Keyword arguments, partials, builtins and callable objects can be swept."""
    from functools import partial

    class Trainer:
        def __call__(self, x: int) -> dict[str, float]:
            return {"loss": float(x)}

    for function in (lambda **params: params["x"], partial(train, epochs=1), Trainer()):
        name = "lr" if isinstance(function, partial) else "x"
        e2e.sweep(function, metrics="cpu", quiet=True, **{name: [1]})

    assert {"complete"} == {record.state for record in session.records}


def test_seed_is_a_parameter_or_an_option(session: Session) -> None:  # noqa: ARG001
    """A list of seeds is a parameter, a number seeds the sweep."""

    def work(seed: int) -> dict[str, float]:
        return {"loss": float(seed)}

    assert e2e.sweep(work, seed=[3, 4], metrics="cpu").frame["param_seed"].tolist() == [3, 4]
    assert len(e2e.sweep(train, lr=[0.1], seed=3, metrics="cpu").frame) == 1


@pytest.mark.parametrize("name", sorted({*taken_by(Way.SWEEP, OPTIONS + SWEEP_OPTIONS), "function"}))
def test_an_argument_that_is_needed_is_a_parameter(session: Session, name: str) -> None:  # noqa: ARG001
    """Whatever its name: without it the function can't be called."""
    result = e2e.sweep(exec_function(name), lr=[0.1], **{name: [1, 2]})  # type: ignore[arg-type]

    assert result.frame[f"param_{name}"].tolist() == [1, 2]


def test_what_an_option_does_not_take_is_the_argument(session: Session) -> None:  # noqa: ARG001
    """With a default of the argument too; a value that it takes is the option's."""
    work = exec_function("loss='mse', metrics=None")

    swept = e2e.sweep(work, lr=[0.1], loss=["mse", "mae"], metrics="cpu", quiet=True)
    curve = e2e.sweep(work, lr=[0.1], loss=[0.5, 0.25], metrics="cpu", quiet=True)

    assert swept.frame["param_loss"].tolist() == ["mse", "mae"]
    assert curve.frame["loss"].tolist() == [0.25]
    assert "param_loss" not in curve.frame


@pytest.mark.parametrize("call", [{}, {"lr": [1]}, {"function": None, "lr": [1]}])
def test_the_function_comes_first(call: dict[str, Any]) -> None:
    """By its name it is taken too; without one there is a sentence."""
    with pytest.raises(PlanError) as caught:
        e2e.sweep(**call)

    assert str(caught.value) == (
        "sweep: expected a function first, such as sweep(train, lr=[0.1, 0.01]), got none"
    )


def test_the_function_by_its_name(session: Session) -> None:  # noqa: ARG001
    """As it was taken before."""
    assert len(e2e.sweep(function=train, lr=[0.1], quiet=True, metrics="cpu").frame) == 1


def test_a_failed_trial_has_nothing_of_the_model_before_it(session: Session) -> None:  # noqa: ARG001
    """Neither in the trials nor among the confusions; its options are not evaluated."""

    def fit(c: int) -> dict[str, float]:
        if c < 0:
            raise ValueError("c")
        return {"accuracy": 0.5}

    result = e2e.sweep(fit, c=[1, -1], entries=lambda _: 5, y_true=[0, 1], y_pred=[0, 1], quiet=True)

    assert result.frame["state"].tolist() == ["complete", "failed"]
    assert result.frame[["accuracy", "entries", "f1"]].isna().all(axis=1).tolist() == [False, True]
    assert set(e2e.confusions()["trial"]) == {1}


def test_parameters_whose_names_are_options(session: Session) -> None:  # noqa: ARG001
    """Zipped parameters, and names that options have, go into `parameters`."""

    def work(loss: str, lr: float, width: int) -> dict[str, float]:
        return {"loss": lr * width * len(loss)}

    result = e2e.sweep(
        work, parameters={"loss": ["l1", "mae"], "lr, width": [(0.1, 1), (0.2, 5)]}, metrics="cpu"
    )

    assert len(result.frame) == 4
    assert result.best == {"loss": "l1", "lr": 0.1, "width": 1}


def test_options_are_functions_of_the_value(session: Session) -> None:  # noqa: ARG001
    """entries, loss and accuracy may be functions of what was returned, as for `measure`."""
    result = e2e.sweep(lambda x: [x] * 4, stage="infer", x=[1, 2], entries=len, accuracy=lambda v: v[0] / 10)

    assert result.frame["entries"].tolist() == [4, 4]
    assert result.best == {"x": 2}  # more accuracy is better
    assert result.progress.target == "accuracy"


def test_a_target_that_no_trial_has_is_said(session: Session) -> None:  # noqa: ARG001
    """Any logged name is a target; one that nothing logs ranks nothing."""

    def fit(lr: float) -> None:
        e2e.log(val_loss=lr, f1=lr)

    result = e2e.sweep(fit, lr=[0.1, 0.2], target="mape")
    sentence = "target: no trial has mape, so that none is the best; logged: val_loss, f1"

    assert result.best is None
    assert sentence in repr(result)
    assert sentence in (result._repr_html_() or "")
    assert "no trial has" not in repr(e2e.sweep(fit, lr=[0.1, 0.2], target="f1"))


@pytest.mark.parametrize("engine", ["kernel", "local:1"])
def test_single_calls_of_each_combination_are_timed(session: Session, engine: str) -> None:  # noqa: ARG001
    """Every option of `measure` is one of `sweep`; calls are timed after the last repeat."""

    def fit(lr: float) -> dict[str, float]:
        return {"loss": lr}

    options: dict[str, Any] = {"engine": engine, "metrics": "cpu", "repeat": 2, "latency_duration": 0.01}
    called = e2e.sweep(fit, lr=[0.1], latency=lambda: None, **options).frame
    served = e2e.sweep(fit, lr=[0.1], latency=lambda returned: returned["loss"], **options).frame

    assert called["latency_p50_s"].notna().tolist() == [False, True]
    assert served["latency_p50_s"].notna().tolist() == [False, True]


def test_a_wrong_single_call_is_said_before_the_first_trial(session: Session) -> None:
    """As for `measure`."""
    with pytest.raises(PlanError) as caught:
        e2e.sweep(train, lr=[0.1], latency=train(0.1))

    assert (
        str(caught.value)
        == "latency: expected a function that makes one call, got {'loss': [1.6, 0.8], 'num_entries': 100}"
    )
    assert not session.records


def test_random_search_of_a_function(session: Session) -> None:  # noqa: ARG001
    """A distribution is walked by random search, as often as asked."""
    result = e2e.sweep(train, lr=uniform(0.1, 0.9), search="random", trials=7, metrics="cpu")

    assert len(result.frame) == 7
    assert result.frame["param_lr"].between(0.1, 0.9).all()


def test_async_functions_are_refused_in_one_sentence(session: Session) -> None:
    """A coroutine function needs a loop, which sweep() can't wait for."""

    async def work(x: int) -> int:
        return x

    with pytest.raises(PlanError) as caught:
        e2e.sweep(work, x=[1])

    assert str(caught.value) == (
        "sweep: work() is async, and sweep() can't wait for it here; hand over "
        'lambda **params: asyncio.run(function(**params)), or use engine="local:1"'
    )
    assert not session.records


def test_a_resumed_result_shows_all(session: Session) -> None:
    """After a resumed sweep the result has the earlier trials too."""
    e2e.sweep(train, lr=[0.1, 0.2], metrics="cpu", quiet=True)
    result = e2e.sweep(train, lr=[0.1, 0.2, 0.3], metrics="cpu", resume=True)

    assert result.frame["param_lr"].tolist() == [0.1, 0.2, 0.3]
    assert len(session.records) == 3
    assert repr(result).startswith("train: 3 of 3 trials (2 complete before); best loss 0.8 at lr=0.1")


@pytest.mark.parametrize("engine", ["kernel", "local:1"])
def test_trials_are_ranked_by_the_sweeps_target(session: Session, tmp_path: Path, engine: str) -> None:
    """Also by e2e.trials(), and in another session that reads the store."""
    session.set_store(tmp_path / "kept.db")

    def fit(lr: float) -> dict[str, float]:
        return {"loss": lr, "accuracy": lr / 2, "num_entries": 10}

    e2e.sweep(fit, lr=[0.1, 0.3, 0.2], target="accuracy", metrics="cpu", engine=engine, quiet=True)
    ranked = e2e.trials()

    assert ranked["accuracy"].tolist() == [0.15, 0.1, 0.05]
    assert ranked.attrs["metric"] == "accuracy"
    session.close()
    other = Session()
    other.set_store(tmp_path / "kept.db")
    assert other.frame("trials", WHOLE_STORE)["accuracy"].tolist() == [0.15, 0.1, 0.05]
    other.close()
    e2e.sweep(fit, lr=[0.1, 0.3], maximize=True, stage="other", metrics="cpu", engine=engine, quiet=True)
    assert e2e.trials(stage="other")["loss"].tolist() == [0.3, 0.1]


@pytest.mark.parametrize(
    "space",
    [
        {"batch_size": [2**n for n in range(1, 11)]},  # BatchSizeInfluence
        {"batch_size": [16, 32], "epochs": [1, 2, 4]},  # BatchAndEpochInfluence, the Mult form
        {"lr": [10.0**-n for n in range(1, 6)]},  # LearningRate
    ],
)
def test_the_seeds_sweeps_are_one_line_each(session: Session, space: dict[str, Any]) -> None:  # noqa: ARG001
    """Batch sizes, batch size x epochs and learning rates, with losses per epoch and time to accuracy."""

    def fit(batch_size: int = 8, epochs: int = 3, lr: float = 0.1) -> dict[str, Any]:
        for epoch in range(epochs):
            e2e.log(loss=lr / (epoch + 1), accuracy=1 - batch_size / 2**12 / (epoch + 1))
        return {"num_entries": epochs * 100}

    result = e2e.sweep(fit, stage="train", target_accuracy=0.5, metrics="cpu", **space)
    frame = result.frame

    assert len(frame) == len(result.summary)
    assert frame["time_to_accuracy_s"].notna().all()
    assert len(result.epochs) == frame["epochs"].sum()
    assert result.plot() is not None


def test_a_worker_that_dies_in_a_script_is_said(session: Session, tmp_path: Path) -> None:  # noqa: ARG001
    """A script is warned as a notebook is: which trial it was, and that it is tried once more."""

    def ends_once(x: int, flag: str) -> dict[str, int]:
        if x == 2 and not Path(flag).exists():
            os.close(os.open(flag, os.O_CREAT))
            os._exit(1)
        return {"loss": x}

    with pytest.warns(e2e.MeasurementWarning) as caught:
        result = e2e.sweep(ends_once, x=[1, 2], flag=str(tmp_path / "ended"), engine="local:1", quiet=True)

    assert sorted(result.frame["state"]) == ["complete", "complete", "failed"]
    [sentence] = [str(each.message) for each in caught]
    assert sentence.startswith("trial 2: x=2")
    assert sentence.endswith("it is tried once more. The row says failed, and the sweep goes on")
