"""`creditlink staff …`: who works for the platform, with which roles; what waits for a second person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.cli.acting import actor_for, key_path, keys_folder, named, person_for
from creditlink.cli.inputs import FILE
from creditlink.cli.output import iso, print_json
from creditlink.custody import rotation as _rotation  # noqa: F401 (its acts are approved here too)
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.processes.process import start
from creditlink.lifecycle import service as _lifecycle  # noqa: F401 (likewise)
from creditlink.messages import assigned
from creditlink.reviews import decide as _reviews  # noqa: F401 (likewise)
from creditlink.staff import acts, people, proof, roles
from creditlink.staff.actor import RoleMissing
from creditlink.staff.tables import StaffMember

_ROLES = click.option(
    "--role", "held", multiple=True, required=True, type=click.Choice(list(roles.ROLES)), help="Once for each role."
)
_REASON = click.option("--reason", required=True, help="Why; kept in the evidence.")


@click.group()
def staff() -> None:
    """Invite people, give them roles, end their access; approve what another person proposed.

    \b
    creditlink staff invite --login lin --name 林 --number 1024 --role risk
    creditlink staff suspend lin --reason "on leave" --as dan
    creditlink staff acts
    creditlink staff approve act_0f… --as wu

    The first operator of a platform is invited by whoever can open its database; everybody else by an operator.
    """


@contextmanager
def _transaction() -> Iterator[Session]:
    _, database = start("owner")
    try:
        with database.transaction("owner") as session:
            yield session
    except NotFound:
        raise click.ClickException("there is no such person or act") from None
    except (Conflict, InvalidRequest) as refused:
        raise click.ClickException(str(refused)) from None
    except RoleMissing as missing:
        raise click.ClickException(str(missing)) from None


@staff.command("list")
def list_staff() -> None:
    """List everybody: login, roles, status."""
    with _transaction() as session:
        rows = session.execute(select(StaffMember, Account).join(Account).order_by(Account.login)).all()
        print_json(
            [
                {
                    "login": account.login,
                    "name": account.display_name,
                    "staff_number": member.staff_number,
                    "roles": member.roles,
                    "status": member.status,
                    "since": member.changed_at,
                }
                for member, account in rows
            ],
            default=iso,
        )


@staff.command()
@click.option("--login", required=True)
@click.option("--name", required=True, help="Shown on the pages.")
@click.option("--number", required=True, help="The employer's number of the person, who has one account.")
@_ROLES
@named
def invite(login: str, name: str, number: str, held: tuple[str, ...], who: str | None) -> None:
    """Invite a person: prints the address, good once and for three days, where they set password and codes."""
    now = utc_now()
    settings, _ = start("owner")
    with _transaction() as session:
        nobody = session.scalar(select(StaffMember.account_id).limit(1)) is None
        by = None if nobody else person_for(session, who, "operator", now=now)
        _, secret = people.invite(
            session, login=login, display_name=name, staff_number=number, roles=held, by=by, now=now
        )
    print_json({"login": login.strip().lower(), "invitation": f"{settings.issuer}/portal/staff/invitation/{secret}"})


@staff.command("recover")
@click.argument("login")
@_REASON
@named
def recover_person(login: str, reason: str, who: str | None) -> None:
    """Invite a person anew who lost password or codes; keys, codes and sessions are void at once."""
    now = utc_now()
    settings, _ = start("owner")
    with _transaction() as session:
        secret = people.recover(
            session, login, by=person_for(session, who, "operator", now=now), reason=reason, now=now
        )
    print_json({"login": login.strip().lower(), "invitation": f"{settings.issuer}/portal/staff/invitation/{secret}"})


def _mover(name: str, to: str, says: str) -> None:
    @staff.command(name, help=says)
    @click.argument("login")
    @_REASON
    @named
    def move(login: str, reason: str, who: str | None) -> None:
        now = utc_now()
        with _transaction() as session:
            by = person_for(session, who, *(roles.ROLES if to == "locked" else ("operator",)), now=now)
            member = people.move(session, login, to, by=by, reason=reason, now=now)
            print_json({"login": login.strip().lower(), "status": member.status})


_mover("lock", "locked", "Lock an account at once, such as one's own when a device is lost; recovery opens it again.")
_mover("suspend", "suspended", "Suspend a person: keys and sessions end at once.")
_mover("resume", "active", "End a suspension; keys must be registered anew.")
_mover("end", "ended", "End a person's employment; there is no way back.")


@staff.command("roles")
@click.argument("login")
@_ROLES
@_REASON
@named
def change_roles(login: str, held: tuple[str, ...], reason: str, who: str | None) -> None:
    """Give a person other roles."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, "operator", now=now)
        member = people.set_roles(session, login, held, by=by, reason=reason, now=now)
        print_json({"login": login.strip().lower(), "roles": member.roles})


@staff.command("add-key")
@click.argument("login")
@click.option("--public", "public_file", type=FILE, required=True, help="Their public Ed25519 key, a JWK.")
@named
def add_key(login: str, public_file: Path, who: str | None) -> None:
    """Register a person's key, for machines without a browser; the person made it with creditlink staff new-key."""
    now = utc_now()
    try:
        jwk = json.loads(public_file.read_text(encoding="utf-8"))
    except ValueError:
        raise click.ClickException(f"{public_file.name}: not a JWK") from None
    with _transaction() as session:
        by = person_for(session, who, "operator", now=now)
        member = people.of_login(session, login)
        if member.account_id == by.account_id:
            raise click.ClickException("another operator registers your key")
        held = people.register_key(session, member.account_id, jwk, name="registered", by=by, now=now)
        print_json({"login": login.strip().lower(), "thumbprint": held.thumbprint})


@staff.command("new-key")
@click.argument("login")
def new_key(login: str) -> None:
    """Make a key of one's own on this machine, and print its public half for an operator to register."""
    folder = keys_folder()
    path = key_path(folder, login)
    if path.exists():
        raise click.ClickException(f"{path.name}: is there already")
    key = proof.new_key()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text(json.dumps(key.as_dict(private=True)), encoding="utf-8")
    print_json(key.as_dict(private=False))


@staff.command("address")
@click.argument("login")
@click.option("--channel", type=click.Choice(["email", "sms"]), default="email", show_default=True)
@click.option("--address", required=True, help="Where the person's notices, and links for a new password, are to go.")
@_REASON
@named
def propose_address(login: str, channel: str, address: str, reason: str, who: str | None) -> None:
    """Propose an address for a firm's person who has none; a second operator approves it: creditlink staff approve."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, "operator", now=now)
        act = assigned.propose_address(session, login, channel, address, by=by, reason=reason, now=now)
        print_json(acts.as_json(act), default=iso)


@staff.command("acts")
def list_acts() -> None:
    """List what waits for a second person."""
    with _transaction() as session:
        print_json([acts.as_json(act) for act in acts.waiting(session, utc_now())], default=iso)


@staff.command("approve")
@click.argument("act_id")
@named
def approve_act(act_id: str, who: str | None) -> None:
    """Approve what another person proposed; it is done at once."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, *roles.ROLES, now=now)
        act = acts.waiting_act(session, act_id, now)
        acts.approve(session, act, by=by, now=now)
        print_json(acts.as_json(act), default=iso)


@staff.command("decline")
@click.argument("act_id")
@named
def decline_act(act_id: str, who: str | None) -> None:
    """Decline what another person proposed, or take back one's own proposal."""
    now = utc_now()
    with _transaction() as session:
        by = person_for(session, who, *roles.ROLES, now=now)
        act = acts.waiting_act(session, act_id, now)
        acts.decline(session, act, by=by, now=now)
        print_json(acts.as_json(act), default=iso)


@staff.command("whoami")
@named
def whoami(who: str | None) -> None:
    """Show in whose name commands act here, and how that is proven."""
    with _transaction() as session:
        by = actor_for(session, who, *roles.ROLES, now=utc_now())
        print_json(None if by is None else {"login": by.login, "roles": sorted(by.roles), "proof": by.proof})
