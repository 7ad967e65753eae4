"""What every implementation of a protocol must do: subclass a contract and name the class under test.

``class TestCpu(CollectorContract): collector = Cpu`` runs the whole suite over `Cpu`.
"""

from __future__ import annotations

import json
import os
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from e2e_magic.measuring.collectors.base import Collector, Unavailable
from e2e_magic.measuring.collectors.proc import has_children
from e2e_magic.record import Metric, Reason, Series

UNITS = frozenset({"", "s", "MiB", "%", "J", "W", "/s"})


class CollectorContract:
    """What a trial relies on in every collector, built in or from another package.

    Attributes
    ----------
    collector : callable
        The class; called without arguments, as a trial does.
    units : frozenset of str
        The units that its metrics may have.
    cost_s : float
        The longest median time for making, entering, leaving and reading it.
    """

    collector: ClassVar[Callable[[], Collector]]
    units: ClassVar[frozenset[str]] = UNITS
    cost_s: ClassVar[float] = 0.5e-3

    def make(self) -> Collector:
        """Make one collector as a trial does; a test is skipped where it can't measure."""
        try:
            return type(self).collector()
        except Unavailable as why:
            pytest.skip(str(why))

    def measured(self) -> Collector:
        """Take one collector through a trial of a few thousand additions."""
        collector = self.make()
        collector.probes()
        with collector:
            sum(range(5_000))
        return collector

    def test_it_is_a_collector_with_a_name_and_a_source(self) -> None:
        """A collector follows the protocol, has a word for --metrics and says where its numbers come from."""
        collector = self.make()

        assert isinstance(collector, Collector)
        assert collector.name.isidentifier()
        assert collector.name == collector.name.lower()
        assert collector.source.strip()

    def test_metrics_are_declared_with_unit_group_and_description(self) -> None:
        """Every metric says its unit, its group, which direction is better and one line about itself."""
        declared = type(self).collector.metrics  # type: ignore[attr-defined]

        assert declared
        assert len({metric.name for metric in declared}) == len(declared)
        for metric in declared:
            assert isinstance(metric, Metric)
            assert metric.unit in self.units
            assert metric.group
            assert metric.better in {"lower", "higher", None}
            assert metric.description
            assert "\n" not in metric.description

    def test_the_name_of_a_metric_ends_with_its_unit(self) -> None:
        """A number per trial in s, MiB, J or W has the unit at the end of its column's name."""
        ends = {"s": "_s", "MiB": "_mib", "J": "_j", "W": "_w"}
        declared = type(self).collector.metrics  # type: ignore[attr-defined]

        for metric in declared:
            if not metric.curve and metric.unit in ends:
                assert metric.name.endswith(ends[metric.unit])

    def test_unavailable_gives_reason_and_remedy(self) -> None:
        """A collector that can't measure here says why in words, when it is made and not later."""
        try:
            type(self).collector()
        except Unavailable as caught:
            why = caught
        else:
            pytest.skip("it can measure here")

        assert why.reason.text.strip()
        assert isinstance(why.reason.remedy, str)
        assert why.reason.text in str(why)

    def test_readings_are_declared_numbers(self) -> None:
        """Readings are finite numbers or words under declared names of numbers per trial."""
        readings = self.measured().readings()

        declared = {metric.name for metric in self.make().metrics if not metric.curve}
        assert set(readings) <= declared
        for value in readings.values():
            assert isinstance(value, int | float | str)
            assert not isinstance(value, float) or abs(value) < float("inf")

    def test_missing_explains_each_declared_number_without_a_reading(self) -> None:
        """What was declared is read, follows from the curves, or is missing with a reason."""
        collector = self.measured()
        curves = {
            metric.name: Series.of([0.0, 0.1], [1.0, 2.0]) for metric in collector.metrics if metric.curve
        }
        totals = {probe.metric: 1.0 for probe in collector.probes() if probe.kind == "counter"}

        found = {**collector.readings(), **collector.sampled(curves, totals)}
        missing = collector.missing()

        for metric in collector.metrics:
            if not metric.curve:
                assert (metric.name in found) or str(missing.get(metric.name, "")).strip()

    def test_what_this_machine_can_not_give_is_declared_and_has_a_reason(self) -> None:
        """`absent`, where a collector has it, names declared metrics, and each trial misses them too."""
        collector = self.measured()
        declared = {metric.name: metric for metric in collector.metrics}
        absent = getattr(collector, "absent", dict)()

        assert set(absent) <= set(declared)
        assert all(isinstance(reason, Reason) and reason.text for reason in absent.values())
        numbers = {name for name in absent if not declared[name].curve}
        assert numbers <= set(collector.missing())
        assert not numbers & set(collector.readings())

    def test_what_follows_from_curves_is_declared(self) -> None:
        """Numbers from curves are declared, and no curves at all (a lost sampler) is no error."""
        collector = self.measured()
        declared = {metric.name for metric in collector.metrics if not metric.curve}

        assert set(collector.sampled({}, {})) <= declared

    def test_probes_are_plain_data_for_declared_curves(self) -> None:
        """Probes cross a pipe: they are plain, and each belongs to a declared curve of this collector."""
        collector = self.make()
        curves = {metric.name for metric in collector.metrics if metric.curve}

        probes = collector.probes()

        assert {probe.metric for probe in probes} <= curves
        for probe in probes:
            assert pickle.loads(pickle.dumps(probe)) == probe
            assert json.loads(json.dumps(probe._asdict()))["metric"] == probe.metric

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_an_exception_in_the_code_passes_and_leaves_readings(self, error: type[BaseException]) -> None:
        """An exception of the code goes through untouched, and what was measured so far is read."""
        whole = set(self.measured().readings())
        collector = self.make()

        with pytest.raises(error), collector:
            raise error

        assert set(collector.readings()) == whole

    def test_a_second_instance_is_clean(self) -> None:
        """Each trial has its own instance: a heavy trial leaves nothing in the next one's numbers."""
        first = self.measured()
        before = dict(first.readings())
        second = self.measured()

        assert second is not first
        assert dict(first.readings()) == before
        assert set(second.readings()) == set(before)

    def test_a_collector_that_was_not_entered_has_no_numbers(self) -> None:
        """Before the edges there is nothing to read: a reason per number, and no 0."""
        collector = self.make()

        assert not any(isinstance(value, int | float) for value in collector.readings().values())
        for metric in collector.metrics:
            if not metric.curve:
                assert str(collector.missing().get(metric.name, "")).strip()

    def test_nothing_stays_behind(self) -> None:
        """After the exit there is no new file descriptor, thread or child."""
        self.measured()  # what is loaded once per process
        before = _held()

        for _ in range(5):
            self.measured().readings()

        assert _held() == before

    def test_nothing_of_it_is_seen_by_the_code(self) -> None:
        """Between the edges there is no new thread and no child that the code's os.wait() would meet."""
        self.measured()
        before = _held()

        with self.make():
            during = _held()

        assert during["threads"] == before["threads"]
        assert during["children"] == before["children"]

    def test_it_is_cheap(self) -> None:
        """Making, entering, leaving and reading stays below the bound, so short cells can be measured."""
        self.measured()
        costs = []
        for _ in range(51):
            start = time.thread_time()  # not the time of who else works here
            self.measured().readings()
            costs.append(time.thread_time() - start)

        assert min(costs) < self.cost_s  # a busy machine makes some dearer, none cheaper


def _held() -> dict[str, Any]:
    folder = "/proc/self/fd"
    return {
        "descriptors": len(os.listdir(folder)) if os.path.isdir(folder) else None,  # noqa: PTH112, PTH208
        "threads": threading.active_count(),
        "children": has_children(),
    }
