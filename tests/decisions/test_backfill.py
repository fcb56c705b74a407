"""Profiles from before the archive get a record, marked as sealed afterwards: once, named by the evidence."""

import threading
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from creditlink.audit import service as audit
from creditlink.cli.decisions import decisions as commands
from creditlink.cli.replay import replay as replay_command
from creditlink.decisions import archive, export, service
from creditlink.decisions.archive import Archive
from creditlink.decisions.record import RecordInvalid
from creditlink.decisions.tables import DecisionRow
from creditlink.kit import ids, keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.profiles.reliance import backfill
from creditlink.profiles.reliance.backfill import ModelShelf, seal_profile, unsealed
from creditlink.profiles.tables import Profile
from tests.decisions.conftest import READER
from tests.factories import make_staff
from tests.oauth import flow

AUDIT = db.Viewer(actor="audit")


@pytest.fixture
def old(products, created, monkeypatch):
    """A profile as one was stored before there was an archive: no bundle, no record, none named by the evidence."""
    with monkeypatch.context() as before:
        before.setattr(Archive, "keep", lambda *_arguments, **_named: None)
        before.setattr("creditlink.profiles.service.policy_store.keep", lambda *_arguments, **_named: None)
        authorization, profile = created()
    known = ids.internal("prf", profile["id"])
    with db.transaction("owner") as session:
        assert session.get(Profile, known).bundle_sha256 is None
        assert unsealed(session) == [known]
    return authorization, profile, known


@pytest.fixture
def shelf(kept, settings):
    return ModelShelf(kept.policy.live, settings)


def seal(known, shelf, kept, now=None):
    with db.transaction("owner") as session:
        return seal_profile(session, known, shelf, kept=kept, actor="staff:dan", now=now or utc_now())


def opened(known, kept):
    with db.transaction("owner", viewer=AUDIT) as session:
        return service.opened(session, known, READER, doing="read", kept=kept, now=utc_now())


def faults(settings):
    with db.transaction("owner") as session:
        chain_id = session.scalar(select(DecisionRow.chain_id))
        named = service.evidence_of(session, chain_id)
        assert named
        return list(archive.faults(session, chain_id, named, secret=settings.secret_key))


def test_it_is_sealed_once_marked_and_replays_to_the_same_bytes(old, shelf, kept, settings):
    _, profile, known = old
    assert seal(known, shelf, kept) == "reproduced"
    assert seal(known, shelf, kept) is None
    record = opened(known, kept)
    note = record.body["backfilled"]
    assert (note["reproduced"], note["why"]) == (True, None)
    assert record.profile["points"] == profile["points"]
    with db.transaction("owner", viewer=AUDIT) as session:
        assert unsealed(session) == []
        (found,) = service.replay(session, [known], READER, kept=kept, now=utc_now())
        row = session.get_one(DecisionRow, known)
        stored = session.get_one(Profile, known)
        assert row.keep_until == kept.classes.of("decision_record").until(stored.created_at)
        (line,) = [one for one in audit.export(session, row.chain_id) if one["action"] == export.BACKFILL]
        assert audit.check(session, row.chain_id) is None
    assert (found.same, found.differences) == (True, ())
    assert line["actor"] == "staff:dan"
    assert line["detail"] == {"profile": profile["id"], "record": row.payload_sha256, "outcome": "reproduced"}
    assert faults(settings) == []


def test_two_at_once_seal_it_once(old, shelf, kept, settings):
    _, _, known = old
    found, ready = [], threading.Barrier(2)

    def run():
        ready.wait()
        found.append(seal(known, shelf, kept))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=str) == [None, "reproduced"]
    assert faults(settings) == []


def test_it_outlives_its_profile_beside_later_records(old, bank, shelf, kept, settings):
    authorization, _, known = old
    response = bank.call("POST", "/v1/profiles", authorization, json={"amount_fen": 100_000_000, "term_months": 12})
    assert response.status_code == 201, response.text
    assert seal(known, shelf, kept) == "reproduced"
    with db.transaction("owner") as session:
        session.execute(text("DELETE FROM profiles"))
    later = ids.internal("prf", response.json()["id"])
    with db.transaction("owner", viewer=AUDIT) as session:
        found = service.replay(session, [known, later], READER, kept=kept, now=utc_now())
    assert [one.same for one in found] == [True, True]
    assert faults(settings) == []


def test_without_its_facts_it_keeps_what_was_given_and_says_why(old, shelf, kept, settings):
    _, profile, known = old
    with db.transaction("owner") as session:
        session.execute(text("DELETE FROM facts WHERE frame = 'tax_standing'"))
    assert seal(known, shelf, kept) == "not_computed"
    record = opened(known, kept)
    assert "facts are gone" in record.body["backfilled"]["why"]
    assert record.profile["pd_12m"] == profile["pd_12m"]
    assert record.body["basis"]["indicators"]
    with db.transaction("owner", viewer=AUDIT) as session, pytest.raises(RecordInvalid, match="facts are gone"):
        service.replay(session, [known], READER, kept=kept, now=utc_now())
    assert faults(settings) == []


def test_what_comes_out_otherwise_says_in_what(old, shelf, kept, monkeypatch):
    _, _, known = old
    monkeypatch.setattr(backfill.again, "differences", lambda *_: ("summary",))
    assert seal(known, shelf, kept) == "differs"
    assert opened(known, kept).body["backfilled"]["why"] == "computed again it differs in summary"


def test_a_model_that_is_not_at_hand_is_named(old, shelf, kept, settings):
    _, _, known = old
    with db.transaction("owner") as session:
        session.execute(text("ALTER TABLE profiles DISABLE TRIGGER USER"))
        session.execute(text("UPDATE profiles SET model_id = '../city-2024', model_sha256 = repeat('0', 64)"))
        session.execute(text("ALTER TABLE profiles ENABLE TRIGGER USER"))
    assert seal(known, shelf, kept) == "not_computed"
    assert opened(known, kept).body["backfilled"]["why"] == "model ../city-2024 is not at hand: it has no folder"


def test_what_is_too_old_to_be_kept_is_not_sealed(old, shelf, kept):
    _, _, known = old
    assert seal(known, shelf, kept, now=utc_now() + timedelta(days=366 * 6)) == "over"
    with db.transaction("owner") as session:
        assert session.scalars(select(DecisionRow.id)).all() == []


def test_one_that_is_purged_meanwhile_is_nobodys_fault(old, shelf, kept):
    _, _, known = old
    with db.transaction("owner") as session:
        session.execute(text("DELETE FROM profiles"))
    assert seal(known, shelf, kept) is None


def test_the_file_of_one_is_verified_offline_and_a_forged_one_is_not(old, shelf, kept, settings):
    _, _, known = old
    seal(known, shelf, kept)
    keys = keyring.public_keys(settings.secret_key)
    with db.transaction("owner", viewer=AUDIT) as session:
        document = service.exported(session, known, READER, kept=kept, now=utc_now())
    assert export.read(document, keys).record.body["backfilled"]["reproduced"]
    with db.transaction("owner", viewer=AUDIT) as session:
        row = archive.look(session, known, READER, doing="read", classes=kept.classes, now=utc_now())
        line = next(one for one in audit.export(session, row.chain_id) if one["action"] == export.BACKFILL)
    assert export.named_by(line)[1] == row.payload_sha256
    assert export.named_by(line | {"action": "profile.read"}) is None


def test_a_later_entry_cannot_name_another_record(created, kept, settings):
    """Of a profile that was sealed when it was made, an entry that says it was sealed afterwards changes nothing."""
    _, profile = created()
    with db.transaction("owner") as session:
        stored = session.scalars(select(Profile)).one()
        audit.record(
            session, action=export.BACKFILL, result="done", actor="staff:mallory", now=utc_now(),
            enterprise_id=stored.enterprise_id, detail={"profile": profile["id"], "record": "0" * 64},
        )  # fmt: skip
    assert faults(settings) == []


def test_the_command_seals_what_is_left(old, settings, empty_database, monkeypatch):
    authorization, profile, _ = old
    for module in ("decisions", "replay"):
        monkeypatch.setattr(f"creditlink.cli.{module}.start", lambda _role: (settings, empty_database))
    from_facts = CliRunner().invoke(replay_command, [profile["id"]])
    assert (from_facts.exit_code, "the same, byte by byte" in from_facts.output) == (0, True), from_facts.output
    first = CliRunner().invoke(commands, ["backfill"])
    assert first.exit_code == 0, first.output
    told = "1 records sealed: 1 made again byte by byte, 0 came out otherwise, 0 cannot be made again"
    assert told in first.output
    assert "0 records sealed" in CliRunner().invoke(commands, ["backfill"]).output
    assert "nothing wrong" in CliRunner().invoke(commands, ["check"]).output
    nobody = CliRunner().invoke(replay_command, [profile["id"], "--as", "nobody"])
    assert nobody.exit_code == 1
    assert "'nobody' is no member of staff" in nobody.output  # the archive asks who looks
    with db.transaction("owner") as session:
        make_staff(session, "rita", "risk")
    flow.change_consent(authorization, "revoke")
    sealed = CliRunner().invoke(replay_command, [profile["id"], "--as", "rita"])
    assert sealed.exit_code == 0, sealed.output
