"""What the institution sets at the desk: products and overlay with a colleague's check, clients, webhooks, people."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import select, text

from creditlink.desk.tables import DeskAct, DeskPerson
from creditlink.institutions.tables import Client
from creditlink.kit.postgres import db
from creditlink.notifications.tables import WebhookDelivery
from creditlink.products.tables import Product
from creditlink.sandbox.banks.bank import new_key, public_jwks
from tests import factories as make
from tests.desk.conftest import DESK, Lender, add_lender, make_bank
from tests.overlays.conftest import BODY
from tests.portal.test_staff import code

PRODUCT = {
    "code": "CLB-RIVER", "name_zh": "江河信用贷", "name_en": "River credit", "kind": "credit", "repayment": "bullet",
    "amount_min": "100000", "amount_max": "3000000", "term_min": "6", "term_max": "24", "rate_min": "3.85",
    "rate_max": "5.2", "fees": "", "valid_from": "2026-01-01", "category": ["tax"],
    "rules": "profile.grade at_least_grade C\nregistration.region in 4406, 4403",
}  # fmt: skip


@pytest.fixture
def pair(app, settings, institution):
    """Two people of one institution who may do everything, signed in."""
    people = [add_lender(app, settings, institution, login, "product_editor", "desk_admin") for login in ("ann", "bob")]
    for person in people:
        assert person.sign_in().status_code == 303
    return people


def write(person, **fields):
    person.get(f"{DESK}/products/new?lang=en")
    own = {"code": f"{person.institution.code}-RIVER"}
    return person.post(f"{DESK}/products", **PRODUCT | own | fields)


def written(person, **fields):
    """Return the page of a product that is as wanted."""
    answer = write(person, **fields)
    assert answer.status_code == 303, re.findall(r'role="alert">([^<]*)', answer.text)
    return answer.headers["Location"]


def check(person, path):
    sha = re.search(r'name="terms_sha256" value="(\w+)"', person.get(path).text)
    return person.post(f"{path}/check", terms_sha256=sha.group(1) if sha else "0" * 64)


def test_a_product_is_written_checked_by_a_colleague_and_put_on_sale(pair):
    ann, bo = pair
    path = written(ann)
    shown = ann.get(path).text
    assert "The rule checker found nothing." in shown
    assert "¥3,000,000" in shown
    assert "You wrote it" in shown
    assert check(ann, path).status_code == 409
    assert check(bo, path).status_code == 303
    bo.get(path)
    assert bo.post(f"{path}/publish").status_code == 303
    ann.get(path)
    assert "There is no screening" in ann.post(f"{path}/count").text
    with db.transaction("owner") as session:
        made = session.scalars(select(Product)).one()
    assert made.state == "live"
    assert made.written_by != made.checked_by
    filled = ann.get(f"{path}/edit").text
    assert "registration.region in 4406, 4403" in filled
    assert 'value="3.85"' in filled


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rules": "profile.grade at_least_grade C\nnonsense"}, "Line 2"),
        ({"rules": "indicator.gossip >= 1"}, "gossip"),
        ({"amount_min": "x"}, "smallest amount"),
        ({"code": "a b"}, "capital letters"),
        ({"code": "OTHER-1"}, "must begin with"),
        ({"rate_max": "1"}, "rate_bps"),
        ({"valid_from": "soon"}, "valid_from"),
        ({"rules": "x" * 60_000}, "Line 1"),
    ],
)
def test_a_wrong_product_says_what_is_wrong_and_keeps_what_was_typed(pair, fields, said):
    answer = write(pair[0], **fields)
    assert answer.status_code in (413, 422)
    if answer.status_code == 422:
        assert said in re.search(r'role="alert">([^<]*)', answer.text).group(1)
        assert "江河信用贷" in answer.text
    with db.transaction("owner") as session:
        assert session.scalars(select(Product)).all() == []


def test_rules_that_contradict_are_found_on_the_page_and_keep_it_off_sale(pair):
    ann, bo = pair
    path = written(ann, rules="profile.points >= 700\nprofile.points <= 600")
    assert 'class="alert lifted"' in ann.get(path).text
    assert check(bo, path).status_code == 409


def test_an_overlay_is_written_checked_and_used(pair):
    ann, bo = pair
    ann.get(f"{DESK}/overlay?lang=en")
    assert ann.post(f"{DESK}/overlay", terms="{").status_code == 422
    answer = ann.post(f"{DESK}/overlay", terms=json.dumps(BODY, ensure_ascii=False))
    assert answer.status_code == 303, answer.text
    path = f"{DESK}/overlay/1"
    sha = re.search(r'name="terms_sha256" value="(\w+)"', bo.get(f"{DESK}/overlay").text).group(1)
    ann.get(f"{DESK}/overlay")
    assert ann.post(f"{path}/check", terms_sha256=sha).status_code == 409
    assert bo.post(f"{path}/check", terms_sha256=sha).status_code == 303
    bo.get(f"{DESK}/overlay")
    assert bo.post(f"{path}/publish").status_code == 303
    assert "In use" in bo.get(f"{DESK}/overlay").text


CLIENT = {"name": "Core system", "redirect_uris": "https://river.example/back", "scope": ["consent:read"]}


def propose(person, **fields):
    person.get(f"{DESK}/software?lang=en")
    return person.post(f"{DESK}/software", **CLIENT | {"jwks": json.dumps(public_jwks(new_key()))} | fields)


def approve(person):
    path = re.search(rf"{DESK}/software/acts/act_\w+", person.get(f"{DESK}/software?lang=en").text).group()
    return person.post(path, decision="approve")


def registered():
    with db.transaction("owner") as session:
        query = select(Client).where(~Client.metadata_.has_key("desk"))
        return session.scalars(query).one_or_none()


def test_a_client_takes_two_people_and_so_does_its_webhook(pair):
    ann, bo = pair
    assert propose(ann).status_code == 303
    assert approve(ann).status_code == 409
    assert registered() is None
    assert approve(bo).status_code == 200
    made = registered()
    assert (made.name, made.scopes) == ("Core system", ["consent:read"])
    path = f"{DESK}/software/{made.client_id}"
    bo.get(path)
    assert bo.post(f"{path}/webhook", url="http://127.0.0.1:9/hook").status_code == 303
    told = approve(ann).text
    assert "whsec_" in told
    assert registered().webhook_url == "http://127.0.0.1:9/hook"
    ann.get(path)
    assert ann.post(f"{path}/test").status_code == 303
    assert "webhook.test" in ann.get(path).text
    with db.transaction("owner") as session:
        sent = session.scalars(select(WebhookDelivery)).one()
    assert sent.client_id == made.client_id
    ann.get(path)
    assert "whsec_" in ann.post(f"{path}/secret").text
    ann.get(path)
    assert ann.post(f"{path}/suspend").status_code == 303
    assert registered().status == "suspended"
    ann.get(path)
    assert ann.post(f"{path}/resume").status_code == 303
    assert registered().status == "suspended"
    assert approve(bo).status_code == 200
    assert registered().status == "active"
    before = registered().jwks
    bo.get(path)
    assert bo.post(f"{path}/keys", jwks=json.dumps(public_jwks(new_key()))).status_code == 303
    assert registered().jwks == before
    assert approve(ann).status_code == 200
    assert registered().jwks != before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"jwks": json.dumps({"keys": [new_key().as_dict(private=True)]})}, "private key"),
        ({"jwks": json.dumps(new_key().as_dict(private=True))}, "private key"),
        ({"jwks": "{"}, "no JSON"),
        ({"jwks": "[" * 19_000}, "no JSON"),
        ({"jwks": '{"keys": []}'}, "no JWK Set"),
        ({"scope": ["client:write"]}, "all needed"),
        ({"name": " "}, "all needed"),
    ],
)
def test_what_cannot_be_a_client_is_not_even_proposed(pair, fields, said):
    answer = propose(pair[0], **fields)
    assert answer.status_code == 422
    assert said in re.search(r'role="alert">([^<]*)', answer.text).group(1)
    with db.transaction("owner") as session:
        assert session.scalars(select(DeskAct)).all() == []


def test_nobody_approves_for_another_institution_or_after_the_proposer_left(app, settings, pair):
    ann, bo = pair
    propose(ann)
    path = re.search(rf"{DESK}/software/acts/act_\w+", ann.get(f"{DESK}/software").text).group()
    other = add_lender(app, settings, make_bank(settings), "mei", "desk_admin")
    other.sign_in()
    other.get(f"{DESK}/software")
    assert other.post(path, decision="approve").status_code == 404
    with db.transaction("owner") as session:
        session.get_one(DeskPerson, ann.account.id).status = "suspended"
    bo.get(f"{DESK}/software")
    assert bo.post(path, decision="approve").status_code == 409
    assert registered() is None


def test_the_desks_own_clients_are_not_the_desks_to_change(pair, institution):
    with db.transaction("owner") as session:
        own = session.scalars(select(Client).where(Client.metadata_["desk"].astext == "acts")).one()
    ann, bo = pair
    path = f"{DESK}/software/{own.client_id}"
    assert "holds its keys, sealed" in ann.get(path).text
    assert ann.post(f"{path}/suspend").status_code == 422
    ann.get(path)
    assert ann.post(f"{path}/keys", jwks=json.dumps(public_jwks(new_key()))).status_code == 303
    assert approve(bo).status_code == 422
    with db.transaction("api", viewer=db.Viewer(institution_id=institution.id)) as session:
        changed = session.execute(text("UPDATE clients SET status = 'suspended' WHERE metadata ? 'desk'"))
        assert changed.rowcount == 0


def test_the_database_closes_clients_of_others_to_the_api(settings, pair, institution):
    with db.transaction("owner") as session:
        theirs = make.make_client(session)
    with db.transaction("api", viewer=db.Viewer(institution_id=institution.id)) as session:
        wanted = text("UPDATE clients SET status = 'suspended' WHERE client_id = :id")
        assert session.execute(wanted, {"id": theirs.client_id}).rowcount == 0


def test_a_colleague_is_invited_comes_in_with_codes_and_is_suspended(app, pair, institution):
    ann, bo = pair
    ann.get(f"{DESK}/people?lang=en")
    answer = ann.post(f"{DESK}/people", login="Mei", name="梅", role=["lender"])
    address = re.search(rf"({DESK}/invitation/inv_[\w-]+)", answer.text).group(1)
    new = Lender(app.test_client())
    shown = new.get(address + "?lang=en").text
    assert "River Bank" in shown
    import pyotp

    totp = re.search(r'class="key">([A-Z2-7 ]+)<', shown).group(1).replace(" ", "")
    passwords = {"password": "a long enough password", "again": "a long enough password"}
    assert new.post(address, totp="000000", **passwords).status_code == 422
    assert new.post(address, totp=pyotp.TOTP(totp).now(), **passwords).status_code == 303
    assert new.get(address).status_code == 404
    new.get(f"{DESK}/sign-in")
    later = pyotp.TOTP(totp).at(int(__import__("time").time()) + 30)
    sent = {"login": "mei", "password": passwords["password"]}
    assert new.post(f"{DESK}/sign-in", **sent).status_code == 401
    assert new.post(f"{DESK}/sign-in", **sent, totp=later).status_code == 303
    assert new.get(f"{DESK}/firms").status_code == 200
    assert new.get(f"{DESK}/people").status_code == 404
    bo.get(f"{DESK}/people")
    assert bo.post(f"{DESK}/people/mei", to="suspended").status_code == 303
    assert new.get(f"{DESK}/firms").status_code == 303
    for login, to in (("bob", "suspended"), ("mei", "invited"), ("nobody", "suspended")):
        bo.get(f"{DESK}/people")
        assert bo.post(f"{DESK}/people/{login}", to=to).status_code in (404, 409)


def test_an_administrator_is_one_of_the_database_too(institution, app, settings):
    lin = add_lender(app, settings, institution, "lin", "lender")
    viewer = db.Viewer(account_id=lin.account.id, institution_id=institution.id)
    call = "SELECT creditlink_invite_lender(gen_random_uuid(), 'x1y', 'X', ARRAY['desk_admin'], 'h', now(), now())"
    with pytest.raises(Exception, match="administrator"), db.transaction("api", viewer=viewer) as session:
        session.execute(text(call))


def test_what_binds_asks_for_a_code_once_the_last_one_is_old(pair):
    ann, _ = pair
    with db.transaction("owner") as session:
        session.execute(text("UPDATE web_sessions SET strong_at = strong_at - interval '1 hour'"))
    ann.get(f"{DESK}/people?lang=en")
    assert ann.post(f"{DESK}/people", login="Mei", name="梅", role=["lender"]).status_code == 422
    answer = ann.post(f"{DESK}/people", login="Mei", name="梅", role=["lender"], totp=code(1))
    assert "/invitation/" in answer.text
