"""Taking a model through its life: its owner registers it; one person proposes each further step, another signs it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.lifecycle import steps
from creditlink.lifecycle.steps import ModelStepRefused, StepEvidence
from creditlink.lifecycle.tables import ModelStep, PurposeStanding, RegisteredModel
from creditlink.staff.actor import StaffActor, SystemActor
from creditlink.staff.acts import KINDS, ActKind
from creditlink.staff.tables import StaffAct

STEP = "model.step"
ROLLBACK = "model.rollback"

Signer = StaffActor | SystemActor
"""Who a step is signed by: a person, or the platform where it acts by a rule."""


def register(
    session: Session,
    *,
    model_id: str,
    manifest_sha256: str,
    purposes: Sequence[str],
    inputs: Sequence[str],
    tier: str,
    intended_use: str,
    limits: str,
    by: StaffActor,
    reason: str,
    now: datetime,
) -> RegisteredModel:
    """Make a model a candidate for each of its purposes; whoever registers it owns it.

    Raises
    ------
    RoleMissing
        The person owns no models.
    ModelStepRefused
        It is registered already, or lacks purposes, tier or texts.
    """
    by.acting_as("model_owner")
    if not purposes:
        raise ModelStepRefused(f"{model_id}: a model without a purpose may be used for nothing", reason="purpose")
    for name, value in (("intended_use", intended_use), ("limits", limits), ("reason", reason)):
        if not value.strip():
            raise ModelStepRefused(f"{model_id}: {name} is empty", reason=name)
    if tier not in steps.TIERS:
        raise ModelStepRefused(f"{model_id}: tier must be one of {', '.join(steps.TIERS)}, got {tier!r}", reason="tier")
    values = {
        "model_id": model_id, "manifest_sha256": manifest_sha256, "owner_id": by.account_id, "owner": by.login,
        "tier": tier, "intended_use": intended_use, "limits": limits, "inputs": list(inputs), "registered_at": now,
    }  # fmt: skip
    added = session.scalar(
        insert(RegisteredModel).values(**values).on_conflict_do_nothing().returning(RegisteredModel.model_id)
    )
    if added is None:
        raise ModelStepRefused(f"{model_id}: registered already; another model needs another name", reason="registered")
    session.add_all(
        PurposeStanding(model_id=model_id, purpose=purpose, status="candidate", since_at=now) for purpose in purposes
    )
    record_step(session, model_id, purposes, "register", "candidate", signed=by, reason=reason, now=now)
    return session.get_one(RegisteredModel, model_id)


def step_subject(
    session: Session, model_id: str, to: str, purposes: Collection[str] | None, evidence: StepEvidence
) -> dict[str, object]:
    """Return what is proposed and signed of a step, checked against the model's standing now.

    Raises
    ------
    NotFound
        The model is not registered.
    ModelStepRefused
        The step may not follow, or lacks what it rests on.
    """
    standing = standing_of(session, model_id)
    wanted = sorted(purposes or standing)
    steps.check_step(model_id, standing, wanted, to, evidence)
    return {"model": model_id, "purposes": wanted, "to": to, **evidence.to_dict()}


def retire(session: Session, model_id: str, *, by: StaffActor, reason: str, now: datetime) -> None:
    """Take a model out of use for every purpose; one person is enough, for it may be urgent.

    Raises
    ------
    NotFound
        It is not registered.
    ModelStepRefused
        It is retired, or no reason is given.
    """
    by.acting_as("risk", "operator")
    if not reason.strip():
        raise ModelStepRefused(f"{model_id}: a reason is needed", reason="reason")
    in_use = [purpose for purpose, status in standing_of(session, model_id).items() if status != "retired"]
    if not in_use:
        raise ModelStepRefused(f"{model_id} is retired", reason="status")
    for purpose in in_use:
        _set(session, model_id, purpose, "retired", now)
    record_step(session, model_id, in_use, "retire", "retired", signed=by, reason=reason, now=now)


def roll_back(
    session: Session,
    model_id: str,
    purposes: Collection[str] | None,
    *,
    by: StaffActor,
    reason: str,
    now: datetime,
    proposed_by: UUID | None = None,
) -> ModelStep:
    """Make a model that was live before live again, in one step; the one in use is retired.

    Without `proposed_by` it is an emergency: another person must confirm it in time.

    Raises
    ------
    NotFound
        The model is not registered.
    ModelStepRefused
        It was never live for one of the purposes, or is live.
    """
    by.acting_as("risk", "operator")
    wanted = check_rollback(session, model_id, purposes)
    put_live(session, model_id, wanted, by, now, because=f"rollback to {model_id}")
    return record_step(
        session, model_id, wanted, "rollback", "live", signed=by, reason=reason, now=now, proposed_by=proposed_by,
        confirm_until=None if proposed_by is not None else now + steps.CONFIRM_WITHIN,
    )  # fmt: skip


def check_rollback(session: Session, model_id: str, purposes: Collection[str] | None) -> list[str]:
    """Return the purposes of a rollback: those asked for, or all for which the model was live and is no longer.

    Raises
    ------
    NotFound
        The model is not registered.
    ModelStepRefused
        It was never live for one of the purposes, or is live.
    """
    standing = standing_of(session, model_id)
    was_live: set[str] = set()
    for one in steps_of(session, model_id):
        was_live |= set(one.purposes) if one.status == "live" else set()
    wanted = sorted(purposes or {purpose for purpose in was_live if standing.get(purpose) == "retired"})
    for purpose in wanted:
        if purpose not in was_live:
            raise ModelStepRefused(f"{model_id} was never live for {purpose}: there is no way back", reason="never")
        if standing[purpose] == "live":
            raise ModelStepRefused(f"{model_id} is live for {purpose}", reason="status")
    if not wanted:
        raise ModelStepRefused(f"{model_id}: nothing to roll back to", reason="never")
    return wanted


def confirm(session: Session, wire_id: str, *, by: StaffActor, now: datetime) -> ModelStep:
    """Confirm a rollback that somebody else made alone; late is better than never, and the evidence says so.

    Raises
    ------
    NotFound
        No such step waits to be confirmed.
    ModelStepRefused
        It is one's own.
    """
    role = by.acting_as("risk", "operator")
    step = session.scalar(
        select(ModelStep)
        .where(ModelStep.id == ids.internal("stp", wire_id), ModelStep.confirm_until.is_not(None))
        .where(ModelStep.confirmed_at.is_(None))
        .with_for_update()
    )
    if step is None:
        raise NotFound
    if step.signed_by == by.account_id:
        raise ModelStepRefused(f"{wire_id}: you rolled back; another person must confirm it", reason="own_act")
    step.confirmed_by, step.confirmed_at = by.account_id, now
    is_late = step.confirm_until is not None and now >= step.confirm_until
    _note(session, "confirm", by, role, now, model=step.model_id, step=step.wire_id, late=is_late)
    return step


def standing_of(session: Session, model_id: str) -> dict[str, str]:
    """Return purpose -> status of a model, its rows locked: of two steps at once the second sees the first.

    Raises
    ------
    NotFound
        It is not registered.
    """
    rows = session.scalars(
        select(PurposeStanding)
        .where(PurposeStanding.model_id == model_id)
        .order_by(PurposeStanding.purpose)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    if not rows:
        raise NotFound(f"model {model_id} is not registered")
    return {row.purpose: row.status for row in rows}


def steps_of(session: Session, model_id: str) -> Sequence[ModelStep]:
    """Return the steps of a model, the first first."""
    return session.scalars(select(ModelStep).where(ModelStep.model_id == model_id).order_by(ModelStep.number)).all()


def unconfirmed(session: Session) -> Sequence[ModelStep]:
    """Return the rollbacks that another person must still confirm, the oldest first."""
    return session.scalars(
        select(ModelStep)
        .where(ModelStep.confirm_until.is_not(None), ModelStep.confirmed_at.is_(None))
        .order_by(ModelStep.number)
    ).all()


def _said(subject: Mapping[str, object], name: str) -> str | None:
    said = subject.get(name)
    return None if said is None else str(said)


def _do_step(session: Session, act: StaffAct, proposer: StaffActor, by: StaffActor, now: datetime) -> None:
    subject = act.subject
    model_id, purposes, to = str(subject["model"]), cast(list[str], subject["purposes"]), str(subject["to"])
    evidence = StepEvidence(_said(subject, "report_sha256"), _said(subject, "conditions"))
    by.acting_as(*steps.SIGNERS[to])
    steps.check_step(model_id, standing_of(session, model_id), purposes, to, evidence)
    earlier = {
        one.signer: one.status
        for one in steps_of(session, model_id)
        if one.action in ("register", "step") and set(one.purposes) & set(purposes)
    }
    steps.check_signer(model_id, by.login, earlier)
    if to == "live":
        put_live(session, model_id, purposes, by, now, because=f"replaced by {model_id}")
    else:
        for purpose in purposes:
            _set(session, model_id, purpose, to, now)
    record_step(
        session, model_id, purposes, "step", to, signed=by, reason=act.reason, now=now,
        proposed_by=proposer.account_id, detail=evidence.to_dict(),
    )  # fmt: skip


def _do_rollback(session: Session, act: StaffAct, proposer: StaffActor, by: StaffActor, now: datetime) -> None:
    roll_back(
        session, str(act.subject["model"]), cast(list[str], act.subject["purposes"]), by=by, reason=act.reason,
        now=now, proposed_by=proposer.account_id,
    )  # fmt: skip


_DECIDE = ("risk", "operator")
KINDS.add(STEP, ActKind("模型进入下一阶段", "A model's next step", steps.PROPOSERS, _DECIDE, _do_step))
KINDS.add(ROLLBACK, ActKind("回退至先前模型", "Roll back to an earlier model", _DECIDE, _DECIDE, _do_rollback))


def put_live(
    session: Session,
    model_id: str,
    purposes: Collection[str],
    by: Signer,
    now: datetime,
    *,
    because: str,
) -> None:
    """Retire what is live for the purposes, then make the model live: the index allows one a purpose."""
    live = session.scalars(
        select(PurposeStanding)
        .where(
            PurposeStanding.status == "live",
            PurposeStanding.purpose.in_(purposes),
            PurposeStanding.model_id != model_id,
        )
        .order_by(PurposeStanding.model_id, PurposeStanding.purpose)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    replaced: dict[str, list[str]] = {}
    for row in live:
        row.status, row.since_at = "retired", now
        replaced.setdefault(row.model_id, []).append(row.purpose)
    session.flush()
    for purpose in purposes:
        _set(session, model_id, purpose, "live", now)
    session.flush()
    for other, theirs in replaced.items():
        record_step(session, other, theirs, "replaced", "retired", signed=by, reason=because, now=now)


def _set(session: Session, model_id: str, purpose: str, status: str, now: datetime) -> None:
    row = session.get_one(PurposeStanding, (model_id, purpose))
    row.status, row.since_at = status, now


def record_step(
    session: Session,
    model_id: str,
    purposes: Collection[str],
    action: str,
    status: str,
    *,
    signed: Signer,
    reason: str,
    now: datetime,
    proposed_by: UUID | None = None,
    detail: Mapping[str, object] | None = None,
    confirm_until: datetime | None = None,
) -> ModelStep:
    """Add a step to a model's history, and the evidence of it; see `ModelStep` for the members."""
    step = ModelStep(
        model_id=model_id, purposes=sorted(purposes), action=action, status=status, proposed_by=proposed_by,
        signed_by=signed.account_id, signer=signed.login, at=now, reason=reason, detail=dict(detail or {}),
        confirm_until=confirm_until,
    )  # fmt: skip
    session.add(step)
    session.flush()
    _note(
        session, action, signed, signed.acting_as("risk", "operator", "model_owner"), now, model=model_id,
        purposes=sorted(purposes), status=status, reason=reason, step=step.wire_id, emergency=confirm_until is not None,
        **(detail or {}),
    )  # fmt: skip
    return step


def _note(session: Session, action: str, by: Signer, role: str, now: datetime, **detail: object) -> None:
    audit.record(
        session, action=f"model.{action}", result="done", actor=by.name, now=now,
        detail={**detail, "role": role, "proof": by.proof},
    )  # fmt: skip
