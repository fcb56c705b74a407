"""The registry of firms, and by what right somebody acts for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from creditlink.engine.vocabulary import EARLIEST_FOUNDED, ENTITY_TYPES, LIFE_CYCLE, PUBLIC_CATEGORIES, supplies_apart
from creditlink.enterprises.history import carry_forward
from creditlink.enterprises.tables import Account, Enterprise, RegisteredEntry, Representation
from creditlink.kit import uscc as uscc_rules
from creditlink.kit.clock import day_of
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.files import text

MOST_FEN = 10**17
"""No firm's capital is larger; a larger number is not an amount."""

AMENDABLE = (
    *("industry", "region", "entity_type", "status", "registered_capital_fen", "paid_in_capital_fen"),
    *("established_on", "linked_struck_off"),
)
"""Entries of the registry that a score reads: their history has two clocks, valid time and known time."""


@dataclass(frozen=True)
class Registration:
    """A firm to register: the columns of the registry, before they are checked."""

    uscc: str
    name: str
    industry: str
    region: str
    entity_type: str = "company"
    name_en: str | None = None
    registered_capital_fen: int | None = None
    paid_in_capital_fen: int | None = None
    established_on: date | None = None
    uscc_exception: str | None = None
    linked_struck_off: bool = False


@dataclass(frozen=True)
class NearDuplicate:
    """A registered firm that may be the same as another and should be corrected at the source."""

    enterprise_id: UUID
    uscc: str
    name: str
    why: str  # same_name | one_character_off


def register(session: Session, entry: Registration, *, now: datetime) -> Enterprise:
    """Add a firm to the registry.

    Raises
    ------
    InvalidRequest
        The code is malformed, or fails its check character with no exception given, or another
        field is wrong; `errors` names each.
    Conflict
        The code is registered already.
    """
    enterprise = entered(entry, now=now)
    if by_uscc(session, enterprise.uscc) is not None:
        raise Conflict(f"uscc {enterprise.uscc} is registered already", reason="duplicate_uscc")
    session.add(enterprise)
    session.flush()
    return enterprise


def entered(entry: Registration, *, now: datetime) -> Enterprise:
    """Return the firm of an entry, which the caller adds if its code is free.

    Raises
    ------
    InvalidRequest
        As of `register`.
    """
    checked = uscc_rules.check(entry.uscc)
    _refuse(_errors_in(entry, checked, day_of(now)))
    return Enterprise(
        id=uuid4(),
        uscc=checked.uscc,
        uscc_exception=None if checked.check_ok else entry.uscc_exception,
        name=entry.name.strip(),
        name_en=entry.name_en,
        industry=entry.industry,
        region=entry.region,
        entity_type=entry.entity_type,
        status="active",
        registered_capital_fen=entry.registered_capital_fen,
        paid_in_capital_fen=entry.paid_in_capital_fen,
        established_on=entry.established_on,
        linked_struck_off=entry.linked_struck_off,
        created_at=now,
        updated_at=now,
    )


def amend(
    session: Session, enterprise: Enterprise, changes: Mapping[str, Any], *, valid_from: date | None, now: datetime
) -> None:
    """Change a firm's entries in the registry; for the days before, the old values stay known.

    A backdated value is valid until the registry changed it again, whatever else has changed since.

    Parameters
    ----------
    changes : column of AMENDABLE -> its new value
    valid_from : the day from which the change is valid; None: from the day it is known

    Raises
    ------
    InvalidRequest
        A column is unknown, or a value is wrong; `errors` names each.
    """
    errors = [
        {"pointer": f"/{name}", "detail": "is no entry that changes"} for name in changes if name not in AMENDABLE
    ]
    entry = Registration(
        uscc=enterprise.uscc,
        uscc_exception=enterprise.uscc_exception or "registered",
        name=enterprise.name,
        **{name: changes.get(name, getattr(enterprise, name)) for name in AMENDABLE if name != "status"},
    )
    errors += _errors_in(entry, uscc_rules.check(enterprise.uscc), day_of(now))
    status = changes.get("status", enterprise.status)
    if status not in LIFE_CYCLE:
        errors.append({"pointer": "/status", "detail": f"must be one of {', '.join(LIFE_CYCLE)}, got {status!r}"})
    if valid_from is not None and valid_from > day_of(now):
        errors.append({"pointer": "/valid_from", "detail": f"must not lie in the future, got {valid_from}"})
    _refuse(errors)
    # One row for each day from which something is valid, so that late news reaches the entries that followed.
    rows = carry_forward(entries_of(session, enterprise), changes, valid_from or day_of(now))
    for place, (day, values) in enumerate(rows):
        _set_valid_from(session, day)  # before anything is flushed
        for name, value in values.items():
            setattr(enterprise, name, value)
        enterprise.updated_at = now + timedelta(microseconds=place)
        session.flush()
    _set_valid_from(session, None)


def entries_of(session: Session, enterprise: Enterprise) -> list[tuple[date, dict[str, object]]]:
    """Return each entry of a firm as now known, with the day from which it is valid, the oldest first."""
    session.refresh(enterprise, with_for_update=True)  # two simultaneous changes would each miss the other
    known = select(RegisteredEntry).where(RegisteredEntry.enterprise_id == enterprise.id)
    last = {
        row.valid_from: {name: getattr(row, name) for name in AMENDABLE}
        for row in session.scalars(known.order_by(RegisteredEntry.known_at, RegisteredEntry.id))
    }
    return sorted(last.items())


def _set_valid_from(session: Session, day: date | None) -> None:
    """Tell the database, which records the history of entries, from when this transaction's entries are valid."""
    session.execute(select(func.set_config("creditlink.valid_from", day.isoformat() if day else "", True)))


def _errors_in(entry: Registration, checked: uscc_rules.UsccCheck, today: date) -> list[dict[str, str]]:
    errors = []

    def wrong(field: str, detail: str) -> None:
        errors.append({"pointer": f"/{field}", "detail": detail})

    if not checked.well_formed:
        wrong("uscc", f"{checked.uscc!r} {checked.reason}")
    elif not checked.check_ok and not entry.uscc_exception:
        wrong("uscc", f"{checked.uscc} fails its check ({checked.reason}); register an exception with its evidence")
    for one in fields(entry):
        value = getattr(entry, one.name)
        if isinstance(value, str) and (problem := text.flaw(value)):
            wrong(one.name, f"{text.printable(value)!r} {problem}")
    if not entry.name.strip():
        wrong("name", "must not be empty")
    if entry.entity_type not in ENTITY_TYPES:
        wrong("entity_type", f"must be one of {', '.join(ENTITY_TYPES)}, got {entry.entity_type!r}")
    industry = entry.industry
    if not (len(industry) == 3 and "A" <= industry[0] <= "T" and industry.isascii() and industry[1:].isdigit()):
        wrong("industry", f"must be a GB/T 4754 section letter and division such as C13, got {industry!r}")
    if not (len(entry.region) == 6 and entry.region.isascii() and entry.region.isdigit()):
        wrong("region", f"must be 6 digits of GB/T 2260, got {entry.region!r}")
    for field in ("registered_capital_fen", "paid_in_capital_fen"):
        amount = getattr(entry, field)
        if amount is not None and not 0 <= amount <= MOST_FEN:
            wrong(field, f"must lie between 0 and {MOST_FEN}, got {amount}")
    founded = entry.established_on
    if founded is not None and not (EARLIEST_FOUNDED <= founded <= today):
        wrong("established_on", f"must lie between {EARLIEST_FOUNDED} and today, got {founded}")
    return errors


def _refuse(errors: Sequence[Mapping[str, str]]) -> None:
    if errors:
        first = errors[0]
        raise InvalidRequest(f"{first['pointer'].lstrip('/')}: {first['detail']}", errors=errors)


def by_uscc(session: Session, uscc: str) -> Enterprise | None:
    """Return the firm with this code."""
    return session.scalar(select(Enterprise).where(Enterprise.uscc == uscc))


def near_duplicates(session: Session, enterprise: Enterprise) -> list[NearDuplicate]:
    """Return other firms with the same name, or with a code one character off.

    A code that differs in one place keeps either its first or its last nine characters, so only those
    are compared.
    """
    code = enterprise.uscc
    candidates = session.scalars(
        select(Enterprise).where(
            Enterprise.id != enterprise.id,
            or_(
                Enterprise.name == enterprise.name,
                Enterprise.uscc.startswith(code[:9]),
                Enterprise.uscc.endswith(code[9:]),
            ),
        )
    )
    near = []
    for other in candidates:
        off = sum(a != b for a, b in zip(code, other.uscc, strict=True))
        if off == 1 or other.name == enterprise.name:
            why = "one_character_off" if off == 1 else "same_name"
            near.append(NearDuplicate(other.id, other.uscc, other.name, why))
    return near


def current_rights(session: Session, now: datetime, *conditions: object) -> Sequence[Representation]:
    """Return the rights valid at `now` that meet `conditions`, the oldest first."""
    return session.scalars(
        select(Representation)
        .where(
            *conditions,  # type: ignore[arg-type]  # column expressions of this module
            Representation.valid_from <= now,
            or_(Representation.valid_until.is_(None), Representation.valid_until > now),
            or_(Representation.ended_at.is_(None), Representation.ended_at > now),
        )
        .order_by(Representation.created_at)
    ).all()


def may_act(session: Session, account: Account, enterprise: Enterprise, now: datetime) -> Representation | None:
    """Return by what right `account` acts for `enterprise` at `now`, or None if it has none.

    A legal representative comes before an agent. An inactive account, and a firm that no longer
    exists, can decide nothing.
    """
    if account.status != "active" or enterprise.status == "deregistered":
        return None
    rights = current_rights(
        session, now, Representation.account_id == account.id, Representation.enterprise_id == enterprise.id
    )
    return max(rights, key=lambda right: right.role == "legal_representative", default=None)


def represented_by(session: Session, account: Account, now: datetime) -> list[tuple[Enterprise, Representation]]:
    """Return the firms that `account` may act for at `now`, by name, each with its right."""
    best: dict[UUID, Representation] = {}
    for right in current_rights(session, now, Representation.account_id == account.id):
        if right.enterprise_id not in best or right.role == "legal_representative":
            best[right.enterprise_id] = right
    enterprises = session.scalars(
        select(Enterprise)
        .where(Enterprise.id.in_(best), Enterprise.status != "deregistered")
        .order_by(Enterprise.name, Enterprise.id)
    )
    return [(enterprise, best[enterprise.id]) for enterprise in enterprises]


def outside_limits(
    right: Representation, *, purpose: str, categories: Sequence[str], runs_days: float, loan_fen: int = 0
) -> str | None:
    """Return what in a request, or in an offer under one, exceeds an agent's limits, or None.

    That is `purpose`, `category:<c>`, `longest_days` for a consent that would run on for more days than allowed, or
    `largest_loan` for an offer of more. Public records are read by law: no agent's limit is about them.
    """
    limits = right.limits or {}
    if "purposes" in limits and purpose not in limits["purposes"]:
        return "purpose"
    if "categories" in limits:
        allowed = supplies_apart(limits["categories"])
        for category in categories:
            if category not in allowed and category not in PUBLIC_CATEGORIES:
                return f"category:{category}"
    if "longest_days" in limits and runs_days > limits["longest_days"]:
        return "longest_days"
    if "largest_loan_fen" in limits and loan_fen > limits["largest_loan_fen"]:
        return "largest_loan"
    return None
