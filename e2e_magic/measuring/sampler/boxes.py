"""The black box of each trial in progress: what the sampler process writes when the kernel ends within one.

The kernel sends a box's text with the start of a recording and takes it back once the trial's row is kept.
Nothing of it is read, and nothing more is imported, until the kernel is gone; then a file of each open box
lies in the folder that the kernel named, and a Python of its own puts them into the store.

A worker's trial is its kernel's to keep, while that lives: it takes the file, which is named after run and
trial and ends in ``.lost``.

A file is JSON: ``form`` (1), ``place`` and ``trial`` as `measuring.black_box` wrote them, ``seconds``
(from the trial's start to its end), ``ended`` (whether the code had ended), ``series`` (times and values by
metric), ``totals``, ``lost``, ``samples``, ``missed``, and ``seen``: ``signal`` or ``status`` where the
process's end could be seen, ``asked`` (``restart`` or ``shut down``) where a front end had asked for it,
``oom_kills`` (how many processes of ``oom_scope`` the system killed for memory
meanwhile), ``limit_mib`` and ``limit_file`` where memory was limited.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time

from .control_groups import MemoryGroups, killed_on_machine, machine_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

    from .recorder import Recorder

FORM = 1
# Curves of resident memory: of a process that is being taken down they read 0.
_RESIDENT = ("rss_mib", "tree_rss_mib", "tree_pss_mib")
# How often, and how long after each other (s), it is looked whether a worker's kernel has taken a file.
_LOOKS, _BETWEEN_S = 150, 0.02
_PROGRAM = (
    "import json, sys; order = json.loads(sys.argv[1]); sys.path[:] = order['path']; "
    "from e2e_magic.storage.killed import deliver; deliver(order['files'])"
)
# ioctl of a pidfd: what is known of an ended process, from Linux 6.15 on (linux/pidfd.h: PIDFD_GET_INFO with
# the 64 bytes of the first `struct pidfd_info`; PIDFD_INFO_EXIT asks for `exit_code`, its last field).
_PIDFD_GET_INFO, _PIDFD_INFO_EXIT, _INFO_SIZE = 0xC040FF0B, 1 << 3, 64


class Box:
    """The black box of one trial.

    Parameters
    ----------
    place, trial : str
        JSON, as the kernel sent it.
    recorder : Recorder
    origin_ns : int
        The trial's start.
    pid : int
        The measured process.
    """

    __slots__ = ("_groups", "_killed", "_origin_ns", "_place", "_recorder", "_state", "_stopped_ns", "_trial")

    def __init__(self, place: str, trial: str, recorder: Recorder, origin_ns: int, pid: int) -> None:
        self._place = place
        self._trial = trial
        self._recorder = recorder
        self._origin_ns = origin_ns
        self._state: dict[str, Any] | None = None
        self._stopped_ns: int | None = None
        self._groups = MemoryGroups.of(pid)
        self._killed = self._killed_now()

    def stop(self, now_ns: int, state: dict[str, Any]) -> None:
        """Keep the recording's state: the code has ended, its row isn't kept yet."""
        self._stopped_ns, self._state = now_ns, state

    def _killed_now(self) -> int | None:
        killed = self._groups.killed()
        return killed_on_machine() if killed is None else killed

    def content(self, now_ns: int, end: dict[str, Any]) -> dict[str, Any]:
        """Return what is written: `end` is what was seen of the process's end."""
        import json

        state = self._state or self._recorder.state()
        until_ns = now_ns if self._stopped_ns is None else self._stopped_ns
        killed = self._killed_now()
        seen = dict(end)
        if killed is not None and self._killed is not None:
            seen["oom_kills"] = killed - self._killed
            seen["oom_scope"] = "its control group" if self._groups.folders else "this machine"
        if (limit := self._groups.limit() or machine_memory()) is not None:
            seen["limit_mib"], seen["limit_file"] = limit[0] / 2**20, limit[1]
        return {
            "form": FORM,
            "place": json.loads(self._place),
            "trial": json.loads(self._trial),
            "seconds": (until_ns - self._origin_ns) / 1e9,
            "ended": self._stopped_ns is not None,
            "series": {name: _curve(name, *parts) for name, parts in state["series"].items()},
            "totals": state["totals"],
            "lost": state["lost"],
            "samples": state["samples"],
            "missed": state["missed"],
            "seen": seen,
        }


def end_of(pid: int, descriptor: int | None) -> dict[str, Any]:
    """Return how an ended process ended, as far as that can be seen by one that isn't its parent.

    A zombie shows its status in ``/proc/PID/stat``, to its own user; of one that its parent has waited for
    a pidfd knows it.
    """
    status = _of_zombie(pid)
    if status is None and descriptor is not None:
        status = _of_pidfd(descriptor)
    if status is None:
        return {}
    if number := status & 0x7F:
        return {"signal": number}
    return {"status": status >> 8 & 0xFF}


def write(boxes: list[Box], now_ns: int, end: dict[str, Any]) -> None:
    """Write a file of each box, and start what puts them into the store."""
    import json

    files, python, path = [], "", []
    for box in boxes:
        content = box.content(now_ns, end)
        place = content["place"]
        python, path = place["python"], place["path"]
        os.makedirs(place["folder"], mode=0o700, exist_ok=True)  # noqa: PTH103 - pathlib is 2 MiB
        file = f"{place['folder']}/{place['notebook_key']}-{os.urandom(8).hex()}.json"
        if place["owner"] is None:
            _write(file, json.dumps(content))
            files.append(file)
            continue
        lost = f"{place['folder']}/{place['run']['id']}-{content['trial']['trial']}.lost"
        _write(lost, json.dumps(content))
        if not _taken(lost, *place["owner"]):
            with contextlib.suppress(FileNotFoundError):  # taken at the last moment
                os.replace(lost, file)  # noqa: PTH105 - as above
                files.append(file)
    if files:
        _deliver(python, json.dumps({"path": path, "files": files}))


def _write(path: str, text: str) -> None:
    with open(f"{path}.part", "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is 2 MiB
        file.write(text)
    os.replace(f"{path}.part", path)  # noqa: PTH105 - as above


def _taken(path: str, pid: int, started: str) -> bool:
    """Return whether a worker's row is no matter of ours: its kernel lives and has what it wants of it.

    Where the kernel's end has ended the worker, the kernel itself may still be on its way.
    """
    from .descendants import started_at

    for _ in range(_LOOKS):
        if started_at(pid) != started:
            return False
        if not os.path.exists(path):  # noqa: PTH110 - pathlib is 2 MiB
            return True
        time.sleep(_BETWEEN_S)
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108 - as above
    return True


def _deliver(python: str, order: str) -> None:
    command = [python, "-P", "-c", _PROGRAM, order]
    if os.name == "nt":
        import subprocess

        subprocess.Popen(command)
    else:
        os.execv(python, command)  # noqa: S606 - our own program, in this process's place


def _curve(name: str, times: bytes, values: bytes) -> tuple[list[float], list[float]]:
    t_s, value = _numbers(times), _numbers(values)
    while name in _RESIDENT and value and not value[-1]:
        t_s.pop()
        value.pop()
    return t_s.tolist(), value.tolist()


def _numbers(data: bytes) -> array[float]:
    from array import array

    numbers = array("d")
    numbers.frombytes(data)
    return numbers


def _of_zombie(pid: int) -> int | None:
    from .descendants import read_once

    data = read_once(f"/proc/{pid}/stat")
    fields = data[data.rfind(b")") + 2 :].split() if data else []
    return int(fields[-1]) if fields[:1] == [b"Z"] and len(fields) >= 50 else None


def _of_pidfd(descriptor: int) -> int | None:
    if sys.platform != "linux":
        return None
    import fcntl
    import struct

    info = bytearray(struct.pack("<Q", _PIDFD_INFO_EXIT).ljust(_INFO_SIZE, b"\0"))
    try:
        fcntl.ioctl(descriptor, _PIDFD_GET_INFO, info)
    except OSError:  # an older Linux
        return None
    mask, status = struct.unpack_from("<Q", info)[0], struct.unpack_from("<i", info, _INFO_SIZE - 4)[0]
    return status if mask & _PIDFD_INFO_EXIT else None
