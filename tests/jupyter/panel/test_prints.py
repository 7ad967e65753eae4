from __future__ import annotations

from e2e_magic.jupyter.panel.prints import MOST_TEXT, MOST_TRIALS, Printed, TrialLog
from e2e_magic.sweeping.schedule import Turn


def turn(number: int) -> Turn:
    """Make a turn that has begun."""
    return Turn(number, {"x": number}, 1, 0, trial=number)


def texts(log: TrialLog) -> list[str]:
    """Return the texts of what is new."""
    return [output.get("text", "") for _, outputs in log.take_new() for output in outputs]


class TestLog:
    def test_each_trial_has_its_outputs(self) -> None:
        """Each trial has its heading; what is printed in pieces is one text; nothing new is nothing."""
        log = TrialLog()
        log.add(turn(1), "streams", [("stdout", "a\n")])
        log.add(turn(2), "streams", [("stdout", "b"), ("stdout", "c\n"), ("stderr", "d\n")])

        assert texts(log) == ["▸ trial 1: x=1\n", "a\n", "▸ trial 2: x=2\n", "bc\n", "d\n"]
        assert log.take_new() == []

        log.add(turn(1), "streams", [("stdout", "e\n")])

        assert texts(log) == ["▸ trial 1: x=1\n", "a\ne\n"]

    def test_what_was_handed_over_does_not_change(self) -> None:
        """The widget compares what it is given with what it has."""
        log = TrialLog()
        log.add(turn(1), "streams", [("stdout", "a")])
        [(_, first)] = log.take_new()
        log.add(turn(1), "streams", [("stdout", "b")])
        [(_, second)] = log.take_new()

        assert first[1]["text"] == "a"
        assert second[1]["text"] == "ab"

    def test_an_error_is_an_output(self) -> None:
        """As a notebook's cell has it: its class, its words, the lines of its traceback."""
        log = TrialLog()
        log.add(turn(1), "error", (ValueError("no"), ["line 1", "ValueError: no"]))
        [(_, outputs)] = log.take_new()

        assert outputs[1:] == (
            {
                "output_type": "error",
                "ename": "ValueError",
                "evalue": "no",
                "traceback": ["line 1", "ValueError: no"],
            },
        )

    def test_it_stays_small(self) -> None:
        """A trial that prints without end, and many trials, cost a bounded amount."""
        log = TrialLog()
        for n in range(1, 40):
            log.add(turn(n), "streams", [("stdout", "x" * (MOST_TEXT + n))])
            for _ in range(30):
                log.add(turn(n), "display", ({"text/plain": "y"}, {}))
        trials = log.take_new()
        outputs = [output for _, outputs in trials for output in outputs]

        assert [place for place, _ in trials] == list(range(40 - MOST_TRIALS, 40))
        assert len(outputs) <= MOST_TRIALS * 22
        assert all(len(output.get("text", "")) <= MOST_TEXT + 10 for output in outputs)
        assert trials[-1][1][0]["text"] == "▸ trial 39: x=39\n"


class TestPrinted:
    def test_the_newest_trial_is_on_top(self) -> None:
        """One output a trial, the newest first; that of a trial that says nothing isn't touched."""
        log, printed = TrialLog(), Printed()
        log.add(turn(1), "streams", [("stdout", "a")])
        log.add(turn(2), "streams", [("stdout", "b")])
        printed.show(log)
        first, second = printed._box.children
        before = first.outputs
        log.add(turn(2), "display", ({"image/png": ""}, {}))
        printed.show(log)

        assert int(second.layout.order) < int(first.layout.order)
        assert first.outputs is before
        assert [output["output_type"] for output in second.outputs] == ["stream", "stream", "display_data"]
        assert printed.widget.layout.display is None
        assert printed._box.layout.max_height == "340px"

    def test_it_never_has_more_outputs_than_trials_are_kept(self) -> None:
        """Those of the oldest trials are used again; a new sweep empties all."""
        log, printed = TrialLog(), Printed()
        for n in range(1, 3 * MOST_TRIALS):
            log.add(turn(n), "streams", [("stdout", "a")])
            printed.show(log)

        assert len(printed._box.children) == MOST_TRIALS

        log.clear()
        printed.show(log)

        assert all(output.outputs == () for output in printed._box.children)
        assert printed.widget.layout.display == "none"
