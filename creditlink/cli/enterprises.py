"""`creditlink enterprises …`: the operator's registry of firms and people. Every answer is JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.audit import service as audit
from creditlink.cli.acting import actor_for, name_of, named, named_as
from creditlink.cli.inputs import FILE, refusing
from creditlink.cli.output import print_json
from creditlink.consents.agreement.categories import CATEGORIES
from creditlink.consents.agreement.limits import fair_use_from
from creditlink.engine.vocabulary import ENTITY_TYPES, LIFE_CYCLE
from creditlink.enterprises import accounts, discoverability, representation, service
from creditlink.enterprises.registration_file import read_entries
from creditlink.enterprises.service import Registration
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.kit import uscc as uscc_rules
from creditlink.kit.clock import start_of_day, utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, Problem
from creditlink.kit.files.csvfile import HeaderInvalid, WrongRow
from creditlink.kit.files.textfile import read_file
from creditlink.kit.processes.process import start


@contextmanager
def _transaction() -> Iterator[Session]:
    """Open the operator's transaction; a refusal ends the command with one line and undoes everything."""
    _, database = start("owner")
    with refusing(Problem), database.transaction("owner") as session:
        yield session


def _name(session: Session, who: str | None) -> str:
    return name_of(actor_for(session, who, "operator", now=utc_now()))


def _note(session: Session, action: str, actor: str, **detail: object) -> None:
    audit.record(session, action=action, result="done", actor=actor, now=utc_now(), detail=detail)


@click.group()
def enterprises() -> None:
    """Register firms, check USCCs, appoint who may act."""


@enterprises.command("add")
@click.option("--uscc", required=True, help="Unified social credit code, 18 characters.")
@click.option("--name", required=True)
@click.option("--name-en")
@click.option("--industry", required=True, help="GB/T 4754 section letter and division, e.g. C33.")
@click.option("--region", required=True, help="GB/T 2260, 6 digits.")
@click.option("--entity-type", type=click.Choice(ENTITY_TYPES), default="company", show_default=True)
@click.option("--established-on", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--registered-capital-fen", type=click.IntRange(0))
@click.option("--paid-in-capital-fen", type=click.IntRange(0))
@click.option("--exception", "uscc_exception", help="Evidence that a code with a wrong check character is real.")
@named
def add(established_on: datetime | None, who: str | None, **values: Any) -> None:
    """Register one firm; possible duplicates are reported."""
    founded = established_on.date() if established_on else None
    with _transaction() as session:
        actor = _name(session, who)
        enterprise = service.register(session, Registration(established_on=founded, **values), now=utc_now())
        _note(session, "enterprise.add", actor, enterprise=str(enterprise.id))
        print_json(
            _enterprise_json(enterprise)
            | {"near_duplicates": [asdict(n) for n in service.near_duplicates(session, enterprise)]}
        )


@enterprises.command("import")
@click.argument("file", type=FILE)
@named
def import_enterprises(file: Path, who: str | None) -> None:
    """Register the firms of a CSV FILE; rows that cannot be taken are reported by line, field and value.

    The rest go in. Ends with status 1 when rows were refused.
    """
    taken, refused, near = 0, [], []
    try:
        entries = list(read_entries(read_file(file)))
    except HeaderInvalid as error:
        raise click.ClickException(f"{file.name}: {error}") from None
    with _transaction() as session:
        actor = _name(session, who)
        for entry in entries:
            if isinstance(entry, WrongRow):
                refused.append(_refused(entry.line, None, entry.field, entry.value, entry.problem))
                continue
            given = entry.registration
            try:
                with session.begin_nested():
                    enterprise = service.register(session, given, now=utc_now())
            except InvalidRequest as problem:
                for one in problem.errors:
                    field = one["pointer"].lstrip("/")
                    refused.append(_refused(entry.line, given.uscc, field, getattr(given, field), one["detail"]))
                continue
            except Conflict as problem:
                refused.append(_refused(entry.line, given.uscc, "uscc", given.uscc, str(problem)))
                continue
            taken += 1
            near += [{"uscc": enterprise.uscc, **asdict(n)} for n in service.near_duplicates(session, enterprise)]
        _note(session, "enterprise.import", actor, registered=taken, refused=len(refused))
    print_json({"registered": taken, "refused": refused, "near_duplicates": near})
    if refused:
        raise click.exceptions.Exit(1)


def _refused(line: int, uscc: str | None, field: str, value: object, reason: str) -> dict[str, object]:
    return {"line": line, "uscc": uscc, "field": field, "value": value, "reason": reason}


@enterprises.command("amend")
@click.option("--uscc", required=True)
@click.option("--from", "valid_from", type=click.DateTime(["%Y-%m-%d"]), help="The day it holds from; else today.")
@click.option("--status", type=click.Choice(LIFE_CYCLE))
@click.option("--entity-type", type=click.Choice(ENTITY_TYPES))
@click.option("--industry", help="GB/T 4754 section letter and division, such as C13.")
@click.option("--region", help="6 digits of GB/T 2260.")
@click.option("--registered-capital-fen", type=int)
@click.option("--paid-in-capital-fen", type=int)
@click.option("--linked-struck-off/--not-linked-struck-off", default=None)
@named
def amend(uscc: str, valid_from: datetime | None, who: str | None, **changes: object) -> None:
    """Change a firm's entries in the registry; a profile of an earlier day still reads what was known then."""
    with _transaction() as session:
        actor, enterprise = _name(session, who), _enterprise(session, uscc)
        given = {name: value for name, value in changes.items() if value is not None}
        service.amend(session, enterprise, given, valid_from=valid_from.date() if valid_from else None, now=utc_now())
        _note(session, "enterprise.amend", actor, enterprise=str(enterprise.id), fields=sorted(given))
        print_json(_enterprise_json(enterprise))


@enterprises.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def list_enterprises(limit: int) -> None:
    """List registered firms by code."""
    with _transaction() as session:
        print_json(
            [_enterprise_json(e) for e in session.scalars(select(Enterprise).order_by(Enterprise.uscc).limit(limit))]
        )


@enterprises.command("check-uscc")
@click.argument("codes", nargs=-1, required=True)
def check_uscc(codes: tuple[str, ...]) -> None:
    """Check codes as typed (GB 32100-2015); no database is needed. Ends with 1 if one is not well-formed."""
    checks = [uscc_rules.check(code) for code in codes]
    print_json([asdict(check) for check in checks])
    if not all(check.well_formed for check in checks):
        raise SystemExit(1)


@enterprises.command("discoverable")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Write them here; else they are printed.")
def discoverable(to: Path | None) -> None:
    """Write the USCCs, one a line, of the firms that agreed to be counted for banks.

    \b
    creditlink enterprises discoverable --to var/discoverable.txt
    creditlink screen city var/city --as-of 2026-11-20 --out var/screening --discoverable var/discoverable.txt
    """
    with _transaction() as session:
        lines = "".join(f"{code}\n" for code in discoverability.discoverable_usccs(session))
    if to is None:
        click.echo(lines, nl=False)
    else:
        to.write_text(lines)
        click.echo(f"{lines.count(chr(10)):,} firms written to {to}", err=True)


@enterprises.command("duplicates")
def duplicates() -> None:
    """Report firms that may be the same one: one character off, or the same name."""
    with _transaction() as session:
        pairs = {}
        for firm in session.scalars(select(Enterprise).order_by(Enterprise.uscc)):
            for near in service.near_duplicates(session, firm):
                pair = tuple(sorted((firm.uscc, near.uscc)))
                pairs[pair] = {"usccs": pair, "names": sorted({firm.name, near.name}), "why": near.why}
        print_json(list(pairs.values()))


@enterprises.command("add-account")
@click.option("--login", required=True)
@click.option("--name", required=True, help="Shown on the pages.")
@click.password_option(help="At least 12 characters; asked for when not given.")
@named
def add_account(login: str, name: str, password: str, who: str | None) -> None:
    """Add a person's sign-in; it acts for no firm yet. Staff is invited: creditlink staff invite."""
    with _transaction() as session:
        actor = _name(session, who)
        account = accounts.create_account(session, login=login, display_name=name, password=password, now=utc_now())
        session.flush()
        _note(session, "account.add", actor, account=str(account.id))
        print_json({"login": account.login, "role": account.role})


@enterprises.command("appoint")
@click.option("--login", required=True)
@click.option("--uscc", required=True)
@click.option("--role", type=click.Choice(["legal_representative", "agent"]), required=True)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="First day on which it no longer holds.")
@click.option(
    "--category",
    "categories",
    multiple=True,
    type=click.Choice(list(CATEGORIES)),
    help="An agent may grant only these.",
)
@click.option("--purpose", "purposes", multiple=True, help="An agent may decide only for these; all when absent.")
@click.option("--longest-days", type=click.IntRange(1, 3660), help="An agent may grant a consent no longer than this.")
@click.option(
    *("--largest-loan-fen", "largest_loan_fen"),
    type=click.IntRange(1, representation.LARGEST_LOAN_FEN),
    help="An agent may accept no offer of more than this.",
)
@click.option("--by", "appointed_by", help="Login of the legal representative who wants it; kept in the evidence.")
@click.option("--reason", default="registered", show_default=True, help="Kept in the firm's evidence.")
@named_as
def appoint(
    login: str,
    uscc: str,
    role: str,
    until: datetime | None,
    categories: tuple[str, ...],
    purposes: tuple[str, ...],
    longest_days: int | None,
    largest_loan_fen: int | None,
    appointed_by: str | None,
    reason: str,
    who: str | None,
) -> None:
    """Let a person act for a firm. A new legal representative takes the place of the former one."""
    settings, _ = start("owner")
    known = settings.parsed("purposes.toml", fair_use_from).templates
    for purpose in purposes:
        if purpose not in known:
            raise click.BadParameter(f"{purpose!r} is none of {', '.join(known)}", param_hint="--purpose")
    bounds = {
        "categories": list(categories),
        "purposes": list(purposes),
        "longest_days": longest_days,
        "largest_loan_fen": largest_loan_fen,
    }
    limits = {name: bound for name, bound in bounds.items() if bound}
    try:
        ends = start_of_day(until.date()) if until else None
    except OverflowError:
        raise click.BadParameter(f"{until:%Y-%m-%d} is no day that can be kept", param_hint="--until") from None
    with _transaction() as session:
        actor = _name(session, who)
        account, enterprise = _account(session, login), _enterprise(session, uscc)
        right = representation.appoint(
            session,
            actor=actor,
            enterprise=enterprise,
            account=account,
            role=role,
            limits=limits or None,
            valid_until=ends,
            appointed_by=_legal_representative(session, appointed_by, enterprise) if appointed_by else None,
            reason=reason,
            now=utc_now(),
        )
        print_json(_right_json(enterprise, right, account))


@enterprises.command("dismiss")
@click.option("--login", required=True)
@click.option("--uscc", required=True)
@click.option("--by", "ended_by", help="Login of the legal representative who wants it; kept in the evidence.")
@click.option("--reason", default="dismissed", show_default=True, help="Kept in the firm's evidence.")
@named_as
def dismiss(login: str, uscc: str, ended_by: str | None, reason: str, who: str | None) -> None:
    """End what a person may do for a firm; the consents they gave stay alive."""
    with _transaction() as session:
        actor, enterprise, now = _name(session, who), _enterprise(session, uscc), utc_now()
        right = service.may_act(session, _account(session, login), enterprise, now)
        if right is None:
            raise click.ClickException(f"{login} does not act for {uscc}")
        wanted_by = _legal_representative(session, ended_by, enterprise) if ended_by else None
        representation.end_representation(session, right, actor=actor, wanted_by=wanted_by, reason=reason, now=now)
        print_json({"login": login, "uscc": enterprise.uscc, "ended": right.role, "reason": reason})


@enterprises.command("representatives")
@click.option("--uscc", required=True)
def representatives(uscc: str) -> None:
    """List who may act for a firm now, within which limits, and whether two must sign."""
    with _transaction() as session:
        enterprise = _enterprise(session, uscc)
        people = representation.representatives_of(session, enterprise, utc_now())
        print_json(
            {
                "uscc": enterprise.uscc,
                "two_signatures": enterprise.two_signatures,
                "representatives": [_right_json(enterprise, right, account) for right, account in people],
            }
        )


@enterprises.command("two-signatures")
@click.argument("wanted", type=click.Choice(["on", "off"]))
@click.option("--uscc", required=True)
@click.option("--reason", required=True, help="Kept in the firm's evidence.")
@named
def two_signatures(wanted: str, uscc: str, reason: str, who: str | None) -> None:
    """Say whether two people must sign for a firm before a consent opens anything."""
    with _transaction() as session:
        actor, enterprise, now = _name(session, who), _enterprise(session, uscc), utc_now()
        representation.want_two_signatures(session, enterprise, wanted == "on", actor=actor, reason=reason, now=now)
        print_json({"uscc": enterprise.uscc, "two_signatures": enterprise.two_signatures})


def _right_json(enterprise: Enterprise, right: Representation, account: Account) -> dict[str, object]:
    return {
        "login": account.login,
        "uscc": enterprise.uscc,
        "role": right.role,
        "limits": right.limits,
        "valid_until": right.valid_until,
    }


def _legal_representative(session: Session, login: str, enterprise: Enterprise) -> Account:
    account = _account(session, login)
    right = service.may_act(session, account, enterprise, utc_now())
    if right is None or right.role != "legal_representative":
        raise click.ClickException(f"{login} is not the legal representative of {enterprise.uscc}")
    return account


def _account(session: Session, login: str) -> Account:
    account = accounts.by_login(session, login)
    if account is None:
        raise click.ClickException(f"no account {login!r}")
    return account


def _enterprise(session: Session, uscc: str) -> Enterprise:
    enterprise = service.by_uscc(session, uscc_rules.check(uscc).uscc)
    if enterprise is None:
        raise click.ClickException(f"no enterprise {uscc!r}")
    return enterprise


def _enterprise_json(enterprise: Enterprise) -> dict[str, object]:
    return {
        "uscc": enterprise.uscc,
        "name": enterprise.name,
        "industry": enterprise.industry,
        "region": enterprise.region,
        "entity_type": enterprise.entity_type,
        "status": enterprise.status,
        "uscc_exception": enterprise.uscc_exception,
    }
