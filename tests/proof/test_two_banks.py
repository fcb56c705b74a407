"""Two banks that both read one firm, and lay everything that they were ever told side by side.

What they may have in common is the firm's data itself. No identifier, hash or instant to the microsecond may be in
both: it would be the key to join their files on (issue 3: the firm id that a bank sees is pairwise). The code that the
register publishes is data, and is told where the register's entry is what was asked for; it stands nowhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from creditlink.access.scopes import SCOPES
from creditlink.consents.agreement.limits import FairUse
from creditlink.decisions.tables import PolicyBundle
from creditlink.engine.profile.live_model import LiveModel
from creditlink.financing import configuration
from creditlink.financing.requests import requests
from creditlink.financing.requests.ask import FinancingAsk
from creditlink.institutions import service as institutions
from creditlink.institutions.tables import Institution
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.processes import runtime
from creditlink.notifications.tables import Notification
from creditlink.retention import purge
from tests.engine.matching import samples
from tests.oauth import flow
from tests.proof import routes
from tests.proof.test_dead_consents import World, agreed, said_openly

# As short as a token or hash that tells one firm in a million from all others can be; words and codes are not.
_TOKEN = re.compile(r"[A-Za-z0-9_+/=-]{16,}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+")


def identifiers(body: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every identifier, hash and exact instant in an answer, also inside of what is signed, and where it stands."""
    if isinstance(body, dict):
        for name, value in body.items():
            yield from identifiers(name, f"{where}/{name}")
            yield from identifiers(value, f"{where}/{name}")
    elif isinstance(body, list):
        for value in body:
            yield from identifiers(value, f"{where}/-")
    elif isinstance(body, str):
        if body.startswith("eyJ") and body.count(".") == 2:
            yield from identifiers(keyring.unverified(body), f"{where}/(signed)")
            return
        found = _INSTANT.findall(body) + [t for t in _TOKEN.findall(body) if sum(c.isdigit() for c in t) >= 4]
        yield from ((one, where) for one in found)


@pytest.fixture
def told(app, empty_database, firm, make_bank, products, delivered, settings) -> list[dict[str, Any]]:
    """Per bank everything that it was told about the firm, by where it was told."""
    banks = [make_bank(scopes=list(SCOPES)) for _ in range(2)]
    with empty_database.transaction("owner") as session:
        session.execute(text("UPDATE clients SET webhook_url = 'https://bank.example/hook'"))
    held = [agreed(app, firm, bank) for bank in banks]
    for authorization in held:
        delivered(authorization)
    with empty_database.transaction("owner") as session:
        # Both got the same answers of the offices.
        session.execute(text("UPDATE pull_parts SET digest = md5(source) || md5(source)"))
    apply_at_both(empty_database, app, firm, banks, settings)
    answers = [everything(app, bank, authorization) for bank, authorization in zip(banks, held, strict=True)]
    for authorization in held:
        flow.change_consent(authorization, "pause")
    with empty_database.transaction("worker") as session:
        late = utc_now() + timedelta(days=400)
        done = purge.purge_firm(
            session, firm.enterprise.id, issuer=settings.issuer, secret=settings.secret_key, now=late
        )
    assert len(done.certificates) == 2
    for bank, said in zip(banks, answers, strict=True):
        own = bank.in_own_name(scope="consent:read")
        said["certificates"] = bank.call("GET", "/v1/deletion-certificates", own).json()
        said["webhooks"] = webhooks(empty_database, bank)
    return answers


def everything(app, bank, authorization) -> dict[str, Any]:
    """All that the bank can read under its token, and what the token endpoint and introspection say."""
    made = bank.call("POST", "/v1/profiles", authorization, json={"amount_fen": 100_000_000, "term_months": 12})
    assert made.status_code == 201, made.text
    said: dict[str, Any] = {"token": authorization.answer, "profile": made.json()}
    desk = bank.call("GET", "/v1/financing/applications", authorization).json()["items"]
    known = {
        "profile_id": made.json()["id"],
        "consent_id": authorization.grant_id,
        "grant_id": authorization.grant_id,
        "application_id": desk[0]["id"],
    }
    for method, rule in routes.rules_of(app, lambda method, rule, kind: kind in ("read", "own") and method == "GET"):
        sample = routes.sample_of(rule, known) or {}
        answer = bank.call(method, routes.filled(rule, known), authorization, **sample)
        if answer.status_code == 200:
            said[rule.rule] = answer.json()
    assert set(said) >= {
        "/v1/profiles/<profile_id>/explanation",
        "/v1/profiles/<profile_id>/lineage",
        "/v1/financing/applications/<application_id>",
    }
    said["introspection"] = bank.introspect(authorization.access_token)
    said["refreshed"] = bank.refresh(authorization)
    return said


def apply_at_both(database, app, firm, banks, settings) -> None:
    """One request for financing before both."""
    now, clocks = utc_now(), configuration.clocks(settings.config_dir)
    with database.transaction("owner") as session:
        ask = FinancingAsk(amount_fen=100_000_000, term_months=12, use="working_capital")
        enterprise, account = session.merge(firm.enterprise), session.merge(firm.account)
        request = requests.ask(session, enterprise, account, ask, clocks=clocks, now=now)
        for bank in banks:
            client = institutions.client_of(session, bank.client_id)
            requests.apply(
                session, request, samples.product("TAX-1", required_categories=["tax"]),
                requests.LenderDesk(session.get_one(Institution, client.institution_id), client),
                account=account, enterprise=enterprise, categories=["tax"],
                fair_use=runtime.of_app(app).of(FairUse), lang="zh", clocks=clocks, now=now,
            )  # fmt: skip


def webhooks(database, bank) -> list[Any]:
    with database.transaction("owner") as session:
        institution = institutions.client_of(session, bank.client_id).institution_id
        bodies = session.scalars(select(Notification.body).where(Notification.institution_id == institution)).all()
    assert {json.loads(body)["type"] for body in bodies} >= {"consent.paused", "consent.data_deleted"}
    return [json.loads(body) for body in bodies]


def test_two_banks_cannot_join_their_files_on_anything_but_the_data(told, app, empty_database, firm):
    """Not in profiles, lists, consents, applications, webhooks, tokens, or certificates of deletion."""
    with empty_database.transaction("owner") as session:
        # What both decisions were made by, and every other one of that day: it says nothing of a firm.
        policies = " ".join(session.scalars(select(PolicyBundle.sha256)))
    public = (
        policies
        + " ".join(said_openly(World(app, empty_database, firm, None, None, {})))
        + runtime.of_app(app).of(LiveModel).sha256
    )
    ours, theirs = (set(identifiers(said)) for said in told)
    theirs = {one for one, _ in theirs}
    assert min(len({one for one, _ in ours}), len(theirs)) >= 20, "the walk must be able to see identifiers"
    shared = {(where, one) for one, where in ours if one in theirs and one not in public}
    code = firm.enterprise.uscc
    registered = {
        ("//v1/profiles/<profile_id>/registration/uscc", code),
        ("//v1/relations/group/-/uscc", code),
    }
    assert shared == registered, "\n".join(map(str, sorted(shared ^ registered)))
