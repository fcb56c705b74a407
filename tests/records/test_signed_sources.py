"""An office that signs its answers: what is not signed by its key is not stored, and what is leaves a trace."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from creditlink.audit.tables import AuditEntry
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.settings import ROOT, SettingError
from creditlink.records import sources
from creditlink.records.connectors.wire import Wire
from creditlink.records.offices.signatures import AnswerForged, SignatureKeys
from creditlink.records.pulls import fetching
from creditlink.records.sources import Sources, load_sources
from creditlink.records.tables import FactRow, PullPart, RejectedRow
from tests.records.conftest import QUICK, config_for
from tests.records.offices import Reply, office
from tests.records.test_answer_signatures import EC, public, sign

SHIPPED = (ROOT / "config" / "sources.toml").read_text()


@pytest.fixture
def signing(city):
    """An office that signs; `forge` says of a reply whether and how."""
    state = {"forge": lambda _asked, reply: reply}

    def answer(asked):
        reply = city.answer(asked)
        signed = replace(reply, headers=dict(reply.headers) | {"X-JWS-Signature": sign(reply.body, b64=False)})
        return state["forge"](asked, signed)

    with office(answer) as opened:
        config = config_for(opened.url)
        keys = SignatureKeys.of(public(EC), ["ES256"])
        named = {name: replace(source, signed_by=keys) for name, source in config.sources.items()}
        here = Sources(replace(config, sources=named))
        sources.configure(here)
        state["sources"] = here
        yield state
        here.close()
        sources.configure(None)


def parts_of(consent, signing):
    fetching.run_pull(consent.id, signing["sources"], utc_now)
    with db.transaction("worker") as session:
        found = {part.source: part for part in session.scalars(select(PullPart))}
        session.expunge_all()
    return found


def stored(source):
    with db.transaction("worker") as session:
        return session.scalar(select(func.count()).select_from(FactRow).where(FactRow.source == source))


def test_what_is_signed_is_stored_with_key_and_hash(consent, signing):
    found = parts_of(consent, signing)
    assert {part.status for part in found.values()} == {"DELIVERED"}
    assert found["tax"].signatures["key_ids"] == ["ec"]
    assert found["tax"].signatures["answers"] == len(found["tax"].resources) >= 3
    assert len(found["tax"].signatures["sha256"]) == 64
    with db.transaction("owner") as session:
        details = session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "records.pull")).all()
    assert {detail["source"]: detail["signatures"] for detail in details}["tax"] == found["tax"].signatures


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda reply: replace(reply, body=reply.body.replace(b"10<", b"90<")), "not right for this body"),
        (lambda reply: replace(reply, headers={}), "has no X-JWS-Signature (the office answers 200)"),
        (lambda reply: replace(reply, headers={"X-JWS-Signature": sign(reply.body, "EdDSA")}), "algorithm 'EdDSA'"),
        (lambda _reply: Reply(404, b'<error code="NO_RECORD">x</error>'), "no X-JWS-Signature (the office answers 404"),
        (lambda _reply: Reply(401, b"<error/>"), "has no X-JWS-Signature (the office answers 401"),
    ],
)  # fmt: skip
def test_what_is_not_is_denied_and_nothing_is_stored(consent, signing, forge, reason):
    signing["forge"] = lambda asked, reply: forge(reply) if "payroll" in asked.path else reply
    part = parts_of(consent, signing)["social_security"]
    assert part.status == "DENIED"
    assert reason in part.error
    assert (part.rows, part.signatures, stored("social_security"), stored("electricity")) == (0, None, 0, 6)


def test_one_forged_answer_spoils_all_that_the_office_said(consent, signing):
    signing["forge"] = lambda asked, reply: (
        replace(reply, body=reply.body.replace(b"100.00", b"900.00")) if "fapiao" in asked.path else reply
    )
    part = parts_of(consent, signing)["tax"]
    assert (part.status, stored("tax")) == ("DENIED", 0)
    with db.transaction("worker") as session:
        assert session.scalar(select(func.count()).select_from(RejectedRow)) == 0


def test_a_connector_cannot_make_the_best_of_it(consent, signing, monkeypatch):
    """Nor by catching everything, nor by asking past the wire."""
    real = signing["sources"].connectors["social_security"]

    class Deaf:
        source = "social_security"

        def fetch(self, uscc, **more):
            delivery = real.fetch(uscc, **more)
            try:
                signing["forge"] = lambda _asked, reply: replace(reply, headers={})
                real.fetch(uscc, **more)
            except Exception:
                pass
            return delivery

        def close(self):
            pass

    monkeypatch.setitem(signing["sources"].connectors, "social_security", Deaf())
    assert parts_of(consent, signing)["social_security"].status == "DENIED"
    assert stored("social_security") == 0


def test_one_that_shows_no_signature_is_refused(consent, signing, monkeypatch):
    unsigned = Sources(config_for(signing["sources"].config.sources["tax"].base_url))
    monkeypatch.setitem(signing["sources"].connectors, "social_security", unsigned.connectors["social_security"])
    part = parts_of(consent, signing)["social_security"]
    assert (part.status, part.error) == ("DENIED", "*: nothing is taken in: the connector shows no signature")
    unsigned.close()


@pytest.mark.pure
def test_a_forged_answer_is_not_asked_for_again(signing_wire):
    wire, asked = signing_wire
    with pytest.raises(AnswerForged):
        wire.ask(lambda client: client.build_request("GET", "/"), lambda answer: answer, lambda: True)
    assert len(asked) == 1


@pytest.fixture
def signing_wire():
    with office(lambda _asked: Reply(200, b"x", {"X-JWS-Signature": sign(b"y")})) as opened:
        wire = Wire(opened.url, QUICK, signed_by=SignatureKeys.of(public(EC), ["ES256"]))
        yield wire, opened.asked
        wire.close()


@pytest.mark.pure
class TestConfiguration:
    @pytest.fixture
    def read(self, shipped, tmp_path):
        (tmp_path / "keys.json").write_text(json.dumps(public(EC)))
        (tmp_path / "private.json").write_text(json.dumps({"keys": [EC.as_dict(private=True)]}))
        (tmp_path / "torn.json").write_text('{"keys": [')

        def load(more):
            entry = "[sources.social_security]"
            (tmp_path / "sources.toml").write_text(SHIPPED.replace(entry, f"{entry}\n{more}"))
            return load_sources(replace(shipped, config_dir=tmp_path), {})

        return load

    def test_keys_are_read_from_the_configured_file(self, read):
        found = read('signature = { jwks = "keys.json", algorithms = ["ES256"] }').sources["social_security"].signed_by
        assert (list(found.keys), found.algorithms, found.header) == (["ec"], ("ES256",), "X-JWS-Signature")

    def test_limits_are_read(self, read):
        found = read("calls = { per_second = 0.5, per_day = 1000, equal_per_day = 2 }").sources["social_security"].calls
        assert (found.per_second, found.per_day, found.equal_per_day) == (0.5, 1000, 2)

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ('signature = { jwks = "none.json", algorithms = ["ES256"] }', r"signature.jwks.*none.json: No such file"),
            ('signature = { algorithms = ["ES256"] }', r"signature.jwks"),
            ('signature = { jwks = "torn.json", algorithms = ["ES256"] }', r"social_security.signature"),
            ('signature = { jwks = "private.json", algorithms = ["ES256"] }', r"signature.*private"),
            ('signature = { jwks = "keys.json", algorithms = ["none"] }', r"signature.*'none'"),
            ('signature = { jwks = "keys.json", algorithms = [] }', r"signature.algorithms"),
            ('signature = { jwks = "keys.json" }', r"signature.algorithms"),
            ('signature = { jwks = "keys.json", algorithms = ["ES256"], header = "a b" }', r"signature.header.*'a b'"),
            ('signature = { jwks = "keys.json", algorithms = ["ES256"], kid = "x" }', r"signature.kid"),
            ('signature = "yes"', r"signature.*table"),
            ("calls = { per_second = 0 }", r"calls.per_second"),
            ("calls = { per_day = 1.5 }", r"calls.per_day.*whole number"),
            ("calls = { per_day = true }", r"calls.per_day"),
            ("calls = { per_week = 1 }", r"calls.per_week"),
            ("calls = 7", r"calls.*table"),
        ],
    )
    def test_a_wrong_setting_is_named(self, read, more, said):
        with pytest.raises(SettingError, match=said):
            read(more)
