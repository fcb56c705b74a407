"""Makes the PDF: PDF/A-3b, so that it can be archived, with the signed claims inside as an attachment."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import typst

from creditlink.kit.files import qr
from creditlink.reports.content import Claims
from creditlink.reports.typeset.document import document_of
from creditlink.reports.typeset.glyphs import FONTS

_TEMPLATE = Path(__file__).parent / "report.typ"
# One compiler has read the fonts, and one document is made at a time: it uses every core by itself.
_ONE_AT_A_TIME = threading.Lock()


@cache
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS])
    return typst.Compiler(_TEMPLATE, root=_TEMPLATE.parent, font_paths=fonts)


def pages_of(claims: Claims, *, signed: str, digest: str) -> bytes:
    """Return the PDF of a report, not sealed yet.

    Parameters
    ----------
    signed : the claims as a compact JWS, attached byte for byte
    digest : its SHA-256 in hex, which every page shows
    """
    shown = document_of(claims, digest=digest, picture=qr.svg_of(claims["verify"]))
    with _ONE_AT_A_TIME:
        made = _compiler().compile(
            sys_inputs={"data": json.dumps(shown, ensure_ascii=False), "jws": signed},
            format="pdf",
            pdf_standards="a-3b",
            timestamp=datetime.fromtimestamp(claims["iat"], UTC),
        )
    assert isinstance(made, bytes)  # noqa: S101 (without an address to write to it returns them)
    return made
