"""Setting up one-time codes, ending sessions, receipts and evidence for the firm."""

import json
import re

import pyotp
import pytest

from creditlink.audit import chain
from creditlink.audit import service as audit
from creditlink.consents.agreement import receipts
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from tests import factories as make
from tests.portal.conftest import Person


def shown_secret(page):
    return re.search(r'<code class="key">([A-Z2-7 ]+)</code>', page.text).group(1).replace(" ", "")


def test_codes_are_set_up_with_password_and_code_and_end_other_sessions(owner, app):
    other = Person(app.test_client(), owner.account)
    other.sign_in()
    secret = shown_secret(owner.get("/portal/security"))
    assert shown_secret(owner.get("/portal/security")) == secret
    code = pyotp.TOTP(secret).now()
    assert owner.post("/portal/security/totp", password="wrong", totp=code).status_code == 422
    wrong = "000000" if code != "000000" else "000001"
    assert owner.post("/portal/security/totp", password=make.PASSWORD, totp=wrong).status_code == 422
    assert owner.post("/portal/security/totp", password=make.PASSWORD, totp=code).status_code == 303
    assert "Set up." in owner.get("/portal/security").text
    assert other.get("/portal/").status_code == 303
    # It cannot be replaced from a session that was left open.
    assert owner.post("/portal/security/totp", password=make.PASSWORD, totp=code).status_code == 409


def test_sessions_are_listed_and_ended_from_elsewhere(owner, app):
    other = Person(app.test_client(), owner.account)
    other.sign_in()
    page = owner.get("/portal/security")
    assert page.text.count("Werkzeug") == 2
    owner.post("/portal/security/end-others")
    assert other.get("/portal/").status_code == 303
    assert owner.get("/portal/").status_code == 200


def test_in_production_agreeing_needs_one_time_codes(owner, bank, app, settings):
    from dataclasses import replace

    runtime.of_app(app).put(replace(settings, environment="production"))
    path, _ = bank.asks()
    owner.get(path)
    answer = owner.post(path, decision="approve")
    assert answer.status_code == 422
    assert "Set up one-time codes" in answer.text


@pytest.mark.parametrize("state", ["ACTIVE", "REVOKED"])
def test_the_firm_gets_a_receipt_that_holds_without_us(owner, bank, settings, state):
    with db.transaction("owner") as session:
        consent = make.make_consent(
            session, client=bank.client, enterprise=owner.firm, account=owner.account, now=utc_now(), state=state
        )
    answer = owner.get(f"/portal/consents/{consent.wire_id}/receipt")
    assert answer.headers["Content-Disposition"].endswith('.jws"')
    found = receipts.verify(answer.text, keyring.public_keys(settings.secret_key)).claims
    assert (found["state"], found["enterprise"]["uscc"]) == (state, owner.firm.uscc)
    assert found["granted"]["categories"] == list(make.CATEGORIES)
    assert found["text"]["sha256"] == consent.text_sha256
    assert [e["to"] for e in found["events"]][:2] == ["REQUESTED", "ACTIVE"]


def test_the_firm_takes_its_evidence_along(owner, bank, settings):
    with db.transaction("owner") as session:
        make.make_consent(session, client=bank.client, enterprise=owner.firm, account=owner.account, now=utc_now())
        other = make.make_consent(session, now=utc_now())
    lines = [json.loads(line) for line in owner.get("/portal/accesses.jsonl").text.splitlines()]
    *entries, last = lines
    assert entries
    head = keyring.verify(last["head"], keyring.public_keys(settings.secret_key), typ=audit.HEAD_TYPE).claims
    assert head["chain_id"] == str(owner.firm.id)
    assert chain.verify(entries, chain.Head(head["seq"], head["digest"])) is None
    assert owner.get(f"/portal/accesses.jsonl?enterprise={other.enterprise_id}").status_code == 404
    assert owner.get(f"/portal/consents/{other.wire_id}/receipt").status_code == 404
