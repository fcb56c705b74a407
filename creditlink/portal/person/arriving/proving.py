"""Proving to be the legal representative: the way to a provider and back, and what the proof does then.

It registers a firm with a new sign-in or with the one that is signed in, or lets a person back whose phone is lost:
with their password and a new phone, never with the proof alone.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

import flask
import structlog
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.access import replay
from creditlink.enterprises import accounts
from creditlink.enterprises.identity import joining, links, recovery
from creditlink.enterprises.identity.providers import (
    BegunProof,
    IdentityProvider,
    IdentityProviders,
    IdentityRefused,
    ProvenIdentity,
    ProviderAway,
)
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files import qr
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.messages.service import tell
from creditlink.portal.person import devices, sessions, stepup, throttle
from creditlink.portal.person.arriving.invitations import account_in_words, signed_in_account
from creditlink.portal.person.noting import note
from creditlink.portal.site import blueprint, browser, lang, page, see_other, settings
from creditlink.staff import authenticators

log = structlog.get_logger()

GOOD_FOR = timedelta(minutes=15)
"""How long the way to the provider may take, and how long its answer is good for afterwards."""

_BEGUN, _PROVEN, _PHONE = "proof_begun", "proof_given", "proof_totp"
PER_ADDRESS = 30


@blueprint.get("/join")
def join() -> ResponseReturnValue:
    """Show by whom a legal representative can prove to be one."""
    return page("person/join.html", providers=offered())


@blueprint.get("/prove/<provider>/<any(join, recover):purpose>")
def prove(provider: str, purpose: str) -> ResponseReturnValue:
    """Send the browser to a provider."""
    chosen, now = _provider(provider), utc_now()
    with db.transaction() as session:
        if throttle.count(session, [(f"prove:{flask.request.remote_addr}", PER_ADDRESS)], now) is not None:
            raise Conflict(gettext("Too many tries. Wait a while and try again."))
    try:
        begun = chosen.begin(_back(provider))
    except ProviderAway as away:
        return _is_away(provider, away)
    browser()[_BEGUN] = [provider, purpose, begun.state, begun.nonce, begun.verifier, int(now.timestamp())]
    browser().pop(_PROVEN, None)
    return see_other(begun.address)


@blueprint.get("/proved/<provider>")
def proved(provider: str) -> ResponseReturnValue:
    """Take a provider's answer: from the browser that was sent there, by the provider that was asked, once."""
    chosen, now = _provider(provider), utc_now()
    held = browser().pop(_BEGUN, None)
    is_fresh = held is not None and now.timestamp() - held[5] <= GOOD_FOR.total_seconds()
    if held is None or not is_fresh or held[0] != provider:
        return _refused("no proof was begun here with this provider")
    begun = BegunProof("", held[2], held[3], held[4])
    with db.transaction() as session:
        until = now + GOOD_FOR
        if not replay.first_use(session, "assertion", f"identity:{provider}", begun.state, expires_at=until):
            return _refused("the answer was used before")
    try:
        proven = chosen.finish(begun, flask.request.args.to_dict(), _back(provider))
    except IdentityRefused as refused:
        return _refused(str(refused))
    except ProviderAway as away:
        return _is_away(provider, away)
    browser()[_PROVEN] = [asdict(proven), held[1], begun.state, int(now.timestamp())]
    return see_other(flask.url_for("portal.proven"))


@blueprint.get("/proven")
def proven() -> ResponseReturnValue:
    """Show what was proved, and what it can do now."""
    return _show(*_held(utc_now())[:2])


@blueprint.post("/proven")
def use_proof() -> ResponseReturnValue:
    """Do what the proof was asked for: each is good once."""
    now = utc_now()
    identity, purpose, state = _held(now)
    counters = throttle.keys_for(f"proven:{identity.subject}", flask.request.remote_addr or "")
    with db.transaction() as session:
        wait = throttle.admit(session, counters, now)
    error, status = gettext("Too many tries. Wait a while and try again."), 429
    if wait is None:
        try:
            with db.transaction() as session:
                used = replay.first_use(session, "assertion", "proof", state, expires_at=now + GOOD_FOR)
                if not used:
                    raise Conflict(gettext("This proof was used already."), reason="used")
                answer = _join(session, identity, now) if purpose == "join" else _recover(session, identity, now)
            browser().pop(_PROVEN, None)
            browser().pop(_PHONE, None)
            return answer
        except (InvalidRequest, Conflict) as wrong:
            error, status = _in_words(wrong), 422
    return _show(identity, purpose, error=error, status=status)


def offered() -> list[tuple[str, str]]:
    """Return the providers that are set up here: name, and label in the language of the page."""
    place = ("zh", "en").index(lang())
    return [(name, one.label[place]) for name, one in runtime.part(IdentityProviders).by_name.items()]


def _join(session: Session, identity: ProvenIdentity, now: datetime) -> ResponseReturnValue:
    form, key = flask.request.form, settings().secret_key
    account, is_new = signed_in_account(session), False
    if account is None:
        joining.firm_of(session, identity)  # before anything is made
        if joining.bound_to(session, identity, key=key) is not None:
            raise Conflict("bound", reason="bound")
        if form.get("new", "") != form.get("again", ""):
            raise InvalidRequest(errors=[{"pointer": "/again", "detail": "differs"}])
        account, is_new = accounts.add_person(
            session, login=form.get("login", ""), display_name=identity.name[: accounts.LONGEST_NAME],
            password=form.get("new", ""), now=now,
        ), True  # fmt: skip
    else:
        # Whoever binds an identity to an account can come back to it by that: a stolen session alone must not.
        lacking = stepup.missing(session, account, form, now)
        if lacking is not None:
            raise Conflict(lacking.text, reason="code")
    firm, former = joining.register(session, identity, account, key=key, now=now)
    note(session, account, "proved", now, provider=identity.provider)
    for account_id in former:
        about = f"succeeded {firm.id} {now.isoformat()}"
        tell(session, account_id, "access_changed", now, page=flask.url_for("portal.home"), about=about)
    if is_new:
        return devices.let_in(session, account, flask.url_for("portal.security"), strong_at=None, now=now)
    return see_other(flask.url_for("portal.representatives", enterprise=firm.id))


def _recover(session: Session, identity: ProvenIdentity, now: datetime) -> ResponseReturnValue:
    """Give a person a new phone: password, proof and a code of the new one. Whatever the lost one could do ends."""
    form, key = flask.request.form, settings().secret_key
    account = accounts.by_login(session, form.get("login", "")[:128])
    known = accounts.password_matches(account, form.get("password", ""))
    proves = account is not None and joining.proves_for(session, identity, account, key=key, now=now)
    if account is None or not known or not proves:
        raise Conflict("not theirs", reason="not_theirs")  # one answer for all three
    secret = str(browser().get(_PHONE, ""))
    step = accounts.code_step(secret, form.get("totp", ""), now) if secret else None
    if step is None:
        raise InvalidRequest(errors=[{"pointer": "/totp", "detail": "is wrong"}])
    account = links.locked(session, account.id)
    accounts.enroll_totp(account, secret, key=key)
    account.totp_last_step = step
    recovery.drop(session, account.id)
    authenticators.end_all(session, account.id, now)
    sessions.end_sessions(session, account.id)
    devices.end_others(session, account.id, now)
    note(session, account, "recovered_by_proof", now, provider=identity.provider)
    return devices.let_in(session, account, flask.url_for("portal.security"), strong_at=now, now=now)


def _provider(name: str) -> IdentityProvider:
    found = runtime.part(IdentityProviders).by_name.get(name)
    if found is None:
        raise NotFound
    return found


def _back(provider: str) -> str:
    return settings().issuer + flask.url_for("portal.proved", provider=provider)


def _held(now: datetime) -> tuple[ProvenIdentity, str, str]:
    held = browser().get(_PROVEN)
    if not held or now.timestamp() - held[3] > GOOD_FOR.total_seconds():
        raise NotFound
    return ProvenIdentity(**held[0]), held[1], held[2]


def _refused(reason: str) -> ResponseReturnValue:
    log.info("identity_refused", reason=reason)
    detail = gettext("The provider's answer was not accepted, or you cancelled it. Begin again.")
    return page("problem.html", status=403, title=gettext("This is not possible"), detail=detail)


def _is_away(provider: str, away: ProviderAway) -> ResponseReturnValue:
    log.warning("identity_provider_away", provider=provider, reason=str(away))
    detail = gettext("The provider cannot be reached right now. Try again later.")
    return page("problem.html", status=503, title=gettext("This is not possible"), detail=detail)


def _show(
    identity: ProvenIdentity, purpose: str, *, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    secret = picture = ""
    firm_name, bound, person = None, None, None
    with db.transaction() as session:
        try:
            firm_name = joining.firm_of(session, identity).name
        except Conflict as refused:
            error = error or _in_words(refused)
        bound = joining.bound_to(session, identity, key=settings().secret_key)
        account = signed_in_account(session)
        person = account.display_name if account is not None else None
        ask_code = account is not None and stepup.needs_code(account, utc_now())
    if purpose == "recover":
        secret = browser().get(_PHONE) or accounts.new_totp_secret()
        browser()[_PHONE] = secret
        picture = qr.picture_of(accounts.provisioning_uri(secret, identity.name))
    flask.g.person = person
    return page(
        "person/proven.html", status=status, identity=identity, purpose=purpose, error=error, firm_name=firm_name,
        is_bound=bound is not None and person is None, is_signed_in=person is not None, picture=picture,
        ask_code=ask_code,
        secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        kept=flask.request.form if error else {}, label=dict(offered()).get(identity.provider, identity.provider),
    )  # fmt: skip


def _in_words(wrong: InvalidRequest | Conflict) -> str:
    reasons = {
        "not_legal_representative": gettext("Only the legal representative registers a firm."),
        "unknown_firm": gettext("The register has no such firm, or it was struck off."),
        "bound": gettext("This identity has a sign-in already. Sign in with it."),
        "another_representative": gettext("The register names another legal representative."),
        "not_theirs": gettext("Login or password is wrong, or the proof is somebody else's."),
        "used": gettext("This proof was used already. Begin again."),
    }
    if any(error["pointer"] == "/totp" for error in wrong.errors):
        return str(gettext("The one-time code is wrong."))
    if wrong.extra.get("reason") == "code":
        return str(wrong.detail)
    known = reasons.get(str(wrong.extra.get("reason", "")))
    return str(known) if known else account_in_words(wrong)
