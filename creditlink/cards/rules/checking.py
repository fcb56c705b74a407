"""Whether a presented card is genuine and good, and what it says. Pure: no database, no network, no clock.

The SD-JWT itself (signature, digests, key binding) is the library's work; what is ours: which issuer and type, until
when, for whom, and that a copy without the holder's proof is not taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from openvc.errors import OpenvcError
from openvc.proof.sd_jwt import SdJwtVcProofSuite, VerifiedSdJwt
from openvc.status.token_status_list import parse_token_status_ref

from creditlink.cards.rules import kinds
from creditlink.cards.rules.facts import CATALOGUE
from creditlink.kit import keyring
from creditlink.kit.clock import day_from
from creditlink.kit.files.text import printable

LONGEST = 64_000
"""Characters of a presentation: a card with every fact has some five thousand."""
LONGEST_AUDIENCE = 200
"""Characters of for whom a card is shown."""
FRESH = timedelta(hours=1)
"""How old a holder's proof may be that does not say itself until when it is good."""
LEEWAY = timedelta(seconds=60)
_KEPT_ALWAYS = 100 * 366 * 86_400
_MOST_PARTS = 200

VALID, SUSPENDED, REVOKED = "valid", "suspended", "revoked"
STATUSES = {0: VALID, 1: REVOKED, 2: SUSPENDED}
"""Value in a status list -> what it means; two bits for each card."""

VERDICTS = (VALID, "refused", "expired", "ended", REVOKED, SUSPENDED, "unknown")
"""What is said of a card. expired: the card's own time is over; ended: this presentation's is; unknown: it is genuine
and its time is not over, but whether it was revoked could not be found out."""

REASONS = {
    "empty": ("没有内容", "there is nothing"),
    "too_long": ("内容过长", "it is too long"),
    "not_a_card": ("不是信用名片，或内容不完整", "it is no credit card, or not a whole one"),
    "another_issuer": ("不是本平台签发", "it was not issued here"),
    "not_genuine": ("签名或内容不符，可能被改动", "the signature or the content does not hold: it was changed"),
    "another_kind": ("是本平台签发的其他凭证，不是信用名片", "it was issued here, but it is no credit card"),
    "a_copy": ("缺少持有人的出示证明，可能是复制件", "the holder's proof is missing: it may be a copy"),
    "not_for_you": ("不是为此接收方出示的", "it was shown to somebody else"),
    "not_yet": ("日期在未来", "it is dated in the future"),
}
"""Why a card is refused, in zh and en."""


@dataclass(frozen=True)
class StatusPlace:
    """Where a card's status is told."""

    uri: str
    index: int


@dataclass(frozen=True)
class ShownFact:
    """One fact that a presentation discloses."""

    name: str
    value: str
    on: str


@dataclass(frozen=True)
class CheckedPresentation:
    """What is to be said of a presentation."""

    verdict: str
    reason: str | None = None  # one of `REASONS`, of what is refused
    issuer: str = ""
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    shown_at: datetime | None = None
    good_until: datetime | None = None  # of the presentation; None: the holder did not say
    audience: str = ""
    nonce: str | None = None  # of the holder's proof
    place: StatusPlace | None = None
    facts: Sequence[ShownFact] = ()

    @property
    def is_genuine(self) -> bool:
        """Whether it is what the issuer signed and the holder showed, whatever became of it."""
        return self.verdict != "refused"


StatusOf = Callable[[StatusPlace], str | None]
"""Returns what the status list says of a place; None: it cannot be found out."""


class _Refused(Exception):
    """A presentation that is not taken; its argument is one of `REASONS`."""


def check(
    text: str,
    keys: Mapping[str, object],
    *,
    issuer: str,
    status_of: StatusOf,
    now: datetime,
    audience: str | None = None,
    nonce: str | None = None,
) -> CheckedPresentation:
    """Return what is to be said of a presentation.

    Parameters
    ----------
    keys : the issuer's JWK set.
    audience, nonce : whom it must be made for, and the verifier's challenge; None: they are shown, not compared.
    """
    try:
        found = _genuine(text.strip().removeprefix("\ufeff").strip(), keys, issuer=issuer, now=now)
        if (audience, nonce) != (None, None):
            _compare(found, audience, nonce)
    except _Refused as refused:
        return CheckedPresentation("refused", str(refused))
    return _with_status(found, status_of, now)


def _with_status(found: CheckedPresentation, status_of: StatusOf, now: datetime) -> CheckedPresentation:
    if found.expires_at is None or found.expires_at <= now:
        return replace(found, verdict="expired")
    status = None if found.place is None else status_of(found.place)
    if status in (REVOKED, SUSPENDED):
        return replace(found, verdict=status)
    if found.good_until is not None and found.good_until <= now:
        return replace(found, verdict="ended")
    return replace(found, verdict="unknown" if status is None else VALID)


def _genuine(text: str, keys: Mapping[str, object], *, issuer: str, now: datetime) -> CheckedPresentation:
    if not text:
        raise _Refused("empty")
    if len(text) > LONGEST:
        raise _Refused("too_long")
    if not text.isascii() or not 2 <= text.count("~") + 1 <= _MOST_PARTS:
        raise _Refused("not_a_card")
    head, _, proof = text.partition("~")[0], *text.rpartition("~")[1:]
    _look_at(head, issuer)
    shown_at, good_until, said_to = _holder(proof, now)
    verified = _verified(text, keys, head, shown_at)
    if not verified.key_bound:
        raise _Refused("a_copy")
    claims = verified.claims
    return CheckedPresentation(
        VALID,
        issuer=verified.issuer,
        issued_at=_instant(claims.get("iat")),
        expires_at=_instant(claims.get("exp")),
        shown_at=shown_at,
        good_until=good_until,
        audience=said_to,
        nonce=_nonce(proof),
        place=_place(claims),
        facts=_facts(claims),
    )


def _look_at(head: str, issuer: str) -> None:
    """Refuse what says by itself that it is something else; that it says right proves nothing yet."""
    try:
        claims = keyring.unverified(head)
    except (keyring.SignatureRefused, RecursionError):
        raise _Refused("not_a_card") from None
    if claims.get("iss") != issuer:
        raise _Refused("another_issuer")
    if claims.get("vct") != kinds.type_of(issuer):
        raise _Refused("another_kind")


def _holder(proof: str, now: datetime) -> tuple[datetime, datetime | None, str]:
    """Return what the holder's proof says: when, until when, for whom. Its signature is looked at with the rest."""
    if not proof:
        raise _Refused("a_copy")
    try:
        said = keyring.unverified(proof)
    except (keyring.SignatureRefused, RecursionError):
        raise _Refused("not_a_card") from None
    shown_at, until, audience = _instant(said.get("iat")), _instant(said.get("exp")), said.get("aud")
    if shown_at is None or ("exp" in said and until is None) or not isinstance(audience, str):
        raise _Refused("not_a_card")
    if shown_at > now + LEEWAY:
        raise _Refused("not_yet")
    # Whoever holds a wallet writes what it likes here: it is shown, and never more than a line of it.
    return shown_at, until if until is not None else shown_at + FRESH, printable(audience)[:LONGEST_AUDIENCE]


def _verified(text: str, keys: Mapping[str, object], head: str, shown_at: datetime) -> VerifiedSdJwt:
    key = _key_of(head, keys)
    try:
        verified = SdJwtVcProofSuite().verify(
            text,
            public_key_jwk=key,
            check_temporal=False,  # the caller's clock decides
            kb_max_age_s=_KEPT_ALWAYS,  # so does it of the holder's proof
            now=shown_at,
        )
    except (OpenvcError, ValueError, TypeError, RecursionError):
        raise _Refused("not_genuine") from None
    if verified.typ != "dc+sd-jwt":
        raise _Refused("another_kind")
    return verified


def _key_of(head: str, keys: Mapping[str, object]) -> dict[str, object]:
    """Return the issuer's key that a card names."""
    entries = keys.get("keys")
    known = [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    try:
        named = keyring.header_of(head).get("kid")
    except keyring.SignatureRefused:
        raise _Refused("not_a_card") from None
    for one in known:
        if one.get("kid") == named:
            return one
    raise _Refused("not_genuine")


def _compare(found: CheckedPresentation, audience: str | None, nonce: str | None) -> None:
    if (audience is not None and found.audience != audience) or (nonce is not None and found.nonce != nonce):
        raise _Refused("not_for_you")


def _nonce(proof: str) -> str | None:
    """Return what tells this presentation from every other, as its holder signed it."""
    said = keyring.unverified(proof).get("nonce")
    return said if isinstance(said, str) else None


def _place(claims: Mapping[str, object]) -> StatusPlace | None:
    try:
        found = parse_token_status_ref(dict(claims))
    except OpenvcError:
        return None
    return None if found is None else StatusPlace(found.uri, found.index)


def _facts(claims: Mapping[str, object]) -> list[ShownFact]:
    """Return the facts of the catalogue that are disclosed; what a later catalogue adds is not shown as ours."""
    shown = []
    for fact in CATALOGUE:
        said = claims.get(fact.name)
        if not isinstance(said, Mapping):
            continue
        value, on = said.get("value"), said.get("on")
        if isinstance(value, str) and isinstance(on, str) and _is_day(on):
            shown.append(ShownFact(fact.name, value, on))
    return shown


def _is_day(text: str) -> bool:
    try:
        day_from(text)
    except ValueError:
        return False
    return True


def _instant(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
