"""An expression (EXPR) of the line: Python evaluated after the code, outside the measured time."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import CodeType
from typing import Any


@dataclass(frozen=True, slots=True)
class Expression:
    """A Python expression, compiled once and evaluated after each trial; pickled as its text.

    Attributes
    ----------
    text : str
        As the user wrote it.
    code : code
    """

    text: str
    code: CodeType = field(compare=False, repr=False)

    @classmethod
    def of(cls, text: str) -> Expression:
        """Compile a text.

        Raises
        ------
        ValueError
            If it is not a Python expression; the message gives the reason.
        """
        try:
            # The file name is what a traceback shows, of an interrupt in a long evaluation for example.
            return cls(text, compile(text.strip(), f"<{text}>", "eval"))
        except (SyntaxError, ValueError) as error:
            reason = getattr(error, "msg", None) or str(error)
            raise ValueError(f"{text!r} is no Python expression ({reason})") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return Expression.of, (self.text,)

    def evaluate(self, spaces: tuple[dict[str, Any], ...], _returned: object = None) -> object:
        """Evaluate it in the namespaces of `eval` (globals, locals), whatever the code returned."""
        __tracebackhide__ = True
        return eval(self.code, *spaces)  # noqa: S307 - the user's own line
