"""The error for a request that can't be carried out, and the allowed word nearest to the one given."""

from __future__ import annotations

from collections.abc import Collection


class PlanError(ValueError):
    """Error for an invalid request: names the parameter, the value, what is allowed and the nearest word.

    Parameters
    ----------
    text : str
    in_cell : str
        The end of the sentence, where it is what to type in a cell; left out elsewhere.
    option : str
        The option concerned, where a panel has a control of its own for it; it is put before the text.
    """

    def __init__(self, text: str, in_cell: str = "", *, option: str = "") -> None:
        super().__init__(f"{option}: {text}{in_cell}" if option else text + in_cell)
        self.text = text
        self.in_cell = in_cell
        self.option = option


def nearest(word: str, allowed: Collection[str]) -> str:
    """Return `` (did you mean X?)`` for the most similar allowed word, or an empty text."""
    import difflib

    folded = {name.casefold(): name for name in allowed}
    close = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.5)
    return f" (did you mean {folded[close[0]]}?)" if close else ""
