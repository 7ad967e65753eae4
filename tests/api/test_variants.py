"""``ab``: functions in balanced order, compared block by block."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.session import Session
from e2e_magic.views.frames.interleaving import IN_BLOCKS


def slow() -> int:
    """Take some CPU time."""
    return sum(n * n for n in range(80_000))


def fast() -> int:
    """Take a quarter of it."""
    return sum(n * n for n in range(20_000))


def test_two_functions_are_compared_block_by_block(session: Session) -> None:
    """Each block has each once; the rows are there; the words are the contract's."""
    made = e2e.ab(slow, fast, repeat=8, metrics="cpu", metric="cpu_time_s", seed=1)

    [row] = made.frame.to_dict("records")
    assert (row["stage"], row["baseline"], row["run"], row["n"]) == ("ab", "slow", "fast", 8)
    assert row["verdict"] == "faster"
    assert row["ratio_low"] < row["ratio"] < row["ratio_high"] < 1
    assert made.order == [IN_BLOCKS]
    assert repr(made).startswith("compared with slow:\n  fast: ab ")
    variants = [record.params["variant"] for record in session.records]
    assert all(sorted(variants[n : n + 2]) == ["fast", "slow"] for n in range(0, 16, 2))
    assert variants != ["slow", "fast"] * 8
    assert e2e.results()["param_variant"].tolist() == variants
    assert made.plot("drift").get_ylabel() == "CPU time (ms)"
    again = e2e.compare(by="variant", metric="cpu_time_s")
    assert again.frame["ratio"].tolist() == [row["ratio"]]


def test_what_functions_return_counts(session: Session) -> None:  # noqa: ARG001
    """Losses and accuracies of three functions without names of their own."""
    losses = {
        name: iter([base + n / 100 for n in range(8)]) for name, base in (("a", 1.0), ("b", 2.0), ("c", 1.0))
    }
    made = e2e.ab(
        lambda: {"loss": next(losses["a"])},
        lambda: {"loss": next(losses["b"])},
        lambda: {"loss": next(losses["c"])},
        repeat=8, metrics="cpu", metric="loss",
    )  # fmt: skip

    assert made.frame["run"].tolist() == ["b", "c"]
    assert made.frame["verdict"].tolist() == ["more", "no difference seen"]


async def sleeps() -> None:
    """Wait a little."""
    await asyncio.sleep(0)


def test_async_functions_are_awaited(session: Session) -> None:
    """At once where no loop runs; on a loop that runs, awaited; beside one that is not async too."""
    made = e2e.ab(sleeps, fast, repeat=4, metrics="cpu", stage="one", names=["waits", "works"])

    async def within() -> Any:
        return await e2e.ab(sleeps, fast, repeat=4, metrics="cpu", stage="other")

    awaited = asyncio.run(within())
    assert (made.baseline, made.runs) == ("waits", ("works",))
    assert (awaited.baseline, awaited.runs) == ("sleeps", ("fast",))
    assert len(session.records) == 16


def test_an_error_comes_through_and_what_ran_is_kept(session: Session) -> None:
    """At the first failure."""

    def fails() -> None:
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"):
        e2e.ab(fast, fails, repeat=5, metrics="cpu")
    assert [record.state for record in session.records] == ["complete", "failed"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: e2e.ab(fast), "ab: expected two functions or more, such as ab(before, after), got 1"),
        (
            lambda: e2e.ab(fast, 3),
            "ab: expected functions without arguments, got 3; hand over lambda: f(x) instead of f(x)",
        ),
        (
            lambda: e2e.ab(fast, lambda x: x),
            "ab: <lambda>() can't be called without arguments (missing a required argument: 'x'); hand over "
            "lambda: f(..)",
        ),
        (lambda: e2e.ab(fast, slow, repat=3), "repat: ab() has no such option (did you mean repeat?)"),
        (lambda: e2e.ab(fast, slow, repeat=0), "repeat: expected a whole number of at least 1, got 0"),
        (
            lambda: e2e.ab(fast, slow, names=["x", "x"]),
            "names: expected 2 different names, one a function, got ['x', 'x']",
        ),
        (lambda: e2e.ab(fast, slow, stage=3), "stage: expected a label such as infer, got 3"),
        (
            lambda: e2e.compare(by="model"),
            "by: there is no parameter 'model' in these trials; no sweep has a trial yet",
        ),
        (lambda: e2e.compare(by=3), "by: expected the name of a parameter, such as model, got 3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_runs(session: Session, call: Any, said: str) -> None:
    """The parameter, what came, what is allowed."""
    with pytest.raises(e2e.PlanError) as caught:
        call()

    assert str(caught.value) == said
    assert session.records == []


def test_a_parameter_needs_two_values(session: Session) -> None:  # noqa: ARG001
    """And a baseline that is one of them."""
    e2e.sweep(lambda lr: lr, lr=[0.1], metrics="cpu", stage="t", quiet=True)
    with pytest.raises(e2e.PlanError, match=r"^by: two values of lr are needed, but only 0.1 was tried$"):
        e2e.compare(by="lr")
    with pytest.raises(e2e.PlanError, match=r"^by: there is no parameter 'rl' .*; swept were lr$"):
        e2e.compare(by="rl")
    e2e.sweep(lambda lr: lr, lr=[0.2], metrics="cpu", stage="t", quiet=True)
    with pytest.raises(e2e.PlanError, match=r"^baseline: lr has no value '0.3'.*; tried were 0.1, 0.2$"):
        e2e.compare(by="lr", baseline="0.3")
