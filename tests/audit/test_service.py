"""Evidence is appended in one chain a firm, also from parallel transactions, and stays as written."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from creditlink.audit import chain, service
from creditlink.cli.audit import audit
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now


def _record(database, firm, n):
    with database.transaction("api") as session:
        service.record(
            session,
            action="profile.read",
            result="disclosed",
            actor="bank:x",
            now=utc_now(),
            enterprise_id=firm,
            detail={"n": n},
        )


def test_parallel_entries_make_one_unbroken_chain(empty_database):
    firm = uuid4()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: _record(empty_database, firm, n), range(24)))
    with empty_database.transaction("owner") as session:
        lines = list(service.export(session, firm))
    assert len(lines) == 24
    assert chain.verify(lines) is None


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET result = 'x'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"]
)
@pytest.mark.parametrize("role", ["owner", "api", "worker"])
def test_nobody_changes_evidence(empty_database, statement, role):
    _record(empty_database, uuid4(), 1)
    with pytest.raises(DatabaseError), empty_database.transaction(role) as session:
        session.execute(text(statement))


_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
# A float from 10^15 to 10^16 is refused; from there the column gives an integer back.
_FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < 1e15 or abs(x) >= 1e16)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _FLOATS | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


class TestTheDatabasesHash:
    @hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        detail=st.dictionaries(_TEXT, _JSON, max_size=4),
        texts=st.tuples(_TEXT, _TEXT, _TEXT),
        optional=st.tuples(*[st.none() | _TEXT] * 3, *[st.none() | st.uuids()] * 3),
        at=st.datetimes(
            datetime(2000, 1, 1),  # noqa: DTZ001 (the strategy adds the zone)
            datetime(2100, 1, 1),  # noqa: DTZ001
            timezones=st.sampled_from((UTC, ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York"))),
        ),
    )
    def test_is_that_of_the_verifier_whatever_an_entry_holds(self, empty_database, detail, texts, optional, at):
        client, purpose, request, firm, institution, consent = optional
        with empty_database.transaction("owner") as session:
            made = service.record(
                session, action=texts[0], result=texts[1], actor=texts[2], now=at, enterprise_id=firm,
                institution_id=institution, client_id=client, consent_id=consent, purpose=purpose, detail=detail,
                request_id=request,
            )  # fmt: skip
            line = list(service.export(session, made.chain_id))[-1]
            written = json.loads(json.dumps(line))
            assert (line["seq"], line["previous"], line["digest"]) == (made.seq, made.previous, made.digest)
            assert chain.digest(line) == chain.digest(written) == made.digest
            assert service.check(session, made.chain_id) is None
            session.rollback()

    @pytest.mark.parametrize("role", ["api", "worker"])
    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO audit_entries (chain_id, seq, at, action, result, actor, detail, previous, digest)"
            " VALUES (gen_random_uuid(), 1, now(), 'x', 'x', 'x', '{}', '', '')",
            "INSERT INTO audit_heads (chain_id, seq, digest) VALUES (gen_random_uuid(), 0, '')",
            "UPDATE audit_heads SET seq = 0",
            "DELETE FROM audit_heads",
        ],
    )
    def test_nobody_writes_an_entry_or_moves_a_head_by_hand(self, empty_database, role, statement):
        with pytest.raises(DatabaseError, match="permission denied"), empty_database.transaction(role) as session:
            session.execute(text(statement))

    def test_a_table_of_ones_own_does_not_get_in_its_way(self, empty_database):
        """A function with the owner's rights must not look where its caller says."""
        firm = uuid4()
        with empty_database.transaction("owner") as session:
            session.execute(text("SET LOCAL search_path = pg_temp, public"))
            session.execute(text("CREATE TEMP TABLE audit_heads (chain_id uuid, seq bigint, digest text)"))
            session.execute(text("INSERT INTO audit_heads VALUES (:firm, 41, 'forged')"), {"firm": firm})
            made = service.record(session, action="x", result="done", actor="x", now=utc_now(), enterprise_id=firm)
            assert (made.seq, made.previous) == (1, chain.GENESIS)
            session.rollback()


@pytest.fixture
def exported(empty_database, settings, tmp_path):
    """Write an export of four entries, its lines edited by `change`; return how `audit verify` ends."""
    firm, keys = uuid4(), tmp_path / "keys.json"
    keys.write_text(json.dumps(keyring.public_keys(settings.secret_key)))
    for n in range(4):
        _record(empty_database, firm, n)

    def run(change=lambda lines: lines, *options, secret=None):
        with empty_database.transaction("owner") as session:
            sealed = service.export_sealed(
                session, firm, issuer=settings.issuer, secret=secret or settings.secret_key, now=utc_now()
            )
            lines = [json.dumps(line, ensure_ascii=False) for line in sealed]
        file = tmp_path / "chain.jsonl"
        file.write_text("\n".join(change(lines)), encoding="utf-8")
        return CliRunner().invoke(audit, ["verify", str(file), "--keys", str(keys), *options])

    return run


class TestVerifyingAFile:
    def test_it_holds_without_a_database(self, exported):
        result = exported()
        assert (result.exit_code, "4 entries, the chain holds" in result.output) == (0, True)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda lines: [lines[0], *lines[2:]], "line 2: expected seq 2"),
            (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1: expected seq 1"),
            (lambda lines: [lines[0].replace("disclosed", "refused"), *lines[1:]], "line 1: seq 1 was changed"),
            (lambda lines: [*lines[:3], lines[-1]], "line 4: the chain ends at seq 3, its head is at seq 4"),
            (lambda lines: lines[-1:], "line 1: the chain ends at seq 0"),
            (lambda lines: lines[:-1], "line 5: there is no head"),
            (lambda _lines: [], "there is no head"),
        ],
        ids=["removed", "reordered", "changed", "truncated", "emptied", "headless", "nothing"],
    )
    def test_what_was_done_to_it_is_found(self, exported, change, said):
        result = exported(change)
        assert result.exit_code == 1
        assert said in result.output

    def test_a_head_of_another_signer_does_not_pin(self, exported):
        result = exported(secret="other" * 10)
        assert result.exit_code == 1
        assert "the signature does not hold" in result.output

    def test_a_link_noted_before_finds_a_chain_written_anew(self, exported):
        seen = []
        exported(lambda lines: seen.extend(lines) or lines)
        noted = json.loads(seen[1])["digest"]
        assert exported(lambda lines: lines, "--head", f"2:{noted}").exit_code == 0
        rewritten = exported(lambda lines: lines, "--head", "2:" + "0" * 64)
        assert (rewritten.exit_code, "not the link that was noted" in rewritten.output) == (1, True)

    @pytest.mark.parametrize(
        ("content", "code", "said"),
        [
            (lambda keys: b"\xef\xbb\xbf" + keys, 0, "the chain holds"),
            (lambda keys: b"not JSON", 1, "keys.json: Expecting value at character 1"),
            (lambda keys: b"[]", 1, "keys.json: not a JWK set"),
            (lambda keys: b"\xff\xff", 1, "keys.json: line 1"),
        ],
        ids=["BOM", "no JSON", "no set", "no text"],
    )
    def test_keys_that_a_user_hands_over(self, exported, tmp_path, settings, content, code, said):
        keys = tmp_path / "keys.json"
        keys.write_bytes(content(json.dumps(keyring.public_keys(settings.secret_key)).encode()))
        result = exported(lambda lines: lines, "--keys", str(keys))
        assert (result.exit_code, said in result.output) == (code, True)
        assert not result.exception or isinstance(result.exception, SystemExit)

    def test_a_link_that_is_no_number_is_refused(self, exported):
        result = exported(lambda lines: lines, "--head", "²:" + "0" * 64)
        assert (result.exit_code, "needs SEQ:DIGEST" in result.output) == (2, True)


class TestCheckingTheDatabase:
    def test_every_chain_is_held_to_its_head(self, empty_database, monkeypatch, settings):
        firms = [uuid4(), uuid4()]
        for firm in firms:
            for n in range(3):
                _record(empty_database, firm, n)
        monkeypatch.setattr("creditlink.cli.audit.start", lambda _role: (settings, empty_database))
        result = CliRunner().invoke(audit, ["check"])
        assert (result.exit_code, "2 chains, 0 do not hold" in result.output) == (0, True)
        with empty_database.transaction("owner") as session:
            # A superuser can: that is what the check is for.
            session.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER USER"))
            session.execute(text("DELETE FROM audit_entries WHERE chain_id = :firm AND seq = 3"), {"firm": firms[0]})
            session.execute(
                text("UPDATE audit_entries SET result = 'x' WHERE chain_id = :f AND seq = 2"), {"f": firms[1]}
            )
            session.execute(text("ALTER TABLE audit_entries ENABLE TRIGGER USER"))
        result = CliRunner().invoke(audit, ["check"])
        assert result.exit_code == 1
        assert f"chain {firms[0]}, line 3: the chain ends at seq 2, its head is at seq 3" in result.output
        assert f"chain {firms[1]}, line 2: seq 2 was changed" in result.output
