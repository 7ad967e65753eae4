"""NVIDIA GPUs, read through the driver's own library NVML, in the sampler process and in the measured one.

No package is imported for it. The sampler opens the library once, with the first GPU probe, as its
start takes milliseconds. Structures and numbers are those of NVIDIA's ``nvml.h``.
"""

from __future__ import annotations

from .files import Reader, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import CDLL
    from typing import Any

_DRIVER_NOT_LOADED = 9
_INSUFFICIENT_SIZE = 7
_FUNCTION_NOT_FOUND = 13
_LONGEST_NAME = 96
_TEMPERATURE_OF_GPU = 0
_UNKNOWN_SIZE = 2**64 - 1
_MIB = 2**20
# A reading of the same GPU that is no older than this serves a second curve too.
_FRESH_NS = 500_000


class NoDriverError(OSError):
    """Error for a missing library, or one without a driver behind it."""


class Library:
    """NVML, opened and initialised until `close`.

    Raises
    ------
    OSError
        From every method, where the driver or this GPU has no answer; `NoDriverError` where there is none.
    """

    def __init__(self, path: str) -> None:
        import ctypes

        self._ctypes = ctypes
        try:
            self._library: CDLL = ctypes.CDLL(path)
        except OSError as error:
            raise NoDriverError(str(error)) from None
        self._process_info = _process_info(ctypes)
        code = self._code("nvmlInit_v2")
        if code == _DRIVER_NOT_LOADED:
            raise NoDriverError("the NVIDIA driver is not loaded")
        if code:
            raise OSError(f"the NVIDIA driver says error {code} to nvmlInit_v2")

    def close(self) -> None:
        """Shut NVML down."""
        self._code("nvmlShutdown")

    def count(self) -> int:
        """Return the number of GPUs, whichever process may use them."""
        count = self._ctypes.c_uint()
        self._call("nvmlDeviceGetCount_v2", self._ctypes.byref(count))
        return count.value

    def at(self, index: int) -> Any:
        """Return the handle of a GPU by its place on the bus."""
        handle = self._ctypes.c_void_p()
        self._call("nvmlDeviceGetHandleByIndex_v2", index, self._ctypes.byref(handle))
        return handle

    def slices(self, handle: Any) -> list[Any] | None:
        """Return the handles of a GPU's MIG slices; None where it is whole."""
        mode, pending = self._ctypes.c_uint(), self._ctypes.c_uint()
        references = self._ctypes.byref(mode), self._ctypes.byref(pending)
        if self._code("nvmlDeviceGetMigMode", handle, *references, old=True) or not mode.value:
            return None
        count = self._ctypes.c_uint()
        self._call("nvmlDeviceGetMaxMigDeviceCount", handle, self._ctypes.byref(count))
        handles = []
        for n in range(count.value):
            inner = self._ctypes.c_void_p()
            if not self._code("nvmlDeviceGetMigDeviceHandleByIndex", handle, n, self._ctypes.byref(inner)):
                handles.append(inner)
        return handles

    def uuid(self, handle: Any) -> str:
        """Return the UUID of the GPU or slice: ``GPU-..`` or ``MIG-..``."""
        return self._text("nvmlDeviceGetUUID", handle)

    def name(self, handle: Any) -> str:
        """Return the product's name."""
        return self._text("nvmlDeviceGetName", handle)

    def energy_mj(self, handle: Any) -> int:
        """Return the GPU's energy since the driver was loaded, millijoule."""
        energy = self._ctypes.c_ulonglong()
        self._call("nvmlDeviceGetTotalEnergyConsumption", handle, self._ctypes.byref(energy))
        return int(energy.value)

    def handle(self, uuid: str) -> Any:
        """Return the handle of a GPU or slice by its UUID."""
        handle = self._ctypes.c_void_p()
        self._call("nvmlDeviceGetHandleByUUID", uuid.encode(), self._ctypes.byref(handle))
        return handle

    def percent(self, handle: Any, _pids: frozenset[int]) -> float:
        """Return the share of the driver's last sampling period in which the GPU worked, %."""
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
        """Return the power draw of the GPU, W."""
        return self._number("nvmlDeviceGetPowerUsage", handle) / 1e3

    def temperature(self, handle: Any, _pids: frozenset[int]) -> float:
        """Return the GPU's temperature, °C."""
        return self._number("nvmlDeviceGetTemperature", handle, _TEMPERATURE_OF_GPU)

    def _number(self, name: str, *given: Any) -> float:
        value = self._ctypes.c_uint()
        self._call(name, *given, self._ctypes.byref(value))
        return float(value.value)

    def _text(self, name: str, handle: Any) -> str:
        text = self._ctypes.create_string_buffer(_LONGEST_NAME)
        self._call(name, handle, text, _LONGEST_NAME)
        return text.value.decode(errors="replace")

    def _code(self, name: str, *given: Any, old: bool = False) -> int:
        """Call a function and return its code; with `old`, "not found" for one that an old driver lacks."""
        try:
            return int(getattr(self._library, name)(*given))
        except AttributeError:
            if old:
                return _FUNCTION_NOT_FOUND
            raise OSError(f"this driver knows no {name}") from None

    def _call(self, name: str, *given: Any) -> None:
        code = self._code(name, *given)
        if code:
            raise OSError(f"the NVIDIA driver says error {code} to {name}")


class Nvml(Reader):
    """One quantity of one or several GPUs: their sum, or the highest temperature."""

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
# Of the process, by path: NVML is initialised once, and its counters are the same for all readers.
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
