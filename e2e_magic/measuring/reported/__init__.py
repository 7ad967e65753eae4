"""Numbers and labels that measured code reports: keys of its dict, options of its line.

Input: the code's value and the evaluated options. Output: `Reported`: plain data and a sentence
for each invalid value. No failure here may cost the trial.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from e2e_magic.record import Reason


@dataclass(slots=True)
class Reported:
    """The reported values, and the problems of those that could not be read.

    Attributes
    ----------
    values : dict
        Plain data for ``Record.reported``: ``loss`` and ``accuracy`` (a number or a list), ``entries``,
        ``target_accuracy``, ``confusion`` (list of rows), ``classes``, ``binary``, ``scores``,
        ``latency`` (see `measuring.latency.time_calls`); ``kept`` (see `measuring.holders.kept`) comes later.
    problems : dict of str to str
        By key: a sentence with the key, the expected kind and the value.
    missing : dict of str to Reason
        By key: the reason why it was not evaluated.
    interrupt : BaseException or None
        The exception that ended the evaluation of the options early, ``KeyboardInterrupt`` above all.
    """

    values: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    missing: dict[str, Reason] = field(default_factory=dict)
    interrupt: BaseException | None = None
