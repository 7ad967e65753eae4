"""Work that was handed to a GPU and may still be running there.

Frameworks hand work to a GPU and go on. Only imported frameworks are queried, and only those that use a
GPU already: nothing here imports a framework or makes a CUDA context, which takes seconds and memory.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from e2e_magic.record import Code, Reason

_log = logging.getLogger(__name__)


def synchronise() -> bool:
    """Wait for the work that torch, jax and cupy have handed over.

    Returns
    -------
    bool
        False where one of them failed to wait: its own next call will raise the error.
    """
    clean = True
    for name, wait in _WAITS.items():
        framework = sys.modules.get(name)
        if framework is None:
            continue
        try:
            wait(framework)
        except Exception as error:  # noqa: BLE001 - a failed kernel: the user's next call shows it
            clean = False
            _log.debug("%s could not be synchronised: %s", name, error)
    return clean


def in_use() -> bool:
    """Return whether a framework that hands work to a GPU is imported."""
    return any(name in sys.modules for name in _WAITS)


class TorchEdges:
    """Torch's own figures for its GPU work between two edges.

    Never raises: where CUDA has failed in the user's code, every call to torch fails from then on, and
    that costs torch's numbers only.
    """

    def __init__(self) -> None:
        self._device = 0
        self._begin: Any = None
        self._end: Any = None
        self._peak_mib: float | None = None
        self._problem = ""

    def start(self) -> None:
        """Mark the first edge on the current stream and reset the peak."""
        torch = _torch()
        if torch is None:
            return
        try:
            for n in _torch_devices(torch):
                torch.cuda.reset_peak_memory_stats(n)
            self._device = torch.cuda.current_device()
            begin = torch.cuda.Event(enable_timing=True)
            begin.record()
            self._begin = begin
        except Exception as error:  # noqa: BLE001 - a broken CUDA raises anything; it costs these numbers
            self._failed(error)

    def stop(self) -> None:
        """Mark the second edge, on the GPU of the first whichever is current now, and wait for it."""
        torch = _torch()
        if torch is None:
            return
        try:
            self._peak_mib = sum(torch.cuda.max_memory_allocated(n) for n in _torch_devices(torch)) / 2**20
            if self._begin is not None:
                with torch.cuda.device(self._device):
                    end = torch.cuda.Event(enable_timing=True)
                    end.record()
                    end.synchronize()
                self._end = end
        except Exception as error:  # noqa: BLE001 - a broken CUDA raises anything; it costs these numbers
            self._failed(error)

    def time_s(self) -> float | None:
        """Return the seconds between the edges on the GPU's clock; None where there was no first one."""
        if self._end is None:
            return None
        try:
            return float(self._begin.elapsed_time(self._end)) / 1e3
        except Exception as error:  # noqa: BLE001 - a broken CUDA raises anything; it costs these numbers
            self._failed(error)
            return None

    def peak_mib(self) -> float | None:
        """Return the peak memory that torch had allocated, on all its GPUs, MiB."""
        return self._peak_mib

    def missing(self) -> Reason:
        """Return the reason why there are no numbers from torch."""
        if self._problem:
            return Reason("", self._problem)
        if "torch" not in sys.modules:
            return Reason(Code.NO_TORCH, "torch is not in use")
        return Reason("", "torch had not begun to use a GPU when the code started")

    def _failed(self, error: Exception) -> None:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        self._problem = f"torch could not say ({first})"
        _log.debug("torch could not be asked: %s", error)


def _torch() -> Any:
    """Return the module torch if it uses CUDA already, else None."""
    torch = sys.modules.get("torch")
    try:
        return torch if torch is not None and torch.cuda.is_initialized() else None
    except AttributeError:  # a file of the user's with that name
        return None


def _torch_devices(torch: Any) -> list[int]:
    """Return the devices that have a CUDA context; asking any other would create one."""
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
