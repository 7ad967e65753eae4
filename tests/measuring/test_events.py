"""`log` from inside measured code."""

from __future__ import annotations

import asyncio
import math
import threading
from typing import Any

import numpy as np
import pytest

from e2e_magic.measuring import events
from e2e_magic.measuring.events import EventLog, log


class Clock:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def test_outside_a_trial_log_does_nothing() -> None:
    """No trial, no effect: not even for values that are no numbers."""
    log(loss=object())

    assert events.active() is None


def test_rows_are_stamped_on_the_trials_clock() -> None:
    """Seconds count from the opening; epochs are counted when left out."""
    clock = Clock()
    target = EventLog(clock)
    target.open()
    clock.ns = 1_500_000_000
    log(loss=0.5)
    clock.ns = 2_000_000_000
    log(loss=0.25, accuracy=0.9)
    rows = target.close()

    assert list(rows.t_s) == [1.5, 2.0]
    assert list(rows.epoch) == [1.0, 2.0]
    assert list(rows.values["loss"]) == [0.5, 0.25]
    assert math.isnan(rows.values["accuracy"][0])
    assert rows.values["accuracy"][1] == 0.9


def test_keys_keep_the_order_of_their_first_coming() -> None:
    """The frame's columns follow it, the same in each process."""
    target = EventLog()
    target.open()
    log(zeta=1, loss=1, alpha=1)
    log(loss=1, beta=1)

    assert list(target.close().values) == ["zeta", "loss", "alpha", "beta"]


def test_a_given_epoch_is_kept() -> None:
    """The user's own count wins."""
    target = EventLog()
    target.open()
    log(epoch=10, loss=1)
    log(epoch=20, loss=2)

    assert list(target.close().epoch) == [10.0, 20.0]


class _Tensor:
    """Like TensorFlow's: no `item`, but `numpy`."""

    def numpy(self) -> Any:
        return np.float32(0.75)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.array(3), 3.0),
        (np.array([4.0]), 4.0),
        (_Tensor(), 0.75),
    ],
)
def test_scalars_are_taken_as_they_are(value: object, number: float) -> None:
    """Scalars of numpy, torch, TensorFlow and JAX need no unpacking."""
    assert events.number(value) == number


def test_what_is_no_number_is_said_and_the_rest_kept() -> None:
    """One sentence per key, naming what came."""
    target = EventLog()
    target.open()
    log(loss=[1, 2], accuracy=0.5)
    rows = target.close()

    assert list(rows.values) == ["accuracy"]
    [(key, sentence)] = target.problems.items()
    assert key == "loss"
    assert sentence.startswith("log(loss=..): expected one number, got a list of 2 items (")
    assert sentence.endswith("); pass a single value, such as float(loss) or loss.mean()")


class _Mute:
    """Neither a number nor able to say what it is."""

    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class _Unknown(_Mute):
    """As a symbolic tensor of unknown rank, whose shape refuses to be gone through."""

    class Shape:
        def __iter__(self) -> Any:
            raise ValueError("Cannot iterate over a shape with unknown rank.")

        def __str__(self) -> str:
            return "<unknown>"

    shape = Shape()


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (_Mute(), "a _Mute (no number)"),
        (_Unknown(), "_Unknown of shape <unknown> (no number)"),
        (
            np.zeros((2, 3)),
            "ndarray of shape (2, 3) (can only convert an array of size 1 to a Python scalar)",
        ),
    ],
)
def test_nothing_that_is_logged_raises_into_the_training(value: object, came: str) -> None:
    """What can't even be described costs its key, no more."""
    target = EventLog()
    target.open()
    log(loss=value, accuracy=0.5)

    assert list(target.close().values) == ["accuracy"]
    assert target.problems["loss"] == (
        f"log(loss=..): expected one number, got {came}; "
        "pass a single value, such as float(loss) or loss.mean()"
    )


def test_the_innermost_trial_gets_the_row() -> None:
    """A measured function inside a measured cell logs to its own trial."""
    outer, inner = EventLog(), EventLog()
    outer.open()
    inner.open()
    log(loss=1)
    inner.close()
    log(loss=2)

    assert list(outer.close().values["loss"]) == [2.0]


def test_threads_log_to_the_open_trial() -> None:
    """A thread that a framework starts has a fresh context and still finds the trial; none is lost."""
    target = EventLog()
    target.open()
    threads = [threading.Thread(target=lambda: [log(loss=n) for n in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(target.close()) == 2000


def test_concurrent_tasks_log_to_their_own_trials() -> None:
    """Two measured coroutines that take turns don't mix."""

    async def task(value: float) -> list[float]:
        target = EventLog()
        target.open()
        for _ in range(3):
            await asyncio.sleep(0)
            log(loss=value)
        return list(target.close().values["loss"])

    async def both() -> list[list[float]]:
        return await asyncio.gather(task(1), task(2))

    assert asyncio.run(both()) == [[1.0] * 3, [2.0] * 3]


def test_a_very_long_log_is_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; what was dropped is counted; the curve stays evenly spread."""
    monkeypatch.setattr(events, "MAX_ROWS", 1000)
    target = EventLog()
    target.open()
    for n in range(10_000):
        log(step=n)
    rows = target.close()

    assert 500 <= len(rows) <= 1000
    assert rows.dropped == 10_000 - len(rows)
    gaps = np.diff(np.array(rows.values["step"]))
    assert gaps.min() == gaps.max()
    assert target.problems == {
        "log": f"log: of 10,000 calls {rows.dropped:,} were dropped evenly, as a trial keeps 1,000 at most: "
        "best values and times to accuracy are those of the rest; log once per epoch, not per batch"
    }


def test_entries_are_counted() -> None:
    """`count` adds up on the running trial and nowhere else."""
    events.count(5)
    target = EventLog()
    target.open()
    events.count(3)
    events.count(4)
    target.close()

    assert target.entries == 7


@pytest.mark.parametrize("text", ["3", b"3", np.array("3"), np.str_("3"), np.array(["3"]), ["3"]])
def test_text_is_no_number(text: object) -> None:
    """In whatever holds it: ``float("3")`` would guess."""
    with pytest.raises(TypeError, match=r"^text is no number$"):
        events.number(text)
