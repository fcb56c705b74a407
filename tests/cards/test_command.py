"""`creditlink cards verify`: clear verdicts and exit codes, in a process without database and network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from creditlink.cards import signing
from creditlink.cli.cards import cards
from creditlink.cli.main import cli
from tests.cards.test_attacks import CARD, HOLDER, ISSUER, KEYS, NOW, SECRET, present, terms

pytestmark = pytest.mark.pure


@pytest.fixture
def files(tmp_path):
    """Files of a verifier: the keys, lists with and without the card, the card."""
    tmp_path.joinpath("jwks.json").write_text(json.dumps(KEYS))
    tmp_path.joinpath("card.txt").write_text(present("grade_band", "no_penalties"))
    for name, ended, at in (
        ("good", {8: 1}, NOW), ("revoked", {7: 1}, NOW), ("paused", {7: 2}, NOW), ("old", {}, NOW - timedelta(days=9)),
    ):  # fmt: skip
        token = signing.status_list(
            ended, issuer=ISSUER, list_id="l1", size=64, ttl_seconds=300, stale_seconds=86400, secret=SECRET, now=at
        )
        tmp_path.joinpath(f"{name}.jwt").write_text(token)
    return tmp_path


def run(files, *more, card="card.txt", stdin=None, keys="jwks.json", issuer=ISSUER):
    result = CliRunner().invoke(
        cards, ["verify", card if card == "-" else str(files / card), "--keys", str(files / keys), "--issuer", issuer,
                *more], input=stdin,
    )  # fmt: skip
    return result.exit_code, json.loads(result.stdout) if result.stdout.startswith("{") else result.output


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [("good", 0, "valid"), ("revoked", 4, "revoked"), ("paused", 4, "suspended"), ("old", 5, "unknown")],
)
def test_the_list_decides(files, status, code, verdict):
    found, told = run(files, "--status", str(files / f"{status}.jwt"))
    assert (found, told["verdict"]) == (code, verdict)
    assert told["facts"]["grade_band"] == {
        "value": "B", "on": "2026-11-30", "label_en": "Grade band", "value_en": "B",
    }  # fmt: skip
    assert ("unknown_because" in told) == (verdict == "unknown")


def test_without_a_list_nothing_is_known_of_its_status(files):
    code, told = run(files)
    assert (code, told["verdict"], told["unknown_because"]) == (5, "unknown", "no status list was given")


def test_whom_it_is_for_is_compared_where_it_is_named(files):
    good = ("--status", str(files / "good.jwt"))
    assert run(files, *good, "--audience", "某房东")[0] == 0
    code, told = run(files, *good, "--audience", "另一房东")
    assert (code, told["reason"]) == (1, "not_for_you")
    assert run(files, *good, "--nonce", "x")[0] == 1


def test_time_is_told_apart(files):
    ended = present("grade_band", days=1, now=NOW - timedelta(days=2))
    files.joinpath("ended.txt").write_text(ended)
    assert run(files, "--status", str(files / "good.jwt"), card="ended.txt")[0] == 3
    old = signing.issued(
        {}, terms(issued_at=NOW - timedelta(days=99), expires_at=NOW - timedelta(days=9)),
        signing.public_half(HOLDER), secret=SECRET,
    )  # fmt: skip
    files.joinpath("old.txt").write_text(
        signing.presented(old, HOLDER, audience="x", now=datetime.now(UTC), good_until=NOW + timedelta(days=1))
    )
    assert run(files, card="old.txt")[0] == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\xff\xfe\x00\xd8", "信用名片".encode("gbk"), b"x" * 1_000_000, CARD.encode(), b"~" * 5000, b"\xff"],
)
def test_anything_else_is_refused(files, content):
    files.joinpath("odd.txt").write_bytes(content)
    code, told = run(files, card="odd.txt")
    assert code == 1, told


@pytest.mark.parametrize(
    "encode", [lambda t: t.encode(), lambda t: b"\xef\xbb\xbf" + t.encode(), lambda t: t.encode("utf-16")]
)
def test_a_mark_before_it_does_no_harm(files, encode):
    files.joinpath("marked.txt").write_bytes(encode(present("grade_band") + "\r\n"))
    assert run(files, "--status", str(files / "good.jwt"), card="marked.txt")[0] == 0


def test_it_reads_standard_input(files):
    code, told = run(files, "--status", str(files / "good.jwt"), card="-", stdin=present("grade_band"))
    assert (code, told["verdict"]) == (0, "valid")


def test_another_issuers_keys_or_name_are_refused(files):
    from creditlink.kit import keyring

    files.joinpath("other.json").write_text(json.dumps(keyring.public_keys("t" * 40)))
    assert run(files, keys="other.json")[0] == 1
    assert run(files, issuer="http://x.test")[1]["reason"] == "another_issuer"
    files.joinpath("none.json").write_text("{}")
    assert run(files, keys="none.json")[0] == 1
    files.joinpath("empty.json").write_text('{"keys": [null, {"kid": 1}]}')
    assert run(files, keys="empty.json")[0] == 1


def test_a_wrong_call_ends_with_two(files):
    assert CliRunner().invoke(cli, ["cards", "verify", str(files / "nowhere")]).exit_code == 2


def test_it_needs_neither_database_nor_settings_of_ours(files):
    """In a process of its own, with an empty environment and a database address that leads nowhere."""
    command = [sys.executable, "-m", "creditlink", "cards", "verify", str(files / "card.txt"), "--keys",
               str(files / "jwks.json"), "--issuer", ISSUER, "--status", str(files / "good.jwt")]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "valid"
    assert "sqlalchemy" not in done.stderr
