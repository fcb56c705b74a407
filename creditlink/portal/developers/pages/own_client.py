"""A developer's own client: its keys and addresses, read and changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.institutions.tables import Client
from creditlink.kit.errors import NotFound
from creditlink.portal.developers.pages.site import AtBench

_SET = text("SELECT creditlink_set_developer_client(:client, CAST(:jwks AS jsonb), :jwks_uri, :addresses, :at)")


def entries_of(client: Client) -> list[Mapping[str, object]]:
    """Return the client's keys, the newest last; none where they are at an address."""
    listed = (client.jwks or {}).get("keys")
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def kids_of(client: Client) -> set[str]:
    """Return the names of its keys."""
    return {str(one.get("kid")) for one in entries_of(client)}


def store(
    session: Session,
    here: AtBench,
    now: datetime,
    *,
    jwks: Mapping[str, object] | None,
    jwks_uri: str | None,
    addresses: Sequence[str] | None = None,
) -> None:
    """Store where the client's keys are, or its addresses, and leave evidence.

    Raises
    ------
    NotFound
        The client is not (any more) this developer's.
    """
    values = {
        "client": here.client.client_id,
        "jwks": None if jwks is None else json.dumps(jwks),
        "jwks_uri": jwks_uri,
        "addresses": list(here.client.redirect_uris if addresses is None else addresses),
        "at": now,
    }
    if not session.scalar(_SET, values):
        raise NotFound
    audit.record(
        session,
        action="client.rotate_keys" if addresses is None else "client.set_addresses",
        result="done",
        actor=f"developer:{here.account.id}",
        now=now,
        institution_id=here.client.institution_id,
        client_id=here.client.client_id,
    )
