"""Evidence binds the decision: whatever is changed in a stored profile, the verifier says which and since when."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from creditlink.cli.audit import audit
from creditlink.engine.profile import content
from creditlink.kit import keyring
from creditlink.kit.postgres import db
from creditlink.profiles.tables import Profile
from tests import factories as make

FORGERIES = {
    "pd_12m": "pd_12m = 0.001",
    "grade": "grade = grade || '+'",
    "points": "points = points + 1",
    "coverage": "coverage = jsonb_set(coverage, '{tax,rows}', '1')",
    "a reason": "summary = jsonb_set(summary, '{reasons}', '[]')",
    "an indicator": "explanation = jsonb_set(explanation, '{margin}', '-9')",
    "its products": "products = jsonb_set(products, '{counts,eligible}', '99')",
    "its matches": "matches = ''",
    "its day": "as_of = as_of - 30",
    "its model": "model_id = 'another'",
    "what was asked": "asked = jsonb_set(asked, '{amount_fen}', '1')",
    "the registration": "registration = jsonb_set(registration, '{industry}', '\"A01\"')",
    "its facts": "fact_ids = '{}'",
    "its time": "created_at = created_at - interval '1 day'",
}


def forge(database, statement):
    with database.transaction("owner") as session:
        session.execute(text("ALTER TABLE profiles DISABLE TRIGGER USER"))
        session.execute(text(statement))
        session.execute(text("ALTER TABLE profiles ENABLE TRIGGER USER"))


@pytest.fixture
def run(empty_database, settings, monkeypatch):
    monkeypatch.setattr("creditlink.cli.audit.start", lambda _role: (settings, empty_database))
    return lambda *arguments: CliRunner().invoke(audit, list(arguments))


@pytest.fixture
def made(created):
    """A profile with its evidence: made, read, listed."""
    authorization, profile = created()
    return authorization, profile


def test_every_column_is_in_the_hash():
    outside = {"content_sha256", "content_version", "matches"}
    assert {*content.DECISION, *content.CIRCUMSTANCES} == {c.key for c in Profile.__table__.columns} - outside


def test_every_disclosure_names_the_content_that_went_out(made, bank, empty_database):
    authorization, profile = made
    assert bank.call("GET", f"/v1/profiles/{profile['id']}", authorization).status_code == 200
    assert bank.call("GET", "/v1/profiles", authorization).status_code == 200
    with empty_database.transaction("owner") as session:
        stored = session.query(Profile).one()
        entries = session.execute(
            text("SELECT action, detail FROM audit_entries WHERE result = 'disclosed' ORDER BY seq")
        ).all()
    assert [entry.action for entry in entries] == ["profile.create", "profile.summary", "profile.list"]
    for entry in entries:
        assert entry.detail["contents"] == {profile["id"]: stored.content_sha256}


class TestAForgedProfile:
    def test_is_found_by_the_check_whichever_column_it_is(self, made, run, empty_database):
        assert run("check").exit_code == 0, run("check").output
        name = made[1]["id"]
        for what, forgery in FORGERIES.items():
            with empty_database.transaction("owner") as session:
                before = session.execute(text("SELECT to_jsonb(p) FROM profiles p")).scalar()
            forge(empty_database, "CREATE TABLE kept_profile AS SELECT * FROM profiles")
            forge(empty_database, f"UPDATE profiles SET {forgery}")
            result = run("check")
            forge(empty_database, "DELETE FROM profiles")
            forge(empty_database, "INSERT INTO profiles SELECT * FROM kept_profile")
            forge(empty_database, "DROP TABLE kept_profile")
            assert result.exit_code == 1, what
            assert f"profile {name}: seq" in result.output, (what, result.output)
            assert "changed since" in result.output, what
            with empty_database.transaction("owner") as session:
                assert session.execute(text("SELECT to_jsonb(p) FROM profiles p")).scalar() == before
        assert run("check").exit_code == 0

    def test_is_found_although_its_own_hash_was_made_to_fit(self, made, run, empty_database):
        forge(empty_database, "UPDATE profiles SET pd_12m = 0.001")
        with empty_database.transaction("owner") as session:
            row = session.query(Profile).one().columns()
        for version in (1, 2):  # also as one of the old kind, whose hash the evidence of its time did not name
            fitting = content.content_sha256(row, version=version)
            forge(empty_database, f"UPDATE profiles SET content_version = {version}, content_sha256 = '{fitting}'")
            result = run("check")
            assert (result.exit_code, "changed since" in result.output) == (1, True), result.output

    def test_that_was_put_there_beside_the_platform_is_found(self, made, run, empty_database):
        forge(empty_database, "UPDATE profiles SET id = gen_random_uuid()")
        result = run("check")
        assert result.exit_code == 1
        assert "no entry of the chain tells that it was made" in result.output or "changed since" in result.output

    def test_that_is_gone_without_a_certificate_is_found(self, made, run, empty_database):
        forge(empty_database, "DELETE FROM profiles")
        result = run("check")
        assert (result.exit_code, "1 of its profiles are gone" in result.output) == (1, True), result.output

    def test_an_old_profile_still_verifies_and_a_forged_old_one_does_not(self, made, run, empty_database):
        """As before version 2: the evidence names no content, the hash is the decision's alone."""
        with empty_database.transaction("owner") as session:
            old = content.content_sha256(session.query(Profile).one().columns(), version=1)
            entries = session.execute(text("SELECT * FROM audit_entries ORDER BY chain_id, seq")).mappings().all()
            session.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER USER"))
            session.execute(text("DELETE FROM audit_entries"))
            session.execute(text("DELETE FROM audit_heads"))
            session.execute(text("ALTER TABLE audit_entries ENABLE TRIGGER USER"))
            for entry in entries:
                session.execute(
                    text("""SELECT creditlink_record(:action, :result, :actor, :at, :enterprise_id, :institution_id,
                            :client_id, :consent_id, :purpose, CAST(:detail AS jsonb) - 'contents', :request_id)"""),
                    dict(entry) | {"detail": json.dumps(entry["detail"])},
                )
        forge(empty_database, f"UPDATE profiles SET content_version = 1, content_sha256 = '{old}'")
        assert run("check").exit_code == 0, run("check").output
        forge(empty_database, "UPDATE profiles SET pd_12m = 0.001")
        result = run("check")
        assert (result.exit_code, "changed since" in result.output) == (1, True), result.output


class TestTheExport:
    @pytest.fixture
    def files(self, made, run, empty_database, settings, tmp_path):
        chain, profiles, keys = tmp_path / "chain.jsonl", tmp_path / "profiles.jsonl", tmp_path / "keys.json"
        keys.write_text(json.dumps(keyring.public_keys(settings.secret_key)))
        with empty_database.transaction("owner") as session:
            uscc = session.scalar(text("SELECT e.uscc FROM enterprises e JOIN profiles p ON p.enterprise_id = e.id"))
        done = run("export", "--uscc", uscc, "--out", str(chain), "--profiles", str(profiles))
        assert done.exit_code == 0, done.output
        return chain, profiles, keys

    def test_holds_the_profiles_without_a_database(self, files, monkeypatch):
        chain, profiles, keys = files
        monkeypatch.setattr(db, "_current", None)
        result = CliRunner().invoke(audit, ["verify", str(chain), "--keys", str(keys), "--profiles", str(profiles)])
        assert (result.exit_code, "1 profiles, each with the content" in result.output) == (0, True), result.output

    @pytest.mark.parametrize("change", [{"pd_12m": 0.001}, {"coverage": {}}, {"matches": ""}, {"content_version": 1}])
    def test_finds_a_profile_that_was_changed(self, files, change):
        chain, profiles, keys = files
        forged = json.loads(profiles.read_text()) | change
        forged["content_sha256"] = content.content_sha256(content.from_json(forged), version=forged["content_version"])
        profiles.write_text(json.dumps(forged, ensure_ascii=False) + "\n", encoding="utf-8")
        result = CliRunner().invoke(audit, ["verify", str(chain), "--keys", str(keys), "--profiles", str(profiles)])
        assert (result.exit_code, "changed since" in result.output) == (1, True), result.output

    def test_says_in_the_firms_log_who_took_profiles_out(self, made, run, empty_database, tmp_path):
        with empty_database.transaction("owner") as session:
            name = make.make_staff(session, "aud", "auditor").name
            uscc = session.scalar(text("SELECT e.uscc FROM enterprises e JOIN profiles p ON p.enterprise_id = e.id"))
            (profile,) = session.scalars(text("SELECT 'prf_' || replace(id::text, '-', '') FROM profiles"))
        files = ("--uscc", uscc, "--out", str(tmp_path / "chain"), "--profiles", str(tmp_path / "profiles"))
        assert run("export", *files, "--as", "mallory").exit_code == 1
        assert not (tmp_path / "profiles").exists() or (tmp_path / "profiles").read_text() == ""
        assert run("export", *files, "--as", "aud").exit_code == 0
        lines = [json.loads(line) for line in (tmp_path / "chain").read_text().splitlines()]
        (told,) = [line for line in lines if line.get("action") == "profile.export"]
        assert (told["actor"], told["result"], told["detail"]) == (name, "disclosed", {"profiles": [profile]})

    def test_a_file_that_is_no_profile_is_named(self, files):
        chain, profiles, keys = files
        profiles.write_text("{}\n")
        result = CliRunner().invoke(audit, ["verify", str(chain), "--keys", str(keys), "--profiles", str(profiles)])
        assert (result.exit_code, "not a stored profile" in result.output) == (1, True)
