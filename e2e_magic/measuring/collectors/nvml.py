"""The NVIDIA GPUs that this process can use, as listed by the driver's library NVML."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from e2e_magic.measuring.collectors.base import Unavailable
from e2e_magic.measuring.sampler.nvml import Library, NoDriverError
from e2e_magic.record import Code

_Answer = TypeVar("_Answer")
# Files that a loaded driver provides on Linux, and under WSL.
DRIVER_MARKS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libnvidia-ml.so.1")


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


def load(path: str) -> Library:
    """Return the driver's library, initialised; the caller closes it.

    Parameters
    ----------
    path : str
        The library's name, or the file. Without traces of a driver or such a file nothing is opened.

    Raises
    ------
    Unavailable
        Where there is no driver, or it does not answer.
    """
    driver = any(map(os.path.exists, DRIVER_MARKS))
    if not (driver or os.name == "nt" or os.path.exists(path)):  # noqa: PTH110 - no pathlib at a trial's start
        raise Unavailable("no NVIDIA driver on this machine", code=Code.NO_DRIVER)
    try:
        return Library(path)
    except NoDriverError as error:
        if driver:
            raise Unavailable(
                f"there is an NVIDIA driver, but its library can't be opened ({error})",
                "install the driver's libnvidia-ml; a container gets it by "
                "NVIDIA_DRIVER_CAPABILITIES=utility,compute",
            ) from None
        raise Unavailable("no NVIDIA driver on this machine", code=Code.NO_DRIVER) from None
    except OSError as error:
        raise Unavailable(
            f"the NVIDIA driver does not answer ({error})", "see what `nvidia-smi` says; a restart may be due"
        ) from error


def visible(
    nvml: Library, environ: Mapping[str, str] = os.environ, in_use: Sequence[str] = ()
) -> tuple[Device, ...]:
    """Return the GPUs that CUDA gives to this process, in its order.

    Parameters
    ----------
    nvml : Library
    environ : mapping
        ``CUDA_VISIBLE_DEVICES`` is read as CUDA reads it: indices, UUIDs or their beginnings, and MIG
        UUIDs; the first that is not there ends the list, so that ``-1`` and nothing hide all, and one that
        is named twice hides all too.
    in_use : sequence of str
        UUIDs from a framework that uses CUDA already: they decide, as CUDA's own order is by speed
        where ``CUDA_DEVICE_ORDER`` does not say ``PCI_BUS_ID``, and NVML's is by bus.
    """
    boards = [_device(nvml, nvml.at(n)) for n in range(nvml.count())]
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


def order_is_sure(nvml: Library, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether an index in ``CUDA_VISIBLE_DEVICES`` is the same GPU to CUDA and to NVML."""
    wanted = environ.get("CUDA_VISIBLE_DEVICES", "")
    by_index = any(token.strip().isdigit() for token in wanted.split(","))
    if not by_index or environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return True
    return len({nvml.name(nvml.at(n)) for n in range(nvml.count())}) <= 1


def energy_mj(nvml: Library, device: Device) -> int | None:
    """Return the GPU's energy since the driver was loaded, millijoule; None where it keeps no count."""
    return None if device.sliced else _ask(nvml.energy_mj, device.handle)


def device_mib(nvml: Library, device: Device) -> float | None:
    """Return the memory in use on the GPU, by any process, MiB."""
    return _ask(nvml.memory, device.handle, frozenset())


def process_mib(nvml: Library, device: Device, pids: frozenset[int]) -> float | None:
    """Return the memory of some processes on the GPU, MiB; None where the driver names none of them.

    In a container the driver counts processes by the host's ids, and on Windows it gives no sizes.
    """
    return _ask(nvml.process_memory, device.handle, pids)


def torch_uuids() -> list[str]:
    """Return the UUIDs of the GPUs that torch uses CUDA on; empty where it has not begun to."""
    torch = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_initialized():
            return []
        properties = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
        return [f"GPU-{one.uuid}" for one in properties]
    except (AttributeError, RuntimeError):  # an older torch has no UUIDs
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


def _device(nvml: Library, handle: Any, *, sliced: bool = False) -> Device:
    return Device(nvml.uuid(handle), nvml.name(handle), handle, sliced=sliced)


def _slices(nvml: Library, board: Device) -> list[Device] | None:
    """Return the slices of a GPU in MIG mode; None where it is whole."""
    handles = nvml.slices(board.handle)
    return None if handles is None else [_device(nvml, handle, sliced=True) for handle in handles]


def _ask(question: Callable[..., _Answer], *given: Any) -> _Answer | None:
    """Return the driver's answer; None where this GPU or driver has none."""
    with suppress(OSError):
        return question(*given)
    return None
