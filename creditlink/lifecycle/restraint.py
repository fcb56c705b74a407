"""What the platform does to a live model by itself, and people undo: another serves, or a person looks at each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.kit.errors import NotFound
from creditlink.lifecycle import steps
from creditlink.lifecycle.service import put_live, record_step, standing_of, steps_of
from creditlink.lifecycle.steps import ModelStepRefused
from creditlink.lifecycle.tables import ModelStep, PurposeStanding
from creditlink.staff.actor import StaffActor, SystemActor


@dataclass(frozen=True)
class PurposeFreeze:
    """A person must look at every decision for a purpose."""

    model_id: str
    since: datetime
    because: str


def frozen_purposes(session: Session) -> dict[str, PurposeFreeze]:
    """Return purpose -> its freeze, for those that have one."""
    rows = session.scalars(
        select(PurposeStanding)
        .where(PurposeStanding.status == "live", PurposeStanding.frozen_at >= PurposeStanding.since_at)
        .order_by(PurposeStanding.purpose)
    )
    return {
        row.purpose: PurposeFreeze(row.model_id, row.frozen_at, row.frozen_because or "")
        for row in rows
        if row.frozen_at is not None
    }


def freeze(session: Session, model_id: str, purpose: str, *, because: str, now: datetime) -> bool:
    """Have a person look at every decision that a live model makes for a purpose; return whether it is new.

    It is lifted by `lift`, and ends when the model is put to use again.
    """
    row = _live(session, purpose)
    if row is None or row.model_id != model_id or row.is_frozen:
        return False
    row.frozen_at, row.frozen_because = now, because
    session.flush()  # the evidence below must not stand where the database refuses the freeze
    detail: dict[str, object] = {"model": model_id, "purpose": purpose, "because": because}
    audit.record(session, action="model.freeze", result="done", actor=SystemActor().name, now=now, detail=detail)
    return True


def lift(session: Session, purpose: str, *, by: StaffActor, reason: str, now: datetime) -> str:
    """End the freeze of a purpose; return the model that decides by itself again.

    Raises
    ------
    RoleMissing
        The person is neither of risk nor an operator.
    NotFound
        The purpose is not frozen.
    ModelStepRefused
        No reason is given.
    """
    role = by.acting_as("risk", "operator")
    if not reason.strip():
        raise ModelStepRefused(f"{purpose}: a reason is needed", reason="reason")
    row = _live(session, purpose)
    if row is None or not row.is_frozen:
        raise NotFound(f"no freeze holds for {purpose}")
    row.frozen_at = row.frozen_because = None
    audit.record(
        session, action="model.thaw", result="done", actor=by.name, now=now,
        detail={"model": row.model_id, "purpose": purpose, "reason": reason, "role": role, "proof": by.proof},
    )  # fmt: skip
    return row.model_id


def fall_back(
    session: Session, model_id: str, purpose: str, *, because: str, detail: Mapping[str, object], now: datetime
) -> ModelStep:
    """Let a model that people approved serve a purpose in place of the live one; another person confirms it in time.

    It is undone by a rollback to the model before it.

    Raises
    ------
    NotFound
        The model is not registered.
    ModelStepRefused
        It is not registered for the purpose, nobody approved it, or it is live.
    """
    standing = standing_of(session, model_id)
    status = standing.get(purpose)
    if status is None:
        raise ModelStepRefused(f"{model_id} is not registered for {purpose}", reason="purpose")
    was_live = any(one.status == "live" and purpose in one.purposes for one in steps_of(session, model_id))
    steps.check_fall_back(model_id, purpose, status, was_live=was_live)
    by = SystemActor()
    put_live(session, model_id, [purpose], by, now, because=f"{because}; {model_id} serves")
    return record_step(
        session, model_id, [purpose], "fall_back", "live", signed=by, reason=because, now=now, detail=detail,
        confirm_until=now + steps.CONFIRM_WITHIN,
    )  # fmt: skip


def _live(session: Session, purpose: str) -> PurposeStanding | None:
    return session.scalar(
        select(PurposeStanding)
        .where(PurposeStanding.purpose == purpose, PurposeStanding.status == "live")
        .with_for_update()
        .execution_options(populate_existing=True)
    )
