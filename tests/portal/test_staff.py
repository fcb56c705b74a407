"""The pages of staff: invited, signed in with a code, approving what another person proposed."""

import re

import pyotp
import pytest
from sqlalchemy import select, text

from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.lifecycle import service
from creditlink.staff import acts, people, proof
from creditlink.staff.tables import StaffKey, StaffMember
from tests import factories as make
from tests.lifecycle.conftest import proposed, registered
from tests.portal.conftest import Person

TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code(steps=0):
    return pyotp.TOTP(TOTP).at(int(utc_now().timestamp()) + 30 * steps)


@pytest.fixture
def ben(app, settings):
    """A member of the risk team with password and codes, not signed in; `ada` proposed a step, `dan` operates."""
    with db.transaction("owner") as session:
        ada, dan = make.make_staff(session, "ada", "model_owner"), make.make_staff(session, "dan", "operator")
        actor = make.make_staff(session, "ben", "risk")
        account = session.get_one(Account, actor.account_id)
        account.password_hash = accounts.hash_password(make.PASSWORD)
        accounts.enroll_totp(account, TOTP, key=settings.secret_key)
        registered(session, ada)
        act = proposed(session, ada, "validated", now=utc_now())
    person = Person(app.test_client(), account)
    person.act, person.dan, person.actor = act.wire_id, dan, actor
    return person


def sign_in(person, **fields):
    person.get("/portal/staff/sign-in?lang=en")
    sent = {"login": person.account.login, "password": make.PASSWORD, "totp": code(-1)} | fields
    return person.post("/portal/staff/sign-in", **sent)


def test_an_invitation_is_taken_up_and_leads_to_the_desk(app):
    with db.transaction("owner") as session:
        dan = make.make_staff(session, "dan", "operator")
        _, secret = people.invite(
            session, login="lin", display_name="林", staff_number="7", roles=["risk"], by=dan, now=utc_now()
        )
    person, address = Person(app.test_client()), f"/portal/staff/invitation/{secret}"
    shown = person.get(address + "?lang=en").text
    totp = re.search(r'class="key">([A-Z2-7 ]+)<', shown).group(1).replace(" ", "")
    passwords = {"password": "a long enough password", "again": "a long enough password"}
    assert person.post(address, totp="000000", **passwords).status_code == 422
    assert person.post(address, totp=pyotp.TOTP(totp).now(), **passwords | {"again": "x"}).status_code == 422
    short = {"password": "short", "again": "short"}
    assert person.post(address, totp=pyotp.TOTP(totp).now(), **short).status_code == 422
    assert person.post(address, totp=pyotp.TOTP(totp).now(), **passwords).status_code == 303
    assert person.get(address).status_code == 404
    with db.transaction("owner") as session:
        assert session.scalars(select(StaffMember.status).where(StaffMember.staff_number == "7")).one() == "active"


@pytest.mark.parametrize("secret", ["x", "inv_" + "a" * 43, "%00", "%ED%A0%80", "a" * 5000])
def test_no_invitation_no_page(app, secret):
    assert app.test_client().get(f"/portal/staff/invitation/{secret}").status_code in (400, 404)


class TestSignIn:
    def test_needs_the_code_and_the_right_door(self, ben):
        assert sign_in(ben, totp="").status_code == 401
        assert sign_in(ben, password="wrong").status_code == 401
        assert ben.sign_in(totp=code(-1)).status_code == 401, "staff at the firms' door"
        assert sign_in(ben).headers["Location"].endswith("/portal/staff/")
        assert "My desk" in ben.get("/portal/staff/?lang=en").text
        assert "我的工作台" in ben.get("/portal/staff/?lang=zh").text
        assert ben.get("/portal/").headers["Location"].endswith("/portal/staff/"), "no firm's page for staff"

    def test_a_firm_s_person_does_not_get_in(self, person):
        assert sign_in(person).status_code == 401
        person.sign_in()
        assert "/portal/staff/sign-in" in person.get("/portal/staff/").headers["Location"]

    def test_without_codes_nobody_of_staff_gets_in(self, ben):
        with db.transaction("owner") as session:
            session.get_one(Account, ben.account.id).totp_secret = None
        assert sign_in(ben).status_code == 401

    @pytest.mark.parametrize("change", ["suspend", "recover", "roles"])
    def test_a_session_ends_with_a_change_of_standing(self, ben, change):
        sign_in(ben)
        assert ben.get("/portal/staff/").status_code == 200
        with db.transaction("owner") as session:
            about = {"by": ben.dan, "reason": "x", "now": utc_now()}
            if change == "suspend":
                people.move(session, "ben", "suspended", **about)
            elif change == "roles":
                people.set_roles(session, "ben", ["risk", "operator"], **about)
            else:
                people.recover(session, "ben", **about)
        assert ben.get("/portal/staff/").status_code == 303


class TestDesk:
    def test_approves_with_a_code_what_is_shown_whole(self, ben):
        sign_in(ben)
        shown = ben.get("/portal/staff/?lang=en").text
        for part in ("A model&#39;s next step", "f" * 64, "m1", "to validated", "Ada"):
            assert part in shown, part
        assert ben.post(f"/portal/staff/acts/{ben.act}", decision="approve").status_code == 303
        with db.transaction("owner") as session:
            assert service.steps_of(session, "m1")[-1].signer == "ben"
        ben.get("/portal/staff/?lang=en")
        assert ben.post(f"/portal/staff/acts/{ben.act}", decision="approve").status_code == 404

    def test_a_code_given_long_ago_is_asked_for_again(self, ben):
        sign_in(ben)
        with db.transaction("owner") as session:
            session.execute(text("UPDATE web_sessions SET strong_at = strong_at - interval '6 minutes'"))
        ben.get("/portal/staff/?lang=en")
        assert ben.post(f"/portal/staff/acts/{ben.act}", decision="approve").status_code == 422
        assert ben.post(f"/portal/staff/acts/{ben.act}", decision="approve", totp=code(1)).status_code == 303

    def test_what_the_rules_refuse_is_told_and_nothing_is_done(self, ben):
        with db.transaction("owner") as session:
            acts.approve(
                session, acts.waiting_act(session, ben.act, utc_now()),
                by=make.make_staff(session, "cleo", "risk"), now=utc_now(),
            )  # fmt: skip
            mine = proposed(session, ben.actor, "approved", now=utc_now())
        sign_in(ben)
        ben.get("/portal/staff/?lang=en")
        refused = ben.post(f"/portal/staff/acts/{mine.wire_id}", decision="approve")
        assert (refused.status_code, "another person must approve" in refused.text) == (409, True)
        assert ben.post(f"/portal/staff/acts/{mine.wire_id}", decision="decline").status_code == 303

    def test_a_form_from_elsewhere_approves_nothing(self, ben):
        sign_in(ben)
        path = f"/portal/staff/acts/{ben.act}"
        assert ben.post(path, token="forged", decision="approve").status_code == 400
        assert ben.post(path, headers={"Origin": "https://evil.example"}, decision="approve").status_code == 400


class TestLogin:
    def ask(self, ben, key):
        return ben.client.post("/v1/staff/login", json={"jwk": key.as_dict(private=False)})

    def poll(self, ben, told):
        return ben.client.post("/v1/staff/login/poll", json={"device_code": told["device_code"]}).json

    def test_a_terminal_signs_in_once_its_person_approved(self, ben):
        key, now = proof.new_key(), utc_now()
        told = self.ask(ben, key).json
        assert self.poll(ben, told) == {"state": "authorization_pending", "login": None}
        assert self.poll(ben, told)["state"] == "slow_down"
        sign_in(ben)
        ben.get("/portal/staff/?lang=en")
        typed = told["user_code"].lower().replace("-", " ")
        assert ben.post("/portal/staff/login", user_code="BBBB-BBBB", decision="approve").status_code == 422
        assert ben.post("/portal/staff/login", user_code=typed, decision="approve").status_code == 303
        assert self.poll(ben, told) == {"state": "approved", "login": "ben"}
        assert self.poll(ben, told)["state"] == "expired_token", "told once"
        with db.transaction("owner") as session:
            assert session.scalars(select(StaffKey.expires_at)).one() > now
            document = proof.sign(key, "ben", audience="a", act="b", now=utc_now())
            assert proof.actor_of(session, document, audience="a", act="b", now=utc_now()).login == "ben"

    def test_its_person_may_refuse_it(self, ben):
        told = self.ask(ben, proof.new_key()).json
        sign_in(ben)
        ben.get("/portal/staff/?lang=en")
        ben.post("/portal/staff/login", user_code=told["user_code"], decision="deny")
        assert self.poll(ben, told)["state"] == "access_denied"

    @pytest.mark.parametrize("jwk", [None, {}, {"kty": "OKP"}, {"kty": "oct", "k": "AA"}, [], "x", {"kty": "\ud800"}])
    def test_what_is_no_key_is_refused(self, ben, jwk):
        assert ben.client.post("/v1/staff/login", json={"jwk": jwk}).status_code == 422

    def test_guessing_codes_is_slow(self, ben):
        sign_in(ben)
        ben.get("/portal/staff/?lang=en")
        last = [ben.post("/portal/staff/login", user_code="BBBBBBBB", decision="deny").status_code for _ in range(9)][
            -1
        ]
        assert last == 429
