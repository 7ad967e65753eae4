"""What trials print and display, kept for the panel: the last trials, the newest first."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from e2e_magic.schedule import Turn

MOST_TRIALS = 12
# Of one trial: its displays, and the end of its text.
MOST_OUTPUTS = 20
MOST_TEXT = 20_000
_Output = dict[str, Any]


class TrialLog:
    """Outputs in the form of a notebook's, as an Output widget takes them. Any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trials: deque[tuple[int, list[_Output]]] = deque(maxlen=MOST_TRIALS)
        self._new = False

    def hear(self, turn: Turn, kind: str, content: Any) -> None:
        """Take what `Isolated.call` passes on, or an error with the lines of its traceback."""
        with self._lock:
            outputs = self._of(turn)
            if kind == "streams":
                for name, text in content:
                    _append(outputs, name, text)
            elif kind == "display":
                data, metadata = content
                outputs.append({"output_type": "display_data", "data": data, "metadata": metadata})
            elif kind == "error":
                error, lines = content
                words = {"ename": type(error).__name__, "evalue": str(error), "traceback": list(lines)}
                outputs.append({"output_type": "error", **words})
            del outputs[1 : len(outputs) - MOST_OUTPUTS]  # its heading stays
            self._new = True

    def say(self, sentence: str) -> None:
        """Take a sentence of ours."""
        with self._lock:
            if not self._trials:
                self._trials.append((0, []))
            _append(self._trials[-1][1], "stderr", f"{sentence}\n")
            self._new = True

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._trials.clear()
            self._new = True

    def taken(self) -> tuple[_Output, ...] | None:
        """Return all outputs where something is new since the last time, else None."""
        with self._lock:
            if not self._new:
                return None
            self._new = False
            return tuple(dict(output) for _, outputs in reversed(self._trials) for output in outputs)

    def _of(self, turn: Turn) -> list[_Output]:
        for trial, outputs in reversed(self._trials):
            if trial == turn.trial:
                return outputs
        heading = {"output_type": "stream", "name": "stdout", "text": f"▸ {turn.label}\n"}
        self._trials.append((turn.trial, [heading]))
        return self._trials[-1][1]


def _append(outputs: list[_Output], name: str, text: str) -> None:
    last = outputs[-1] if len(outputs) > 1 else {}
    if last.get("name") == name:
        text = outputs.pop()["text"] + text
    outputs.append(
        {
            "output_type": "stream",
            "name": name,
            "text": text if len(text) <= MOST_TEXT else f"[..]\n{text[-MOST_TEXT:]}",
        }
    )
