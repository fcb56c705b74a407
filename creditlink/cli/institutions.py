"""`creditlink institutions …` and `creditlink clients …`: the operator's onboarding. Every answer is JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import BinaryIO

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.access import keys
from creditlink.access.scopes import OPERATOR_SCOPES, SCOPES
from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.inputs import refusing
from creditlink.cli.output import print_json
from creditlink.consents.agreement.categories import CATEGORIES
from creditlink.engine.vocabulary import INSTITUTION_KINDS
from creditlink.institutions import service
from creditlink.institutions.service import RegistrationRefused
from creditlink.institutions.tables import OWN_ID, Client, Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.files.textfile import decode, json_of
from creditlink.kit.processes.process import start
from creditlink.kit.settings import load_settings
from creditlink.metering.contracts import USUAL, Terms, TermsRefused, agree
from creditlink.metering.statement import month_of, statement_of, used_of_contract
from creditlink.notifications import endpoints

_DEFAULT_SCOPES = ("profile:create", "profile:read", "consent:read")


@contextmanager
def _transaction() -> Iterator[Session]:
    """Open the operator's transaction; a refusal ends the command with one line and undoes everything."""
    _, database = start("owner")
    with refusing(RegistrationRefused), database.transaction("owner") as session:
        yield session


def _name(session: Session, who: str | None) -> str:
    return name_of(actor_for(session, who, "operator", now=utc_now()))


@click.group()
def institutions() -> None:
    """Add, list, suspend or resume institutions; what is agreed with them, and what they used."""


@institutions.command("add")
@click.option("--code", required=True, help="Short and stable, e.g. FSRCB.")
@click.option("--name-zh", required=True)
@click.option("--name-en", required=True)
@click.option("--kind", required=True, type=click.Choice(list(INSTITUTION_KINDS)))
@click.option("--uscc", help="Its own credit code, which firms read before they agree.")
@click.option("--licence-no", help="The number of the licence by which it may lend; firms read it too.")
@named
def add(
    code: str, name_zh: str, name_en: str, kind: str, uscc: str | None, licence_no: str | None, who: str | None
) -> None:
    """Add an institution."""
    with _transaction() as session:
        _name(session, who)
        institution = service.add_institution(
            session, code=code, name_zh=name_zh, name_en=name_en, kind=kind, now=utc_now(), uscc=uscc,
            licence_no=licence_no,
        )  # fmt: skip
        print_json(_institution_json(institution))


@institutions.command("identify")
@click.argument("code")
@click.option("--uscc", help="Its own credit code; left out or empty: not recorded.")
@click.option("--licence-no", help="The number of its licence; left out or empty: not recorded.")
@named
def identify(code: str, uscc: str | None, licence_no: str | None, who: str | None) -> None:
    """Record the credit code and the licence that firms read before they agree."""
    with _transaction() as session:
        institution = service.institution_of(session, code)
        service.identify_institution(
            session, institution, uscc=uscc, licence_no=licence_no, actor=_name(session, who), now=utc_now()
        )
        print_json(_institution_json(institution))


@institutions.command("list")
def list_institutions() -> None:
    """List all institutions."""
    with _transaction() as session:
        rows = select(Institution).where(Institution.id != OWN_ID).order_by(Institution.code)
        print_json([_institution_json(one) for one in session.scalars(rows)])


@institutions.command("suspend")
@click.argument("code")
@named
def suspend_institution(code: str, who: str | None) -> None:
    """Refuse an institution with all its clients, at once, in every process."""
    _set_institution(code, "suspended", who)


@institutions.command("resume")
@click.argument("code")
@named
def resume_institution(code: str, who: str | None) -> None:
    """Let an institution work again."""
    _set_institution(code, "active", who)


@institutions.command("contract")
@click.argument("code")
@click.option("--calls-a-minute", type=int, help="Beyond the platform's usual rate, or below it.")
@click.option("--calls-a-day", type=int)
@click.option("--calls-a-month", type=int)
@click.option("--profiles-a-month", type=int, help="New profiles; reading them again is not counted.")
@click.option("--weight", type=int, default=1, show_default=True, help="Its share of a busy server beside others.")
@click.option("--set", "is_set", is_flag=True, help="Set these terms, all of them; what is left out is not limited.")
@named
def contract(
    code: str,
    calls_a_minute: int | None,
    calls_a_day: int | None,
    calls_a_month: int | None,
    profiles_a_month: int | None,
    weight: int,
    is_set: bool,
    who: str | None,
) -> None:
    """Show what is agreed with an institution and what of it is used, or set it; processes know it within seconds."""
    given = Terms(calls_a_minute, calls_a_day, calls_a_month, profiles_a_month, weight)
    if given != USUAL and not is_set:
        raise click.UsageError("give --set with the terms: it replaces all of them")
    with _transaction() as session:
        institution = service.institution_of(session, code)
        if is_set:
            try:
                agree(session, institution, given, actor=_name(session, who), now=utc_now())
            except TermsRefused as refused:
                raise RegistrationRefused(str(refused)) from None
        used = asdict(used_of_contract(session, institution.id, utc_now()))
        print_json({"code": institution.code, **used.pop("terms"), **used})


@institutions.command("statement")
@click.argument("code")
@click.argument("month")
@click.option("--csv", "as_csv", is_flag=True, help="The lines as CSV.")
def statement(code: str, month: str, as_csv: bool) -> None:
    """Print what an institution used in a month, YYYY-MM: calls by client, day and scope, and new profiles."""
    try:
        first = month_of(month)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    with _transaction() as session:
        found = statement_of(session, service.institution_of(session, code).id, first, utc_now())
    if as_csv:
        click.echo(found.as_csv(), nl=False)
    else:
        print_json(found.as_json())


def _set_institution(code: str, status: str, who: str | None) -> None:
    with _transaction() as session:
        institution = service.institution_of(session, code)
        service.set_institution_status(session, institution, status, actor=_name(session, who), now=utc_now())
        print_json(_institution_json(institution))


@click.group()
def clients() -> None:
    """Register, rotate, suspend or resume OAuth clients."""


@clients.command("register")
@click.option("--institution", "code", required=True, help="The institution's code.")
@click.option("--name", required=True, help="What the firm reads: the software that asks.")
@click.option("--jwks", "jwks_file", type=click.File("rb"), help="File with the public keys (a JWK Set).")
@click.option("--jwks-uri", help="Where the client publishes its keys (https).")
@click.option("--redirect-uri", "redirect_uris", multiple=True, required=True, help="Exact address; repeatable.")
@click.option("--scope", "scopes", multiple=True, default=_DEFAULT_SCOPES, show_default=True, help="Repeatable.")
@click.option("--categories", "categories", multiple=True, help="Data it may ask for; repeatable. Default: all.")
@click.option("--webhook-url", help="Where webhooks go (https); prints their secret, once.")
@named
def register(
    code: str,
    name: str,
    jwks_file: BinaryIO | None,
    jwks_uri: str | None,
    redirect_uris: tuple[str, ...],
    scopes: tuple[str, ...],
    categories: tuple[str, ...],
    webhook_url: str | None,
    who: str | None,
) -> None:
    """Register a client and print it with its client_id. Values may also be joined by spaces or commas."""
    settings, now = load_settings(), utc_now()
    with _transaction() as session:
        institution = service.institution_of(session, code)
        kept_back = sorted(OPERATOR_SCOPES & set(_names("scope", scopes, SCOPES)))
        if kept_back and institution.kind != "operator":
            raise click.ClickException(f"scope {kept_back[0]!r}: only for an operator, {code} is a {institution.kind}")
        actor = _name(session, who)
        client = service.register_client(
            session,
            institution=institution,
            name=name,
            redirect_uris=redirect_uris,
            scopes=_names("scope", scopes, SCOPES),
            categories=_names("category", categories, CATEGORIES) or list(CATEGORIES),
            jwks=_public_keys(jwks_file),
            jwks_uri=jwks_uri,
            actor=actor,
            now=now,
        )
        secret = {}
        if webhook_url is not None:
            secret["webhook_secret"] = endpoints.set_address(
                session,
                client,
                webhook_url,
                key=settings.secret_key,
                allow_loopback=not settings.is_production,
                actor=actor,
                now=now,
            )
        print_json(service.as_json(client, institution) | secret)


@clients.command("rotate-keys")
@click.argument("client_id")
@click.option("--jwks", "jwks_file", type=click.File("rb"), help="File with the new public keys.")
@click.option("--jwks-uri", help="Where the client publishes its keys (https).")
@named
def rotate_keys(client_id: str, jwks_file: BinaryIO | None, jwks_uri: str | None, who: str | None) -> None:
    """Replace a client's keys."""
    with _transaction() as session:
        client = service.client_of(session, client_id)
        service.rotate_keys(
            session, client, jwks=_public_keys(jwks_file), jwks_uri=jwks_uri, actor=_name(session, who), now=utc_now()
        )
        print_json(service.as_json(client, session.get_one(Institution, client.institution_id)))


@clients.command("suspend")
@click.argument("client_id")
@named
def suspend_client(client_id: str, who: str | None) -> None:
    """Refuse a client, at once, in every process."""
    _set_client(client_id, "suspended", who)


@clients.command("resume")
@click.argument("client_id")
@named
def resume_client(client_id: str, who: str | None) -> None:
    """Let a client work again."""
    _set_client(client_id, "active", who)


@clients.command("list")
@click.option("--institution", "code", help="Only of this institution.")
def list_clients(code: str | None) -> None:
    """List clients."""
    with _transaction() as session:
        query = select(Client, Institution).join(Institution, Institution.id == Client.institution_id)
        if code is not None:
            query = query.where(Institution.id == service.institution_of(session, code).id)
        rows = session.execute(query.order_by(Institution.code, Client.created_at))
        print_json([service.as_json(client, institution) for client, institution in rows])


def _set_client(client_id: str, status: str, who: str | None) -> None:
    with _transaction() as session:
        client = service.client_of(session, client_id)
        service.set_client_status(session, client, status, actor=_name(session, who), now=utc_now())
        print_json(service.as_json(client, session.get_one(Institution, client.institution_id)))


def _institution_json(institution: Institution) -> dict[str, object]:
    return {
        "code": institution.code,
        "name_zh": institution.name_zh,
        "name_en": institution.name_en,
        "kind": institution.kind,
        "uscc": institution.uscc,
        "licence_no": institution.licence_no,
        "status": institution.status,
        "created_at": institution.created_at.isoformat(),
    }


def _public_keys(file: BinaryIO | None) -> dict[str, object] | None:
    """Return the JWK Set in `file`, as published: keys that are none of ours stay in it and are passed over."""
    if file is None:
        return None
    try:
        jwks = json_of(decode(file.read()).whole())
        keys.check_registration(jwks)
    except ValueError:
        raise RegistrationRefused(f"jwks: {file.name} is not JSON") from None
    except keys.JwtRefused as refused:
        raise RegistrationRefused(f"jwks: {refused}") from None
    key_set: dict[str, object] = jwks
    return key_set


def _names(field: str, given: tuple[str, ...], known: Collection[str]) -> list[str]:
    names = [name for value in given for name in value.replace(",", " ").split()]
    for name in names:
        if name not in known:
            raise RegistrationRefused(f"{field} {name!r} must be one of {', '.join(known)}")
    return names
