"""The two signatures of a report: over what it says (a JWS), and over the pages that show it (a seal at the PDF's end).

The JWS alone would let anybody draw other pages around it. The seal names the hash of every byte before it, so that a
program can say whether the pages are ours; a reader with paper compares the digest and the key figures that the verify
page shows. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from creditlink.kit import keyring

TYPE = "credit-report+jws"
SEAL_TYPE = "credit-report-pages+jws"
MOST_BYTES = 4 * 1024 * 1024
"""A file that is larger is not looked at: ours have a tenth of it."""

_MOST_SIGNED = 512 * 1024
_MOST_STREAMS = 64
_SEAL = b"\n%creditlink-seal "
_COMPACT = re.compile(rb"[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,700000}\.[A-Za-z0-9_-]{60,200}")
_MARK = b"/EmbeddedFile"
_STREAM = re.compile(rb"/EmbeddedFile\b.{0,400}?>>\s{0,4}stream\r?\n", re.DOTALL)
_END = re.compile(rb"startxref\s+(\d{1,10})\s+%%EOF\s*\Z")

Kind = Literal["json", "pdf"]
Pages = Literal["ours", "changed", "unsealed"]


class ReportRefused(Exception):
    """A file is no report of ours as it was made: `reason` is a word for programs, the message says why."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Verified:
    """A file whose signature holds: what it says, who signed, and whether the pages around it are ours too."""

    kind: Kind
    claims: Mapping[str, object]
    kid: str
    digest: str
    pages: Pages | None  # None: a JSON has none


def sign(claims: Mapping[str, object], *, secret: keyring.Secret) -> str:
    """Return the report over `claims`, a compact JWS."""
    return keyring.sign(claims, typ=TYPE, secret=secret)


def digest_of(signed: str) -> str:
    """Return the digest by which a report is compared: SHA-256 of the compact JWS, in hex."""
    return hashlib.sha256(signed.encode()).hexdigest()


def seal(pages: bytes, *, digest: str, secret: keyring.Secret) -> bytes:
    """Return a PDF with the seal over its bytes: a comment, and after it the end of the file once more.

    Raises
    ------
    ValueError
        It does not end as a PDF does.
    """
    end = _END.search(pages[-64:])
    if end is None:
        raise ValueError("not the end of a PDF")
    claims = {"pages": hashlib.sha256(pages).hexdigest(), "report": digest}
    said = keyring.sign(claims, typ=SEAL_TYPE, secret=secret).encode()
    return pages + _SEAL + said + b"\nstartxref\n" + end.group(1) + b"\n%%EOF\n"


def json_of(signed: str, claims: Mapping[str, object]) -> str:
    """Return a report as a JSON file: what is signed, and the same to be read."""
    return json.dumps({"jws": signed, "report": claims}, ensure_ascii=False, indent=2) + "\n"


def verify(content: bytes, keys: Mapping[str, object]) -> Verified:
    """Return what a file says, a PDF, a JSON or the bare JWS, if one of `keys` (a JWK set) signed it.

    Whether it is still valid is another question, of the clock and of the server.

    Raises
    ------
    ReportRefused
        It is none of these, was changed, or was signed by somebody else.
    """
    if len(content) > MOST_BYTES:
        raise ReportRefused("too_large", f"larger than any report: {len(content)} bytes")
    if content.lstrip()[:5] == b"%PDF-":
        return _pdf(content, keys)
    signed, copy = _from_text(content)
    document = _signed(signed, keys)
    if copy is not None and copy != document.claims:
        raise ReportRefused("changed", "the readable part of the file is not what was signed")
    return Verified("json", document.claims, document.kid, digest_of(signed), None)


def _signed(signed: str, keys: Mapping[str, object]) -> keyring.SignedDocument:
    try:
        document = keyring.verify(signed, keys, typ=TYPE)
    except keyring.SignatureRefused as refused:
        raise ReportRefused("signature", str(refused)) from None
    if document.claims.get("format") != 1:
        raise ReportRefused("format", "a report of a form that this program does not know")
    return document


def _from_text(content: bytes) -> tuple[str, object]:
    """Return the JWS in a JSON file or a bare one, and the readable copy beside it."""
    bare = content.removeprefix(b"\xef\xbb\xbf").strip()
    if _COMPACT.fullmatch(bare):
        return bare.decode("ascii"), None
    try:
        found = json.loads(bare)
    except (ValueError, RecursionError):
        raise ReportRefused("not_a_report", "neither a PDF nor a JSON of a report") from None
    signed = found.get("jws") if isinstance(found, dict) else None
    if not isinstance(signed, str) or not _COMPACT.fullmatch(signed.encode("utf-8", "replace")):
        raise ReportRefused("not_a_report", "a JSON without `jws`")
    return signed, found.get("report")


def _pdf(content: bytes, keys: Mapping[str, object]) -> Verified:
    found = list(_attached(content))
    if len(found) != 1:
        why = "no signed report is attached to it" if not found else "more than one report is attached to it"
        raise ReportRefused("not_a_report", why)
    signed = found[0].decode("ascii")
    document, digest = _signed(signed, keys), digest_of(signed)
    return Verified("pdf", document.claims, document.kid, digest, _pages(content, digest, keys))


def _pages(content: bytes, digest: str, keys: Mapping[str, object]) -> Pages:
    """Return whether every byte before the seal is as we sealed it, and nothing but the end comes after."""
    before, mark, after = content.rpartition(_SEAL)
    if not mark:
        return "unsealed"
    said, _, rest = after.partition(b"\n")
    end, ours = _END.search(b"\n" + rest), _END.search(before[-64:])
    if end is None or end.start() > 1 or ours is None or end.group(1) != ours.group(1):
        return "changed"
    try:
        claims = keyring.verify(said.decode("ascii"), keys, typ=SEAL_TYPE).claims
    except (keyring.SignatureRefused, UnicodeDecodeError):
        return "changed"
    same = claims == {"pages": hashlib.sha256(before).hexdigest(), "report": digest}
    return "ours" if same else "changed"


def _attached(content: bytes) -> Iterator[bytes]:
    """Yield what is attached to a PDF and looks like a JWS; no more is unpacked than a report of ours can have."""
    place = -1
    for _ in range(_MOST_STREAMS):  # and no more are tried: a hostile file may name as many as it has room for
        place = content.find(_MARK, place + 1)
        if place < 0:
            return
        start = _STREAM.match(content, place)
        if start is None:
            continue
        stop = content.find(b"endstream", start.end())
        packed = content[start.end() : stop if stop >= 0 else len(content)]
        unpacked = packed
        if b"/FlateDecode" in start.group():
            try:
                unpacked = zlib.decompressobj().decompress(packed, _MOST_SIGNED)
            except zlib.error:
                continue
        unpacked = unpacked.strip()
        if _COMPACT.fullmatch(unpacked):
            yield unpacked
