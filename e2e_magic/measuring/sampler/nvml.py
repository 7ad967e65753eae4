"""NVIDIA GPUs, read through the driver's own library NVML: the sampler process has no packages.

The library is opened with the first GPU probe, and again by none: its start takes milliseconds, and the
process ends with the kernel anyway. Structures and numbers are those of NVIDIA's ``nvml.h``.
"""

from __future__ import annotations

from .files import Reader, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import CDLL
    from typing import Any

_INSUFFICIENT_SIZE = 7
_TEMPERATURE_OF_GPU = 0
_UNKNOWN_SIZE = 2**64 - 1
_MIB = 2**20
# What the same GPU said this short a time ago serves a second curve too.
_FRESH_NS = 500_000


class Library:
    """NVML, opened and initialised.

    Raises
    ------
    OSError
        Where there is no such library or it does not start.
    """

    def __init__(self, path: str) -> None:
        import ctypes

        self._ctypes = ctypes
        self._library: CDLL = ctypes.CDLL(path)
        self._process_info = _process_info(ctypes)
        self._call("nvmlInit_v2")

    def handle(self, uuid: str) -> Any:
        """Return the GPU's handle."""
        handle = self._ctypes.c_void_p()
        self._call("nvmlDeviceGetHandleByUUID", uuid.encode(), self._ctypes.byref(handle))
        return handle

    def percent(self, handle: Any, _pids: frozenset[int]) -> float:
        """Return how much of the last sampling period of the driver the GPU worked, %."""
        rates = (self._ctypes.c_uint * 2)()
        self._call("nvmlDeviceGetUtilizationRates", handle, rates)
        return float(rates[0])

    def memory(self, handle: Any, _pids: frozenset[int]) -> float:
        """Return the memory in use by all programs, MiB."""
        sizes = (self._ctypes.c_ulonglong * 3)()  # total, free, used
        self._call("nvmlDeviceGetMemoryInfo", handle, sizes)
        return float(sizes[2]) / _MIB

    def process_memory(self, handle: Any, pids: frozenset[int]) -> float | None:
        """Return the memory of these processes, MiB; None where the driver names none of them."""
        count = self._ctypes.c_uint(0)
        name = "nvmlDeviceGetComputeRunningProcesses_v3"
        if not hasattr(self._library, name):
            raise OSError("this driver is too old to tell the memory of processes")
        if self._code(name, handle, self._ctypes.byref(count), None) != _INSUFFICIENT_SIZE:
            return None  # none is running
        count.value = 2 * count.value + 8
        running = (self._process_info * count.value)()
        self._call(name, handle, self._ctypes.byref(count), running)
        own = [running[n].used for n in range(count.value) if running[n].pid in pids]
        return sum(own) / _MIB if own and _UNKNOWN_SIZE not in own else None

    def power(self, handle: Any, _pids: frozenset[int]) -> float:
        """Return the power that the GPU takes, W."""
        return self._number("nvmlDeviceGetPowerUsage", handle) / 1e3

    def temperature(self, handle: Any, _pids: frozenset[int]) -> float:
        """Return the GPU's temperature, °C."""
        return self._number("nvmlDeviceGetTemperature", handle, _TEMPERATURE_OF_GPU)

    def _number(self, name: str, *given: Any) -> float:
        value = self._ctypes.c_uint()
        self._call(name, *given, self._ctypes.byref(value))
        return float(value.value)

    def _code(self, name: str, *given: Any) -> int:
        try:
            return int(getattr(self._library, name)(*given))
        except AttributeError:
            raise OSError(f"this driver knows no {name}") from None

    def _call(self, name: str, *given: Any) -> None:
        code = self._code(name, *given)
        if code:
            raise OSError(f"the NVIDIA driver says error {code} to {name}")


class Nvml(Reader):
    """One quantity of one or several GPUs: added, of temperatures the highest."""

    def __init__(self, spec: Spec) -> None:
        quantity, *uuids = spec.args
        if quantity not in _QUANTITIES:
            raise ValueError(f"no such quantity of a GPU: {quantity!r}; there are {', '.join(_QUANTITIES)}")
        self._quantity = quantity
        self._tree = spec.tree
        self._pid = spec.pid
        path = spec.path
        if path not in _libraries:
            _libraries[path] = Library(path)
        self._library = _libraries[path]
        self._gpus = [(uuid, self._library.handle(uuid)) for uuid in uuids]
        self._path = path

    def read(self, now_ns: int, *, last: bool = False) -> float | None:  # noqa: ARG002 - the signature
        pids = frozenset[int]()
        if self._quantity == "process_memory":
            pids = frozenset((self._pid, *(self._tree.parents() if self._tree else ())))
        values = [self._value(uuid, handle, pids, now_ns) for uuid, handle in self._gpus]
        numbers = [value for value in values if value is not None]
        if not numbers:
            return None
        return max(numbers) if self._quantity == "temperature" else sum(numbers)

    def _value(self, uuid: str, handle: Any, pids: frozenset[int], now_ns: int) -> float | None:
        key = (self._path, uuid, self._quantity, self._pid)
        at_ns, value = _recent.get(key, (-_FRESH_NS, None))
        if not 0 <= now_ns - at_ns < _FRESH_NS:
            value = getattr(self._library, self._quantity)(handle, pids)
            _recent[key] = (now_ns, value)
        return value


_QUANTITIES = ("percent", "memory", "process_memory", "power", "temperature")
_libraries: dict[str, Library] = {}
_recent: dict[tuple[str, str, str, int], tuple[int, float | None]] = {}


def _process_info(ctypes: Any) -> Any:
    """Return ``nvmlProcessInfo_t`` as of ``_v2`` and ``_v3``."""

    class ProcessInfo(ctypes.Structure):  # type: ignore[misc]
        _fields_ = (
            ("pid", ctypes.c_uint),
            ("used", ctypes.c_ulonglong),
            ("instance", ctypes.c_uint),
            ("compute", ctypes.c_uint),
        )

    return ProcessInfo
