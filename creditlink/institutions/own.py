"""The institution and the client behind a firm's consent to itself: no lender, no software, no keys, no scopes.

Constraints of the database keep it so: its client is suspended for good, and no token can name it.
docs/adr/0071-a-firms-own-use-is-a-consent-to-itself.md
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.institutions.tables import OWN_ID, Client, Institution


def own_client(session: Session) -> tuple[Institution, Client]:
    """Return the two rows; a database in which no firm has looked at itself yet gets them now."""
    session.execute(select(func.creditlink_own_use()))
    institution = session.get_one(Institution, OWN_ID)
    return institution, session.scalars(select(Client).where(Client.institution_id == OWN_ID)).one()


def is_own(institution_id: UUID) -> bool:
    """Return whether what names this institution is a firm's own use."""
    return institution_id == OWN_ID
