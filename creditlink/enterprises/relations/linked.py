"""The registration's flag of a firm tied to a revoked one, derived from the registry wherever it says enough."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from creditlink.enterprises import service
from creditlink.enterprises.relations.graph import MOST_AT_ADDRESS
from creditlink.enterprises.tables import Enterprise
from creditlink.kit.clock import day_of

# Firms whose flag differs from what the registry says now: they share the representative, or an address of few, with a
# firm whose licence was revoked. Of a firm whose representative and address the feed never told, the flag is as given.
_DIFFERENT = text("""
    WITH bad AS (
        SELECT t.enterprise_id, t.kind, coalesce(t.person_key, t.name) AS tie
        FROM creditlink_ties(ARRAY(SELECT id FROM enterprises WHERE status = 'revoked'), :today, :now) AS t
        WHERE t.kind = 'address' OR (t.kind = 'representative' AND t.person_key IS NOT NULL)),
    crowded AS (
        SELECT i.name FROM registry_items i WHERE i.kind = 'address' AND i.name IN (SELECT tie FROM bad)
        GROUP BY i.name HAVING count(DISTINCT i.enterprise_id) > :most),
    beside AS (
        SELECT DISTINCT i.enterprise_id FROM bad JOIN registry_items i ON i.kind = 'address' AND i.name = bad.tie
        WHERE bad.kind = 'address' AND bad.tie NOT IN (SELECT name FROM crowded)
        UNION
        SELECT DISTINCT i.enterprise_id FROM bad JOIN registry_items i ON i.person_key = bad.tie
        WHERE bad.kind = 'representative'),
    linked AS (
        SELECT DISTINCT t.enterprise_id
        FROM creditlink_ties(ARRAY(SELECT enterprise_id FROM beside), :today, :now) AS t
        JOIN bad ON bad.kind = t.kind AND bad.tie = coalesce(t.person_key, t.name)
                AND bad.enterprise_id <> t.enterprise_id
        WHERE t.kind = 'representative' OR t.name NOT IN (SELECT name FROM crowded))
    SELECT e.id, e.id IN (SELECT enterprise_id FROM linked) AS is_linked FROM enterprises e
    WHERE e.linked_struck_off <> (e.id IN (SELECT enterprise_id FROM linked))
      AND EXISTS (SELECT 1 FROM registry_versions v
                  WHERE v.enterprise_id = e.id AND v.kind IN ('representative', 'address'))
    ORDER BY e.id
""")


def derive(session: Session, *, now: datetime) -> int:
    """Set the flag where the registry says otherwise, from today on; return of how many firms."""
    wanted: dict[UUID, bool] = dict(
        session.execute(_DIFFERENT, {"today": day_of(now), "now": now, "most": MOST_AT_ADDRESS}).all()
    )
    for firm in session.scalars(select(Enterprise).where(Enterprise.id.in_(wanted)).order_by(Enterprise.id)):
        later = max(now, firm.updated_at + timedelta(microseconds=1))
        service.amend(session, firm, {"linked_struck_off": wanted[firm.id]}, valid_from=None, now=later)
    return len(wanted)
