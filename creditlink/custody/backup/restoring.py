"""Bringing a backup back: into an empty database, whole or not at all, and compared with its manifest."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from creditlink.custody.backup import picture, streams, tools
from creditlink.custody.backup.writing import BackupManifest, BackupRefused
from creditlink.kit.keyring import Secret
from creditlink.kit.postgres import purpose
from creditlink.kit.postgres.db import Database

_ROLES = ("creditlink_api", "creditlink_worker")
_EMPTY = text("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")


def restore(manifest: BackupManifest, database: Database, *, environment: str, secret: Secret) -> list[str]:
    """Restore a backup into an empty database; return what is otherwise than its manifest says.

    Raises
    ------
    BackupRefused
        The database is not empty, the backup is for another environment, or its dump does not open.
    tools.ToolFailed
        pg_restore is not there, or failed; the database stays empty.
    """
    wanted = purpose.purpose_for(environment)
    if manifest.claims.get("purpose") not in (wanted, None):
        raise BackupRefused(
            f"it is of a database for {manifest.claims.get('purpose')}, and environment is {environment}"
        )
    with database.engine("owner").connect() as connection:
        if connection.scalar(_EMPTY):
            raise BackupRefused(f"database {database.name} is not empty; restore into a new one")
        version = int(connection.scalar(text("SELECT current_setting('server_version_num')")) or 0) // 10_000
        for role in _ROLES:  # of the whole server, and so in no dump
            connection.execute(
                text(f"""
                DO $$ BEGIN CREATE ROLE {role} LOGIN;
                EXCEPTION WHEN duplicate_object THEN NULL; WHEN unique_violation THEN NULL; END $$""")
            )
        connection.commit()
    with _plain(manifest, secret) as dump:
        arguments = ["--single-transaction", "--exit-on-error", "--no-owner", str(dump)]
        tools.run(tools.find("pg_restore", server=version), arguments, database.url)
    with database.engine("owner").connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
        return list(picture.take(connection).differences(manifest.claims))


@contextmanager
def _plain(manifest: BackupManifest, secret: Secret) -> Iterator[Path]:
    """Give the dump as pg_restore takes it; what is opened for it is gone afterwards."""
    if not manifest.is_sealed:
        yield manifest.dump
        return
    with tempfile.TemporaryDirectory(dir=manifest.folder.parent, prefix=".opened-") as folder:
        opened = Path(folder) / "database.dump"
        try:
            streams.open_file(manifest.dump, opened, secret)
        except streams.StreamDamaged as error:
            raise BackupRefused(str(error)) from None
        yield opened
