"""Small pictures for cards, drawn without a plotting library.

Input: records, or plain numbers of them. Output: `Picture` objects: SVG for an ``<img>`` with a data URI and
an ``alt`` text that describes the picture. Only the standard library is imported, so that a card leaves
nothing in the process that was measured.
"""

from e2e_magic.views.pictures.svg import Picture

__all__ = ["Picture"]
