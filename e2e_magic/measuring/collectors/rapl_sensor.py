"""pyRAPL's sensors, without what pyRAPL brings along.

``import pyRAPL`` costs half a second, for it loads pandas for an output that we don't use, and warns on
the root logger where pymongo is absent. Its device API, which finds the sensors and reads them, needs
neither: those three files of the package are run by themselves, and nothing of it stays in
``sys.modules``, so that a user's own ``import pyRAPL`` later gets the whole package.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from e2e_magic.measuring.collectors.powercap import ROOT, Zone

_PARTS = ("device", "exception", "device_api")
_api: ModuleType | None = None


class RaplSensor:
    """One kind of counter (package or DRAM) of every socket, read by pyRAPL.

    Parameters
    ----------
    kind : str
        ``package`` or ``dram``: it knows no other.
    zones : sequence of Zone
        The counters that it must find: the same ones, one for each socket.

    Raises
    ------
    LookupError
        Where pyRAPL can't start or would not read just these counters; the text says why.
    """

    def __init__(self, kind: str, zones: Sequence[Zone]) -> None:
        self._sockets = [zone.package for zone in zones]
        if kind not in {"package", "dram"}:
            raise LookupError(f"it does not know {kind}")
        for zone in zones:
            if zone.die is not None:
                raise LookupError("it does not know sockets with several dies")
            if zone.control != "intel-rapl" or not _below_root(zone):
                raise LookupError(f"it reads {ROOT}/intel-rapl only")
        module = _load()
        try:
            with warnings.catch_warnings():
                # It never closes the files in which it looks up the sockets.
                warnings.simplefilter("ignore", ResourceWarning)
                self._device: Any = (module.PkgAPI if kind == "package" else module.DramAPI)()
        except Exception as error:  # its own error, or whatever an odd layout makes of it
            raise LookupError(f"it could not start ({type(error).__name__}: {error})") from error
        if not all(socket is not None and value >= 0 for socket, value in self._values()):
            self.close()
            raise LookupError("it does not find every socket")

    def read(self) -> list[int]:
        """Return the counters, one for each zone in the zones' order, microjoule."""
        return [int(value) for _, value in self._values()]

    def close(self) -> None:
        """Close the files that pyRAPL keeps open."""
        for file in getattr(self._device, "_sys_files", ()):
            file.close()

    def _values(self) -> list[tuple[int | None, float]]:
        values = self._device.energy()
        return [
            (socket, values[socket] if socket is not None and socket < len(values) else -1)
            for socket in self._sockets
        ]


def _below_root(zone: Zone) -> bool:
    """Tell whether pyRAPL, whose paths are fixed, sees this zone too."""
    return zone.path.startswith(f"{_real_root()}/")


@cache
def _real_root() -> Path:
    return Path(f"{ROOT}/intel-rapl").resolve()


def _load() -> ModuleType:
    global _api  # noqa: PLW0603
    whole = sys.modules.get("pyRAPL")
    if whole is not None and hasattr(whole, "PkgAPI"):
        return whole
    if _api is None:
        spec = importlib.util.find_spec("pyRAPL")
        if spec is None:
            raise LookupError("it is not installed")
        stand_in = importlib.util.module_from_spec(spec)  # its own __init__, with pandas, is not run
        sys.modules["pyRAPL"] = stand_in
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an escape in one of its patterns
                for part in _PARTS:
                    module = importlib.import_module(f"pyRAPL.{part}")
                    vars(stand_in).update({k: v for k, v in vars(module).items() if not k.startswith("_")})
        except Exception as error:
            raise LookupError(f"it could not be imported ({type(error).__name__}: {error})") from error
        finally:
            for name in [n for n in sys.modules if n == "pyRAPL" or n.startswith("pyRAPL.")]:
                del sys.modules[name]
        _api = stand_in
    return _api
