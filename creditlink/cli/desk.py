"""`creditlink desk …`: an institution's desk of pages: opening it, and inviting its first people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.orm import Session

from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.inputs import refusing
from creditlink.cli.output import print_json
from creditlink.desk.people import people
from creditlink.desk.people.roles import ROLES
from creditlink.desk.wire.opening import open_desk
from creditlink.institutions import service
from creditlink.institutions.service import RegistrationRefused
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.processes.process import start


@click.group()
def desk() -> None:
    """Open an institution's desk, and invite the first of its people; they invite the others.

    \b
    creditlink desk open FSRCB
    creditlink desk invite FSRCB --login mei --name 梅 --role desk_admin
    """


@contextmanager
def _transaction() -> Iterator[Session]:
    _, database = start("owner")
    try:
        with refusing(RegistrationRefused), database.transaction("owner") as session:
            yield session
    except (Conflict, InvalidRequest) as refused:
        raise click.ClickException(str(refused)) from None


def _name(session: Session, who: str | None) -> str:
    return name_of(actor_for(session, who, "operator", now=utc_now()))


@desk.command("open")
@click.argument("code")
@named
def open_institution(code: str, who: str | None) -> None:
    """Register the two clients by which an institution's desk acts; their keys are sealed here."""
    settings, _ = start("owner")
    with _transaction() as session:
        made = open_desk(
            session,
            service.institution_of(session, code),
            issuer=settings.issuer,
            secret=settings.secret_key,
            actor=_name(session, who),
            now=utc_now(),
        )
        print_json({"institution": code, "clients": [one.client_id for one in made]})


@desk.command()
@click.argument("code")
@click.option("--login", required=True)
@click.option("--name", required=True, help="Shown on the pages.")
@click.option(
    "--role", "held", multiple=True, required=True, type=click.Choice(list(ROLES)), help="Once for each role."
)
@named
def invite(code: str, login: str, name: str, held: tuple[str, ...], who: str | None) -> None:
    """Invite a person: prints the address, good once and for three days, where they set password and codes."""
    settings, _ = start("owner")
    with _transaction() as session:
        secret = people.invite_first(
            session,
            service.institution_of(session, code),
            login=login,
            display_name=name,
            roles=held,
            actor=_name(session, who),
            now=utc_now(),
        )
    print_json({"login": login.strip().lower(), "invitation": f"{settings.issuer}/portal/desk/invitation/{secret}"})
