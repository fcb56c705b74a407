"""A certificate of deletion is rechecked by who kept something: a bank its answers, an auditor the firm's chain."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from creditlink.audit import service as audit
from creditlink.cli.consents import consents
from creditlink.kit import ids, keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.retention import purge
from creditlink.retention.certificates import TYPE
from creditlink.retention.tables import DeletionCertificate


@pytest.fixture
def kept(created, bank, empty_database, settings, tmp_path):
    """What is left after two purges of one consent: three answers, the chain, the keys and both certificates."""
    authorization, first = created(data_life_days=3)
    answers = [first]
    for _ in range(2):
        answers.append(bank.call("POST", "/v1/profiles", authorization, json={}).json())
    consent_id = ids.internal("cns", first["consent_id"])
    with empty_database.transaction("owner") as session:
        firm = session.scalar(text("SELECT enterprise_id FROM consents WHERE id = :id"), {"id": consent_id})
        made = list(session.scalars(text("SELECT created_at FROM profiles ORDER BY created_at")))
    life = timedelta(days=3)
    with empty_database.transaction("owner") as session:  # the first two, then the third
        for now in (made[1] + life, made[2] + life):
            purge.purge_firm(session, firm, issuer=settings.issuer, secret=settings.secret_key, now=now)
        documents = session.query(DeletionCertificate).order_by(DeletionCertificate.issued_at).all()
        sealed = audit.export_sealed(session, firm, issuer=settings.issuer, secret=settings.secret_key, now=utc_now())
        lines = list(sealed)
    files = {"keys": json.dumps(keyring.public_keys(settings.secret_key))}
    files |= {f"certificate-{i}": one.document for i, one in enumerate(documents)}
    files["answers"] = "\n".join(json.dumps(answer) for answer in answers)
    files["chain"] = "\n".join(json.dumps(line) for line in lines)
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert [one.deleted["profiles"]["rows"] for one in documents] == [2, 1]
    return tmp_path


@pytest.fixture
def verify(kept, monkeypatch):
    monkeypatch.setattr(db, "_current", None)  # it needs no database

    def run(certificate, *options):
        given = [str(kept / option) if not option.startswith("-") else option for option in options]
        return CliRunner().invoke(
            consents, ["verify-deletion", str(kept / certificate), "--keys", str(kept / "keys"), *given]
        )

    return run


def edit(path, change):
    lines = [json.loads(line) for line in path.read_text().split("\n")]
    path.write_text("\n".join(json.dumps(line) for line in change(lines)))


@pytest.mark.parametrize("certificate", ["certificate-0", "certificate-1"])
def test_holds_with_what_each_kept(verify, certificate):
    result = verify(certificate, "--answers", "answers", "--evidence", "chain")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["rechecked_with"] == ["answers", "chain"]


@pytest.mark.parametrize(
    "change",
    [
        lambda answers: answers[1:],
        lambda answers: [answers[0] | {"content_hmac": "0" * 64}, *answers[1:]],
        lambda answers: [],
    ],
    ids=["one is absent", "another content", "none"],
)
def test_does_not_hold_with_other_answers(verify, kept, change):
    edit(kept / "answers", change) if change([{}]) else (kept / "answers").write_text("")
    result = verify("certificate-0", "--answers", "answers")
    assert (result.exit_code, "told_sha256 is not the hash" in result.output) == (1, True), result.output


def test_an_answer_that_is_no_profile_is_named(verify, kept):
    (kept / "answers").write_text('{"id": "prf_x"}')
    result = verify("certificate-0", "--answers", "answers")
    assert (result.exit_code, "answers: not a profile" in result.output) == (1, True), result.output


def test_does_not_hold_with_a_chain_that_tells_something_else(verify, kept):
    edit(kept / "chain", lambda lines: [line for line in lines if line.get("action") != "data.purge"])
    result = verify("certificate-0", "--evidence", "chain")
    assert result.exit_code == 1
    assert "removed or reordered" in result.output or "no entry of the chain" in result.output


def test_a_certificate_over_other_rows_does_not_hold(verify, kept, settings):
    claims = keyring.unverified((kept / "certificate-0").read_text())
    claims["deleted"]["profiles"]["sha256"] = "0" * 64
    (kept / "certificate-0").write_text(keyring.sign(claims, typ=TYPE, secret=settings.secret_key))
    result = verify("certificate-0", "--evidence", "chain")
    assert (result.exit_code, "tells other counts or hashes" in result.output) == (1, True), result.output
