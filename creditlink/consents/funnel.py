"""The consent funnel: how many requests reached which stage. Groups of fewer than ten firms are not shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.consents.tables import ConsentStage
from creditlink.engine.vocabulary import FEWEST_FIRMS

WINDOW = timedelta(days=30)
STAGES = ("asked", "shown", "signed_in", "approved", "narrowed", "declined", "expired")

# A request that names no firm yet counts as a firm of its own. `expired`: nobody answered in time.
_COUNTED = text("""
    WITH lately AS (
        SELECT c.*, coalesce(c.enterprise_id::text, c.asked_uscc, c.id::text) AS firm
        FROM consents c WHERE c.requested_at >= :since AND c.channel <> 'own'),
    reached AS (
        SELECT 'asked' AS stage, id, firm FROM lately
        UNION ALL SELECT s.stage, l.id, l.firm FROM lately l JOIN consent_stages s ON s.consent_id = l.id
        UNION ALL SELECT 'approved', id, firm FROM lately WHERE starts_at IS NOT NULL
        UNION ALL SELECT 'narrowed', id, firm FROM lately
            WHERE starts_at IS NOT NULL AND cardinality(categories) < cardinality(categories_asked)
        UNION ALL SELECT CASE WHEN EXISTS (
                SELECT 1 FROM consent_events e
                WHERE e.consent_id = l.id AND e.to_state = 'REJECTED' AND e.actor = 'system')
            THEN 'expired' ELSE 'declined' END, id, firm FROM lately l WHERE state = 'REJECTED')
    SELECT stage, count(*) FROM reached GROUP BY stage HAVING count(DISTINCT firm) >= :firms
""")


def note_stage(session: Session, consent_id: UUID, stage: str, now: datetime) -> None:
    """Note that a request was shown, or that a person who may decide saw it signed in: the first time counts."""
    row = insert(ConsentStage).values(consent_id=consent_id, stage=stage, reached_at=now)
    session.execute(row.on_conflict_do_nothing())


def counts(session: Session, now: datetime) -> dict[str, int]:
    """Return requests per stage over the last 30 days; a stage that fewer than ten firms reached is left out."""
    rows = session.execute(_COUNTED, {"since": now - WINDOW, "firms": FEWEST_FIRMS})
    return dict(rows.all())
