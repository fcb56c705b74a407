"""An institution's own clients, as its desk registers and changes them; those of the desk itself it cannot touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.access import keys
from creditlink.access.keys import JwtRefused
from creditlink.access.scopes import OPERATOR_SCOPES, SCOPES
from creditlink.consents.agreement.categories import CATEGORIES
from creditlink.institutions import service as institutions
from creditlink.institutions.service import RegistrationRefused
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import to_second
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound

DESK = "desk"
"""What marks a client of the desk in its metadata."""

MOST = 20
"""So many clients an institution has by itself; for more it asks the operator."""

GRANTED = frozenset(SCOPES) - OPERATOR_SCOPES - institutions.DESK_SCOPES
"""The scopes that a client may be given here."""


def of_institution(session: Session, institution_id: UUID) -> Sequence[Client]:
    """Return the clients of an institution, the oldest first."""
    query = select(Client).where(Client.institution_id == institution_id)
    return session.scalars(query.order_by(Client.created_at, Client.client_id)).all()


def own(session: Session, institution_id: UUID, client_id: str, *, for_change: bool = False) -> Client:
    """Return one client of an institution.

    Raises
    ------
    NotFound
        It is unknown, or another institution's.
    Conflict
        It is to be changed, and is the desk's own.
    """
    query = select(Client).where(Client.client_id == client_id, Client.institution_id == institution_id)
    client = session.scalar(query.with_for_update() if for_change else query)
    if client is None:
        raise NotFound
    if for_change and DESK in client.metadata_:
        raise Conflict("a client of the desk is the operator's to change", reason="desk_client")
    return client


def register(
    session: Session,
    institution_id: UUID,
    *,
    name: str,
    redirect_uris: Sequence[str],
    scopes: Sequence[str],
    categories: Sequence[str] | None,
    jwks: Mapping[str, object],
    actor: str,
    now: datetime,
) -> Client:
    """Register a client.

    Raises
    ------
    InvalidRequest
        A field is wrong.
    Conflict
        The institution has as many as it may.
    """
    institution = session.get_one(Institution, institution_id)
    if len(of_institution(session, institution_id)) >= MOST:
        raise Conflict(f"an institution registers at most {MOST} clients by itself", reason="most_clients")
    check_scopes(scopes)
    try:
        return institutions.register_client(
            session,
            institution=institution,
            name=name,
            redirect_uris=redirect_uris,
            scopes=scopes,
            categories=list(CATEGORIES) if categories is None else categories,
            jwks=checked_keys(jwks),
            actor=actor,
            now=now,
        )
    except RegistrationRefused as refused:
        raise InvalidRequest(str(refused)) from None


def rotate(session: Session, client: Client, jwks: Mapping[str, object], *, actor: str, now: datetime) -> None:
    """Replace a client's keys; what the old ones signed is refused from the next request on.

    Raises
    ------
    InvalidRequest
        They cannot be used.
    """
    institutions.rotate_keys(session, client, jwks=checked_keys(jwks), actor=actor, now=now)


def check_scopes(scopes: Sequence[str]) -> None:
    """Refuse scopes that no client gets here.

    Raises
    ------
    InvalidRequest
        One is unknown, or not the institution's to give.
    """
    for index, scope in enumerate(scopes):
        if scope not in GRANTED:
            raise InvalidRequest(errors=[{"pointer": f"/scopes/{index}", "detail": f"{scope!r} is not to be had here"}])


def checked_keys(jwks: Mapping[str, object]) -> Mapping[str, object]:
    """Return a set of public keys that may be registered.

    Raises
    ------
    InvalidRequest
        None is accepted, or one holds private members.
    """
    try:
        keys.check_registration(jwks)
    except JwtRefused as refused:
        raise InvalidRequest(errors=[{"pointer": "/jwks", "detail": str(refused)}]) from None
    return jwks


def as_wire(client: Client) -> dict[str, object]:
    """Return a client as its institution sees it."""
    held = client.jwks.get("keys") if client.jwks else None
    kids = (
        [str(one["kid"]) for one in held if isinstance(one, dict) and one.get("kid")] if isinstance(held, list) else []
    )
    return {
        "client_id": client.client_id,
        "name": client.name,
        "status": client.status,
        "redirect_uris": client.redirect_uris,
        "scopes": client.scopes,
        "categories": client.categories,
        "jwks_uri": client.jwks_uri,
        "kids": kids,
        "webhook_url": client.webhook_url,
        "is_desk": DESK in client.metadata_,
        "created_at": to_second(client.created_at),
        "updated_at": to_second(client.updated_at),
    }
