"""Sources, pulls and the catalogue over HTTP."""

import httpx
import pytest

from creditlink.consents.tables import Consent
from creditlink.engine.vocabulary import CONSENT_CATEGORIES as CATEGORIES
from creditlink.engine.vocabulary import PUBLIC_CATEGORIES
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.settings import load_settings
from creditlink.records.pulls import fetching, pull
from creditlink.records.sources import load_sources
from tests.oauth import flow


@pytest.fixture
def granted(app, empty_database):
    """Walk a bank and a firm through an authorization; return the bank, its tokens and the consent."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as http:

        def run():
            bank = flow.register_bank(empty_database, http)
            asked = flow.details(categories=["tax", "social_security", "electricity"], actions=["profile"])
            authorization = bank.push(asked, scope=flow.SCOPE)
            callback = flow.decide(app, flow.make_firm(empty_database), flow.open_page(bank, authorization))
            bank.exchange(bank.code_from(callback, authorization), authorization)
            with db.transaction("owner") as session:
                consent = session.get_one(Consent, flow.consent_of(authorization))
            return bank, authorization, consent

        yield run


def test_the_catalogue_is_public(client):
    response = client.get("/v1/data-categories")
    assert response.status_code == 200
    tax = next(c for c in response.json["items"] if c["code"] == "tax")
    assert {("vat_declarations", "paid_fen"), ("tax_events", "severity")} <= {
        (item["frame"], item["name"]) for item in tax["items"]
    }
    sources = {c["code"]: c["source"] for c in response.json["items"]}
    assert (sources["tax"], sources["water"], sources["registration"]) == ("tax", "water", "registry")
    # What nobody serves says so; what is public needs no consent.
    config = load_sources(load_settings())
    assert {code for code, source in sources.items() if source is None} == set(CATEGORIES) - config.categories - {
        "registration"
    }
    assert {c["code"] for c in response.json["items"] if c["consent_scope"] is None} == set(PUBLIC_CATEGORIES)


def test_the_offices_are_listed_before_anyone_was_asked(client, offices):
    items = client.get("/v1/sources").json["items"]
    assert {i["source"]: i["state"] for i in items} == dict.fromkeys(
        ("tax", "social_security", "electricity"), "unknown"
    )
    assert {i["success_rate"] for i in items} == {None}


@pytest.mark.parametrize("path", ["/v1/pulls/pul_x", "/v1/pulls/pul_" + "0" * 32])
def test_a_pull_is_not_shown_without_a_token(client, path):
    response = client.get(path)
    assert response.status_code == 401
    assert response.content_type == "application/problem+json"


def test_a_pull_is_followed_from_queued_to_done(granted, offices, city):
    bank, authorization, consent = granted()
    with db.transaction("api") as session:
        db.enter(session, db.Viewer(consent_id=consent.id, institution_id=consent.institution_id))
        pending = pull.ensure_fresh(session, consent, utc_now())
    path = f"/v1/pulls/{pending.wire_id}"
    before = bank.call("GET", path, authorization).json()
    assert (before["id"], before["status"]) == (pending.wire_id, "PENDING")
    assert {p["status"] for p in before["sources"]} == {"READY"}
    fetching.run_pull(consent.id, offices, utc_now)
    after = bank.call("GET", path, authorization).json()
    assert (after["status"], after["consent_id"]) == ("DONE", consent.wire_id)
    assert {p["status"] for p in after["sources"]} == {"DELIVERED"}
    assert all(p["new_rows"] > 0 for p in after["sources"])


def test_another_banks_pull_looks_like_an_unknown_one(granted, offices):
    _, _, theirs = granted()
    bank, authorization, _ = granted()
    with db.transaction("api") as session:
        db.enter(session, db.Viewer(consent_id=theirs.id, institution_id=theirs.institution_id))
        pending = pull.ensure_fresh(session, theirs, utc_now())
    unknown = bank.call("GET", "/v1/pulls/pul_" + "0" * 32, authorization)
    foreign = bank.call("GET", f"/v1/pulls/{pending.wire_id}", authorization)
    assert unknown.status_code == foreign.status_code == 404
    assert {k: v for k, v in unknown.json().items() if k != "request_id"} == {
        k: v for k, v in foreign.json().items() if k != "request_id"
    }


def test_a_revoked_consents_pull_is_refused(granted, offices):
    bank, authorization, consent = granted()
    with db.transaction("api") as session:
        db.enter(session, db.Viewer(consent_id=consent.id, institution_id=consent.institution_id))
        pending = pull.ensure_fresh(session, consent, utc_now())
    flow.change_consent(authorization, "revoke")
    response = bank.call("GET", f"/v1/pulls/{pending.wire_id}", authorization)
    assert response.status_code in (401, 403)
