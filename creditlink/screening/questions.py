"""The questions of institutions about a screened city: evidence of each, and a limit to different ones.

A lender publishes versions of a product as it likes, so it could have the same firms counted under rules that differ by
one firm's figures, and subtract. Counts come in tens, and one screening answers a lender only so many different sets of
rules. The same rules again are no further question.
"""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.kit.errors import TooManyRequests
from creditlink.screening.tables import DiscoveryQuestion

MOST = 40
"""Different sets of rules that one screening counts for an institution."""


def note_question(
    session: Session, institution_id: UUID, client_id: str, terms: ProductTerms, screening: str, *, now: datetime
) -> None:
    """Store that an institution had a product's rules counted in a screening, with evidence.

    Raises
    ------
    TooManyRequests
        It had too many different ones counted; the next screening starts from zero.
    """
    rules = rules_sha256(terms)
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"discovery {institution_id}", 0))))
    earlier = set(
        session.scalars(
            select(DiscoveryQuestion.rules_sha256).where(
                DiscoveryQuestion.institution_id == institution_id, DiscoveryQuestion.screening == screening
            )
        )
    )
    if rules not in earlier and len(earlier) >= MOST:
        raise TooManyRequests(f"at most {MOST} different sets of rules are counted in one screening")
    question = insert(DiscoveryQuestion).values(
        institution_id=institution_id, screening=screening, rules_sha256=rules, asked_at=now
    )
    session.execute(question.on_conflict_do_nothing())
    note_read(session, institution_id, client_id, terms, screening, now=now, action="screening.count")


def note_read(
    session: Session,
    institution_id: UUID,
    client_id: str,
    terms: ProductTerms,
    screening: str,
    *,
    now: datetime,
    action: str,
    detail: dict[str, object] | None = None,
) -> None:
    """Record in the chain of no firm that results of a screening were read."""
    about = {"product": terms.code, "version": terms.version, "screening": screening, **(detail or {})}
    audit.record(
        session,
        action=action,
        result="disclosed",
        actor=f"institution:{client_id}",
        now=now,
        institution_id=institution_id,
        client_id=client_id,
        detail=about,
    )


def rules_sha256(terms: ProductTerms) -> str:
    """Return the hash of a product's rules, whatever their order."""
    rules = sorted(json.dumps(rule.to_dict(), sort_keys=True, ensure_ascii=False) for rule in terms.rules)
    return sha256("\n".join(rules).encode()).hexdigest()
