"""A decision outlives the consent, the facts, the model and the rules it was made by; a forged one is found offline."""

import base64
import json
import zlib
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from creditlink.audit import chain
from creditlink.audit import service as audit
from creditlink.cli.decisions import decisions as commands
from creditlink.cli.replay import replay as replay_command
from creditlink.decisions import archive, export, record, service
from creditlink.decisions.looks.readers import Reader
from creditlink.decisions.policy.loading import load
from creditlink.decisions.policy.store import LoadedPolicies
from creditlink.decisions.replay import replay_many
from creditlink.decisions.tables import DecisionRow, PolicyBundle
from creditlink.engine.scoring.model import sha256_of
from creditlink.kit import ids, keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InsufficientRole, NotFound
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.profiles.tables import Profile
from creditlink.records.tables import FactRow
from creditlink.retention import purge
from creditlink.retention.tables import DeletionCertificate
from creditlink.staff import proof
from tests.decisions.conftest import READER
from tests.factories import make_staff
from tests.oauth import flow

AUDIT = db.Viewer(actor="audit")


def decision_of(profile) -> tuple:
    return ids.internal("prf", profile["id"]), "dec_" + profile["id"].removeprefix("prf_")


def replayed(kept, *profiles):
    with db.transaction("owner", viewer=AUDIT) as session:
        known = [decision_of(one)[0] for one in profiles]
        return service.replay(session, known, READER, kept=kept, now=utc_now())


def purge_all(settings, days):
    now = utc_now() + timedelta(days=days)
    with db.transaction("worker") as session:
        firms = purge.firms_due(session, now)
    done = []
    for firm in firms:
        with db.transaction("worker") as session:
            done.append(purge.purge_firm(session, firm, issuer=flow.ISSUER, secret=settings.secret_key, now=now))
    return [one for one in done if one.certificates]


def forge(statement, **values):
    with db.transaction("owner") as session:
        session.execute(text("ALTER TABLE decision_records DISABLE TRIGGER USER"))
        session.execute(text(statement), values)
        session.execute(text("ALTER TABLE decision_records ENABLE TRIGGER USER"))


def exported(kept, profile) -> str:
    with db.transaction("owner", viewer=AUDIT) as session:
        return service.exported(session, decision_of(profile)[0], READER, kept=kept, now=utc_now())


@pytest.fixture
def keys(settings):
    return keyring.public_keys(settings.secret_key)


def test_a_decision_is_replayed_after_its_consent_its_facts_its_model_and_its_rules(
    app, products, created, bank, kept, another_model, settings, monkeypatch
):
    authorization, first = created()
    another_model()
    response = bank.call("POST", "/v1/profiles", authorization, json={"amount_fen": 100_000_000, "term_months": 12})
    second = response.json()
    assert response.status_code == 201, response.text
    assert second["pd_12m"] != first["pd_12m"]
    assert second["bundle"] != first["bundle"]
    flow.change_consent(authorization, "revoke")
    (purged,) = purge_all(settings, 400)
    assert purged.rows["profiles"] == 2
    with db.transaction("owner") as session:
        assert session.scalar(select(FactRow.id).where(FactRow.enterprise_id == purged.enterprise_id).limit(1)) is None
        assert session.scalars(select(Profile)).all() == []
        # What the products were then is in the bundle too.
        session.execute(text("ALTER TABLE products DISABLE TRIGGER USER"))
        session.execute(text("UPDATE products SET terms = jsonb_set(terms, '{rules}', '[]'), state = 'retired'"))
        session.execute(text("ALTER TABLE products ENABLE TRIGGER USER"))

    def gone(*_arguments, **_named):
        raise AssertionError("nothing of today may be read")

    # Neither the model's folder nor today's rules of matching.
    monkeypatch.setattr("creditlink.engine.scoring.model.read_folder", gone)
    monkeypatch.setattr("creditlink.products.service.matching_settings", gone)
    runtime.process().drop(LoadedPolicies)
    found = replayed(kept, first, second)
    assert [(one.same, one.differences, one.computed_by) for one in found] == [(True, (), ())] * 2
    assert [one.bundle for one in found] == [first["bundle"], second["bundle"]]
    with db.transaction("owner") as session:
        assert audit.check(session, purged.enterprise_id) is None
        looks = [line for line in audit.export(session, purged.enterprise_id) if line["action"] == "decision.replay"]
    assert [look["detail"]["role"] for look in looks] == ["risk"] * 2
    assert [(look["actor"], look["purpose"], look["result"]) for look in looks] == [
        ("staff:wang", "replay", "disclosed")
    ] * 2


def test_a_difference_is_named_by_member_with_both_values(products, created, kept):
    _, profile = created()
    with db.transaction("owner", viewer=AUDIT) as session:
        kept_record = service.opened(session, decision_of(profile)[0], READER, doing="read", kept=kept, now=utc_now())
        policy = load(service.store.read(session, profile["bundle"]))
    body = json.loads(json.dumps(kept_record.body))
    body["profile"]["summary"]["reasons"][0]["code"] = "R999"
    body["profile"]["content_sha256"] = "0" * 64
    (found,) = replay_many([record.DecisionRecord(body, kept_record.matches)], lambda _: policy)
    assert not found.same
    (difference,) = found.differences
    assert difference.member == "summary.reasons.0.code"
    assert difference.stored == "R999"
    assert difference.replayed == profile["reasons"][0]["code"]


class TestAForgedRow:
    """The forger owns the database and knows the key: only the firm's evidence is out of reach."""

    @pytest.fixture
    def forged(self, products, created, kept, settings):
        _, profile = created()
        known, wire = decision_of(profile)
        with db.transaction("owner", viewer=AUDIT) as session:
            row = archive.look(session, known, READER, doing="read", classes=kept.classes, now=utc_now())
            opened = archive.open_sealed(row, settings.secret_key)
        body = json.loads(json.dumps(opened.body))
        body["profile"]["points"] += 50
        payload = record.DecisionRecord(body, opened.matches).payload
        link = row.link() | {"payload_sha256": sha256_of(payload)}
        forge(
            "UPDATE decision_records SET payload = :p, payload_sha256 = :s, digest = :d",
            p=archive.seal(payload, settings.secret_key), s=link["payload_sha256"], d=chain.digest(link),
        )  # fmt: skip
        with db.transaction("owner") as session:
            session.execute(text("UPDATE decision_heads SET digest = :d"), {"d": chain.digest(link)})
        return profile, wire

    def test_is_found_offline(self, forged, kept, keys):
        profile, _ = forged
        with pytest.raises(export.ExportInvalid, match="names another record: it is forged"):
            export.read(exported(kept, profile), keys)

    def test_is_found_by_the_check_and_does_not_replay(self, forged, kept, settings, empty_database, monkeypatch):
        profile, wire = forged
        monkeypatch.setattr("creditlink.cli.decisions.start", lambda _role: (settings, empty_database))
        checked = CliRunner().invoke(commands, ["check"])
        assert checked.exit_code == 1
        assert f"{wire}: the evidence names" in checked.output
        (found,) = replayed(kept, profile)
        assert [one.member for one in found.differences] == ["points"]


DAMAGE = {
    "UPDATE decision_records SET payload = '\\x00'": "not sealed with this server's key",
    "UPDATE decision_records SET grade = 'E'": "it is found by grade E",
    "UPDATE decision_records SET previous = repeat('1', 64)": "does not follow the line before it",
    "UPDATE decision_records SET seq = 2": "removed or reordered",
    "DELETE FROM decision_records": "the archive has none: removed",
}


def test_the_check_names_what_was_done_to_the_archive(created, settings):
    created()
    with db.transaction("owner") as session:
        chain_id = session.scalar(select(DecisionRow.chain_id))
        named = service.evidence_of(session, chain_id)
        assert list(archive.faults(session, chain_id, named, secret=settings.secret_key)) == []
        session.execute(text("ALTER TABLE decision_records DISABLE TRIGGER USER"))
        for statement, said in DAMAGE.items():
            with session.begin_nested() as undone:
                session.execute(text(statement))
                session.expire_all()
                found = list(archive.faults(session, chain_id, named, secret=settings.secret_key))
                undone.rollback()
            assert any(said in fault for fault in found), (statement, found)
        session.rollback()


class TestAnExportedDecision:
    def test_is_verified_and_replayed_without_a_database(self, products, created, kept, settings, keys, tmp_path):
        _, profile = created()
        file, key_file = tmp_path / "decision.json", tmp_path / "keys.json"
        file.write_text(exported(kept, profile))
        key_file.write_text(json.dumps(keys))
        db.configure(None, role="api")  # there is none
        verified = CliRunner().invoke(commands, ["verify", str(file), "--keys", str(key_file)])
        assert verified.exit_code == 0, verified.output
        assert json.loads(verified.output)["decision"] == decision_of(profile)[1]
        again = CliRunner().invoke(replay_command, [str(file), "--keys", str(key_file)])
        assert again.exit_code == 0, again.output
        assert "the same, byte by byte" in again.output

    def test_is_refused_when_any_part_was_changed_even_if_it_is_signed_again(self, created, kept, settings, keys):
        whole = exported(kept, created()[1])
        for part in ("record", "bundle", "artefacts", "links", "evidence", "decision"):
            body = json.loads(whole)
            body.pop("signature")
            self.change(body, part)
            with pytest.raises(export.ExportInvalid):
                export.read(json.dumps(body), keys)
            claims = {"decision": body["decision"], "sha256": export._sha256(body)}
            signed = body | {"signature": keyring.sign(claims, typ=export.TYPE, secret=settings.secret_key)}
            with pytest.raises(export.ExportInvalid):
                export.read(json.dumps(signed), keys)

    def change(self, body, part):
        if part == "record":
            payload = zlib.decompress(base64.b64decode(body["record"]))
            changed = payload.replace(b'"as_of":"2', b'"as_of":"1')
            assert changed != payload
            body["record"] = base64.b64encode(zlib.compress(changed)).decode()
        elif part == "bundle":
            body["bundle"] = body["bundle"].replace('"format":1', '"format":1,"more":2')
        elif part == "artefacts":
            name = min(body["artefacts"])
            body["artefacts"][name] = base64.b64encode(zlib.compress(b"other")).decode()
        elif part == "links":
            body["links"][0]["payload_sha256"] = "0" * 64
        elif part == "evidence":
            body["evidence"][-1]["detail"]["record"] = "0" * 64
        else:
            body["decision"] = "dec_" + "0" * 32

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', "\x00", '{"a": 1, "a": 2}', "\ud800"])
    def test_anything_else_is_refused_with_a_reason(self, keys, content):
        with pytest.raises(export.ExportInvalid):
            export.read(content, keys)


class TestThePurge:
    def test_certifies_what_went_and_what_stays_by_class(self, created, settings, keys):
        authorization, _ = created()
        flow.change_consent(authorization, "revoke")
        (done,) = purge_all(settings, 400)
        (certificate,) = done.certificates
        claims = keyring.verify(certificate.document, keys, typ="deletion-certificate+jws").claims
        assert claims["deleted"]["profiles"]["rows"] == 1
        kept = {one["class"]: one for one in claims["kept"]}
        assert set(kept) == {"decision_record", "evidence", "consents"}
        assert kept["decision_record"]["effect"] == "sealed"
        assert kept["decision_record"]["rows"] == 1
        assert kept["decision_record"]["until"] > (utc_now() + timedelta(days=4 * 365)).date().isoformat()
        assert "第五十六条" in kept["decision_record"]["source"]
        with db.transaction("owner") as session:
            assert session.scalar(select(DecisionRow.expired_at)) is None

    def test_takes_the_record_when_its_time_is_over_and_leaves_the_link(self, created, kept, settings):
        _, profile = created()
        purge_all(settings, 400)
        assert purge_all(settings, 5 * 365) == []  # a leap day short
        (done,) = purge_all(settings, 5 * 365 + 2)
        assert done.rows == {"decision_records": 1}
        with db.transaction("owner") as session:
            (row,) = session.scalars(select(DecisionRow)).all()
            assert (row.payload, row.enterprise_id, row.grade) == (None, None, None)
            assert chain.verify([row.link()], archive.head_of(session, row.chain_id)) is None
            assert session.scalars(select(DeletionCertificate)).all()[-1].kept
        with pytest.raises(NotFound):
            replayed(kept, profile)
        assert purge_all(settings, 5 * 365 + 3) == []

    def test_while_it_runs_a_replay_gives_the_same(self, created, kept, settings):
        """A replay that has begun holds the head of the evidence; the purge waits for it, and neither is lost."""
        authorization, profile = created()
        flow.change_consent(authorization, "revoke")
        known = decision_of(profile)[0]
        with db.transaction("owner", viewer=AUDIT) as session:
            with db.transaction("worker") as other:
                # The facts go in the middle of the replay.
                other.execute(text("DELETE FROM profiles"))
            (found,) = service.replay(session, [known], READER, kept=kept, now=utc_now())
        assert found.same
        assert len(purge_all(settings, 400)) == 1
        assert replayed(kept, profile)[0].same


class TestNobodyElse:
    @pytest.fixture
    def profile(self, created):
        return created()[1]

    def test_may_touch_the_archive(self, profile):
        for statement in (
            "SELECT payload FROM decision_records",
            "SELECT payload_sha256, payload FROM decision_records",
            "DELETE FROM decision_records",
            "UPDATE decision_records SET payload_sha256 = 'x'",
            "INSERT INTO decision_records (id) VALUES (gen_random_uuid())",
            "UPDATE decision_heads SET seq = 0",
            "UPDATE policy_bundles SET document = 'x'",
            "DELETE FROM policy_artefacts",
            "TRUNCATE decision_records",
        ):
            for role in ("api", "worker"):
                with pytest.raises(DBAPIError, match="permission denied"), db.transaction(role) as session:
                    session.execute(text(statement))

    def test_looks_without_being_staff_or_without_a_reason(self, profile, kept):
        known = decision_of(profile)[0]
        for viewer in (None, db.Viewer(institution_id=known)):
            with pytest.raises(DBAPIError, match="own staff"), db.transaction("api", viewer=viewer) as session:
                archive.look(session, known, READER, doing="read", classes=kept.classes, now=utc_now())
        for reader in (Reader("x", "sales", "replay"), Reader("x", "risk", "marketing"), Reader(" ", "risk", "replay")):
            with pytest.raises(InsufficientRole), db.transaction("owner", viewer=AUDIT) as session:
                archive.look(session, known, reader, doing="read", classes=kept.classes, now=utc_now())

    def test_archives_twice_or_what_is_no_profile(self, profile):
        call = "SELECT creditlink_archive('{}', '\\x00', 'x', now())"
        for known, said in ((decision_of(profile)[0], "duplicate key"), ("0" * 32, "is not stored")):
            with pytest.raises(DBAPIError, match=said), db.transaction("api") as session:
                session.execute(text(call.format(known)))

    def test_edits_a_record_or_a_bundle_not_even_the_owner(self, profile):
        for statement in (
            "UPDATE decision_records SET grade = 'A'",
            "UPDATE decision_records SET payload = NULL, expired_at = now()",
            "DELETE FROM decision_records",
            "TRUNCATE decision_records",
            "UPDATE policy_bundles SET added_at = now()",
            "DELETE FROM policy_artefacts",
        ):
            with pytest.raises(DBAPIError, match="append-only"), db.transaction("owner") as session:
                session.execute(text(statement))

    def test_stores_other_bytes_under_a_hash(self, profile):
        with pytest.raises(DBAPIError, match="addressed_by_content"), db.transaction("api") as session:
            session.execute(text("INSERT INTO policy_artefacts (sha256, content) VALUES (repeat('0', 64), '\\x00')"))


class TestTheRoute:
    @pytest.fixture
    def call(self, empty_database, http):
        def make(*roles):
            key, login = proof.new_key(), "-".join(roles)
            with db.transaction("owner") as session:
                make_staff(session, login, *roles, key=key)

            def ask(method, path, *, json):
                document = proof.sign(
                    key, login, audience=flow.ISSUER, act=f"{method} {flow.ISSUER}{path}", now=utc_now()
                )
                return http.request(method, path, json=json, headers={"Authorization": f"Staff {document}"})

            return ask

        return make

    def test_replays_for_risk_and_audit_staff_alone(self, created, call):
        _, profile = created()
        path = f"/v1/decisions/{decision_of(profile)[1]}/replay"
        asked = {"role": "risk", "purpose": "complaint"}
        risk = call("risk")
        answer = risk("POST", path, json=asked)
        assert answer.status_code == 200, answer.text
        assert answer.json() | {"same": True, "differences": [], "computed_by": []} == answer.json()
        assert risk("POST", path, json=asked | {"role": "auditor"}).json()["type"] == "/problems/insufficient-role"
        assert risk("POST", path, json=asked | {"purpose": "x"}).json()["type"] == "/problems/insufficient-role"
        assert risk("POST", path, json={"role": "risk"}).status_code == 422
        assert risk("POST", f"/v1/decisions/dec_{'0' * 32}/replay", json=asked).status_code == 404
        assert risk("POST", "/v1/decisions/x/replay", json=asked).status_code == 404
        assert call("operator")("POST", path, json=asked).json()["type"] == "/problems/insufficient-role"

    def test_is_not_there_for_a_bank(self, created, empty_database, http):
        _, profile = created()
        path = f"/v1/decisions/{decision_of(profile)[1]}/replay"
        ours = flow.caller(empty_database, http, "product:read", scopes=["product:read"])
        assert ours("POST", path, json={"role": "risk", "purpose": "replay"}).status_code == 401


def test_one_policy_is_one_bundle_and_another_product_another(products, created, bank):
    authorization, first = created()
    again = bank.call("POST", "/v1/profiles", authorization, json={}).json()
    assert again["bundle"] == first["bundle"]
    with db.transaction("owner") as session:
        assert session.scalar(select(func.count()).where(PolicyBundle.sha256 == first["bundle"])) == 1
        policy = service.store.read(session, first["bundle"])
    document = policy.document
    assert document["model"]["sha256"] == first["model"]["sha256"]
    assert {"card.md", "validation.json", "reference.json", "peers.json"} <= set(document["model"]["files"])
    assert {"score.toml", "matching.toml", "capacity.toml", "validity.toml", "relief.toml"} <= set(document["settings"])
    assert document["libraries"]["xgboost-cpu" if "xgboost-cpu" in document["libraries"] else "xgboost"]
    assert len(document["products"]) > 300
    with pytest.raises(ValueError, match="its content has sha256"):
        service.store.bundles.opened(policy.sha256, policy.text, {"0" * 64: b"x"})
    damaged = replace(policy, artefacts={})
    with pytest.raises(ValueError, match=r"\.toml, .* is absent"):
        load(damaged)
