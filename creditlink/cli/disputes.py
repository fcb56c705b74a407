"""`creditlink disputes …`: what firms dispute, by source; answers that a person brings; statistics; receipts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import click

from creditlink.cli.acting import actor_for, name_of, named, operators_transaction
from creditlink.cli.output import iso, print_json
from creditlink.disputes import answers, configuration, figures, service
from creditlink.disputes.corrections import service as corrections
from creditlink.disputes.figures import QueuedDispute
from creditlink.disputes.rules.states import STATES, VERDICTS
from creditlink.disputes.tables import Correction, Dispute
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of
from creditlink.kit.files.csvexport import csv_of

_SOURCE = click.option("--source", help="Only disputes of this source.")
_transaction = partial(operators_transaction, nothing="there is no such dispute: creditlink disputes list")


@click.group()
def disputes() -> None:
    """Disputes of firms: what is before each source, answers that a person brings, statistics, receipts of banks.

    filed → sent → promised or upheld → corrected. Sources with a wire answer by themselves; for the others, and for
    those that are late, the operator tells them (send, export) and writes down what they answer (answer).
    """


@disputes.command("list")
@_SOURCE
@click.option("--state", type=click.Choice(list(STATES)), help="Only those in this state; default: all that are open.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@named
def list_disputes(source: str | None, state: str | None, limit: int, who: str | None) -> None:
    """List disputes, what is due first first; that they were read is evidence."""
    with _transaction() as (session, now):
        actor = name_of(actor_for(session, who, "operator", now=now))
        found = figures.queue_of(session, source, state, limit=limit)
        if found:
            figures.note_reading(session, len(found), act="read", actor=actor, now=now, source=source)
        print_json([_listed(one, now) for one in found], default=iso)


@disputes.command()
@click.argument("dispute")
@named
def show(dispute: str, who: str | None) -> None:
    """Show one dispute whole: the row, what the firm says, every step, who was told of the correction."""
    with _transaction() as (session, now):
        actor = name_of(actor_for(session, who, "operator", now=now))
        one = service.named(session, dispute)
        service.note(session, one, "read", actor=actor, now=now)
        firm = session.get_one(Enterprise, one.enterprise_id)
        print_json(
            _listed(QueuedDispute(one, firm.name, firm.uscc), now)
            | {
                "statement": one.statement, "said": one.said, "wanted": one.wanted, "now_said": one.now_said,
                "verdict": one.verdict, "answer": one.answer, "appeal_until": one.appeal_until,
                "steps": [
                    {"at": step.at, "step": step.step, "state": step.to_state, "actor": step.actor, "note": step.note}
                    for step in service.events_of(session, one)
                ],
                "told": [_correction(row, bank) for row, bank in corrections.of_dispute(session, one)],
            },
            default=iso,
        )  # fmt: skip


@disputes.command()
@click.option("--days", type=click.IntRange(1, 3660), default=365, show_default=True, help="Of disputes filed since.")
def statistics(days: int) -> None:
    """Show how each source dealt with its disputes; days are working days, and a year that is missing is warned of."""
    with _transaction() as (session, now):
        terms = configuration.current()
        found = figures.figures(session, terms.calendar, since=now - timedelta(days=days), now=now)
        print_json([asdict(one) for one in found])
        year = terms.calendar.lacking_year(day_of(now))
        if year is not None:
            click.echo(
                f"warning: config/holidays.toml knows the holidays until {terms.calendar.known_until}; those of {year} "
                "are statutory days alone, and clocks that run into it may be wrong",
                err=True,
            )


@disputes.command()
@click.argument("dispute")
@named
def send(dispute: str, who: str | None) -> None:
    """Note that its source was told by a person."""
    with _transaction() as (session, now):
        actor = name_of(actor_for(session, who, "operator", now=now))
        one = service.named(session, dispute, lock=True)
        answers.told(session, one, actor=actor, now=now)
        print_json({"dispute": one.wire_id, "state": one.state, "due_at": one.due_at}, default=iso)


@disputes.command()
@click.argument("dispute")
@click.option("--verdict", type=click.Choice(list(VERDICTS)), required=True, help="What the source answered.")
@click.option("--reason", required=True, help="In its own words; the firm reads them.")
@named
def answer(dispute: str, verdict: str, reason: str, who: str | None) -> None:
    """Write down what a source answered to a person. That it corrected a row is believed once the row is there."""
    with _transaction() as (session, now):
        actor = name_of(actor_for(session, who, "operator", now=now))
        one = service.named(session, dispute, lock=True)
        answers.refuse_foreign(one)
        answers.answered(
            session, one, verdict, reason, answered_at=now, actor=actor, terms=configuration.current(), now=now
        )
        print_json({"dispute": one.wire_id, "state": one.state, "appeal_until": one.appeal_until}, default=iso)


@disputes.command()
@_SOURCE
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The CSV to write.")
@click.option("--sent", is_flag=True, help="And note that the office was told.")
@named
def export(source: str | None, out: Path, sent: bool, who: str | None) -> None:
    """Write what is before a source as the file for its office."""
    with _transaction() as (session, now):
        actor = name_of(actor_for(session, who, "operator", now=now))
        found = figures.queue_of(session, source, None, limit=10_000)
        told = figures.hand_out(session, found, actor=actor, now=now) if sent else 0
        figures.note_reading(session, len(found), act="export", actor=actor, now=now, source=source)
        out.write_text("\ufeff" + csv_of(figures.frame_of(found)), encoding="utf-8")
        print_json({"written": len(found), "sent": told, "file": str(out)})


@disputes.command("corrections")
@click.option("--silent", is_flag=True, help="Only those that were reminded in vain.")
def list_corrections(silent: bool) -> None:
    """List corrections that a bank has not acknowledged, the oldest first."""
    with _transaction() as (session, now):
        terms = configuration.current()
        before = terms.calendar.before(now, terms.settings.silent_days) if silent else now
        print_json([_correction(*one) for one in corrections.unacknowledged(session, before)], default=iso)


def _listed(one: QueuedDispute, now: datetime) -> dict[str, object]:
    row: Dispute = one.row
    return {
        "dispute": row.wire_id, "uscc": one.uscc, "firm": one.firm, "source": row.source, "frame": row.frame,
        "period": None if row.datum.is_registered else row.period.isoformat(), "key": row.subkey,
        "claim": row.claim, "state": row.state,
        "round": row.level + 1, "channel": row.channel, "opened_at": row.opened_at, "due_at": row.due_at,
        "late": row.is_open and row.due_at <= now, "trouble": row.trouble,
    }  # fmt: skip


def _correction(row: Correction, bank: Institution) -> dict[str, object]:
    return {
        "correction": row.wire_id, "institution": bank.code, "told_at": row.told_at, "reminded_at": row.reminded_at,
        "acknowledged_at": row.acknowledged_at, "action": row.action,
    }  # fmt: skip
