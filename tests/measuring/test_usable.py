"""What this process may use: on scripted trees of control groups, and in real ones where they can be made."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e_magic.measuring import usable

V1 = "35 31 0:3{n} / /cgroup/{name} rw - cgroup cgroup rw,{name}\n"
V2 = "30 25 0:26 / /cgroup rw - cgroup2 cgroup rw\n"
HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
ASK = "from e2e_magic.measuring import usable; print(usable.cores(), usable.memory_limit_mib(1e9))"


def script(folder: Path, groups: str, files: dict[str, str]) -> dict[str, str]:
    """Make this process's groups and those around them; return where."""
    for name, text in {
        "proc/self/cgroup": groups,
        "proc/self/mountinfo": V1.format(n=1, name="cpu") + V1.format(n=2, name="memory") + V2,
        **files,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {"root": str(folder)}


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process 16 cores by its affinity."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("version", [1, 2])
def test_the_least_of_nested_groups_counts(version: int, tmp_path: Path) -> None:
    """The quota is of the pod around the kernel's own group, and a part of a core counts as one."""
    if version == 2:
        at = script(
            tmp_path,
            "0::/pod/mine\n",
            {
                "cgroup/pod/cpu.max": "250000 100000\n",
                "cgroup/pod/mine/cpu.max": "max 100000\n",
                "cgroup/pod/memory.max": f"{2**30}\n",
                "cgroup/pod/mine/memory.max": "max\n",
            },
        )
    else:
        at = script(
            tmp_path,
            "3:memory:/pod/mine\n2:cpu,cpuacct:/pod/mine\n",
            {
                "cgroup/cpu/pod/cpu.cfs_quota_us": "250000\n",
                "cgroup/cpu/pod/cpu.cfs_period_us": "100000\n",
                "cgroup/cpu/pod/mine/cpu.cfs_quota_us": "-1\n",
                "cgroup/cpu/pod/mine/cpu.cfs_period_us": "100000\n",
                "cgroup/memory/pod/memory.limit_in_bytes": f"{2**30}\n",
                "cgroup/memory/pod/mine/memory.limit_in_bytes": f"{2**63 - 4096}\n",
            },
        )

    assert usable.cores({}, **at) == 3
    assert usable.memory_limit_mib(8192.0, {}, **at) == 1024


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("variables", "cores", "memory_mib"),
    [
        ({}, 16, None),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "12"}, 4, None),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "12", "SLURM_MEM_PER_NODE": "2048"}, 12, 2048),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "2", "SLURM_MEM_PER_CPU": "500"}, 2, 1000),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "64", "SLURM_MEM_PER_NODE": "0"}, 16, None),
        ({"SLURM_CPUS_PER_TASK": "1"}, 16, None),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "four", "SLURM_MEM_PER_NODE": "99999"}, 16, None),
    ],
)
def test_what_slurm_gave(
    variables: dict[str, str], cores: int, memory_mib: float | None, tmp_path: Path
) -> None:
    """Only within a job, and never more than there is."""
    at = script(tmp_path, "0::/\n", {})

    assert usable.cores(variables, **at) == cores
    assert usable.memory_limit_mib(8192.0, variables, **at) == memory_mib


def test_without_proc_the_affinity_counts(tmp_path: Path) -> None:
    """No files at all: the mask is what is known."""
    nowhere = {"root": str(tmp_path / "none")}

    assert usable.cores({}, **nowhere) == HERE
    assert usable.memory_limit_mib(8192.0, {}, **nowhere) is None


@pytest.fixture
def real() -> Iterator[tuple[Path, Path]]:
    """Make control groups of version 1, one within the other, with half a core and 700 MiB; remove them."""
    made: list[Path] = []
    folders = []
    try:
        for controller in ("cpu", "memory"):
            outer = Path(f"/sys/fs/cgroup/{controller}/e2e-magic-test-{os.getpid()}")
            for folder in (outer, outer / "inner"):
                folder.mkdir()
                made.append(folder)
            folders.append(outer)
        (folders[0] / "cpu.cfs_quota_us").write_text("50000")
        (folders[1] / "memory.limit_in_bytes").write_text(str(700 * 2**20))
    except OSError as error:
        for folder in reversed(made):
            folder.rmdir()
        pytest.skip(f"control groups of version 1 can't be made here: {error}")
    yield folders[0], folders[1]
    for folder in reversed(made):
        folder.rmdir()


def test_in_real_groups(real: tuple[Path, Path]) -> None:
    """A process in the inner groups sees the outer ones' limits, as the files beside have them."""
    enter = "".join(f"echo $$ > {folder}/inner/cgroup.procs; " for folder in real)
    done = subprocess.run(
        ["sh", "-c", f'{enter}exec "$0" -c "$1"', sys.executable, ASK],
        capture_output=True, check=True, text=True, timeout=120,
    )  # fmt: skip
    quota, period = (int((real[0] / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    limit_mib = int((real[1] / "memory.limit_in_bytes").read_text()) / 2**20

    assert (quota / period, limit_mib) == (0.5, 700)
    assert done.stdout == f"1 {limit_mib}\n"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_pinned_kernel_has_one_core_and_its_workers_one_thread() -> None:
    """Run and worker counts follow the mask: `local:1` was given two threads on one core."""
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "os.environ.pop('OMP_NUM_THREADS', None)\n"
        "import e2e_magic as e2e\n"
        "e2e.store(':memory:')\n"
        "def f(x):\n    import os\n    return {'num_entries': int(os.environ['OMP_NUM_THREADS'])}\n"
        "result = e2e.sweep(f, stage='f', x=[1], engine='local:1', quiet=True)\n"
        "print(result.frame['entries'].tolist(), e2e.runs()['cores_usable'].tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=120
    )

    assert done.stdout.splitlines()[-1] == "[1] [1]"
