"""Energy from RAPL's counters: every layout, every way to lose them, and any history of a counter."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.measuring.collectors import powercap, pyrapl
from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.collectors.energy import Counters, Energy
from e2e_magic.measuring.sampler import Sampler
from e2e_magic.measuring.sampler.files import Spec, counter
from e2e_magic.text import quantity
from tests.contracts import CollectorContract
from tests.measuring.collectors import fake_rapl_namespace
from tests.measuring.collectors.fake_powercap import DRAWN, RANGE, FakePowercap, layout

REPOSITORY = Path(__file__).parents[3]


class TestEnergy(CollectorContract):
    units = frozenset({"J", "W", ""})

    @pytest.fixture(autouse=True)
    def _tree(self, tmp_path: Path) -> Iterator[None]:
        """Give the contract a machine with two sockets that draws power while code runs."""
        tree = layout("two sockets", tmp_path)

        files = [tree.file("intel-rapl:0").open("rb+", 0), tree.file("intel-rapl:1:2").open("rb+", 0)]
        values = itertools.count(8_000_000, 250_000)

        class Drawing(Energy):
            root = str(tmp_path)

            def __exit__(self, *error: object) -> None:
                for file in files:
                    os.pwrite(file.fileno(), b"%20d\n" % next(values), 0)
                super().__exit__(*error)  # type: ignore[arg-type]

        type(self).collector = Drawing
        yield
        del type(self).collector
        for file in files:
            file.close()


@pytest.mark.parametrize("kind", DRAWN)
def test_every_layout_gives_its_joules_once(kind: str, tmp_path: Path) -> None:
    """Sockets and dies are added; cores, graphics, psys and copies are not; what isn't there is missing."""
    tree = layout(kind, tmp_path)
    collector = Energy(str(tree.root))

    with collector:
        tree.draw()

    readings, missing = dict(collector.readings()), collector.missing()
    assert readings.pop("energy_source") == "rapl"
    assert readings == pytest.approx(DRAWN[kind])
    for name in {"package_energy_j", "dram_energy_j", "psys_energy_j"} - set(readings):
        assert missing[name]


def test_a_trial_runs_nothing_of_pyrapl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked by `%e2e metrics` alone: the measured process reads plain files."""
    monkeypatch.setattr(pyrapl, "refusal", lambda *_: pytest.fail("a trial asked pyRAPL"))
    tree = layout("one socket", tmp_path)
    collector = Energy(str(tree.root))
    with collector:
        tree.draw()

    assert collector.probes()
    assert collector.readings()["package_energy_j"]
    monkeypatch.setattr(pyrapl, "refusal", lambda *_: "")
    assert collector.source.endswith("(package: pyRAPL; dram: pyRAPL)")


def test_a_mirror_for_each_die_counts_once(tmp_path: Path) -> None:
    """Four zones that show one and the same counter, before and after, are one counter."""
    tree = layout("amd, a mirror for each die", tmp_path)
    collector = Energy(str(tree.root))
    [probe] = collector.probes()

    with collector:
        for die in range(4):
            tree.add(f"intel-rapl:{die}", 3_000_000)

    assert collector.readings()["package_energy_j"] == pytest.approx(3)
    assert probe.args == ()


def test_dies_that_only_start_alike_are_added(tmp_path: Path) -> None:
    """Counters that show the same number by chance at one edge, and go their own ways, are two."""
    tree = layout("amd, a mirror for each die", tmp_path)
    collector = Energy(str(tree.root))

    with collector:
        for die in range(4):
            tree.add(f"intel-rapl:{die}", 1_000_000 * (die + 1))

    assert collector.readings()["package_energy_j"] == pytest.approx(10)


def test_a_layout_without_a_package_is_unavailable(tmp_path: Path) -> None:
    """The energy of the cores alone is not the package's: the reason says what there is."""
    root = layout("core only", tmp_path).root

    with pytest.raises(Unavailable) as caught:
        Energy(str(root))

    assert str(caught.value) == (
        f"RAPL in {root} has no counter for a whole package, only for core; "
        "measure on the bare machine, or ask for an estimate: --estimate-power IDLE_W,FULL_W"
    )


def test_no_tree_is_unavailable_in_one_line(tmp_path: Path) -> None:
    """Without RAPL there is a reason of one line and a next step, and no number."""
    with pytest.raises(Unavailable) as caught:
        Energy(str(tmp_path / "nothing"))

    assert "\n" not in str(caught.value)
    assert caught.value.reason.remedy


def as_another(tmp_path: Path, tree: FakePowercap, *closed: str) -> list[str]:
    """Make `Energy` as a user who is not root and may not read these zones; return what it says."""
    for folder in closed:
        tree.file(folder).chmod(0o400)
    for folder in (tmp_path, *tmp_path.parents):  # pytest's own folders are closed to others
        if folder.stat().st_uid == os.getuid() and folder != Path(folder.anchor):
            folder.chmod(folder.stat().st_mode | 0o055)
    code = f"""
import os, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.collectors.energy import Energy
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
else:
    for path in {[str(tree.file(folder)) for folder in closed]!r}:
        os.chmod(path, 0)
try:
    collector = Energy({str(tree.root)!r})
except Unavailable as why:
    print(why.reason.text)
    print(why.reason.remedy)
else:
    print(*sorted(collector.absent()))
    print(collector.absent()["dram_energy_j"])
    print(collector.missing()["dram_energy_j"])
    print(*[probe.metric for probe in collector.probes()])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_counters_of_root_alone_are_unavailable_to_others(tmp_path: Path) -> None:
    """Since 2020 the counters are root's: another user is told the command that opens these very files."""
    tree = FakePowercap(tmp_path / "powercap")
    tree.zone("intel-rapl:0", "package-0")
    tree.zone("intel-rapl:0:0", "dram")

    reason, remedy = as_another(tmp_path, tree, "intel-rapl:0", "intel-rapl:0:0")

    assert reason == f"RAPL is there, but only root may read {tree.file('intel-rapl:0')} and 1 more"
    assert f"z {tree.file('intel-rapl:0')} 0444 root root -" in remedy
    assert f"z {tree.file('intel-rapl:0:0')} 0444 root root -" in remedy
    assert "sudo systemd-tmpfiles --create" in remedy


def test_a_closed_counter_of_memory_costs_its_own_number(tmp_path: Path) -> None:
    """Recipes open the package's file alone: then it is measured, and memory says what opens it too."""
    tree = layout("one socket", tmp_path / "powercap")

    absent, why, missing, probes = as_another(tmp_path, tree, "intel-rapl:0:2")

    reason = f"RAPL is there, but only root may read {tree.file('intel-rapl:0:2')}"
    assert absent == "dram_energy_j dram_power_w psys_energy_j psys_power_w"
    assert why.startswith(f"{reason}; to open it to all")
    assert missing == f"{reason}; %e2e metrics shows what to do"
    assert probes == "package_power_w"


@pytest.mark.parametrize("gone", ["intel-rapl:0", "intel-rapl:0:2"])
def test_a_counter_that_vanishes_costs_its_own_number(gone: str, tmp_path: Path) -> None:
    """The driver may be unloaded mid-trial: that energy is missing with a reason, the other stays."""
    tree = layout("one socket", tmp_path)
    collector = Energy(str(tree.root))
    lost, kept = ("package_energy_j", "dram_energy_j")[:: 1 if gone == "intel-rapl:0" else -1]

    with collector:
        tree.draw()
        path = tree.file(gone)
        path.unlink()

    assert lost not in collector.readings()
    assert str(collector.missing()[lost]) == f"{path} can't be read: No such file or directory"
    assert collector.readings()[kept] == pytest.approx(DRAWN["one socket"][kept])


def test_a_counter_that_stands_still_is_no_zero(tmp_path: Path) -> None:
    """Some virtual machines show a counter that never moves: that is not 0 J."""
    collector = Energy(str(layout("amd", tmp_path).root))

    with collector:
        pass

    assert collector.readings() == {}
    assert str(collector.missing()["package_energy_j"]) == (
        "the counter did not move: it steps about every millisecond, "
        "and what some virtual machines show never does"
    )
    assert str(collector.missing()["energy_source"]) == "no energy was measured"


def test_a_counter_that_runs_back_without_a_range_is_missing(tmp_path: Path) -> None:
    """Where the kernel does not say the range, a wrap can't be undone."""
    tree = FakePowercap(tmp_path)
    tree.zone("intel-rapl:0", "package-0", wrap=0)
    collector = Energy(str(tree.root))

    with collector:
        tree.add("intel-rapl:0", -500)

    assert "package_energy_j" not in collector.readings()
    assert str(collector.missing()["package_energy_j"]) == (
        f"{tree.file('intel-rapl:0')} ran backwards, and its range is not known"
    )


def test_a_long_trial_without_the_sampler_does_not_guess(tmp_path: Path) -> None:
    """After long enough for two wraps, nobody but the sampler knows how many there were."""
    tree = layout("amd", tmp_path)
    now = iter([0.0, RANGE * 1e-6 / 999])
    collector = Energy(str(tree.root), clock=lambda: next(now))

    with collector:
        tree.add("intel-rapl:0", 5_000_000)

    assert "package_energy_j" not in collector.readings()
    assert str(collector.missing()["package_energy_j"]) == (
        "the counter may have started again more than once, and the sampler was not there to count it"
    )
    assert collector.sampled({}, {"package_power_w": RANGE * 1e-6 + 5.01})[
        "package_energy_j"
    ] == pytest.approx(RANGE * 1e-6 + 5)
    assert "package_energy_j" not in collector.missing()


def test_a_counter_that_is_gone_is_looked_for_again(tmp_path: Path) -> None:
    """After the driver was unloaded, the reason is said, and once it is loaded anew all is measured again."""
    tree = layout("amd", tmp_path)
    Energy(str(tree.root))
    path = tree.file("intel-rapl:0")
    held = path.read_text()
    path.unlink()

    with pytest.raises(Unavailable) as caught:
        Energy(str(tree.root))
    assert str(caught.value) == (
        f"RAPL was there, but {path} can't be read: No such file or directory; "
        "ask for an estimate: --estimate-power IDLE_W,FULL_W"
    )
    assert not caught.value.lasting

    path.write_text(held)
    collector = Energy(str(tree.root))
    with collector:
        tree.draw()
    assert collector.readings()["package_energy_j"] == pytest.approx(1.5)


def test_a_counter_that_restarts_is_missing_for_collector_and_sampler(tmp_path: Path) -> None:
    """Set back to 0 within 0.2 s it would have gone round by 262 kJ; a jump forward is none either."""
    tree = layout("amd", tmp_path)
    now = iter([0.0, 0.2] * 3)
    collector = Energy(str(tree.root), clock=lambda: next(now))
    [probe] = collector.probes()
    reader = counter(Spec(probe.metric, probe.kind, probe.path, probe.scale, probe.wrap, probe.args))
    reader.read(0)
    held = int(tree.file("intel-rapl:0").read_text())
    with collector:
        tree.file("intel-rapl:0").write_text("700")

    assert collector.sampled({}, {"package_power_w": 5e5}) == {}
    gone_round = quantity((RANGE + 700 - held) * 1e-6, "J")
    assert str(collector.missing()["package_energy_j"]) == (
        f"{tree.file('intel-rapl:0')} started anew at 0 meanwhile: {gone_round} in 200 ms would be more than "
        "any processor takes"
    )
    with pytest.raises(ValueError, match="started anew at 0: its range would be too much at once"):
        reader.read(200_000_000)
    reader.close()
    with collector:
        tree.add("intel-rapl:0", 2_000_000_000)
    assert collector.readings() == {}
    assert "jumped: 2 kJ in 200 ms would be" in str(collector.missing()["package_energy_j"])
    with collector:
        tree.add("intel-rapl:0", 2_000_000)
    assert collector.readings()["package_energy_j"] == pytest.approx(2.0)


def test_a_machine_that_slept_has_no_energy(tmp_path: Path) -> None:
    """Counters start anew when a laptop wakes: that is no wrap of hundreds of kilojoules."""
    tree = layout("amd", tmp_path)
    zones = powercap.counted(powercap.zones(str(tree.root)), "package")
    naps = iter([7.0, 7.0 + 1e-6, 7.0, 1807.0])
    awake = Counters("package", zones, clock=lambda: 0.0, asleep=lambda: next(naps))
    awake.start()
    tree.add("intel-rapl:0", 1_500_000)
    awake.stop()
    assert awake.joules() == pytest.approx(1.5)

    slept = Counters("package", zones, clock=lambda: 0.0, asleep=lambda: next(naps))
    slept.start()
    tree.add("intel-rapl:0", -2_000_000)
    slept.stop()
    with pytest.raises(LookupError, match=r"^the machine slept meanwhile, and its counters may have started"):
        slept.joules(3.0)


def test_counters_of_different_ranges_are_added_or_missing(tmp_path: Path) -> None:
    """Each wraps at its own range; where the sum of several wraps can't be told apart, it is not guessed."""
    tree = FakePowercap(tmp_path)
    tree.zone("intel-rapl:0", "package-0", uj=900_000, wrap=1_000_000)
    tree.zone("intel-rapl:1", "package-1", uj=2_900_000, wrap=3_000_000)
    now = iter([0.0, 0.0005, 0.0, 60.0])
    collectors = [Energy(str(tree.root), clock=lambda: next(now)) for _ in range(2)]
    for collector in collectors[:1]:
        with collector:
            tree.add("intel-rapl:0", 200_000)
            tree.add("intel-rapl:1", 300_000)
        assert collector.sampled({}, {"package_power_w": 99.0})["package_energy_j"] == pytest.approx(0.5)

    with collectors[1]:
        tree.add("intel-rapl:0", 200_000)
    assert collectors[1].sampled({}, {"package_power_w": 1.2}) == {}
    assert str(collectors[1].missing()["package_energy_j"]) == (
        "a counter may have started again more than once, and their ranges differ"
    )
    assert collectors[1].probes()[0].wrap == 0


@pytest.mark.parametrize("wraps", [0, 1, 3])
def test_the_sampler_sees_each_wrap(wraps: int, tmp_path: Path) -> None:
    """With the real sampler, a counter that starts again 0, 1 or 3 times gives all its energy."""
    tree = FakePowercap(tmp_path)
    for socket in range(2):
        tree.zone(f"intel-rapl:{socket}", f"package-{socket}", uj=900_000 * socket, wrap=1_000_000)
    sampler = Sampler()
    collector = Energy(str(tree.root))
    steps = 4 + 10 * wraps
    try:
        recording = sampler.start(collector.probes(), 0.002)
        with collector:
            for _ in range(steps):
                samples = recording.peek().samples
                tree.add("intel-rapl:0", 100_000)
                tree.add("intel-rapl:1", 10_000)
                while recording.peek().samples < samples + 2:  # it has seen this step
                    time.sleep(0.001)
        samples = recording.stop()
    finally:
        sampler.close()

    found = {**collector.readings(), **collector.sampled(samples.series, samples.totals)}

    assert found["package_energy_j"] == pytest.approx(steps * 0.11)
    curve = samples.series["package_power_w"]
    assert len(curve) >= 1
    assert min(curve.value) >= 0


@settings(deadline=None)
@given(
    wrap=st.integers(1_000, 2**60),
    sockets=st.lists(
        st.tuples(st.floats(0, 0.999), st.lists(st.floats(0, 0.999), min_size=1, max_size=8)),
        min_size=1,
        max_size=3,
    ),
    slack=st.floats(-0.4, 0.4),
)
def test_any_history_of_a_counter_gives_the_true_energy(
    wrap: int, sockets: list[tuple[float, list[float]]], slack: float
) -> None:
    """Whatever each socket took between two looks of the sampler, however often it wrapped: all is counted.

    The sampler starts a little before the first edge and ends a little after the last: its total may be off
    by what was drawn there, and the energy is the edges' all the same.
    """
    with TemporaryDirectory() as folder:
        tree = FakePowercap(Path(folder))
        for n, (start, _) in enumerate(sockets):
            tree.zone(f"intel-rapl:{n}", f"package-{n}", uj=int(start * wrap), wrap=wrap)
        zones = powercap.counted(powercap.zones(folder), "package")
        edges = iter([0.0, 1e12])  # any step is a possible one in so long a time
        counters = Counters("package", zones, clock=lambda: next(edges))
        counters.start()
        true_uj = 0
        for n, (_, steps) in enumerate(sockets):
            for step in steps:
                tree.add(f"intel-rapl:{n}", int(step * wrap))
                true_uj += int(step * wrap)
        counters.stop()

        total = true_uj * 1e-6 + slack * wrap * 1e-6
        if true_uj == 0:
            with pytest.raises(LookupError, match="did not move"):
                counters.joules(0.0)
        else:
            assert counters.joules(total) == pytest.approx(true_uj * 1e-6, rel=1e-12)


@settings(deadline=None)
@given(
    ranges=st.tuples(st.integers(1_000, 2**40), st.integers(1_000, 2**40)),
    start=st.floats(0, 0.999),
    before=st.floats(0, 0.2),
    steps=st.lists(st.tuples(st.sampled_from(["package", "dram", "both"]), st.floats(0, 0.75)), max_size=12),
    after=st.floats(0, 0.2),
)
def test_any_history_between_the_edges_is_what_collector_and_sampler_say_together(
    ranges: tuple[int, int], start: float, before: float, steps: list[tuple[str, float]], after: float
) -> None:
    """The sampler's own reader looks after each step, and a little longer: only the trial counts.

    Package and DRAM have ranges of their own, as on servers, and wrap at different times. Between two
    looks a counter never goes all the way round: that is what `often enough` means.
    """
    with TemporaryDirectory() as folder:
        tree = FakePowercap(Path(folder))
        wrap = dict(zip(("package", "dram"), ranges, strict=True))
        files = {"package": "intel-rapl:0", "dram": "intel-rapl:0:0"}
        tree.zone(files["package"], "package-0", uj=int(start * wrap["package"]), wrap=wrap["package"])
        tree.zone(files["dram"], "dram", uj=int(start * wrap["dram"]), wrap=wrap["dram"])
        seconds = itertools.count(0.0, 1e9)
        collector = Energy(folder, clock=lambda: next(seconds))
        readers = {
            probe.metric: counter(
                Spec(probe.metric, probe.kind, probe.path, probe.scale, probe.wrap, probe.args)
            )
            for probe in collector.probes()
        }
        instants = itertools.count(0, 10**18)

        def look() -> None:
            now = next(instants)
            for reader in readers.values():
                reader.read(now)

        def draw(kind: str, share: float) -> int:
            tree.add(files[kind], int(share * wrap[kind]))
            return int(share * wrap[kind])

        try:
            look()
            for kind in files:
                draw(kind, before)
            true_uj = dict.fromkeys(files, 0)
            with collector:
                for what, share in steps:
                    for kind in files if what == "both" else (what,):
                        true_uj[kind] += draw(kind, share)
                    look()
            for kind in files:
                draw(kind, after)
            look()
            totals = {
                name: total for name, reader in readers.items() if (total := reader.total()) is not None
            }
        finally:
            for reader in readers.values():
                reader.close()

        found = {**collector.readings(), **collector.sampled({}, totals)}
        for kind, energy_uj in true_uj.items():
            if energy_uj == 0:
                assert "did not move" in str(collector.missing()[f"{kind}_energy_j"])
            else:
                assert found[f"{kind}_energy_j"] == pytest.approx(energy_uj * 1e-6, rel=1e-12)


NAMESPACE = fake_rapl_namespace.available()
needs_namespace = pytest.mark.skipif(
    not NAMESPACE and not os.environ.get("CI"), reason="this user may not unshare a mount namespace here"
)

INSIDE = f"""
import json, logging, sys
from pathlib import Path
sys.path[:0] = [{str(REPOSITORY)!r}, {str(Path(__file__).parent)!r}]
from fake_powercap import FakePowercap
from e2e_magic.measuring.collectors.energy import Energy
tree = FakePowercap(Path("/sys/class/powercap"))
collector = Energy()
with collector:
    tree.draw()
stayed = [name for name in ("pandas", "pyRAPL", "pymongo") if name in sys.modules]
print(json.dumps([collector.source, dict(collector.readings()), stayed, len(logging.getLogger().handlers)]))
"""


@needs_namespace
@pytest.mark.parametrize(
    ("kind", "sockets", "way"),
    [
        ("one socket", "0,0", "package: pyRAPL; dram: pyRAPL"),
        ("one socket, no dram", "0,0", "package: pyRAPL"),
        ("two sockets", "0,1", "package: pyRAPL; dram: pyRAPL"),
        ("amd", "0,0", "package: pyRAPL"),
        ("psys beside a package", "0,0", "package: pyRAPL; dram: pyRAPL"),
        ("mmio copy", "0,0", "package: pyRAPL; dram: pyRAPL"),
        (
            "two dies",
            "0,0",
            "package: read directly, for pyRAPL can't: it does not know sockets with several dies; "
            "dram: read directly, for pyRAPL can't: it does not know sockets with several dies",
        ),
        ("psys only", "0,0", "psys: read directly, for pyRAPL can't: it does not know psys"),
    ],
)
def test_the_real_pyrapl_finds_the_counters_where_it_can(
    kind: str, sockets: str, way: str, tmp_path: Path
) -> None:
    """On a tree bound to where it looks, its device API finds them; nothing of it or of pandas stays."""
    if "1" in sockets and (os.cpu_count() or 1) < 2 and not os.environ.get("CI"):
        pytest.skip("two sockets need two processors to be lent their numbers")
    tree = layout(kind, tmp_path)
    script = fake_rapl_namespace.__file__
    done = subprocess.run(
        [sys.executable, script, str(tree.root), sockets, "--", sys.executable, "-W", "error", "-c", INSIDE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stderr == ""
    source, readings, stayed, handlers = json.loads(done.stdout)
    assert source == f"RAPL in /sys/class/powercap ({way})"
    assert readings.pop("energy_source") == "rapl"
    assert readings == pytest.approx(DRAWN[kind])
    assert stayed == []
    assert handlers == 0
