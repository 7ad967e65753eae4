"""The NVIDIA GPUs that this process can use, as the driver's library NVML names them."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.record import Code

MIB = 2**20
# What a loaded driver leaves on Linux, and under WSL.
_DRIVER_MARKS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libnvidia-ml.so.1")


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU, or one MIG slice of a GPU, that CUDA would give to this process.

    Attributes
    ----------
    uuid : str
        ``GPU-..`` or ``MIG-..``.
    name : str
        The product's name.
    handle : object
        NVML's handle, for memory and processes.
    sliced : bool
        A MIG slice: power, energy and use are the whole board's, and can't be divided.
    """

    uuid: str
    name: str
    handle: Any
    sliced: bool = False


def load(marks: Sequence[str] = _DRIVER_MARKS) -> Any:
    """Return NVML's module, initialised; call its ``nvmlShutdown`` once for each call.

    Parameters
    ----------
    marks : sequence of str
        Files of which one exists where there is an NVIDIA driver.

    Raises
    ------
    Unavailable
        Where there is no driver, it does not answer, or the package for it is not installed.
    """
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        if any(os.path.exists(mark) for mark in marks):  # noqa: PTH110 - no pathlib at a trial's start
            raise Unavailable(
                "there is an NVIDIA driver, but the package that asks it is not installed",
                'install it: pip install "e2e-magic[gpu]"',
            ) from None
        raise Unavailable("no NVIDIA driver on this machine", code=Code.NO_DRIVER) from None
    try:
        nvml.nvmlInit()
    except (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded):
        raise Unavailable("no NVIDIA driver on this machine", code=Code.NO_DRIVER) from None
    except nvml.NVMLError as error:
        raise Unavailable(
            f"the NVIDIA driver does not answer ({error})", "see what `nvidia-smi` says; a restart may be due"
        ) from error
    return nvml


def visible(
    nvml: Any, environ: Mapping[str, str] = os.environ, in_use: Sequence[str] = ()
) -> tuple[Device, ...]:
    """Return the GPUs that CUDA gives to this process, in its order.

    Parameters
    ----------
    nvml : module
        NVML, initialised.
    environ : mapping
        ``CUDA_VISIBLE_DEVICES`` is read as CUDA reads it: indices, UUIDs or their beginnings, and MIG
        UUIDs; the first that is not there ends the list, so that ``-1`` and nothing hide all, and one that
        is named twice hides all too.
    in_use : sequence of str
        UUIDs from a framework that uses CUDA already: they decide, for CUDA's own order is by speed
        where ``CUDA_DEVICE_ORDER`` does not say ``PCI_BUS_ID``, and NVML's is by bus.
    """
    boards = [_device(nvml, nvml.nvmlDeviceGetHandleByIndex(n)) for n in range(nvml.nvmlDeviceGetCount())]
    slices = [_slices(nvml, board) for board in boards]
    by_uuid = {board.uuid: board for board in boards}
    if in_use and all(uuid in by_uuid and not slices[boards.index(by_uuid[uuid])] for uuid in in_use):
        return tuple(by_uuid[uuid] for uuid in dict.fromkeys(in_use))
    wanted = environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        # CUDA gives a process one slice, and no whole GPU beside it; of a GPU without slices yet, nothing.
        first = [inner[0] for inner in slices if inner][:1]
        return tuple(first or [board for board, inner in zip(boards, slices, strict=True) if inner is None])
    devices: list[Device] = []
    for token in wanted.split(","):
        device = _find(token.strip(), boards, slices)
        if device is None:
            break
        if device in devices:
            return ()
        devices.append(device)
    return tuple(devices)


def order_is_sure(nvml: Any, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether an index in ``CUDA_VISIBLE_DEVICES`` means the same GPU to CUDA and to NVML."""
    wanted = environ.get("CUDA_VISIBLE_DEVICES", "")
    by_index = any(token.strip().isdigit() for token in wanted.split(","))
    if not by_index or environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return True
    count = nvml.nvmlDeviceGetCount()
    kinds = {nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(n)) for n in range(count)}
    return len(kinds) <= 1


def energy_mj(nvml: Any, device: Device) -> int | None:
    """Return the GPU's energy since the driver was loaded, millijoule; None where it keeps no count."""
    if device.sliced:
        return None
    count = _ask(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, device.handle)
    return None if count is None else int(count)


def device_mib(nvml: Any, device: Device) -> float | None:
    """Return the memory in use on the GPU, by whomever, MiB."""
    memory = _ask(nvml, nvml.nvmlDeviceGetMemoryInfo, device.handle)
    return None if memory is None else float(memory.used / MIB)


def process_mib(nvml: Any, device: Device, pids: frozenset[int]) -> float | None:
    """Return the memory of some processes on the GPU, MiB; None where the driver names none of them.

    In a container the driver counts processes by the host's numbers, and on Windows it tells no sizes.
    """
    running = _ask(nvml, nvml.nvmlDeviceGetComputeRunningProcesses, device.handle) or []
    used: list[int | None] = [process.usedGpuMemory for process in running if process.pid in pids]
    sizes = [size for size in used if size is not None]
    return sum(sizes) / MIB if sizes and len(sizes) == len(used) else None


def torch_uuids() -> list[str]:
    """Return the UUIDs of the GPUs that torch uses CUDA on; none where it has not begun to."""
    torch = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_initialized():
            return []
        properties = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
        return [f"GPU-{one.uuid}" for one in properties]
    except (AttributeError, RuntimeError):  # an older torch knows no UUIDs
        return []


def _find(token: str, boards: Sequence[Device], slices: Sequence[Sequence[Device] | None]) -> Device | None:
    if token.isdigit():
        if int(token) >= len(boards):
            return None
        inner = slices[int(token)]
        return boards[int(token)] if inner is None else next(iter(inner), None)
    everything = [*boards, *(one for inner in slices for one in inner or ())]
    matches = [one for one in everything if token and one.uuid.startswith(token)]
    return matches[0] if len(matches) == 1 else None


def _device(nvml: Any, handle: Any, *, sliced: bool = False) -> Device:
    return Device(
        _text(nvml.nvmlDeviceGetUUID(handle)), _text(nvml.nvmlDeviceGetName(handle)), handle, sliced=sliced
    )


def _slices(nvml: Any, board: Device) -> list[Device] | None:
    """Return the slices of a GPU in MIG mode; None where it is whole."""
    mode = _ask(nvml, nvml.nvmlDeviceGetMigMode, board.handle)
    if not mode or not mode[0]:
        return None
    count = _ask(nvml, nvml.nvmlDeviceGetMaxMigDeviceCount, board.handle) or 0
    handles = [_ask(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, board.handle, n) for n in range(count)]
    return [_device(nvml, handle, sliced=True) for handle in handles if handle is not None]


def _ask(nvml: Any, question: Callable[..., Any], *given: Any) -> Any:
    """Return the driver's answer, None where this GPU or driver has none."""
    with suppress(nvml.NVMLError):
        return question(*given)
    return None


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
