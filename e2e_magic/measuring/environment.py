"""The environment of a run: host, processor, memory, versions, commit. Captured once per run."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from e2e_magic.measuring import usable
from e2e_magic.record import Environment

# The variables by which numerical libraries are told how many threads to take.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "RAYON_NUM_THREADS",
)


def capture(notebook: str = "") -> Environment:
    """Return the environment of this process; None for what can't be determined. Nothing is imported for it.

    Parameters
    ----------
    notebook : str
        The notebook's path as the front end gives it; Jupyter's server also passes it to its kernels.
    """
    commit, dirty = _git()
    ram_mib = _ram_mib()
    return Environment(
        host=platform.node(),
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        cpu=cpu(),
        cores=os.cpu_count(),
        cores_usable=usable.cores(),
        ram_mib=ram_mib,
        gpu=_gpu(),
        git_commit=commit,
        git_dirty=dirty,
        packages=packages(),
        notebook=_notebook(notebook or os.environ.get("JPY_SESSION_NAME", "")),
        threads=threads(),
        memory_limit_mib=usable.memory_limit_mib(ram_mib),
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


def threads() -> dict[str, str]:
    """Return how many threads libraries may take: the variables that are set, and torch's own number."""
    settings = {name: os.environ[name] for name in THREADS if name in os.environ}
    torch = sys.modules.get("torch")
    try:
        if torch is not None:
            settings["torch"] = str(torch.get_num_threads())
    except (AttributeError, RuntimeError):
        pass  # it is still being imported
    return settings


def _notebook(path: str) -> str | None:
    """Return the notebook's file name alone; None for the name of a console or another session."""
    match = re.search(r"([^/\\]+\.ipynb)\b", path)
    return match[1] if match else None


def script() -> str:
    """Return the file name of the user's script that runs; empty for a console or an installed program."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if not isinstance(path, str) or "ipykernel" in path or Path(path).stem == "__main__":
        return ""
    try:
        installed = Path(path).resolve().is_relative_to(Path(sys.prefix).resolve())
    except OSError:
        installed = True
    return Path(path).name if path.endswith(".py") and not installed else ""


def cpu() -> str:
    """Return the processor's model, as the system names it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # no such file on macOS and Windows
    return platform.processor() or platform.machine()


def _ram_mib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    except (AttributeError, ValueError, OSError):
        import psutil

        return float(psutil.virtual_memory().total) / 2**20


def _gpu() -> str | None:
    """Return the names of the NVIDIA GPUs from the driver's files; no library is loaded for it."""
    names: list[str] = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        lines = path.read_text().splitlines()
        names += [line.split(":", 1)[1].strip() for line in lines if line.startswith("Model:")]
    return ", ".join(names) or None


def _git() -> tuple[str | None, bool | None]:
    """Return the commit of the working directory's repository and whether files differ from it."""
    try:
        here = Path.cwd()
    except OSError:  # the working directory is gone
        return None, None
    # Path.exists raises where a folder can't be entered.
    if not any(os.access(folder / ".git", os.F_OK) for folder in (here, *here.parents)):
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
