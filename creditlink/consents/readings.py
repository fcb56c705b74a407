"""How the consent page is read: time to the decision, and answers to its optional question, counted.

Which layers were opened is not known: the page has no script, and what a browser opens within a page, it tells nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.consents.agreement.questions import ReadingQuestion
from creditlink.consents.funnel import WINDOW
from creditlink.consents.tables import Consent, ConsentReading, ConsentStage
from creditlink.engine.vocabulary import FEWEST_FIRMS
from creditlink.institutions.own import is_own

# Each firm counts once, with its last decision: a table in which a firm is in two cells hides nothing safely.
_ANSWERS = text("""
    WITH lately AS (
        SELECT DISTINCT ON (coalesce(c.enterprise_id::text, c.asked_uscc, c.id::text)) r.question, r.answer
        FROM consent_readings r JOIN consents c ON c.id = r.consent_id
        WHERE r.decided_at >= :since AND c.channel <> 'own' AND r.question IS NOT NULL
        ORDER BY coalesce(c.enterprise_id::text, c.asked_uscc, c.id::text), r.decided_at DESC, r.consent_id)
    SELECT question, answer, count(*) FROM lately GROUP BY 1, 2
""")
_TIMES = text("""
    SELECT r.decision, count(DISTINCT coalesce(c.enterprise_id::text, c.asked_uscc, c.id::text)),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY r.seconds)
    FROM consent_readings r JOIN consents c ON c.id = r.consent_id
    WHERE r.decided_at >= :since AND c.channel <> 'own'
    GROUP BY r.decision
    HAVING count(DISTINCT coalesce(c.enterprise_id::text, c.asked_uscc, c.id::text)) >= :firms
    ORDER BY r.decision
""")


@dataclass(frozen=True)
class ReadingTime:
    """Half of the firms decided within so many seconds of their first sight of a request."""

    decision: str  # agreed | declined
    firms: int
    median_seconds: int


def note(
    session: Session,
    consent: Consent,
    *,
    decision: str,
    question: ReadingQuestion | None,
    answer: str | None,
    now: datetime,
) -> None:
    """Note how a request was read before it was decided: the first decision counts, and nothing here can fail it."""
    if is_own(consent.institution_id):
        return
    seen = session.scalar(
        select(ConsentStage.reached_at).where(ConsentStage.consent_id == consent.id, ConsentStage.stage == "signed_in")
    )
    row = insert(ConsentReading).values(
        consent_id=consent.id,
        decision=decision,
        seconds=max(int((now - (seen or now)).total_seconds()), 0),
        question=question.name if question else None,
        answer=question.judged(answer) if question else None,
        decided_at=now,
    )
    session.execute(row.on_conflict_do_nothing())


def answers(session: Session, now: datetime) -> dict[tuple[str, str], int]:
    """Return firms by question and answer over the last 30 days, each firm once; small numbers are still in it."""
    rows = session.execute(_ANSWERS, {"since": now - WINDOW})
    return {(question, answer): count for question, answer, count in rows}


def times(session: Session, now: datetime) -> list[ReadingTime]:
    """Return how long firms took; a decision that fewer than ten firms took is left out."""
    wanted = {"since": now - WINDOW, "firms": FEWEST_FIRMS}
    return [ReadingTime(decision, n, round(median)) for decision, n, median in session.execute(_TIMES, wanted)]
