"""Evidence is appended in one chain a firm, also from parallel transactions, and stays as written."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from creditlink.audit import chain, service
from creditlink.audit.commands import audit
from creditlink.clock import utc_now


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


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET result = 'x'", "DELETE FROM audit_entries"])
@pytest.mark.parametrize("role", ["owner", "api", "worker"])
def test_nobody_changes_evidence(empty_database, statement, role):
    _record(empty_database, uuid4(), 1)
    with pytest.raises(DatabaseError), empty_database.transaction(role) as session:
        session.execute(text(statement))


def test_an_exported_file_is_verified_without_a_database(empty_database, tmp_path):
    firm = uuid4()
    for n in range(3):
        _record(empty_database, firm, n)
    with empty_database.transaction("owner") as session:
        lines = [json.dumps(line, ensure_ascii=False) for line in service.export(session, firm)]
    file = tmp_path / "chain.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert CliRunner().invoke(audit, ["verify", str(file)]).exit_code == 0
    file.write_text("\n".join([lines[0], lines[2]]), encoding="utf-8")
    removed = CliRunner().invoke(audit, ["verify", str(file)])
    assert removed.exit_code == 1
    assert "line 2" in removed.output
