"""What staff do with an archived decision: replay it, take it out as a file. Each look is evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.decisions import archive, export
from creditlink.decisions.archive import Archive
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.policy import store
from creditlink.decisions.record import DecisionRecord
from creditlink.decisions.replay import ReplayedDecision, replay_many
from creditlink.kit import ids


def replay(
    session: Session, decisions: Sequence[UUID], reader: Reader, *, kept: Archive, now: datetime
) -> list[ReplayedDecision]:
    """Make archived decisions again under the policies of their days.

    Raises
    ------
    NotFound
        One is not in the archive, or its time is over.
    InsufficientRole, RecordDamaged, PolicyDamaged, RecordInvalid
    """
    return made_again(session, [opened(session, one, reader, doing="replay", kept=kept, now=now) for one in decisions])


def made_again(session: Session, records: Sequence[DecisionRecord]) -> list[ReplayedDecision]:
    """Make decisions again whose records are open already; errors as for `replay`, but for those of the look."""
    return replay_many(records, lambda bundle: store.loaded(session, bundle))


def opened(
    session: Session, decision_id: UUID, reader: Reader, *, doing: str, kept: Archive, now: datetime
) -> DecisionRecord:
    """Return an archived record, with the evidence of the look; errors as for `replay`."""
    row = archive.look(session, decision_id, reader, doing=doing, classes=kept.classes, now=now)
    return archive.open_sealed(row, kept.secret)


def exported(session: Session, decision_id: UUID, reader: Reader, *, kept: Archive, now: datetime) -> str:
    """Return the signed file of a decision, for an auditor without the database; errors as for `replay`."""
    row = archive.look(session, decision_id, reader, doing="export", classes=kept.classes, now=now)
    record = archive.open_sealed(row, kept.secret)
    wire_id = ids.external("prf", decision_id)
    evidence: list[dict[str, object]] = []
    for line in audit.export(session, row.chain_id):
        evidence.append(line)
        if (named := export.named_by(line)) is not None and named[0] == wire_id:
            break
    return export.write(
        row.wire_id,
        record.payload,
        links=[link.link() for link in archive.links(session, row.chain_id) if link.seq <= row.seq],
        evidence=evidence,
        policy=store.read(session, record.bundle),
        secret=kept.secret,
    )


def evidence_of(session: Session, chain_id: UUID) -> dict[str, str]:
    """Return what a firm's evidence names of its records and their later entries: decision or entry -> hash."""
    named: dict[str, str] = {}
    for line in audit.export(session, chain_id):
        detail = line["detail"]
        if (told := export.named_by(line)) is not None:
            named.setdefault(f"dec_{told[0].removeprefix('prf_')}", told[1])
        elif isinstance(detail, dict) and "later_entry" in detail:
            named[str(detail["later_entry"])] = str(detail["record"])
    return named


def readers_of(session: Session, record: DecisionRecord) -> list[dict[str, object]]:
    """Return who was given the profile of a record, and who looked at the record, from the firm's evidence."""
    digits = str(record.profile["id"]).replace("-", "")
    found = []
    for line in audit.export(session, UUID(str(record.profile["enterprise_id"]))):
        detail = line["detail"]
        if not isinstance(detail, dict):
            continue
        if f"prf_{digits}" in detail.get("contents", {}) or detail.get("decision") == f"dec_{digits}":
            found.append({name: line[name] for name in ("at", "actor", "action", "purpose", "consent_id", "seq")})
    return found
