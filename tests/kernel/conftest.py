"""A real ipykernel, driven as a front end does, and a terminal IPython, driven as a person does."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager


@dataclass
class Reply:
    """All that a front end learns from one cell."""

    status: str
    ename: str | None = None
    evalue: str | None = None
    traceback: list[str] | None = None
    execution_count: int | None = None
    outputs: list[dict[str, Any]] = field(default_factory=list)

    def stream(self, name: str) -> str:
        """Return what was written to one stream."""
        return "".join(o["text"] for o in self.outputs if o.get("name") == name)

    @property
    def stdout(self) -> str:
        return self.stream("stdout")

    @property
    def stderr(self) -> str:
        return self.stream("stderr")

    def texts(self) -> list[str]:
        """Return the plain text of what was displayed or was the value."""
        return [o["data"].get("text/plain", "") for o in self.outputs if "data" in o]


# Another process may take a port between its choice and the kernel's start.
_TRIES = 3


class Kernel:
    """A running kernel and its client."""

    def __init__(self, cwd: str) -> None:
        for tries in range(_TRIES, 0, -1):
            self.manager = KernelManager()
            self.manager.kernel_spec.argv[0] = sys.executable
            self.manager.start_kernel(cwd=cwd)
            self.client: BlockingKernelClient = self.manager.client()
            self.client.start_channels()
            try:
                self.client.wait_for_ready(timeout=60)
            except RuntimeError:
                self.stop()
                if tries == 1:
                    raise
            else:
                return

    def execute(self, code: str, *, timeout: float = 60) -> Reply:
        """Run a cell and collect everything that comes back."""
        outputs: list[dict[str, Any]] = []

        def collect(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                last = outputs[-1] if outputs else {}
                if last.get("name") == content["name"]:
                    last["text"] += content["text"]
                else:
                    outputs.append({"output_type": "stream", **content})
            elif message["msg_type"] in ("display_data", "execute_result", "update_display_data"):
                outputs.append({"output_type": message["msg_type"], **content})

        reply = self.client.execute_interactive(
            code, timeout=timeout, output_hook=collect, allow_stdin=False, stop_on_error=False
        )["content"]
        return Reply(
            reply["status"],
            reply.get("ename"),
            reply.get("evalue"),
            reply.get("traceback"),
            reply.get("execution_count"),
            outputs,
        )

    @property
    def pid(self) -> int:
        """Return the kernel's process id."""
        return int(self.manager.provisioner.process.pid)

    def stop(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_kernel(now=True)
        else:  # killed by the test: its sockets are here still
            self.manager.cleanup_resources()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Give a kernel for all tests of a file."""
    running = Kernel(str(tmp_path_factory.mktemp("notebook")))
    yield running
    running.stop()


@pytest.fixture
def fresh_kernel(tmp_path: Any) -> Iterator[Kernel]:
    """Give a kernel of the test's own, which it may kill."""
    running = Kernel(str(tmp_path))
    yield running
    running.stop()


class Terminal:
    """IPython in a pseudo-terminal, without colours or completion."""

    PROMPT = r"(?m)^In \[(\d+)\]: "

    def __init__(self, folder: Path) -> None:
        import pexpect

        environment = {**os.environ, "IPYTHONDIR": str(folder / "ipython"), "TERM": "dumb", "COLUMNS": "200"}
        self.process = pexpect.spawn(
            sys.executable,
            # Without a history file: IPython 7's thread for it can print behind a prompt after a Ctrl-C.
            [
                *("-m", "IPython", "--simple-prompt", "--colors=NoColor", "--no-banner", "--no-confirm-exit"),
                "--HistoryManager.enabled=False",
            ],
            cwd=str(folder),
            env=environment,
            encoding="utf-8",
            dimensions=(50, 200),
            timeout=60,
        )
        self.process.expect(self.PROMPT)
        self.process.setecho(False)

    def send(self, cell: str) -> None:
        """Type a line, or a cell under a cell magic, and don't wait for its end."""
        self.process.sendline(cell)
        if cell.startswith("%%"):  # two empty lines end it
            self.process.sendline("")
            self.process.sendline("")

    def wait(self) -> str:
        """Wait for the next prompt and return what was written before it."""
        self.process.expect(self.PROMPT)
        shown = self.process.before.replace("\r\n", "\n")
        return re.sub(r"(?m)^(   \.\.\.: )+", "", shown)

    def execute(self, cell: str) -> str:
        """Type a cell and return what it wrote."""
        self.send(cell)
        return self.wait()

    def interrupt(self) -> str:
        """Press Ctrl-C and return what was written up to the next prompt."""
        self.process.sendintr()
        return self.wait()

    def stop(self) -> None:
        """End it."""
        self.process.close(force=True)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """Give a terminal IPython of the test's own."""
    running = Terminal(tmp_path)
    yield running
    running.stop()
