"""The purge: what is over goes, what another consent holds stays, the evidence stays, and a crash harms nothing."""

import hashlib
import json
from datetime import date, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text

from creditlink.audit import service as audit
from creditlink.audit.tables import AuditEntry
from creditlink.cli.consents import consents as commands
from creditlink.consents import service as consents
from creditlink.consents.tables import Consent
from creditlink.enterprises.accounts import hash_password
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit import keyring
from creditlink.kit.postgres import db
from creditlink.profiles.tables import Profile
from creditlink.records.pulls import pull as pulls
from creditlink.records.tables import FactRow, Pull, PullPart, RejectedRow
from creditlink.retention import certificates, purge
from creditlink.retention.tables import DeletionCertificate
from tests import factories as make
from tests.factories import NOW
from tests.oauth import flow
from tests.portal.conftest import Person
from tests.retention.conftest import DAY, SECRET, fetched, profiled, run

TABLES = {"facts": FactRow, "profiles": Profile, "pulls": Pull, "pull_parts": PullPart, "rejected_rows": RejectedRow}


def counts():
    with db.transaction("owner") as session:
        return {name: session.scalar(select(func.count()).select_from(table)) for name, table in TABLES.items()}


def facts_of(session, consent):
    return session.scalars(select(FactRow.id).where(FactRow.enterprise_id == consent.enterprise_id)).all()


def same_firm(consent):
    with db.transaction("owner") as session:
        return session.get_one(Enterprise, consent.enterprise_id), session.get_one(Account, consent.granted_by)


def revoke(consent, now=NOW):
    with db.transaction("api") as session:
        consents.revoke(session, consent, actor="account:x", reason="by_the_firm", now=now)


class TestOneConsent:
    @pytest.fixture
    def consent(self, granted):
        consent = granted()
        with db.transaction("owner") as session:
            fetched(session, consent, categories=("tax", "electricity"))
            profiled(session, consent, facts_of(session, consent))
        return consent

    def test_nothing_goes_before_its_life_is_over(self, consent):
        before = counts()
        assert run(NOW + 10 * DAY - timedelta(seconds=1)) == []
        assert counts() == before

    def test_then_everything_goes_at_once_and_a_certificate_says_so(self, consent):
        with db.transaction("owner") as session:
            hashes = sorted(h.hex() for h in session.scalars(select(FactRow.content_hash)))
        (done,) = run(NOW + 10 * DAY)
        assert counts() == dict.fromkeys(TABLES, 0)
        (certificate,) = done.certificates
        found = certificates.verify(certificate.document, keyring.public_keys(SECRET)).claims
        assert found["consent"] == consent.wire_id
        assert {table: counted["rows"] for table, counted in found["deleted"].items()} == {
            "facts": 2,
            "profiles": 1,
            "pull_parts": 2,
            "pulls": 1,
            "rejected_rows": 1,
        }
        # Whoever kept the rows' hashes can compute it again; the certificate's id makes it this certificate's own.
        named = "\n".join([found["jti"], *hashes]).encode()
        assert found["deleted"]["facts"]["sha256"] == hashlib.sha256(named).hexdigest()
        with db.transaction("owner") as session:
            assert session.scalars(select(DeletionCertificate.document)).all() == [certificate.document]

    def test_again_it_does_nothing(self, consent):
        run(NOW + 10 * DAY)
        assert run(NOW + 10 * DAY) == []
        assert run(NOW + 500 * DAY) == []

    def test_the_evidence_stays_and_says_what_went(self, consent):
        run(NOW + 10 * DAY)
        with db.transaction("owner") as session:
            assert audit.check(session, consent.enterprise_id) is None
            actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.seq)).all()
            assert actions[-2:] == ["consent.approve", "data.purge"]
            assert session.get_one(type(consent), consent.id).text_shown is not None

    def test_after_a_crash_nothing_is_half_deleted(self, consent, monkeypatch):
        before = counts()
        with monkeypatch.context() as patched:
            patched.setattr(purge, "_notify", lambda *_: (_ for _ in ()).throw(RuntimeError("power cut")))
            with pytest.raises(RuntimeError):
                run(NOW + 10 * DAY)
        assert counts() == before
        with db.transaction("owner") as session:
            assert session.scalar(select(func.count()).select_from(DeletionCertificate)) == 0
        assert len(run(NOW + 10 * DAY)) == 1

    def test_a_revocation_lets_go_of_what_no_profile_was_computed_from(self, consent):
        with db.transaction("owner") as session:
            fetched(session, consent, categories=("social_security",), at=NOW + timedelta(hours=1))
        revoke(consent, NOW + timedelta(hours=2))
        (done,) = run(NOW + timedelta(hours=3))
        assert done.rows == {"facts": 1, "rejected_rows": 2}
        assert counts()["facts"] == 2  # the profile's, so that audit can replay it
        run(NOW + 10 * DAY)
        run(NOW + 11 * DAY)
        assert counts() == dict.fromkeys(TABLES, 0)

    def test_a_paused_consent_keeps_its_data_for_its_life(self, consent):
        with db.transaction("api") as session:
            consents.pause(session, consent, actor="account:x", reason="x", now=NOW)
        assert run(NOW + 9 * DAY) == []

    def test_a_living_consent_asks_its_sources_again_afterwards(self, consent):
        run(NOW + 10 * DAY)
        with db.transaction("owner") as session:
            assert pulls.last_answers(session, consent.id) == {}

    def test_a_fresh_pull_lengthens_the_life_of_facts_not_of_profiles(self, consent):
        with db.transaction("owner") as session:
            fetched(session, consent, categories=("tax",), at=NOW + 8 * DAY)
        (done,) = run(NOW + 10 * DAY)
        assert (done.rows["profiles"], done.rows["facts"]) == (1, 1)  # the meter's
        assert counts()["facts"] == 2  # what was first fetched with the profile, and what came eight days later


class TestSharedFacts:
    @pytest.mark.parametrize("first_ends", [True, False])
    def test_they_live_as_long_as_the_longest_consent_that_covers_them(self, granted, first_ends):
        first = granted(data_life_days=10)
        second = granted(*same_firm(first), data_life_days=20)
        with db.transaction("owner") as session:
            fetched(session, first)
            fetched(session, second)  # the same facts: nothing new
            assert len(facts_of(session, first)) == 1
        if first_ends:
            revoke(first)
        run(NOW + 10 * DAY)
        assert counts()["facts"] == 1
        run(NOW + 20 * DAY)
        assert counts() == dict.fromkeys(TABLES, 0)

    def test_only_what_the_other_consent_opens_is_held(self, granted):
        first = granted(data_life_days=10, history_months=36)
        second = granted(*same_firm(first), data_life_days=30, history_months=6)
        with db.transaction("owner") as session:
            fetched(session, first, categories=("tax", "electricity"), months=(date(2024, 1, 1), date(2026, 6, 1)))
            fetched(session, second, categories=("tax",))
        run(NOW + 10 * DAY)
        with db.transaction("owner") as session:
            kept = session.execute(select(FactRow.category, FactRow.period)).all()
        assert kept == [("tax", date(2026, 6, 1))]

    def test_another_firm_is_left_alone(self, granted):
        over, alive = granted(data_life_days=10), granted(data_life_days=30)
        with db.transaction("owner") as session:
            fetched(session, over)
            fetched(session, alive)
        run(NOW + 10 * DAY)
        with db.transaction("owner") as session:
            assert session.scalars(select(FactRow.enterprise_id)).all() == [alive.enterprise_id]


class TestTheCertificate:
    @pytest.fixture
    def consent(self, granted):
        consent = granted()
        with db.transaction("owner") as session:
            fetched(session, consent)
        return consent

    def test_it_is_verified_offline_and_no_other_document_is_one(self, consent, tmp_path):
        (done,) = run(NOW + 10 * DAY)
        file, keys = tmp_path / "c.jws", tmp_path / "keys.json"
        keys.write_text(json.dumps(keyring.public_keys(SECRET)))
        file.write_text(done.certificates[0].document)
        verify = ("verify-deletion", str(file), "--keys", str(keys))
        shown = CliRunner().invoke(commands, verify)
        assert json.loads(shown.output)["consent"] == consent.wire_id
        file.write_text(keyring.sign({"consent": "x"}, typ="consent-receipt+jws", secret=SECRET))
        refused = CliRunner().invoke(commands, verify)
        assert (refused.exit_code, "not a deletion certificate" in refused.output) == (1, True)

    def test_the_command_deletes_or_says_what_it_would(self, consent, settings, empty_database, monkeypatch):
        monkeypatch.setattr("creditlink.cli.consents.start", lambda _role: (settings, empty_database))
        monkeypatch.setattr("creditlink.cli.consents.utc_now", lambda: NOW + 10 * DAY)
        would = json.loads(CliRunner().invoke(commands, ["purge", "--dry-run"]).stdout)
        assert (would["rows"]["facts"], counts()["facts"]) == (1, 1)
        with db.transaction("owner") as session:
            dan = make.make_staff(session, "dan", "operator")
        done = json.loads(CliRunner().invoke(commands, ["purge", "--as", "dan"]).stdout)
        assert done == would | {"dry_run": False}
        assert counts()["facts"] == 0
        with db.transaction("owner") as session:
            purged = session.scalars(select(AuditEntry.actor).where(AuditEntry.action == "data.purge"))
            assert set(purged) == {dan.name}

    def test_firm_and_bank_see_theirs_and_nobody_else_does(self, consent):
        run(NOW + 10 * DAY)
        other = make.uuid4()

        def seen(**settings):
            with db.transaction("api") as session:
                db.enter(session, db.Viewer(**settings))
                return session.scalar(text("SELECT count(*) FROM deletion_certificates"))

        assert seen(institution_id=consent.institution_id) == 1
        assert seen(enterprise_id=consent.enterprise_id, account_id=consent.granted_by) == 1
        assert seen(enterprise_id=consent.enterprise_id) == seen(account_id=consent.granted_by) == 0
        assert (seen(), seen(institution_id=other), seen(enterprise_id=other)) == (0, 0, 0)


def test_firm_and_bank_are_handed_the_certificate(bank, authorized, app, settings):
    authorization = authorized(bank)
    alive = authorized(bank)
    with db.transaction("owner") as session:
        consent = session.get_one(Consent, flow.consent_of(authorization))
        fetched(session, consent, at=consent.starts_at)
        account = session.get_one(Account, consent.granted_by)
        account.password_hash = hash_password(make.PASSWORD)
    (done,) = run(consent.starts_at + timedelta(days=consent.data_life_days))
    (certificate,) = done.certificates
    shown = bank.call("GET", f"/v1/deletion-certificates?consent={authorization.grant_id}", alive).json()
    assert [(c["id"], c["document"]) for c in shown["items"]] == [(certificate.wire_id, certificate.document)]
    assert {row["table"] for row in shown["items"][0]["deleted"]} == {"facts", "pulls", "pull_parts", "rejected_rows"}
    assert bank.call("GET", "/v1/deletion-certificates?limit=1&cursor=x", alive).status_code == 422
    person = Person(app.test_client(), account)
    person.sign_in()
    page = person.get(f"/portal/consents/{authorization.grant_id}?lang=en").text
    assert f"/deletions/{certificate.wire_id}" in page
    given = person.get(f"/portal/consents/{authorization.grant_id}/deletions/{certificate.wire_id}")
    assert given.text.strip() == certificate.document
    assert person.get(f"/portal/consents/{alive.grant_id}/deletions/{certificate.wire_id}").status_code == 404
