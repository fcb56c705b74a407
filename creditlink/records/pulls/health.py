"""How the offices have answered lately, from what the pulls wrote down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from creditlink.records import sources
from creditlink.records.rejections import queue as rejections
from creditlink.records.rejections.identity import STATES
from creditlink.records.tables import SourceHealth

WINDOW_HOURS = 24


_SINCE = text("SELECT source, answers, good, p50 FROM creditlink_source_health(:since)")


@dataclass(frozen=True, slots=True)
class SourceAnswers:
    """How a source answered over a while."""

    answers: int
    good: int
    p50: float | None  # the median, in seconds


def answers_since(session: Session, since: datetime) -> dict[str | None, SourceAnswers]:
    """Return per source (None: all together) how many answers came, how many were good, and the median seconds.

    A function of the database sums them up: the API's role sees no pull but those of a live consent.
    """
    rows = session.execute(_SINCE, {"since": since})
    return {source: SourceAnswers(answers, good, p50) for source, answers, good, p50 in rows}


def source_health(session: Session, now: datetime) -> list[dict[str, object]]:
    """Return state, success rate and median time of each office over the last `WINDOW_HOURS`, and its rejected rows."""
    lately = answers_since(session, now - timedelta(hours=WINDOW_HOURS))
    states = {source.name: source for source in session.scalars(select(SourceHealth))}
    rejected = rejections.counts(session)
    found: list[dict[str, object]] = []
    for name, config in sources.current().config.sources.items():
        row, state = lately.get(name), states.get(name)
        found.append(
            {
                "source": name,
                "categories": list(config.categories),
                "state": state.state if state and row else "unknown",
                "since": state.changed_at if state and row else None,
                "answers": row.answers if row else 0,
                "success_rate": round(row.good / row.answers, 4) if row else None,
                "p50_seconds": round(float(row.p50), 3) if row and row.p50 is not None else None,
                "fresh_hours": config.fresh.total_seconds() / 3600,
                "rejections": rejected.get(name, dict.fromkeys(STATES, 0)),
            }
        )
    return found
