"""Ways in: proving to be the legal representative, and invitations; and whoever comes that way without being meant."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyotp
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import select, update

from creditlink.enterprises import accounts
from creditlink.enterprises.identity import invitations, joining
from creditlink.enterprises.identity.providers import BegunProof, IdentityRefused, ProvenIdentity
from creditlink.enterprises.identity.tables import FirmInvitation, IdentityBinding
from creditlink.enterprises.service import may_act
from creditlink.enterprises.tables import Account, FirmAct, Representation
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.postgres import db
from tests import factories as make
from tests.portal import identity
from tests.portal.conftest import Person
from tests.portal.test_recovery import enrolled, told

NEW = "a new and long password"
EVERYTHING = {"purposes": ["underwriting", "report"], "categories": ["tax", "electricity"]}


@pytest.fixture(scope="module")
def desk():
    with identity.listening() as found:
        yield found


@pytest.fixture
def browser(app, desk, settings):
    """Somebody's browser at an application that knows the providers."""
    identity.connect(app, desk, settings)
    return Person(app.test_client())


@pytest.fixture
def firm(empty_database):
    with db.transaction("owner") as session:
        return make.make_enterprise(session)


def leads(login, firm):
    with db.transaction("owner") as session:
        account = accounts.by_login(session, login)
        right = may_act(session, account, firm, utc_now()) if account else None
        return right is not None and right.role == "legal_representative"


class TestRegistering:
    @pytest.mark.parametrize("provider", ["one_pass", "e_licence"])
    def test_the_legal_representative_registers_and_is_signed_in(self, browser, firm, provider):
        page = identity.prove(browser, firm, provider=provider)
        assert firm.name in page.text
        done = browser.post("/portal/proven", login="li@firm.example", new=NEW, again=NEW)
        assert done.headers["Location"] == "/portal/security"
        assert browser.get("/portal/").status_code == 200
        assert leads("li@firm.example", firm)

    def test_an_agent_and_a_firm_that_is_none_register_nothing(self, browser, firm):
        assert "Only the legal representative" in identity.prove(browser, firm, role="agent").text
        browser.get("/portal/sign-in")  # a form's token
        assert browser.post("/portal/proven", login="li@x.example", new=NEW, again=NEW).status_code == 422
        with db.transaction("owner") as session:
            unknown = replace_code(firm)
            assert session.scalar(select(Account).where(Account.login == "li@x.example")) is None
        assert "no such firm" in identity.prove(browser, unknown).text

    def test_an_identity_has_one_sign_in_and_a_proof_is_good_once(self, browser, firm, app, desk, settings):
        identity.prove(browser, firm)
        cookie = browser.client.get_cookie("creditlink_form", path="/portal").value
        token = re.search(r'name="csrf_token" value="([^"]+)"', browser.page.text)[1]
        assert browser.post("/portal/proven", login="li@firm.example", new=NEW, again=NEW).status_code == 303
        thief = Person(app.test_client())  # with a copy of the cookie from before
        thief.client.set_cookie("creditlink_form", cookie, path="/portal")
        answer = thief.post("/portal/proven", token=token, login="thief@x.example", new=NEW, again=NEW)
        assert answer.status_code == 422
        again = Person(app.test_client())
        assert "has a sign-in already" in identity.prove(again, firm).text
        assert not leads("thief@x.example", firm)

    def test_a_wrong_form_uses_nothing_up(self, browser, firm):
        identity.prove(browser, firm)
        for wrong in ({"new": "short", "again": "short"}, {"again": NEW + "x"}, {"login": "a b"}, {"login": ""}):
            fields = {"login": "li@firm.example", "new": NEW, "again": NEW} | wrong
            assert browser.post("/portal/proven", **fields).status_code == 422, wrong
        assert browser.post("/portal/proven", login="li@firm.example", new=NEW, again=NEW).status_code == 303

    def test_a_new_representative_replaces_the_former_who_is_told(self, browser, firm):
        with db.transaction("owner") as session:
            former = make.make_account(session)
            make.make_representation(session, firm, former)
        identity.prove(browser, firm)
        browser.post("/portal/proven", login="li@firm.example", new=NEW, again=NEW)
        assert leads("li@firm.example", firm)
        assert not leads(former.login, firm)
        assert told(Person(None, former)) == ["access_changed"]

    def test_of_eight_that_register_one_identity_at_once_one_succeeds(self, browser, firm, settings):
        proven = ProvenIdentity("one_pass", "subject", "Li Wei", firm.uscc, True)

        def register(number):
            try:
                with db.transaction() as session:
                    account = accounts.add_person(
                        session, login=f"li{number}", display_name="Li Wei", password=NEW, now=utc_now()
                    )
                    joining.register(session, proven, account, key=settings.secret_key, now=utc_now())
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(register, range(4))) == 1
        with db.transaction("owner") as session:
            assert len(session.scalars(select(IdentityBinding)).all()) == 1
            assert len(session.scalars(select(Account)).all()) == 1

    def test_a_signed_in_person_takes_a_second_firm_with_a_code(self, browser, firm, settings):
        with db.transaction("owner") as session:
            browser.account = make.make_account(session, password=make.PASSWORD)
        browser.sign_in()
        codes = enrolled(browser.account, settings)
        identity.prove(browser, firm)
        assert browser.post("/portal/proven").status_code == 422  # a stolen session binds nobody else to it
        assert browser.post("/portal/proven", totp=codes.now()).status_code == 303
        assert leads(browser.account.login, firm)


def replace_code(firm):
    """A firm that no register has."""

    class Unknown:
        uscc = "91440600MA4UNKNWN9"[:18]

    return Unknown


class TestAnswersOfProviders:
    """Each attack is an answer that comes back to the browser; none proves anything."""

    def back(self, browser, firm, provider="one_pass"):
        begun = browser.get(f"/portal/prove/{provider}/join?lang=en")
        return identity.at_provider(begun.headers["Location"], person="Li Wei", uscc=firm.uscc)

    def test_an_answer_is_good_once_and_in_its_own_browser(self, browser, firm, app):
        answer = self.back(browser, firm)
        stranger = Person(app.test_client())
        assert stranger.get(answer).status_code == 403
        cookie = browser.client.get_cookie("creditlink_form", path="/portal").value
        assert browser.get(answer).status_code == 303
        assert browser.get(answer).status_code == 403
        replay = Person(app.test_client())
        replay.client.set_cookie("creditlink_form", cookie, path="/portal")
        assert replay.get(answer).status_code == 403

    def test_mix_up(self, browser, firm):
        """Begun with one provider, answered by or for the other: by address, by `iss`, by both."""
        answer = self.back(browser, firm)
        assert browser.get(answer.replace("/one_pass?", "/e_licence?")).status_code == 403
        answer = self.back(browser, firm)
        assert browser.get(re.sub(r"one_pass(?=&|$)", "e_licence", answer)).status_code == 403
        answer = self.back(browser, firm)
        assert browser.get(re.sub(r"&iss=[^&]+", "", answer)).status_code == 403
        theirs = self.back(browser, firm, "e_licence")
        code = re.search(r"code=([^&]+)", theirs)[1]
        answer = self.back(browser, firm)
        assert browser.get(re.sub(r"code=[^&]+", f"code={code}", answer)).status_code == 403

    def test_another_state_a_cancelled_proof_and_somebody_elses_code(self, browser, firm, app):
        answer = self.back(browser, firm)
        assert browser.get(re.sub(r"state=[^&]+", "state=x", answer)).status_code == 403
        begun = browser.get("/portal/prove/one_pass/join")
        cancelled = identity.at_provider(begun.headers["Location"], person="x", uscc="x", doing="cancel")
        assert browser.get(cancelled).status_code == 403
        other = Person(app.test_client())
        code = re.search(r"code=([^&]+)", self.back(other, firm))[1]  # PKCE: it is bound to the other's verifier
        answer = self.back(browser, firm)
        assert browser.get(re.sub(r"code=[^&]+", f"code={code}", answer)).status_code == 403

    @pytest.mark.parametrize("claims", [
        {"nonce": "another"}, {"iss": "https://evil.example"}, {"aud": "another"}, {"exp": 1}, {"sub": None},
        {"uscc": ["x"]}, {"uscc": "91"}, {"name": "a\0b"}, {"name": ""}, {"holder_role": 7}, {"exp": "soon"},
        {"sub": "x" * 300}, {"iat": 99999999999},
    ], ids=str)  # fmt: skip
    def test_a_token_that_is_not_for_us_proves_nothing(self, browser, app, desk, claims):
        provider = self.provider(browser, app)
        with pytest.raises(IdentityRefused):
            provider._read(*self.token(desk, provider, claims))

    def test_a_token_of_another_key_or_of_none_proves_nothing(self, browser, app, desk):
        provider = self.provider(browser, app)
        assert provider._read(*self.token(desk, provider, {})).is_legal
        for key, alg in ((ECKey.generate_key("P-256", auto_kid=True), "ES256"), (None, "none")):
            with pytest.raises(IdentityRefused):
                provider._read(*self.token(desk, provider, {}, key=key, alg=alg))

    def test_a_provider_that_is_away_or_speaks_nonsense_is_no_failure_of_ours(self, browser, app, desk, firm):
        answer = self.back(browser, firm)
        provider = self.provider(browser, app)
        (until, known), issuer = provider._remembered[provider.settings.issuer], provider.settings.issuer
        for changed in (
            {"token_endpoint": "http://127.0.0.1:1/"},
            {"jwks_uri": f"{desk.base}/health"},
            {"jwks_uri": "http://["},
        ):
            provider._remembered[issuer] = (until, known | changed)
            assert browser.get(answer).status_code in (403, 503)
            provider._remembered[issuer] = (until, known)
            answer = self.back(browser, firm)
        provider._remembered.clear()
        object.__setattr__(provider.settings, "issuer", "http://127.0.0.1:1")
        assert browser.get("/portal/prove/one_pass/join").status_code == 503

    def provider(self, browser, app):
        from creditlink.enterprises.identity.providers import IdentityProviders
        from creditlink.kit.processes import runtime

        return runtime.of_app(app).of(IdentityProviders).by_name["one_pass"]

    def token(self, desk, provider, claims, *, key="its own", alg="ES256"):
        now, key = int(utc_now().timestamp()), desk.key if key == "its own" else key
        said = {
            "iss": provider.settings.issuer, "aud": "creditlink", "sub": "s", "nonce": "n", "iat": now,
            "exp": now + 60, "uscc": "91440600MA0000000X", "name": "Li Wei", "holder_role": "legal_representative",
        } | claims  # fmt: skip
        if alg == "none":
            token = "eyJhbGciOiJub25lIn0." + jwt.encode({"alg": "ES256"}, said, desk.key).split(".")[1] + "."
        else:
            token = jwt.encode({"alg": alg}, said, key)
        return {"id_token": token}, {"keys": [desk.key.as_dict(private=False)]}, BegunProof("", "s", "n", "v")


class TestRecoveringByProof:
    @pytest.fixture
    def lost(self, browser, firm, settings, app):
        """A representative with a sign-in by proof, whose phone is lost."""
        identity.prove(browser, firm)
        browser.post("/portal/proven", login="li@firm.example", new=NEW, again=NEW)
        with db.transaction("owner") as session:
            browser.account = accounts.by_login(session, "li@firm.example")
        browser.phone = enrolled(browser.account, settings)
        return Person(app.test_client(), browser.account), browser

    def recover(self, person, firm, **fields):
        page = identity.prove(person, firm, purpose="recover", **fields.pop("said", {}))
        secret = re.search(r'<code class="key">([A-Z2-7 ]+)</code>', page.text)[1].replace(" ", "")
        usual = {"login": "li@firm.example", "password": NEW, "totp": pyotp.TOTP(secret).now()}
        return person.post("/portal/proven", **usual | fields), pyotp.TOTP(secret)

    def test_takes_password_proof_and_a_new_phone(self, lost, firm):
        person, elsewhere = lost
        done, _ = self.recover(person, firm)
        assert done.status_code == 303
        assert elsewhere.get("/portal/").status_code == 303  # every session ended
        assert person.get("/portal/").status_code == 200
        person.post("/portal/sign-out")
        assert person.sign_in(password=NEW, totp=elsewhere.phone.now()).status_code == 401
        assert "access_changed" in told(person)

    def test_is_nobody_elses(self, lost, firm, app, desk, settings):
        _, elsewhere = lost
        with db.transaction("owner") as session:
            other = make.make_enterprise(session)
        attacks = [
            (firm, {"password": "wrong password"}),
            (firm, {"login": "nobody"}),
            (firm, {"said": {"name": "Somebody Else"}}),  # another subject, of the same firm
            (firm, {"said": {"role": "agent"}}),
            (other, {}),
            (firm, {"said": {"provider": "e_licence", "name": "Wang Wu"}}),
        ]
        for proved, fields in attacks:
            assert self.recover(Person(app.test_client()), proved, **fields)[0].status_code == 422, fields
        assert elsewhere.get("/portal/").status_code == 200


class TestInvitations:
    @pytest.fixture
    def invite(self, owner):
        def run(**fields):
            owner.get("/portal/representatives?lang=en")
            usual = {"enterprise": str(owner.firm.id), "name": "Chen Mei", "reason": "accounts", **EVERYTHING}
            answer = owner.post("/portal/representatives/invite", **usual | fields)
            found = re.search(r"/portal/invited/[\w-]+", answer.text)
            return found[0] if found else answer

        return run

    def takes(self, person, link, **fields):
        if "csrf_token" not in person.get(link).text:
            person.get("/portal/sign-in")
        return person.post(link, **{"doing": "join", "login": "chen", "name": "Chen Mei", "new": NEW, "again": NEW,
                                    **fields})  # fmt: skip

    def rights(self, login, firm):
        with db.transaction("owner") as session:
            account = accounts.by_login(session, login)
            return account and may_act(session, account, firm, utc_now())

    def test_a_new_person_becomes_an_agent_within_limits(self, owner, invite, app):
        link = invite(purposes=["report"], longest_days="10")
        chen = Person(app.test_client())
        assert owner.firm.name in chen.get(link).text
        assert self.takes(chen, link).headers["Location"] == "/portal/security"
        right = self.rights("chen", owner.firm)
        assert (right.role, right.limits["purposes"], right.limits["longest_days"]) == ("agent", ["report"], 10)
        assert right.appointed_by == owner.account.id
        assert chen.get(link).status_code == 404
        assert self.takes(Person(app.test_client()), link, login="late").status_code == 404
        assert self.rights("late", owner.firm) is None

    def test_a_person_with_a_sign_in_accepts(self, owner, invite, person, app):
        with db.transaction("owner") as session:
            known = make.make_account(session, password=make.PASSWORD)
        chen = Person(app.test_client(), known)
        link = invite()
        chen.sign_in()
        chen.get(link)
        assert chen.post(link, doing="accept").status_code == 303
        assert self.rights(known.login, owner.firm).role == "agent"

    def test_an_old_a_withdrawn_and_a_dismissed_representatives_link_do_nothing(self, owner, invite, app):
        old, withdrawn, dismissed = invite(), invite(name="B"), invite(name="C")
        with db.transaction("owner") as session:
            first = session.scalars(select(FirmInvitation).order_by(FirmInvitation.created_at)).first()
            first.expires_at = utc_now() - timedelta(seconds=1)
        page = owner.get("/portal/representatives?lang=en")
        ways = re.findall(r'action="(/portal/representatives/invitations/inv_\w+/withdraw)"', page.text)
        assert owner.post(ways[0], enterprise=str(owner.firm.id)).status_code == 303
        owner.get("/portal/representatives")
        assert owner.post(ways[0], enterprise=str(owner.firm.id)).status_code == 404
        for link in (old, withdrawn):
            assert Person(app.test_client()).get(link).status_code == 404
        assert Person(app.test_client()).get(dismissed).status_code == 200
        with db.transaction("owner") as session:
            session.execute(update(Representation).values(ended_at=utc_now()))
        assert Person(app.test_client()).get(dismissed).status_code == 404
        assert self.takes(Person(app.test_client()), dismissed).status_code == 404

    def test_of_eight_who_take_it_up_at_once_one_succeeds(self, owner, invite):
        secret = invite().rpartition("/")[2]
        with db.transaction("owner") as session:
            people = [make.make_account(session).id for _ in range(8)]

        def take(account_id):
            try:
                with db.transaction() as session:
                    invitations.take_up(session, secret, session.get_one(Account, account_id), utc_now())
            except NotFound:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(take, people)) == 1

    def test_where_two_must_sign_the_invitation_is_the_first_signature(self, owner, invite, app):
        with db.transaction("owner") as session:
            second = make.make_account(session, password=make.PASSWORD)
            make.make_representation(session, owner.firm, second, "agent", reason="x")
            session.merge(owner.firm).two_signatures = True
        assert self.takes(Person(app.test_client()), invite()).status_code == 303
        assert self.rights("chen", owner.firm) is None
        other = Person(app.test_client(), second)
        other.sign_in()
        other.get("/portal/inbox")
        with db.transaction("owner") as session:
            act = session.scalars(select(FirmAct)).one()
        assert (act.act, act.signed_by) == ("appoint", owner.account.id)
        assert other.post(f"/portal/acts/{act.id}/sign").status_code == 303
        assert self.rights("chen", owner.firm).role == "agent"

    def test_another_firms_invitations_are_not_there(self, owner, invite, person, app):
        invite()
        other = Person(app.test_client())
        with db.transaction("owner") as session:
            other.account = make.make_account(session, password=make.PASSWORD)
            firm = make.make_enterprise(session)
            make.make_representation(session, firm, other.account)
            theirs = session.scalars(select(FirmInvitation)).one().wire_id
        other.sign_in()
        other.get("/portal/representatives")
        way = f"/portal/representatives/invitations/{theirs}/withdraw"
        assert other.post(way, enterprise=str(firm.id)).status_code == 404
        assert other.post(way, enterprise=str(owner.firm.id)).status_code == 404
        usual = {"name": "x", "reason": "x", **EVERYTHING}
        assert other.post("/portal/representatives/invite", enterprise=str(owner.firm.id), **usual).status_code == 404
        with db.transaction("api") as session:
            db.enter(session, db.Viewer(account_id=other.account.id, enterprise_id=owner.firm.id))
            assert session.scalars(select(FirmInvitation)).all() == []

    def test_an_agent_invites_nobody_and_what_is_signed_takes_a_code(self, owner, invite, settings, app):
        codes = enrolled(owner.account, settings)
        assert invite().status_code == 422
        link = invite(totp=codes.now())
        chen = Person(app.test_client())
        self.takes(chen, link)
        chen.get("/portal/representatives")
        usual = {"enterprise": str(owner.firm.id), "name": "x", "reason": "x", **EVERYTHING}
        assert chen.post("/portal/representatives/invite", **usual).status_code == 404
