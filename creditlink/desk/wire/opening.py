"""Opening an institution's desk: its two clients, registered like any other, and their keys in a sealed box."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.access.scopes import OPERATOR_SCOPES, SCOPES
from creditlink.desk.tables import DeskClient
from creditlink.desk.wire.software import DeskKeys
from creditlink.engine.facts.catalogue import CATEGORIES
from creditlink.institutions import service as institutions
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.errors import Conflict
from creditlink.kit.keyring import Secret, box
from creditlink.portal.person.sessions import PATH

SEALED = "creditlink desk keys"
CHECKS = ("product:read", "product:check", "overlay:read", "overlay:check")
"""What the second client may: nothing but to check what the first one wrote."""

_ACTS = tuple(
    sorted(
        set(SCOPES)
        - OPERATOR_SCOPES
        - {"product:check", "overlay:check", "grant_management_query", "grant_management_revoke"}
    )
)


@dataclass(frozen=True)
class DeskHand:
    """A client of a desk with its keys, opened."""

    client_id: str
    institution: str  # its code
    keys: DeskKeys
    scopes: frozenset[str]


def redirect_path(code: str) -> str:
    """Return where a firm's browser comes back to, for the institution with this code."""
    return f"{PATH}/desk/back/{code}"


def open_desk(
    session: Session, institution: Institution, *, issuer: str, secret: Secret, actor: str, now: datetime
) -> list[Client]:
    """Register the clients of an institution's desk, as the database's owner.

    Raises
    ------
    Conflict
        It has a desk, or is no lender.
    """
    if institution.kind == "operator":
        raise Conflict(f"{institution.code} is the operator, not a lender", reason="kind")
    if session.scalar(select(DeskClient.hand).where(DeskClient.institution_id == institution.id).limit(1)):
        raise Conflict(f"{institution.code} has a desk", reason="open")
    made = []
    for hand, scopes in (("acts", _ACTS), ("checks", CHECKS)):
        keys = DeskKeys.new()
        client = institutions.register_client(
            session,
            institution=institution,
            name=f"{institution.name_zh} CreditLink{'' if hand == 'acts' else ' 复核'}",
            redirect_uris=[issuer + redirect_path(institution.code)],
            scopes=scopes,
            categories=list(CATEGORIES),
            jwks=keys.public_jwks(),
            metadata={"desk": hand},
            actor=actor,
            now=now,
        )
        sealed = box(secret, SEALED).encrypt(keys.as_json().encode()).decode()
        session.add(
            DeskClient(
                institution_id=institution.id, hand=hand, client_id=client.client_id, sealed=sealed, created_at=now
            )
        )
        made.append(client)
    session.flush()
    return made


def hand_of(session: Session, institution_id: UUID, hand: str, *, secret: Secret) -> DeskHand | None:
    """Return a client of an institution's desk; None where it has none."""
    row = session.execute(
        select(DeskClient, Client, Institution.code)
        .join(Client, Client.client_id == DeskClient.client_id)
        .join(Institution, Institution.id == DeskClient.institution_id)
        .where(DeskClient.institution_id == institution_id, DeskClient.hand == hand)
    ).one_or_none()
    if row is None:
        return None
    held, client, code = row
    keys = DeskKeys.from_json(box(secret, SEALED).decrypt(held.sealed.encode()).decode())
    return DeskHand(held.client_id, code, keys, frozenset(client.scopes))
