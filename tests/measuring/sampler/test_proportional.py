"""Memory of a family with shared pages counted once: against forks whose sharing is known, and its cost."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from e2e_magic.measuring.collectors.memory import Memory
from e2e_magic.measuring.sampler import proportional, sampler
from e2e_magic.measuring.sampler.descendants import Descendants
from e2e_magic.measuring.sampler.files import Spec
from e2e_magic.measuring.sampler.proportional import SOON_NS, Look, TreePss
from e2e_magic.record import Code, Series

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux 4.14 and newer")


class Scripted(Look):
    """A look at pages and costs by hand; it is over at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(1, Descendants(os.getpid()))
        self.sizes = {1: 1000}
        self.cost_ns = 10_000_000
        self.at_ms: list[float] = []
        monkeypatch.setattr(proportional._thread, "start_new_thread", lambda look, given: look(*given))

    def _sizes(self) -> dict[int, int]:
        return dict(self.sizes)

    def _look(self, sizes: Mapping[int, int]) -> None:
        self._pages = sum(sizes.values())
        self._cost_ns = self.cost_ns
        self.at_ms.append(self._began_ns / 1e6)
        self._busy.release()

    def run(self, ms: int, step: int = 10, *, first: bool = False) -> list[float]:
        """Let time pass, and return when a look was taken, ms."""
        for now in range(1000, 1000 + ms + 1, step):
            self.begin_if_due(now * 1_000_000, first=first)
        return self.at_ms


def test_a_process_that_stands_still_is_looked_at_for_a_thousandth_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look of 10 ms is repeated after 10 s."""
    assert Scripted(monkeypatch).run(25_000, 500) == [1000, 11_000, 21_000]


def test_with_children_it_is_a_hundredth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look of 10 ms is repeated after a second."""
    look = Scripted(monkeypatch)
    look.sizes[2] = 1000

    assert look.run(3_000, 500) == [1000, 2000, 3000, 4000]


def test_cheap_looks_are_no_nearer_than_50_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the tree walked more often for the question."""
    look = Scripted(monkeypatch)
    look.sizes[2] = 1000
    look.cost_ns = 1000

    assert look.run(200, 10) == [1000, 1050, 1100, 1150, 1200]


def test_the_last_look_keeps_nobody_waiting_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken where it costs less than a fiftieth of what was measured, and shows something new."""
    look = Scripted(monkeypatch)
    look.run(0)
    look.end(2_000_000_000, SOON_NS - 1, first=True)
    look.end(2_000_000_000, 400_000_000, first=True)
    look.end(2_000_000_000, 600_000_000, first=False)
    assert look.at_ms == [1000]

    look.end(2_000_000_000, 600_000_000, first=True)
    look.sizes = {1: 1100}
    look.end(3_000_000_000, 600_000_000, first=False)
    assert look.at_ms == [1000, 2000, 3000]


def test_two_recordings_share_the_looks() -> None:
    """Beside each other they cost what one costs, and each has the value."""
    one, other = (TreePss(Spec("m", "tree_pss", pid=os.getpid())) for _ in range(2))

    assert one._look is other._look


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_what_a_family_shares_counts_once() -> None:
    """Three children of 64 MiB that nobody writes to add next to nothing, and RSS counts them four times."""
    block = bytearray(os.urandom(1 << 16)) * (64 << 4)
    collector = Memory()
    recording = sampler().start(collector.probes(), 0.02)

    def shared_seen() -> bool:
        """Say whether there was a look after a sample that has all children: they are listed seldom."""
        series = recording.peek().series
        with_all = max(series["rss_mib"].value, default=float("inf")) + 3 * 64
        since_s = next((t for t, mib in series["tree_rss_mib"] if mib > with_all), float("inf"))
        return any(t > since_s for t, _ in series["tree_pss_mib"])

    children = []
    ask, end = os.pipe()
    with collector:
        for _ in range(3):
            pid = os.fork()
            if not pid:
                os.close(end)
                os.read(ask, 1)  # until the parent closes its end
                os._exit(0)
            children.append(pid)
        while not shared_seen():
            time.sleep(0.02)
        samples = recording.stop()
        os.close(end)
    os.close(ask)
    for pid in children:
        os.waitpid(pid, 0)
    read = {**collector.readings(), **collector.sampled(samples.series, samples.totals)}
    own, rss, pss = (float(read[name]) for name in ("peak_rss_mib", "peak_tree_rss_mib", "peak_tree_pss_mib"))

    assert len(block) == 64 << 20
    assert rss > own + 3 * 64
    assert 64 < pss < own + 64


def test_looks_beside_the_peak_give_no_number() -> None:
    """A peak that no look saw is missing, not low."""
    collector = Memory()
    with collector:
        pass
    tree = Series.of([0.0, 0.1, 0.2, 0.3], [100.0, 100.0, 400.0, 100.0])
    beside = collector.sampled({"tree_rss_mib": tree, "tree_pss_mib": Series.of([0.1], [90.0])}, {})
    reason = collector.missing()["peak_tree_pss_mib"]

    assert "peak_tree_pss_mib" not in beside
    assert (reason.code, reason.text) == (
        Code.NO_SAMPLE,
        "the few looks that 1 % of the time allows fell beside the peak",
    )
    at_it = collector.sampled({"tree_rss_mib": tree, "tree_pss_mib": Series.of([0.3], [350.0])}, {})
    assert at_it["peak_tree_pss_mib"] == 350.0


def test_a_short_cell_has_none_and_says_why() -> None:
    """A look takes longer than such a cell."""
    collector = Memory()
    recording = sampler().start(collector.probes(), 0.01)
    with collector:
        samples = recording.stop()

    assert "peak_tree_pss_mib" not in collector.sampled(samples.series, samples.totals)
    assert str(collector.missing()["peak_tree_pss_mib"]) == (
        "no look fell into the code: it costs milliseconds, so there is none in the first 50 ms"
    )


def test_a_process_that_is_gone_counts_nothing() -> None:
    """One that ends between the list and the look is left out."""
    assert proportional._pss_mib(2**22 + 1) == 0.0
    assert proportional._pss_mib(os.getpid()) > 1
