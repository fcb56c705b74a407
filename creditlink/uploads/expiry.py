"""The end of uploads: what a firm withdrew and what is too old, as far as no living profile was computed from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from creditlink.uploads import configuration

TABLES = ("uploads", "uploaded_facts", "upload_checks")

_REFUSED_KEPT = timedelta(days=30)
"""How long a firm can look up why a file was not taken."""

_OVER = "(u.state = 'withdrawn' OR u.uploaded_at <= :kept)"
# That an office contradicted a file outlives the file: else a second try would cost nothing.
_GONE = """(u.uploaded_at <= :kept OR (u.state = 'withdrawn' AND u.verdict <> 'contradicted')
            OR (u.state = 'refused' AND u.uploaded_at <= :refused))
    AND NOT EXISTS (SELECT 1 FROM uploaded_facts f WHERE f.upload_id = u.id)"""

DUE = f"""
    SELECT u.enterprise_id FROM uploads u
    WHERE {_GONE} OR ({_OVER} AND EXISTS (SELECT 1 FROM uploaded_facts f WHERE f.upload_id = u.id))"""  # noqa: S608
"""Firms of which something uploaded may be over; takes `kept` and `refused`."""

_FACTS = text(f"""
    DELETE FROM uploaded_facts f USING uploads u
    WHERE f.enterprise_id = :firm AND u.id = f.upload_id AND {_OVER}
      AND NOT EXISTS (SELECT 1 FROM profiles p
                      WHERE p.enterprise_id = :firm AND p.asked #> '{{uploads,fact_ids}}' @> to_jsonb(f.id))
    RETURNING encode(f.content_hash, 'hex')""")  # noqa: S608 (made of constants)

# What the file said is the firm's; that an office said otherwise is not.
_BLANK_LINES = text("""
    UPDATE uploads u SET wrong_lines = '[]'
    WHERE u.enterprise_id = :firm AND u.state = 'withdrawn' AND u.wrong_lines <> '[]'""")
_BLANK_CHECKS = text("""
    UPDATE upload_checks c SET differences = '{}' FROM uploads u
    WHERE c.enterprise_id = :firm AND u.id = c.upload_id AND u.state = 'withdrawn' AND c.differences <> '{}'""")

_CHECKS = text(f"""
    DELETE FROM upload_checks c USING uploads u
    WHERE c.enterprise_id = :firm AND u.id = c.upload_id AND {_GONE}
    RETURNING encode(sha256(convert_to(concat_ws(E'\\n', c.frame, c.period, c.subkey, c.outcome), 'UTF8')), 'hex')
""")  # noqa: S608

_FILES = text(f"DELETE FROM uploads u WHERE u.enterprise_id = :firm AND {_GONE} RETURNING u.sha256")  # noqa: S608


def bounds(now: datetime) -> dict[str, datetime]:
    """Return the instants before which uploads are over."""
    return {"kept": now - timedelta(days=configuration.current().kept_days), "refused": now - _REFUSED_KEPT}


def delete_over(session: Session, enterprise_id: UUID, now: datetime) -> Iterator[tuple[str, str]]:
    """Delete what is over of a firm's uploads; yield table and hash of every row that went.

    Profiles whose life is over must be gone already: they hold facts.
    """
    over = {"firm": enterprise_id, **bounds(now)}
    for blank in (_BLANK_LINES, _BLANK_CHECKS):
        session.execute(blank, over)
    for table, statement in (("uploaded_facts", _FACTS), ("upload_checks", _CHECKS), ("uploads", _FILES)):
        for row_hash in session.scalars(statement, over).all():
            yield table, row_hash
