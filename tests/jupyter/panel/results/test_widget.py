from __future__ import annotations

import struct
from array import array
from datetime import UTC, datetime
from typing import Any

import pytest

from e2e_magic.jupyter.panel.ledger import Ledger
from e2e_magic.jupyter.panel.results.columns import MOST_POINTS, logged, plain, thinned
from e2e_magic.jupyter.panel.results.widget import MOST_ROWS, Results
from e2e_magic.record import Events, Record
from e2e_magic.sweeping.schedule import Goal, Turn
from e2e_magic.sweeping.space import Space

AXES = Space.parse(["n=[1, 2, 3]", "act=['relu', 'tanh']"]).axes


def trial(number: int, loss: list[float], **changes: Any) -> Record:
    """Make a trial that logged this loss."""
    steps = array("d", range(1, len(loss) + 1))
    given: dict[str, Any] = {
        "state": "complete",
        "params": {"n": number, "act": "relu"},
        "events": Events(steps, steps, {"loss": array("d", loss)}),
        **changes,
    }
    return Record("run", "train", number, 1, given.pop("state"), datetime.now(UTC), **given)


class Sent(Results):
    """A widget that keeps what it sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        super().__init__("e2e-sweep-x", "train", lambda entry: f"printed {entry.record.trial}")

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append((content, buffers or []))


def test_what_is_new_is_sent_as_columns() -> None:
    """Each trial is sent once, with its curve; the page is told what it is about, in words."""
    made, ledger = Sent(), Ledger(Goal(None, None, {}))
    made.show(ledger, AXES, 6)

    assert made.sent == []
    assert made.about["finding"] == ""

    ledger.goal.name = "loss"
    ledger.add(trial(1, [3.0, 2.0]))
    made.show(ledger, AXES, 6)
    ledger.add(trial(2, [9.0], state="failed", error="ValueError: no", params={"n": 2, "act": print}))
    made.show(ledger, AXES, 6)
    (first, [points]), (second, _) = made.sent

    assert (first["start"], second["start"]) == (0, 1)
    assert first["sweep"] == second["sweep"]
    assert first["columns"] == {"trial": [1], "state": ["complete"], "loss": [2.0], "n": [1], "act": ["relu"]}
    assert struct.unpack("4f", points) == (1, 3, 2, 2)
    assert first["lengths"] == [2]
    assert second["errors"] == {0: "ValueError: no"}
    assert second["columns"]["act"] == ["<built-in function print>"]
    assert made.about["finding"].startswith("train: 2 of 6 trials, 1 failed; best loss 2")
    assert made.about["target"] == made.about["curve"] == "loss"
    assert made.about["axes"] == {
        "n": {"log": False, "values": [1, 2, 3]},
        "act": {"log": False, "values": ["relu", "tanh"]},
    }

    made.show(ledger, AXES, 6)

    assert len(made.sent) == 2


def test_a_page_that_comes_later_asks_for_all() -> None:
    """After a reload the page asks from the first row, and for one trial; what it can't know is no error."""
    made, ledger = Sent(), Ledger(Goal("loss", None, {}))
    made._asked(made, {"want": 0}, [])
    for number in range(1, MOST_ROWS + 3):
        ledger.add(trial(number, [1.0 / number, float("nan")]))
    made.show(ledger, AXES, 2000)
    pushed, made.sent = made.sent, []
    made._asked(made, {"want": 0}, [])

    assert [message["start"] for message, _ in pushed] == [0, MOST_ROWS]
    assert made.sent == pushed

    made.sent = []
    for row in (1, -1, MOST_ROWS + 2):
        made._asked(made, {"detail": row}, [])

    assert [message for message, _ in made.sent] == [
        {
            "kind": "detail",
            "row": 1,
            "error": "",
            "epoch": [1.0, 2.0],
            "curves": {"loss": [0.5, None]},
            "prints": "printed 2",
        }
    ]


def test_another_sweep_begins_anew() -> None:
    """Another ledger, and a metric that nobody had before, replace what the page holds."""
    made, ledger = Sent(), Ledger(Goal("loss", None, {}))
    ledger.add(trial(1, [1.0]))
    made.show(ledger, AXES, 2)
    ledger.add(trial(2, [1.0], readings={"wall_time_s": 2.0}))
    made.show(ledger, AXES, 2)
    other = Ledger(Goal("loss", None, {}))
    other.add(trial(1, [1.0]))
    made.show(other, AXES, 2)

    assert [(m["sweep"], m["start"], len(m["lengths"])) for m, _ in made.sent] == [
        (1, 0, 1),
        (2, 0, 2),
        (3, 0, 1),
    ]


def test_the_curve_of_the_running_trial() -> None:
    """It is shown under the name that all curves have, until the trial has ended."""
    made = Sent()
    turn = Turn(3, {"n": 3}, 1, 0, trial=3)
    curve = Events(array("d", [0.1]), array("d", [1]), {"cost": array("d", [4.0])})
    made.running(turn, logged(curve))
    made.running(None)

    assert made.about["curve"] == "cost"
    assert [message for message, _ in made.sent] == [
        {"kind": "running", "trial": 3, "label": "trial 3: n=3", "epoch": [1.0], "curves": {"cost": [4.0]}},
        {"kind": "running", "trial": 0},
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, "True"), (3, 3), (2**60, str(2**60)), (0.5, 0.5), (float("inf"), None), (None, None), ("a", "a")],
)
def test_values_of_columns(value: object, expected: object) -> None:
    """Numbers stay numbers where JavaScript holds them; all else is text."""
    assert plain(value) == expected


def test_long_logs_are_thinned() -> None:
    """The first and the last stay."""
    kept = thinned(range(10_000), MOST_POINTS)

    assert len(kept) == len(set(kept)) == MOST_POINTS
    assert (kept[0], kept[-1]) == (0, 9999)
    assert thinned([4, 5], 2) == [4, 5]
