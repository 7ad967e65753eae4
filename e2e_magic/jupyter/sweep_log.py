"""What trials print and display, kept for the panel: the end of it, whole trials' headings in between."""

from __future__ import annotations

import threading
from typing import Any

from e2e_magic.schedule import Turn

MOST_OUTPUTS = 24
MOST_TEXT = 20_000


class TrialLog:
    """Outputs in the form of a notebook's, as an Output widget takes them. Any thread may add."""

    def __init__(self) -> None:
        self._outputs: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._of: Turn | None = None
        self._new = False

    def hear(self, turn: Turn, kind: str, content: Any) -> None:
        """Take what `Isolated.call` passes on."""
        with self._lock:
            if turn is not self._of:
                self._of = turn
                self._text("stdout", f"{'' if not self._outputs else chr(10)}▸ {turn.label}\n")
            if kind == "streams":
                for name, text in content:
                    self._text(name, text)
            elif kind == "display":
                data, metadata = content
                self._outputs.append({"output_type": "display_data", "data": data, "metadata": metadata})
            del self._outputs[:-MOST_OUTPUTS]
            self._new = True

    def say(self, sentence: str) -> None:
        """Take a sentence of ours."""
        with self._lock:
            self._text("stderr", f"{sentence}\n")
            self._new = True

    def _text(self, name: str, text: str) -> None:
        last = self._outputs[-1] if self._outputs else {}
        if last.get("name") == name:
            text = last["text"] + text
            self._outputs.pop()
        cut = text if len(text) <= MOST_TEXT else f"[..]\n{text[-MOST_TEXT:]}"
        # A new dict each time: one that was handed over must not change.
        self._outputs.append({"output_type": "stream", "name": name, "text": cut})

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._outputs, self._of, self._new = [], None, True

    def taken(self) -> tuple[dict[str, Any], ...] | None:
        """Return all outputs where something is new since the last time, else None."""
        with self._lock:
            if not self._new:
                return None
            self._new = False
            return tuple(self._outputs)
