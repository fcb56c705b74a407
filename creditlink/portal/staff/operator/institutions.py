"""Institutions at the operator's desk, with their software and its keys: stopped, let on, and given new keys."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from creditlink.access import keys
from creditlink.engine.vocabulary import INSTITUTION_KINDS
from creditlink.institutions import service
from creditlink.institutions.service import KEYS_DUE, RegistrationRefused
from creditlink.institutions.tables import OWN_ID, Client, Institution
from creditlink.kit.errors import NotFound
from creditlink.kit.files.textfile import JsonInvalid, json_of
from creditlink.metering.contracts import MOST, Terms, TermsRefused, agree
from creditlink.metering.statement import used_of_contract
from creditlink.portal.person import stepup
from creditlink.portal.sheets.filling import export_of, of_query, status_of
from creditlink.portal.sheets.sheet import SheetColumn, SheetFilter, Value
from creditlink.portal.site import blueprint, lang, page, see_other
from creditlink.portal.staff.guard import AtDesk
from creditlink.portal.staff.operator.access import operating
from creditlink.portal.staff.operator.overview import KEYS_NOTICE

_LONGEST_KEYS = 32_768
_STANDINGS = {"suspend": "suspended", "resume": "active"}


@dataclass(frozen=True)
class ListedClient:
    """An institution's software as the desk shows it."""

    row: Client
    kids: list[str]
    due_at: datetime | None  # None: it publishes its keys and changes them there
    is_due: bool


@dataclass(frozen=True)
class ListedInstitution:
    """One line of the list."""

    row: Institution
    clients: int


@blueprint.get("/staff/operator/institutions")
@operating
def operator_institutions(session: Session, here: AtDesk, now: datetime) -> ResponseReturnValue:
    """Show institutions by code, with how many clients each has."""
    clients = select(func.count()).where(Client.institution_id == Institution.id).scalar_subquery()
    name = Institution.name_zh if lang() == "zh" else Institution.name_en
    found = of_query(
        session, select(Institution, clients).where(Institution.id != OWN_ID), _columns(), _filters(),
        make=lambda row: ListedInstitution(*row),
        by={
            "code": Institution.code, "name": name, "kind": Institution.kind, "state": Institution.status,
            "clients": clients, "since": Institution.created_at,
        },
        where={
            "q": _named, "state": lambda state: Institution.status == state,
            "keys": lambda _due: _has_keys_due(now),
        },
        then=Institution.id, label=gettext("Institutions"), first="code",
        empty=gettext("No institution is registered yet: creditlink institutions add."),
    )  # fmt: skip
    return export_of(found, name="institutions") or page(
        "staff/operator/institutions.html", status=status_of(found), found=found
    )


def _columns() -> Sequence[SheetColumn[ListedInstitution]]:
    states, kinds = _states(), _kinds()
    return (
        SheetColumn(
            "code", gettext("Code of the institution"), lambda one: one.row.code,
            link=lambda one: flask.url_for("portal.operator_institution", code=one.row.code),
        ),
        SheetColumn("name", gettext("Name"), lambda one: one.row.name_zh if lang() == "zh" else one.row.name_en),
        SheetColumn("kind", gettext("Kind"), lambda one: one.row.kind, text=lambda one: kinds[one.row.kind]),
        SheetColumn(
            "state", gettext("State"), lambda one: one.row.status, text=lambda one: states[one.row.status],
            tone=lambda one: "ok" if one.row.status == "active" else "bad",
        ),
        SheetColumn("clients", gettext("Clients"), lambda one: one.clients, "number"),
        SheetColumn("since", gettext("Connected since"), lambda one: one.row.created_at, "instant"),
    )  # fmt: skip


def _filters() -> Sequence[SheetFilter[ListedInstitution]]:
    return (
        SheetFilter("q", gettext("Code or name")),
        SheetFilter(
            "state",
            gettext("State"),
            "choice",
            [("active", gettext("In service")), ("suspended", gettext("Suspended"))],
        ),
        SheetFilter("keys", gettext("Keys"), "choice", [("due", gettext("due for a change"))]),
    )


def _named(given: Value) -> ColumnElement[bool]:
    text = str(given)
    return or_(
        Institution.code.icontains(text, autoescape=True),
        Institution.name_zh.icontains(text, autoescape=True),
        Institution.name_en.icontains(text, autoescape=True),
    )


def _has_keys_due(now: datetime) -> ColumnElement[bool]:
    return (
        select(Client.id)
        .where(
            Client.institution_id == Institution.id,
            Client.jwks.is_not(None),
            Client.status == "active",
            func.coalesce(Client.keys_changed_at, Client.created_at) < now - KEYS_DUE + KEYS_NOTICE,
        )
        .exists()
    )


@blueprint.get("/staff/operator/institutions/<code>")
@operating
def operator_institution(session: Session, here: AtDesk, now: datetime, code: str) -> ResponseReturnValue:
    """Show one institution with its software and keys."""
    return _show(session, here, now, _institution(session, code))


@blueprint.post("/staff/operator/institutions/<code>/<act>")
@operating
def turn_institution(session: Session, here: AtDesk, now: datetime, code: str, act: str) -> ResponseReturnValue:
    """Suspend an institution at once, or let it work again with a code: stopping takes none."""
    institution = _institution(session, code)
    if act not in _STANDINGS:
        raise NotFound
    lacking = None if act == "suspend" else stepup.missing(session, here.account, flask.request.form, now)
    if lacking is not None:
        return _show(session, here, now, institution, error=lacking.text, status=lacking.status)
    if institution.status != _STANDINGS[act]:
        service.set_institution_status(session, institution, _STANDINGS[act], actor=here.actor.name, now=now)
    return see_other(flask.url_for("portal.operator_institution", code=code))


@blueprint.post("/staff/operator/institutions/<code>/identity")
@operating
def identify_institution(session: Session, here: AtDesk, now: datetime, code: str) -> ResponseReturnValue:
    """Record the credit code and the licence that firms read of an institution before they agree."""
    institution, form = _institution(session, code), flask.request.form
    lacking = stepup.missing(session, here.account, form, now)
    if lacking is not None:
        return _show(session, here, now, institution, error=lacking.text, status=lacking.status)
    try:
        service.identify_institution(
            session, institution, uscc=form.get("uscc"), licence_no=form.get("licence_no"), actor=here.actor.name,
            now=now,
        )  # fmt: skip
    except RegistrationRefused as refused:
        error = gettext("This was not recorded: %(why)s", why=str(refused))
        return _show(session, here, now, institution, error=error, status=422)
    return see_other(flask.url_for("portal.operator_institution", code=code))


@blueprint.post("/staff/operator/institutions/<code>/contract")
@operating
def agree_with_institution(session: Session, here: AtDesk, now: datetime, code: str) -> ResponseReturnValue:
    """Set what is agreed with an institution: how much it may ask, and its share beside others."""
    institution, form = _institution(session, code), flask.request.form
    lacking = stepup.missing(session, here.account, form, now)
    if lacking is not None:
        return _show(session, here, now, institution, error=lacking.text, status=lacking.status)
    try:
        terms = Terms(**{name: _number(name, form.get(name, "")) for name in MOST})  # type: ignore[arg-type]  # by name
        terms = replace(terms, weight=_number("weight", form.get("weight", "")) or 1)
        agree(session, institution, terms, actor=here.actor.name, now=now)
    except TermsRefused as refused:
        error = gettext("This was not recorded: %(why)s", why=str(refused))
        return _show(session, here, now, institution, error=error, status=422)
    return see_other(flask.url_for("portal.operator_institution", code=code))


def _number(name: str, typed: str) -> int | None:
    """Return a whole number as typed; nothing typed is none."""
    plain = typed.strip().replace(",", "")
    if not plain:
        return None
    if not re.fullmatch("[0-9]{1,12}", plain):
        raise TermsRefused(f"{name} must be a whole number, got {typed[:20]!r}")
    return int(plain)


@blueprint.post("/staff/operator/clients/<client_id>/<act>")
@operating
def turn_client(session: Session, here: AtDesk, now: datetime, client_id: str, act: str) -> ResponseReturnValue:
    """Suspend a client at once; with a code let it work again, or give it the keys that its bank handed over."""
    try:
        client = service.client_of(session, client_id)
    except RegistrationRefused:
        raise NotFound from None
    institution = session.get_one(Institution, client.institution_id)
    if act not in (*_STANDINGS, "rotate"):
        raise NotFound
    lacking = None if act == "suspend" else stepup.missing(session, here.account, flask.request.form, now)
    if lacking is not None:
        return _show(session, here, now, institution, error=lacking.text, status=lacking.status)
    if act == "rotate":
        try:
            jwks = _public_keys(flask.request.form.get("jwks", ""))
            service.rotate_keys(session, client, jwks=jwks, actor=here.actor.name, now=now)
        except RegistrationRefused as refused:
            error = gettext("The keys were not taken: %(why)s", why=str(refused))
            return _show(session, here, now, institution, error=error, status=422)
    elif client.status != _STANDINGS[act]:
        service.set_client_status(session, client, _STANDINGS[act], actor=here.actor.name, now=now)
    return see_other(flask.url_for("portal.operator_institution", code=institution.code))


def _public_keys(text: str) -> Mapping[str, object]:
    """Return the JWK set that was pasted; one with a private key in it is refused and kept nowhere."""
    if len(text) > _LONGEST_KEYS:
        raise RegistrationRefused(gettext("a key set has at most %(n)d characters", n=_LONGEST_KEYS))
    try:
        jwks = json_of(text)
        keys.check_registration(jwks)
    except JsonInvalid:
        raise RegistrationRefused(gettext("this is not JSON")) from None
    except keys.JwtRefused as refused:
        raise RegistrationRefused(str(refused)) from None
    found: Mapping[str, object] = jwks
    return found


def _institution(session: Session, code: str) -> Institution:
    try:
        return service.institution_of(session, code)
    except RegistrationRefused:
        raise NotFound from None


def _show(
    session: Session, here: AtDesk, now: datetime, institution: Institution, *, error: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:  # fmt: skip
    clients = session.scalars(
        select(Client).where(Client.institution_id == institution.id).order_by(Client.created_at, Client.id)
    ).all()
    return page(
        "staff/operator/institution.html",
        status=status,
        institution=institution,
        typed={name: flask.request.form.get(name, getattr(institution, name) or "") for name in ("uscc", "licence_no")},
        kinds=_kinds(),
        used=used_of_contract(session, institution.id, now),
        clients=[_listed(client, now) for client in clients],
        ask_code=stepup.needs_code(here.account, now),
        error=error,
    )


def _listed(client: Client, now: datetime) -> ListedClient:
    members = client.jwks.get("keys") if client.jwks else None
    kids = [str(key.get("kid", "–")) for key in members if isinstance(key, dict)] if isinstance(members, list) else []
    due_at = None if client.jwks is None else service.keys_due_at(client)
    return ListedClient(client, kids, due_at, due_at is not None and due_at < now + KEYS_NOTICE)


def _states() -> dict[str, str]:
    return {"active": gettext("In service"), "suspended": gettext("Suspended")}


def _kinds() -> dict[str, str]:
    return {name: labels[lang() != "zh"] for name, labels in INSTITUTION_KINDS.items()}
