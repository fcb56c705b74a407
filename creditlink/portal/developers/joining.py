"""Joining a sandbox as a developer: one account, one institution, one client, made together and of a fixed form."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from typing import Literal, cast
from uuid import UUID, uuid4

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.consents.agreement.categories import GRANTABLE
from creditlink.enterprises import accounts
from creditlink.institutions.tables import Client
from creditlink.kit.postgres import db
from creditlink.portal.developers.tables import Developer

Joined = Literal["joined", "taken", "full"]

CODE_PREFIX = "DEV_"
CLIENT_PREFIX = "dev_"
"""How the ids of developers' clients begin: whoever keeps the log looks no further at any other."""

MOST = 2_000
"""Developers at a time. An idle one makes room after `IDLE`."""
IDLE = timedelta(days=60)
CALLBACK = "http://127.0.0.1:9876/callback"
"""Where a developer's own program listens, unless they say otherwise."""

SCOPES = (
    "consent:read",
    "correction:acknowledge",
    "correction:read",
    "grant_management_query",
    "grant_management_revoke",
    "notification:read",
    "notification:replay",
    "profile:create",
    "profile:read",
    "report:create",
    "report:read",
)
"""What a developer's client may ask for: a bank's main job, and nothing of an operator's or a lender's."""

_LOGIN = re.compile(r"[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_LONGEST_LOGIN = 128
_SEEN_EVERY = timedelta(hours=1)
_JOIN = text("""
    SELECT creditlink_join_developer(:account, :login, :hash, :institution, :code, :salt, :client, :addresses,
                                     :scopes, :categories, :most, :at)""")


def login_of(given: str) -> str | None:
    """Return a login in the form in which it is kept, None where it has not the form of an e-mail address.

    Nothing is ever sent to it: it need not exist, and nobody learns from a login that is taken who has a sign-in of
    another kind, as those have other forms.
    """
    login = given.strip().lower()
    return login if len(login) <= _LONGEST_LOGIN and _LOGIN.fullmatch(login) else None


def join(session: Session, *, login: str, password: str, now: datetime) -> tuple[Joined, UUID]:
    """Add a developer; return whether that went, and the account's id.

    Raises
    ------
    InvalidRequest
        The password is too short or too long.
    """
    hashed = accounts.checked_hash(password)
    account_id, institution_id = uuid4(), uuid4()
    code = CODE_PREFIX + secrets.token_hex(6).upper()
    client_id = f"{code.lower()}-{secrets.token_hex(8)}"
    outcome = cast(
        Joined,
        session.scalar(
            _JOIN,
            {
                "account": account_id, "login": login, "hash": hashed, "institution": institution_id, "code": code,
                "salt": secrets.token_hex(32), "client": client_id, "addresses": [CALLBACK], "scopes": list(SCOPES),
                "categories": sorted(GRANTABLE), "most": MOST, "at": now,
            },
        ),
    )  # fmt: skip
    if outcome == "joined":
        audit.record(
            session, action="client.register", result="done", actor=f"developer:{account_id}", now=now,
            institution_id=institution_id, client_id=client_id,
        )  # fmt: skip
    return outcome, account_id


def client_of(session: Session, account_id: UUID, now: datetime) -> Client | None:
    """Return the client of the developer whose transaction this is, locked against a change at the same time.

    None: the developer was ended.
    """
    institution_id = session.scalar(
        update(Developer)
        .where(Developer.account_id == account_id)
        .values(seen_at=now)
        .returning(Developer.institution_id)
        .execution_options(synchronize_session=False)
    )
    if institution_id is None:
        return None
    return session.scalars(select(Client).where(Client.institution_id == institution_id)).one()


def is_developers(session: Session, institution_id: UUID, now: datetime) -> bool:
    """Return whether an institution is a developer's, from here on seen as it; note now and then that it is in use."""
    db.enter(session, db.Viewer(institution_id=institution_id))
    seen_at = session.scalar(select(Developer.seen_at).where(Developer.institution_id == institution_id))
    if seen_at is not None and seen_at < now - _SEEN_EVERY:
        session.execute(
            update(Developer)
            .where(Developer.institution_id == institution_id)
            .values(seen_at=now)
            .execution_options(synchronize_session=False)
        )
    return seen_at is not None
