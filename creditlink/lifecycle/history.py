"""The register that was a file (ADR 0022), taken over once: what it says becomes history, and seeds a sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.engine.scoring import registry
from creditlink.engine.scoring.model import ModelFolderError, load
from creditlink.engine.scoring.registry import RegisterEntry
from creditlink.lifecycle.tables import ModelStep, PurposeStanding, RegisteredModel

_TIER = "1"
_USE = "as its card says: taken over from the register that was a file"
_LIMITS = "as its card says"


def take_over(
    session: Session,
    models_dir: Path,
    entries: Sequence[RegisterEntry],
    *,
    actor: str,
    serve: str | None,
    now: datetime,
) -> list[str]:
    """Add what the file says of models that the database does not know; return them. Again it does nothing.

    Parameters
    ----------
    serve : in a sandbox's database, the model that is live from the start where none is; None: nobody signed for it.

    Raises
    ------
    RegistryError
        The file's chain is broken.
    """
    standings = registry.standings(entries)
    known = set(session.scalars(select(RegisteredModel.model_id)))
    added = [model_id for model_id in standings if model_id not in known]
    for model_id in added:
        standing = standings[model_id]
        values = {
            "model_id": model_id, "manifest_sha256": standing.manifest_sha256, "owner": standing.owner, "tier": _TIER,
            "intended_use": _USE, "limits": _LIMITS, "inputs": _inputs(models_dir / model_id), "registered_at": now,
        }  # fmt: skip
        session.execute(insert(RegisteredModel).values(**values).on_conflict_do_nothing())
        for purpose in standing.purposes:
            row = {"model_id": model_id, "purpose": purpose, "status": standing.status, "since_at": now}
            session.execute(insert(PurposeStanding).values(**row).on_conflict_do_nothing())
    session.add_all(_step(entry) for entry in entries if entry.model_id in added)
    session.flush()
    if serve in standings and standings[serve].status != "retired":
        _serve(session, serve, now)
    if added:
        audit.record(
            session, action="model.import", result="done", actor=actor, now=now,
            detail={"models": added, "last_entry": entries[-1].hash},
        )  # fmt: skip
    return added


def _step(entry: RegisterEntry) -> ModelStep:
    return ModelStep(
        model_id=entry.model_id,
        purposes=list(entry.purposes),
        action="import",
        status=entry.status,
        signer=entry.by,
        at=datetime.fromisoformat(entry.at),
        reason=entry.reason,
        detail={"file_action": entry.action, "hash": entry.hash},
    )


def _serve(session: Session, model_id: str, now: datetime) -> None:
    """Make the model that the settings name live where nobody signed for another: a sandbox follows its settings."""
    rows = session.scalars(select(PurposeStanding).where(PurposeStanding.model_id == model_id)).all()
    live = session.scalars(
        select(PurposeStanding).where(PurposeStanding.status == "live", PurposeStanding.model_id != model_id)
    ).all()
    signed = {row.purpose for row in live if _is_signed(session, row)}
    for row in live:
        if row.purpose not in signed:
            row.status, row.since_at = "retired", now
    session.flush()
    free = [row for row in rows if row.purpose not in signed and row.status != "live"]
    for row in free:
        row.status, row.since_at = "live", now
    if free:
        first = ModelStep(
            model_id=model_id, purposes=sorted(row.purpose for row in free), action="import", status="live",
            signer="sandbox", at=now, reason="the sandbox serves it; nobody signed for it", detail={},
        )  # fmt: skip
        session.add(first)
        session.flush()


def _is_signed(session: Session, row: PurposeStanding) -> bool:
    last = (
        select(ModelStep.signed_by)
        .where(ModelStep.model_id == row.model_id, ModelStep.status == "live")
        .where(ModelStep.purposes.contains([row.purpose]))
        .order_by(ModelStep.number.desc())
        .limit(1)
    )
    return session.scalar(last) is not None


def read_entries(models_dir: Path) -> tuple[RegisterEntry, ...]:
    """Return the entries of the file; none where there is no file.

    Raises
    ------
    RegistryError
        It cannot be read.
    """
    path = models_dir / registry.FILE
    return registry.from_json(path.read_text(encoding="utf-8")) if path.exists() else ()


def _inputs(folder: Path) -> list[str]:
    try:
        return list(load(folder).features)
    except (ModelFolderError, OSError):  # an old model whose folder is gone: its entry is history all the same
        return []


def live_models(session: Session) -> Mapping[str, tuple[str, str]]:
    """Return purpose -> (model, hash of its manifest) of what is live now."""
    rows = session.execute(
        select(PurposeStanding.purpose, RegisteredModel.model_id, RegisteredModel.manifest_sha256)
        .join(RegisteredModel, RegisteredModel.model_id == PurposeStanding.model_id)
        .where(PurposeStanding.status == "live")
        .order_by(PurposeStanding.purpose)
    )
    return {purpose: (model_id, sha256) for purpose, model_id, sha256 in rows}


def retired_models(session: Session) -> Mapping[tuple[str, str], datetime]:
    """Return (model, purpose) -> since when it is retired, of every model that is."""
    rows = select(PurposeStanding.model_id, PurposeStanding.purpose, PurposeStanding.since_at)
    found = session.execute(rows.where(PurposeStanding.status == "retired"))
    return {(model_id, purpose): since_at for model_id, purpose, since_at in found}
