"""The institution's software: its clients with their keys and webhooks, what waits for a colleague, what is used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk import acts
from creditlink.desk.pages.confirm import lacking
from creditlink.desk.pages.technical import changes
from creditlink.desk.pages.technical.changes import ProposalInvalid
from creditlink.desk.site import LenderHere, at_desk, blueprint, in_words, show
from creditlink.desk.wire.sending import DeskApi, api_of, items_of
from creditlink.desk.wire.software import ApiRefused
from creditlink.kit.errors import Conflict, NotFound
from creditlink.portal.person import stepup
from creditlink.portal.site import see_other

SCOPES = (
    "profile:create", "profile:read", "report:create", "report:read", "consent:read",
    "financing:read", "financing:write", "outcome:write",
    "product:read", "product:write", "product:check", "overlay:read", "overlay:write", "overlay:check",
    "correction:read", "correction:acknowledge", "notification:read", "notification:replay", "discovery:count",
    "objection:answer", "usage:read",
)  # fmt: skip
_DELIVERIES = "20"
Notice = Mapping[str, object]


@blueprint.get("/software")
@at_desk("desk_admin")
def software(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show the clients, what waits, and what is used."""
    return _overview(here, now)


@blueprint.post("/software")
@at_desk("desk_admin")
def propose_client(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Propose a client; a colleague approves."""
    form = flask.request.form
    try:
        subject: dict[str, object] = {
            "name": " ".join(form.get("name", "").split()),
            "redirect_uris": changes.lines_of(form.get("redirect_uris", "")),
            "scopes": [one for one in form.getlist("scope") if one in SCOPES],
            "jwks": changes.jwks_of(form.get("jwks", "")),
        }
        if not all(subject.values()):
            raise ProposalInvalid(gettext("Name, redirect addresses, scopes and keys are all needed."))
    except ProposalInvalid as wrong:
        return _overview(here, now, error=wrong.message, status=422)
    return _propose(here, now, changes.REGISTER, subject)


@blueprint.post("/software/acts/<act_id>")
@at_desk("desk_admin")
def decide_change(here: LenderHere, now: datetime, act_id: str) -> ResponseReturnValue:
    """Approve what a colleague proposed, with a code, and have the API do it; or end it without one."""
    form = flask.request.form
    if form.get("decision") != "approve":
        acts.dropped(here.actor, act_id, now)
        return see_other(flask.url_for("portal.bank.software"))
    missing = lacking(here, form, now)
    if missing is not None:
        return _overview(here, now, error=missing.text, status=missing.status)
    try:
        act = acts.taken(here.actor, act_id, "desk_admin", now)
        done = changes.carry_out(api_of(here.actor), act.kind, act.subject)
    except Conflict:
        error = gettext("You proposed it, or whoever did may no longer: a colleague approves.")
        return _overview(here, now, error=error, status=409)
    except ApiRefused as refused:
        return _overview(here, now, error=in_words(refused), status=422)
    return _overview(here, now, done={"kind": act.kind, "secret": done.get("secret"), "client": done.get("client_id")})


@blueprint.get("/software/<client_id>")
@at_desk("desk_admin")
def client(here: LenderHere, now: datetime, client_id: str) -> ResponseReturnValue:
    """Show one client with its webhooks."""
    return _client(here, now, client_id)


@blueprint.post("/software/<client_id>/<any(keys, webhook, resume):what>")
@at_desk("desk_admin")
def propose_change(here: LenderHere, now: datetime, client_id: str, what: str) -> ResponseReturnValue:
    """Propose other keys, a webhook address or an end of the suspension; a colleague approves."""
    form, found = flask.request.form, _of(api_of(here.actor), client_id)
    subject: dict[str, object] = {"client_id": found["client_id"]}
    try:
        if what == "keys":
            subject["jwks"] = changes.jwks_of(form.get("jwks", ""))
        if what == "webhook":
            subject["url"] = form.get("url", "").strip()[:2000]
            if not str(subject["url"]).startswith("http") or not str(subject["url"]).isprintable():
                raise ProposalInvalid(gettext("The address must be https://…"))
    except ProposalInvalid as wrong:
        return _client(here, now, client_id, error=wrong.message, status=422)
    kind = {"keys": changes.KEYS, "webhook": changes.WEBHOOK, "resume": changes.RESUME}[what]
    return _propose(here, now, kind, subject)


@blueprint.post("/software/<client_id>/<any(suspend, test, secret, stop):what>")
@at_desk("desk_admin")
def do_at_once(here: LenderHere, now: datetime, client_id: str, what: str) -> ResponseReturnValue:
    """Do what one person may: stop something, send a test event; or, with a code, get a new secret."""
    api = api_of(here.actor)
    path = f"/v1/clients/{_of(api, client_id)['client_id']}"
    if what == "secret":
        missing = lacking(here, flask.request.form, now)
        if missing is not None:
            return _client(here, now, client_id, error=missing.text, status=missing.status)
    try:
        if what == "suspend":
            api.own("POST", f"{path}/suspension")
        elif what == "stop":
            api.own("PUT", f"{path}/webhook", json={"url": None})
        else:
            done = api.own("POST", f"{path}/webhook/{what}")
            if what == "secret":
                return _client(here, now, client_id, secret=str(done["secret"]))
    except ApiRefused as refused:
        return _client(here, now, client_id, error=in_words(refused), status=422)
    return see_other(flask.url_for("portal.bank.client", client_id=client_id))


@blueprint.post("/software/<client_id>/deliveries/<delivery_id>")
@at_desk("desk_admin")
def replay_delivery(here: LenderHere, now: datetime, client_id: str, delivery_id: str) -> ResponseReturnValue:
    """Have a webhook sent again."""
    if not delivery_id.isascii() or not delivery_id.replace("_", "").isalnum():
        raise NotFound
    try:
        api_of(here.actor).own("POST", f"/v1/webhook-deliveries/{delivery_id}/replay")
    except ApiRefused as refused:
        return _client(here, now, client_id, error=in_words(refused), status=refused.status)
    return see_other(flask.url_for("portal.bank.client", client_id=client_id))


def _propose(here: LenderHere, now: datetime, kind: str, subject: Mapping[str, object]) -> ResponseReturnValue:
    try:
        acts.propose(here.actor, kind, subject, now)
    except Conflict:
        return _overview(here, now, error=gettext("A colleague proposed the same, and it waits."), status=409)
    return see_other(flask.url_for("portal.bank.software"))


def _of(api: DeskApi, client_id: str) -> Mapping[str, object]:
    """Return one of the institution's clients.

    Raises
    ------
    NotFound
        There is no such one.
    """
    for one in items_of(api.own("GET", "/v1/clients", noted=False)):
        if one["client_id"] == client_id:
            return one
    raise NotFound


def _overview(
    here: LenderHere, now: datetime, *, error: str | None = None, done: Notice | None = None, status: int = 200
) -> ResponseReturnValue:
    api = api_of(here.actor)
    usage = api.own("GET", "/v1/usage", noted=False)
    return show(
        "technical/software.html", status=status, institution=here.institution_name, error=error, done=done,
        clients=items_of(api.own("GET", "/v1/clients", noted=False)), usage=usage, contract=_quotas(usage["contract"]),
        waiting=acts.waiting(here.actor, *changes.KINDS), kinds=changes.kind_words(), scopes=SCOPES,
        me=here.account.id, ask_code=stepup.needs_code(here.account, now), given=flask.request.form,
    )  # fmt: skip


def _quotas(contract: Mapping[str, int | None]) -> list[tuple[str, int | None, int | None]]:
    """Return each quota of the contract: what it is called, what of it is used, and what is agreed."""
    return [
        (gettext("Calls today"), contract["calls_today"], contract["calls_a_day"]),
        (gettext("Calls this month"), contract["calls_this_month"], contract["calls_a_month"]),
        (gettext("New profiles this month"), contract["profiles_this_month"], contract["profiles_a_month"]),
    ]


def _client(
    here: LenderHere,
    now: datetime,
    client_id: str,
    *,
    error: str | None = None,
    secret: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    api = api_of(here.actor)
    found = _of(api, client_id)
    sent = items_of(api.own("GET", "/v1/webhook-deliveries", params={"limit": _DELIVERIES}, noted=False))
    return show(
        "technical/client.html", status=status, one=found, error=error, secret=secret,
        deliveries=[one for one in sent if one["client_id"] == cast(str, found["client_id"])],
        ask_code=stepup.needs_code(here.account, now),
    )  # fmt: skip
