"""A statement proves one act of one person, once."""

import json
from datetime import timedelta

import pytest
from joserfc import jws

from creditlink.access import context
from creditlink.kit.clock import utc_now
from creditlink.kit.files.textfile import canonical_json
from creditlink.kit.postgres import db, purpose
from creditlink.staff import access, people, proof
from creditlink.staff.access import NobodyActs, acting
from creditlink.staff.proof import ProofInvalid, actor_of, sign
from tests import factories as make

NOW = make.NOW
FOR = {"audience": "here", "act": "jobs retry"}


@pytest.fixture
def key():
    return proof.new_key()


@pytest.fixture
def lin(session, key):
    return make.make_staff(session, "lin", "risk", key=key)


def test_it_is_good_once(session, lin, key):
    document = sign(key, "lin", now=NOW, **FOR)
    actor = actor_of(session, document, now=NOW, **FOR)
    assert (actor.account_id, actor.proof) == (lin.account_id, f"key:{key.thumbprint()}")
    with pytest.raises(ProofInvalid, match="used before"):
        actor_of(session, document, now=NOW, **FOR)


@pytest.mark.parametrize(
    ("asked", "at", "why"),
    [
        ({"audience": "there"}, 0, "something else"),
        ({"act": "jobs drop"}, 0, "something else"),
        ({}, 61, "too old"),
        ({}, -30, "not valid yet"),
    ],
)
def test_it_is_good_for_nothing_else(session, lin, key, asked, at, why):
    document = sign(key, "lin", now=NOW, **FOR)
    with pytest.raises(ProofInvalid, match=why):
        actor_of(session, document, now=NOW + timedelta(seconds=at), **FOR | asked)


def test_it_is_of_the_key_s_own_person(session, lin, key):
    make.make_staff(session, "wu", "operator")
    with pytest.raises(ProofInvalid, match="somebody else's"):
        actor_of(session, sign(key, "wu", now=NOW, **FOR), now=NOW, **FOR)
    stranger = proof.new_key()
    with pytest.raises(ProofInvalid, match="no active member"):
        actor_of(session, sign(stranger, "lin", now=NOW, **FOR), now=NOW, **FOR)


def test_a_foreign_key_under_a_known_kid_is_refused(session, lin, key):
    claims = {"iss": "lin", "aud": "here", "act": FOR["act"], "jti": "x", "iat": int(NOW.timestamp())}
    claims["exp"] = claims["iat"] + 60
    header = {"alg": "Ed25519", "typ": proof.TYPE, "kid": key.thumbprint()}
    forged = jws.serialize_compact(header, canonical_json(claims).encode(), proof.new_key(), algorithms=["Ed25519"])
    with pytest.raises(ProofInvalid, match="no key verifies"):
        actor_of(session, forged, now=NOW, **FOR)


@pytest.mark.parametrize("life", [61, 86_400])
def test_nobody_gives_themselves_more_time(session, lin, key, life):
    claims = {"iss": "lin", "aud": "here", "act": FOR["act"], "jti": "x", "iat": int(NOW.timestamp())}
    claims["exp"] = claims["iat"] + life
    header = {"alg": "Ed25519", "typ": proof.TYPE, "kid": key.thumbprint()}
    document = jws.serialize_compact(header, canonical_json(claims).encode(), key, algorithms=["Ed25519"])
    with pytest.raises(ProofInvalid, match="too old"):
        actor_of(session, document, now=NOW, **FOR)


@pytest.mark.parametrize("document", ["", "a.b.c", "\ufeff", "é", "x" * 20_000, "\0", "[]", "e30.e30.e30"])
def test_what_is_no_statement_is_refused(session, document):
    with pytest.raises(ProofInvalid):
        actor_of(session, document, now=NOW, **FOR)


def test_a_suspended_person_s_key_signs_nothing(session, lin, key):
    dan = make.make_staff(session, "dan", "operator")
    people.move(session, "lin", "suspended", by=dan, reason="x", now=NOW)
    with pytest.raises(ProofInvalid, match="no active member"):
        actor_of(session, sign(key, "lin", now=NOW, **FOR), now=NOW, **FOR)


@pytest.mark.parametrize("text", ["", "{}", "null", '{"kty": "oct", "k": "AA"}', "\0", '{"kty":"OKP","crv":"Ed25519"}'])
def test_a_file_that_holds_no_key_is_told(text):
    with pytest.raises(ProofInvalid):
        proof.read_key(text)


class TestCommands:
    @pytest.fixture
    def in_production(self, session):
        connection = session.connection()
        purpose.mark(connection, "production", "production")
        yield
        purpose.mark(connection, "sandbox", "test")

    def test_a_sandbox_takes_a_name_and_names_the_role(self, session, lin):
        assert acting(session, " LIN ", "risk", act="x", now=NOW).proof == "sandbox"
        assert acting(session, None, "risk", act="x", now=NOW) is None
        with pytest.raises(NobodyActs, match="lin is risk; this takes operator"):
            acting(session, "lin", "operator", act="x", now=NOW)
        with pytest.raises(NobodyActs, match="no member of staff"):
            acting(session, "nobody", "risk", act="x", now=NOW)

    def test_production_takes_a_key(self, session, lin, key, tmp_path, in_production):
        for login in (None, "lin"):
            with pytest.raises(NobodyActs, match="creditlink login"):
                acting(session, login, "risk", act="x", now=NOW)
        file = tmp_path / "lin.jwk"
        file.write_text(json.dumps(key.as_dict(private=True)))
        assert acting(session, "lin", "risk", act="x", now=NOW, key_file=file).proof.startswith("key:")
        file.write_text("{}")
        with pytest.raises(NobodyActs, match="proves nothing"):
            acting(session, "lin", "risk", act="x", now=NOW, key_file=file)

    def test_a_suspended_name_is_refused_in_a_sandbox_too(self, session):
        make.make_staff(session, "old", "risk", status="suspended")
        with pytest.raises(NobodyActs, match="old is suspended"):
            acting(session, "old", "risk", act="x", now=NOW)


class TestRoutes:
    @pytest.fixture
    def call(self, app):
        @app.route("/v1/for-risk")
        @access.require_role("risk")
        def for_risk():
            return {"who": access.current_staff().login}

        client = app.test_client()
        with app.app_context():
            base = context.current().settings.issuer

        def call(key, login, url="/v1/for-risk?a=1", at=None):
            document = sign(key, login, audience=base, act=f"GET {base}{url}", now=at or utc_now())
            return client.get("/v1/for-risk?a=1", headers={"Authorization": f"Staff {document}"})

        return call

    def test_a_route_of_a_role_knows_its_caller(self, call, key):
        other = proof.new_key()
        with db.transaction("owner") as session:
            make.make_staff(session, "lin", "risk", key=key)
            make.make_staff(session, "aud", "auditor", key=other)
        assert call(key, "lin").json == {"who": "lin"}
        refused = call(other, "aud")
        assert (refused.status_code, "aud is auditor" in refused.json["detail"]) == (403, True)
        for answer in (call(key, "lin", url="/v1/other"), call(proof.new_key(), "lin"), call(key, "lin", at=NOW)):
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Staff"
