"""Signing in: sessions, CSRF, throttling, one-time codes."""

import re
from datetime import timedelta

import pyotp
import pytest
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.portal import tasks
from creditlink.portal.person import devices, throttle
from creditlink.portal.site import safe_next
from creditlink.portal.tables import WebSession
from tests import factories as make
from tests.portal.conftest import Person


def test_a_person_signs_in_and_out(person):
    assert person.get("/portal/").headers["Location"] == "/portal/sign-in?next=/portal/"
    answer = person.sign_in()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/portal/")
    assert person.get("/portal/?lang=en").status_code == 200
    assert person.post("/portal/sign-out").headers["Location"] == "/portal/sign-in"
    assert person.get("/portal/").status_code == 303


def test_a_copied_cookie_is_worth_nothing_after_sign_out(person, app):
    person.sign_in()
    copied = person.client.get_cookie("creditlink_session", path="/portal").value
    person.get("/portal/")
    person.post("/portal/sign-out")
    thief = app.test_client()
    thief.set_cookie("creditlink_session", copied, path="/portal")
    assert thief.get("/portal/").status_code == 303


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "wrong"},
        {"login": "nobody"},
        {"password": ""},
    ],
    ids=ascii,
)
def test_every_way_to_be_wrong_looks_the_same(person, wrong):
    answer = person.sign_in(**wrong)
    assert answer.status_code == 401
    assert "Login, password or one-time code is wrong." in answer.text
    assert person.get("/portal/").status_code == 303


@pytest.mark.parametrize("wrong", [{"login": "a\0b"}, {"password": "\0"}], ids=ascii)
def test_what_is_no_text_is_refused_at_the_border_and_tells_nothing(person, wrong):
    """Before anything is looked up: the same for a login that exists and one that does not."""
    answers = [person.sign_in(**wrong), person.sign_in(**({"login": "nobody"} | wrong))]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert person.get("/portal/").status_code == 303


def test_session_fixation(person):
    """An id or a form's cookie known before sign-in is not the id after it, and is not signed in."""
    planted = "p" * 43
    person.client.set_cookie("creditlink_session", planted, path="/portal")
    person.sign_in()
    after = person.client.get_cookie("creditlink_session", path="/portal").value
    assert planted != after
    assert person.client.get_cookie("creditlink_form", path="/portal") is None
    with db.transaction("owner") as session:
        rows = session.scalars(select(WebSession)).all()
        assert [row.account_id for row in rows] == [person.account.id]
        assert after not in rows[0].id_hash  # only its hash is stored


class TestBeforeSignIn:
    @pytest.fixture
    def rows(self):
        def count():
            with db.transaction("owner") as session:
                return session.scalar(text("SELECT count(*) FROM web_sessions"))

        return count

    def test_no_page_stores_a_session(self, person, rows, app):
        for path in ("/portal/sign-in", "/portal/sign-in?lang=en", "/portal/", "/portal/status", "/portal/nothing"):
            person.get(path)
        person.sign_in(password="wrong")
        person.post("/portal/sign-out")
        for _ in range(20):
            app.test_client().get("/portal/sign-in")
        assert rows() == 0
        assert person.sign_in().status_code == 303
        assert rows() == 1

    def test_the_form_needs_the_token_of_its_own_cookie(self, person, app, rows):
        person.get("/portal/sign-in")
        token = re.search(r'name="csrf_token" value="([^"]+)"', person.page.text).group(1)
        sent = {"login": person.account.login, "password": make.PASSWORD, "csrf_token": token}
        stranger = app.test_client()  # it has a token of its own, and this one is another's
        stranger.get("/portal/sign-in")
        assert stranger.post("/portal/sign-in", data=sent).status_code == 400
        assert app.test_client().post("/portal/sign-in", data=sent).status_code == 400  # no cookie at all
        assert rows() == 0
        assert person.client.post("/portal/sign-in", data=sent).status_code == 303

    @pytest.mark.parametrize("change", [lambda c: c[:-1] + ("A" if c[-1] != "A" else "B"), lambda c: "x", lambda c: ""])
    def test_a_cookie_that_is_not_ours_is_worth_nothing(self, person, change):
        person.get("/portal/sign-in")
        sealed = person.client.get_cookie("creditlink_form", path="/portal").value
        person.client.set_cookie("creditlink_form", change(sealed), path="/portal")
        assert person.post("/portal/sign-in", login=person.account.login, password=make.PASSWORD).status_code == 400

    def test_a_cookie_of_another_server_is_worth_nothing(self, person):
        made = URLSafeTimedSerializer("another" * 6, salt="portal-before-sign-in").dumps({"csrf_token": "a" * 40})
        person.get("/portal/sign-in")
        person.client.set_cookie("creditlink_form", made, path="/portal")
        assert person.post("/portal/sign-in", login=person.account.login, password=make.PASSWORD).status_code == 400

    def test_the_database_refuses_a_session_of_nobody(self, empty_database):
        with pytest.raises(DBAPIError, match="account_id"), empty_database.transaction("api") as session:
            session.execute(
                text("""INSERT INTO web_sessions (id_hash, data, created_at, seen_at, expires_at, address, agent)
                        VALUES ('x', '{}', now(), now(), now(), '', '')""")
            )


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(person):
    person.get("/portal/sign-in")
    cookie = person.page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/portal" in cookie


@pytest.mark.parametrize("token", ["", "forged", None])
def test_a_form_without_this_sessions_token_is_refused(person, app, token):
    if token is None:  # a true token, of another session
        other = Person(app.test_client())
        other.get("/portal/sign-in")
        token = other.page.text.split('name="csrf_token" value="')[1].split('"')[0]
    person.get("/portal/sign-in")
    answer = person.post("/portal/sign-in", token=token, login=person.account.login, password=make.PASSWORD)
    assert answer.status_code == 400
    assert person.get("/portal/").status_code == 303


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_a_form_from_another_origin_is_refused(person, origin):
    person.get("/portal/sign-in")
    answer = person.post(
        "/portal/sign-in", headers={"Origin": origin}, login=person.account.login, password=make.PASSWORD
    )
    assert answer.status_code == 400


def test_brute_force_is_slowed_per_account_and_a_right_password_does_not_help(person):
    person.get("/portal/sign-in")
    for _ in range(throttle.PER_PAIR):
        assert person.post("/portal/sign-in", login=person.account.login, password="guess").status_code == 401
    answer = person.sign_in()
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    with db.transaction("owner") as session:
        session.execute(text("UPDATE sign_in_tries SET window_from = window_from - interval '16 minutes'"))
    assert person.sign_in().status_code == 303


def test_brute_force_is_slowed_per_address(app, empty_database):
    now = utc_now()
    with db.transaction() as session:
        waits = [
            throttle.admit(session, throttle.keys_for(f"login{n}", "192.0.2.1"), now)
            for n in range(throttle.PER_ADDRESS + 1)
        ]
        assert throttle.admit(session, throttle.keys_for("login", "192.0.2.2"), now) is None
    assert waits[:-1] == [None] * throttle.PER_ADDRESS
    assert waits[-1] == throttle.WINDOW


def test_strangers_who_know_a_login_do_not_keep_its_owner_out(person, app):
    """Many addresses guess: a browser that has signed in before still gets in, a new one waits."""
    person.sign_in()
    person.get("/portal/")
    person.post("/portal/sign-out")
    now = utc_now()
    with db.transaction() as session:
        waits = [
            throttle.admit(session, throttle.keys_for(person.account.login, f"192.0.2.{n}"), now)
            for n in range(throttle.PER_ACCOUNT + 1)
        ]
    assert waits[:-1] == [None] * throttle.PER_ACCOUNT
    assert waits[-1] is not None
    assert type(person)(app.test_client(), person.account).sign_in().status_code == 429
    assert person.sign_in().status_code == 303


def test_a_known_browser_is_no_way_to_guess_on(person):
    person.sign_in()
    person.get("/portal/")
    person.post("/portal/sign-out")
    person.get("/portal/sign-in")
    answers = [person.post("/portal/sign-in", login=person.account.login, password="guess") for _ in range(9)]
    assert [a.status_code for a in answers] == [401] * throttle.PER_PAIR + [429]


def test_a_note_of_one_account_is_none_of_another(person, app):
    with db.transaction("owner") as session:
        victim = make.make_account(session)
    person.sign_in()
    note = person.client.get_cookie(devices.COOKIE, path="/portal").value
    with app.test_request_context(headers={"Cookie": f"{devices.COOKIE}={note}"}):
        secret = runtime.of_app(app).of(Settings).secret_key
        assert devices.known(person.account.login, secret=secret) is not None
        assert devices.known(victim.login, secret=secret) is None
        assert devices.known(person.account.login, secret="another") is None


def test_what_is_over_is_swept(person, app):
    person.sign_in()
    app.test_client().get("/portal/sign-in")
    later = utc_now() + timedelta(hours=9)
    with db.transaction("worker") as session:
        assert tasks.sweep(session, now=later) >= 3  # two sessions, and the tries
        assert tasks.sweep(session, now=later) == 0


def test_signing_in_clears_the_accounts_count(person):
    for _ in range(throttle.PER_PAIR + 2):
        assert person.sign_in().status_code == 303
        person.get("/portal/")
        person.post("/portal/sign-out")


def test_a_one_time_code_is_asked_for_when_enrolled_and_used_once(person, settings):
    secret = accounts.new_totp_secret()
    with db.transaction("owner") as session:
        accounts.enroll_totp(session.get_one(Account, person.account.id), secret, key=settings.secret_key)
        stored = session.get_one(Account, person.account.id).totp_secret
    assert secret not in stored
    code = pyotp.TOTP(secret).now()
    assert person.sign_in().status_code == 401
    assert person.sign_in(totp="000000" if code != "000000" else "000001").status_code == 401
    assert person.sign_in(totp=code).status_code == 303
    person.get("/portal/")
    person.post("/portal/sign-out")
    assert person.sign_in(totp=code).status_code == 401


def test_codes_drift_by_one_step_only(settings):
    secret, now = accounts.new_totp_secret(), utc_now()
    totp = pyotp.TOTP(secret)
    for steps, good in [(-2, False), (-1, True), (0, True), (1, True), (2, False)]:
        code = totp.at(now + timedelta(seconds=30 * steps))
        assert (accounts.code_step(secret, code, now) is not None) == good
    assert accounts.code_step(secret, "١٢٣٤٥٦", now) is None


def test_an_inactive_account_is_out_at_once(person):
    person.sign_in()
    with db.transaction("owner") as session:
        session.execute(text("UPDATE accounts SET status = 'locked'"))
    assert person.get("/portal/").status_code == 303
    assert person.sign_in().status_code == 401


def test_an_idle_session_ends(person):
    person.sign_in()
    with db.transaction("owner") as session:
        session.execute(text("UPDATE web_sessions SET seen_at = seen_at - interval '31 minutes'"))
    assert person.get("/portal/").status_code == 303


@pytest.mark.pure
@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/portal/",
        "/portal/..//evil.example",
        "/portal//evil.example",
        "/portal/\\evil.example",
        "javascript:alert(1)",
        "/oauth/authorize",
        "/portalevil",
        "/portal/\r\nSet-Cookie: a=b",
        "/portal/\u202e",
        "",
        None,
    ],
)
def test_open_redirect_after_sign_in(address):
    assert safe_next(address) == "/portal/"


@pytest.mark.pure
def test_a_page_of_ours_is_where_sign_in_leads():
    assert safe_next("/portal/authorize/abc.def_-1?lang=en") == "/portal/authorize/abc.def_-1?lang=en"


def test_pages_carry_the_headers_that_keep_others_out(person):
    headers = person.get("/portal/sign-in").headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def test_language_by_address_cookie_and_browser(person):
    assert "登录" in person.get("/portal/sign-in", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).text
    assert "登录" in person.get("/portal/sign-in", headers={"Accept-Language": "fr"}).text
    assert "Sign in" in person.get("/portal/sign-in", headers={"Accept-Language": "en-GB"}).text
    person.get("/portal/sign-in?lang=en")
    assert "Sign in" in person.get("/portal/sign-in", headers={"Accept-Language": "zh-CN"}).text
