"""Loans that ripen: what was predicted is kept until the outcome is known, and then held against it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from statistics import median
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, undefer

from creditlink.consents.tables import Consent
from creditlink.financing.applications.states import ACCEPTED
from creditlink.financing.loans.labels import ReportedFact, label_of
from creditlink.financing.tables import Application, LoanFact
from creditlink.kit.clock import add_months, start_of_day
from creditlink.overlays.tables import OverlayResult
from creditlink.profiles.tables import Profile
from creditlink.watch.counting import WatchedModel
from creditlink.watch.rules.outcomes import FEWEST_BADS, OutcomeFinding, held_against
from creditlink.watch.rules.segments import parts_of
from creditlink.watch.tables import OutcomeDay, RipeningLoan, SeriesCount

HORIZON_MONTHS = 12
"""Of the model's event."""

TAKEN_UP_WITHIN = timedelta(days=90)
"""So long after the lender's answer an application may still be accepted and taken up."""

GIVEN_UP = timedelta(days=180)
"""So long after the horizon an outcome that nobody reported is waited for."""

KEPT = timedelta(days=1095)
"""Ripe loans count for three years, without a name."""

ALL = "all"
OVERRIDE = "override"


def take_up(session: Session, day: date) -> int:
    """Keep what was predicted of each accepted application, from the last profile before the lender's answer.

    Within days of the answer, while the profile is still there; never so late that a loan whose outcome is known, and
    whose name is forgotten, would be taken up twice. Returns how many were taken up.
    """
    known = exists().where(RipeningLoan.application_id == Application.id)
    rows = session.execute(
        select(Application.id, Consent.purpose, Profile)
        .join(Profile, Profile.consent_id == Application.consent_id)
        .join(Consent, Consent.id == Application.consent_id)
        .where(
            Application.state.in_(ACCEPTED), Application.answered_at >= start_of_day(day - TAKEN_UP_WITHIN),
            Profile.created_at <= Application.answered_at,
            Profile.pd_12m.is_not(None), ~known,
        )
        .order_by(Application.id, Profile.created_at)
        .options(undefer(Profile.registration))
    ).all()  # fmt: skip
    last: dict[UUID, tuple[str, Profile]] = {application: (purpose, one) for application, purpose, one in rows}
    for application, (purpose, profile) in last.items():
        values = {
            "application_id": application, "enterprise_id": profile.enterprise_id, "purpose": purpose,
            "model_id": profile.model_id, "pd_12m": profile.pd_12m, "grade": profile.grade,
            "parts": list(parts_of(profile.registration)), "as_of": profile.as_of,
        }  # fmt: skip
        session.execute(insert(RipeningLoan).values(**values).on_conflict_do_nothing())
    return len(last)


def ripen(session: Session, day: date) -> Counter[str]:
    """Label the loans whose outcome is known on a day, and forget whose they were; return how they came out.

    What nobody reported half a year after the horizon goes, and ripe ones go after three years.
    """
    due = select(RipeningLoan).where(RipeningLoan.label.is_(None)).with_for_update(skip_locked=True)
    loans = [
        loan for loan in session.scalars(due) if add_months(loan.as_of, HORIZON_MONTHS) <= day and loan.application_id
    ]
    facts = _facts(session, [loan.application_id for loan in loans if loan.application_id])
    told: Counter[str] = Counter()
    for loan in loans:
        assert loan.application_id is not None  # noqa: S101 (chosen above, for the type checker)
        label = label_of(facts[loan.application_id], as_of=loan.as_of, horizon_months=HORIZON_MONTHS, cut=day)
        told[label] += 1
        if label in ("good", "bad"):
            loan.label, loan.ripe_on, loan.application_id, loan.enterprise_id = label, day, None, None
        elif day > add_months(loan.as_of, HORIZON_MONTHS) + GIVEN_UP:
            session.delete(loan)
    session.flush()  # the delete below is sent as it is written
    session.execute(delete(RipeningLoan).where(RipeningLoan.ripe_on < day - KEPT))
    return told


def _facts(session: Session, applications: Sequence[UUID]) -> Mapping[UUID, list[ReportedFact]]:
    found: dict[UUID, list[ReportedFact]] = defaultdict(list)
    rows = select(LoanFact).where(LoanFact.application_id.in_(applications)).order_by(LoanFact.known_at, LoanFact.id)
    for fact in session.scalars(rows):
        found[fact.application_id].append(
            ReportedFact(fact.kind, fact.about_on, fact.days_past_due, fact.amount_fen, fact.reference, fact.known_at)
        )
    return found


def measure(session: Session, day: date) -> dict[WatchedModel, OutcomeFinding]:
    """Hold the ripe loans of each model and purpose against what was predicted, all of them and part by part."""
    loans: dict[WatchedModel, list[RipeningLoan]] = defaultdict(list)
    for loan in session.scalars(select(RipeningLoan).order_by(RipeningLoan.id)):
        loans[WatchedModel(loan.purpose, loan.model_id)].append(loan)
    found: dict[WatchedModel, OutcomeFinding] = {}
    for watched, mine in loans.items():
        for part, inside in _parts(mine):
            ripe = [loan for loan in inside if loan.label is not None]
            finding = held_against([loan.pd_12m for loan in ripe], [int(loan.label == "bad") for loan in ripe])
            if part == ALL:
                found[watched] = finding
            elif finding.bads < FEWEST_BADS:
                continue
            lags = [(loan.ripe_on - add_months(loan.as_of, HORIZON_MONTHS)).days for loan in ripe if loan.ripe_on]
            _keep(session, watched, day, part, finding, waiting=len(inside) - len(ripe), lags=lags)
    return found


def _parts(loans: Sequence[RipeningLoan]) -> Iterator[tuple[str, list[RipeningLoan]]]:
    yield ALL, list(loans)
    for part in sorted({part for loan in loans for part in loan.parts}):
        yield part, [loan for loan in loans if part in loan.parts]


def _keep(
    session: Session,
    watched: WatchedModel,
    day: date,
    part: str,
    finding: OutcomeFinding,
    *,
    waiting: int,
    lags: Sequence[int],
) -> None:
    measured = {
        "loans": finding.loans, "bads": finding.bads, "waiting": waiting,
        "lag_days": round(median(lags)) if lags else None, "mean_pd": finding.mean_pd, "bad_rate": finding.bad_rate,
        "z": finding.z, "auc": finding.auc, "auc_error": finding.auc_error,
    }  # fmt: skip
    key = {"day": day, "purpose": watched.purpose, "model_id": watched.model_id, "part": part}
    added = insert(OutcomeDay).values(**key, **measured)
    session.execute(added.on_conflict_do_update(index_elements=list(key), set_=measured))


def count_overrides(session: Session, day: date) -> None:
    """Count how lenders answered on a day where their own overlay had decided: as it did, stricter, or looser."""
    begin, end = start_of_day(day), start_of_day(day + timedelta(days=1))
    rows = session.execute(
        select(Consent.purpose, Profile.model_id, OverlayResult.result, Application.state, Application.id)
        .join(Profile, Profile.consent_id == Application.consent_id)
        .join(OverlayResult, OverlayResult.profile_id == Profile.id)
        .join(Consent, Consent.id == Application.consent_id)
        .where(Application.answered_at >= begin, Application.answered_at < end)
        .where(Profile.created_at <= Application.answered_at)
        .order_by(Application.id, Profile.created_at)
    ).all()
    last = {application: (purpose, model_id, result, state) for purpose, model_id, result, state, application in rows}
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for purpose, model_id, result, state in last.values():
        decided, declined = result.get("decision"), state == "declined"
        if decided in ("accept", "decline"):
            place = 0 if declined == (decided == "decline") else 1 if declined else 2
            counts[purpose, model_id][place] += 1
    for (purpose, model_id), row in counts.items():
        key = {"day": day, "purpose": purpose, "model_id": model_id, "series": OVERRIDE}
        added = insert(SeriesCount).values(**key, counts=row)
        session.execute(added.on_conflict_do_update(index_elements=list(key), set_={"counts": row}))
