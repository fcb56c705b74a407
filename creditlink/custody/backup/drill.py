"""The drill: a backup is restored into a database of its own, and everything that it must hold is looked at there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from creditlink.audit import chain, service
from creditlink.audit.tables import AuditHead
from creditlink.custody import resealing
from creditlink.custody.backup import restoring
from creditlink.custody.backup.writing import BackupManifest
from creditlink.decisions import archive
from creditlink.decisions.tables import DecisionHead
from creditlink.kit.keyring import Secret
from creditlink.kit.postgres import db, schema


@dataclass(frozen=True)
class DrillStep:
    """One thing that was looked at."""

    name: str
    told: str
    wrong: tuple[str, ...] = ()


@contextmanager
def scratch(database: db.Database) -> Iterator[db.Database]:
    """Give a new, empty database on the same server; it is gone afterwards, whatever happened."""
    name = f"creditlink_drill_{uuid4().hex[:12]}"
    made = db.Database(db.ensure_database(db.conninfo(database.url), name), pool_size=2)
    try:
        yield made
    finally:
        made.close()
        with database.engine("owner").connect() as connection:
            apart = connection.execution_options(isolation_level="AUTOCOMMIT")  # no transaction drops a database
            apart.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def drill(
    manifest: BackupManifest, into: db.Database, *, environment: str, secret: Secret, step: Callable[[str], None]
) -> Iterator[DrillStep]:
    """Restore a backup and yield what each look at it found. Errors are those of `restoring.restore`.

    Parameters
    ----------
    into : an empty database
    step : called with what is about to be done
    """
    step("restoring")
    differing = restoring.restore(manifest, into, environment=environment, secret=secret)
    tables = manifest.claims.get("tables")
    counts = [int(rows) for rows in tables.values()] if isinstance(tables, dict) else []
    yield DrillStep(
        "restored", f"{len(counts)} tables, {sum(counts)} rows, migration {manifest.claims.get('migration')}"
    )
    for name, about in (
        ("counts", "tables "), ("heads of chains", "heads "), ("row security, rights, triggers, roles", "guards "),
        ("migration and purpose", ("migration", "purpose")),
    ):  # fmt: skip
        wrong = tuple(one for one in differing if one.startswith(about))
        yield DrillStep(name, "as in the manifest" if not wrong else "otherwise", wrong)
    newer = str(manifest.claims.get("migration")) != schema.head()
    yield DrillStep(
        "code", "older or newer than the backup: migrate after a restore" if newer else "knows the migration"
    )
    with into.transaction("owner", viewer=db.Viewer(actor="audit")) as session:
        step("evidence")
        chains = session.scalars(select(AuditHead.chain_id).order_by(AuditHead.chain_id)).all()
        yield _chains("chains of evidence", chains, lambda one: service.check(session, one))
        step("decisions")
        firms = session.scalars(select(DecisionHead.chain_id).order_by(DecisionHead.chain_id)).all()
        yield _chains("chains of decisions", firms, lambda one: _decisions(session, one))
        step("sealed values")
        for column, good, bad in resealing.opened(session, secret):
            wrong = (f"{bad} values of {column} do not open with these keys",) if bad else ()
            yield DrillStep(f"sealed: {column}", f"{good} open", wrong)
    step("row security")
    with into.transaction("api") as session:
        seen = sum(session.scalar(text(f"SELECT count(*) FROM {one}")) or 0 for one in ("facts", "profiles"))  # noqa: S608
    told = "the API's role sees nobody's rows without a viewer"
    yield DrillStep("row security holds", told, (f"the API's role sees {seen} rows without a viewer",) if seen else ())


def _chains(name: str, chains: list[UUID] | object, check: Callable[[UUID], chain.Break | None]) -> DrillStep:
    found = list(chains) if isinstance(chains, (list, tuple)) else []
    broken = {one: fault for one in found if (fault := check(one)) is not None}
    wrong = tuple(f"chain {one}, line {fault.line}: {fault.reason}" for one, fault in broken.items())
    return DrillStep(name, f"{len(found) - len(broken)} of {len(found)} hold", wrong)


def _decisions(session: Session, chain_id: UUID) -> chain.Break | None:
    links = [row.link() for row in archive.links(session, chain_id)]
    return chain.verify(links, archive.head_of(session, chain_id))
