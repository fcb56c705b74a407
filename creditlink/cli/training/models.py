"""`creditlink models …`: the register of models in the database; each step in the name of a member of staff."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.cli.acting import actor_for, name_of, named, person_for
from creditlink.cli.output import iso, print_json
from creditlink.cli.training.model_seed import seed
from creditlink.engine.scoring.model import ModelFolderError, load, sha256_of
from creditlink.engine.scoring.registry import RegistryError
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.processes.process import start
from creditlink.kit.settings import load_settings
from creditlink.lifecycle import history, service, steps
from creditlink.lifecycle.steps import ModelStepRefused, StepEvidence
from creditlink.lifecycle.tables import ModelStep, PurposeStanding, RegisteredModel
from creditlink.staff import acts
from creditlink.staff.actor import RoleMissing
from creditlink.staff.tables import StaffAct

REPORT = "validation.json"
"""The validation report of a model's folder."""

_reason = click.option("--reason", required=True, help="Why; kept with the step.")
_purposes = click.option("--purpose", "purposes", multiple=True, help="Only for this one; default: all of the model's.")
_status = click.argument("status", type=click.Choice(["validated", "approved", "shadow", "live"]))


@click.group()
def models() -> None:
    """Take models through their life; each step takes another person, and who proposes cannot sign.

    \b
    creditlink models register city-2026g --tier 1 --use "small firms" --limits "no groups" --reason "…" --as ada
    creditlink models propose city-2026g validated --reason "report of 25 November" --as ada
    creditlink models approve city-2026g validated --as ben
    creditlink models propose city-2026g approved --conditions "loans up to 5,000,000 yuan" --reason "…" --as ada
    creditlink models approve city-2026g approved --as cleo
    creditlink models rollback city-2026e --reason "drift" --as ben

    candidate → validated → approved → shadow → live → retired, for each purpose. Every process serves what is live
    within seconds. A rollback takes two people, or one with --emergency whom another confirms within a day.
    """


models.add_command(seed)


@contextmanager
def _transaction() -> Iterator[Session]:
    _, database = start("owner")
    try:
        with database.transaction("owner") as session:
            yield session
    except NotFound as missing:
        raise click.ClickException(missing.detail or "there is no such model, step or proposal") from None
    except (Conflict, InvalidRequest, ModelStepRefused, RoleMissing, RegistryError) as refused:
        raise click.ClickException(str(refused)) from None
    except (ModelFolderError, OSError) as error:
        raise click.ClickException(str(error)) from None


@models.command("list")
def list_models() -> None:
    """Show every model: purposes with their status, owner, tier, and what waits for a second person."""
    with _transaction() as session:
        waiting = [act for act in acts.waiting(session, utc_now()) if act.kind in (service.STEP, service.ROLLBACK)]
        rows = session.scalars(select(PurposeStanding).order_by(PurposeStanding.purpose)).all()
        print_json(
            [
                {
                    "model": one.model_id,
                    "owner": one.owner,
                    "tier": one.tier,
                    "purposes": {row.purpose: row.status for row in rows if row.model_id == one.model_id},
                    "waiting": [acts.as_json(act) for act in waiting if act.subject["model"] == one.model_id],
                }
                for one in session.scalars(select(RegisteredModel).order_by(RegisteredModel.model_id))
            ],
            default=iso,
        )


@models.command()
@click.argument("model_id")
def show(model_id: str) -> None:
    """Show a model: what it is for, what it must not be used for, its inputs, and every step with who signed it."""
    with _transaction() as session:
        standing = service.standing_of(session, model_id)
        model = session.get_one(RegisteredModel, model_id)
        print_json(
            {
                "model": model_id,
                "manifest_sha256": model.manifest_sha256,
                "owner": model.owner,
                "tier": model.tier,
                "intended_use": model.intended_use,
                "limits": model.limits,
                "inputs": model.inputs,
                "purposes": standing,
                "steps": [_step(one) for one in service.steps_of(session, model_id)],
            },
            default=iso,
        )


@models.command("import")
@named
def take_over(who: str | None) -> None:
    """Take over models/registry.json as history, once; a sandbox's database then serves the model of the settings."""
    settings, now = load_settings(), utc_now()
    with _transaction() as session:
        by = actor_for(session, who, "operator", "model_owner", now=now)
        added = history.take_over(
            session, settings.models_dir, history.read_entries(settings.models_dir), actor=name_of(by),
            serve=None if settings.is_production else settings.model, now=now,
        )  # fmt: skip
        print_json({"added": added})


@models.command()
@click.argument("model_id")
@click.option("--tier", type=click.Choice(steps.TIERS), required=True, help="1: decides about credit; 3: informs.")
@click.option("--use", "intended_use", required=True, help="What it is for.")
@click.option("--limits", required=True, help="What it must not be used for.")
@_reason
@named
def register(model_id: str, tier: str, intended_use: str, limits: str, reason: str, who: str | None) -> None:
    """Make a model folder a candidate, its files checked; whoever registers it owns it."""
    folder, now = _folder(model_id), utc_now()
    with _transaction() as session:
        model = load(folder)
        service.register(
            session, model_id=model_id, manifest_sha256=model.sha256,
            purposes=model.purposes, inputs=model.features, tier=tier, intended_use=intended_use, limits=limits,
            by=person_for(session, who, "model_owner", now=now), reason=reason, now=now,
        )  # fmt: skip
        print_json({"model": model_id, "status": "candidate"})


@models.command()
@click.argument("model_id")
@_status
@_purposes
@click.option("--conditions", help="Under which conditions it is approved.")
@_reason
@named
def propose(
    model_id: str, status: str, purposes: tuple[str, ...], conditions: str | None, reason: str, who: str | None
) -> None:
    """Propose a step; another person must approve it. For validated, the hash of the folder's report goes with it."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, *steps.PROPOSERS, now=now)
        report = sha256_of((_folder(model_id) / REPORT).read_bytes()) if status == "validated" else None
        subject = service.step_subject(session, model_id, status, purposes, StepEvidence(report, conditions))
        print_json(
            acts.as_json(acts.propose(session, service.STEP, subject, by=by, reason=reason, now=now)), default=iso
        )


@models.command()
@click.argument("model_id")
@_status
@named
def approve(model_id: str, status: str, who: str | None) -> None:
    """Sign the step that another person proposed. A new live model retires the one of the same purpose."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, *steps.SIGNERS[status], now=now)
        act = _waiting(session, model_id, service.STEP, status)
        stated = act.subject.get("report_sha256")
        if stated is not None and stated != sha256_of((_folder(model_id) / REPORT).read_bytes()):
            raise ModelStepRefused(f"{model_id}/{REPORT} is not the report that was proposed", reason="report")
        acts.approve(session, act, by=by, now=now)
        print_json(acts.as_json(act), default=iso)


@models.command()
@click.argument("model_id")
@_reason
@named
def retire(model_id: str, reason: str, who: str | None) -> None:
    """Take a model out of use; one person is enough, and only a rollback leads back."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, "risk", "operator", now=now)
        service.retire(session, model_id, by=by, reason=reason, now=now)
        print_json({"model": model_id, "status": "retired"})


@models.command()
@click.argument("model_id")
@_purposes
@click.option("--emergency", is_flag=True, help="At once, alone; another person must confirm it within a day.")
@click.option("--reason", default="", help="Why; needed from the person who asks for it.")
@named
def rollback(model_id: str, purposes: tuple[str, ...], emergency: bool, reason: str, who: str | None) -> None:
    """Go back to a model that was live before: the first call proposes it, another person's does it."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, "risk", "operator", now=now)
        subject = {"model": model_id, "purposes": service.check_rollback(session, model_id, purposes)}
        act = acts.matching(session, service.ROLLBACK, subject, now)
        if act is not None:
            acts.approve(session, act, by=by, now=now)
            print_json(acts.as_json(act), default=iso)
        elif not reason.strip():
            raise ModelStepRefused(f"{model_id}: --reason is needed", reason="reason")
        elif emergency:
            print_json(
                _step(service.roll_back(session, model_id, purposes, by=by, reason=reason, now=now)), default=iso
            )
        else:
            act = acts.propose(session, service.ROLLBACK, subject, by=by, reason=reason, now=now)
            print_json(acts.as_json(act), default=iso)


@models.command()
@click.argument("step_id")
@named
def confirm(step_id: str, who: str | None) -> None:
    """Confirm a rollback that somebody else made in an emergency."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, "risk", "operator", now=now)
        print_json(_step(service.confirm(session, step_id, by=by, now=now)), default=iso)


def _folder(model_id: str) -> Path:
    if Path(model_id).name != model_id or model_id.startswith("."):
        raise click.ClickException(f"{model_id!r} is not the name of a folder under models/")
    return load_settings().models_dir / model_id


def _waiting(session: Session, model_id: str, kind: str, status: str) -> StaffAct:
    now = utc_now()
    for act in acts.waiting(session, now):
        if act.kind == kind and (act.subject["model"], act.subject.get("to")) == (model_id, status):
            return acts.waiting_act(session, act.wire_id, now)
    raise NotFound(f"{model_id}: nobody proposed {status}")


def _step(step: ModelStep) -> dict[str, object]:
    return {
        "step": step.wire_id, "at": step.at, "action": step.action, "status": step.status, "purposes": step.purposes,
        "signer": step.signer, "reason": step.reason, "detail": step.detail, "confirm_until": step.confirm_until,
        "confirmed_at": step.confirmed_at,
    }  # fmt: skip
