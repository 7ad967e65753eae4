"""A powercap tree of real files, laid out as the kernel does, whose counters the test moves."""

from __future__ import annotations

from pathlib import Path

# The kernel's own number: 2^32 - 1 steps of 61.035 µJ.
RANGE = 262_143_328_850
_AMOUNTS = {
    "intel-rapl:0": 1_500_000,
    "intel-rapl:1": 2_500_000,
    "intel-rapl-mmio:0": 3_500_000,
    "intel-rapl:0:2": 250_000,
    "intel-rapl:1:2": 500_000,
    "intel-rapl-mmio:0:0": 350_000,
    "intel-rapl:0:0": 77_000_000,
    "intel-rapl:0:1": 88_000_000,
    "intel-rapl:1:0": 99_000_000,
}
# What a collector should read of that.
DRAWN = {
    "one socket": {"package_energy_j": 1.5, "dram_energy_j": 0.25},
    "one socket, no dram": {"package_energy_j": 1.5},
    "two sockets": {"package_energy_j": 1.5 + 2.5, "dram_energy_j": 0.25 + 0.5},
    "two dies": {"package_energy_j": 1.5 + 2.5, "dram_energy_j": 0.25 + 0.5},
    "amd": {"package_energy_j": 1.5},
    "psys beside a package": {"package_energy_j": 1.5, "dram_energy_j": 0.25},
    "psys only": {"psys_energy_j": 1.5},
    "mmio copy": {"package_energy_j": 1.5, "dram_energy_j": 0.25},
    "mmio only": {"package_energy_j": 3.5},
}


class FakePowercap:
    """A tree that grows zone by zone.

    Parameters
    ----------
    root : Path
        What stands for ``/sys/class/powercap``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def zone(self, folder: str, name: str, uj: int = 1_000_000, wrap: int = RANGE, mode: int = 0o644) -> None:
        """Add a zone as ``intel-rapl:0:1`` would lie: in its parent's folder, with a flat link to it."""
        control, *numbers = folder.split(":")
        path = self.root / control
        for depth in range(1, len(numbers) + 1):
            path /= ":".join([control, *numbers[:depth]])
        path.mkdir(parents=True)
        (path / "name").write_text(f"{name}\n")
        (path / "max_energy_range_uj").write_text(f"{wrap}\n")
        (path / "enabled").write_text("1\n")
        (path / "energy_uj").write_text(f"{uj:20}\n")
        (path / "energy_uj").chmod(mode)
        (self.root / folder).symlink_to(path.relative_to(self.root))

    def file(self, folder: str) -> Path:
        """Return the file with a zone's counter."""
        return (self.root / folder).resolve() / "energy_uj"

    def add(self, folder: str, uj: int) -> None:
        """Let a counter take in energy, and start again at 0 after its range."""
        file = self.file(folder)
        wrap = int((file.parent / "max_energy_range_uj").read_text())
        value = int(file.read_text()) + uj
        # At once and in place, as the kernel shows it: never empty, and seen by who holds it open.
        with file.open("r+") as open_file:
            open_file.write(f"{value % wrap if wrap else value:20}\n")

    def draw(self) -> None:
        """Let every counter take in energy, the wrong ones too (see `DRAWN`)."""
        for folder, uj in _AMOUNTS.items():
            if (self.root / folder).exists():
                self.add(folder, uj)

    def package(self, number: int, name: str = "", *, dram: bool = True, uj: int = 1_000_000) -> None:
        """Add a package with its cores, its graphics and, on a server, its memory."""
        self.zone(f"intel-rapl:{number}", name or f"package-{number}", uj)
        self.zone(f"intel-rapl:{number}:0", "core", uj // 2)
        self.zone(f"intel-rapl:{number}:1", "uncore", uj // 8)
        if dram:
            self.zone(f"intel-rapl:{number}:2", "dram", uj // 4)


def layout(kind: str, root: Path) -> FakePowercap:
    """Build one of the layouts that exist."""
    tree = FakePowercap(root)
    if kind == "one socket":
        tree.package(0)
    elif kind == "one socket, no dram":
        tree.package(0, dram=False)
    elif kind == "two sockets":
        tree.package(0, uj=1_000_000)
        tree.package(1, uj=7_000_000)
    elif kind == "two dies":
        tree.package(0, "package-0-die-0", uj=1_000_000)
        tree.package(1, "package-0-die-1", uj=7_000_000)
    elif kind == "amd":
        tree.zone("intel-rapl:0", "package-0")
        tree.zone("intel-rapl:0:0", "core")
    elif kind == "amd, a mirror for each die":
        for die in range(4):
            tree.zone(f"intel-rapl:{die}", f"package-0-die-{die}")
    elif kind == "psys beside a package":
        tree.package(0)
        tree.zone("intel-rapl:1", "psys", 9_000_000)
    elif kind == "psys only":
        tree.zone("intel-rapl:0", "psys")
    elif kind == "core only":
        tree.zone("intel-rapl:0", "core")
    elif kind == "mmio copy":
        tree.package(0)
        tree.zone("intel-rapl-mmio:0", "package-0")
        tree.zone("intel-rapl-mmio:0:0", "dram", 250_000)
    elif kind == "mmio only":
        tree.zone("intel-rapl-mmio:0", "package-0")
    else:
        raise ValueError(f"no such layout: {kind!r}")
    return tree
