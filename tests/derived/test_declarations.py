"""Which direction of a metric is better, and its unit: from the declaration, else by one rule."""

from __future__ import annotations

import pytest

from e2e_magic.derived.declarations import better_of, declared, lower_is_better, unit_of
from e2e_magic.record import Better


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("wall_time_s", "lower"),
        ("peak_rss_mib", "lower"),
        ("package_energy_j", "lower"),
        ("throughput_per_s", "higher"),
        ("latency_p99_s", "lower"),
        ("accuracy", "higher"),
        ("loss", "lower"),
        ("fp", "lower"),
        ("tp", "higher"),
        ("entries", None),
    ],
)
def test_a_declared_metric_says_it_itself(name: str, better: Better | None) -> None:
    """No name is guessed where there is a declaration."""
    assert name in declared()
    assert better_of(name) == better


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("val_error", "lower"),
        ("val_loss", "lower"),
        ("train-RMSE", "lower"),
        ("perplexity", "lower"),
        ("val_accuracy", "higher"),
        ("test auc", "higher"),
        ("f1", "higher"),
        ("lossless_score", "higher"),
        ("lr", None),
        ("depth", None),
    ],
)
def test_a_logged_name_is_judged_by_its_last_word(name: str, better: Better | None) -> None:
    """Errors should fall and scores rise, whatever stands before; of others nobody knows."""
    assert better_of(name) == better
    assert lower_is_better(name) is (better == "lower")


def test_every_metric_has_one_unit() -> None:
    """The declared one, wherever it is asked; a frame's own units go before, its name's ending comes last."""
    assert unit_of("latency_throughput_per_s") == "calls/s"
    assert unit_of("throughput_per_s") == "entries/s"
    assert all(unit_of(name) == metric.unit for name, metric in declared().items())
    assert unit_of("queue_s", {"queue_s": "requests"}) == "requests"
    assert unit_of("steps_per_s") == "1/s"
    assert unit_of("queue") == ""
