"""QR codes as pictures in a page, drawn on the server: no script, no request elsewhere."""

from __future__ import annotations

import segno

_SIZE = 5


def svg_of(text: str) -> str:
    """Return a QR code as the address of a picture (`data:`); dark on white in any theme, as readers need it."""
    picture: str = segno.make(text, error="m", micro=False).svg_data_uri(scale=_SIZE, border=4, light="white")
    return picture
