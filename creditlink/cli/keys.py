"""`creditlink keys …`: the server's keys, a new one, and everything sealed anew with it."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from creditlink.audit import service as audit
from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.output import iso, print_json
from creditlink.custody import resealing, rotation
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.keyring import keys_of, public_keys
from creditlink.kit.keyring.ring import CIPHERS, SIGNATURES, ServerKeys
from creditlink.kit.processes.process import start
from creditlink.staff import acts
from creditlink.staff.actor import RoleMissing


@click.group()
def keys() -> None:
    """Change the server's keys without breaking what older ones signed or sealed.

    \b
    creditlink keys rotate --as lin --reason "every year"
    creditlink staff approve act_0f… --as wu      (and restart every process before the key is used)
    creditlink keys reseal --as lin
    """


@keys.command("list")
def list_keys() -> None:
    """List the keys, oldest first: since when each is used, for what, and how much is still sealed by others."""
    settings, database = start("owner")
    ring = keys_of(settings.secret_key)
    current = ring.current()
    with database.transaction("owner") as session:
        waiting = {one.name: one.waiting for one in resealing.waiting(session, ring) if one.waiting}
    print_json(
        {
            "file": str(settings.keys_path) if settings.keys_path.exists() else None,
            "keys": [
                {
                    "id": key.id,
                    "in_force": key is current,
                    "made_at": key.made_at,
                    "signs_from": key.signs_from,
                    "signs": key.signs,
                    "seals": key.seals,
                    "kids": _kids(ServerKeys((key,))),
                }
                for key in ring.keys
            ],
            "sealed_by_others": waiting,
        },
        default=iso,
    )


@keys.command()
@click.option("--lead", type=click.IntRange(0, 24 * 90), show_default=True, default=rotation.LEAD_HOURS,
              help="Hours until it is used; within them every process must be started anew.")  # fmt: skip
@click.option("--signs", type=click.Choice(SIGNATURES), default="ES256", show_default=True, help="Signature.")
@click.option("--seals", type=click.Choice(CIPHERS[1:]), default=CIPHERS[1], show_default=True, help="Cipher.")
@click.option("--reason", required=True, help="Why; kept in the evidence.")
@named
def rotate(lead: int, signs: str, seals: str, reason: str, who: str | None) -> None:
    """Propose a new key; a second operator approves it. In a sandbox, without a name, it is made at once."""
    settings, database = start("owner")
    now = utc_now()
    subject = rotation.wanted(lead_hours=lead, signs=signs, seals=seals)
    try:
        with database.transaction("owner") as session:
            by = actor_for(session, who, "operator", now=now)
            if by is not None:
                act = rotation.propose_rotation(session, subject, by=by, reason=reason, now=now)
                print_json(acts.as_json(act), default=iso)
                return
            made = rotation.rotate(session, settings, subject, actor=name_of(by), now=now, act=None)
    except (Conflict, InvalidRequest, RoleMissing) as refused:
        raise click.ClickException(str(refused)) from None
    print_json({"id": made.id, "signs_from": made.signs_from, "file": str(settings.keys_path)}, default=iso)


@keys.command()
@named
def reseal(who: str | None) -> None:
    """Seal anew what older keys have sealed; broken off, it goes on where it was. Serving goes on meanwhile."""
    settings, database = start("owner")
    ring = keys_of(settings.secret_key)
    with database.transaction("owner") as session:
        actor = name_of(actor_for(session, who, "operator", now=utc_now()))
        total = sum(one.waiting for one in resealing.waiting(session, ring))
    columns = (TextColumn("sealing anew"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("rows", total=total)
        tally = resealing.reseal(
            lambda: database.transaction("owner"), ring, step=lambda rows: progress.advance(task, rows)
        )
    told = {one.name: {"done": one.done, "unopened": one.unopened} for one in tally if one.done or one.unopened}
    with database.transaction("owner") as session:
        audit.record(
            session, action="keys.reseal", result="done", actor=actor, now=utc_now(),
            detail={"key": ring.current().id, "columns": told},
        )  # fmt: skip
    print_json({"key": ring.current().id, "columns": told})
    if any(one.unopened for one in tally):
        sys.exit(1)


def _kids(ring: ServerKeys) -> list[object]:
    entries = public_keys(ring)["keys"]
    return [entry["kid"] for entry in entries] if isinstance(entries, list) else []
