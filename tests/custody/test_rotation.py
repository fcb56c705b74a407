"""A new key and everything sealed anew: by two people, broken off and gone on with, and nothing is lost."""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import CheckConstraint, LargeBinary, delete, func, insert, literal, select, text, update
from sqlalchemy.exc import DBAPIError

from creditlink.audit.tables import AuditEntry
from creditlink.cli import keys as commands
from creditlink.consents.agreement import receipts
from creditlink.custody import resealing, rotation
from creditlink.custody.columns import SEALED_COLUMNS
from creditlink.decisions import archive
from creditlink.decisions.tables import DecisionRow
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.keyring import InvalidToken, box, keyfile, keys_of
from creditlink.kit.postgres import db
from creditlink.kit.postgres.db import Base
from creditlink.kit.postgres.sealed_text import SealedText
from creditlink.kit.processes import runtime
from creditlink.kit.settings import load_settings
from creditlink.messages import service
from creditlink.staff import acts
from creditlink.staff.actor import RoleMissing
from creditlink.web.app import create_app
from tests import factories as make
from tests import rows

# What is kept as bytes, or is called sealed, and is not sealed with the server's key.
UNSEALED = {
    "facts.content_hash": "a hash",
    "uploaded_facts.content_hash": "a hash",
    "rejected_rows.fingerprint": "a hash",
    "staff_keys.public_key": "a public key",
    "profiles.matches": "decisions packed small, which the book of that day alone unpacks; deleted with the profile",
    "disputes.said_hash": "a hash",
    "uploads.content": "what a firm uploaded of its own books, deleted once it is read",
    "policy_artefacts.content": "files of models and settings, which name no firm",
}


def test_every_column_of_sealed_values_is_known():
    known = {one.name for one in SEALED_COLUMNS}
    found = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary | SealedText) or column.name == "sealed"
    }
    assert found - known == UNSEALED.keys()
    assert known - found == {"accounts.totp_secret"}


@pytest.fixture
def later(settings):
    """Return the settings after a rotation whose lead is over."""

    def rotated(**values):
        made = keyfile.new_key(
            utc_now(), signs_from=utc_now() - timedelta(seconds=1), **{"signs": "ES256", "seals": "SM4-GCM"} | values
        )
        keyfile.add_key(settings.keys_path, settings.secret_key.first.secret, made)
        return replace(settings, secret_key=keyfile.read_keys(settings.keys_path))

    return rotated


@pytest.fixture
def people(empty_database, settings):
    """Persons with codes, enough for more than one batch."""
    with db.transaction("owner") as session:
        made = [make.make_account(session) for _ in range(resealing.BATCH + 7)]
        for number, account in enumerate(made):
            accounts.enroll_totp(account, f"SECRET{number}", key=settings.secret_key)
    return made


def owner():
    return db.transaction("owner")


def test_everything_is_sealed_anew_and_opens(people, later):
    keys = later().secret_key
    tally = {one.name: one for one in resealing.reseal(owner, keys)}
    assert tally["accounts.totp_secret"].done == len(people)
    with owner() as session:
        found = session.scalars(select(Account.totp_secret)).all()
        assert all(one.startswith("k2.") for one in found)
        assert {accounts.totp_secret(one, key=keys) for one in session.scalars(select(Account))} == {
            f"SECRET{number}" for number in range(len(people))
        }
        assert not any(one.waiting for one in resealing.waiting(session, keys))
    assert not any(one.done for one in resealing.reseal(owner, keys))


def test_broken_off_it_goes_on_where_it_was(people, later):
    keys, steps = later().secret_key, []

    def broken(rows):
        steps.append(rows)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resealing.reseal(owner, keys, step=broken)
    with owner() as session:
        assert sum(one.waiting for one in resealing.waiting(session, keys)) == len(people) - steps[0]
        assert {name: bad for name, _, bad in resealing.opened(session, keys)}["accounts.totp_secret"] == 0
    done = resealing.reseal(owner, keys)
    assert sum(one.done for one in done) == len(people) - steps[0]


def test_what_does_not_open_is_left_and_told(people, later):
    keys = later().secret_key
    with owner() as session:
        session.execute(update(Account).where(Account.id == people[3].id).values(totp_secret="gAAAAABnothing"))
    tally = {one.name: one for one in resealing.reseal(owner, keys)}["accounts.totp_secret"]
    assert (tally.done, tally.unopened) == (len(people) - 1, 1)
    with owner() as session:
        assert session.get_one(Account, people[3].id).totp_secret == "gAAAAABnothing"
        opened = {name: (good, bad) for name, good, bad in resealing.opened(session, keys)}
    assert opened["accounts.totp_secret"] == (len(people) - 1, 1)


def test_what_is_written_meanwhile_is_not_overwritten(people, later):
    """A row that somebody holds is waited for, and then the newer value is kept."""
    keys = later().secret_key
    with owner() as session:
        session.execute(delete(Account).where(Account.id != people[0].id))

    @contextmanager
    def late():
        with owner() as session:
            yield session

    with owner() as session:
        accounts.enroll_totp(session.get_one(Account, people[0].id), "NEWER", key=keys)
    resealing.reseal(late, keys)
    with owner() as session:
        assert accounts.totp_secret(session.get_one(Account, people[0].id), key=keys) == "NEWER"


def test_without_another_key_nothing_is_to_be_done(people, settings):
    with owner() as session:
        assert sum(one.waiting for one in resealing.waiting(session, settings.secret_key)) == 0


def test_each_column_is_read_and_written(empty_database, settings, later):
    """A row of each table, whatever it is: filled in without its foreign keys, sealed for the column's purpose."""
    keys = later(seals="AES-256-GCM").secret_key
    with owner() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for one in SEALED_COLUMNS:
            for check in one.table.constraints:
                if isinstance(check, CheckConstraint):
                    session.execute(text(f"ALTER TABLE {one.table_name} DROP CONSTRAINT {check.name}"))
            value = one.marked(box(settings.secret_key, one.purpose).encrypt(b"what it says"))
            row = rows.row_of(one.table) | {one.column_name: literal(value, one.stored.type)}
            session.execute(insert(one.table).values(row))
        tally = {one.name: one.done for one in resealing.reseal(lambda: nullcontext(session), keys)}
        opened = {name: (good, bad) for name, good, bad in resealing.opened(session, keys)}
        session.rollback()  # with the constraints
    assert tally == {one.name: 1 for one in SEALED_COLUMNS}
    assert opened == {one.name: (1, 0) for one in SEALED_COLUMNS}


class TestAddresses:
    """Phone numbers and mailboxes: nobody reads them in a copy of the database."""

    def stored(self):
        with owner() as session:
            return session.scalar(text("SELECT address FROM person_channels"))

    @pytest.fixture
    def person(self, empty_database, settings):
        with owner() as session:
            account = make.make_account(session)
            service.set_channel(session, account.id, "sms", "13800138000", language="zh", now=utc_now())
        return account

    def read(self, person):
        with owner() as session:
            return service.channels_of(session, person.id)["sms"].address

    def test_are_sealed_and_read_as_they_were(self, person):
        assert self.stored().startswith("sealed:gAAAA")
        assert self.read(person) == "13800138000"

    def test_of_before_are_read_and_sealed_by_the_command(self, person, settings):
        with owner() as session:
            session.execute(text("UPDATE person_channels SET address = '13800138000'"))
        assert self.read(person) == "13800138000"
        tally = {one.name: one.done for one in resealing.reseal(owner, settings.secret_key)}
        assert tally["person_channels.address"] == 1
        assert self.stored().startswith("sealed:gAAAA")
        assert self.read(person) == "13800138000"
        assert not any(one.done for one in resealing.reseal(owner, settings.secret_key))

    def test_without_the_key_they_are_not_read_as_anything_else(self, person, settings):
        runtime.process().put(replace(settings, secret_key="another" * 9))
        with pytest.raises(InvalidToken):
            self.read(person)


class TestTheArchive:
    @pytest.fixture
    def record(self, empty_database, settings):
        made = {
            "id": uuid4(), "chain_id": uuid4(), "seq": 1, "decided_at": utc_now(), "payload_sha256": "0" * 64,
            "previous": "0" * 64, "digest": "1" * 64, "keep_until": utc_now() + timedelta(days=9),
            "payload": archive.seal(b"what was decided", settings.secret_key),
        }  # fmt: skip
        with owner() as session:
            session.execute(insert(DecisionRow).values(**made))
        return made

    def test_is_sealed_anew_and_its_link_stays(self, record, later):
        resealing.reseal(owner, later().secret_key)
        with owner() as session:
            row = session.get_one(DecisionRow, record["id"])
            assert row.payload.startswith(b"k2.")
            assert (row.digest, row.payload_sha256) == (record["digest"], record["payload_sha256"])

    @pytest.mark.parametrize("statement", [
        "UPDATE decision_records SET payload = 'x'",
        "SET LOCAL creditlink.reseals = 'on'; UPDATE decision_records SET payload = 'x', digest = 'x'",
        "SET LOCAL creditlink.reseals = 'on'; UPDATE decision_records SET payload = NULL",
        "SET LOCAL creditlink.reseals = 'on'; DELETE FROM decision_records",
        "SET LOCAL creditlink.reseals = 'on'; SET LOCAL ROLE creditlink_worker;"
        " UPDATE decision_records SET payload = 'x'",
        "SET LOCAL creditlink.reseals = 'on'; SET LOCAL ROLE creditlink_api;"
        " UPDATE decision_records SET payload = 'x'",
    ])  # fmt: skip
    def test_stays_final_for_everything_else(self, record, statement):
        with pytest.raises(DBAPIError), owner() as session:
            session.execute(text(statement))
        with owner() as session:
            assert session.scalar(select(DecisionRow.payload)) == record["payload"]


SUBJECT = rotation.wanted(lead_hours=24, signs="ES256", seals="AES-256-GCM")


class TestTwoPeople:
    @pytest.fixture
    def staff(self, empty_database, settings):
        with owner() as session:
            return {name: make.make_staff(session, name, role)
                    for name, role in (("ola", "operator"), ("dan", "operator"), ("rui", "risk"))}  # fmt: skip

    def propose(self, staff, subject=SUBJECT):
        with owner() as session:
            return rotation.propose_rotation(
                session, subject, by=staff["ola"], reason="every year", now=utc_now()
            ).wire_id

    def approve(self, act, by):
        with owner() as session:
            acts.approve(session, acts.waiting_act(session, act, utc_now()), by=by, now=utc_now())

    def test_a_second_operator_makes_it(self, staff, settings):
        act = self.propose(staff)
        for name in ("ola", "rui"):
            with pytest.raises((Conflict, RoleMissing)):
                self.approve(act, staff[name])
        assert not settings.keys_path.exists()
        self.approve(act, staff["dan"])
        keys = keyfile.read_keys(settings.keys_path)
        assert [one.id for one in keys.keys] == ["k1", "k2"]
        assert keys.current().id == "k1"  # announced, not used yet
        with owner() as session:
            entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "keys.rotate")).one()
        assert entry.detail["act"] == act
        assert keys.keys[1].secret not in json.dumps(entry.detail)

    def test_where_the_file_cannot_be_written_nothing_is_done(self, staff, settings):
        settings.keys_path.write_text("{")
        act = self.propose(staff)
        with pytest.raises(InvalidRequest):
            self.approve(act, staff["dan"])
        with owner() as session:
            assert session.scalar(select(func.count()).where(AuditEntry.action == "keys.rotate")) == 0
            assert acts.waiting_act(session, act, utc_now())

    @pytest.mark.parametrize("wrong", [{"lead_hours": -1}, {"lead_hours": "1"}, {"signs": "none"}, {"seals": "ROT13"}])
    def test_a_proposal_written_by_hand_is_refused(self, staff, settings, wrong):
        act = self.propose(staff, SUBJECT | wrong)
        with pytest.raises(InvalidRequest):
            self.approve(act, staff["dan"])
        assert not settings.keys_path.exists()


class TestCommands:
    @pytest.fixture
    def run(self, people, settings, monkeypatch, empty_database):
        def start(_role):
            env = {"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_VAR_DIR": str(settings.var_dir),
                   "CREDITLINK_SECRET_KEY": settings.secret_key.first.secret}  # fmt: skip
            made = load_settings(env)
            runtime.process().put(made)
            return made, empty_database

        monkeypatch.setattr(commands, "start", start)

        def invoke(*arguments):
            result = CliRunner().invoke(commands.keys, list(arguments))
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            return result

        return invoke

    def test_the_whole_way_in_a_sandbox(self, run, people):
        made = json.loads(run("rotate", "--lead", "0", "--reason", "to see").stdout)
        assert made["id"] == "k2"
        told = json.loads(run("list").stdout)
        assert [(one["id"], one["in_force"]) for one in told["keys"]] == [("k1", False), ("k2", True)]
        assert told["sealed_by_others"] == {"accounts.totp_secret": len(people)}
        done = json.loads(run("reseal").stdout)
        assert done == {"key": "k2", "columns": {"accounts.totp_secret": {"done": len(people), "unopened": 0}}}
        assert json.loads(run("list").stdout)["sealed_by_others"] == {}
        with owner() as session:
            assert session.scalar(select(func.count()).where(AuditEntry.action == "keys.reseal")) == 1

    def test_a_value_that_does_not_open_ends_it_with_status_1(self, run, people):
        run("rotate", "--lead", "0", "--reason", "to see")
        with owner() as session:
            session.execute(update(Account).where(Account.id == people[0].id).values(totp_secret="gAAA"))
        result = run("reseal")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["columns"]["accounts.totp_secret"]["unopened"] == 1

    def test_no_secret_is_printed(self, run, settings):
        run("rotate", "--lead", "0", "--reason", "to see")
        said = run("list").output
        assert all(one.secret not in said for one in keyfile.read_keys(settings.keys_path).keys)


def test_sessions_and_receipts_live_on_over_http(app, settings, later):
    """A form that is open while the keys change is taken; receipts are verified by what is published then."""
    receipt = receipts.sign({"consent": "con_1"}, secret=settings.secret_key)
    page = app.test_client()
    shown = page.get("/portal/sign-in")
    token = shown.text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
    rotated = create_app(later(), db.current())
    rotated.testing = True
    afterwards = rotated.test_client()
    for cookie in page._cookies.values():
        afterwards.set_cookie(cookie.key, cookie.value, path=cookie.path, domain=cookie.domain)
    answer = afterwards.post("/portal/sign-in", data={"csrf_token": token, "login": "nobody", "password": "x" * 12})
    assert answer.status_code != 400, answer.text
    published = afterwards.get("/v1/receipt-keys").json
    assert len(published["keys"]) == 2
    assert keyring.verify(receipt, published, typ=receipts.TYPE).claims == {"consent": "con_1"}
    assert keys_of(settings.secret_key).current().id == "k1"
