"""The fonts of charts, and texts of any script in a form that those fonts can draw."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from matplotlib import font_manager

# DejaVu Sans comes with matplotlib; the others fill in scripts that it lacks, where installed.
_FALLBACKS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "Hiragino Sans", "PingFang SC",
    "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Emoji", "Segoe UI Symbol",
)  # fmt: skip


@lru_cache(maxsize=1)
def family() -> tuple[str, ...]:
    """Return the names of the fonts to draw with, each for what those before it lack."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in installed))


@lru_cache(maxsize=1)
def _drawable() -> frozenset[int]:
    codes: set[int] = set()
    for name in family():
        codes.update(font_manager.get_font(font_manager.findfont(name)).get_charmap())
    return frozenset(codes)


def literal(text: object) -> str:
    """Return a text as one line that can be drawn: what no font here has becomes a box.

    Line breaks and other control characters become spaces. matplotlib would warn at every drawing
    about a missing glyph, and break the layout at a line break.
    """
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    spaced = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in plain)
    return "".join(c if ord(c) in _drawable() else "□" for c in spaced)
