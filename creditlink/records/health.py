"""How the offices have answered lately, from what the pulls wrote down."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import extract, func, select
from sqlalchemy.orm import Session

from creditlink.records import sources
from creditlink.records.delivery import FAILED
from creditlink.records.tables import PullPart, Source

WINDOW_HOURS = 24


def source_health(session: Session, now: datetime) -> list[dict[str, Any]]:
    """Return state, success rate and median time of each office over the last `WINDOW_HOURS`."""
    seconds = extract("epoch", PullPart.finished_at - PullPart.began_at)
    query = (
        select(
            PullPart.source,
            func.count().label("answers"),
            func.count().filter(PullPart.status.not_in(FAILED)).label("good"),
            func.percentile_cont(0.5).within_group(seconds).label("p50"),
        )
        .where(PullPart.finished_at >= now - timedelta(hours=WINDOW_HOURS))
        .group_by(PullPart.source)
    )
    lately = {row.source: row for row in session.execute(query)}
    states = {source.name: source for source in session.scalars(select(Source))}
    found = []
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
            }
        )
    return found
