"""The cross-check of what a firm uploaded with what its office answered since, stored for firm and banks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from creditlink.kit.clock import day_of
from creditlink.records import sources
from creditlink.records.tables import Pull, PullPart
from creditlink.uploads import service
from creditlink.uploads.comparison import PeriodCheck, PeriodFact, compare, settled
from creditlink.uploads.rules import UploadRules
from creditlink.uploads.standing import CATEGORY, office_answers, office_facts, uploaded_fact
from creditlink.uploads.tables import Upload, UploadCheck, UploadedFact


def offices() -> list[str]:
    """Return the names of the offices that hold what firms may upload."""
    return [name for name, one in sources.current().config.sources.items() if CATEGORY in one.categories]


def firms_due(session: Session) -> list[UUID]:
    """Return the firms with an upload that was not compared with the office's newest answer."""
    answered = exists().where(
        Pull.enterprise_id == Upload.enterprise_id,
        PullPart.pull_id == Pull.id,
        PullPart.source.in_(offices()),
        PullPart.finished_at > func.coalesce(Upload.checked_at, Upload.read_at),
    )
    fresh = Upload.checked_at.is_(None)
    query = select(Upload.enterprise_id).where(Upload.state == "taken", answered | fresh).distinct()
    return list(session.scalars(query.order_by(Upload.enterprise_id)))


def check_firm(session: Session, enterprise_id: UUID, rules: UploadRules, now: datetime) -> None:
    """Compare every upload of a firm with what its office has said by now, and mark the periods that it settled."""
    query = select(Upload).where(Upload.enterprise_id == enterprise_id, Upload.state == "taken")
    uploads = session.scalars(query.order_by(Upload.id).with_for_update()).all()
    office = office_facts(session, enterprise_id, as_of=day_of(now))
    answers = office_answers(session, enterprise_id, offices())
    covered = {(fact.row, month) for fact in office for month in fact.covered}
    for upload in uploads:
        rows = session.scalars(select(UploadedFact).where(UploadedFact.upload_id == upload.id)).all()
        facts = [uploaded_fact(row) for row in rows]
        over = [
            fact.id
            for fact in facts
            if settled(fact, answers, rules) or any((fact.row, month) in covered for month in fact.covered)
        ]
        _settle(session, over, now)
        _store(session, upload, compare(facts, office, answers, rules), facts, now)


def _settle(session: Session, fact_ids: Sequence[int], now: datetime) -> None:
    if fact_ids:
        session.execute(
            update(UploadedFact)
            .where(UploadedFact.id.in_(fact_ids), UploadedFact.settled_at.is_(None))
            .values(settled_at=now)
            .execution_options(synchronize_session=False)
        )


def _store(session: Session, upload: Upload, checks: list[PeriodCheck], facts: list[PeriodFact], now: datetime) -> None:
    """Keep the outcome by period; evidence where it changed. What an office no longer answers for stays as it was."""
    before = {(one.frame, one.subkey, one.period): one for one in service.checks_of(session, upload)}
    changed = [one for one in checks if _differs(before.get((one.frame, one.subkey, one.period)), one)]
    for one in changed:
        session.execute(
            delete(UploadCheck).where(
                UploadCheck.upload_id == upload.id, UploadCheck.frame == one.frame, UploadCheck.subkey == one.subkey,
                UploadCheck.period == one.period,
            )
        )  # fmt: skip
    if changed:
        session.execute(
            insert(UploadCheck),
            [
                {
                    "upload_id": upload.id, "enterprise_id": upload.enterprise_id, "category": CATEGORY,
                    "frame": one.frame, "subkey": one.subkey, "period": one.period, "months": one.months,
                    "outcome": one.outcome, "differences": {k: list(v) for k, v in one.differences.items()},
                    "asks_review": one.asks_review, "checked_at": now,
                }
                for one in changed
            ],
        )  # fmt: skip
    kept = {key: (one.outcome, one.asks_review) for key, one in before.items()}
    kept |= {(one.frame, one.subkey, one.period): (one.outcome, one.asks_review) for one in checks}
    upload.verdict = "uploaded" if not kept else "confirmed"
    if any(outcome != "same" for outcome, _ in kept.values()):
        upload.verdict = "contradicted"
    upload.asks_review = any(review for _, review in kept.values())
    upload.checked_at = now
    session.flush()
    if changed:
        detail: dict[str, object] = {
            "upload": upload.wire_id, "sha256": upload.sha256, "verdict": upload.verdict,
            "asks_review": upload.asks_review,
            "periods": dict(Counter(outcome for outcome, _ in kept.values())),
        }  # fmt: skip
        service.record(session, upload, "upload.checked", upload.verdict, now, detail=detail)


def _differs(before: UploadCheck | None, now: PeriodCheck) -> bool:
    if before is None:
        return True
    said = {name: list(pair) for name, pair in now.differences.items()}
    return (before.outcome, before.months, before.differences) != (now.outcome, now.months, said)
