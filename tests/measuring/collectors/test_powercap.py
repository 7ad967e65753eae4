"""Which counters there are, which of them are added, and why there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e_magic.measuring.collectors import powercap
from tests.measuring.collectors.fake_powercap import RANGE, FakePowercap, layout

ASK = "measure on the bare machine, or ask for an estimate: --estimate-power IDLE_W,FULL_W"


def test_every_zone_is_found_once_with_its_package(tmp_path: Path) -> None:
    """The flat links and the nested folders lead to the same zones: each is listed once."""
    tree = layout("two sockets", tmp_path)

    found = powercap.zones(str(tree.root))

    assert [(zone.kind, zone.package) for zone in found] == [
        *[(kind, 0) for kind in ("package", "core", "uncore", "dram")],
        *[(kind, 1) for kind in ("package", "core", "uncore", "dram")],
    ]
    assert {zone.wrap_uj for zone in found} == {RANGE}
    assert {zone.control for zone in found} == {"intel-rapl"}


@pytest.mark.parametrize(
    ("kind", "packages", "drams"),
    [
        ("one socket", ["intel-rapl:0"], ["intel-rapl:0:2"]),
        ("one socket, no dram", ["intel-rapl:0"], []),
        ("two sockets", ["intel-rapl:0", "intel-rapl:1"], ["intel-rapl:0:2", "intel-rapl:1:2"]),
        ("two dies", ["intel-rapl:0", "intel-rapl:1"], ["intel-rapl:0:2", "intel-rapl:1:2"]),
        ("amd", ["intel-rapl:0"], []),
        ("psys beside a package", ["intel-rapl:0"], ["intel-rapl:0:2"]),
        ("psys only", [], []),
        ("mmio copy", ["intel-rapl:0"], ["intel-rapl:0:2"]),
        ("mmio only", ["intel-rapl-mmio:0"], []),
    ],
)
def test_only_zones_of_one_kind_and_driver_are_added(
    kind: str, packages: list[str], drams: list[str], tmp_path: Path
) -> None:
    """Sub-domains, psys and the copy in memory are never added to the package."""
    found = powercap.zones(str(layout(kind, tmp_path).root))

    assert [Path(zone.path).name for zone in powercap.counted(found, "package")] == packages
    assert [Path(zone.path).name for zone in powercap.counted(found, "dram")] == drams


def test_zones_side_by_side_know_their_package_by_number(tmp_path: Path) -> None:
    """A tree without nesting is read too: intel-rapl:1:0 belongs to the package of intel-rapl:1."""
    for folder, name in [("intel-rapl:0", "package-4"), ("intel-rapl:0:0", "dram"), ("intel-rapl:1", "psys")]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "name").write_text(name)
        (tmp_path / folder / "energy_uj").write_text("5")

    found = powercap.zones(str(tmp_path))

    assert [(zone.kind, zone.package, zone.wrap_uj) for zone in found] == [
        ("package", 4, 0), ("dram", 4, 0), ("psys", None, 0)
    ]  # fmt: skip


def test_a_mirror_lies_between_two_reads_of_the_first() -> None:
    """Read forth and back, a mirror of an earlier zone lies within its values; another counter does not."""
    assert powercap.nested([(100, 109), (102, 106), (900, 908)]) == {(0, 1)}
    assert powercap.nested([(100, 109), (99, 110)]) == set()
    assert powercap.nested([]) == set()


def test_what_was_found_is_remembered_until_a_zone_is_gone(tmp_path: Path) -> None:
    """Found once, the layout is not looked up for each trial; nothing found is looked up again."""
    root = str(tmp_path / "powercap")

    assert powercap.zones_of(root) == ()
    tree = layout("amd", tmp_path / "powercap")
    assert len(powercap.zones_of(root)) == 2
    tree.zone("intel-rapl:1", "package-1")
    assert len(powercap.zones_of(root)) == 2
    powercap.forget(root)
    assert len(powercap.zones_of(root)) == 3


def proc(tmp_path: Path, release: str = "6.8.0", flags: str = "fpu vme") -> str:
    """Make the files under /proc that tell what machine this is."""
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/osrelease").write_text(release)
    (tmp_path / "proc/cpuinfo").write_text(f"vendor_id\t: GenuineIntel\nflags\t\t: {flags}\n")
    return str(tmp_path / "proc")


Absent = Callable[..., powercap.Unavailable]


@pytest.fixture
def absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Absent:
    """Ask why there is nothing on a given machine that is no container."""
    monkeypatch.setattr(powercap, "_container", lambda: False)

    def ask(system: str = "linux", machine: str = "x86_64", **files: str) -> powercap.Unavailable:
        return powercap.absence("/nowhere", system, machine, proc(tmp_path, **files))

    return ask


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        ({"system": "darwin"}, f"macOS shows no energy counters to programs that are not root's; {ASK}"),
        ({"system": "win32"}, f"energy counters (RAPL) are read through Linux only; {ASK}"),
        (
            {"release": "5.15.153.1-microsoft-standard-WSL2", "flags": "hypervisor"},
            f"no RAPL counters in /nowhere: WSL is a virtual machine and gets none; {ASK}",
        ),
        ({"machine": "aarch64"}, f"no RAPL counters in /nowhere: aarch64 processors have none; {ASK}"),
        (
            {"flags": "fpu hypervisor lahf_lm"},
            "no RAPL counters in /nowhere: this is a virtual machine, and its host keeps them to itself; "
            + ASK,
        ),
        (
            {},
            "no RAPL counters in /nowhere: the kernel's driver is not loaded "
            "or does not know this processor; "
            "try `sudo modprobe intel_rapl_msr` (for AMD too), "
            "or ask for an estimate: --estimate-power IDLE_W,FULL_W",
        ),
    ],
)
def test_absence_says_why_and_what_to_do(machine: dict[str, str], text: str, absent: Absent) -> None:
    """No counters: the sentence names the cause where it can be known, and the next step."""
    assert str(absent(**machine)) == text


def test_a_container_that_hides_the_counters_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker lays an empty folder over the counters: the links to them then lead nowhere."""
    monkeypatch.setattr(powercap, "_container", lambda: True)
    root = tmp_path / "powercap"
    root.mkdir()
    (root / "intel-rapl").symlink_to(tmp_path / "masked/intel-rapl")

    why = powercap.absence(str(root), "linux", "x86_64", proc(tmp_path))

    assert powercap.zones(str(root)) == ()
    assert str(why) == (
        f"no RAPL counters in {root}: the container hides them; start it with "
        "`-v /sys/devices/virtual/powercap:/sys/devices/virtual/powercap:ro`, "
        "or ask for an estimate: --estimate-power IDLE_W,FULL_W"
    )


@pytest.mark.parametrize("container", [False, True])
def test_permission_shows_the_rule_for_these_very_zones(
    container: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy is a command to paste, with one line for each closed counter."""
    monkeypatch.setattr(powercap, "_container", lambda: container)
    tree = layout("two sockets", tmp_path)
    first, second = tree.file("intel-rapl:0"), tree.file("intel-rapl:1")

    reason = powercap.permission(powercap.counted(powercap.zones(str(tree.root)), "package")).reason

    assert reason.text == f"RAPL is there, but only root may read {first} and 1 more"
    assert reason.remedy == (
        "to open it to all, now and after every start: "
        rf"printf 'z {first} 0444 root root -\nz {second} 0444 root root -\n' | "
        "sudo tee /etc/tmpfiles.d/e2e-magic-rapl.conf && "
        "sudo systemd-tmpfiles --create /etc/tmpfiles.d/e2e-magic-rapl.conf"
        + (" (on the host, outside this container)" if container else "")
    )


def test_a_counter_that_stays_empty_is_an_error(tmp_path: Path) -> None:
    """An empty counter is no 0."""
    tree = FakePowercap(tmp_path)
    tree.zone("intel-rapl:0", "package-0")
    [zone] = powercap.zones(str(tmp_path))
    tree.file("intel-rapl:0").write_text("")

    with pytest.raises(OSError, match=r"energy_uj is empty$"):
        zone.read()
