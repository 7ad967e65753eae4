"""Run a command that sees a scripted powercap tree at /sys/class/powercap, where the real pyRAPL looks.

``python fake_rapl_namespace.py TREE SOCKETS -- COMMAND``, with SOCKETS as ``0,1``: the sockets of the first
processors. It goes on in a private mount namespace, which ends with the command; the machine sees nothing
of it. Needs ``unshare``, as root or where users may have namespaces of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

POWERCAP = "/sys/class/powercap"


def unshare() -> list[str]:
    """Return the command that gives a mount namespace."""
    return ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]


def available() -> bool:
    """Try whether there can be one here."""
    try:
        return subprocess.run([*unshare(), "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def mount(tree: str, sockets: list[str]) -> None:
    """Show the tree, and the sockets, to this namespace."""
    if not Path(POWERCAP).is_dir():  # nothing to bind over: lay a folder that has it over /sys/class
        above = tempfile.mkdtemp(dir=Path(tree).parent)
        Path(above, "powercap").mkdir()
        options = f"lowerdir={above}:/sys/class"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, "/sys/class"], check=True)
    subprocess.run(["mount", "--bind", tree, POWERCAP], check=True)
    for n, socket in enumerate(sockets):
        file = Path(tempfile.mkdtemp(dir=Path(tree).parent), "physical_package_id")
        file.write_text(f"{socket}\n")
        topology = f"/sys/devices/system/cpu/cpu{n}/topology/physical_package_id"
        subprocess.run(["mount", "--bind", str(file), topology], check=True)


def main() -> None:
    """Enter a namespace, then mount and become the command in it."""
    tree, sockets, mark, *command = sys.argv[1:]
    if mark == "--":
        os.execvp("unshare", [*unshare(), sys.executable, __file__, tree, sockets, "inside", *command])
    mount(tree, sockets.split(","))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
