"""A page without a browser: it executes as a page does, knows the widgets' state, and presses buttons."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any


class PanelPage:
    """Talks to a kernel as JupyterLab does.

    Parameters
    ----------
    kernel : Kernel
        A running kernel and its client, from the fixtures here.
    """

    def __init__(self, kernel: Any) -> None:
        self.client = kernel.client
        self.states: dict[str, dict[str, Any]] = {}
        self.displays: dict[str, dict[str, Any]] = {}
        self.values: list[str] = []  # each that a widget was ever given: what stands for a moment too
        self.text = ""
        self.error = ""

    def execute(self, code: str, *, timeout: float = 60) -> None:
        """Run a cell as a page asks for it: with input allowed, and a UUID for the message."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": False,  # else a kernel drops what comes right after an error
        }
        self.text = self.error = ""
        request = self._send("execute_request", content)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            message = self.client.get_iopub_msg(timeout=timeout)
            self._take(message)
            idle = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
            if idle and message["parent_header"].get("msg_id") == request:
                if self.text.startswith("UsageError"):  # IPython writes this one to the error stream
                    self.error = self.text.strip()
                return
        raise TimeoutError(code)

    def press(self, mark: str) -> None:
        """Press the button that has this class."""
        content = {"comm_id": self.comm(mark), "data": {"method": "custom", "content": {"event": "click"}}}
        self._send("comm_msg", content)

    def set(self, mark: str, **state: Any) -> None:
        """Set traits of the widget that has this class."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        self.states[self.comm(mark)].update(state)
        self._send("comm_msg", {"comm_id": self.comm(mark), "data": data})

    def comm(self, mark: str) -> str:
        """Return the id of the last widget that has this class."""
        return next(c for c, state in reversed(self.states.items()) if mark in state.get("_dom_classes", ()))

    def widget(self, mark: str) -> dict[str, Any]:
        """Return the state of the widget that has this class."""
        return self.states[self.comm(mark)]

    @property
    def state(self) -> str:
        """The word of the panel's state."""
        return str(self.widget("e2e-state").get("value", "")).partition('data-state="')[2].partition('"')[0]

    @property
    def page(self) -> str:
        """The static page below the panel, as it is now."""
        return str(list(self.displays.values())[-2].get("text/html", ""))  # the prints come after it

    def until(self, condition: Callable[[], object], timeout: float = 30) -> float:
        """Take what comes until something holds; return how many seconds that took."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout:
                raise TimeoutError(
                    f"{self.state}: {self.widget('e2e-message').get('value')} {self.page[:300]}"
                )
            self.drain(0.05)
        return time.monotonic() - began

    def drain(self, seconds: float) -> None:
        """Take what comes within some seconds."""
        from queue import Empty

        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self._take(self.client.get_iopub_msg(timeout=left))
            except Empty:
                return

    def _send(self, kind: str, content: dict[str, Any]) -> str:
        session = self.client.session
        header = {**session.msg_header(kind), "msg_id": str(uuid.uuid4())}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        message |= {"msg_id": header["msg_id"], "msg_type": kind}
        self.client.shell_channel.send(message)
        return str(header["msg_id"])

    def _take(self, message: dict[str, Any]) -> None:
        content, kind = message["content"], message["msg_type"]
        if kind == "comm_open":
            self.states[content["comm_id"]] = dict(content["data"].get("state", {}))
        elif kind == "comm_msg" and content["data"].get("method") in ("update", "echo_update"):
            self.states.setdefault(content["comm_id"], {}).update(content["data"]["state"])
            self.values.append(str(content["data"]["state"].get("value", "")))
        elif kind in ("display_data", "update_display_data"):
            name = content.get("transient", {}).get("display_id")
            if name:
                self.displays[name] = content["data"]
        elif kind == "stream":
            self.text += content["text"]
        elif kind == "error":
            self.error = f"{content['ename']}: {content['evalue']}"
