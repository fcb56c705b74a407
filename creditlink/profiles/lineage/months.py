"""A firm's facts in force month by month, as a profile of today would read them, and which lenders may see each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.access.guard import Access
from creditlink.audit import service as audit
from creditlink.consents.agreement.categories import GRANTABLE
from creditlink.consents.service import live_consent
from creditlink.consents.tables import Consent
from creditlink.disputes.rules.datum import Datum
from creditlink.engine.facts.frames import FRAME_KEYS
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES, supplies_apart
from creditlink.institutions.tables import OWN_ID, Institution
from creditlink.kit.clock import SHANGHAI, month_start
from creditlink.records.pulls import pull
from creditlink.records.pulls.delivery import FactValue
from creditlink.records.store import read_inputs
from creditlink.records.tables import FactRow

SHOWN_PUBLIC = tuple(category for category in PUBLIC_CATEGORIES if category != "registration")
"""Public records that sources deliver; the registration is in the register."""


@dataclass(frozen=True)
class LenderView:
    """One lender's live consent: which of the firm's records it may read, and from which month on."""

    name_zh: str
    name_en: str
    categories: frozenset[str]
    since: date

    def sees(self, category: str, period: date) -> bool:
        """Return whether the lender may read a record; what is public by law it may whatever the month."""
        return category in PUBLIC_CATEGORIES or (category in self.categories and period >= self.since)


@dataclass(frozen=True)
class KnownFact:
    """One fact as it is known today."""

    datum: Datum
    category: str
    frame: str
    period: date
    values: dict[str, FactValue]  # with what identifies it beside firm and period
    known_on: date
    source: str
    complete: bool
    seen_by: tuple[LenderView, ...]

    def value_of(self, name: str) -> FactValue:
        """Return one value, None where it is not known."""
        return self.values.get(name)

    def day_of(self, name: str) -> date | None:
        """Return one value that is a day."""
        value = self.values.get(name)
        return date.fromisoformat(value) if isinstance(value, str) else None

    def late_days(self, today: date) -> int | None:
        """Return how many days after its due day it was filed or paid, or that is open until now; None: in time."""
        due, done = self.day_of("due_on"), self.day_of("filed_on") or self.day_of("paid_on")
        if due is None or (done is None and "filed_on" not in self.values and "paid_on" not in self.values):
            return None
        days = ((done or today) - due).days
        return days if days > 0 else None


def readable(consent: Consent) -> tuple[str, ...]:
    """Return the categories that a consent opens of which there can be facts, in the order of lists."""
    opened = {*supplies_apart(consent.categories), *SHOWN_PUBLIC}
    return tuple(category for category in (*GRANTABLE, *SHOWN_PUBLIC) if category in opened)


def lenders_of(session: Session, consent: Consent, now: datetime) -> list[LenderView]:
    """Return the live consents of lenders beside the firm's own one."""
    rows = session.execute(
        select(Consent, Institution)
        .join(Institution, Institution.id == Consent.institution_id)
        .where(
            Consent.enterprise_id == consent.enterprise_id, Consent.state == "ACTIVE", Consent.expires_at > now,
            Institution.status == "active", Institution.id != OWN_ID,
        )
        .order_by(Institution.code, Consent.id)
    )  # fmt: skip
    return [
        LenderView(
            lender.name_zh, lender.name_en, frozenset(supplies_apart(one.categories)), pull.look_back(one, now)[0]
        )
        for one, lender in rows
    ]


def known_facts(
    session: Session, access: Access, categories: Sequence[str], *, now: datetime
) -> tuple[list[KnownFact], list[LenderView]]:
    """Return the facts of some categories under a firm's consent to itself, the newest month first, with evidence.

    Raises
    ------
    ConsentRefused
        The consent is not alive, or does not open one of the categories.
    """
    consent = live_consent(session, access.consent_id, access=access, action="profile", now=now, categories=categories)
    assert consent.enterprise_id is not None  # noqa: S101 (a live consent names its firm; for the type checker)
    since, today = pull.look_back(consent, now)
    inputs = read_inputs(session, [consent.enterprise_id], categories=categories, since=since, as_of=today)
    views = lenders_of(session, consent, now)
    rows = session.scalars(
        select(FactRow)
        .where(
            FactRow.id == func.any(list(inputs.fact_ids)), FactRow.enterprise_id == consent.enterprise_id,
            FactRow.category.in_(categories),
        )
        .order_by(FactRow.frame, FactRow.period.desc(), FactRow.subkey, FactRow.id)
    ).all()  # fmt: skip
    _record(session, access, consent, rows, categories, now)
    return [_known(row, views) for row in rows], views


def _known(row: FactRow, views: Sequence[LenderView]) -> KnownFact:
    values = dict(row.values)
    keys = FRAME_KEYS[row.frame][2:]
    for name, text in zip(keys, row.subkey.split("/"), strict=False):
        values.setdefault(name, text)
    return KnownFact(
        datum=Datum(row.frame, row.period, row.subkey),
        category=row.category,
        frame=row.frame,
        period=row.period,
        values=values,
        known_on=row.known_at.astimezone(SHANGHAI).date(),
        source=row.source,
        complete=row.complete,
        seen_by=tuple(view for view in views if view.sees(row.category, month_start(row.period))),
    )


def _record(
    session: Session,
    access: Access,
    consent: Consent,
    rows: Sequence[FactRow],
    categories: Sequence[str],
    now: datetime,
) -> None:
    counts = {category: sum(row.category == category for row in rows) for category in categories}
    audit.record(
        session,
        action="own.records",
        result="disclosed",
        actor=access.actor,
        now=now,
        enterprise_id=consent.enterprise_id,
        institution_id=access.institution_id,
        client_id=access.client_id,
        consent_id=consent.id,
        purpose=consent.purpose,
        detail={"categories": [c for c, n in counts.items() if n], "rows": {c: n for c, n in counts.items() if n}},
    )
