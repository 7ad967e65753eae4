"""What follows from one record."""

from __future__ import annotations

import math
import sys
from array import array
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_magic.derived import METRICS, derive
from e2e_magic.record import Events, Record, Series, sentences
from tests import strategies


def _record(**given: Any) -> Record:
    fields: dict[str, Any] = {
        "run": "r",
        "stage": "s",
        "trial": 1,
        "repeat": 1,
        "state": "complete",
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "readings": {"wall_time_s": 2.0, "cpu_time_s": 3.0},
    }
    return Record(**{**fields, **given})


def _logged(**columns: list[float]) -> Events:
    size = len(next(iter(columns.values())))
    seconds = array("d", [n * 1.5 for n in range(1, size + 1)])
    return Events(seconds, array("d", range(1, size + 1)), {k: array("d", v) for k, v in columns.items()})


def test_rates_follow_from_entries_and_wall_time() -> None:
    """Latency is time per entry, throughput its inverse, CPU 100 for one core."""
    found = derive(_record(reported={"entries": 10})).values

    assert found == {
        "cpu_percent": 150.0,
        "entries": 10,
        "latency_s": 0.2,
        "throughput_per_s": 5.0,
    }


def test_nothing_is_made_up() -> None:
    """What was not measured gives nothing."""
    assert derive(_record(readings={})).values == {}


def test_last_and_best_come_from_the_log() -> None:
    """The raw curve, as logged."""
    found = derive(_record(events=_logged(loss=[3.0, 1.0, 2.0], accuracy=[0.1, 0.9, 0.8]))).values

    assert (found["loss"], found["best_loss"]) == (2.0, 1.0)
    assert (found["accuracy"], found["best_accuracy"], found["epochs"]) == (0.8, 0.9, 3)


def test_time_to_accuracy_is_the_first_epoch_that_reaches_it() -> None:
    """Also when the curve falls below it again; validation accuracy counts where it is logged."""
    events = _logged(accuracy=[0.9, 0.95, 0.99], val_accuracy=[0.1, 0.8, 0.5])
    found = derive(_record(events=events, reported={"target_accuracy": 0.8})).values

    assert (found["epochs_to_accuracy"], found["time_to_accuracy_s"]) == (2, 3.0)


def test_a_target_that_is_not_reached_has_no_time() -> None:
    """The reason names the best."""
    found = derive(_record(events=_logged(accuracy=[0.1, 0.5]), reported={"target_accuracy": 0.8}))
    why = "the target 0.8 was not reached in 3 s; the best accuracy was 0.5"

    assert sentences(found.missing) == {"epochs_to_accuracy": why, "time_to_accuracy_s": why}
    assert "time_to_accuracy_s" not in found.values


def test_a_list_gives_epochs_but_no_seconds() -> None:
    """Seconds need `log`."""
    found = derive(_record(reported={"accuracy": [0.5, 0.9], "target_accuracy": 0.9}))

    assert found.values["epochs_to_accuracy"] == 2
    assert sentences(found.missing) == {
        "time_to_accuracy_s": "seconds to accuracy need e2e.log(accuracy=..) inside the code, once per epoch"
    }


def test_a_binary_table_is_completed_and_contradictions_said() -> None:
    """Whatever follows from what was given."""
    found = derive(_record(reported={"binary": {"TP": 8.0, "FN": 2.0, "FP": 2.0, "TN": 88.0, "recall": 0.5}}))

    assert found.values["positive_precision"] == 0.8
    assert found.values["precision"] == pytest.approx((0.8 + 88 / 90) / 2)
    assert found.problems == (
        "recall = 0.5 contradicts TP = 8, FN = 2, FP = 2, TN = 88, from which recall = 0.8 follows "
        "(a difference up to 0.005 is taken for rounding)",
    )


@given(st.tuples(*[st.integers(0, 50)] * 4))
def test_a_whole_table_gives_what_its_matrix_does(counts: tuple[int, int, int, int]) -> None:
    """Accuracy, balanced accuracy and Matthews' coefficient are the same from either form."""
    tn, fp, fn, tp = counts
    table = {"TP": float(tp), "FN": float(fn), "FP": float(fp), "TN": float(tn)}
    found = derive(_record(reported={"binary": table})).values
    counted = derive(_record(reported={"confusion": [[tn, fp], [fn, tp]]})).values

    averages = ("accuracy", "balanced_accuracy", "mcc", "precision", "recall", "f1")
    for name in (*averages, "positive_precision", "positive_recall", "positive_f1", "tp", "tn", "fp", "fn"):
        if sum(counts):
            assert found.get(name) == pytest.approx(counted.get(name))
    assert ("mcc" in found) == (sum(counts) > 0)
    assert "mcc" not in derive(_record(reported={"binary": {"TP": 8.0, "FN": 2.0}})).values


def test_an_estimate_is_made_only_when_asked() -> None:
    """CPU share x the given power, in a column of its own."""
    assert "estimated_energy_j" not in derive(_record()).values

    asked = {"estimate_power": {"idle_w": 10.0, "full_w": 50.0, "cores": 2}}
    found = derive(_record(reported=asked)).values

    # 2 s at 10 W, and 3 of 4 core seconds of the 40 W between.
    assert found["estimated_energy_j"] == pytest.approx(20 + 40 * 0.75 * 2)
    assert "package_energy_j" not in found


def test_every_derived_number_is_declared() -> None:
    """A column's unit is known before anything runs."""
    names = [metric.name for metric in METRICS]
    record = _record(
        readings={"wall_time_s": 2.0, "cpu_time_s": 1.0, "package_energy_j": 5.0, "rss_start_mib": 1.0}
        | {"rss_end_mib": 2.0},
        events=_logged(loss=[1.0], accuracy=[0.9]),
        reported={"entries": 5, "confusion": [[1, 1], [0, 2]], "target_accuracy": 0.5},
    )

    assert len(names) == len(set(names))
    assert set(derive(record).values) <= set(names)


@given(strategies.records(logged=st.sampled_from(["loss", "accuracy", "val_loss", "val_accuracy", "<x>"])))
def test_any_record_gives_declared_numbers(record: Record) -> None:
    """Whatever was measured and reported: numbers under declared names, or reasons; never an error."""
    found = derive(record)

    assert set(found.values) <= {metric.name for metric in METRICS}
    assert all(type(value) in (int, float) for value in found.values.values())
    assert all(
        reason and reason == reason.strip()
        for reason in (*sentences(found.missing).values(), *found.problems)
    )
    for name in found.missing:
        assert math.isnan(found.values.get(name, math.nan))
    if "entries" in found.values and "latency_s" in found.values and record.readings["wall_time_s"] > 1e-250:
        assert found.values["latency_s"] * found.values["throughput_per_s"] == pytest.approx(1)


def test_a_confusion_matrix_gives_the_quality_columns() -> None:
    """Macro averages, the four counts of two classes, and what only scores give."""
    found = derive(
        _record(reported={"confusion": [[5, 1], [2, 7]], "scores": {"roc_auc": 0.9}}, readings={})
    ).values

    assert (found["tn"], found["fp"], found["fn"], found["tp"]) == (5, 1, 2, 7)
    assert found["accuracy"] == found["best_accuracy"] == pytest.approx(0.8)
    assert found["recall"] == found["balanced_accuracy"] == pytest.approx((5 / 6 + 7 / 9) / 2)
    assert found["precision"] == pytest.approx((5 / 7 + 7 / 8) / 2)
    assert found["roc_auc"] == 0.9


def test_parts_of_a_table_have_no_averages_and_say_why() -> None:
    """The positive class is known, the other is not."""
    found = derive(_record(reported={"binary": {"TP": 8.0, "FN": 2.0}}))

    assert found.values["positive_recall"] == 0.8
    assert {"precision", "recall", "f1"}.isdisjoint(found.values)
    assert found.missing["f1"].text == (
        "averages over both classes need all of TP, TN, FP and FN, or what they follow from"
    )
    assert found.missing["positive_precision"].text == "it doesn't follow from what was handed over"
    nothing = derive(_record(reported={"binary": {"TP": 0.0, "FP": 0.0, "TN": 5.0, "FN": 2.0}}))
    assert "positive_precision" not in nothing.values
    assert nothing.missing["positive_precision"].text == (
        "a share of nothing: nothing was predicted to be of the positive class"
    )


@pytest.mark.parametrize("whole", [1, 100])
def test_a_matrix_of_shares_gives_only_what_follows(whole: int) -> None:
    """Of 90 entries of one class and 10 of the other, each row as shares: recall, and no precision."""
    rows = [[0.965 * whole, 0.035 * whole], [0.2 * whole, 0.8 * whole]]
    found = derive(_record(reported={"confusion": rows}, readings={}))

    assert found.values == {
        "recall": pytest.approx(0.8825), "balanced_accuracy": pytest.approx(0.8825),
        "positive_recall": pytest.approx(0.8),
    }  # fmt: skip
    assert found.missing["precision"].text == (
        "the matrix holds shares of each true class, not counts: how often each class occurs is not in it; "
        "hand back counts"
    )
    columns = derive(
        _record(reported={"confusion": [list(row) for row in zip(*rows, strict=True)]}, readings={})
    )
    assert set(columns.values) == {"precision", "positive_precision"}


@pytest.mark.parametrize("confusion", [[[1, 0], [0, 1]], [[90, 10], [20, 80]], [[0.5, 0.25], [0.25, 7.0]]])
def test_counts_are_no_shares(confusion: list[list[float]]) -> None:
    """Whole numbers are counts, also as many of each class; weights that don't add up are weights."""
    assert {"precision", "accuracy", "mcc"} <= set(derive(_record(reported={"confusion": confusion})).values)


def test_a_share_of_nothing_is_missing_with_its_reason() -> None:
    """Nobody is positive, or is said to be: no recall, no precision of the positive class."""
    found = derive(_record(reported={"confusion": [[5, 0], [0, 0]]}, readings={}))

    assert {"positive_precision", "positive_recall", "positive_f1"}.isdisjoint(found.values)
    assert found.missing["positive_recall"].text == "a share of nothing: nothing is of the positive class"


@pytest.mark.parametrize(
    ("accuracy", "problems"),
    [
        (0.8, 0), (0.801, 0), (80.0, 0), ([0.2, 0.8], 0), (0.9, 1), (90.0, 1), ([0.8, 0.7], 1),
    ],
)  # fmt: skip
def test_an_accuracy_that_contradicts_the_matrix_is_said(accuracy: Any, problems: int) -> None:
    """Beside a matrix of 80 % right; what was handed over stands."""
    found = derive(_record(reported={"accuracy": accuracy, "confusion": [[4, 1], [1, 4]]}))

    assert len(found.problems) == problems
    if accuracy == 0.9:
        assert found.problems == (
            "accuracy = 0.9 contradicts the confusion matrix, from which 0.8 follows; "
            "the row has what was handed over",
        )


def test_an_empty_matrix_gives_nothing() -> None:
    """No entry, no accuracy: it is not 0."""
    assert derive(_record(reported={"confusion": [[0, 0], [0, 0]]}, readings={})).values == {}


def test_energy_for_what_was_done() -> None:
    """All measured domains count, and the power curve up to the second of the target."""
    found = derive(
        _record(
            readings={"wall_time_s": 4.0, "package_energy_j": 30.0, "gpu_energy_j": 10.0},
            series={
                "package_power_w": Series.of([1.5, 3.0, 4.5], [10.0, 20.0, 5.0]),
                "gpu_power_w": Series.of([1.5, 3.0, 4.5], [4.0, 2.0, 1.0]),
            },
            events=_logged(accuracy=[0.5, 0.9]),
            reported={"entries": 8, "target_accuracy": 0.9},
        )
    ).values

    assert found["mean_power_w"] == 10.0
    assert found["energy_per_entry_j"] == 5.0
    assert found["energy_per_epoch_j"] == 20.0
    assert found["energy_to_accuracy_j"] == pytest.approx(1.5 * (10 + 4) + 1.5 * (20 + 2))
    assert found["peak_power_w"] == 22.0


def test_a_part_without_a_curve_leaves_no_half_of_the_power() -> None:
    """Where the GPU's joules are counted and its curve is lost, the package's alone is not the power."""
    found = derive(
        _record(
            readings={"wall_time_s": 4.0, "package_energy_j": 30.0, "gpu_energy_j": 10.0},
            series={"package_power_w": Series.of([1.5, 3.0, 4.5], [10.0, 20.0, 5.0])},
            events=_logged(accuracy=[0.5, 0.9]),
            reported={"target_accuracy": 0.9},
        )
    )

    assert found.values["mean_power_w"] == 10.0
    assert not {"peak_power_w", "energy_to_accuracy_j"} & set(found.values)
    assert sentences(found.missing) == {
        "energy_to_accuracy_j": "there is no curve of all the power that was measured"
    }


BASELINE = {"package_w": 3.0, "dram_w": 0.5, "gpu_w": 1.0, "seconds": 10.0, "source": "rapl+nvml"}
ENERGIES = {"wall_time_s": 4.0, "package_energy_j": 30.0, "dram_energy_j": 6.0, "gpu_energy_j": 10.0}


def test_net_energy_is_all_that_was_measured_above_the_baseline() -> None:
    """The idle power of just those parts that the trial measured is taken off: 46 J - 4 s x 4.5 W."""
    found = derive(_record(readings=ENERGIES, reported={"baseline_power": BASELINE}))

    assert found.values["net_energy_j"] == pytest.approx(46 - 4 * 4.5)
    assert found.missing == {}

    package = {name: ENERGIES[name] for name in ("wall_time_s", "package_energy_j")}
    alone = derive(_record(readings=package, reported={"baseline_power": BASELINE})).values
    assert alone["net_energy_j"] == pytest.approx(30 - 4 * 3)


def test_net_energy_without_its_baseline_is_missing() -> None:
    """Never asked for, it is just not there; with the baseline of another part, the reason names the part."""
    assert "net_energy_j" not in derive(_record(readings=ENERGIES)).values
    assert derive(_record(readings=ENERGIES)).missing == {}

    found = derive(_record(readings=ENERGIES, reported={"baseline_power": {"package_w": 3.0}}))
    assert "net_energy_j" not in found.values
    assert sentences(found.missing) == {
        "net_energy_j": "the idle power of dram and gpu is not known: %e2e baseline"
    }

    nothing = derive(_record(reported={"baseline_power": BASELINE}))
    assert sentences(nothing.missing) == {"net_energy_j": "no energy was measured"}


def test_co2_is_of_what_was_measured_and_of_no_estimate() -> None:
    """Package, DRAM and GPU once each, idling included; an estimate gives none, and the reason says so."""
    carbon = {"carbon_g_per_kwh": 360.0, "baseline_power": BASELINE}
    found = derive(_record(readings=ENERGIES, reported=carbon)).values
    assert found["co2_g"] == pytest.approx(46 / 3.6e6 * 360)

    assert sentences(derive(_record(reported={"carbon_g_per_kwh": 360.0})).missing) == {
        "co2_g": "no energy was measured"
    }

    asked = {"estimate_power": {"idle_w": 10.0, "full_w": 50.0, "cores": 2}, "carbon_g_per_kwh": 360.0}
    estimated = derive(_record(reported=asked))
    assert estimated.values["estimated_energy_j"] > 0
    assert "co2_g" not in estimated.values
    assert sentences(estimated.missing) == {
        "co2_g": "it is of measured energy only, and there is none: an estimate would pass for it"
    }


def test_an_estimate_without_cpu_time_says_what_it_lacks() -> None:
    """Asked for and impossible: no number, and the reason."""
    asked = {"estimate_power": {"idle_w": 10.0, "full_w": 50.0, "cores": 2}}
    found = derive(_record(readings={"wall_time_s": 1.0}, reported=asked))

    assert "estimated_energy_j" not in found.values
    assert sentences(found.missing) == {
        "estimated_energy_j": "it follows from CPU time, which was not measured"
    }


def test_a_bare_record_costs_little() -> None:
    """Of a trial without reported numbers neither curves nor tables are looked at: a few calls do."""
    record = _record()
    calls: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        derive(record)
    finally:
        sys.setprofile(before)

    assert len(calls) < 40, calls
