"""Where a run happens: host, processor, memory, versions, commit. Captured once per run."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from e2e_magic.record import Environment


def capture(notebook: str = "") -> Environment:
    """Return where this process runs. What can't be known is None; nothing is imported for it.

    Parameters
    ----------
    notebook : str
        The notebook's path as the front end gives it; Jupyter's server also tells it its kernels.
    """
    commit, dirty = _git()
    return Environment(
        host=platform.node(),
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        cpu=_cpu(),
        cores=os.cpu_count(),
        cores_usable=_cores_usable(),
        ram_mib=_ram_mib(),
        gpu=_gpu(),
        git_commit=commit,
        git_dirty=dirty,
        packages=packages(),
        notebook=_notebook(notebook or os.environ.get("JPY_SESSION_NAME", "")),
    )


def packages() -> dict[str, str]:
    """Return the versions of the third-party packages that are imported now, by name."""
    versions: dict[str, str] = {}
    for name, module in sorted(sys.modules.items()):
        if "." in name or name.startswith("_") or name in sys.stdlib_module_names:
            continue
        version = getattr(module, "__dict__", {}).get("__version__")
        if isinstance(version, str):
            versions[name] = version
    return versions


def _notebook(path: str) -> str | None:
    """Return the file's name alone; a console's or another session's name is none."""
    match = re.search(r"([^/\\]+\.ipynb)\b", path)
    return match[1] if match else None


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # no such file on macOS and Windows
    return platform.processor() or platform.machine()


def _cores_usable() -> int | None:
    """Count the cores that this process may use: its affinity mask and its cgroup's quota."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        return os.cpu_count()
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            usable = min(usable, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        pass  # cgroup version 1 or none: the mask alone counts
    return usable


def _ram_mib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    except (AttributeError, ValueError, OSError):
        import psutil

        return float(psutil.virtual_memory().total) / 2**20


def _gpu() -> str | None:
    """Name the NVIDIA GPUs from the driver's files; no library is loaded for it."""
    names: list[str] = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        lines = path.read_text().splitlines()
        names += [line.split(":", 1)[1].strip() for line in lines if line.startswith("Model:")]
    return ", ".join(names) or None


def _git() -> tuple[str | None, bool | None]:
    """Return the commit of the working directory's repository and whether files differ from it."""
    if not any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents)):
        return None, None
    commit = _git_answer("rev-parse", "HEAD")
    status = _git_answer("status", "--porcelain", "--untracked-files=no")
    return commit or None, None if status is None else bool(status)


def _git_answer(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *words], capture_output=True, text=True, timeout=2, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None  # no git, not a repository, or one that answers too slowly to wait for
    return done.stdout.strip()
