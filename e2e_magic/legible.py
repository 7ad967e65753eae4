"""Text of any origin as a reader may be shown it: no control characters, and no longer than there is room."""

from __future__ import annotations

# A stage, a run, a parameter in a sentence or a cell of a table.
LONGEST_NAME = 120


def legible(text: str, longest: int = LONGEST_NAME) -> str:
    """Return a text for one line: control characters (a terminal obeys them) as �, the end cut off.

    Any kind of space, a new line too, is a blank.

    Parameters
    ----------
    text : str
    longest : int
        Characters at most; what is longer ends with ``…``.
    """
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in cut)


def legible_lines(text: str, longest: int = 4000) -> str:
    """Return a text of several lines; see `legible`."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "\n".join(legible(line, longest) for line in cut.split("\n"))
