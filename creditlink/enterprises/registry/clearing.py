"""The clearing list: codes that are wrong, that two firms share, or that a slip of the pen made, until each is settled.

Source: GB 32100-2015 (check character). Real codes that fail it exist, so that an exception may be confirmed with
evidence, for a time; everything else is for the registrar to correct.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.enterprises.registry.near_codes import SIMILAR, likeness, places_off, slips
from creditlink.enterprises.registry.tables import UsccClearing
from creditlink.enterprises.tables import Enterprise
from creditlink.kit import ids
from creditlink.kit import uscc as uscc_rules
from creditlink.kit.clock import day_of
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.http import paging

STATES = ("open", "exception", "corrected")
KINDS = ("wrong", "duplicate", "near_duplicate")
LONGEST_TEXT = 500
OPERATOR = "operator"


def note(
    session: Session,
    kind: str,
    firm: Enterprise,
    *,
    uscc: str,
    evidence: Mapping[str, object],
    other_uscc: str = "",
    now: datetime,
) -> bool:
    """Put a code on the list, unless it is there already; return whether it is new."""
    session.flush()  # the firm itself first
    known = select(UsccClearing.id).where(
        UsccClearing.kind == kind,
        UsccClearing.uscc == uscc,
        UsccClearing.other_uscc == other_uscc,
        UsccClearing.state != "corrected",
    )
    if session.scalar(known) is not None:
        return False
    session.add(
        UsccClearing(
            kind=kind,
            enterprise_id=firm.id,
            uscc=uscc,
            other_uscc=other_uscc,
            evidence=dict(evidence),
            state="open",
            opened_at=now,
            changed_at=now,
        )
    )
    session.flush()
    return True


def scan(session: Session, *, now: datetime) -> dict[str, int]:
    """Look at every code that fails its check, and for the firm whose code it may be; settle what was corrected.

    A slip always breaks the check (`near_codes`), so that near duplicates are found from the failing codes alone.
    """
    counts = {"wrong": 0, "near_duplicate": 0, "corrected": _settle(session, now)}
    failing = session.scalars(
        select(Enterprise)
        .where(Enterprise.uscc_exception.is_not(None), Enterprise.status != "deregistered")
        .order_by(Enterprise.uscc)
    ).all()
    for firm in failing:
        checked = uscc_rules.check(firm.uscc)
        if checked.check_ok:
            continue
        about = {"name": firm.name, "check": checked.reason, "listed_because": firm.uscc_exception}
        counts["wrong"] += note(session, "wrong", firm, uscc=firm.uscc, evidence=about, now=now)
        near = session.scalars(select(Enterprise).where(Enterprise.uscc.in_([*slips(firm.uscc)])))
        for other in near:
            alike = likeness(firm.name, other.name)
            if alike < SIMILAR:
                continue
            pair = {
                "names": [firm.name, other.name],
                "likeness": alike,
                "places": places_off(firm.uscc, other.uscc),
                "check": [checked.check_ok, uscc_rules.check(other.uscc).check_ok],
            }
            # A pair of which both fail is met from either side, and listed once.
            first, second = (
                (firm, other) if pair["check"] != [False, False] or firm.uscc < other.uscc else (other, firm)
            )
            counts["near_duplicate"] += note(
                session, "near_duplicate", first, uscc=first.uscc, other_uscc=second.uscc, evidence=pair, now=now
            )
    return counts


def _settle(session: Session, now: datetime) -> int:
    """Close the entries whose firm has another code by now, or is no longer registered beside the other one."""
    unsettled = session.execute(
        select(UsccClearing, Enterprise)
        .join(Enterprise, Enterprise.id == UsccClearing.enterprise_id)
        .where(
            UsccClearing.state != "corrected",
            UsccClearing.kind.in_(("wrong", "near_duplicate")),
            or_(Enterprise.uscc != UsccClearing.uscc, Enterprise.status == "deregistered"),
        )
    ).all()
    for item, firm in unsettled:
        gone = firm.status == "deregistered"
        _close(item, "the firm is deregistered" if gone else f"the registry changed the code to {firm.uscc}", now)
    session.flush()
    return len(unsettled)


def _close(item: UsccClearing, resolution: str, now: datetime) -> None:
    item.state, item.resolution, item.changed_at = "corrected", resolution, now
    item.exception_evidence = item.exception_ends_on = None


def clearing_of(session: Session, wire_id: str) -> UsccClearing:
    """Return an entry of the list, locked.

    Raises
    ------
    NotFound
        There is none.
    """
    item = session.get(UsccClearing, ids.internal("clr", wire_id), with_for_update=True)
    if item is None:
        raise NotFound
    return item


def assign(session: Session, item: UsccClearing, owner: str, *, actor: str = OPERATOR, now: datetime) -> None:
    """Say who clears an entry.

    Raises
    ------
    Conflict
        It is corrected already.
    """
    _refuse_settled(item)
    item.owner, item.changed_at = _text("owner", owner), now
    _record(session, item, "assign", actor, now, {"owner": item.owner})


def confirm_exception(
    session: Session,
    item: UsccClearing,
    evidence: str,
    *,
    ends_on: date,
    actor: str = OPERATOR,
    now: datetime,
    in_request: bool = False,
) -> None:
    """Confirm that a code is real although it looks wrong, or that two like firms are two, until a day.

    Parameters
    ----------
    in_request : a request may not write the registry: the worker writes the firm's own entry (`keep_exceptions`).

    Raises
    ------
    Conflict
        It is corrected already.
    InvalidRequest
        There is no evidence, or the day is not after today.
    """
    _refuse_settled(item)
    if ends_on <= day_of(now):
        raise InvalidRequest(f"ends_on must lie after today, got {ends_on}")
    item.state, item.changed_at = "exception", now
    item.exception_evidence, item.exception_ends_on = _text("evidence", evidence), ends_on
    if not in_request:
        session.flush()
        keep_exceptions(session)
    _record(session, item, "except", actor, now, {"ends_on": ends_on.isoformat()})


def keep_exceptions(session: Session) -> int:
    """Write the evidence of confirmed exceptions beside their firms' codes; return of how many it was not there."""
    behind = session.execute(
        select(Enterprise, UsccClearing.exception_evidence)
        .join(UsccClearing, UsccClearing.enterprise_id == Enterprise.id)
        .where(
            UsccClearing.kind == "wrong",
            UsccClearing.state == "exception",
            UsccClearing.uscc == Enterprise.uscc,
            Enterprise.uscc_exception.is_distinct_from(UsccClearing.exception_evidence),
        )
    ).all()
    for firm, evidence in behind:
        firm.uscc_exception = evidence
    session.flush()
    return len(behind)


def expire(session: Session, item: UsccClearing, reason: str, *, actor: str = OPERATOR, now: datetime) -> None:
    """End an exception before its day: the entry is open again.

    Raises
    ------
    Conflict
        It is no exception.
    """
    if item.state != "exception":
        raise Conflict(f"{item.wire_id} is {item.state}, not an exception", reason=item.state)
    item.state, item.changed_at = "open", now
    item.exception_evidence = item.exception_ends_on = None
    _record(session, item, "expire", actor, now, {"reason": _text("reason", reason)})


def close(session: Session, item: UsccClearing, resolution: str, *, actor: str = OPERATOR, now: datetime) -> None:
    """Close an entry that was corrected at the source.

    Raises
    ------
    Conflict
        It is closed already, or the registry still has the code as it was.
    """
    _refuse_settled(item)
    firm = session.get_one(Enterprise, item.enterprise_id)
    if item.kind != "duplicate" and firm.uscc == item.uscc and firm.status != "deregistered":
        raise Conflict(
            "the registry still has this code: load the correction, or confirm an exception", reason="not_corrected"
        )
    _close(item, _text("resolution", resolution), now)
    _record(session, item, "close", actor, now, {"resolution": item.resolution})


def _refuse_settled(item: UsccClearing) -> None:
    if item.state == "corrected":
        raise Conflict(f"{item.wire_id} is corrected already", reason="closed")


def _text(name: str, given: str) -> str:
    if not 1 <= len(stripped := given.strip()) <= LONGEST_TEXT:
        raise InvalidRequest(f"{name} must have 1 to {LONGEST_TEXT} characters")
    return stripped


def _record(
    session: Session, item: UsccClearing, act: str, actor: str, now: datetime, detail: dict[str, object]
) -> None:
    audit.record(
        session,
        action=f"clearing.{act}",
        result="done",
        actor=actor,
        now=now,
        enterprise_id=item.enterprise_id,
        detail={"clearing": item.wire_id, "kind": item.kind, **detail},
    )


@dataclass(frozen=True)
class ClearingQuery:
    """Which entries to list, and a place in their list."""

    limit: int = 50
    state: str | None = "open"
    kind: str | None = None
    owner: str | None = None
    cursor: str | None = None


def in_state(state: str, today: date) -> ColumnElement[bool]:
    """Return the condition that an entry is in a state today: an exception that has run out is open again."""
    over = and_(UsccClearing.state == "exception", UsccClearing.exception_ends_on <= today)
    if state == "open":
        return or_(UsccClearing.state == "open", over)
    return and_(UsccClearing.state == state, ~over) if state == "exception" else UsccClearing.state == state


def state_of(item: UsccClearing, today: date) -> str:
    """Return the state of an entry today."""
    ends = item.exception_ends_on
    return "open" if ends is not None and ends <= today else item.state


def page_of(session: Session, query: ClearingQuery, *, today: date) -> tuple[Sequence[UsccClearing], str | None]:
    """Return one page of the list, newest first, and the cursor of the next.

    Raises
    ------
    InvalidRequest
        The cursor is none of the list.
    """
    wanted = select(UsccClearing)
    if query.state is not None:
        wanted = wanted.where(in_state(query.state, today))
    if query.kind is not None:
        wanted = wanted.where(UsccClearing.kind == query.kind)
    if query.owner is not None:
        wanted = wanted.where(UsccClearing.owner == query.owner)
    after = paging.row_of(session, UsccClearing, "clr", query.cursor)
    rows, more = paging.newest_first(
        session, wanted, UsccClearing.opened_at, UsccClearing.id, after=after, limit=query.limit
    )
    page = [item for (item,) in rows]
    return page, page[-1].wire_id if more else None


def as_json(item: UsccClearing, *, today: date) -> dict[str, object]:
    """Return an entry as the operator sees it."""
    return {
        "id": item.wire_id,
        "kind": item.kind,
        "uscc": item.uscc,
        "other_uscc": item.other_uscc or None,
        "evidence": item.evidence,
        "owner": item.owner,
        "state": state_of(item, today),
        "exception_evidence": item.exception_evidence,
        "exception_ends_on": item.exception_ends_on,
        "resolution": item.resolution,
        "opened_at": item.opened_at,
        "changed_at": item.changed_at,
    }


def rows_of(session: Session, query: ClearingQuery, *, today: date) -> list[dict[str, object]]:
    """Return every entry of the list as rows of the registrar's file, page by page."""
    found: list[dict[str, object]] = []
    while True:
        page, cursor = page_of(session, query, today=today)
        found += [as_row(one, today=today) for one in page]
        if cursor is None:
            return found
        query = replace(query, cursor=cursor)


COLUMNS = (
    *("id", "kind", "uscc", "other_uscc", "name", "other_name", "why", "state", "owner", "exception_evidence"),
    *("exception_ends_on", "opened_at"),
)
"""Of the file for the registrar."""


def as_row(item: UsccClearing, *, today: date) -> dict[str, object]:
    """Return an entry as a row of the registrar's file: texts."""
    said = as_json(item, today=today)
    named = item.evidence.get("names")
    names = [str(one) for one in named] if isinstance(named, list) else [str(item.evidence.get("name", "")), ""]
    about = {"name": names[0], "other_name": names[1], "why": _why(item)}
    return {name: None if (value := (said | about).get(name)) is None else str(value) for name in COLUMNS}


def _why(item: UsccClearing) -> str:
    """Return what is wrong in words for a registrar."""
    if item.kind == "wrong":
        return f"校验码不符: {item.evidence.get('check')}"
    if item.kind == "duplicate":
        return "两户企业登记同一代码"
    return f"与另一企业代码仅差第 {item.evidence.get('places')} 位, 名称相近"
