"""What this process may use of its machine: by its affinity, its control groups and what SLURM gave it.

A process in a container or in a job sees all cores and all memory of the machine, and may use a part of them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from e2e_magic.measuring.sampler.control_groups import MemoryGroups, ProcessorGroups


def cores(environ: Mapping[str, str] = os.environ, root: str = "") -> int:
    """Return how many cores this process may use, at least 1.

    Parameters
    ----------
    environ : mapping
        Its environment variables.
    root : str
        What stands before ``/proc`` and the mount points: a test's own tree.

    Returns
    -------
    int
        The least of its affinity, of the quota of its control group and of those around it (a part of a core
        counts as one, as it does for joblib), and of the cores that SLURM gave the task.
    """
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    quota = ProcessorGroups(root=root).limit()
    if quota is not None:
        limits.append(math.ceil(quota))
    if given := _slurm_cores(environ):
        limits.append(given)
    return max(1, min(limits))


def memory_limit_mib(
    machine_mib: float | None,
    environ: Mapping[str, str] = os.environ,
    root: str = "",
) -> float | None:
    """Return how much memory this process may use, MiB; None where that is all that the machine has.

    The least of the limits of its control group, of those around it, and of what SLURM gave the job.
    """
    limit = MemoryGroups(root=root).limit()
    # SLURM counts in MiB; 0 is all of the node's.
    given = _number(environ, "SLURM_MEM_PER_NODE") or (
        _number(environ, "SLURM_MEM_PER_CPU") * (_slurm_cores(environ) or 1)
    )
    least = min(filter(None, (limit and limit[0] / 2**20, float(given))), default=None)
    if least is None or (machine_mib is not None and least > machine_mib - 1):
        return None
    return least


def _slurm_cores(environ: Mapping[str, str]) -> int:
    """Return the cores of a task of SLURM, else of its job on this node; 0 outside."""
    return _number(environ, "SLURM_CPUS_PER_TASK") or _number(environ, "SLURM_CPUS_ON_NODE")


def _number(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "")
    return int(text) if text.isdecimal() and "SLURM_JOB_ID" in environ else 0
