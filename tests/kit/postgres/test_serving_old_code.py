"""A migration that says it serves older code keeps what that code relies on: expand first, contract a release later.

The schema is built up step by step; of each step is kept what code of that revision may read, write and call.
"""

import re
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from creditlink.kit.postgres import db, schema
from creditlink.kit.settings import ROOT

VERSIONS = sorted((ROOT / "migrations" / "versions").glob("[0-9]*.py"))
SERVES = {
    path.name[:4]: match[1] for path in VERSIONS if (match := re.search(r'^serves = "(\d{4})"', path.read_text(), re.M))
}
FIRST_THAT_MUST_SAY = "0063"
FIRST_SERVED = "0030"

COLUMNS = text("""
    SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> ''
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped""")
GRANTS = text("""
    SELECT grantee || ': ' || privilege_type || ' ' || table_name || '.' || column_name
    FROM information_schema.role_column_grants
    WHERE table_schema = 'public' AND grantee IN ('creditlink_api', 'creditlink_worker')
    UNION SELECT grantee || ': ' || privilege_type || ' ' || table_name FROM information_schema.role_table_grants
    WHERE table_schema = 'public' AND grantee IN ('creditlink_api', 'creditlink_worker')
      AND privilege_type = 'DELETE'""")
FUNCTIONS = text("""
    SELECT p.oid::regprocedure || ' → ' || pg_get_function_result(p.oid) || ' ' || r FROM pg_proc p
    CROSS JOIN unnest(ARRAY['creditlink_api', 'creditlink_worker']) r
    WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'creditlink%'
      AND p.prorettype <> 'trigger'::regtype
      AND has_function_privilege(r, p.oid, 'EXECUTE')""")
RULES = text("""
    SELECT c.relname || '.' || k.conname, pg_get_constraintdef(k.oid),
           ARRAY(SELECT c.relname || '.' || a.attname FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum = ANY(k.conkey))
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE c.relnamespace = 'public'::regnamespace AND k.contype IN ('c', 'u', 'f')""")


@dataclass(frozen=True)
class Contract:
    """What code may rely on: columns with type, whether they are never null and whether they fill themselves."""

    columns: dict[str, tuple[str, bool, bool]]
    grants: frozenset[str]
    functions: frozenset[str]
    rules: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, connection):
        columns = {name: (kind, never_null, filled) for name, kind, never_null, filled in connection.execute(COLUMNS)}
        return cls(
            columns,
            frozenset(connection.scalars(GRANTS)),
            frozenset(connection.scalars(FUNCTIONS)),
            {name: (said, frozenset(about)) for name, said, about in connection.execute(RULES)},
        )

    def broken_by(self, later):
        """Yield what code of this schema would meet in a later one."""
        tables = {name.split(".")[0] for name in self.columns}
        for name, (kind, never_null, _) in self.columns.items():
            if name not in later.columns:
                yield f"column {name} is gone"
            elif later.columns[name][0] != kind:
                yield f"column {name} is of another type"
            elif never_null and not later.columns[name][1]:
                yield f"column {name} may be null"
            elif later.columns[name][1] and not never_null:
                yield f"column {name} must be given"
        for name in later.columns.keys() - self.columns.keys():
            _, never_null, filled = later.columns[name]
            if name.split(".")[0] in tables and never_null and not filled:
                yield f"new column {name} must be given"
        yield from (f"right gone: {one}" for one in self.grants - later.grants)
        yield from (f"function gone: {one}" for one in self.functions - later.functions)
        for name, (said, about) in later.rules.items():
            before = self.rules.get(name, ("", about))[0]
            is_about_ours = about and about <= self.columns.keys()
            if is_about_ours and before != said and not _is_wider(before, said):
                yield f"rule {name}: {said}"


def _is_wider(before, after):
    """Whether a list of allowed values only became longer."""
    listed = [set(re.findall(r"'(\w+)'::text", rule)) for rule in (before, after)]
    same = len({re.sub(r"ARRAY\[.*?\]", "[]", rule) for rule in (before, after)}) == 1
    return bool(before) and same and listed[0] < listed[1]


@pytest.fixture(scope="module")
def contracts(postgres_url):
    """The contract of every revision from the first that is still served."""
    opened = db.Database(db.ensure_database(postgres_url, "served_code"))
    found = {}
    try:
        for path in VERSIONS:
            if path.name[:4] >= FIRST_SERVED:
                schema.upgrade(opened, path.name[:4])
                with opened.engine("owner").connect() as connection:
                    found[path.name[:4]] = Contract.of(connection)
    finally:
        opened.close()
    return found


REASONS = {
    "rule staff_keys.fk_staff_keys_account_id_accounts": "any account, where it had to be one of staff",
    "rule institutions.ck_institutions_own_use": "older code makes no institution for a firm's own use",
    "rule clients.ck_clients_own_use": "nor its client",
    "rule consents.ck_consents_own_use": "nor a consent of that kind",
    "rule access_tokens.ck_access_tokens_own_use": "nor its tokens",
}
"""What is tighter, and why no older code does what it forbids."""


@pytest.mark.parametrize("revision", [one for one in SERVES if one > FIRST_SERVED])
def test_older_code_finds_what_it_relies_on(contracts, revision):
    """Every revision in between too: an installation may jump from any of them."""
    assert SERVES[revision] <= revision
    between = [one for one in contracts if SERVES[revision] <= one <= revision]
    broken = {f"{one}: {what}" for one in between for what in contracts[one].broken_by(contracts[revision])}
    assert {one for one in broken if not any(known in one for known in REASONS)} == set()


@pytest.mark.pure
def test_every_new_migration_says_whom_it_serves():
    assert [path.name for path in VERSIONS if path.name >= FIRST_THAT_MUST_SAY and path.name[:4] not in SERVES] == []


def test_what_older_code_cannot_live_with_is_seen(contracts):
    """The checks above can fail: these steps of the past broke older code, and say so."""
    assert "new column rejected_rows.state must be given" in set(contracts["0035"].broken_by(contracts["0036"]))
    assert "column disputes.fact_id may be null" in set(contracts["0060"].broken_by(contracts["0061"]))
