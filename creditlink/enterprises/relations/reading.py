"""The graph around a firm, read from the registry as it was known at an instant and in force on a day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from creditlink.enterprises.relations.graph import Guarantee, NearFirm, Neighbourhood, Tie, TieKind

STEPS = 3
"""Firms this many ties away are looked at: enough for a circle of five, from either side."""

MOST = 200

_MINE = text("SELECT * FROM creditlink_near_mine(:day, :known_at, :steps, :most)")
_OF = text("SELECT * FROM creditlink_near(:start, :day, :known_at, :steps, :most)")


def around_mine(session: Session, start: UUID, *, day: date, known_at: datetime) -> Neighbourhood:
    """Return the graph around the firm that this transaction's viewer may see: its consent's, or the firm itself.

    The database refuses any other start, so that a request cannot wander through the registry.
    """
    rows = session.execute(_MINE, {"day": day, "known_at": known_at, "steps": STEPS, "most": MOST})
    return _neighbourhood(start, rows.all())


def around(session: Session, start: UUID, *, day: date, known_at: datetime) -> Neighbourhood:
    """Return the graph around any firm: for the worker and the operator's commands."""
    bounds = {"start": start, "day": day, "known_at": known_at, "steps": STEPS, "most": MOST}
    return _neighbourhood(start, session.execute(_OF, bounds).all())


def _neighbourhood(start: UUID, rows: Iterable[Row[*tuple[object, ...]]]) -> Neighbourhood:
    found = list(rows)
    firms = {
        str(row.enterprise_id): NearFirm(str(row.enterprise_id), row.uscc, row.name, row.status, row.revoked_on)
        for row in found
    }
    by_code = {firm.uscc: firm.key for firm in firms.values()}
    ties: list[Tie] = []
    guarantees: list[Guarantee] = []
    known = len(firms)
    for row in found:
        if row.kind is None:
            continue
        firm = str(row.enterprise_id)
        if row.tie_uscc is not None:
            other = by_code.setdefault(row.tie_uscc, f"code:{row.tie_uscc}")
            firms.setdefault(other, NearFirm(other, row.tie_uscc, row.tie_name, is_known=False))
            if row.kind == "guarantee":
                guarantees.append(Guarantee(firm, other, row.amount_fen))
            else:
                ties.append(Tie("holding", firm, other, row.tie_name, row.share_bps))
        elif row.kind == "address":
            ties.append(Tie("address", firm, f"address:{row.tie_name}", row.tie_name))
        elif row.person_key is not None:
            kind: TieKind = "representative" if row.kind == "representative" else "shareholder"
            ties.append(Tie(kind, firm, f"person:{row.person_key}", row.tie_name, row.share_bps))
    return Neighbourhood(str(start), firms, ties, guarantees, known >= MOST)
