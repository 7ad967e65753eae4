"""What measured code reports of itself: the keys of its dict, the options of its line, its labels.

In come the code's value and the evaluated options; out goes `Reported`, plain data and a sentence for each
thing that is wrong. Nothing of it may cost the trial.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from e2e_magic.record import Reason


@dataclass(slots=True)
class Reported:
    """What could be read and what could not.

    Attributes
    ----------
    values : dict
        Plain data for ``Record.reported``: ``loss`` and ``accuracy`` (a number or a list), ``entries``,
        ``target_accuracy``, ``confusion`` (list of rows), ``classes``, ``binary``, ``scores``,
        ``latency`` (see `measuring.latency.time_calls`).
    problems : dict of str to str
        By key: a sentence with the key, what was expected and what came.
    missing : dict of str to Reason
        By key: why it was not asked for.
    interrupt : BaseException or None
        What ended the evaluation of the options early, ``KeyboardInterrupt`` above all.
    """

    values: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    missing: dict[str, Reason] = field(default_factory=dict)
    interrupt: BaseException | None = None
