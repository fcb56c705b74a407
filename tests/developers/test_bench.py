"""The developers' desk: signing up and in, keys, whose pages these are, what floods and odd texts come to."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from creditlink.enterprises.tables import Account
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db, purpose
from creditlink.portal.developers import joining, tasks
from creditlink.portal.developers.pages.entry import JOINS_PER_ADDRESS
from creditlink.portal.developers.tables import Developer as DeveloperRow
from creditlink.portal.developers.tables import DeveloperRequest
from creditlink.sandbox.banks.bank import BankError
from creditlink.sandbox.banks.keys import new_key
from creditlink.web.app import create_app
from tests.developers.conftest import HOME, PASSWORD, Developer
from tests.oauth.flow import KEYS
from tests.serving import ISSUER

OTHER_KEY = KEYS["PS256"]


def rows(table, *where):
    with db.transaction("owner") as session:
        return session.scalars(select(table).where(*where)).all()


class TestSigningUp:
    def test_makes_one_institution_and_one_client_and_keeps_a_login_alone(self, make_developer):
        made = make_developer("Some.One@Example.com", with_key=False)
        (account,) = rows(Account, Account.role == "developer")
        (client,) = rows(Client)
        (institution,) = rows(Institution)
        assert account.login == account.display_name == "some.one@example.com"
        assert account.metadata_ == {}
        assert institution.code.startswith("DEV_")
        assert "one" not in institution.name_en
        assert client.metadata_ == {"sandbox": True}
        assert client.client_id == made.client_id()
        assert set(client.scopes) == set(joining.SCOPES)

    @pytest.mark.parametrize(
        "login", ["", "plain", "a@b", "a b@example.com", "a@example.com\n", "é@example.com", "x" * 200 + "@example.com"]
    )
    def test_refuses_what_is_no_login(self, app, login):
        refused = Developer(app.test_client())
        if login.endswith("\n"):  # spaces around are forgiven
            assert refused.join(login).status_code == 303
            return
        assert refused.join(login).status_code == 422
        assert rows(Account) == []

    @pytest.mark.parametrize("login", ["a\0@example.com", "\ud800@example.com", "x" * 3_000_000])
    def test_refuses_what_cannot_be_kept(self, app, login):
        person = Developer(app.test_client())
        person.get(f"{HOME}/join?lang=en")
        body = f"csrf_token=x&password={PASSWORD}&login=".encode() + login.encode("utf-8", "surrogatepass")
        answer = person.client.post(f"{HOME}/join", data=body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code in (400, 413, 422)
        assert rows(Account) == []

    def test_a_login_that_is_taken_is_not_taken_again(self, app, make_developer):
        make_developer(with_key=False)
        again = Developer(app.test_client()).join("DEV@example.com")
        assert again.status_code == 422
        assert "taken" in again.text
        assert len(rows(Institution)) == 1

    def test_a_flood_from_one_address_is_stopped(self, app):
        answers = [Developer(app.test_client()).join(f"dev{n}@example.com").status_code for n in range(9)]
        assert answers == [303] * JOINS_PER_ADDRESS + [429] * (9 - JOINS_PER_ADDRESS)
        assert len(rows(Institution)) == JOINS_PER_ADDRESS

    def test_a_full_sandbox_takes_nobody(self, app, make_developer, monkeypatch):
        make_developer(with_key=False)
        monkeypatch.setattr(joining, "MOST", 1)
        assert Developer(app.test_client()).join("late@example.com").status_code == 503
        assert len(rows(Institution)) == 1

    def test_needs_a_token_of_the_form(self, app):
        person = Developer(app.test_client())
        assert person.post(f"{HOME}/join", login="a@example.com", password=PASSWORD, token="x").status_code == 400


class TestSigningIn:
    def test_with_the_right_password_at_the_right_door(self, app, make_developer):
        make_developer(with_key=False)
        for password, door, status in (("wrong", HOME, 401), (PASSWORD, "/portal", 401), (PASSWORD, HOME, 303)):
            person = Developer(app.test_client())
            person.get(f"{door}/sign-in?lang=en")
            answer = person.post(f"{door}/sign-in", login="dev@example.com", password=password)
            assert answer.status_code == status, (password, door)

    def test_a_firms_person_and_staff_find_no_such_page(self, app, owner):
        for path in ("", "keys", "requests", "firms", "examples/curl"):
            assert owner.get(f"{HOME}/{path}").status_code == 404
        assert HOME not in owner.get("/portal/").text
        assert owner.post(f"{HOME}/sign-out").status_code == 404
        assert owner.get("/portal/").status_code == 200

    def test_ends_by_signing_out(self, make_developer):
        made = make_developer(with_key=False)
        made.get(f"{HOME}/")
        assert made.post(f"{HOME}/sign-out").status_code == 303
        assert made.get(f"{HOME}/").headers["Location"].endswith("/sign-in")

    def test_a_developer_finds_no_page_of_a_firm(self, make_developer):
        made = make_developer(with_key=False)
        for path in ("/portal/", "/portal/inbox", "/portal/profile"):
            assert made.get(path).status_code == 404


class TestKeys:
    def test_change_over_without_a_gap(self, make_developer):
        made = make_developer()
        old, new = made.bank.key, new_key("ES256")
        scope = {"scope": "consent:read"}
        made.bank.in_own_name(**scope)
        made.register(new)
        for key in (old, new):
            made.bank.key = key
            made.bank.in_own_name(**scope)
        made.get(f"{HOME}/keys")
        assert made.post(f"{HOME}/keys/end", kid=old.kid).status_code == 303
        made.bank.in_own_name(**scope)
        made.bank.key = old
        with pytest.raises(BankError, match="invalid_client"):
            made.bank.in_own_name(**scope)
        assert made.log()[0][1:3] == ("401", "kid")

    def test_a_private_key_is_refused_said_and_not_shown_again(self, make_developer):
        made = make_developer(with_key=False)
        secret = OTHER_KEY.as_dict(private=True)
        made.get(f"{HOME}/keys?lang=en")
        refused = made.post(f"{HOME}/keys", key=json.dumps(secret))
        assert refused.status_code == 422
        assert "throw it away" in refused.text
        assert secret["d"] not in refused.text
        assert rows(Client)[0].jwks == {"keys": []}

    def test_come_as_a_file_too(self, make_developer):
        made = make_developer(with_key=False)
        made.get(f"{HOME}/keys")
        pem = OTHER_KEY.as_pem(private=False)
        made.post(f"{HOME}/keys", file=(io.BytesIO(pem), "key.pem"))
        assert rows(Client)[0].jwks["keys"][0]["kty"] == "RSA"

    @pytest.mark.parametrize(
        "address",
        ["http://127.0.0.1/keys", "https://127.0.0.1/keys", "https://bank.invalid/keys", "file:///passwd", "x" * 1900],
    )
    def test_an_address_of_our_own_network_is_not_called(self, make_developer, address):
        made = make_developer()
        made.get(f"{HOME}/keys")
        assert made.post(f"{HOME}/keys/address", jwks_uri=address).status_code == 422
        assert rows(Client)[0].jwks_uri is None

    def test_of_another_developer_are_out_of_reach(self, make_developer):
        mine, other = make_developer("one@example.com"), make_developer("two@example.com")
        mine.get(f"{HOME}/keys")
        assert mine.post(f"{HOME}/keys/end", kid=other.bank.key.kid).status_code == 404
        with db.transaction("owner") as session:
            account_id = session.scalar(select(Account.id).where(Account.login == "one@example.com"))
        with db.transaction(viewer=db.Viewer(account_id=account_id)) as session:
            wanted = {"client": other.bank.client_id, "at": utc_now()}
            statement = "SELECT creditlink_set_developer_client(:client, '{\"keys\": []}', NULL, '{}', :at)"
            assert session.scalar(text(statement), wanted) is False


def test_addresses_are_checked(make_developer):
    made = make_developer(with_key=False)
    for given, status in (
        ("https://bank.example/callback http://127.0.0.1:1/x", 303), ("http://bank.example/callback", 422),
        ("https://bank.example/../callback", 422), ("", 422),
        (" ".join(f"https://bank.example/{n}" for n in range(9)), 422),
    ):  # fmt: skip
        made.get(f"{HOME}/")
        assert made.post(f"{HOME}/addresses", addresses=given).status_code == status, given
    assert rows(Client)[0].redirect_uris == ["https://bank.example/callback", "http://127.0.0.1:1/x"]


class TestProduction:
    @pytest.fixture
    def production(self, make_developer, settings, empty_database, monkeypatch):
        """The application as in production, on a database into which a developer's rows got somehow."""
        for name, source in settings.read_toml("sources.toml")["sources"].items():
            for key in source["credentials"]:
                monkeypatch.setenv(f"CREDITLINK_BUREAU_{name}_{key}".upper(), "of the office")
        made = make_developer()
        made.token = made.bank.in_own_name(scope="consent:read")
        real = create_app(replace(settings, environment="production", issuer=ISSUER), empty_database)
        made.real = real.test_client()
        return made

    def test_has_no_such_address(self, production):
        for path in ("", "/", "/join", "/sign-in", "/keys", "/requests", "/firms", "/examples", "/examples/curl/file"):
            assert production.real.get(HOME + path).status_code == 404
        for path in ("/join", "/sign-in", "/keys", "/keys/end", "/keys/address", "/addresses", "/sign-out"):
            assert production.real.post(HOME + path).status_code == 404

    def test_lets_no_sandbox_client_and_no_sandbox_token_in(self, production):
        form = production.bank.client_parameters() | {"grant_type": "client_credentials", "scope": "consent:read"}
        headers = {"DPoP": production.bank.proof("POST", "/oauth/token")}
        refused = production.real.post("/oauth/token", data=form, headers=headers)
        assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")
        token = production.token.access_token
        proof = production.bank.proof("GET", "/v1/consents", token)
        sent = {"Authorization": f"DPoP {token}", "DPoP": proof}
        assert production.real.get("/v1/consents", headers=sent).status_code == 401
        assert production.bank.call("GET", "/v1/consents", production.token).status_code == 200

    @pytest.mark.parametrize("mark", ["production", None])
    def test_its_database_takes_no_developer(self, empty_database, mark):
        with empty_database.transaction("owner") as session:
            before = purpose.mark_of(session.connection())
            session.execute(text("DELETE FROM database_purpose"))
            if mark:
                purpose.mark(session.connection(), mark, mark)
        try:
            with pytest.raises(DBAPIError, match="only a sandbox"), db.transaction() as session:
                joining.join(session, login="dev@example.com", password=PASSWORD, now=utc_now())
        finally:
            with empty_database.transaction("owner") as session:
                purpose.mark(session.connection(), before, "test")
        assert rows(Account) == []


def test_an_idle_developer_ends_with_login_keys_and_log(make_developer, empty_database):
    made = make_developer()
    made.bank.in_own_name(scope="consent:read")
    now = utc_now()
    with empty_database.transaction("worker") as session:
        assert tasks.sweep(session, now=now + tasks.KEPT - timedelta(minutes=5)) == (0, 0)
        assert tasks.sweep(session, now=now + joining.IDLE + timedelta(minutes=5))[1] == 1
    with empty_database.transaction("owner") as session:
        assert session.scalar(select(func.count()).select_from(DeveloperRow)) == 0
        assert session.scalar(select(func.count()).select_from(DeveloperRequest)) == 0
        assert session.scalars(select(Account.status)).all() == ["closed"]
        assert "example" not in session.scalars(select(Account.login)).one()
    with pytest.raises(BankError, match="invalid_client"):
        made.bank.in_own_name(scope="consent:read")
    assert made.get(f"{HOME}/").status_code == 303
    assert made.join("dev@example.com").status_code == 303
