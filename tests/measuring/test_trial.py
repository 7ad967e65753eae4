"""One trial under its collectors: exact on a fake clock, and unharmed by what fails."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

import e2e_magic as e2e
from e2e_magic.measuring.collectors import cuda_work
from e2e_magic.measuring.collectors.base import Collector, Probe, Unavailable
from e2e_magic.measuring.collectors.wall_time import WallTime
from e2e_magic.measuring.events import active, log
from e2e_magic.measuring.identity import Identity
from e2e_magic.measuring.plan import Plan, Step
from e2e_magic.measuring.sampler import SamplerLost, Samples
from e2e_magic.measuring.trial import MeasurementWarning, Trial
from e2e_magic.record import Metric, Record, Value, sentences
from e2e_magic.session import Session
from e2e_magic.storage.local_file import LocalFile

ONCE = Step(1, warmup=False)


class Clock:
    """A clock that is turned by hand; each look costs a microsecond."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        self.ns += 1_000
        return self.ns


class Noted(Collector):
    """Writes down when it is entered and left."""

    name = "noted"
    notes: ClassVar[list[str]] = []

    def __enter__(self) -> Any:
        self.notes.append("enter")
        return self

    def __exit__(self, *_: object) -> None:
        self.notes.append("exit")


def _trial(classes: dict[str, Any], clock: Clock, kept: list[Record], **given: Any) -> Trial:
    wall = {"wall_time": lambda: WallTime(clock)}
    return Trial(
        given.pop("plan", Plan(stage="s")),
        given.pop("step", ONCE),
        classes={**wall, **classes},
        keep=kept.append,
        clock=clock,
        identity=lambda: Identity("run", 7),
        **given,
    )


def test_wall_time_is_the_body_and_overhead_the_rest() -> None:
    """No collector's cost is inside the wall time."""
    clock, kept = Clock(), []

    class Slow(Collector):
        name = "slow"

        def __enter__(self) -> Any:
            clock.ns += 5_000_000_000
            return self

        def __exit__(self, *_: object) -> None:
            clock.ns += 5_000_000_000

    with _trial({"slow": Slow}, clock, kept):
        clock.ns += 2_000_000_000
        log(loss=1)

    [record] = kept
    assert list(record.events.t_s) == [pytest.approx(2.0, abs=1e-5)]  # nor is it in an epoch's
    assert record.events.t_s[0] <= record.readings["wall_time_s"]
    assert record.readings["wall_time_s"] == pytest.approx(2.0, abs=1e-5)
    assert record.readings["overhead_s"] == pytest.approx(10.0, abs=1e-4)
    assert (record.run, record.trial, record.stage, record.state) == ("run", 7, "s", "complete")


def test_what_is_logged_is_timed_from_where_the_wall_time_begins() -> None:
    """No collector's start is in the seconds of an epoch, so none is later than the trial's end."""
    clock, kept = Clock(), []

    class Slow(Collector):
        name = "slow"

        def __enter__(self) -> Any:
            clock.ns += 5_000_000_000
            return self

    with _trial({"slow": Slow}, clock, kept):
        clock.ns += 2_000_000_000
        log(loss=1.0)

    [record] = kept
    assert record.events.t_s[0] == pytest.approx(2.0, abs=1e-5)
    assert record.events.t_s[0] <= float(record.readings["wall_time_s"])


@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (ValueError("no"), "failed", "ValueError: no"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (SystemExit(3), "failed", "SystemExit: 3"),
    ],
)
def test_what_ends_the_code_is_the_state(error: BaseException, state: str, text: str) -> None:
    """It comes through unchanged, and the row says it."""
    kept: list[Record] = []
    with pytest.raises(type(error)) as caught, _trial({}, Clock(), kept):
        raise error

    assert caught.value is error
    assert (kept[0].state, kept[0].error) == (state, text)


class _Failing(Collector):
    name = "failing"
    metrics = (Metric("disk_mib", "MiB", "disk"),)
    where = ""

    def _maybe(self, where: str) -> None:
        if self.where == where:
            raise RuntimeError(f"broken at {where}")

    def probes(self) -> tuple[Probe, ...]:
        self._maybe("probes")
        return ()

    def __enter__(self) -> Any:
        self._maybe("enter")
        return self

    def __exit__(self, *_: object) -> None:
        self._maybe("exit")

    def readings(self) -> Mapping[str, Value]:
        self._maybe("readings")
        return {"disk_mib": 1.0}


@pytest.mark.parametrize(
    ("where", "when"), [("probes", "start"), ("enter", "start"), ("exit", "stop"), ("readings", "read")]
)
@pytest.mark.parametrize("error", [None, KeyError("the user's")])
def test_a_failing_collector_costs_its_own_numbers(
    where: str, when: str, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning that says what and what to do; the user's value or exception still comes through."""
    monkeypatch.setattr(_Failing, "where", where)
    kept: list[Record] = []
    said: list[str] = []
    Noted.notes.clear()
    seen: object = None
    try:
        with _trial({"failing": _Failing, "noted": Noted}, Clock(), kept, warn=said.append):
            if error is not None:
                raise error
    except KeyError as raised:
        seen = raised

    why = f"the collector failing failed at {when} (RuntimeError: broken at {where})"
    assert seen is error
    assert said == [f"s: {why}; all other numbers are kept. Leave it out with --metrics"]
    assert str(kept[0].missing["failing"]) == why
    assert kept[0].readings["wall_time_s"] > 0
    assert Noted.notes == ["enter", "exit"]


class _Interrupted(Collector):
    """Is interrupted at one of its edges, and has a curve of its own."""

    name = "interrupted"
    metrics = (Metric("disk_mib", "MiB", "disk"), Metric("rss_mib", "MiB", "memory", curve=True))
    where = ""
    what: BaseException = KeyboardInterrupt()

    def _maybe(self, where: str) -> None:
        if self.where == where:
            raise self.what

    def probes(self) -> tuple[Probe, ...]:
        self._maybe("probes")
        return (Probe("rss_mib", "rss"),)

    def __enter__(self) -> Any:
        self._maybe("enter")
        return self

    def __exit__(self, *_: object) -> None:
        self._maybe("exit")

    def readings(self) -> Mapping[str, Value]:
        self._maybe("readings")
        return {"disk_mib": 1.0}

    def sampled(self, *_: object) -> Mapping[str, Value]:
        self._maybe("sampled")
        return {}

    def missing(self) -> Mapping[str, str]:
        self._maybe("missing")
        return {}


class _Recorded:
    """A sampler whose recording may be interrupted, and that says what is open."""

    open = 0

    def __init__(self, where: str, what: BaseException) -> None:
        self._where, self._what = where, what

    def start(self, *_: object, **__: object) -> Any:
        self.open += 1
        if self._where == "sampler start":
            self.open -= 1
            raise self._what
        return self

    def end(self) -> None:
        if self._where == "sampler end":
            raise self._what

    def stop(self) -> Samples:
        self.open -= 1
        if self._where == "sampler stop":
            raise self._what
        return Samples({}, {}, 2, 0)


INTERRUPTS = [KeyboardInterrupt(), SystemExit(3)]


@pytest.mark.parametrize("what", INTERRUPTS, ids=repr)
@pytest.mark.parametrize(
    "where", ["exit", "readings", "sampled", "missing", "sampler end", "sampler stop", "keep", "option"]
)
@pytest.mark.parametrize("error", [None, KeyError("the user's")], ids=repr)
def test_an_interrupt_after_the_code_keeps_the_row(
    where: str, what: BaseException, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held until all is left, read and kept, and raised then: nothing stays open."""
    monkeypatch.setattr(_Interrupted, "where", where)
    monkeypatch.setattr(_Interrupted, "what", what)
    Noted.notes.clear()
    kept: list[Record] = []
    recorded = _Recorded(where, what)

    def keep(record: Record) -> None:
        kept.append(record)
        if where == "keep":
            raise what

    def option(_value: object) -> float:
        if where == "option":
            raise what
        return 0.5

    trial = _trial(
        {"interrupted": _Interrupted, "noted": Noted, "last": Noted}, Clock(), [],
        options={"loss": option}, sampling=lambda: recorded, warn=lambda _: None,
    )  # fmt: skip
    trial._keep = keep

    def code() -> None:
        log(accuracy=0.5)
        if error is not None:
            raise error

    # After a failure no option is evaluated, and so none is interrupted: the user's error goes on.
    raised = error if error is not None and where == "option" else what
    with pytest.raises(type(raised)) as caught, trial:
        code()
    log(accuracy=0.9)

    assert caught.value is raised
    [record] = kept
    assert record.readings["wall_time_s"] > 0
    assert list(record.events.values["accuracy"]) == [0.5]
    assert Noted.notes == ["enter", "enter", "exit", "exit"]
    assert recorded.open == 0
    assert active() is None
    late = where in ("keep", "option")
    state = "interrupted" if isinstance(what, KeyboardInterrupt) else "failed"
    assert record.state == ("failed" if error is not None else "complete" if late else state)
    assert record.reported == ({} if where == "option" or error is not None else {"loss": 0.5})
    if not late and where != "sampler end":  # its samples came all the same
        name = "samples" if where == "sampler stop" else "interrupted"
        assert str(record.missing[name]).startswith("interrupted while the ")


@pytest.mark.parametrize("what", INTERRUPTS, ids=repr)
@pytest.mark.parametrize("where", ["probes", "enter", "sampler start"])
def test_an_interrupt_before_the_code_leaves_nothing_open(
    where: str, what: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code doesn't run, so there is no row; what was entered is left."""
    monkeypatch.setattr(_Interrupted, "where", where)
    monkeypatch.setattr(_Interrupted, "what", what)
    Noted.notes.clear()
    kept: list[Record] = []
    recorded = _Recorded(where, what)
    classes = {"interrupted": _Interrupted, "noted": Noted}
    trial = _trial(classes, Clock(), kept, sampling=lambda: recorded)

    with pytest.raises(type(what)) as caught, trial:
        pytest.fail("the code ran")

    assert caught.value is what
    assert kept == []
    assert Noted.notes == (["enter", "exit"] if where == "enter" else [])
    assert recorded.open == 0
    assert active() is None


def test_an_interrupt_of_the_code_wins_over_one_that_comes_after() -> None:
    """It ends all that a later one would end."""

    class Interrupted(Collector):
        name = "interrupted"

        def __exit__(self, *_: object) -> None:
            raise KeyboardInterrupt

    first, kept = SystemExit(1), list[Record]()
    with pytest.raises(SystemExit) as caught, _trial({"interrupted": Interrupted}, Clock(), kept):
        raise first

    assert caught.value is first
    assert (kept[0].state, kept[0].error) == ("failed", "SystemExit: 1")


def test_an_interrupted_wait_for_the_gpu_leaves_a_wall_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the GPU is waited for ends the wait: the row has the time until then."""
    waits = iter([None, KeyboardInterrupt()])

    def wait(_framework: object) -> None:
        if (interrupt := next(waits)) is not None:
            raise interrupt

    monkeypatch.setitem(sys.modules, "cupy", types.ModuleType("cupy"))
    monkeypatch.setattr(cuda_work, "_WAITS", {"cupy": wait})
    kept: list[Record] = []

    with pytest.raises(KeyboardInterrupt), _trial({}, Clock(), kept):
        pass

    assert (kept[0].state, kept[0].error) == ("interrupted", "KeyboardInterrupt")
    assert kept[0].readings["wall_time_s"] > 0


def test_an_interrupt_while_the_store_is_written_keeps_the_row(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is raised when the row is there, and the row is written with the next one."""
    session.set_store(tmp_path / "trials.db")
    append, interrupts = LocalFile.append, iter([KeyboardInterrupt()])

    def interrupted(*given: Any) -> None:
        for interrupt in interrupts:
            raise interrupt
        append(*given)

    monkeypatch.setattr(LocalFile, "append", interrupted)
    with pytest.raises(KeyboardInterrupt), e2e.measure("train", metrics="cpu"):
        pass
    assert [record.state for record in session.records] == ["complete"]
    with e2e.measure("train", metrics="cpu"):
        pass

    assert e2e.results(all=True)["trial"].tolist() == [1, 2]
    assert len(session.writer.unsaved) == 0


def test_a_value_that_is_interrupted_while_it_is_read_keeps_the_row() -> None:
    """To read a large array may take long."""

    class Slow(dict[str, object]):
        def __contains__(self, key: object) -> bool:
            raise KeyboardInterrupt

    kept: list[Record] = []
    with (
        pytest.raises(KeyboardInterrupt),
        _trial({}, Clock(), kept, warn=lambda _: None) as trial,
    ):
        trial.value = Slow(loss=1.0)

    assert kept[0].state == "complete"
    assert str(kept[0].missing["value"]) == "the value handed back could not be read: it was interrupted"


def test_a_warning_is_a_python_warning_in_scripts() -> None:
    """Where no front end takes the sentence, Python's warnings do."""
    with (
        pytest.warns(MeasurementWarning, match="could not be evaluated"),
        _trial({}, Clock(), [], options={"loss": lambda _: 1 / 0}),
    ):
        pass


def test_what_is_unavailable_is_missing_with_its_reason() -> None:
    """Never 0, never silence; what to do stands beside it."""
    kept: list[Record] = []
    with _trial({"energy": Unavailable("no counters", "buy some")}, Clock(), kept):
        pass

    assert sentences(kept[0].missing) == {"energy": "no counters; buy some"}


def test_only_the_named_collectors_run_beside_wall_time() -> None:
    """`--metrics` chooses."""
    Noted.notes.clear()
    kept: list[Record] = []
    with _trial({"noted": Noted}, Clock(), kept, plan=Plan(metrics="other")):
        pass

    assert Noted.notes == []
    assert "wall_time_s" in kept[0].readings


class _Gauge(Collector):
    name = "gauge"
    metrics = (Metric("rss_mib", "MiB", "memory", curve=True),)

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("rss_mib", "rss"),)


class _Lost:
    def start(self, *_: object, **__: object) -> Any:
        return self

    def end(self) -> None:
        raise SamplerLost("it is told once, by stop")

    def stop(self) -> Any:
        raise SamplerLost("the sampler process ended")


def test_a_lost_sampler_costs_the_curves_only() -> None:
    """Counters are kept; the user is told once."""
    kept: list[Record] = []
    said: list[str] = []
    with _trial({"gauge": _Gauge}, Clock(), kept, warn=said.append, sampling=_Lost):
        pass

    assert said == ["s: the sampler process ended; this trial's curves are lost, its counters are kept"]
    assert str(kept[0].missing["samples"]) == "the sampler process ended"
    assert kept[0].readings["wall_time_s"] > 0


def test_a_warm_up_is_thrown_away_unless_it_fails() -> None:
    """A failing warm-up is the end of the cell: it leaves a row."""
    kept: list[Record] = []
    with _trial({}, Clock(), kept, step=Step(1, warmup=True)):
        pass
    assert kept == []

    with pytest.raises(ValueError, match="no"), _trial({}, Clock(), kept, step=Step(1, warmup=True)):
        raise ValueError("no")
    assert [(r.state, r.trial) for r in kept] == [("failed", 7)]


def test_options_win_over_the_value() -> None:
    """The line says more than the code."""
    kept: list[Record] = []
    with _trial({}, Clock(), kept, options={"loss": lambda _: 1.0}) as trial:
        trial.value = {"loss": 2.0, "accuracy": 0.5}

    assert kept[0].reported == {"loss": 1.0, "accuracy": 0.5}


def test_an_exception_that_cannot_say_itself_is_named() -> None:
    """A broken `__str__` of the user's must not cost the row."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise TypeError

    kept: list[Record] = []
    with pytest.raises(MuteError), _trial({}, Clock(), kept):
        raise MuteError

    assert kept[0].error == "MuteError: <its text could not be made: TypeError>"


def test_options_are_not_evaluated_after_a_failure() -> None:
    """They would tell of the model before it: what they ask for is missing, with the reason."""
    kept: list[Record] = []
    with (
        pytest.raises(ValueError, match="broken"),
        _trial({}, Clock(), kept, options={"accuracy": lambda _: 0.97, "latency": lambda _: None}),
    ):
        raise ValueError("broken")

    assert "accuracy" not in kept[0].reported
    assert str(kept[0].missing["accuracy"]) == "the code did not come to its end, so it was not evaluated"
    assert str(kept[0].missing["latency"]) == "the code did not come to its end, so no calls were timed"


def test_overhead_counts_from_when_the_user_began_to_wait() -> None:
    """What was imported and prepared before the trial was entered is part of it."""
    ticks = iter(range(1_000_000_000, 9_000_000_000, 1_000))
    trial = Trial(Plan(), Step(1, warmup=False), classes={}, clock=lambda: next(ticks), began_ns=500_000_000)
    with trial:
        pass

    assert trial.record is not None
    assert trial.record.readings["overhead_s"] == pytest.approx(0.5, abs=0.001)
