"""A real MLflow store on this disk."""

from __future__ import annotations

import shutil
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from e2e_magic.integrations import mlflow as ours
from e2e_magic.integrations.mlflow.points import MOST_PER_CURVE
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Environment, Events, Record, Run, Series
from e2e_magic.views import exporting

START = datetime(2026, 8, 1, 12, tzinfo=UTC)
RUN = Run("ab12cd", "baseline", START, "the first try", Environment("bench", python="3.12", cores=8))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, need: Any) -> Path:
    """Give a tracking store as MLflow makes it, which takes it seconds: once for all tests."""
    try:
        import mlflow as package
    except ImportError:
        package = None
    need(package, 'MLflow: pip install "e2e-magic[mlflow]"')
    made: Path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    package.MlflowClient(f"sqlite:///{made}").search_experiments()
    return made


@pytest.fixture
def mlflow(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give MLflow with a tracking store of its own, an SQLite file, and take its state back."""
    import mlflow as package

    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    before = package.get_tracking_uri()
    shutil.copy(empty, tmp_path / "mlflow.db")
    package.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    package.create_experiment("ours", artifact_location=(tmp_path / "artifacts").as_uri())
    package.set_experiment("ours")
    yield package
    while package.active_run():
        package.end_run()
    package.set_tracking_uri(before)


def trial(n: int, **more: Any) -> Record:
    """Make a trial of two seconds with a log and a curve."""
    times = [k / 100 for k in range(1000)]
    made: dict[str, Any] = {
        "run": RUN.id,
        "stage": "train",
        "trial": n,
        "repeat": 1,
        "state": "complete",
        "started_at": START + timedelta(minutes=n),
        "sweep": "s1",
        "params": {"lr": 0.1 * n, "layers": (8, n)},
        "readings": {"wall_time_s": 2.0, "energy_source": "rapl", "package_energy_j": 20.0},
        "series": {"rss_mib": Series.of(times, [100.0 + (900 if k == 777 else 0) for k in range(1000)])},
        "events": Events(
            array("d", [0.5, 1.0]),
            array("d", [1, 2]),
            {"loss": array("d", [0.9, 0.4]), "lr now": array("d", [1, 2])},
        ),
        "reported": {"entries": 100, "confusion": [[5, 1], [2, 4]], "classes": ["a", "b"]},
    }
    return Record(**{**made, **more})


def all_runs(mlflow: Any) -> list[Any]:
    """Give every run of the experiment."""
    client = mlflow.MlflowClient()
    return list(client.search_runs([client.get_experiment_by_name("ours").experiment_id]))


def children(mlflow: Any) -> list[Any]:
    """Give the runs that are trials, in order."""
    found = [run for run in all_runs(mlflow) if ours.TRIAL_TAG in run.data.tags]
    return sorted(found, key=lambda run: run.info.start_time)


def test_a_trial_is_a_run_nested_in_its_runs(mlflow: Any) -> None:
    """Parameters, numbers, states, times and our ids stand where MLflow has them."""
    failed = trial(2, state="failed", error="ValueError: no")
    logged = exporting.to_mlflow([RUN], [trial(1), failed])

    [parent] = [run for run in all_runs(mlflow) if ours.TRIAL_TAG not in run.data.tags]
    assert logged.runs == (parent.info.run_id,)
    assert (logged.trials, logged.known) == (2, 0)
    assert parent.info.run_name == "baseline"
    assert parent.data.tags[ours.RUN_TAG] == "ab12cd"
    assert parent.data.tags["mlflow.note.content"] == "the first try"
    assert parent.data.params == {
        "description": "the first try",
        "host": "bench",
        "python": "3.12",
        "cores": "8",
    }
    assert parent.info.status == "FINISHED"
    first, second = children(mlflow)
    assert first.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert first.info.run_name == "train 1"
    assert first.data.params == {"stage": "train", "repeat": "1", "lr": "0.1", "layers": "(8, 1)"}
    assert first.data.metrics["wall_time_s"] == 2.0
    assert first.data.metrics["throughput_per_s"] == 50.0
    assert first.data.metrics["accuracy"] == pytest.approx(9 / 12)
    assert "dram_energy_j" not in first.data.metrics
    assert first.info.start_time == round((START + timedelta(minutes=1)).timestamp() * 1000)
    assert first.info.end_time - first.info.start_time == 2000
    assert (first.info.status, second.info.status) == ("FINISHED", "FAILED")
    assert second.data.tags["e2e_magic.error"] == "ValueError: no"
    assert second.data.tags["e2e_magic.sweep"] == "s1"


def test_curves_have_epochs_as_steps_and_samples_keep_their_peaks(mlflow: Any) -> None:
    """The log's epochs are steps; of a thousand samples a few remain, the peak among them."""
    exporting.to_mlflow([RUN], [trial(1)])

    client = mlflow.MlflowClient()
    [run] = children(mlflow)
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 0.9), (2, 0.4)]
    assert history[0].timestamp - run.info.start_time == 500
    assert [p.value for p in client.get_metric_history(run.info.run_id, "lr now")] == [1.0, 2.0]
    samples = client.get_metric_history(run.info.run_id, "rss_mib")
    assert 20 <= len(samples) <= MOST_PER_CURVE
    assert {(p.step, p.value) for p in samples if p.value > 100} == {(7770, 1000.0)}
    assert run.data.metrics["loss"] == 0.4


def test_data_frames_among_the_parameters_are_told_apart(mlflow: Any) -> None:
    """Two that print alike are logged by the labels of their contents."""
    alike = [
        trial(
            n, params={"data": "   x\n0  1"}, reported={"param_contents": {"data": {"digest": d, "label": d}}}
        )
        for n, d in ((1, "DataFrame 9x1 #12ab34"), (2, "DataFrame 9x1 #56cd78"))
    ]
    exporting.to_mlflow([RUN], alike)

    assert [run.data.params["data"] for run in children(mlflow)] == [
        "DataFrame 9x1 #12ab34", "DataFrame 9x1 #56cd78",
    ]  # fmt: skip


def test_a_listed_curve_counts_as_epochs(mlflow: Any) -> None:
    """What was handed back as a list has the steps 1, 2, 3."""
    exporting.to_mlflow([RUN], [trial(1, events=Events(), reported={"loss": [3.0, 2.0, float("nan")]})])

    [run] = children(mlflow)
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == [1, 2, 3]


def test_the_results_frame_and_charts_are_artifacts(mlflow: Any) -> None:
    """The run has its table and its charts as files."""
    logged = exporting.to_mlflow([RUN], [trial(1)])

    names = {found.path for found in mlflow.MlflowClient().list_artifacts(logged.runs[0])}
    assert {"results.csv", "pipeline.png", "stage_1_train_1.svg"} <= names
    folder = mlflow.artifacts.download_artifacts(run_id=logged.runs[0])
    assert Path(folder, "results.csv").read_text().startswith("run,stage,sweep,trial")
    assert Path(folder, "pipeline.png").read_bytes()[:4] == b"\x89PNG"


def test_what_was_logged_is_not_logged_again(mlflow: Any) -> None:
    """A second export adds the new trials to the same run."""
    first = exporting.to_mlflow([RUN], [trial(1)])
    second = exporting.to_mlflow([RUN], [trial(1), trial(2)])

    assert second.runs == first.runs
    assert (second.trials, second.known) == (1, 1)
    assert len(all_runs(mlflow)) == 3
    assert str(second) == f"1 trial of 1 run logged to MLflow at {second.uri} (1 more were there already)"


def test_it_nests_in_the_users_own_run(mlflow: Any) -> None:
    """A run that the user has open stays open, and ours is inside."""
    with mlflow.start_run() as active:
        logged = exporting.to_mlflow([RUN], [trial(1)])
        assert mlflow.active_run().info.run_id == active.info.run_id

    parent = mlflow.MlflowClient().get_run(logged.runs[0])
    assert parent.data.tags["mlflow.parentRunId"] == active.info.run_id


def test_hostile_names_are_spelled_as_mlflow_takes_them(mlflow: Any) -> None:
    """Markup, quotes, slashes, dots and a megabyte: logged under names that MLflow allows, none lost."""
    odd = ["a/b", "a b", "..", "", "<b>'\"", "x" * 10**6, "a:b", "a?b", "é\x00"]
    record = trial(
        1,
        stage="'; DROP TABLE runs; --" + "x" * 10**5,
        params=dict.fromkeys(odd, "y" * 10**5),
        events=Events(array("d", [1.0]), array("d", [1]), {name: array("d", [7.0]) for name in odd}),
        error="\x00" * 10**5,
        readings={"wall_time_s": float("inf")},
    )
    run = replace(RUN, id="it's", name="n" * 10**5, description="<script>" * 10**5)
    exporting.to_mlflow([run], [replace(record, run="it's")])
    exporting.to_mlflow([run], [replace(record, run="it's")])

    [found] = children(mlflow)
    assert len([value for value in found.data.metrics.values() if value == 7.0]) == len(odd)
    assert len(found.data.params) == len(odd) + 2


def test_a_trial_goes_in_few_calls(mlflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is a transaction or a request: a trial with 300 numbers takes four."""
    calls: Counter[str] = Counter()

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **more: Any) -> Any:
            calls[name] += 1
            return call(*given, **more)

        return counted

    for name, call in list(vars(mlflow.MlflowClient).items()):
        if not name.startswith("_") and callable(call):
            monkeypatch.setattr(mlflow.MlflowClient, name, counting(name, call))
    exporting.to_mlflow([RUN], [trial(1)])
    calls.clear()
    exporting.to_mlflow([RUN], [trial(n) for n in range(1, 21)])

    assert len(children(mlflow)) == 20
    assert calls["create_run"] == 19
    assert calls["set_terminated"] <= 20
    assert calls["log_batch"] == 2 * 19
    assert not {"log_metric", "log_param", "set_tag"} & calls.keys()


def test_tags_keep_their_names(mlflow: Any) -> None:
    """By them an export of another day finds what is there, whichever version logged it."""
    exporting.to_mlflow([RUN], [trial(1)])
    tags = {name for run in all_runs(mlflow) for name in run.data.tags if name.startswith("e2e_magic.")}

    assert tags == {f"e2e_magic.{name}" for name in ("run", "started_at", "trial", "stage", "state", "sweep")}


def test_nothing_to_log_is_said() -> None:
    """Without a trial there is nothing to export."""
    with pytest.raises(PlanError) as caught:
        exporting.to_mlflow([RUN], [])

    assert str(caught.value) == "export: there is nothing to log to MLflow yet; measure a cell first"


def test_its_absence_names_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MLflow the error says what to install."""
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ImportError) as caught:
        exporting.to_mlflow([RUN], [trial(1)])

    assert str(caught.value) == 'logging to MLflow needs mlflow: pip install "e2e-magic[mlflow]"'


def test_what_mlflow_refuses_is_said_with_its_address(mlflow: Any) -> None:
    """MLflow's own words come in a sentence, without a password of the address."""
    mlflow.set_tracking_uri("postgresql://me:secret@127.0.0.1:9/x")
    assert ours._without_password(mlflow.get_tracking_uri()) == "postgresql://127.0.0.1:9/x"
    mlflow.set_tracking_uri("gopher://me:secret@127.0.0.1")
    with pytest.raises(ours.MlflowError) as caught:
        exporting.to_mlflow([RUN], [trial(1)])

    assert str(caught.value).startswith("MLflow at gopher://127.0.0.1 refused: ")
    assert str(caught.value).endswith("; check MLFLOW_TRACKING_URI or mlflow.set_tracking_uri()")


def test_the_magic_logs_to_mlflow(mlflow: Any, shell: Any, capsys: Any) -> None:
    """``%e2e export mlflow`` logs this kernel's runs and says where."""
    shell.run_cell("%e2ebench -q -s train 1 + 1", store_history=False).raise_error()
    shell.run_line_magic("e2e", "export mlflow")

    assert f"1 trial of 1 run logged to MLflow at {mlflow.get_tracking_uri()}" in capsys.readouterr().out
    assert len(all_runs(mlflow)) == 2
