"""Onboarding institutions and their OAuth clients: what the operator may register, and can turn off at once."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.engine.vocabulary import INSTITUTION_KINDS
from creditlink.institutions import targets
from creditlink.institutions.likeness import skeleton
from creditlink.institutions.tables import OWN_ID, Client, Institution
from creditlink.kit import uscc as uscc_rules

_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,31}")
_LONGEST_NAME = 200
_LONGEST_LICENCE = 60
OPERATOR = "operator"
"""Who onboards, where no member of staff is named: a seed, a sandbox."""

_REGISTERING = 0x696E7374  # "inst": the lock's number
_LONGEST_URI = 2000


class RegistrationRefused(Exception):
    """The values given cannot be registered; the message names the field and the value."""


def add_institution(
    session: Session,
    *,
    code: str,
    name_zh: str,
    name_en: str,
    kind: str,
    now: datetime,
    uscc: str | None = None,
    licence_no: str | None = None,
) -> Institution:
    """Add an institution; its own credit code and licence may be recorded later.

    Raises
    ------
    RegistrationRefused
        A field is wrong, the code is taken, or code or a name could be taken for another institution's.
    """
    if not _CODE.fullmatch(code):
        raise RegistrationRefused(f"code {code!r} must be 2 to 32 of A-Z, 0-9 and _, starting with a letter")
    if kind not in INSTITUTION_KINDS:
        raise RegistrationRefused(f"kind {kind!r} must be one of {', '.join(INSTITUTION_KINDS)}")
    names = {"name_zh": _name("name_zh", name_zh), "name_en": _name("name_en", name_en)}
    _refuse_look_alikes(session, code, names)
    institution = Institution(
        code=code,
        **names,
        kind=kind,
        uscc=_own_uscc(uscc),
        licence_no=_licence(licence_no),
        status="active",
        pairwise_salt=secrets.token_hex(32),
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(institution)
    except IntegrityError:
        raise RegistrationRefused(f"code {code!r} is taken") from None
    return institution


def identify_institution(
    session: Session,
    institution: Institution,
    *,
    uscc: str | None,
    licence_no: str | None,
    now: datetime,
    actor: str = OPERATOR,
) -> None:
    """Record by which credit code and licence a firm can look an institution up; None or nothing: not recorded.

    Firms read both before they agree, and they are in the text that is signed.

    Raises
    ------
    RegistrationRefused
        One of them cannot be right, or the credit code is another institution's.
    """
    before = {"uscc": institution.uscc, "licence_no": institution.licence_no}
    after = {"uscc": _own_uscc(uscc), "licence_no": _licence(licence_no)}
    if after["uscc"] is not None:
        session.execute(select(func.pg_advisory_xact_lock(_REGISTERING)))
        taken = select(Institution.code).where(Institution.uscc == after["uscc"], Institution.id != institution.id)
        if (other := session.scalar(taken.limit(1))) is not None:
            raise RegistrationRefused(f"uscc {after['uscc']} is that of {other}")
    if after == before:
        return
    institution.uscc, institution.licence_no = after["uscc"], after["licence_no"]
    audit.record(
        session, action="institution.identify", result="done", actor=actor, now=now, institution_id=institution.id,
        detail={"before": before, "after": after},
    )  # fmt: skip


def _own_uscc(given: str | None) -> str | None:
    if given is None or not given.strip():
        return None
    checked = uscc_rules.check(given)
    if not (checked.well_formed and checked.check_ok):
        raise RegistrationRefused(f"uscc {given[:40]!r}: {checked.reason or 'the check character is wrong'}")
    return checked.uscc


def _licence(given: str | None) -> str | None:
    if given is None or not given.strip():
        return None
    text = " ".join(given.split())
    if len(text) > _LONGEST_LICENCE or not text.isprintable():
        raise RegistrationRefused(
            f"licence_no needs at most {_LONGEST_LICENCE} printable characters, got {given[:80]!r}"
        )
    return text


def _refuse_look_alikes(session: Session, code: str, names: Mapping[str, str]) -> None:
    """Refuse a name that a firm would mistake for another's on the page where it gives its consent."""
    # One registration at a time: two simultaneous look-alikes would not see each other.
    session.execute(select(func.pg_advisory_xact_lock(_REGISTERING)))
    skeletons = {field: skeleton(name) for field, name in names.items()}
    for field, name in names.items():
        if not skeletons[field]:
            raise RegistrationRefused(f"{field} {name[:80]!r} holds no letter that can be seen")
    for other in session.scalars(select(Institution).where(Institution.code != code)):
        if skeleton(other.code) == skeleton(code):
            raise RegistrationRefused(f"code {code!r} looks like that of {other.code}")
        taken = {skeleton(other.name_zh), skeleton(other.name_en)}
        for field, name in names.items():
            if skeletons[field] in taken:
                raise RegistrationRefused(f"{field} {name[:80]!r} looks like the name of {other.code}")


def institution_of(session: Session, code: str) -> Institution:
    """Return the institution with this code.

    Raises
    ------
    RegistrationRefused
        There is no such one.
    """
    institution = session.scalar(select(Institution).where(Institution.code == code, Institution.id != OWN_ID))
    if institution is None:
        raise RegistrationRefused(f"there is no institution {code!r}")
    return institution


def register_client(
    session: Session,
    *,
    institution: Institution,
    name: str,
    redirect_uris: Sequence[str],
    scopes: Collection[str],
    categories: Collection[str],
    now: datetime,
    jwks: Mapping[str, object] | None = None,
    jwks_uri: str | None = None,
    metadata: Mapping[str, object] | None = None,
    actor: str = OPERATOR,
) -> Client:
    """Register an institution's software.

    The caller, who knows the scopes, categories and keys, checks that they exist.

    Raises
    ------
    RegistrationRefused
        A field is wrong.
    """
    if not redirect_uris:
        raise RegistrationRefused("at least one redirect_uri is needed")
    for address in redirect_uris:
        check_redirect_uri(address)
    if len(set(redirect_uris)) != len(redirect_uris):
        raise RegistrationRefused("a redirect_uri is given twice")
    reserved = sorted(DESK_SCOPES & set(scopes))
    if reserved and "desk" not in (metadata or {}):
        raise RegistrationRefused(f"scope {reserved[0]!r}: only for a desk, where two people agree")
    if not scopes:
        raise RegistrationRefused("at least one scope is needed")
    kept_keys, keys_uri = _key_source(jwks, jwks_uri)
    client = Client(
        client_id=f"{institution.code.lower()}-{secrets.token_hex(8)}",
        institution_id=institution.id,
        name=_name("name", name),
        redirect_uris=list(redirect_uris),
        scopes=sorted(set(scopes)),
        categories=sorted(set(categories)),
        jwks=kept_keys,
        jwks_uri=keys_uri,
        metadata_=dict(metadata or {}),
        status="active",
        created_at=now,
        updated_at=now,
    )
    session.add(client)
    session.flush()
    _record(session, client, "client.register", actor=actor, now=now)
    return client


def client_of(session: Session, client_id: str) -> Client:
    """Return the client with this id.

    Raises
    ------
    RegistrationRefused
        There is no such one.
    """
    client = session.scalar(select(Client).where(Client.client_id == client_id, Client.institution_id != OWN_ID))
    if client is None:
        raise RegistrationRefused(f"there is no client {client_id!r}")
    return client


def rotate_keys(
    session: Session,
    client: Client,
    *,
    now: datetime,
    jwks: Mapping[str, object] | None = None,
    jwks_uri: str | None = None,
    actor: str = OPERATOR,
) -> None:
    """Replace the client's keys; what the old ones signed is refused from the next request on.

    Raises
    ------
    RegistrationRefused
        Not exactly one source of keys, or its address is one that we do not call.
    """
    client.jwks, client.jwks_uri = _key_source(jwks, jwks_uri)
    client.updated_at = client.keys_changed_at = now
    _record(session, client, "client.rotate_keys", actor=actor, now=now)


DESK_SCOPES = frozenset({"client:write"})
"""What only the client of an institution's desk may have: there two people agree to every change."""

KEYS_DUE = timedelta(days=365)
"""After this long a client's keys are due for a change.

Source: NIST SP 800-57 part 1 revision 5, table 1: private signature keys serve one to three years.
"""


def keys_due_at(client: Client) -> datetime:
    """Return when a client's keys are due for a change; one that publishes its keys changes them there itself."""
    return (client.keys_changed_at or client.created_at) + KEYS_DUE


def set_client_status(session: Session, client: Client, status: str, *, now: datetime, actor: str = OPERATOR) -> None:
    """Suspend or resume a client; every process sees it with its next request."""
    client.status, client.updated_at = status, now
    _record(session, client, f"client.{'suspend' if status == 'suspended' else 'resume'}", actor=actor, now=now)


def set_institution_status(
    session: Session, institution: Institution, status: str, *, now: datetime, actor: str = OPERATOR
) -> None:
    """Suspend or resume an institution with all its clients."""
    institution.status = status
    action = f"institution.{'suspend' if status == 'suspended' else 'resume'}"
    audit.record(session, action=action, result="done", actor=actor, now=now, institution_id=institution.id)


def check_redirect_uri(address: str) -> None:
    """Refuse an address that could send a code to somebody else, or be read in two ways.

    Raises
    ------
    RegistrationRefused
        Not https (or http on a loopback address), or with a fragment, a user, dot segments or odd characters.
    """
    excerpt = address[:80]
    if len(address) > _LONGEST_URI:
        raise RegistrationRefused(f"redirect_uri {excerpt!r}… is longer than {_LONGEST_URI} characters")
    plain = address.startswith("http://")
    try:
        parts = targets.check_form("https" + address[4:] if plain else address)
    except targets.TargetRefused as error:
        raise RegistrationRefused(f"redirect_uri {excerpt!r}: {error}") from None
    if plain and not _is_loopback(parts.hostname or ""):
        raise RegistrationRefused(f"redirect_uri {excerpt!r}: http is only for loopback addresses")
    if any(segment in (".", "..") for segment in urlsplit(address).path.lower().replace("%2e", ".").split("/")):
        raise RegistrationRefused(f"redirect_uri {excerpt!r}: dot segments are not accepted")


def as_json(client: Client, institution: Institution) -> dict[str, object]:
    """Return a client as the commands print it."""
    keys = client.jwks.get("keys") if client.jwks else None
    return {
        "client_id": client.client_id,
        "institution": institution.code,
        "name": client.name,
        "status": client.status,
        "redirect_uris": client.redirect_uris,
        "scopes": client.scopes,
        "categories": client.categories,
        "jwks_uri": client.jwks_uri,
        "kids": [key.get("kid") for key in keys if isinstance(key, dict)] if isinstance(keys, list) else [],
        "webhook_url": client.webhook_url,
        "created_at": client.created_at.isoformat(),
        "updated_at": client.updated_at.isoformat(),
    }


def _key_source(jwks: Mapping[str, object] | None, jwks_uri: str | None) -> tuple[dict[str, object] | None, str | None]:
    if (jwks is None) == (jwks_uri is None):
        raise RegistrationRefused("exactly one of jwks and jwks_uri is needed")
    if jwks_uri is not None:
        try:
            targets.resolve(jwks_uri)
        except targets.TargetRefused as error:
            raise RegistrationRefused(f"jwks_uri {jwks_uri[:80]!r}: {error}") from None
    return None if jwks is None else dict(jwks), jwks_uri


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(field: str, value: str) -> str:
    text = " ".join(value.split())
    if not text or len(text) > _LONGEST_NAME or not text.isprintable():
        raise RegistrationRefused(f"{field} needs 1 to {_LONGEST_NAME} printable characters, got {value[:80]!r}")
    return text


def _record(session: Session, client: Client, action: str, *, actor: str, now: datetime) -> None:
    audit.record(
        session,
        action=action,
        result="done",
        actor=actor,
        now=now,
        institution_id=client.institution_id,
        client_id=client.client_id,
    )
