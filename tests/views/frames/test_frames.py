"""Records as tidy frames: columns, dtypes, units, missing values."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
import warnings
from array import array
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.derived import METRICS, declarations
from e2e_magic.derived.declarations import declared
from e2e_magic.measuring.collectors import base
from e2e_magic.record import STATES, Environment, Events, Metric, Record, Run, Series
from e2e_magic.text import unit_in_name
from e2e_magic.views import frames
from e2e_magic.views.frames import schema

START = datetime(2026, 8, 1, 12, tzinfo=UTC)
ORDER = (
    "run stage sweep trial repeat state error started_at "
    "wall_time_s overhead_s display_s waited_s cold number cpu_time_s cpu_user_s cpu_system_s cpu_percent "
    "rss_start_mib peak_rss_mib rss_delta_mib peak_tree_rss_mib peak_tree_pss_mib read_mib write_mib "
    "package_energy_j dram_energy_j gpu_energy_j mean_power_w net_energy_j estimated_energy_j energy_source "
    "gpu_time_s gpu_percent gpu_peak_memory_mib entries latency_s throughput_per_s "
    "loss best_loss accuracy best_accuracy epochs epochs_to_accuracy time_to_accuracy_s "
    "precision recall f1 tp tn fp fn samples missed_samples host concurrent"
)
WIDTH = len(ORDER.split())
TEXT = "str" if pd.__version__ >= "3" else "string"


def record(trial: int = 1, **fields: Any) -> Record:
    """Make a record of which only the named fields matter."""
    given_ = {
        "run": "ab12",
        "stage": "train",
        "trial": trial,
        "repeat": 1,
        "state": "complete",
        "started_at": START + timedelta(seconds=trial),
        **fields,
    }
    return Record(**given_)


numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats())
records = st.builds(
    Record,
    run=st.text(min_size=1, max_size=4),
    stage=st.text(max_size=8),
    trial=st.integers(1, 9),
    repeat=st.integers(1, 9),
    state=st.sampled_from(["complete", "failed", "interrupted"]),
    started_at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    error=st.none() | st.text(max_size=8),
    sweep=st.none() | st.just("s"),
    params=st.dictionaries(
        st.text(max_size=4), numbers | st.text(max_size=3) | st.booleans() | st.tuples(numbers), max_size=3
    ),
    readings=st.fixed_dictionaries(
        {},
        optional={name: numbers for name in schema.NUMBERS if name not in ("read_mib", "loss")}
        | {name: numbers | st.text(max_size=3) for name in ("read_mib", "loss", "disk_s", "run", "host")}
        | {"energy_source": st.text(max_size=3)},
    ),
    series=st.dictionaries(
        st.text(max_size=3),
        st.lists(st.floats(), max_size=3).map(lambda v: Series.of(range(len(v)), v)),
        max_size=2,
    ),
    host=st.text(max_size=3),
    concurrent=st.booleans(),
)


class TestResults:
    def test_no_trials_give_every_column_and_no_rows(self) -> None:
        """A frame of no trials has all columns, in the contract's order, with their dtypes."""
        frame = frames.results([])

        assert " ".join(frame.columns[:WIDTH]) == ORDER
        assert len(frame) == 0
        assert str(frame.dtypes["started_at"]) == "datetime64[us, UTC]"
        assert frame.dtypes["trial"] == "int64"
        assert frame.dtypes["wall_time_s"] == "float64"

    def test_dtypes_with_values(self) -> None:
        """Each column has the dtype that its meaning asks for, also with some values missing."""
        frame = frames.results(
            [record(1, readings={"samples": 7, "wall_time_s": 2, "energy_source": "rapl"}), record(2)]
        )
        kinds = {name: str(dtype) for name, dtype in frame.dtypes.items()}

        assert {kinds[n] for n in ("run", "stage", "sweep", "error", "host", "energy_source")} == {TEXT}
        assert {kinds[n] for n in ("samples", "missed_samples", "entries", "epochs", "tp")} == {"Int64"}
        assert {kinds[n] for n in ("wall_time_s", "loss", "gpu_percent")} == {"float64"}
        assert kinds["trial"] == kinds["repeat"] == "int64"
        assert kinds["concurrent"] == "boolean"
        assert list(frame["state"].cat.categories) == list(STATES)
        assert frame["samples"].tolist() == [7, pd.NA]

    def test_what_was_not_measured_is_missing(self) -> None:
        """Nothing that a record doesn't hold becomes a number or a text."""
        frame = frames.results([record()])
        known = {"run", "stage", "trial", "repeat", "state", "started_at", "concurrent"}

        assert set(frame.columns[frame.notna().any()]) == known

    def test_a_parameter_of_none_is_no_missing_parameter(self) -> None:
        """It has a word of its own beside anything; a trial without the parameter has none."""
        values: tuple[list[Any], ...] = (
            [None, 2, 4],
            [None, 0.5],
            [None, True],
            [None, "a"],
            [None, [1]],
            [None],
            [float("nan"), 0.5],
            [float("nan")],
            [pd.NaT, None],
        )
        for given_ in values:
            made = [record(n, params={"p": value}) for n, value in enumerate(given_)]
            column = frames.results([*made, record(9)])["param_p"]

            assert column[0] == str(given_[0])
            assert column.tolist()[1:-1] == ["None" if value is None else value for value in given_[1:]]
            assert column.isna().tolist() == [False] * len(given_) + [True]

    def test_parameters_stand_after_started_at_with_their_own_dtypes(self) -> None:
        """A column per swept parameter: whole numbers, numbers, text, truths, mixtures, missing ones."""
        frame = frames.results(
            [
                record(
                    1, params={"n": 1, "lr": 0.1, "name": "a", "on": True, "mix": 1, "layers": (8,), "x": 1}
                ),
                record(2, params={"n": 2, "lr": 1, "name": "b", "on": False, "mix": "a", "layers": (8, 8)}),
            ]
        )
        params = [name for name in frame.columns if name.startswith("param_")]

        assert list(frame.columns[8:15]) == params
        assert [str(frame.dtypes[name]) for name in params] == [
            "int64",
            "float64",
            TEXT,
            "boolean",
            "object",
            "object",
            "Int64",
        ]
        assert frame["param_layers"].tolist() == [(8,), (8, 8)]
        assert frame["param_x"].tolist() == [1, pd.NA]

    def test_run_is_the_name_and_else_the_id(self) -> None:
        """A user sees the run's name; a run without a known name shows its id."""
        frame = frames.results([record(), record(run="cd34")], {"ab12": "baseline"})

        assert frame["run"].tolist() == ["baseline", "cd34"]

    def test_derived_numbers_are_in_it(self) -> None:
        """What follows from the readings is a column like any other, and a reading wins over it."""
        frame = frames.results(
            [
                record(1, readings={"wall_time_s": 2.0}, reported={"entries": 100}),
                record(2, readings={"wall_time_s": 2.0, "latency_s": 9.0}, reported={"entries": 100}),
            ]
        )

        assert frame["throughput_per_s"].tolist() == [50, 50]
        assert frame["latency_s"].tolist() == [0.02, 9.0]

    def test_units(self) -> None:
        """Every column whose name ends with a unit has it in attrs, and attrs outlive a selection."""
        units = frames.results([record()])[["wall_time_s"]].attrs["units"]

        assert units["wall_time_s"] == "s"
        assert units["peak_rss_mib"] == "MiB"
        assert units["cpu_percent"] == "%"
        assert units["package_energy_j"] == "J"
        assert units["mean_power_w"] == "W"
        assert "loss" not in units
        assert copy.deepcopy(units) == units

    def test_units_in_names_agree_with_the_declared_ones(self) -> None:
        """What a collector declares and what the column's name says is the same unit."""
        for name, metric in declared().items():
            said = unit_in_name(name)
            if said and not name.endswith("_per_s"):  # entries/s and calls/s, which the name shortens
                assert (name, metric.unit) == (name, said)

    def test_every_declared_derived_metric_of_the_contract_has_a_column(self) -> None:
        """No derived metric has a group that the frame doesn't know."""
        assert {m.group for m in METRICS} <= set(schema.GROUPS)

    def test_metrics_of_other_packages_follow_at_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another package's metrics are columns before anything ran; unknown readings come after them."""

        class Disk(base.Collector):
            name = "disk"
            metrics = (Metric("seeks", "", "disk"), Metric("seek_time", "ms", "disk"))

        classes = {**base.registered(), "disk": Disk, "broken": base.Unavailable("no disk")}
        monkeypatch.setattr(schema, "registered", lambda: classes)
        monkeypatch.setattr(declarations, "registered", lambda: classes)

        frame = frames.results([record(readings={"zeal": 3, "aim": "high", "seek_time": 1.5})])

        assert list(frame.columns[WIDTH:]) == ["seeks", "seek_time", "aim", "zeal"]
        assert frame.loc[0, ["seek_time", "aim", "zeal"]].tolist() == [1.5, "high", 3]
        assert math.isnan(frame.loc[0, "seeks"])
        assert frame.attrs["units"]["seek_time"] == "ms"

    def test_a_reading_never_takes_the_place_of_a_column(self) -> None:
        """A metric that is called like a column of the frame appears beside it."""
        frame = frames.results([record(readings={"run": 3, "host": "x"}, params={"a": 1})])

        assert frame.loc[0, "run"] == "ab12"
        assert frame.loc[0, "metric_run"] == 3
        assert frame.loc[0, "metric_host"] == "x"

    @pytest.mark.parametrize("value", [2.5, float("inf"), 2**80])
    def test_a_number_that_does_not_fit_its_column_is_kept(self, value: object) -> None:
        """A collector that breaks its promise costs the column its dtype, never the number."""
        frame = frames.results([record(1, readings={"samples": value}), record(2)])

        assert frame.loc[0, "samples"] == value
        assert pd.isna(frame.loc[1, "samples"])

    def test_text_in_place_of_a_number_stands_beside_the_column(self) -> None:
        """A column of numbers stays one, for charts to draw; text that came for one is not lost."""
        frame = frames.results(
            [record(1, readings={"read_mib": "many"}), record(2, readings={"read_mib": 3})]
        )

        assert frame["read_mib"].dtype == "float64"
        assert frame["read_mib"].fillna(-1).tolist() == [-1, 3]
        assert frame["metric_read_mib"].tolist() == ["many", 3]

    def test_times_are_utc(self) -> None:
        """A time of any zone is the same instant, in UTC."""
        elsewhere = START.astimezone(timezone(timedelta(hours=9)))

        frame = frames.results([record(started_at=elsewhere), record(started_at=START)])

        assert frame["started_at"].tolist() == [START, START]

    def test_lone_surrogates_are_spelled_out(self) -> None:
        """Any text is allowed as a stage, also text that UTF-8 can't hold."""
        odd = record(stage="a\ud800", series={"\ud800": Series.of([0], [1])}, params={"\ud800": 1})

        assert frames.results([odd]).loc[0, "stage"] == "a\\ud800"
        assert frames.samples([odd]).loc[0, "metric"] == "\\ud800"

    @settings(deadline=None, max_examples=40)
    @given(st.lists(records, max_size=5))
    def test_any_records_make_every_frame(self, some: list[Record]) -> None:
        """Whatever was recorded, each frame can be made, has unique columns, and is readable."""
        made = [
            frames.results(some),
            frames.trials(some),
            frames.samples(some),
            frames.epochs(some),
            frames.confusions(some),
            frames.pipeline(some),
        ]

        assert len(made[0]) == len(some)
        assert len(made[2]) == sum(len(series) for r in some for series in r.series.values())
        for frame in made:
            assert frame.columns.is_unique
            assert repr(frames.TidyFrame.of(frame))
            assert isinstance(frames.TidyFrame.of(frame)._repr_html_(), str)

    def test_import_leaves_the_package_light(self) -> None:
        """The package itself doesn't load pandas; only the frames do."""
        code = "import sys, e2e_magic; assert 'pandas' not in sys.modules"

        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

        assert done.stderr == ""


class TestTrials:
    def swept(self) -> list[Record]:
        return [
            record(1, sweep="s", reported={"loss": 0.5, "accuracy": 0.7}, readings={"wall_time_s": 3.0}),
            record(2, sweep="s", reported={"loss": 0.2, "accuracy": 0.6}, readings={"wall_time_s": 2.0}),
            record(3, sweep="s", state="failed", readings={"wall_time_s": 0.1}),
            record(4, reported={"loss": 0.1}),
            record(5, sweep="s", readings={"wall_time_s": 1.0}),
        ]

    def test_best_first_and_only_sweeps(self) -> None:
        """Lowest loss first; without loss last; a failed trial is never the best."""
        frame = frames.trials(self.swept())

        assert frame["trial"].tolist() == [2, 1, 5, 3]
        assert frame.attrs["metric"] == "loss"
        assert list(frame.columns) == list(frames.results(self.swept()).columns)

    def test_the_metric_says_what_is_better(self) -> None:
        """Accuracy is better when it is higher, unless the user says otherwise."""
        assert frames.trials(self.swept(), metric="accuracy")["trial"].tolist()[:2] == [1, 2]
        assert frames.trials(self.swept(), metric="accuracy", maximize=False)["trial"].tolist()[:2] == [2, 1]
        assert frames.trials(self.swept(), metric="wall_time_s")["trial"].tolist() == [5, 2, 1, 3]

    def test_each_sweep_ranks_by_its_own_target(self) -> None:
        """The stage that was swept last comes first; a sweep and its resumption are ranked together."""

        def of(stage: str, sweep: str, trial: int, target: Any, **reported: float) -> Record:
            said = {} if target is None else {"sweep_target": target}
            return record(trial, stage=stage, sweep=sweep, reported={**reported, **said})

        most = {"metric": "accuracy", "maximize": True}
        least = {"metric": "accuracy", "maximize": False}
        some = [
            of("train", "a", 1, most, accuracy=0.6, loss=0.1),
            of("train", "a", 2, most, accuracy=0.9, loss=0.2),
            of("infer", "b", 1, least, accuracy=0.5),
            of("train", "c", 3, most, accuracy=0.7, loss=0.3),
            of("infer", "d", 2, None, accuracy=0.4, loss=1.0),
            of("infer", "b", 3, least, accuracy=0.1),
        ]
        frame = frames.trials(some)

        assert frame[["stage", "trial"]].to_numpy().tolist() == [
            ["infer", 3],
            ["infer", 1],
            ["infer", 2],
            ["train", 2],
            ["train", 3],
            ["train", 1],
        ]
        assert (frame.attrs["metric"], frame.attrs["maximize"]) == ("accuracy", False)
        assert frame.attrs["targets"] == {"infer": "accuracy", "train": "accuracy"}
        assert frames.trials(some, metric="loss")["loss"].dropna().tolist() == [0.1, 0.2, 0.3, 1.0]

    def test_a_target_that_no_trial_has(self) -> None:
        """Then the usual order ranks: loss, else accuracy, else wall time."""
        target = {"sweep_target": {"metric": "package_energy_j", "maximize": False}}
        some = [record(n, sweep="s", reported={**target, "loss": 1.0 / n}) for n in (1, 2, 3)]

        assert frames.trials(some)["trial"].tolist() == [3, 2, 1]

    def test_unknown_metric(self) -> None:
        """A misspelt metric names the nearest one."""
        with pytest.raises(ValueError, match=r"^metric: ") as caught:
            frames.trials(self.swept(), metric="wall_tim_s")

        assert str(caught.value) == (
            "metric: expected a column of numbers, got 'wall_tim_s' (did you mean wall_time_s?); "
            "results().columns lists them"
        )


class TestSamples:
    def test_a_row_per_sample(self) -> None:
        """Curves of several trials and metrics stand one below the other, with their units."""
        frame = frames.samples(
            [
                record(
                    1, series={"rss_mib": Series.of([0, 1], [5, 6]), "cpu_percent": Series.of([0.5], [90])}
                ),
                record(2, stage="infer"),
                record(3, stage="infer", series={"rss_mib": Series.of([0], [7])}),
            ],
            {"ab12": "base"},
        )

        assert list(frame.columns) == ["run", "stage", "trial", "metric", "t_s", "value"]
        assert frame["run"].tolist() == ["base"] * 4
        assert frame["stage"].tolist() == ["train", "train", "train", "infer"]
        assert frame["trial"].tolist() == [1, 1, 1, 3]
        assert frame["metric"].tolist() == ["rss_mib", "rss_mib", "cpu_percent", "rss_mib"]
        assert frame["t_s"].tolist() == [0, 1, 0.5, 0]
        assert frame["value"].tolist() == [5, 6, 90, 7]
        assert frame.attrs["units"] == {"t_s": "s", "rss_mib": "MiB", "cpu_percent": "%"}
        assert [str(frame.dtypes[n]) for n in ("run", "trial", "value")] == ["category", "int64", "float64"]

    def test_the_record_stays_its_own(self) -> None:
        """The frame copies: the record's buffers may still grow, and don't change with the frame."""
        series = Series.of([0.0], [1.0])
        frame = frames.samples([record(series={"rss_mib": series})])

        series.value.append(2.0)
        frame.loc[0, "value"] = 9.0

        assert list(series.value) == [1.0, 2.0]

    def test_none(self) -> None:
        """Without samples the columns and dtypes are the same."""
        frame = frames.samples([record()])

        assert frame.shape == (0, 6)
        assert frame.dtypes["value"] == "float64"


def logged(**values: list[float]) -> Events:
    """Make events that are half a second apart."""
    size = len(next(iter(values.values())))
    columns = {key: array("d", value) for key, value in values.items()}
    return Events(array("d", np.arange(size) / 2), array("d", range(1, size + 1)), columns)


class TestEpochs:
    def test_a_row_per_call_of_log(self) -> None:
        """Logged keys are columns, the union over trials; what a trial didn't log is missing."""
        frame = frames.epochs([record(1, events=logged(loss=[3, 2])), record(2, events=logged(lr=[0.1]))])

        assert list(frame.columns) == ["run", "stage", "trial", "epoch", "t_s", "loss", "lr"]
        assert frame["epoch"].tolist() == [1, 2, 1]
        assert str(frame.dtypes["epoch"]) == "Int64"
        assert frame["t_s"].tolist() == [0, 0.5, 0]
        assert frame["loss"].tolist()[:2] == [3, 2]
        assert math.isnan(frame["loss"][2])

    def test_a_returned_curve_without_log(self) -> None:
        """A list that the code handed back is numbered from 1 and has no times; a number is no curve."""
        frame = frames.epochs([record(reported={"loss": [3.0, 2.0, 1.0], "accuracy": [0.5, 0.6]})])

        assert frame["epoch"].tolist() == [1, 2, 3]
        assert frame["t_s"].isna().all()
        assert frame["accuracy"].tolist()[:2] == [0.5, 0.6]
        assert math.isnan(frame["accuracy"][2])
        assert len(frames.epochs([record(reported={"loss": 0.3})])) == 0

    def test_a_returned_curve_beside_a_log_of_the_same_length(self) -> None:
        """Logged accuracy and returned loss of the same epochs share their rows."""
        frame = frames.epochs([record(events=logged(accuracy=[0.1, 0.2]), reported={"loss": [3.0, 2.0]})])

        assert len(frame) == 2
        assert frame["loss"].tolist() == [3, 2]
        assert frame["t_s"].tolist() == [0, 0.5]

    def test_fractions_of_epochs(self) -> None:
        """An epoch of 0.5 stays 0.5."""
        events = Events(array("d", [0, 1]), array("d", [0.5, 1]), {"loss": array("d", [2, 1])})

        assert frames.epochs([record(events=events)])["epoch"].tolist() == [0.5, 1.0]

    def test_a_logged_key_named_like_a_column(self) -> None:
        """Any key may be logged, also one of the frame's own names."""
        frame = frames.epochs([record(events=logged(trial=[7], t_s=[8]))])

        assert frame.loc[0, ["trial", "logged_trial", "logged_t_s"]].tolist() == [1, 7, 8]


class TestConfusions:
    def test_a_row_per_cell(self) -> None:
        """Rows are true and columns predicted; the labels are the classes given."""
        reported = {"confusion": [[5, 1], [2, 7]], "classes": ["cat", "dog"]}

        frame = frames.confusions([record(reported=reported), record(2)])

        assert list(frame.columns) == ["run", "stage", "trial", "true", "predicted", "count"]
        assert frame["true"].tolist() == ["cat", "cat", "dog", "dog"]
        assert frame["predicted"].tolist() == ["cat", "dog", "cat", "dog"]
        assert frame["count"].tolist() == [5, 1, 2, 7]
        assert str(frame.dtypes["count"]) == "int64"

    def test_labels_of_different_kinds(self) -> None:
        """Numbers stay numbers; where one trial has numbers and another text, all are text."""
        first = record(1, reported={"confusion": [[1.5]], "classes": [3]})
        second = record(2, reported={"confusion": [[2]], "classes": ["x"]})

        assert frames.confusions([first])["true"].tolist() == [3]
        assert frames.confusions([first])["count"].tolist() == [1.5]
        assert frames.confusions([first, second])["true"].tolist() == ["3", "x"]

    def test_a_two_class_table_that_is_complete(self) -> None:
        """Counts handed back as TP, TN, FP, FN make the same matrix; a part of them makes none."""
        frame = frames.confusions([record(reported={"binary": {"TP": 7, "TN": 5, "FP": 1, "FN": 2}})])

        assert frame[["true", "predicted", "count"]].to_numpy().tolist() == [
            [0, 0, 5],
            [0, 1, 1],
            [1, 0, 2],
            [1, 1, 7],
        ]
        assert len(frames.confusions([record(reported={"binary": {"TP": 7}})])) == 0


class TestClassification:
    RECORD = record(reported={"confusion": [[5, 1], [2, 7]], "classes": ["<cat>", "dog"]})

    def test_per_class_and_averages(self) -> None:
        """The report holds scikit-learn's numbers."""
        from sklearn.metrics import precision_recall_fscore_support

        true, predicted = [0] * 6 + [1] * 9, [0] * 5 + [1] * 1 + [0] * 2 + [1] * 7
        frame = frames.classification(self.RECORD)
        classes = frame[frame["kind"] == "class"]
        expected = precision_recall_fscore_support(true, predicted)

        assert frame["label"].tolist() == ["<cat>", "dog", "micro", "macro", "weighted"]
        np.testing.assert_allclose(
            classes[["precision", "recall", "f1", "support"]].to_numpy(dtype=float).T, expected
        )
        assert frame["support"].tolist() == [6, 9, 15, 15, 15]
        assert frame.attrs["overall"]["accuracy"] == pytest.approx(12 / 15)

    def test_without_a_matrix(self) -> None:
        """The error says which trial and how to get a matrix."""
        with pytest.raises(ValueError, match=r"^train") as caught:
            frames.classification(record())

        assert str(caught.value) == (
            "train, trial 1: there is no confusion matrix: hand back 'confusion_matrix', "
            "or use --confusion or --y-true and --y-pred"
        )

    def test_styled(self) -> None:
        """The styled report escapes labels and shows three places."""
        page = frames.styled(frames.classification(self.RECORD)).to_html()

        assert "&lt;cat&gt;" in page
        assert "<cat>" not in page
        assert "0.714" in page
        assert "accuracy 0.800" in page

    def test_styled_without_jinja2(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without jinja2 the error names the pip command."""
        monkeypatch.setitem(sys.modules, "jinja2", None)
        for name in [name for name in sys.modules if name.startswith("pandas.io.formats.style")]:
            monkeypatch.delitem(sys.modules, name)

        with pytest.raises(ImportError) as caught:
            frames.styled(frames.classification(self.RECORD))

        assert str(caught.value) == 'a styled frame needs jinja2: pip install "e2e-magic[export]"'


class TestPipeline:
    def test_stages_in_order_of_first_execution(self) -> None:
        """Medians over complete trials, shares of the total, and the bottleneck in words."""
        frame = frames.pipeline(
            [
                record(1, stage="train", readings={"wall_time_s": 6.0, "peak_rss_mib": 100.0}),
                record(2, stage="train", readings={"wall_time_s": 8.0}),
                record(3, stage="train", state="failed", readings={"wall_time_s": 90.0}),
                record(0, stage="prepare", readings={"wall_time_s": 3.0}),
                record(4, stage="infer", state="failed", readings={"wall_time_s": 1.0}),
                record(5, stage="report", readings={}),
            ],
            {"ab12": "base"},
        )

        assert frame["run"].tolist() == ["base"] * 4
        assert frame["stage"].tolist() == ["prepare", "train", "infer", "report"]
        assert frame["trials"].tolist() == [1, 3, 1, 1]
        assert frame["state"].tolist() == ["complete", "complete", "failed", "complete"]
        assert frame["wall_time_s"].tolist()[:3] == [3, 7, 1]
        assert math.isnan(frame["wall_time_s"][3])
        assert frame["share"].tolist()[:3] == pytest.approx([3 / 11, 7 / 11, 1 / 11])
        assert frame["bottleneck"].tolist() == [False, True, False, False]
        assert frame["peak_rss_mib"][1] == 100
        assert frame.attrs["summary"].startswith("train is the bottleneck: 7 s of 11 s (64 %)")
        assert frame.attrs["units"]["wall_time_s"] == "s"

    def test_a_metric_that_nobody_measured_is_missing_without_a_warning(self) -> None:
        """The mean of an empty slice is never asked for: pandas 2.2 would warn of it once per metric."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            frame = frames.pipeline([record(1, readings={"wall_time_s": 3.0}), record(2, readings={})])

        assert frame["wall_time_s"].tolist() == [3.0]
        assert frame["gpu_energy_j"].isna().all()

    def test_a_sweeps_trials_are_no_repeats_of_the_stage(self) -> None:
        """They count only where the stage didn't run by itself."""
        made = [record(n, readings={"wall_time_s": 100.0}, sweep="s", params={"n": n}) for n in (1, 2, 3)]
        made += [record(4, readings={"wall_time_s": 1.0}), record(5, readings={"wall_time_s": 3.0})]
        alone = [record(6, stage="tune", readings={"wall_time_s": 2.0}, sweep="t")]
        frame = frames.pipeline(made + alone)

        assert frame[["stage", "trials", "wall_time_s"]].to_numpy().tolist() == [
            ["train", 2, 2.0], ["tune", 1, 2.0],
        ]  # fmt: skip

    def test_different_cells_of_one_stage_have_a_row_each(self) -> None:
        """No median of both; repeats of each are taken together, per run."""
        made = [
            record(n, run=run, source=source, readings={"wall_time_s": seconds})
            for run in ("a", "b")
            for n, (source, seconds) in enumerate((("read()", 1.0), ("clean()", 9.0), ("read()", 3.0)))
        ]
        frame = frames.pipeline([*made, record(9, run="b", readings={"wall_time_s": 5.0})])

        assert frame[["run", "stage", "wall_time_s"]].to_numpy().tolist() == [
            ["a", "train", 2.0], ["a", "train, cell 2", 9.0],
            ["b", "train", 3.0], ["b", "train, cell 2", 9.0],
        ]  # fmt: skip
        assert frame["share"].tolist()[:2] == pytest.approx([2 / 11, 9 / 11])

    def test_each_run_by_itself(self) -> None:
        """Two runs, even of the same name, have shares and a sentence of their own."""
        made = [
            record(1, run=run, stage=stage, readings={"wall_time_s": seconds})
            for run, stage, seconds in (("a", "x", 1.0), ("a", "y", 3.0), ("b", "x", 5.0), ("b", "y", 0.0))
        ]

        frame = frames.pipeline(made, {"a": "same", "b": "same"})

        assert frame["share"].tolist() == [0.25, 0.75, 1.0, 0.0]
        assert frame["bottleneck"].tolist() == [False, True, True, False]
        assert [line.split(":")[0] for line in frame.attrs["summary"].splitlines()] == ["same", "same"]

    def test_nothing_measured(self) -> None:
        """No trials make an empty frame with an empty summary."""
        frame = frames.pipeline([])

        assert frame.shape == (0, 14)
        assert frame.attrs["summary"] == ""


class TestInventory:
    RUN = Run(
        "ab12",
        "base",
        START,
        environment=Environment(
            host="h", cores=8, ram_mib=1024.0, packages={"pandas": "3.0", "numpy": "2.4.6"}
        ),
    )

    def test_runs(self) -> None:
        """A row per run: its name and id, its environment, what is unknown missing, its trials counted."""
        frame = frames.runs([self.RUN], [record(), record(2, state="failed"), record(3, run="other")])
        row = frame.iloc[0]

        states = " ".join(state.replace(" ", "_") for state in STATES)
        assert " ".join(frame.columns) == (
            f"run id description started_at trials {states} "
            "host os python cpu cores cores_usable ram_mib memory_limit_mib gpu git_commit git_dirty "
            "notebook packages threads idle_power_w carbon_g_per_kwh carbon_source price_per_kwh power_source"
        )
        assert (row["run"], row["id"], row["host"], row["cores"]) == ("base", "ab12", "h", 8)
        assert row["packages"] == "numpy 2.4.6, pandas 3.0"
        assert row[["trials", "complete", "failed", "interrupted"]].tolist() == [2, 1, 1, 0]
        assert row[["description", "gpu", "cores_usable", "git_dirty"]].isna().all()
        units = {
            "ram_mib": "MiB",
            "memory_limit_mib": "MiB",
            "idle_power_w": "W",
            "carbon_g_per_kwh": "g/kWh",
        }
        assert frame.attrs["units"] == units
        assert "trials" not in frames.runs([self.RUN])
        assert len(frames.runs([], [])) == 0

    def test_metrics(self) -> None:
        """A row per metric: what can be measured, from what source, and what can't and why."""
        frame = frames.metrics(
            [
                frames.CatalogEntry(Metric("wall_time_s", "s", "time"), "wall_time", True, "perf_counter"),
                frames.CatalogEntry(
                    Metric("gpu_percent", "%", "gpu", None, "busy"), "gpu", False, "", "no GPU", "add one"
                ),
            ]
        )

        assert " ".join(frame.columns) == (
            "metric unit collector better available source why what_to_do description"
        )
        assert frame["available"].tolist() == [True, False]
        assert frame["why"].fillna("").tolist() == ["", "no GPU"]
        assert frame["better"].fillna("").tolist() == ["lower", ""]

    def test_metrics_say_each_reason_once(self) -> None:
        """A line for a collector, or for some of its metrics, the mend below; derived ones are left out."""

        def entry(name: str, collector: str, why: str = "", what: str = "") -> frames.CatalogEntry:
            return frames.CatalogEntry(Metric(name, "J", "energy"), collector, not why, "", why, what)

        made = frames.metrics(
            [
                entry("package_energy_j", "energy"),
                entry("dram_energy_j", "energy", "only root may read it", "open it"),
                entry("dram_power_w", "energy", "only root may read it", "open it"),
                entry("gpu_energy_j", "gpu", "no driver"),
                entry("gpu_percent", "gpu", "no driver"),
                entry("co2_g", "derived", "not asked for"),
            ]
        )

        assert made.attrs["summary"].splitlines() == [
            "dram_energy_j, dram_power_w: only root may read it",
            "    open it",
            "gpu: no driver",
        ]
        assert frames.metrics([entry("x_j", "x")]).attrs["summary"] == "everything can be measured here"


class TestTidyFrame:
    def frame(self, rows: int = 2) -> pd.DataFrame:
        return frames.results(
            [record(n + 1, stage="<b>", readings={"wall_time_s": 1.23456 * (n + 1)}) for n in range(rows)]
        )

    def test_compact(self) -> None:
        """Empty columns go, numbers have three digits, times are to the second, missing is a dash."""
        made = self.frame()
        made.loc[1, "wall_time_s"] = np.nan
        short = frames.compact(made)

        assert " ".join(short.columns) == ("run stage trial repeat state started_at wall_time_s concurrent")
        assert short["wall_time_s"].tolist() == ["1.23", "-"]
        assert short["started_at"][0] == "2026-08-01 12:00:01Z"

    def test_a_reason_of_many_rows_is_brief_in_a_page_too(self) -> None:
        """The line above the table says it whole; the frame holds it whole."""
        why = "only root may read " + "x" * 300
        entries = [frames.CatalogEntry(Metric(n, "J", "energy"), "energy", False, "", why) for n in "ab"]
        made = frames.TidyFrame.of(frames.metrics(entries))
        page = made._repr_html_()

        assert page is not None
        assert f"{why[:79]}…" in page
        assert "x" * 100 not in page
        assert made["why"].tolist() == [why, why]
        assert made.attrs["summary"] == f"energy: {why}"

    def test_text_says_how_much_is_hidden(self) -> None:
        """The text form ends with the size, and the count of columns that hold nothing."""
        made = self.frame()
        text = repr(frames.TidyFrame.of(made))

        assert "1.23" in text
        assert "peak_rss_mib" not in text
        assert (
            text.splitlines()[-1]
            == f"2 rows x 4 columns (4 folded, {made.shape[1] - 8} more hold nothing: see .columns)"
        )

    def test_what_matters_stands_first_and_machinery_folds(self) -> None:
        """Parameters, the target that ranks them, time, CPU, peak and state; a terminal gets what fits."""
        readings = {"wall_time_s": 1.5, "cpu_time_s": 1.0, "peak_rss_mib": 90.0, "overhead_s": 0.1}
        made = [
            record(
                n, sweep="s", params={"lr": n}, readings=readings, reported={"loss": 0.5 / n, "accuracy": 0.5}
            )
            for n in (1, 2)
        ]
        tidy = frames.TidyFrame.of(frames.trials(made))
        with pd.option_context("display.width", 200):
            head, *_, foot = repr(tidy).splitlines()
        with pd.option_context("display.width", 60):
            narrow = repr(tidy).splitlines()
        page = tidy._repr_html_()

        first = "stage trial param_lr loss wall_time_s cpu_time_s peak_rss_mib state"
        assert head.split()[:8] == first.split()
        assert "overhead_s" not in head
        assert foot.startswith("best first: lowest loss; 2 rows x ")
        assert max(map(len, narrow[:-1])) <= 60
        assert narrow[0].split() == first.split()[:6]
        assert page is not None
        shown, folded = page.split("<details>")
        assert "overhead_s" not in shown
        assert "overhead_s" in folded

    def test_html_is_escaped(self) -> None:
        """Stage names can't smuggle HTML into the notebook."""
        page = frames.TidyFrame.of(self.frame())._repr_html_()

        assert page is not None
        assert "&lt;b&gt;" in page
        assert "<b>" not in page

    def test_hostile_text_is_cut_and_harmless(self) -> None:
        """A name of a megabyte or with a terminal's commands spoils no table; a reason is read whole."""
        plain = pd.DataFrame(
            {"stage": ["x" * 1_000_000, "\x1b[31mred"], "reason": ["why " * 100, "-"], "\x1b\n": [1.0, 2.0]}
        )
        made = frames.TidyFrame.of(plain)
        text, page = repr(made), made._repr_html_()

        assert page is not None
        assert "x" * 79 + "…" in text
        assert "x" * 119 + "…" in page
        for shown in (text, page):
            assert "\x1b" not in shown
            assert "�[31mred" in shown
            assert ("why " * 100).strip() in shown
            assert len(shown) < 4000
        assert made["stage"][0] == "x" * 1_000_000

    def test_a_long_frame_shows_both_ends(self) -> None:
        """Of very many rows the first and last are spelled, with a gap between."""
        text = repr(frames.TidyFrame.of(self.frame(500)))
        page = frames.TidyFrame.of(self.frame(500))._repr_html_()

        assert "..." in text
        assert page is not None
        assert "..." in page
        for shown in (text, page):
            assert "1.23" in shown
            assert "617" in shown
            assert "500 rows x 4 columns" in shown
        assert len(text.splitlines()) < 30

    def test_it_is_a_data_frame(self) -> None:
        """What is looked at stays tidy, all else is a plain frame, with the same data, dtypes and units."""
        plain = self.frame()
        tidy = frames.TidyFrame.of(plain)
        again = pickle.loads(pickle.dumps(tidy))

        assert isinstance(tidy, pd.DataFrame)
        assert tidy.equals(plain)
        assert plain.equals(tidy)
        for made in (tidy.copy(), copy.copy(tidy), copy.deepcopy(tidy), again):
            assert type(made) is pd.DataFrame
            assert made.attrs == plain.attrs
        for part in (
            tidy.head(1),
            tidy[["stage", "sweep"]],
            tidy[tidy["trial"] > 1],
            tidy.sort_values("trial"),
        ):
            assert type(part) is frames.TidyFrame
            assert part.attrs == plain.attrs
        assert isinstance(tidy["stage"], pd.Series)
        assert repr(tidy[["started_at", "trial"]]).split()[:2] == [
            "started_at",
            "trial",
        ]  # chosen: none folds
        pd.testing.assert_frame_equal(again, plain)
        pd.testing.assert_frame_equal(tidy, plain)
        assert type(tidy.groupby("stage").sum(numeric_only=True)) is pd.DataFrame
        assert type(pd.concat([tidy, tidy])) is pd.DataFrame

    def test_a_long_cell_spreads_no_row_of_a_page(self) -> None:
        """A list of packages is cut and has room for a few words; a time isn't broken at its dashes."""
        packages = ", ".join(f"package{n} 1.2.{n}" for n in range(200))
        made = pd.DataFrame({"started_at": ["2026-08-01 12:00:00Z"], "packages": [packages]})
        page = frames.TidyFrame.of(made)._repr_html_() or ""

        assert '<td style="white-space:nowrap">2026-08-01 12:00:00Z</td>' in page
        assert f'<td style="min-width:20em;overflow-wrap:anywhere">{packages[:119]}…</td>' in page

    def test_no_html_where_pandas_is_told_so(self) -> None:
        """The own option of pandas for plain notebooks holds."""
        with pd.option_context("display.notebook_repr_html", False):
            assert frames.TidyFrame.of(self.frame())._repr_html_() is None
