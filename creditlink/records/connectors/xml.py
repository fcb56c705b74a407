"""XML from an office, read without what XML can attack its reader with."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from creditlink.records.connectors.wire import Failure, Passing

# No dialect has a use for a document type; entities are how XML attacks its reader.
_DOCTYPE = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
# Characters that XML 1.0 does not know. No dialect has one that it could mean by them, so that such a character is
# replaced and its field does not read, which is one row; left as they are, no row of the answer would.
_ILLEGAL = re.compile("[^\\t\\n\\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile("&#(?:x([0-9a-fA-F]+)|([0-9]+));")


def xml_root(content: bytes) -> ElementTree.Element:
    """Return the root of a document in UTF-8.

    Raises
    ------
    Failure
        It declares a document type or an entity.
    Passing
        It is not well-formed.
    """
    text = content.decode("utf-8", "replace")
    if _DOCTYPE.search(text):
        raise Failure("DOWN", "the answer declares a document type or an entity")
    try:
        # As text, so that no other encoding which the document names can hide a declaration.
        return ElementTree.fromstring(_ILLEGAL.sub("\ufffd", _REFERENCE.sub(_legal, text)))  # noqa: S314 (see above)
    except ElementTree.ParseError:
        raise Passing("DOWN", "the answer is not well-formed XML") from None


def _legal(reference: re.Match[str]) -> str:
    """Return a character reference, U+FFFD in place of one to what XML has no character for."""
    hexadecimal, decimal = reference.groups()
    digits = (hexadecimal or decimal).lstrip("0")
    code = int(digits or "0", 16 if hexadecimal else 10) if len(digits) < 9 else 0
    return reference[0] if code < 0x110000 and not _ILLEGAL.match(chr(code)) else "\ufffd"
