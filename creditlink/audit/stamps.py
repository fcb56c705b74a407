"""Time stamps (RFC 3161) over anchors: an independent authority certifies that an anchor existed at an instant.

Only the newest anchor is stamped: it names the one before it, so that its stamp covers all of them. With the
database, the signing key and the place somebody could rewrite every anchor, but gets no past stamps for them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from types import ModuleType

import httpx
from cryptography import x509
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from creditlink.audit.places import Place
from creditlink.audit.tables import AuditAnchor
from creditlink.kit.files.text import printable
from creditlink.kit.settings import SettingError, Settings

SECONDS = 10.0
"""The whole of one request to the authority, from the look-up of its name to the last byte."""
LATE = timedelta(days=1)
"""An anchor that no stamp covers within this time was written later than it says, or the authority was away."""
_CLOCKS_APART = timedelta(minutes=10)
_MOST_BYTES = 1024 * 1024
_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
OpenTransaction = Callable[[], AbstractContextManager[Session]]


class NotStamped(Exception):
    """There is no stamp yet: the authority is away, or its stamp is not valid. The anchor is kept all the same."""


class StampRefused(Exception):
    """A stamp is not valid."""


@dataclass(frozen=True)
class AnchorStamp:
    """The anchor that was stamped, and the authority's instant."""

    number: int
    at: datetime


@dataclass(frozen=True)
class Authority:
    """The authority that we ask, and the roots that its certificate must lead to."""

    url: str
    roots: Sequence[x509.Certificate]

    def stamp(self, document: bytes) -> tuple[bytes, datetime]:
        """Return a stamp over `document`, and its instant; it is valid, and answers this very request.

        Raises
        ------
        NotStamped
        """
        library = _library()
        query = library.TimestampRequestBuilder().data(document).hash_algorithm(library.HashAlgorithm.SHA256).build()
        try:
            answer = asyncio.run(_ask(self.url, query.as_bytes()))
            return answer, verify_stamp(answer, document, self.roots, nonce=query.nonce)
        except TimeoutError:
            raise NotStamped(f"{self.url}: no answer within {SECONDS:.0f} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise NotStamped(f"{self.url}: no answer: {type(error).__name__}") from None
        except StampRefused as error:
            raise NotStamped(f"{self.url}: {error}") from None


def authority_of(settings: Settings) -> Authority | None:
    """Return the authority of the settings, or None: anchors are not stamped.

    Raises
    ------
    SettingError
        The roots cannot be read, or the library is not installed.
    """
    if settings.timestamp_url is None or settings.timestamp_roots is None:
        return None
    _library()
    return Authority(settings.timestamp_url, roots_of(settings.timestamp_roots))


def roots_of(file: Path) -> list[x509.Certificate]:
    """Return the certificates in a PEM file.

    Raises
    ------
    SettingError
        It cannot be read, or there are none in it.
    """
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise SettingError(f"setting timestamp_roots: {file}: {error.strerror}") from None
    except ValueError:
        raise SettingError(f"setting timestamp_roots: {file} has no certificate in PEM") from None


def verify_stamp(
    stamp: bytes, document: bytes, roots: Sequence[x509.Certificate], nonce: int | None = None
) -> datetime:
    """Return the instant of a stamp over `document` whose signer leads to one of the roots, for time-stamping only.

    Raises
    ------
    StampRefused
        It is not a stamp, is over something else, is forged, or its signer does not lead to the roots.
    """
    library = _library()
    try:
        answer = library.decode_timestamp_response(stamp)
        builder = library.VerifierBuilder(roots=list(roots), nonce=nonce)
        builder.build().verify_message(answer, document)
        at: datetime = answer.tst_info.gen_time
    except (library.VerificationError, ValueError, TypeError) as error:
        raise StampRefused(f"the time stamp does not hold: {printable(str(error))}") from None
    return at


def stamp_newest(open_transaction: OpenTransaction, place: Place, authority: Authority) -> AnchorStamp | None:
    """Have the newest anchor stamped, and keep the stamp next to it; None if it has one, or there is no anchor.

    Raises
    ------
    NotStamped
        Not now: to be tried again.
    """
    with open_transaction() as session:
        newest = session.execute(
            select(AuditAnchor.number, AuditAnchor.sha256, AuditAnchor.stamped_at)
            .order_by(AuditAnchor.number.desc())
            .limit(1)
        ).one_or_none()
    if newest is None or newest.stamped_at is not None:
        return None
    name = f"anchor-{newest.number:010d}"
    try:
        document = place.read(f"{name}.jws")
    except FileNotFoundError:
        raise NotStamped(f"anchor {newest.number} is not at {place.address}") from None
    if hashlib.sha256(document).hexdigest() != newest.sha256:
        raise NotStamped(f"anchor {newest.number} is not at {place.address} as it was written")  # and gets no stamp
    stamp, at = authority.stamp(document)
    try:
        place.add(f"{name}.tsr", stamp)
    except FileExistsError:  # added before a crash and never noted
        try:
            at = verify_stamp(place.read(f"{name}.tsr"), document, authority.roots)
        except StampRefused as error:
            raise NotStamped(f"{name}.tsr at {place.address}: {error}") from None
    with open_transaction() as session:
        session.execute(update(AuditAnchor).where(AuditAnchor.number == newest.number).values(stamped_at=at))
    return AnchorStamp(newest.number, at)


class Examination:
    """Compares the stamps at a place with its anchors, which it gets one by one.

    Parameters
    ----------
    noted : the instants by the number of the anchor, as the database has them
    since : the first anchor that a stamp must cover in time; default the first that bears one
    """

    def __init__(
        self,
        place: Place,
        roots: Sequence[x509.Certificate],
        *,
        now: datetime,
        noted: Mapping[int, datetime],
        since: int | None = None,
    ) -> None:
        self._place, self._roots, self._now, self._since = place, roots, now, since
        self._noted = noted
        self._waiting = {name for name in place.names() if name.endswith(".tsr")}
        self._issued: dict[int, datetime] = {}
        self.instants: dict[int, datetime] = {}

    def of_anchor(self, name: str, number: int, document: bytes, issued_at: datetime | None) -> Iterator[str]:
        """Yield what is wrong with the stamp of one anchor; `issued_at` is None where the anchor is not valid."""
        if issued_at is not None:
            self._issued[number] = issued_at
        stamp = f"{name.removesuffix('.jws')}.tsr"
        if stamp not in self._waiting:
            return
        self._waiting.discard(stamp)
        try:
            at = verify_stamp(self._place.read(stamp), document, self._roots)
        except StampRefused as error:
            yield f"{stamp}: {error}"
            return
        self.instants[number] = at
        if issued_at is not None and at < issued_at - _CLOCKS_APART:
            yield f"{stamp}: stamped {at.isoformat()}, before the anchor was written by its own account"

    def of_all(self) -> Iterator[str]:
        """Yield, after all anchors, what is missing: anchors without their stamps, stamps without their anchors."""
        for name in sorted(self._waiting):
            yield f"{name}: the anchor that it stamps is not at {self._place.address}: removed"
        for number, at in sorted(self._noted.items()):
            if number not in self.instants:
                yield f"anchor {number} was stamped {at.isoformat()}, and no such stamp holds now: removed or replaced"
        yield from self._uncovered()

    def _uncovered(self) -> Iterator[str]:
        first = self._since if self._since is not None else min(self.instants, default=None)
        if first is None:
            return
        late: list[tuple[int, datetime | None]] = []
        covered: datetime | None = None
        for number in sorted(self._issued, reverse=True):
            if number in self.instants:
                covered = min(self.instants[number], covered or self.instants[number])
            if number >= first and (covered or self._now) - self._issued[number] > LATE:
                late.append((number, covered))
        for at, run in groupby(reversed(late), key=lambda one: one[1]):
            numbers = [number for number, _ in run]
            which = f"anchors {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"anchor {numbers[0]}"
            since = f"the first time stamp over it is of {at.isoformat()}" if at else "no time stamp covers it"
            yield f"{which}, written {self._issued[numbers[0]].isoformat()} by its own account: {since}"


def stamp_instants(session: Session) -> dict[int, datetime]:
    """Return the instants of the stamps, by the number of the anchor, as the database has them."""
    rows = session.execute(
        select(AuditAnchor.number, AuditAnchor.stamped_at).where(AuditAnchor.stamped_at.is_not(None))
    )
    return {row.number: row.stamped_at for row in rows}


async def _ask(url: str, query: bytes) -> bytes:
    async with (
        asyncio.timeout(SECONDS),
        httpx.AsyncClient(timeout=SECONDS, follow_redirects=False) as client,
        client.stream("POST", url, content=query, headers={"Content-Type": _QUERY, "Accept": _REPLY}) as response,
    ):
        if response.status_code != 200:
            raise StampRefused(f"it answered {response.status_code}")
        content = bytearray()
        async for part in response.aiter_bytes():
            content += part
            if len(content) > _MOST_BYTES:
                raise StampRefused(f"its answer is larger than {_MOST_BYTES} bytes")
        return bytes(content)


def _library() -> ModuleType:
    try:
        import rfc3161_client
    except ImportError:
        raise SettingError(
            "setting timestamp_url: time stamps need the extra 'anchors' (pip install creditlink[anchors])"
        ) from None
    return rfc3161_client
