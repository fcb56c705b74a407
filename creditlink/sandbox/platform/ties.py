"""The sandbox's scripted ties, by the registry's feed: a group, a circle of guarantees, a struck-off relative."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.enterprises.registry import loads
from creditlink.enterprises.registry.feed_file import FeedRow
from creditlink.enterprises.registry.loads import Opening
from creditlink.enterprises.tables import Enterprise
from creditlink.kit.clock import day_of
from creditlink.kit.keyring import Secret
from creditlink.sandbox.platform.credentials import FirmLogin, first_of_each_kind

REGISTRAR = "sandbox"
_RELATIVES = 5
_STRUCK_OFF_DAYS = 120


class TiesRefused(Exception):
    """The registry did not take the script; the message has its reasons."""


def seed_ties(session: Session, firms: Sequence[FirmLogin], *, secret: Secret, now: datetime) -> None:
    """Tell the registry of the scripted ties, once: a number of a registrar counts once.

    The first healthy firm has a mother and a sister and stands in a circle of three guarantees; the representative of
    the first distressed firm left another that was struck off.

    Raises
    ------
    TiesRefused
        The registry keeps a row aside.
    """
    rows = _script(session, firms, now)
    if not rows:
        return
    load = loads.open_load(session, Opening(REGISTRAR, "incremental"), actor="sandbox", now=now)
    loads.stage(session, load, [FeedRow(place, row) for place, row in enumerate(rows, 1)])
    loads.mark_ready(load, now)
    session.flush()
    while loads.take_batch(session, load, secret=secret, now=now):
        pass
    loads.finish(session, load, now=now)
    if refused := loads.refused_rows(session, load):
        raise TiesRefused(str(refused))


def _script(session: Session, firms: Sequence[FirmLogin], now: datetime) -> list[dict[str, object]]:
    first = first_of_each_kind(firms)
    others = select(Enterprise).where(
        Enterprise.uscc.not_in([firm.uscc for firm in firms]), Enterprise.entity_type == "company"
    )
    relatives = session.scalars(others.order_by(Enterprise.uscc).limit(_RELATIVES)).all()
    if len(relatives) < _RELATIVES or not {"healthy", "distressed"} <= set(first):
        return []  # a city too small for it
    mother, sister, friend, third, gone = relatives
    mine, tired = first["healthy"], first["distressed"]
    held = [{"name": mother.name, "uscc": mother.uscc, "share_bps": 5_100}]
    person = {"legal_representative": "陈伟明", "representative_id": "sandbox-1"}
    struck_off_on = day_of(now) - timedelta(days=_STRUCK_OFF_DAYS)
    rows: list[dict[str, object]] = [
        {"uscc": mine.uscc, "shareholders": held, "guarantees": [_guarantee(friend.name, friend.uscc, 80_000_000)]},
        {"uscc": sister.uscc, "shareholders": held},
        {"uscc": friend.uscc, "guarantees": [_guarantee(third.name, third.uscc, 60_000_000)]},
        {"uscc": third.uscc, "guarantees": [_guarantee(mine.name, mine.uscc, 50_000_000)]},
        {"uscc": tired.uscc, **person},
        {"uscc": gone.uscc, **person, "status": "revoked", "valid_from": struck_off_on.isoformat()},
    ]
    # Under a number that was taken only the same row may come again: another city, or another day, has others.
    return [{"sequence": f"{struck_off_on}.{row['uscc']}", **row} for row in rows]


def _guarantee(name: str, uscc: str, amount_fen: int) -> dict[str, object]:
    return {"name": name, "uscc": uscc, "amount_fen": amount_fen}
