"""What a database holds, in figures that two databases have in common only if they hold the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from creditlink.kit.files.textfile import canonical_json
from creditlink.kit.postgres import purpose, schema

_TABLES = text("""
    SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
    ORDER BY c.relname""")
# One hash for each kind of thing that guards the data: a database without its guards is not the same one. Parentheses
# are left out of expressions: a dump writes `(a OR b) OR c` as `a OR b OR c`.
_GUARDS = {
    "row_security": """
        SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1""",
    "policies": """
        SELECT tablename, policyname, permissive, roles::text, cmd, translate(qual, '() ', ''),
               translate(with_check, '() ', '') FROM pg_policies
        WHERE schemaname = 'public' ORDER BY 1, 2""",
    "privileges": """
        SELECT table_name, column_name, grantee, privilege_type FROM information_schema.column_privileges
        WHERE table_schema = 'public' AND grantee IN ('creditlink_api', 'creditlink_worker') ORDER BY 1, 2, 3, 4""",
    "triggers": """
        SELECT c.relname, t.tgname, t.tgenabled::text, translate(pg_get_triggerdef(t.oid), '() ', '') FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
        ORDER BY 1, 2""",
    "functions": """
        SELECT p.proname, pg_get_function_identity_arguments(p.oid), p.prosecdef, md5(p.prosrc),
               has_function_privilege('creditlink_api', p.oid, 'EXECUTE'),
               has_function_privilege('creditlink_worker', p.oid, 'EXECUTE')
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace ORDER BY 1, 2""",
    "roles": """
        SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles
        WHERE rolname IN ('creditlink_api', 'creditlink_worker') ORDER BY 1""",
}
_HEADS = {
    "evidence": "SELECT chain_id::text, seq, digest FROM audit_heads ORDER BY 1",
    "decisions": "SELECT chain_id::text, seq, digest FROM decision_heads ORDER BY 1",
}


@dataclass(frozen=True)
class DatabasePicture:
    """What one snapshot of a database holds."""

    migration: str
    purpose: str | None
    tables: Mapping[str, int]  # name -> rows
    heads: Mapping[str, str]  # kind of chain -> sha256 over the heads of all of them
    guards: Mapping[str, str]  # kind -> sha256

    def as_claims(self) -> dict[str, object]:
        """Return it as a manifest says it."""
        return {
            "migration": self.migration, "purpose": self.purpose, "tables": dict(self.tables),
            "heads": dict(self.heads), "guards": dict(self.guards),
        }  # fmt: skip

    def differences(self, claims: Mapping[str, object]) -> Iterator[str]:
        """Yield what here is otherwise than a manifest says, a sentence each."""
        for name, here in self.as_claims().items():
            there = claims.get(name)
            if isinstance(here, dict) and isinstance(there, dict):
                for part in sorted(here.keys() | there.keys()):
                    if here.get(part) != there.get(part):
                        yield f"{name} {part}: {there.get(part)} in the backup, {here.get(part)} here"
            elif here != there:
                yield f"{name}: {there} in the backup, {here} here"


def take(connection: Connection) -> DatabasePicture:
    """Return the picture of a database, as the connection's transaction sees it."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    names = connection.scalars(_TABLES).all()
    tables = {
        name: int(connection.scalar(text(f"SELECT count(*) FROM public.{quote(name)}")) or 0)  # noqa: S608
        for name in names
    }
    heads = {kind: _hash(connection, query) for kind, query in _HEADS.items()}
    guards = {kind: _hash(connection, query) for kind, query in _GUARDS.items()}
    return DatabasePicture(
        schema.current_revision(connection), purpose.mark_of(connection), tables, heads, guards
    )  # fmt: skip


def _hash(connection: Connection, query: str) -> str:
    digest = hashlib.sha256()
    for row in connection.execute(text(query).execution_options(yield_per=1000)):
        digest.update(canonical_json(list(row)).encode() + b"\n")
    return digest.hexdigest()
