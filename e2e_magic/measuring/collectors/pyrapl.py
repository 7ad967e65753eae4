"""The energy counters that pyRAPL finds, without the other imports of pyRAPL.

``import pyRAPL`` costs half a second, as it loads pandas for an output that is not used here, and warns on
the root logger where pymongo is absent. Its device API, which finds the sensors, needs neither: those three
files of the package are run by themselves, and nothing of it stays in ``sys.modules``, so that a user's own
``import pyRAPL`` later gets the whole package.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from functools import cache
from types import ModuleType

from e2e_magic.measuring.collectors.powercap import ROOT, Zone

_PARTS = ("device", "exception", "device_api")
_APIS = {"package": "PkgAPI", "dram": "DramAPI"}


@cache  # of the machine: looking for the sensors opens a file for each processor
def refusal(kind: str, zones: tuple[Zone, ...]) -> str:
    """Return the reason why pyRAPL does not find these counters, one per socket; empty where it does.

    Parameters
    ----------
    kind : str
        ``package``, ``dram`` or another kind of zone.
    zones : tuple of Zone
        All counters of this kind that are to be added.
    """
    if kind not in _APIS:
        return f"it does not know {kind}"
    if any(zone.die is not None for zone in zones):
        return "it does not know sockets with several dies"
    below = os.path.realpath(f"{ROOT}/intel-rapl") + "/"
    if not all(zone.control == "intel-rapl" and zone.path.startswith(below) for zone in zones):
        return f"it reads {ROOT}/intel-rapl only"
    try:
        sensors = _sensors(kind)
    except Exception as error:  # noqa: BLE001 - its own error, or what an odd layout makes of it
        return f"it could not start ({type(error).__name__}: {error})"
    if sensors != {zone.package: zone.path for zone in zones}:
        return "it does not find every socket"
    return ""


def _sensors(kind: str) -> dict[int, str]:
    """Return the folder of each socket's counter."""
    with warnings.catch_warnings():
        # It never closes the files in which it looks up the sockets.
        warnings.simplefilter("ignore", ResourceWarning)
        device = getattr(_package(), _APIS[kind])()
    folders = [os.path.dirname(file.name) for file in device._sys_files]  # noqa: PTH120 - no Path is needed
    for file in device._sys_files:
        file.close()
    return dict(zip(device._socket_ids, map(os.path.realpath, folders), strict=True))


def _package() -> ModuleType:
    """Return pyRAPL's package: the user's where it is imported, else one of its device API alone."""
    whole = sys.modules.get("pyRAPL")
    if whole is not None and hasattr(whole, "PkgAPI"):
        return whole
    spec = importlib.util.find_spec("pyRAPL")
    if spec is None:
        raise ModuleNotFoundError("it is not installed")
    package = importlib.util.module_from_spec(spec)  # its own __init__, with pandas, is not run
    sys.modules["pyRAPL"] = package
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an escape in one of its patterns
            for part in _PARTS:
                module = importlib.import_module(f"pyRAPL.{part}")
                vars(package).update({k: v for k, v in vars(module).items() if not k.startswith("_")})
    finally:
        for name in [n for n in sys.modules if n == "pyRAPL" or n.startswith("pyRAPL.")]:
            del sys.modules[name]
    return package
