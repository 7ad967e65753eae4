"""What a store must do over any database: subclass and say how a fresh one's URL is made."""

from __future__ import annotations

import math
import os
import threading
from array import array
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from e2e_magic.record import STATES, Environment, Events, Reason, Record, Run, Series
from e2e_magic.storage import Selection, Store, StoreError, queries, rows
from tests import strategies
from tests.test_record import same

START = datetime(2026, 8, 1, 12, 0, 0, 250, tzinfo=UTC)
HOSTILE = [
    "'; DROP TABLE e2e_trials; --",
    "<script>alert(1)</script>",
    "\0",
    "a\0b\x1a\x1b[31m\x7f\r\n\t",
    "\x1a0000",
    "\ud800",
    "\ud83d\udc0d",  # two halves, which are not the snake
    "🐍 é ﷽ \u202e",
    "%s %(x)s :name ? $1 \\",
    "x" * 1_000_000,
    "\0" * 1000,
    "",
]
# The same database serves all examples; a slow machine is no failure.
examples = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def record(trial: int = 1, **changes: Any) -> Record:
    """Make a record with something in every part."""
    whole: dict[str, Any] = {
        "run": "ab12cd",
        "stage": "train",
        "repeat": 1,
        "state": "complete",
        "started_at": START + timedelta(minutes=trial),
        "params": {"lr": 0.1 * trial, "layers": (8, 8)},
        "readings": {"wall_time_s": 0.1 + trial, "samples": 3, "energy_source": "rapl"},
        "series": {"rss_mib": Series.of([0, 0.1], [1, trial]), "package_power_w": Series.of([0.1], [9])},
        "events": Events(
            array("d", [1, 2]), array("d", [1, 2]), {"loss": array("d", [0.5, math.nan])}, dropped=1
        ),
        "reported": {"entries": 10, "loss": math.inf, "confusion": [[1, 2], [3, 4]]},
        "missing": {"gpu": Reason("no driver", "there is none"), "io": Reason("", "closed", "open it")},
        "source": "model.fit(X)",
        "host": "here",
    }
    return Record(trial=trial, **(whole | changes))


def alike(one: Record, other: Record) -> bool:
    """Compare records so that NaN is NaN and the order of keys doesn't count."""

    def plain(mapping: Any) -> dict[str, Any]:
        return {name: mapping[name] for name in sorted(mapping)}

    def curves(found: Record) -> dict[str, Any]:
        return {name: (s.t_s.tobytes(), s.value.tobytes()) for name, s in found.series.items()}

    def log(found: Events) -> list[Any]:
        columns = {key: list(column) for key, column in found.values.items()}
        return [list(found.t_s), list(found.epoch), columns, found.dropped]

    names = ("run", "stage", "trial", "repeat", "state", "started_at", "error", "sweep", "source", "host")
    return (
        all(getattr(one, name) == getattr(other, name) for name in (*names, "concurrent"))
        and all(
            same(plain(getattr(one, name)), plain(getattr(other, name))) for name in ("readings", "missing")
        )
        and same(dict(one.params), dict(other.params))
        and same(dict(one.reported), dict(other.reported))
        and list(one.series) == list(other.series)
        and curves(one) == curves(other)
        and same(log(one.events), log(other.events))
    )


class StoreContract:
    """Every test gets a fresh, empty store as `store`; `fresh` makes further ones."""

    lasting = True

    @pytest.fixture
    def fresh(self) -> Callable[[], str]:
        """Give a function that makes an empty database and returns its URL."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, fresh: Callable[[], str]) -> Any:
        with Store(fresh()) as opened:
            yield opened

    def test_a_record_comes_back_as_it_went(self, store: Store) -> None:
        """All parts: parameters, readings, curves, log, what was reported, reasons, code."""
        assert store.append(record()) == 1

        [back] = store.records()
        assert alike(record(), back)
        assert back.started_at.tzinfo is not None

    def test_any_record_comes_back(self, store: Store) -> None:
        """Empty, odd and hostile parts, numbers that JSON doesn't know, keys that aren't text."""
        count = iter(range(10**6))

        @examples
        @given(
            strategies.records(
                reported=st.dictionaries(strategies.words, strategies.plain_data(), max_size=3)
            )
        )
        def round_trip(found: Record) -> None:
            one = replace(found, run=f"r{next(count)}")
            store.append(one)
            [back] = store.records(Selection(one.run))
            assert alike(one, back)

        round_trip()

    def test_many_at_once_come_back_in_order(self, store: Store) -> None:
        """A batch is one transaction; curves, logs and sources of each stay with it."""
        many = [
            record(
                n, params={"n": n}, source=f"code {n % 3}", series={"m": Series.of([n], [n])} if n % 2 else {}
            )
            for n in range(1, 301)
        ]

        assert store.append(many) == 300
        assert store.append([*many, record(301)]) == 1

        back = store.records()
        assert all(alike(a, b) for a, b in zip([*many, record(301)], back, strict=True))
        assert [r.trial for r in store.iterate()] == [r.trial for r in back]

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_hostile_text_is_stored_as_it_is(self, store: Store, text: str) -> None:
        """SQL, markup, NUL, lone surrogates and a megabyte in every place where text can be."""
        hostile = record(
            run=text, stage=text, error=text, sweep=text, source=text, host=text,
            params={text: text, "k": [text]}, reported={"note": text},
            missing={text: Reason(text, text, text)},
            readings={"energy_source": text, text or "k": 1.5},
            series={text: Series.of([0], [1])},
            events=Events(array("d", [1]), array("d", [1]), {text: array("d", [2])}),
        )  # fmt: skip
        place = Environment(host=text, packages={text: text})
        run = Run(text, text, START, text, place, {"note": text})

        store.append(hostile, [run])
        store.append(record())

        [back] = store.records(Selection(stage=text))
        assert alike(hostile, back)
        assert [r.stage for r in store.finished(text, text)] == store.stages(text) == [text]
        assert run in store.runs()
        assert store.names()[text] == text
        assert store.counts()[text] == {"complete": 1}
        assert text in store.stages()
        store.change_run(text, name=text + "2")
        assert store.names()[text] == text + "2"

    def test_numbers_that_json_does_not_know_survive(self, store: Store) -> None:
        """NaN, infinities and numpy's scalars, as readings, parameters and what was reported."""
        odd = {
            "a": math.nan,
            "b": math.inf,
            "c": -math.inf,
            "d": np.float32(0.5),
            "e": np.int64(7),
            "f": 2**80,
        }
        plain = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 0.5, "e": 7, "f": 2**80}

        store.append(record(params=odd, readings=odd, reported=odd))

        [back] = store.records()
        assert same(plain, dict(back.params))
        assert same(plain, dict(back.reported))
        assert same(plain, {name: back.readings[name] for name in plain})

    def test_writing_a_trial_twice_keeps_the_first(self, store: Store) -> None:
        """Run, stage and number say which trial it is: a retry after a lost answer does no harm."""
        assert store.append(record()) == 1
        assert store.append(record(state="failed")) == 0
        assert store.append([record(2), record(2, state="failed")]) == 1

        assert [r.state for r in store.records()] == ["complete", "complete"]

    def test_trials_are_chosen_by_run_stage_time_state_and_code(self, store: Store) -> None:
        """Each condition alone and together; a run by its id or by its name, which several may have."""
        first, second = Run("aa", "base", START), Run("bb", "base", START + timedelta(days=1))
        store.append(
            [
                record(1, run="aa"),
                record(2, run="aa", stage="infer", state="failed"),
                record(3, run="bb", source="other"),
                record(4, run="bb", state="interrupted", source=None),
            ],
            [first, second],
        )

        def trials(selection: Selection) -> list[int]:
            return [r.trial for r in store.records(selection)]

        assert trials(Selection("aa")) == [1, 2]
        assert trials(Selection("base")) == [1, 2, 3, 4]
        assert trials(Selection("nobody")) == []
        assert trials(Selection(stage="infer")) == [2]
        assert trials(Selection(since=START + timedelta(minutes=3))) == [3, 4]
        assert trials(Selection("base", "train", START + timedelta(minutes=3))) == [3, 4]
        assert [r.trial for r in store.finished("train", "model.fit(X)")] == [1]
        assert [r.trial for r in store.finished("train", "other")] == [3]
        assert list(store.finished("infer", "model.fit(X)")) == list(store.finished("train", "none")) == []
        assert store.records(Selection("bb"))[1].source is None
        assert store.stages() == ["infer", "train"]
        assert store.stages("bb") == ["train"]

    def test_curves_are_read_only_if_they_are_wanted(self, store: Store) -> None:
        """All, none, or those of these names; the rest of the record is the same."""
        store.append([record(1), record(2, series={})])

        bare = store.records(series=False)
        some = store.records(series=("package_power_w", "absent"))

        assert [dict(r.series) for r in bare] == [{}, {}]
        assert [list(r.series) for r in some] == [["package_power_w"], []]
        assert alike(replace(record(1), series={}), bare[0])

    def test_a_run_is_written_and_brought_up_to_date(self, store: Store) -> None:
        """Its name, packages and settings change; its trials stay its own."""
        run = Run("ab12cd", "first", START, "why", Environment(host="h", ram_mib=1.5, packages={"a": "1"}))
        store.append(record(1), [run])
        later = replace(
            run, name="second", environment=replace(run.environment, packages={"a": "1", "b": "2"}),
            settings={"carbon_g_per_kwh": 380.0},
        )  # fmt: skip
        store.append(record(2), [later])

        assert store.runs() == [later]
        assert store.counts() == {"ab12cd": {"complete": 2}}
        store.append([], [run])
        assert store.names() == {"ab12cd": "first"}

    def test_two_kernels_do_not_undo_each_other(self, fresh: Callable[[], str]) -> None:
        """A name that another one gave stays while trials go on; a run that it deleted is made anew."""
        if not self.lasting:
            pytest.skip("memory isn't shared")
        url, run = fresh(), Run("ab12cd", "first", START)
        with Store(url) as mine, Store(url) as other:
            mine.append(record(1), [run])
            other.change_run("ab12cd", name="renamed")
            mine.append(record(2), [replace(run, description="longer")])
            assert [(r.name, r.description) for r in other.runs()] == [("renamed", "longer")]

            assert other.delete_run("ab12cd") == 2
            assert mine.append(record(3), [run]) == 1
            assert other.delete_run("ab12cd") == 1
            assert mine.append(record(4)) == 1
            assert [r.trial for r in other.records()] == [4]

    def test_a_record_without_a_run_makes_one(self, store: Store) -> None:
        """It has nothing but its id and the time; the real one, told later, is another."""
        store.append(record())

        assert store.runs() == [Run("ab12cd", "ab12cd", record().started_at)]

    def test_two_runs_of_one_id_lose_nothing(self, store: Store) -> None:
        """Short ids may be equal by chance: the time of the start tells runs apart."""
        one, other = Run("ab12cd", "one", START), Run("ab12cd", "other", START + timedelta(days=1))
        store.append(record(), [one])
        store.append(record(host="elsewhere"), [other])

        assert store.runs() == [one, other]
        assert [r.host for r in store.records()] == ["here", "elsewhere"]

    def test_counts_by_state_and_time(self, store: Store) -> None:
        """Counted by the database: no trial is read for it."""
        store.append([record(n, state=STATES[n % 3]) for n in range(1, 8)])

        assert store.counts() == {"ab12cd": {"complete": 2, "failed": 3, "interrupted": 2}}
        assert store.counts(START + timedelta(minutes=7)) == {"ab12cd": {"failed": 1}}
        assert repr(store).endswith(": 1 run, 7 trials")

    def test_a_deleted_run_takes_all_of_its_own_along(self, store: Store) -> None:
        """Trials, curves and code that nobody else has; the others' stay, and its id may come again."""
        store.append([record(1, run="aa"), record(2, run="aa", source="mine")])
        store.append(record(3, run="bb"))

        assert store.delete_run("aa") == 2

        assert [r.run for r in store.records()] == ["bb"]
        assert alike(record(3, run="bb"), store.records()[0])
        with store._connected("read") as connection:
            owners = "SELECT DISTINCT trial FROM e2e_curves"
            trials = "SELECT number FROM e2e_trials"
            assert connection.execute(sa.text(owners)).all() == connection.execute(sa.text(trials)).all()
            assert connection.execute(sa.text("SELECT count(*) FROM e2e_sources")).scalar() == 1
        assert store.append(record(1, run="aa")) == 1

    @pytest.mark.parametrize("act", [lambda s: s.delete_run("zz"), lambda s: s.change_run("zz", name="x")])
    def test_a_run_that_is_not_there_is_said(self, store: Store, act: Callable[[Store], Any]) -> None:
        """Neither is a success in silence."""
        with pytest.raises(StoreError) as caught:
            act(store)

        assert (
            str(caught.value)
            == f"the store {store.address} has no run 'zz'; %e2e runs --all lists them by id"
        )

    def test_what_fails_halfway_leaves_nothing(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Run, code, trial and curves are one transaction; the same trial can be written afterwards."""

        def broken(of: Record) -> rows.TrialRows:
            return trial_rows(of)._replace(curves=[{"place": 0, "metric": "rss_mib", "data": None}])

        trial_rows = rows.trial_rows
        with monkeypatch.context() as patched:
            patched.setattr(rows, "trial_rows", broken)
            with pytest.raises(StoreError, match=r"e2e_curves"):
                store.append(record(), [Run("ab12cd", "n", START)])

        assert store.records() == []
        assert store.runs() == []
        assert store.append(record()) == 1
        assert len(store.records()) == 1

    def test_threads_share_it(self, store: Store) -> None:
        """Eight at once write and read; nothing is lost and nobody waits for ever."""
        problems: list[BaseException] = []

        def work(who: int) -> None:
            try:
                for n in range(1, 11):
                    store.append(record(n, stage=f"s{who}"))
                    assert len(store.records(Selection(stage=f"s{who}"), series=False)) == n
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                problems.append(error)

        threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert problems == []
        assert store.counts() == {"ab12cd": {"complete": 80}}

    def test_reading_goes_on_while_it_is_written(self, store: Store) -> None:
        """An iteration holds no lock between its chunks: the consumer may write, and ask other things."""
        store.append([record(n) for n in range(1, queries.CHUNK + 2)])

        read = 0
        for found in store.iterate(series=False):
            if read == 0:
                store.append(record(10**6))
                store.names()
            read += 1
            assert found.run == "ab12cd"

        assert read == queries.CHUNK + 2

    def test_a_forked_child_writes_with_a_connection_of_its_own(self, store: Store) -> None:
        """Parent and child go on; each finds what the other wrote."""
        if not self.lasting:
            pytest.skip("memory isn't shared")
        store.append(record(1))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                store.append(record(2))
                status = 0 if len(store.records()) == 2 else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

        store.append(record(3))
        assert [r.trial for r in store.records()] == [1, 2, 3]

    def test_it_is_there_when_it_is_opened_again(self, fresh: Callable[[], str]) -> None:
        """A closed store may be used again too: it opens itself."""
        if not self.lasting:
            pytest.skip("memory ends with the connection")
        url = fresh()
        with Store(url) as one:
            one.append(record(1))
        one.append(record(2))
        one.close()

        with Store(url) as other:
            assert len(other.records()) == 2

    def test_it_agrees_with_a_dict(self, fresh: Callable[[], str]) -> None:
        """Any order of appending, renaming, deleting and opening again leaves what a dict would hold."""
        lasting, ids = self.lasting, st.sampled_from(["aa", "bb", "cc"])

        class Machine(RuleBasedStateMachine):
            @initialize()
            def begin(self) -> None:
                self.url = fresh()
                self.store = Store(self.url)
                self.trials: dict[tuple[str, str, int], Record] = {}
                self.names: dict[str, str] = {}

            @rule(
                run=ids,
                stage=st.sampled_from(["a", "b"]),
                trial=st.integers(1, 4),
                state=st.sampled_from(STATES),
            )
            def append(self, run: str, stage: str, trial: int, state: Any) -> None:
                one = record(trial, run=run, stage=stage, state=state)
                self.names.setdefault(run, run)
                new = (run, stage, trial) not in self.trials
                self.trials.setdefault((run, stage, trial), one)
                assert self.store.append(one, [Run(run, self.names[run], START)]) == new

            @rule(run=ids, name=strategies.words)
            def rename(self, run: str, name: str) -> None:
                if run in self.names:
                    self.store.change_run(run, name=name)
                    self.names[run] = name

            @rule(run=ids)
            def delete(self, run: str) -> None:
                if run in self.names:
                    gone = [known for known in self.trials if known[0] == run]
                    assert self.store.delete_run(run) == len(gone)
                    self.trials = {key: r for key, r in self.trials.items() if key[0] != run}
                    del self.names[run]

            @rule()
            def reopen(self) -> None:
                if lasting:
                    self.store.close()
                    self.store = Store(self.url)

            @invariant()
            def agrees(self) -> None:
                if not hasattr(self, "store"):
                    return
                found = {(r.run, r.stage, r.trial): r for r in self.store.records()}
                assert found.keys() == self.trials.keys()
                assert all(alike(found[key], self.trials[key]) for key in found)
                assert self.store.names() == self.names

            def teardown(self) -> None:
                if hasattr(self, "store"):
                    self.store.close()

        run_state_machine_as_test(
            Machine, settings=settings(max_examples=15, stateful_step_count=12, deadline=None)
        )
