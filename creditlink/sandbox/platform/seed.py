"""Filling an empty platform for the sandbox: lenders, demo banks with keys, the city's firms, people to sign in."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import polars as pl
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from creditlink.access.scopes import SCOPES
from creditlink.consents.agreement.categories import GRANTABLE
from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.enterprises import accounts
from creditlink.enterprises.representation import appoint
from creditlink.enterprises.service import by_uscc
from creditlink.enterprises.tables import Account, Enterprise, Representation
from creditlink.institutions import service as institutions
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.files.parquetfile import table_of
from creditlink.kit.settings import Settings
from creditlink.messages.service import set_channel
from creditlink.notifications import endpoints
from creditlink.portal.developers.script import BY_USCC, FIRMS
from creditlink.products import service as products
from creditlink.products.files.seed import load_seed
from creditlink.sandbox.banks.bank import SigningKey, load_key, new_key, public_jwks
from creditlink.sandbox.city.write import FIRMS_SCHEMA
from creditlink.sandbox.platform.credentials import BankClient, FirmLogin, SandboxStaff
from creditlink.staff import people
from creditlink.staff.actor import StaffActor
from creditlink.staff.tables import StaffKey, StaffMember

PASSWORD = "sandbox-password-2026"  # noqa: S105 (of sandbox accounts only, printed on purpose)
DEMO_BANKS = {"CLB": "ES256", "QHB": "PS256", "LZB": "EdDSA", "LJB": "ES256"}
"""Institution -> the algorithm of its key. All of them lend where the firms of the demo are."""
BANK_SCOPES = sorted(set(SCOPES) - institutions.DESK_SCOPES)
"""Every scope but the one that is for a desk alone, where two people agree."""
KINDS_SHOWN = ("healthy", "growing", "seasonal", "distressed", "sole_trader", "shell", "manipulator", "thin", "dormant")


def seed_lenders(session: Session, settings: Settings, *, now: datetime) -> None:
    """Register the seed's institutions and publish its products; existing ones stay."""
    lenders, _ = load_seed(settings.config_dir / "products.toml")
    present = set(session.scalars(select(Institution.code)))
    for lender in lenders:
        if lender.code not in present:
            institutions.add_institution(
                session, code=lender.code, name_zh=lender.name_zh, name_en=lender.name_en, kind=lender.kind, now=now,
                uscc=lender.uscc, licence_no=lender.licence_no,
            )  # fmt: skip
    products.load_products(session, settings, now=now)


def seed_banks(
    session: Session, settings: Settings, folder: Path, ports: tuple[int, ...], *, now: datetime
) -> list[BankClient]:
    """Register one client for each demo bank, with a key kept under `folder` and its port as addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    clients = []
    for (code, algorithm), port in zip(DEMO_BANKS.items(), ports, strict=True):
        bank = session.scalars(select(Institution).where(Institution.code == code)).one()
        redirect_uri = f"http://127.0.0.1:{port}/callback"
        key_file = folder / f"{bank.code.lower()}.jwk"
        key = _load_or_create_key(key_file, algorithm)
        name = f"{bank.name_en} credit desk"
        client = session.scalar(select(Client).where(Client.institution_id == bank.id, Client.name == name))
        if client is None:
            client = institutions.register_client(
                session,
                institution=bank,
                name=name,
                jwks=public_jwks(key),
                redirect_uris=[redirect_uri],
                scopes=BANK_SCOPES,
                categories=sorted(GRANTABLE),
                now=now,
            )
        client.redirect_uris = [redirect_uri]
        client.jwks = public_jwks(key)
        client.scopes = BANK_SCOPES
        endpoints.set_address(
            session, client, f"http://127.0.0.1:{port}/webhooks", key=settings.secret_key, allow_loopback=True,
            actor="sandbox", now=now,
        )  # fmt: skip
        # A secret is shown once: the bank's process, which is new at each start, gets a new one.
        secret = endpoints.rotate_secret(
            session, client, key=settings.secret_key, actor="sandbox", now=now, overlap=False
        )
        clients.append(BankClient(bank.code, client.client_id, redirect_uri, port, str(key_file), secret))
    return clients


STAFF = {
    "dan": "operator",
    "eva": "operator",
    "ada": "model_owner",
    "ben": "risk",
    "cleo": "risk",
    "fan": "auditor",
}
"""The sandbox's staff: enough people for every step of a model's life, each with one role."""


def seed_staff(session: Session, settings: Settings, folder: Path, *, now: datetime) -> list[SandboxStaff]:
    """Let people work for the sandbox, each active, with a password, one-time codes, and a key kept under `folder`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    seeded = []
    for number, (login, role) in enumerate(STAFF.items(), start=1):
        account = accounts.by_login(session, login)
        if account is None:
            _, invitation = people.invite(
                session, login=login, display_name=login.title(), staff_number=f"S{number:03d}", roles=[role],
                by=_first(session), now=now,
            )  # fmt: skip
            secret = accounts.new_totp_secret()
            account = people.take_up(
                session, invitation, password=PASSWORD, totp_secret=secret, step=0, key=settings.secret_key, now=now
            )
        key_file = folder / f"{login}.jwk"
        key = _load_or_create_key(key_file, "EdDSA")
        known = session.scalar(select(func.count()).where(StaffKey.thumbprint == key.thumbprint()))
        if not known:
            people.register_key(session, account.id, key.as_dict(private=False), name="sandbox", by=None, now=now)
        codes = accounts.totp_secret(account, key=settings.secret_key) or ""
        seeded.append(SandboxStaff(login, PASSWORD, codes, [role], str(key_file)))
    return seeded


def _first(session: Session) -> StaffActor | None:
    """Return who invites in the sandbox: whoever was there first; nobody invites the first."""
    first = session.scalar(select(StaffMember).order_by(StaffMember.created_at, StaffMember.staff_number).limit(1))
    return None if first is None else people.actor_named(session, first, proof="sandbox")


def _load_or_create_key(path: Path, algorithm: str) -> SigningKey:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps(new_key(algorithm).as_dict(private=True)))
    return load_key(path.read_text())


def seed_city(session: Session, city: Path, *, per_kind: int, now: datetime) -> list[FirmLogin]:
    """Register every firm of a city, and a legal representative who signs in for a few of each kind."""
    firms = table_of(city / "firms", FIRMS_SCHEMA)
    registered = table_of(city / "registration", FRAME_SCHEMAS["registration"])
    _register(session, firms.join(registered, on="firm").rename({"name_zh": "name"}), now=now)
    kinds = table_of(city / "truth", {"firm": pl.Int32, "kind": pl.String}).unique("firm", keep="first")
    covered = _months_by_source(city)
    chosen = (
        firms.join(kinds, on="firm")
        .join(covered, on="firm", how="left")
        .with_columns(pl.col("sources").fill_null(0))
        .sort("sources", "firm", descending=[True, False])
        .group_by("kind", maintain_order=True)
        .head(per_kind)
    )
    order = {kind: place for place, kind in enumerate(KINDS_SHOWN)}
    rows = sorted(chosen.to_dicts(), key=lambda row: (order.get(row["kind"], len(order)), row["firm"]))
    counts: dict[str, int] = {}
    logins = []
    for row in rows:
        counts[row["kind"]] = counts.get(row["kind"], 0) + 1
        login = f"{row['kind'].replace('_', '-')}-{counts[row['kind']]}"
        person = row["legal_representative"]
        logins.append(_representative(session, login, person, row["uscc"], row["name_zh"], row["kind"], now=now))
    return logins


def seed_scripted_firms(session: Session, city: Path, *, now: datetime) -> list[FirmLogin]:
    """Register the scripted firms, whose records the city holds, and a legal representative of each."""
    firms = table_of(city / "firms", FIRMS_SCHEMA).filter(pl.col("uscc").is_in(list(BY_USCC)))
    registered = table_of(city / "registration", FRAME_SCHEMAS["registration"])
    _register(session, firms.join(registered, on="firm").rename({"name_zh": "name"}), now=now)
    return [_representative(session, firm.login, "陈伟明", firm.uscc, firm.name, "scripted", now=now) for firm in FIRMS]


def seed_real_firms(session: Session, firms: pl.DataFrame, *, now: datetime) -> list[FirmLogin]:
    """Register the firms of a folder of real invoices, and one agent who may act for all of them.

    `firms` has the columns of `registration` besides `firm`, and `uscc`, `name`.
    """
    _register(session, firms, now=now)
    login = "real-firms"
    account = accounts.by_login(session, login)
    if account is None:
        account = accounts.create_account(
            session, login=login, display_name="Agent of the real firms", password=PASSWORD, now=now
        )
        for uscc in firms["uscc"]:
            enterprise = by_uscc(session, uscc)
            if enterprise is not None:
                # The agent is the firm's legal representative here: nobody else could have appointed it.
                appoint(session, enterprise=enterprise, account=account, role="legal_representative", now=now)
    return [FirmLogin(login, PASSWORD, row["uscc"], row["name"], "real") for row in firms.to_dicts()]


def _register(session: Session, firms: pl.DataFrame, *, now: datetime) -> None:
    columns = (
        "uscc", "name", "name_en", "industry", "region", "entity_type", "status", "established_on",
        "registered_capital_fen", "paid_in_capital_fen", "linked_struck_off",
    )  # fmt: skip
    rows: list[dict[str, object]] = [
        {name: row.get(name) for name in columns}
        | {"id": uuid4(), "linked_struck_off": bool(row.get("linked_struck_off")), "created_at": now, "updated_at": now}
        for row in firms.to_dicts()
    ]
    for first in range(0, len(rows), 1000):
        session.execute(insert(Enterprise).on_conflict_do_nothing(), rows[first : first + 1000])


def _months_by_source(city: Path) -> pl.DataFrame:
    """Return how many of the three core sources know each firm."""
    frames = [
        table_of(city / name, {"firm": pl.Int32}).unique()
        for name in ("vat_declarations", "payroll_months", "meter_months")
    ]
    return pl.concat(frames).group_by("firm").agg(sources=pl.len())


def _representative(
    session: Session, login: str, person: str, uscc: str, name: str, kind: str, *, now: datetime
) -> FirmLogin:
    account = accounts.by_login(session, login)
    if account is None:
        account = accounts.create_account(session, login=login, display_name=person, password=PASSWORD, now=now)
        set_channel(session, account.id, "email", f"{login}@firm.example", language="zh", now=now)
    enterprise = by_uscc(session, uscc)
    if enterprise is not None and not _is_represented(session, account, enterprise):
        appoint(session, enterprise=enterprise, account=account, role="legal_representative", now=now)
    return FirmLogin(login, PASSWORD, uscc, name, kind)


def _is_represented(session: Session, account: Account, enterprise: Enterprise) -> bool:
    return bool(
        session.scalar(
            select(func.count()).where(
                Representation.enterprise_id == enterprise.id, Representation.account_id == account.id
            )
        )
    )
