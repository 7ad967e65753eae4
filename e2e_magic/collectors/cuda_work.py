"""Work that was handed to a GPU and may still be going on there.

Frameworks hand work to a GPU and go on. Only what is imported already is asked, and only where it uses a
GPU already: nothing here imports a framework or makes a CUDA context, which takes seconds and memory.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

_log = logging.getLogger(__name__)


def synchronise() -> bool:
    """Wait for the work that torch, jax and cupy have handed over.

    Returns
    -------
    bool
        False where one of them could not say: its own next call will raise what is wrong there.
    """
    clean = True
    for name, wait in _WAITS.items():
        framework = sys.modules.get(name)
        if framework is None:
            continue
        try:
            wait(framework)
        except Exception as error:  # a failed kernel shows up here; it is the user's to see at his next call
            clean = False
            _log.debug("%s could not be synchronised: %s", name, error)
    return clean


class TorchEdges:
    """What torch itself knows about its GPU work between two edges."""

    def __init__(self) -> None:
        self._begin: Any = None
        self._end: Any = None
        self._problem = ""

    def start(self) -> None:
        """Mark the first edge on the current stream and let the peak start anew."""
        torch = _torch()
        if torch is None:
            return
        for n in _torch_devices(torch):
            torch.cuda.reset_peak_memory_stats(n)
        self._begin = torch.cuda.Event(enable_timing=True)
        self._begin.record()

    def stop(self) -> None:
        """Mark the second edge and wait for it."""
        torch = _torch()
        if torch is None or self._begin is None:
            return
        end = torch.cuda.Event(enable_timing=True)
        end.record()
        end.synchronize()
        self._end = end

    def time_s(self) -> float | None:
        """Return the seconds between the edges on the GPU's clock; None where there was no first one."""
        return None if self._end is None else float(self._begin.elapsed_time(self._end)) / 1e3

    @staticmethod
    def peak_mib() -> float | None:
        """Return the most memory that torch had given out, on all its GPUs, MiB."""
        torch = _torch()
        if torch is None:
            return None
        return sum(float(torch.cuda.max_memory_allocated(n)) for n in _torch_devices(torch)) / 2**20

    @staticmethod
    def why_missing() -> str:
        """Say why there are no numbers of torch's."""
        if "torch" not in sys.modules:
            return "torch is not in use"
        return "torch had not begun to use a GPU when the code started"


def _torch() -> Any:
    """Return torch where it uses CUDA already."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None


def _torch_devices(torch: Any) -> list[int]:
    """Return the devices that have a context: to ask another one would make it."""
    has_context = getattr(torch._C, "_cuda_hasPrimaryContext", None)
    if has_context is None:
        return [torch.cuda.current_device()]
    return [n for n in range(torch.cuda.device_count()) if has_context(n)]


def _wait_for_torch(torch: Any) -> None:
    if torch.cuda.is_initialized():
        for n in _torch_devices(torch):
            torch.cuda.synchronize(n)


def _wait_for_jax(jax: Any) -> None:
    bridge = sys.modules.get("jax._src.xla_bridge")
    # Asked for its devices, jax would start its back ends: only those that it has started are waited for.
    if bridge is not None and getattr(bridge, "_backends", None):
        for device in jax.local_devices():
            device.synchronize_all_activity()


def _wait_for_cupy(cupy: Any) -> None:
    if cupy.cuda.driver.ctxGetCurrent():
        cupy.cuda.runtime.deviceSynchronize()


_WAITS = {"torch": _wait_for_torch, "jax": _wait_for_jax, "cupy": _wait_for_cupy}
