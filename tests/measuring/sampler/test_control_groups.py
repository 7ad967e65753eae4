"""Control groups, in trees made of real files: both versions, nested, in a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e_magic.measuring.sampler.control_groups import (
    MemoryGroups,
    ProcessorGroups,
    killed_on_machine,
    machine_memory,
)

GIB = 2**30
V2 = "30 25 0:26 {within} {point} rw - cgroup2 cgroup rw\n"
V1 = (
    "35 31 0:32 {within} {point} rw - cgroup cgroup rw,memory\n"
    "36 31 0:3 / /sys/fs/cgroup/cpu rw - cgroup c rw,cpu\n"
)


def tree(root: Path, cgroup: str, mounts: str, files: dict[str, str]) -> MemoryGroups:
    """Make a process's files and those of its groups."""
    for name, text in {"proc/7/cgroup": cgroup, "proc/7/mountinfo": mounts, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return MemoryGroups(7, str(root))


def test_the_lowest_limit_of_nested_groups_counts(tmp_path: Path) -> None:
    """Version 2: the group of a notebook within that of a user; its own count of kills."""
    groups = tree(
        tmp_path,
        "0::/user/notebook\n",
        V2.format(within="/", point="/sys/fs/cgroup"),
        {
            "sys/fs/cgroup/memory.events": "oom 5\noom_kill 5\n",
            "sys/fs/cgroup/user/memory.max": f"{16 * GIB}\n",
            "sys/fs/cgroup/user/notebook/memory.max": "max\n",
            "sys/fs/cgroup/user/notebook/memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 0\n",
        },
    )

    assert groups.version == 2
    assert groups.limit() == (16 * GIB, "/sys/fs/cgroup/user/memory.max")
    assert groups.killed() == 2


def test_a_container_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    """Version 2, in a namespace of its own."""
    groups = tree(
        tmp_path,
        "0::/\n",
        V2.format(within="/", point="/sys/fs/cgroup"),
        {"sys/fs/cgroup/memory.max": f"{GIB}\n", "sys/fs/cgroup/memory.events": "oom_kill 0\n"},
    )

    assert groups.limit() == (GIB, "/sys/fs/cgroup/memory.max")
    assert groups.killed() == 0


@pytest.mark.parametrize(
    ("path", "within", "folder"),
    [
        ("/docker/abc/inner", "/", "docker/abc/inner/"),
        ("/docker/abc/inner", "/docker/abc", "inner/"),  # the mount shows the container's part
        ("/kubepods/pod1/abc", "/other", ""),  # what is mounted isn't where the path lies
    ],
)
def test_version_1_has_memory_in_a_hierarchy_of_its_own(
    tmp_path: Path, path: str, within: str, folder: str
) -> None:
    """Also where version 2 is mounted beside it, and "no limit" is a number."""
    point = "sys/fs/cgroup/memory"
    groups = tree(
        tmp_path,
        f"4:memory:{path}\n3:cpu,cpuacct:/x\n0::/\n",
        V2.format(within="/", point="/sys/fs/cgroup/unified") + V1.format(within=within, point=f"/{point}"),
        {
            f"{point}/memory.limit_in_bytes": "9223372036854771712\n",
            f"{point}/{folder}memory.limit_in_bytes": f"{3 * GIB}\n",
            f"{point}/{folder}memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
            "sys/fs/cgroup/unified/cgroup.procs": "7\n",
        },
    )

    assert groups.version == 1
    assert groups.limit() == (3 * GIB, f"/{point}/{folder}memory.limit_in_bytes")
    assert groups.killed() == 4


def test_without_groups_nothing_is_claimed(tmp_path: Path) -> None:
    """The machine's own numbers are another matter."""
    groups = tree(tmp_path, "", "", {})

    assert (groups.version, groups.folders, groups.limit(), groups.killed()) == (0, [], None, None)
    assert isinstance(killed_on_machine(), int | None)
    assert machine_memory() is None or machine_memory()[0] > 2**20


@pytest.mark.parametrize("version", [1, 2])
def test_the_least_share_of_the_processors_counts(tmp_path: Path, version: int) -> None:
    """Of a group's own and those around it; the time it stood still is of the groups with a limit."""
    if version == 2:
        point, cgroup, mounts = (
            "sys/fs/cgroup",
            "0::/pods/mine\n",
            V2.format(within="/", point="/sys/fs/cgroup"),
        )
        files = {
            f"{point}/pods/cpu.max": "150000 100000\n",
            f"{point}/pods/mine/cpu.max": "max 100000\n",
            f"{point}/pods/cpu.stat": "usage_usec 7\nthrottled_usec 2500000\n",
        }
    else:
        point, cgroup, mounts = (
            "sys/fs/cgroup/cpu",
            "3:cpu,cpuacct:/pods/mine\n",
            V1.format(within="/", point="/m"),
        )
        files = {
            f"{point}/pods/cpu.cfs_quota_us": "150000\n",
            f"{point}/pods/cpu.cfs_period_us": "100000\n",
            f"{point}/pods/mine/cpu.cfs_quota_us": "-1\n",
            f"{point}/pods/mine/cpu.cfs_period_us": "100000\n",
            f"{point}/pods/cpu.stat": "nr_periods 3\nthrottled_time 2500000000\n",
        }
    mounts = (V1 if version == 1 else V2).format(within="/", point="/sys/fs/cgroup")
    tree(tmp_path, cgroup, mounts, files)

    groups, bare = ProcessorGroups(7, str(tmp_path)), ProcessorGroups(8, str(tmp_path))
    assert (groups.version, groups.limit(), groups.throttled_s()) == (version, 1.5, 2.5)
    assert (bare.version, bare.limit(), bare.throttled_s()) == (0, None, None)
