"""Back to one's sign-in: a forgotten password, a lost phone; and whoever would come in that way for another."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import func, select, text, update

from creditlink.enterprises import accounts
from creditlink.enterprises.identity import links, recovery
from creditlink.enterprises.identity.tables import PersonLink, RecoveryCode
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import NotFound
from creditlink.kit.postgres import db
from creditlink.messages import service as messages
from creditlink.messages.tables import MessageDelivery, PersonMessage
from creditlink.portal.person.arriving import password
from creditlink.portal.tables import PersonDevice, WebSession
from tests import factories as make
from tests.messages.conftest import run_all
from tests.portal.conftest import Person

NEW = "a new and long password"
MAIL = "li@firm.example"


@pytest.fixture
def reachable(person):
    """A person with a confirmed e-mail address."""
    with db.transaction("owner") as session:
        messages.set_channel(session, person.account.id, "email", MAIL, language="en", now=utc_now())
    return person


@pytest.fixture
def outbox(settings):
    """Return what was sent since, after all jobs ran."""

    def sent():
        run_all(settings)
        file = settings.var_dir / "outbox" / "email.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    return sent


def asks(person, login=None):
    person.get("/portal/forgotten?lang=en")
    answer = person.post("/portal/forgotten", login=person.account.login if login is None else login)
    assert answer.text
    answer.close()  # what is done only after the answer was sent, so that its time tells nothing
    return answer


def link_in(letter):
    return re.search(r"/portal/\w+/[\w-]+", letter["text"])[0]


def last_link(letters):
    return link_in([one for one in letters if "/reset/" in one["text"]][-1])


def sets(person, link, new=NEW):
    person.get(link)
    return person.post(link, new=new, again=new)


def enrolled(account, settings):
    secret = accounts.new_totp_secret()
    with db.transaction("owner") as session:
        accounts.enroll_totp(session.get_one(Account, account.id), secret, key=settings.secret_key)
    return pyotp.TOTP(secret)


class TestForgottenPassword:
    def test_a_link_sets_a_new_one_and_ends_every_session(self, reachable, app, outbox):
        elsewhere = Person(app.test_client(), reachable.account)
        elsewhere.sign_in()
        asks(reachable)
        (letter,) = [one for one in outbox() if "/reset/" in one["text"]]
        assert letter["address"] == MAIL
        link = link_in(letter)
        assert reachable.get(link).status_code == 200
        assert reachable.get(link).status_code == 200  # looking, as mail scanners do, uses nothing up
        assert sets(reachable, link).headers["Location"].endswith("/sign-in")
        assert elsewhere.get("/portal/").status_code == 303
        assert reachable.sign_in().status_code == 401
        assert reachable.sign_in(password=NEW).status_code == 303
        assert "access_changed" in told(reachable)

    def test_enumeration_finds_nothing(self, reachable, app, outbox):
        with db.transaction("owner") as session:
            nowhere = make.make_account(session)
            make.make_account(session, login="locked", status="locked")
        answers = [asks(Person(app.test_client()), login) for login in
                   (reachable.account.login, nowhere.login, "locked", "nobody", "", "x" * 300)]  # fmt: skip
        shown = {re.sub(r'value="[^"]+"', "", answer.text) for answer in answers}
        assert {answer.status_code for answer in answers} == {200}
        assert len(shown) == 1
        assert len(outbox()) == 1

    def test_nobodys_mailbox_is_filled(self, reachable, outbox, app):
        for _ in range(password.PER_ACCOUNT + 3):
            assert asks(Person(app.test_client()), reachable.account.login).status_code == 200
        assert len([one for one in outbox() if "/reset/" in one["text"]]) == password.PER_ACCOUNT

    def test_a_replayed_an_overtaken_and_an_old_link_do_nothing(self, reachable, outbox):
        asks(reachable)
        asks(reachable)
        first, second = [link_in(one) for one in outbox() if "/reset/" in one["text"]]
        assert reachable.get(first).status_code == 404  # the newer one ended it
        assert sets(reachable, second).status_code == 303
        assert reachable.get(second).status_code == 404
        reachable.get("/portal/sign-in")
        assert reachable.post(second, new=NEW, again=NEW).status_code == 404
        asks(reachable)
        third = last_link(outbox())
        with db.transaction("owner") as session:
            session.execute(update(PersonLink).values(expires_at=utc_now() - timedelta(seconds=1)))
        assert reachable.get(third).status_code == 404

    def test_a_link_is_dead_once_the_password_was_changed(self, reachable, outbox):
        asks(reachable)
        link = last_link(outbox())
        reachable.sign_in()
        reachable.get("/portal/security/password")
        changed = reachable.post("/portal/security/password", old=make.PASSWORD, new=NEW, again=NEW)
        assert changed.status_code == 303
        assert reachable.get(link).status_code == 404

    def test_a_wrong_form_does_not_use_the_link_up(self, reachable, outbox):
        asks(reachable)
        link = last_link(outbox())
        assert sets(reachable, link, new="short").status_code == 422
        reachable.get(link)
        assert reachable.post(link, new=NEW, again=NEW + "x").status_code == 422
        assert sets(reachable, link).status_code == 303

    def test_of_eight_uses_at_once_one_succeeds(self, reachable):
        now = utc_now()
        with db.transaction("owner") as session:
            secret, _ = links.make(session, session.get_one(Account, reachable.account.id), "reset", now)

        def use(_):
            try:
                with db.transaction() as session:
                    links.spend(session, secret, "reset", now)
            except NotFound:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(use, range(8))) == 1

    def test_it_does_not_weaken_the_second_factor(self, reachable, settings, outbox):
        codes = enrolled(reachable.account, settings)
        asks(reachable)
        assert sets(reachable, last_link(outbox())).status_code == 303
        assert reachable.sign_in(password=NEW).status_code == 401
        assert reachable.sign_in(password=NEW, totp=codes.now()).status_code == 303

    def test_the_link_is_nowhere_in_the_database_nor_in_the_queue(self, reachable, outbox):
        asks(reachable)
        with db.transaction("owner") as session:
            jobs = session.scalar(text("SELECT string_agg(args::text, ' ') FROM procrastinate_jobs"))
            waiting = session.scalars(select(MessageDelivery.sealed)).all()
        secret = last_link(outbox()).rpartition("/")[2]
        with db.transaction("owner") as session:
            kept = session.scalars(select(PersonLink.secret_hash)).all()
            assert session.scalars(select(MessageDelivery.sealed)).all() == [None]  # gone once it was sent
        assert not any(secret in str(one) for one in (jobs, waiting, kept))
        assert MAIL not in str(waiting)

    def test_a_session_that_was_let_in_by_the_old_password_does_not_appear_afterwards(self, person, app, monkeypatch):
        """The attack: a sign-in with the old password is under way while the new one is set."""
        from creditlink.portal.person import sessions

        store = sessions._is_let_in

        def changed_meanwhile(transaction, session, secret):
            with db.transaction("owner") as other:
                other.get_one(Account, person.account.id).password_hash = accounts.hash_password(NEW)
            return store(transaction, session, secret)

        monkeypatch.setattr(sessions, "_is_let_in", changed_meanwhile)
        person.sign_in()
        monkeypatch.undo()
        assert person.get("/portal/").status_code == 303
        with db.transaction("owner") as session:
            assert session.scalar(select(func.count()).select_from(WebSession)) == 0


class TestChangingIt:
    def test_it_takes_the_old_one_and_ends_the_others(self, person, app):
        elsewhere = Person(app.test_client(), person.account)
        elsewhere.sign_in()
        person.sign_in()

        def change(**fields):
            person.get("/portal/security/password")
            return person.post("/portal/security/password", **fields)

        assert change(old="wrong", new=NEW, again=NEW).status_code == 422
        assert change(old=make.PASSWORD, new="short", again="short").status_code == 422
        assert change(old=make.PASSWORD, new=NEW, again=NEW).status_code == 303
        assert person.get("/portal/").status_code == 200
        assert elsewhere.get("/portal/").status_code == 303

    def test_it_takes_a_code_where_there_are_codes_and_tries_are_counted(self, person, settings):
        person.sign_in()
        codes = enrolled(person.account, settings)
        for _ in range(8):
            person.get("/portal/security/password")
            assert person.post("/portal/security/password", old="x", new=NEW, again=NEW).status_code == 422
        person.get("/portal/security/password")
        fields = {"old": make.PASSWORD, "new": NEW, "again": NEW, "totp": codes.now()}
        assert person.post("/portal/security/password", **fields).status_code == 429
        with db.transaction("owner") as session:
            session.execute(text("DELETE FROM sign_in_tries"))
        assert person.post("/portal/security/password", **fields | {"totp": ""}).status_code == 422
        person.get("/portal/security/password")
        assert person.post("/portal/security/password", **fields).status_code == 303


class TestLostPhone:
    @pytest.fixture
    def codes(self, person, settings):
        """Recovery codes of a person with a phone, as their page shows them."""
        person.sign_in()
        person.totp = enrolled(person.account, settings)
        person.get("/portal/security")
        shown = person.post("/portal/security/recovery-codes", totp=person.totp.now())
        found = re.findall(r"[BCDFGHJKLMNPQRSTVWXZ]{4}(?:-[BCDFGHJKLMNPQRSTVWXZ]{4}){3}", shown.text)
        assert len(found) == recovery.HOW_MANY
        person.get("/portal/")
        person.post("/portal/sign-out")
        return found

    def test_a_code_signs_in_once_and_moves_to_another_phone(self, person, codes):
        assert person.sign_in(totp=codes[0].lower().replace("-", " ")).status_code == 303
        page = person.get("/portal/security?lang=en")
        assert "9 are left" in page.text
        assert 'src="data:image/svg+xml' in page.text
        new = pyotp.TOTP(re.search(r'<code class="key">([A-Z2-7 ]+)</code>', page.text)[1].replace(" ", ""))
        moved = {"password": make.PASSWORD, "totp": new.now()}
        assert person.post("/portal/security/totp/replace", **moved, old=codes[0]).status_code == 422  # it was used
        assert person.post("/portal/security/totp/replace", **moved, old="").status_code == 422
        assert (
            person.post("/portal/security/totp/replace", **moved | {"password": "x"}, old=codes[1]).status_code == 422
        )
        assert person.post("/portal/security/totp/replace", **moved, old=codes[1]).status_code == 303
        person.get("/portal/")
        person.post("/portal/sign-out")
        assert person.sign_in(totp=codes[0]).status_code == 401
        assert person.sign_in(totp=codes[1]).status_code == 401
        assert person.sign_in(totp=person.totp.now()).status_code == 401  # the lost phone is worth nothing

    def test_only_hashes_are_kept_and_new_ones_end_the_old(self, person, codes, settings):
        with db.transaction("owner") as session:
            kept = session.scalars(select(RecoveryCode.code_hash)).all()
        assert len(kept) == recovery.HOW_MANY
        assert not set(kept) & set(codes)
        with db.transaction() as session:
            recovery.renew(session, person.account.id, key=settings.secret_key, now=utc_now())
        assert person.sign_in(totp=codes[0]).status_code == 401

    def test_of_eight_uses_at_once_one_succeeds(self, person, codes, settings):
        def use(_):
            with db.transaction() as session:
                return recovery.spend(session, person.account.id, codes[0], key=settings.secret_key, now=utc_now())

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(use, range(8))) == 1

    def test_anothers_code_is_worth_nothing(self, person, codes, app, settings):
        with db.transaction("owner") as session:
            other = make.make_account(session, password=make.PASSWORD)
        enrolled(other, settings)
        assert Person(app.test_client(), other).sign_in(totp=codes[0]).status_code == 401

    def test_a_code_without_the_password_is_worth_nothing(self, person, codes):
        assert person.sign_in(password="wrong", totp=codes[0]).status_code == 401
        assert person.sign_in(totp=codes[0]).status_code == 303  # and was not used up


class TestDevices:
    def test_a_new_one_is_told_once(self, person, app):
        person.sign_in()
        person.get("/portal/")
        person.post("/portal/sign-out")
        person.sign_in()
        assert told(person) == ["new_device"]
        Person(app.test_client(), person.account).sign_in()
        assert told(person) == ["new_device"] * 2

    def test_an_ended_one_is_signed_out_and_a_stranger_again(self, person, app):
        lost = Person(app.test_client(), person.account)
        lost.sign_in()
        person.sign_in()
        page = person.get("/portal/security?lang=en")
        (end,) = re.findall(r'action="(/portal/security/devices/dvc_\w+/end)"', page.text)  # not one's own
        assert person.post(end).status_code == 303
        assert lost.get("/portal/").status_code == 303
        lost.sign_in()
        assert told(person) == ["new_device"] * 3

    def test_sessions_are_ended_one_by_one(self, person, app):
        other = Person(app.test_client(), person.account)
        other.sign_in()
        person.sign_in()
        page = person.get("/portal/security")
        (end,) = re.findall(r'action="(/portal/security/sessions/\w+/end)"', page.text)
        stranger = Person(app.test_client())
        with db.transaction("owner") as session:
            stranger.account = make.make_account(session, password=make.PASSWORD)
            device = session.scalars(select(PersonDevice.id)).first()
        stranger.sign_in()
        stranger.get("/portal/security")
        assert stranger.post(end).status_code == 404
        assert stranger.post(f"/portal/security/devices/dvc_{device.hex}/end").status_code == 404
        assert other.get("/portal/").status_code == 200
        assert person.post(end).status_code == 303
        assert other.get("/portal/").status_code == 303


def told(person):
    with db.transaction("owner") as session:
        query = select(PersonMessage.kind).where(PersonMessage.account_id == person.account.id)
        return list(session.scalars(query.order_by(PersonMessage.created_at)))
