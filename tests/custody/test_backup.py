"""Backups on a real server with the real tools: of one instant, refused if damaged or foreign, proven by the drill."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from creditlink.audit import service as audit
from creditlink.cli import backup as commands
from creditlink.custody.backup import drill, restoring, streams, tools, writing
from creditlink.enterprises import accounts
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.keyring import keyfile
from creditlink.kit.postgres import db, purpose
from creditlink.messages import service as messages
from tests import factories as make

OTHER = "another server's " + "o" * 30


@pytest.fixture
def filled(empty_database, settings):
    """A database with people, sealed values and two chains of evidence."""
    with db.transaction("owner") as session:
        firm = make.make_enterprise(session)
        for number in range(5):
            account = make.make_account(session)
            accounts.enroll_totp(account, f"SECRET{number}", key=settings.secret_key)
            messages.set_channel(session, account.id, "sms", "13800138000", language="zh", now=utc_now())
            for about in (firm.id, None):
                audit.record(session, action="test", result="done", actor="test", now=utc_now(), enterprise_id=about)
    return empty_database


@pytest.fixture
def made(filled, settings, tmp_path):
    def of(*, sealed=False, secret=None, now=None):
        return writing.make(
            filled, tmp_path / "backups", issuer=settings.issuer, secret=secret or settings.secret_key,
            now=now or utc_now(), sealed=sealed,
        )  # fmt: skip

    return of


@pytest.fixture
def read(settings):
    return lambda folder, secret=None: writing.read(
        folder, keyring.public_keys(secret or settings.secret_key), issuer=settings.issuer
    )


def drilled(manifest, filled, settings, *, secret=None, spoil=None):
    """Return the steps of a drill; `spoil` is done to the restored database before it is looked at."""
    steps = []
    with drill.scratch(filled) as into:

        def step(what):
            if what == "evidence" and spoil is not None:
                with into.transaction("owner") as session:
                    session.execute(text(spoil))

        steps += drill.drill(manifest, into, environment="test", secret=secret or settings.secret_key, step=step)
    return {one.name: one for one in steps}


def databases(filled):
    server = create_engine(filled.url)
    with server.connect() as connection:
        found = connection.scalars(
            text("SELECT datname FROM pg_database WHERE datname LIKE 'creditlink_drill_%'")
        ).all()
    server.dispose()
    return found


class TestTheDrill:
    @pytest.mark.parametrize("sealed", [False, True])
    def test_finds_everything_as_it_was(self, made, read, filled, settings, sealed):
        backup = read(made(sealed=sealed).folder)
        steps = drilled(backup, filled, settings)
        assert [one for one in steps.values() if one.wrong] == []
        assert steps["chains of evidence"].told == "2 of 2 hold"
        assert steps["sealed: accounts.totp_secret"].told == "5 open"
        assert steps["sealed: person_channels.address"].told == "5 open"
        assert databases(filled) == []
        if sealed:
            assert b"PGDMP" not in backup.dump.read_bytes()
            assert sorted(one.name for one in backup.folder.iterdir()) == ["database.dump.sealed", "manifest.jws"]

    def test_names_what_does_not_open_with_the_keys_there_are(self, made, read, filled, settings):
        """The key is lost: the drill says so before anybody needs the backup."""
        backup = read(made().folder)
        steps = drilled(backup, filled, settings, secret=OTHER)
        assert steps["sealed: accounts.totp_secret"].wrong == (
            "5 values of accounts.totp_secret do not open with these keys",
        )

    def test_names_evidence_that_was_rewritten_before_the_backup(self, made, read, filled, settings):
        with db.transaction("owner") as session:
            session.execute(text("SET LOCAL session_replication_role = replica"))
            session.execute(text("UPDATE audit_entries SET actor = 'x' WHERE seq = 3 AND enterprise_id IS NOT NULL"))
        found = drilled(read(made().folder), filled, settings)["chains of evidence"]
        assert found.told == "1 of 2 hold"
        assert "line 3" in found.wrong[0]

    @pytest.mark.parametrize(("spoil", "step"), [
        ("DROP POLICY {} ON facts", "guards policies"),
        ("ALTER TABLE facts DISABLE ROW LEVEL SECURITY", "guards row_security"),
        ("GRANT UPDATE ON audit_entries TO creditlink_api", "guards privileges"),
        ("ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_are_final", "guards triggers"),
        ("DELETE FROM person_channels", "tables person_channels"),
        ("UPDATE audit_heads SET seq = 1", "heads evidence"),
    ])  # fmt: skip
    def test_the_picture_tells_guards_that_are_missing(self, filled, spoil, step):
        from creditlink.custody.backup import picture

        with filled.engine("owner").connect() as connection:
            before = picture.take(connection).as_claims()
            name = connection.scalar(text("SELECT policyname FROM pg_policies WHERE tablename = 'facts' LIMIT 1"))
            spoil = spoil.format(name)
            connection.execute(text(spoil))
            found = list(picture.take(connection).differences(before))
            connection.rollback()
        assert len(found) == 1
        assert found[0].startswith(step)

    def test_a_drill_that_breaks_leaves_no_database(self, made, read, filled, settings):
        with pytest.raises(Exception, match="does not exist"):
            drilled(read(made().folder), filled, settings, spoil="SELECT nothing_of_that_name")
        assert databases(filled) == []


def test_it_is_of_one_instant_while_others_write(made, read, filled, settings):
    over = threading.Event()

    def write():
        while not over.is_set():
            with filled.transaction("owner") as session:
                audit.record(session, action="test", result="done", actor="test", now=utc_now())
                make.make_account(session)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for one in writers:
        one.start()
    try:
        backup = read(made().folder)
    finally:
        over.set()
        for one in writers:
            one.join()
    assert [one for one in drilled(backup, filled, settings).values() if one.wrong] == []


class TestRefused:
    @pytest.mark.parametrize("sealed", [False, True])
    def test_a_damaged_dump(self, made, read, sealed):
        backup = made(sealed=sealed)
        content = bytearray(backup.dump.read_bytes())
        for change in (content[:-1], bytes([content[0] ^ 1]) + content[1:], content + b"\0", b""):
            backup.dump.write_bytes(change)
            with pytest.raises(writing.BackupRefused, match="damaged"):
                read(backup.folder)
        backup.dump.unlink()
        with pytest.raises(writing.BackupRefused, match="No such file"):
            read(backup.folder)

    @pytest.mark.parametrize("content", [b"", b"\0", b"\xff\xfe", b"a.b.c", "\ufeff{}".encode()])
    def test_a_manifest_that_is_none(self, made, read, content):
        backup = made()
        (backup.folder / "manifest.jws").write_bytes(content)
        with pytest.raises(writing.BackupRefused):
            read(backup.folder)

    def test_one_signed_by_another_server(self, made, read, settings):
        with pytest.raises(writing.BackupRefused, match="signature"):
            read(made(secret=OTHER).folder)

    def test_one_of_another_address(self, made, settings):
        backup = made()
        with pytest.raises(writing.BackupRefused, match="it is a backup of"):
            writing.read(backup.folder, keyring.public_keys(settings.secret_key), issuer="https://other.example")

    def test_another_signed_document_as_its_manifest(self, made, read, settings):
        backup = made()
        said = keyring.sign(backup.claims, typ="consent-receipt+jws", secret=settings.secret_key)
        (backup.folder / "manifest.jws").write_text(said)
        with pytest.raises(writing.BackupRefused, match="not a backup manifest"):
            read(backup.folder)

    @pytest.mark.parametrize("file", ["../../etc/passwd", "", None, 1, "manifest.jws"])
    def test_a_manifest_that_leads_elsewhere(self, made, read, settings, file):
        backup = made()
        claims = dict(backup.claims) | {"file": file}
        (backup.folder / "manifest.jws").write_text(keyring.sign(claims, typ=writing.TYPE, secret=settings.secret_key))
        with pytest.raises(writing.BackupRefused, match="names no dump"):
            read(backup.folder)

    def test_a_database_that_is_not_empty(self, made, read, filled, settings):
        with pytest.raises(writing.BackupRefused, match="not empty"):
            restoring.restore(read(made().folder), filled, environment="test", secret=settings.secret_key)

    def test_a_sandbox_for_production(self, made, read, filled, settings):
        with filled.engine("owner").connect() as connection:
            purpose.mark(connection, "sandbox", "test")
            connection.commit()
        backup = read(made().folder)
        with drill.scratch(filled) as into, pytest.raises(writing.BackupRefused, match="environment is production"):
            restoring.restore(backup, into, environment="production", secret=settings.secret_key)

    def test_a_sealed_one_without_its_key(self, made, read, filled, settings):
        backup = read(made(sealed=True).folder)
        with drill.scratch(filled) as into:
            with pytest.raises(writing.BackupRefused, match="does not open"):
                restoring.restore(backup, into, environment="test", secret=OTHER)
            with into.engine("owner").connect() as connection:
                assert connection.scalar(restoring._EMPTY) == 0


def test_a_sealed_one_opens_after_a_rotation(made, read, filled, settings):
    backup = made(sealed=True)
    new = keyfile.new_key(utc_now(), signs_from=utc_now() - timedelta(seconds=1), signs="Ed25519", seals="SM4-GCM")
    keys = keyfile.add_key(settings.keys_path, settings.secret_key.first.secret, new)
    later = replace(settings, secret_key=keys)
    steps = drilled(read(backup.folder, keys), filled, later)
    assert [one for one in steps.values() if one.wrong] == []
    again = made(sealed=True, secret=keys, now=utc_now() + timedelta(seconds=5))
    assert again.claims["key"] == "k2"
    assert [one for one in drilled(read(again.folder, keys), filled, later).values() if one.wrong] == []


def test_a_broken_one_leaves_nothing(filled, settings, tmp_path, monkeypatch):
    def fail(*_):
        raise tools.ToolFailed("pg_dump ended with status 1: disk full")

    monkeypatch.setattr(tools, "run", fail)
    with pytest.raises(tools.ToolFailed):
        writing.make(filled, tmp_path / "b", issuer="x", secret=OTHER, now=utc_now(), sealed=False)
    assert list((tmp_path / "b").iterdir()) == []


class TestStreams:
    @pytest.fixture
    def sealed(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("streams")
        plain = folder / "plain"
        plain.write_bytes(os.urandom(2 * streams._PART + 5))
        streams.seal_file(plain, folder / "sealed", OTHER)
        return folder

    @pytest.mark.parametrize("size", [0, 1, streams._PART - 1, streams._PART, streams._PART + 1, 2 * streams._PART])
    def test_open_as_they_were(self, tmp_path, size):
        content = os.urandom(size)
        (tmp_path / "plain").write_bytes(content)
        streams.seal_file(tmp_path / "plain", tmp_path / "sealed", OTHER)
        streams.open_file(tmp_path / "sealed", tmp_path / "opened", OTHER)
        assert (tmp_path / "opened").read_bytes() == content

    def test_cut_swapped_or_changed_they_do_not(self, sealed, tmp_path):
        content = (sealed / "sealed").read_bytes()
        part, head = (
            streams._PART + streams._TAG,
            len(content) - (2 * (streams._PART + streams._TAG) + 5 + streams._TAG),
        )
        one, two, last = content[head : head + part], content[head + part : head + 2 * part], content[head + 2 * part :]
        start = content[:head]
        renamed = content.replace(b"\nk1\n", b"\nk9\n", 1)
        wrong = [start + two + one + last, start + one + last, start + one + two, start + one, start, start[:-1], b""]
        wrong += [content + b"x", b"x" + content, renamed]
        for number, changed in enumerate(wrong):
            (tmp_path / "wrong").write_bytes(changed)
            with pytest.raises(streams.StreamDamaged):
                streams.open_file(tmp_path / "wrong", tmp_path / f"opened{number}", OTHER)


class TestCommands:
    @pytest.fixture
    def run(self, filled, settings, monkeypatch):
        monkeypatch.setattr(commands, "start", lambda _role: (settings, filled))
        monkeypatch.setattr(commands, "load_settings", lambda: settings)

        def invoke(command, *arguments):
            result = CliRunner().invoke(command, [str(one) for one in arguments])
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            return result

        return invoke

    def test_the_whole_way(self, run, filled, tmp_path):
        told = json.loads(run(commands.backup, "make", tmp_path, "--sealed").stdout)
        result = run(commands.backup, "drill", tmp_path)
        assert result.exit_code == 0, result.output
        assert "0 faults" in result.output
        with drill.scratch(filled) as into:
            result = run(commands.restore, told["backup"], "--to", db.conninfo(into.url))
            assert result.exit_code == 0, result.output
            with into.transaction("owner") as session:
                assert session.scalar(text("SELECT count(*) FROM accounts")) == 5
                # Evidence goes on after the restore, and says that there was one.
                assert audit.check(session, audit.NO_ENTERPRISE) is None
                assert session.scalar(text("SELECT count(*) FROM audit_entries WHERE action = 'backup.restore'")) == 1
            again = run(commands.restore, told["backup"], "--to", db.conninfo(into.url))
            assert again.exit_code == 1
            assert "not empty" in again.output

    def test_no_backup_is_said(self, run, tmp_path):
        result = run(commands.backup, "drill", tmp_path / "none")
        assert result.exit_code == 1
        assert "there is no backup" in result.output


class TestTools:
    def test_one_older_than_the_server_is_not_taken(self):
        with pytest.raises(tools.ToolFailed, match="PostgreSQL 99 or newer"):
            tools.find("pg_dump", server=99)

    def test_the_password_is_in_no_argument(self, monkeypatch, tmp_path):
        script = tmp_path / "pg_dump"
        script.write_text('#!/bin/sh\necho "$@" > "$OUT"\necho "$PGPASSWORD" >> "$OUT"\nexit 3\n')
        script.chmod(0o755)
        monkeypatch.setenv("OUT", str(tmp_path / "said"))
        url = db.as_psycopg("postgresql://someone:s3cret@127.0.0.1/x")
        with pytest.raises(tools.ToolFailed, match="status 3: no message"):
            tools.run(script, ["--a"], url)
        first, second = (tmp_path / "said").read_text().splitlines()
        assert "s3cret" not in first
        assert second == "s3cret"
