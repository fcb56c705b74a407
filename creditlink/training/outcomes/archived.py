"""Labels from the archive: sealed records of decisions joined with what lenders reported of the loans.

**Label**: that of `financing.loans.labels`, over the horizon after the day that the record's indicators speak of.
**Lag**: only applications whose horizon is over by the cut, declined ones too, so that all rows are of the same age.
**Censoring**: loans that were never drawn, whose lender fell silent, or that wait are counted by name and are no rows
to learn from. So are records that ended, and those of firms that withdrew or asked for deletion: what stays sealed then
stays for questions about the decision, and teaches nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.decisions import service
from creditlink.decisions.archive import Archive
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.record import DecisionRecord
from creditlink.decisions.tables import DecisionRow
from creditlink.financing.applications.states import ACCEPTED
from creditlink.financing.loans.labels import ReportedFact, label_of
from creditlink.financing.tables import Application
from creditlink.kit.clock import add_months
from creditlink.retention.tables import DeletionRequest
from creditlink.training.dataset import FEATURES
from creditlink.training.labelled import facts_of
from creditlink.training.outcomes.applicants import ROW_SCHEMA, SEGMENTS, Applicants, applicants_of

PURPOSE, ROLE = "model_training", "risk"
"""Why, and in which role, somebody opens the records that a model learns from: in each firm's log."""

DOING = "learn"


@dataclass(frozen=True)
class Answered:
    """An application that a lender answered, and the record of the last profile before the answer."""

    application: UUID
    enterprise: UUID
    state: str
    withdrawn: bool  # the firm withdrew the consent, or asked for deletion
    decision: UUID | None  # None: no record, or its time is over
    as_of: date | None

    def outcome(self, facts: Sequence[ReportedFact], *, cut: date, horizon_months: int) -> str:
        """Return what the application counts as: a label, or why it has none."""
        if self.decision is None or self.as_of is None:
            return "no_record"
        if self.withdrawn:
            return "withdrawn"
        if add_months(self.as_of, horizon_months) > cut:
            return "immature"
        if self.state in ACCEPTED:
            return label_of(facts, as_of=self.as_of, horizon_months=horizon_months, cut=cut)
        return "declined" if self.state == "declined" else "not_taken"


def from_archive(
    session: Session,
    reader: Reader,
    *,
    kept: Archive,
    cut: date,
    horizon_months: int,
    now: datetime,
    declined: bool = False,
    step: Callable[[int, int], None] = lambda _done, _all: None,
) -> Applicants:
    """Return the applications to learn from, each with the indicators of its sealed record.

    Only records that count are opened, each with its look in the firm's log.

    Parameters
    ----------
    cut : the day whose knowledge counts
    declined : whether firms that were declined are rows too, without an outcome
    step : called with how many records were opened, and of how many

    Raises
    ------
    InsufficientRole
        The table of classes lets nobody of the reader's role open records for its purpose.
    RecordDamaged
        A record is not what was written.
    """
    facts = facts_of(session)
    outcomes = [
        (one, one.outcome(facts.get(one.application, ()), cut=cut, horizon_months=horizon_months))
        for one in answered(session)
    ]
    opening = {"good", "bad", "declined"} if declined else {"good", "bad"}
    wanted = [(one, one.decision, told) for one, told in outcomes if told in opening and one.decision is not None]
    firms: dict[UUID, int] = {}
    rows = []
    for place, (one, decision, told) in enumerate(wanted, 1):
        record = service.opened(session, decision, reader, doing=DOING, kept=kept, now=now)
        rows.append((firms.setdefault(one.enterprise, len(firms)), *_values(record, told)))
        step(place, len(wanted))
    table = pl.DataFrame(rows, schema=ROW_SCHEMA, orient="row")
    counts = Counter(told for _, told in outcomes)
    return applicants_of(table, counts=counts, source="archive", horizon_months=horizon_months, cut=cut)


def answered(session: Session) -> list[Answered]:
    """Return every answered application, in the order of application, with its record if one is left."""
    decisions = {
        application: (decision, as_of)
        for application, decision, as_of in session.execute(
            select(Application.id, DecisionRow.id, DecisionRow.as_of)
            .join(DecisionRow, DecisionRow.consent_id == Application.consent_id)
            .where(DecisionRow.decided_at <= Application.answered_at, DecisionRow.expired_at.is_(None))
            .order_by(DecisionRow.decided_at)
        )
    }
    query = (
        select(Application, Consent.state, DeletionRequest.consent_id)
        .join(Consent, Consent.id == Application.consent_id)
        .outerjoin(DeletionRequest, DeletionRequest.consent_id == Application.consent_id)
        .where(Application.answered_at.is_not(None))
        .order_by(Application.made_at, Application.id)
    )
    return [
        Answered(
            one.id,
            one.enterprise_id,
            one.state,
            consent == "REVOKED" or deletion is not None,
            *decisions.get(one.id, (None, None)),
        )
        for one, consent, deletion in session.execute(query)
    ]


def _values(record: DecisionRecord, outcome: str) -> tuple[object, ...]:
    """Return a row of SCHEMA after the firm, and the indicators."""
    profile, basis = record.profile, record.body["basis"]
    bad = {"good": 0, "bad": 1}.get(outcome)
    as_of = date.fromisoformat(str(profile["as_of"]))
    pd_12m = None if profile["pd_12m"] is None else float(str(profile["pd_12m"]))
    decided = (as_of, bad, outcome != "declined", False, outcome, pd_12m)
    registered = tuple(basis["registration"].get(name) for name in SEGMENTS)
    return *decided, *registered, *(basis["indicators"].get(name) for name in FEATURES)
