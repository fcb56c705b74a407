"""How sources deal with disputes: figures by source, what each has before it, and the file for one without a wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

import polars as pl
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.disputes import service
from creditlink.disputes.rules.calendar import WorkCalendar
from creditlink.disputes.rules.datum import CLAIMS, columns_of
from creditlink.disputes.rules.states import OPEN
from creditlink.disputes.tables import Dispute
from creditlink.engine.vocabulary import REGISTRATION_LABELS
from creditlink.enterprises.tables import Enterprise
from creditlink.kit.clock import day_of
from creditlink.kit.money import yuan_text
from creditlink.records.pulls.delivery import FactValue

COLUMNS = (
    *("编号", "统一社会信用代码", "记录类别", "所属期", "记录键", "申请事项", "企业陈述", "答复截止日", "轮次"),
    *("原记录", "企业主张的内容"),
)
"""The columns of a file for an office, who reads Chinese.

Id, firm, record, month, key, claim, words, due, turn; what it says and what it should say."""


_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class SourceFigures:
    """How one source dealt with what was filed in a time; days are working days."""

    source: str
    filed: int
    open: int
    overdue: int
    answered: int
    in_time: int
    corrected: int
    upheld: int
    unkept: int
    appealed: int
    median_days: float | None  # from filing, or appeal, to answer


@dataclass(frozen=True)
class QueuedDispute:
    """A dispute in its source's queue, with the firm that it is about."""

    row: Dispute
    firm: str
    uscc: str


def figures(session: Session, calendar: WorkCalendar, *, since: datetime, now: datetime) -> list[SourceFigures]:
    """Return the figures of every source with a dispute filed from `since` on."""
    columns = (
        *(Dispute.source, Dispute.state, Dispute.level, Dispute.opened_at, Dispute.due_at, Dispute.answered_at),
        *(Dispute.verdict, Dispute.overdue_told_at, Dispute.corrected_fact_id),
    )
    found = []
    rows = session.execute(select(*columns).where(Dispute.opened_at >= since)).all()
    for source in sorted({row.source for row in rows}):
        own = [row for row in rows if row.source == source]
        answered = [row for row in own if row.answered_at is not None]
        days = [calendar.between(row.opened_at, row.answered_at) for row in answered if row.answered_at]
        found.append(
            SourceFigures(
                source=source,
                filed=len(own),
                open=sum(row.state in OPEN for row in own),
                overdue=sum(row.state in OPEN and row.due_at <= now for row in own),
                answered=len(answered),
                in_time=sum(row.answered_at is not None and row.answered_at < row.due_at for row in answered),
                corrected=sum(row.state == "corrected" for row in own),
                upheld=sum(row.state == "upheld" for row in own),
                unkept=sum(row.state == "unkept" for row in own),
                appealed=sum(row.level > 0 for row in own),
                median_days=float(median(days)) if days else None,
            )
        )
    return found


def queue_of(session: Session, source: str | None, state: str | None, *, limit: int) -> Sequence[QueuedDispute]:
    """Return what is before a source, what is due first first; state None: all that is open."""
    query = select(Dispute, Enterprise.name, Enterprise.uscc).join(Enterprise, Enterprise.id == Dispute.enterprise_id)
    query = query.where(Dispute.state == state) if state else query.where(Dispute.state.in_(OPEN))
    if source:
        query = query.where(Dispute.source == source)
    rows = session.execute(query.order_by(Dispute.due_at, Dispute.id).limit(limit))
    return [QueuedDispute(*row) for row in rows]


def sources_with_disputes(session: Session) -> list[str]:
    """Return the sources of which anything was ever disputed."""
    return list(session.scalars(select(Dispute.source).distinct().order_by(Dispute.source)))


def note_reading(session: Session, count: int, *, act: str, actor: str, now: datetime, source: str | None) -> None:
    """Record that disputes were read or handed to their office: how many, of which source."""
    detail: dict[str, object] = {"source": source, "count": count}
    audit.record(session, action=f"disputes.{act}", result="done", actor=actor, now=now, detail=detail)


def frame_of(queued: Sequence[QueuedDispute]) -> pl.DataFrame:
    """Return disputes as the rows of an office's file."""
    rows = [
        (
            one.row.wire_id, one.uscc, one.row.datum.labels[0], one.row.datum.month or "", one.row.subkey,
            CLAIMS[one.row.claim][0], one.row.statement, day_of(one.row.due_at - _INSTANT).isoformat(),
            one.row.level + 1, _written(one.row, one.row.said), _written(one.row, one.row.wanted),
        )
        for one in queued
    ]  # fmt: skip
    schema = {name: pl.Int64 if name == "轮次" else pl.String for name in COLUMNS}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _written(row: Dispute, values: Mapping[str, FactValue]) -> str:
    """Return what a row says, or should say, in the office's words: amounts in yuan."""
    labels = columns_of(row.frame)
    return "；".join(f"{labels[name][0]}：{_plain(name, value)}" for name, value in values.items() if name in labels)


def _plain(name: str, value: FactValue) -> str:
    if value is None:
        return "无"
    if isinstance(value, bool):
        return "是" if value else "否"
    if name.endswith("_fen") and isinstance(value, int):
        return f"{yuan_text(value)}元"
    return REGISTRATION_LABELS.get(str(value), (str(value), ""))[0]


def hand_out(session: Session, queued: Sequence[QueuedDispute], *, actor: str, now: datetime) -> int:
    """Note that disputes were handed to their office; return how many were not there yet."""
    chosen = [one.row for one in queued if one.row.channel == "desk" and one.row.state == "filed"]
    for row in chosen:
        locked = service.named(session, row.wire_id, lock=True)
        if locked.state == "filed":
            service.step(session, locked, "send", actor=actor, now=now)
            locked.sent_at = now
    return len(chosen)
