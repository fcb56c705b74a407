"""QR codes, drawn on the server: no script, no request elsewhere; dark on white in any theme, as readers need. Pure."""

from __future__ import annotations

import segno

_CORRECTION = "m"


def picture_of(text: str) -> str:
    """Return a QR code as the source of a picture in a page (`data:`)."""
    picture: str = segno.make(text, error=_CORRECTION, micro=False).svg_data_uri(scale=5, border=4, light="white")
    return picture


def svg_of(text: str) -> str:
    """Return a QR code as SVG, for paper."""
    drawn: str = segno.make(text, error=_CORRECTION, micro=False).svg_inline(scale=4, border=2, light="white")
    return drawn
