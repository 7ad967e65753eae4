"""What trials print and display, kept for the panel: the last trials, each with its outputs."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from e2e_magic.sweeping.schedule import Turn

MOST_TRIALS = 12
# Of one trial: its displays, and the end of its text.
MOST_OUTPUTS = 20
MOST_TEXT = 20_000
_Output = dict[str, Any]


@dataclass
class _Heard:
    """One trial: its place in the order of those that said something, and its outputs."""

    place: int
    trial: int
    outputs: list[_Output] = field(default_factory=list)
    new: bool = True


class TrialLog:
    """Outputs in the form of a notebook's, as an Output widget takes them. Any thread may add.

    Attributes
    ----------
    sweeps : int
        How often it was begun anew.
    """

    def __init__(self) -> None:
        self.sweeps = 0
        self._lock = threading.Lock()
        self._trials: deque[_Heard] = deque(maxlen=MOST_TRIALS)
        self._heard = 0

    def hear(self, turn: Turn, kind: str, content: Any) -> None:
        """Take what `Isolated.call` passes on, or an error with the lines of its traceback."""
        with self._lock:
            heard = self._of(turn)
            if kind == "streams":
                for name, text in content:
                    _append(heard.outputs, name, text)
            elif kind == "display":
                data, metadata = content
                heard.outputs.append({"output_type": "display_data", "data": data, "metadata": metadata})
            elif kind == "error":
                error, lines = content
                words = {"ename": type(error).__name__, "evalue": str(error), "traceback": list(lines)}
                heard.outputs.append({"output_type": "error", **words})
            del heard.outputs[1 : len(heard.outputs) - MOST_OUTPUTS]  # its heading stays
            heard.new = True

    def say(self, sentence: str) -> None:
        """Take a sentence of ours."""
        with self._lock:
            if not self._trials:
                self._begin(0)
            _append(self._trials[-1].outputs, "stderr", f"{sentence}\n")
            self._trials[-1].new = True

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._trials.clear()
            self.sweeps += 1

    def taken(self) -> list[tuple[int, tuple[_Output, ...]]]:
        """Return the trials that said something since the last time, in their order.

        Each is its place among all that said something, which grows, and all of its outputs.
        """
        with self._lock:
            new = [heard for heard in self._trials if heard.new]
            for heard in new:
                heard.new = False
            return [(heard.place, tuple(dict(output) for output in heard.outputs)) for heard in new]

    def _of(self, turn: Turn) -> _Heard:
        for heard in reversed(self._trials):
            if heard.trial == turn.trial:
                return heard
        heard = self._begin(turn.trial)
        heard.outputs.append({"output_type": "stream", "name": "stdout", "text": f"▸ {turn.label}\n"})
        return heard

    def _begin(self, trial: int) -> _Heard:
        self._heard += 1
        self._trials.append(_Heard(self._heard, trial))
        return self._trials[-1]


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
